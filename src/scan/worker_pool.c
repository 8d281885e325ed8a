/* worker_pool.c: trees, workers, two queues. */
#include "scan/worker_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "proc/wire.h"

#define TICK_MS 50
#define VERSION_SIZE 128

struct pool_tree {
	struct worker_pool *pool;
	struct pool_tree *next;
	int fd;
	struct loop_watch *watch;
	struct pool_worker *workers;
	bool retired; /* no new work; let go when idle */
};

struct pool_worker {
	struct pool_tree *tree;
	struct pool_worker *next;
	int fd;
	uint32_t pid;
	struct loop_watch *watch;
	struct pool_request *request;
	bool ended; /* killed by us, its end is on the way */
};

struct queue {
	struct pool_request *first, *last;
	unsigned count;
};

struct worker_pool {
	struct loop *loop;
	char name[24];
	unsigned small_share;
	struct pool_tree *trees; /* the first is the current one, unless retired */
	struct queue small, large;
	struct loop_timer *tick;
	bool ticking, gone, absent;
	uint64_t generation, signatures, built, died, timeouts, served, last_number;
	char version[VERSION_SIZE];
};

static void pool_dispatch(struct worker_pool *p);

static void
queue_add(struct queue *q, struct pool_request *r)
{
	r->next = NULL;
	r->prev = q->last;
	if (q->last == NULL)
		q->first = r;
	else
		q->last->next = r;
	q->last = r;
	q->count++;
	r->queued = true;
}

static void
queue_remove(struct queue *q, struct pool_request *r)
{
	if (r->prev == NULL)
		q->first = r->next;
	else
		r->prev->next = r->next;
	if (r->next == NULL)
		q->last = r->prev;
	else
		r->next->prev = r->prev;
	r->next = r->prev = NULL;
	q->count--;
	r->queued = false;
}

static struct queue *
queue_of(struct worker_pool *p, const struct pool_request *r)
{
	return r->large ? &p->large : &p->small;
}

static void
worker_free(struct pool_worker *w)
{
	struct pool_worker **place = &w->tree->workers;

	while (*place != w)
		place = &(*place)->next;
	*place = w->next;
	loop_watch_free(&w->watch);
	fd_close(&w->fd);
	free(w);
}

static void
tree_free(struct pool_tree *t)
{
	struct pool_tree **place = &t->pool->trees;

	while (*place != t)
		place = &(*place)->next;
	*place = t->next;
	while (t->workers != NULL)
		worker_free(t->workers);
	loop_watch_free(&t->watch);
	fd_close(&t->fd);
	free(t);
}

static void
worker_kill(struct pool_worker *w)
{
	if (w->ended)
		return;
	w->ended = true;
	(void)frame_send(w->tree->fd, FRAME_KILL, slice_of(&w->pid, sizeof(w->pid)), NULL, 0);
}

/* The request leaves its worker; done() may submit the next at once. */
static void
request_finish(struct pool_request *q, enum pool_result result, struct slice answer)
{
	q->worker = NULL;
	q->done(q, result, answer);
}

static void
worker_gone(struct pool_worker *w)
{
	struct worker_pool *p = w->tree->pool;
	struct pool_request *q = w->request;

	worker_free(w);
	if (q != NULL) {
		p->died++;
		request_finish(q, POOL_DIED, SLICE_NONE);
	}
}

static void
tree_let_go_when_idle(struct pool_tree *t)
{
	for (const struct pool_worker *w = t->workers; w != NULL; w = w->next) {
		if (w->request != NULL)
			return;
	}
	tree_free(t);
}

static void
worker_readable(void *ctx, unsigned events UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct pool_worker *w = ctx;
	struct pool_tree *t = w->tree;
	struct worker_pool *p = t->pool;
	struct pool_request *q;
	struct frame f;
	int r = frame_recv(w->fd, buffer, &f);

	if (r == -EAGAIN)
		return;
	if (r != 1 || w->request == NULL || w->ended) {
		/* Gone, or it said what nobody asked for. */
		if (r == 1)
			worker_kill(w);
		frame_close_fds(&f);
		worker_gone(w);
	} else {
		q = w->request;
		w->request = NULL;
		p->served++;
		request_finish(q, POOL_DONE, f.body);
		frame_close_fds(&f);
	}
	if (t->retired)
		tree_let_go_when_idle(t);
	pool_dispatch(p);
}

