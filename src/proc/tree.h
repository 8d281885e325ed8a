/* tree.h: a tree of caged workers. Its root loads what they share (signatures, a database),
 * reads no stranger's byte, and forks the workers, so that they share it copy-on-write. A
 * worker that dies is replaced. The supervisor holds one end of `control`; the gate gets one
 * socket per worker. */
#ifndef CORDON_PROC_TREE_H
#define CORDON_PROC_TREE_H

#include <stdint.h>

enum tree_kind {
	TREE_INSPECTOR,
	TREE_ENGINE,
	TREE_KIND_COUNT
};

struct tree {
	const char *worker_name;   /* for ps; at most 15 bytes */
	unsigned workers;
	unsigned backoff_max_ms;   /* between replacements of workers that die at once */
	const char *version;       /* of what was loaded: part of every cache key */
	uint64_t signatures, built;
	/* Runs in the new process and never returns: enters its cage, then serves sock. index is
	 * from 0 to workers - 1. */
	void (*worker_main)(void *ctx, int sock, unsigned index);
	void *ctx;
};

/* Serves until the supervisor and the gate have both let go. Returns the exit status. */
int tree_run(const struct tree *t, int control_fd);
/* Tells the supervisor why there will be no tree. */
void tree_report_failure(int control_fd, const char *why);

#endif
