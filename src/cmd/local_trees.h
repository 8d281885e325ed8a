/* local_trees.h: an inspector and an engine of our own, caged as the daemon's are, for commands
 * that do without a daemon. */
#ifndef CORDON_CMD_LOCAL_TREES_H
#define CORDON_CMD_LOCAL_TREES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "proc/tree.h"

struct config;
struct pipeline;

struct local_tree {
	int control_fd;
	pid_t pid;
	bool ready;
	uint64_t signatures, built;
	char version[128], why[512];
};

struct local_trees {
	struct local_tree trees[TREE_KIND_COUNT];
	char folder[64];   /* for libclamav; ours */
	char warning[512]; /* why ClamAV's engine is not used, or "" */
};

/* Changes c: a user that is there, a work folder of our own, one worker of each kind. Before
 * the pipeline is made. 0, or a negative errno with *e; local_trees_done() in both cases. */
int local_trees_prepare(struct local_trees *t, struct config *c, struct err *e);
/* Starts the processes, waits until they are ready, connects them to p. Without an engine
 * (t->warning) p says what stays unscanned. 0, or a negative errno with *e. */
int local_trees_start(
    struct local_trees *t, const struct config *c, struct pipeline *p, struct err *e);
/* Ends them. The pipeline is gone by now. */
void local_trees_done(struct local_trees *t);

#endif