static void
tree_add_worker(struct pool_tree *t, struct frame *f)
{
	struct wire_reader r = wire_read(f->body);
	uint32_t pid = wire_get_u32(&r);
	struct pool_worker *w;

	if (!wire_is_done(&r) || f->fd_count != 1)
		return;
	w = mem_new(sizeof(*w));
	w->tree = t;
	w->pid = pid;
	w->fd = frame_take_fd(f, 0);
	(void)fcntl(w->fd, F_SETFL, O_NONBLOCK);
	w->next = t->workers;
	t->workers = w;
	w->watch = loop_watch_new(t->pool->loop, w->fd, LOOP_READ, worker_readable, w);
}

/* The root of the tree is gone, and its workers die with it. */
static void
tree_lost(struct pool_tree *t)
{
	struct worker_pool *p = t->pool;

	t->retired = true;
	while (t->workers != NULL)
		worker_gone(t->workers);
	tree_free(t);
	pool_dispatch(p);
}

static void
tree_readable(void *ctx, unsigned events UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct pool_tree *t = ctx;
	struct frame f;
	int r = frame_recv_fds(t->fd, buffer, &f);

	if (r == -EAGAIN)
		return;
	if (r != 1) {
		tree_lost(t);
		return;
	}
	if (f.type == FRAME_WORKER && !t->retired)
		tree_add_worker(t, &f);
	frame_close_fds(&f);
	pool_dispatch(t->pool);
}

static struct pool_worker *
worker_find_idle(struct pool_tree *t)
{
	for (struct pool_worker *w = t->workers; w != NULL; w = w->next) {
		if (w->request == NULL && !w->ended)
			return w;
	}
	return NULL;
}

static unsigned
large_running(const struct pool_tree *t, unsigned *ret_workers)
{
	unsigned n = 0;

	*ret_workers = 0;
	for (const struct pool_worker *w = t->workers; w != NULL; w = w->next) {
		n += w->request != NULL && w->request->large;
		(*ret_workers)++;
	}
	return n;
}

static bool
large_may_run(const struct worker_pool *p, const struct pool_tree *t)
{
	unsigned workers, running = large_running(t, &workers);
	unsigned kept = (workers * p->small_share + 99) / 100;

	return running < MAX_OF(workers - MIN_OF(kept, workers), 1u);
}

/* Is there a worker that large requests leave alone? Else the older request goes first. */
static bool
small_keeps_a_worker(const struct worker_pool *p, const struct pool_tree *t)
{
	unsigned workers;

	(void)large_running(t, &workers);
	return workers > 1 && p->small_share > 0;
}

static bool
worker_give(struct pool_worker *w, struct pool_request *q)
{
	if (frame_send(w->fd, q->type, q->body, q->fds, q->fd_count) < 0)
		return false;
	w->request = q;
	q->worker = w;
	q->due_ms = clock_now_ms() + q->run_ms;
	return true;
}

static void
tick(void *ctx)
{
	struct worker_pool *p = ctx;

	p->ticking = false;
	pool_dispatch(p);
}

/* Ends what has waited or run too long. True when something ended: look again. */
static bool
expire_one(struct worker_pool *p, int64_t now)
{
	struct queue *queues[] = { &p->small, &p->large };

	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		for (struct pool_request *q = queues[i]->first; q != NULL; q = q->next) {
			if (q->due_ms > now && !p->gone)
				continue;
			queue_remove(queues[i], q);
			request_finish(q, POOL_WAITED, SLICE_NONE);
			return true;
		}
	}
	for (struct pool_tree *t = p->trees; t != NULL; t = t->next) {
		for (struct pool_worker *w = t->workers; w != NULL; w = w->next) {
			struct pool_request *q = w->request;

			if (q == NULL || q->due_ms > now)
				continue;
			w->request = NULL;
			worker_kill(w);
			p->timeouts++;
			request_finish(q, POOL_TIMEOUT, SLICE_NONE);
			return true;
		}
	}
	return false;
}

static bool
is_waiting(const struct worker_pool *p)
{
	if (p->small.count + p->large.count > 0)
		return true;
	for (const struct pool_tree *t = p->trees; t != NULL; t = t->next) {
		for (const struct pool_worker *w = t->workers; w != NULL; w = w->next) {
			if (w->request != NULL)
				return true;
		}
	}
	return false;
}

