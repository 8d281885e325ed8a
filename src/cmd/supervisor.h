/* supervisor.h: the process that stays root: it reads the configuration, opens listeners,
 * starts the others and starts them again. It reads no stranger's byte. */
#ifndef CORDON_CMD_SUPERVISOR_H
#define CORDON_CMD_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "proc/frame.h"
#include "proc/tree.h"

struct config;
struct loop;
struct loop_timer;
struct loop_watch;
struct supervisor;

/* One tree of workers, from its start to its end. */
struct sup_tree {
	struct supervisor *supervisor;
	struct sup_tree *next;
	enum tree_kind kind;
	pid_t pid;                 /* 0: ended */
	int control_fd;            /* -1: let go */
	struct loop_watch *watch;
	bool ready, replaced;
	uint64_t generation, signatures, built;
	char version[128];
	int64_t born_ms;
};

/* What there is of each kind. */
struct sup_kind {
	struct sup_tree *current;  /* ready, and given to the gate */
	struct loop_timer *restart;
	unsigned backoff_ms;
	bool settled;              /* since the start: ready once, or known not to come */
	bool absent, failed;
	bool absent_logged;
	char fingerprint[64];      /* of the database when it was last started */
};

struct sup_listener {
	struct sup_listener *next;
	char name[64], address[300], protocol[16];
	int fd;
	bool inherited, wanted;
};

struct supervisor {
	struct loop *loop;
	const char *config_path;
	struct config *config;
	char *config_text;
	size_t config_len;
	uint64_t generation;       /* of trees, counting up */
	struct sup_tree *trees;
	struct sup_kind kinds[TREE_KIND_COUNT];
	struct sup_listener *listeners;
	pid_t gate_pid, recorder_pid;
	int gate_fd, recorder_fd;
	struct loop_watch *gate_watch;
	int records[2];            /* [0] the gate writes, [1] the recorder reads */
	int counters_fd;
	struct loop_timer *gate_restart, *recorder_restart, *database_timer, *stop_timer;
	unsigned gate_backoff_ms, recorder_backoff_ms;
	int64_t gate_born_ms, recorder_born_ms;
	bool ready, stopping, check_only;
	int exit_status;
};

/* Runs the daemon until it is told to stop. Returns the exit status. */
int supervisor_run(const char *config_path, const char *pid_file);

/* supervisor_tree.c */
void sup_tree_start(struct supervisor *s, enum tree_kind kind);
/* The gate is new: it gets every current tree again. */
void sup_trees_connect(struct supervisor *s);
/* A child that ended: true when it was one of these. */
bool sup_tree_reap(struct supervisor *s, pid_t pid);
void sup_trees_stop(struct supervisor *s);
void sup_database_tick(void *ctx);
/* Starts the kinds that the configuration wants, beside what runs. */
void sup_trees_reload(struct supervisor *s);
bool sup_trees_are_settled(const struct supervisor *s);
void sup_kinds_init(struct supervisor *s);

/* supervisor.c, for supervisor_tree.c */
void supervisor_check_ready(struct supervisor *s);
/* Sends a message whose body was built with status `failed`. When that or the sending failed
 * the gate is ended: a new one is told everything from the start. */
void supervisor_tell_gate(struct supervisor *s, enum frame_type type, const struct buf *body,
    int failed, const int *fds, size_t fd_count);
void supervisor_give_up(struct supervisor *s, const char *why);
unsigned backoff_next(unsigned *backoff_ms, int64_t born_ms, unsigned max_ms);

#endif
