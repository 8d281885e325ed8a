/* worker_pool.h: the gate's side of a worker tree: which workers there are, what waits for
 * them, in which order. Cheap work never waits behind dear work alone: a share of the workers
 * is kept for it. A worker that dies or passes its time costs one request. */
#ifndef CORDON_SCAN_WORKER_POOL_H
#define CORDON_SCAN_WORKER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "proc/frame.h"

struct loop;
struct worker_pool;

enum pool_result {
	POOL_DONE = 1, /* the worker answered */
	POOL_DIED,     /* the worker died of it */
	POOL_TIMEOUT,  /* the worker took too long, and was ended */
	POOL_WAITED,   /* no worker became free in time */
};

/* One request. The owner keeps it alive until done() was called or pool_cancel() returned. */
struct pool_request {
	/* Filled by the owner. */
	enum frame_type type;
	struct slice body;           /* borrowed */
	int fds[4];                  /* borrowed */
	uint32_t fd_count;
	bool large;                  /* dear work: only on the workers left for it */
	unsigned wait_ms;            /* in the queue, at most */
	unsigned run_ms;             /* at the worker, at most */
	void (*done)(struct pool_request *q, enum pool_result result, struct slice answer);
	void *owner;
	/* The pool's. */
	struct pool_request *next, *prev;
	struct pool_worker *worker;
	int64_t due_ms;
	uint64_t number; /* counts up: who came first */
	bool queued;
};

struct pool_status {
	unsigned workers, busy, queued_small, queued_large;
	uint64_t generation, signatures, built, died, timeouts, served;
	const char *version; /* "" when there is no tree yet */
};

/* small_share: percent of the workers that large requests never take. */
struct worker_pool *worker_pool_new(struct loop *l, const char *name, unsigned small_share);
void worker_pool_free(struct worker_pool **p);
/* A new tree: takes over the channel. Workers of the tree before finish what they have. */
void worker_pool_set_tree(struct worker_pool *p, int *channel_fd, uint64_t generation,
    struct slice version, uint64_t signatures, uint64_t built);
/* There is no tree and will be none: requests end with POOL_WAITED at once. */
void worker_pool_set_gone(struct worker_pool *p);
/* Nothing is installed that could be started: nobody is to wait for this pool. */
void worker_pool_set_absent(struct worker_pool *p, bool absent);
bool worker_pool_is_absent(const struct worker_pool *p);
bool worker_pool_is_there(const struct worker_pool *p);
uint64_t worker_pool_get_generation(const struct worker_pool *p);
void worker_pool_submit(struct worker_pool *p, struct pool_request *q);
/* Takes it back: not queued any more, or its worker is ended. done() is not called. */
void worker_pool_cancel(struct worker_pool *p, struct pool_request *q);
struct pool_status worker_pool_get_status(const struct worker_pool *p);

#endif