static void
pool_dispatch(struct worker_pool *p)
{
	struct pool_tree *t;

	while (expire_one(p, clock_now_ms()))
		continue;
	t = p->trees;
	while (t != NULL && !t->retired && p->small.count + p->large.count > 0) {
		struct pool_worker *w = worker_find_idle(t);
		struct pool_request *q = p->small.first;

		if (p->large.first != NULL && large_may_run(p, t) &&
		    (q == NULL || small_keeps_a_worker(p, t) || p->large.first->number < q->number))
			q = p->large.first;
		if (w == NULL || q == NULL)
			break;
		queue_remove(queue_of(p, q), q);
		if (!worker_give(w, q)) {
			queue_add(queue_of(p, q), q);
			worker_kill(w);
		}
	}
	if (!p->ticking && is_waiting(p)) {
		p->ticking = true;
		loop_timer_set_ms(p->tick, TICK_MS);
	}
}

struct worker_pool *
worker_pool_new(struct loop *l, const char *name, unsigned small_share)
{
	struct worker_pool *p = mem_new(sizeof(*p));
	size_t len = MIN_OF(strlen(name), sizeof(p->name) - 1);

	memcpy(p->name, name, len);
	p->loop = l;
	p->small_share = small_share;
	p->tick = loop_timer_new(l, tick, p);
	return p;
}

void
worker_pool_free(struct worker_pool **address)
{
	struct worker_pool *p = *address;

	if (p == NULL)
		return;
	while (p->trees != NULL)
		tree_free(p->trees);
	loop_timer_free(&p->tick);
	free(p);
	*address = NULL;
}

void
worker_pool_set_tree(struct worker_pool *p, int *channel_fd, uint64_t generation,
    struct slice version, uint64_t signatures, uint64_t built)
{
	struct pool_tree *t = mem_new(sizeof(*t)), *old = p->trees, *next;
	size_t len = MIN_OF(version.len, sizeof(p->version) - 1);

	t->pool = p;
	t->fd = TAKE_FD(*channel_fd);
	(void)fcntl(t->fd, F_SETFL, O_NONBLOCK);
	t->next = p->trees;
	p->trees = t;
	t->watch = loop_watch_new(p->loop, t->fd, LOOP_READ, tree_readable, t);
	p->gone = p->absent = false;
	p->generation = generation;
	p->signatures = signatures;
	p->built = built;
	memcpy(p->version, version.ptr, len);
	p->version[len] = '\0';
	for (; old != NULL; old = next) {
		next = old->next;
		old->retired = true;
		tree_let_go_when_idle(old);
	}
}

void
worker_pool_set_gone(struct worker_pool *p)
{
	p->gone = !worker_pool_is_there(p);
	pool_dispatch(p);
}

void
worker_pool_set_absent(struct worker_pool *p, bool absent)
{
	p->absent = absent;
}

bool
worker_pool_is_absent(const struct worker_pool *p)
{
	return p->absent;
}

bool
worker_pool_is_there(const struct worker_pool *p)
{
	return p->trees != NULL && !p->trees->retired;
}

uint64_t
worker_pool_get_generation(const struct worker_pool *p)
{
	return p->generation;
}

void
worker_pool_submit(struct worker_pool *p, struct pool_request *q)
{
	q->worker = NULL;
	q->number = ++p->last_number;
	q->due_ms = clock_now_ms() + q->wait_ms;
	queue_add(queue_of(p, q), q);
	pool_dispatch(p);
}

void
worker_pool_cancel(struct worker_pool *p, struct pool_request *q)
{
	if (q->queued) {
		queue_remove(queue_of(p, q), q);
	} else if (q->worker != NULL) {
		q->worker->request = NULL;
		worker_kill(q->worker);
		q->worker = NULL;
	}
}

struct pool_status
worker_pool_get_status(const struct worker_pool *p)
{
	struct pool_status s = { .queued_small = p->small.count, .queued_large = p->large.count,
		.generation = p->generation, .signatures = p->signatures, .built = p->built,
		.died = p->died, .timeouts = p->timeouts, .served = p->served,
		.version = p->trees == NULL ? "" : p->version };

	for (const struct pool_tree *t = p->trees; t != NULL; t = t->next) {
		for (const struct pool_worker *w = t->workers; w != NULL; w = w->next) {
			s.workers++;
			s.busy += w->request != NULL;
		}
	}
	return s;
}
