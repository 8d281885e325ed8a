/* test_worker_pool.c: the gate's side of a worker tree, against a tree played here: forked
 * workers that answer, wait or die as the request says, and a channel that kills them. */
#include "test_common.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/loop.h"
#include "proc/frame.h"
#include "proc/wire.h"
#include "scan/worker_pool.h"

#define REQUESTS 12
#define WORKERS 4

struct tree_side {
	int channel; /* what the root of the tree would hold */
	pid_t pids[2 * WORKERS];
	unsigned count;
};

static struct bench {
	struct loop *loop;
	struct worker_pool *pool;
	struct loop_timer *guard, *nudge;
	struct pool_request requests[REQUESTS];
	char bodies[REQUESTS][64];
	char answers[REQUESTS][64];
	enum pool_result results[REQUESTS];
	unsigned order[REQUESTS], done;
	void (*on_done)(unsigned index);
} bench;

/* A worker: the request's text says what it does. Then the pid is part of the answer. */
_Noreturn static void
worker_main(int sock)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct frame f;

	while (frame_recv(sock, buffer, &f) == 1) {
		char text[64];
		unsigned ms;

		(void)snprintf(text, sizeof(text), "%.*s", SLICE_FMT(f.body));
		if (strcmp(text, "die") == 0)
			_exit(1);
		if (strcmp(text, "hang") == 0)
			pause();
		if (sscanf(text, "wait %u", &ms) == 1)
			usleep(ms * 1000);
		if (f.fd_count == 1) /* proof that the descriptor came with it */
			(void)!write(f.fds[0], "fd", 2);
		frame_close_fds(&f);
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " pid %d",
		    (int)getpid());
		if (frame_send(sock, FRAME_INSPECTED, slice_of_str(text), NULL, 0) < 0)
			_exit(2);
		if (strncmp(text, "twice", 5) == 0)
			(void)frame_send(sock, FRAME_INSPECTED, slice_of_str("more"), NULL, 0);
	}
	_exit(0);
}

static void
worker_add(struct tree_side *t)
{
	uint32_t number;
	int pair[2];
	pid_t pid;

	assert_int_equal(frame_pair(pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		for (int fd = 3; fd < 256; fd++) { /* of nobody else's channels it keeps an end */
			if (fd != pair[1])
				close(fd);
		}
		worker_main(pair[1]);
	}
	number = (uint32_t)pid;
	t->pids[t->count++] = pid;
	assert_int_equal(frame_send(t->channel, FRAME_WORKER, slice_of(&number, sizeof(number)),
	    &pair[0], 1), 0);
	close(pair[0]);
	close(pair[1]);
}

/* Kills whom the pool wants killed. Number of messages. */
static unsigned
tree_serve(struct tree_side *t)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct frame f;
	unsigned n = 0;

	for (;;) {
		struct wire_reader r;
		struct timeval none = { 0 };
		fd_set set;
		bool known = false;
		pid_t pid;

		FD_ZERO(&set);
		FD_SET(t->channel, &set);
		if (select(t->channel + 1, &set, NULL, NULL, &none) != 1 ||
		    frame_recv(t->channel, buffer, &f) != 1)
			return n;
		assert_int_equal(f.type, FRAME_KILL);
		r = wire_read(f.body);
		pid = (pid_t)wire_get_u32(&r);
		assert_true(wire_is_done(&r));
		for (unsigned i = 0; i < t->count; i++)
			known = known || t->pids[i] == pid;
		assert_true(known);
		kill(pid, SIGKILL);
		n++;
	}
}

static void
tree_done(struct tree_side *t)
{
	for (unsigned i = 0; i < t->count; i++) {
		kill(t->pids[i], SIGKILL);
		waitpid(t->pids[i], NULL, 0);
	}
	if (t->channel >= 0)
		close(t->channel);
}

static void
tree_make(struct tree_side *t, unsigned workers, uint64_t generation)
{
	int pair[2];

	memset(t, 0, sizeof(*t));
	assert_int_equal(frame_pair(pair), 0);
	t->channel = pair[1];
	worker_pool_set_tree(bench.pool, &pair[0], generation, SLICE_LIT("version"), 7, 99);
	assert_int_equal(pair[0], -1); /* taken over */
	for (unsigned i = 0; i < workers; i++)
		worker_add(t);
}

static void
guard_fire(void *ctx UNUSED)
{
	fail_msg("nothing happened for ten seconds");
}

static void
nothing(void *ctx UNUSED)
{
}

static int
setup_share(unsigned small_share)
{
	memset(&bench, 0, sizeof(bench));
	bench.loop = loop_new();
	bench.pool = worker_pool_new(bench.loop, "test", small_share);
	bench.guard = loop_timer_new(bench.loop, guard_fire, NULL);
	bench.nudge = loop_timer_new(bench.loop, nothing, NULL);
	loop_timer_set_ms(bench.guard, 10000);
	return 0;
}

static int
setup(void **state UNUSED)
{
	return setup_share(50);
}

static int
teardown(void **state UNUSED)
{
	worker_pool_free(&bench.pool);
	loop_timer_free(&bench.guard);
	loop_timer_free(&bench.nudge);
	loop_free(&bench.loop);
	return 0;
}

static void
on_done(struct pool_request *q, enum pool_result result, struct slice answer)
{
	unsigned i = (unsigned)(q - bench.requests);

	assert_true(bench.results[i] == 0); /* once */
	bench.results[i] = result;
	(void)snprintf(bench.answers[i], sizeof(bench.answers[i]), "%.*s", SLICE_FMT(answer));
	bench.order[bench.done++] = i;
	if (bench.on_done != NULL)
		bench.on_done(i);
}

static struct pool_request *
submit(unsigned i, const char *body, bool large)
{
	struct pool_request *q = &bench.requests[i];

	(void)snprintf(bench.bodies[i], sizeof(bench.bodies[i]), "%s", body);
	q->type = FRAME_INSPECT;
	q->body = slice_of_str(bench.bodies[i]);
	q->large = large;
	if (q->wait_ms == 0)
		q->wait_ms = 5000;
	if (q->run_ms == 0)
		q->run_ms = 5000;
	q->done = on_done;
	worker_pool_submit(bench.pool, q);
	return q;
}

/* Turns the loop, and plays the tree, until so many are done. */
static unsigned
run_until(struct tree_side *t, unsigned done)
{
	unsigned kills = 0;

	while (bench.done < done) {
		loop_timer_set_ms(bench.nudge, 20);
		loop_run_once(bench.loop);
		if (t != NULL)
			kills += tree_serve(t);
	}
	return kills;
}

static void
turn_for_ms(struct tree_side *t, int64_t ms)
{
	int64_t end = clock_now_ms() + ms;

	while (clock_now_ms() < end) {
		loop_timer_set_ms(bench.nudge, 5);
		loop_run_once(bench.loop);
		if (t != NULL)
			(void)tree_serve(t);
	}
}

static pid_t
answer_pid(unsigned i)
{
	const char *at = strstr(bench.answers[i], "pid ");

	assert_non_null(at);
	return (pid_t)strtol(at + 4, NULL, 10);
}

static void
test_answers(void **state UNUSED)
{
	unsigned before = fds_count();
	struct tree_side t;
	struct pool_status s;
	char text[3] = "";
	int pipes[2];

	s = worker_pool_get_status(bench.pool);
	assert_string_equal(s.version, "");
	assert_false(worker_pool_is_there(bench.pool));
	tree_make(&t, 2, 42);
	assert_true(worker_pool_is_there(bench.pool));
	assert_true(worker_pool_get_generation(bench.pool) == 42);
	assert_int_equal(pipe(pipes), 0);
	bench.requests[0].fds[0] = pipes[1];
	bench.requests[0].fd_count = 1;
	submit(0, "zero", false); /* before any worker is known */
	submit(1, "one", true);
	submit(2, "two", false);
	(void)run_until(&t, 3);
	assert_int_equal(read(pipes[0], text, 2), 2);
	assert_string_equal(text, "fd");
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(bench.results[i], POOL_DONE);
		assert_memory_equal(bench.answers[i], bench.bodies[i], strlen(bench.bodies[i]));
	}
	s = worker_pool_get_status(bench.pool);
	assert_int_equal(s.workers, 2);
	assert_int_equal(s.busy, 0);
	assert_int_equal(s.served, 3);
	assert_int_equal(s.died + s.timeouts, 0);
	assert_int_equal(s.signatures, 7);
	assert_int_equal(s.built, 99);
	assert_string_equal(s.version, "version");
	worker_pool_free(&bench.pool);
	close(pipes[0]);
	close(pipes[1]);
	tree_done(&t);
	assert_int_equal(fds_count(), before);
}

/* Of four workers two are kept for small work: large requests never run more than two at once,
 * and small ones pass them by. */
static void
test_lanes(void **state UNUSED)
{
	struct tree_side t;
	unsigned last_small = 0;

	tree_make(&t, 4, 1);
	turn_for_ms(&t, 30);
	for (unsigned i = 0; i < 4; i++)
		submit(i, "wait 150", true);
	assert_int_equal(worker_pool_get_status(bench.pool).busy, 2);
	assert_int_equal(worker_pool_get_status(bench.pool).queued_large, 2);
	for (unsigned i = 4; i < 10; i++)
		submit(i, "wait 10", false);
	assert_int_equal(worker_pool_get_status(bench.pool).busy, 4);
	assert_int_equal(worker_pool_get_status(bench.pool).queued_small, 4);
	(void)run_until(&t, 10);
	for (unsigned k = 0; k < 10; k++) {
		assert_int_equal(bench.results[bench.order[k]], POOL_DONE);
		if (bench.order[k] >= 4)
			last_small = k;
	}
	assert_int_equal(last_small, 5); /* all six before the first of the large */
	tree_done(&t);
}

/* A single worker does large work too. */
static void
test_one_worker(void **state UNUSED)
{
	struct tree_side t;

	tree_make(&t, 1, 1);
	submit(0, "a", true);
	submit(1, "b", false);
	submit(2, "c", true);
	(void)run_until(&t, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(bench.results[i], POOL_DONE);
	tree_done(&t);
}

static void
test_death(void **state UNUSED)
{
	struct tree_side t;

	tree_make(&t, 2, 1);
	submit(0, "die", false);
	submit(1, "fine", false);
	(void)run_until(&t, 2);
	assert_int_equal(bench.results[0], POOL_DIED);
	assert_string_equal(bench.answers[0], "");
	assert_int_equal(bench.results[1], POOL_DONE);
	assert_int_equal(worker_pool_get_status(bench.pool).died, 1);
	assert_int_equal(worker_pool_get_status(bench.pool).workers, 1);
	worker_add(&t); /* the tree sends another one */
	submit(2, "wait 20", false);
	submit(3, "wait 20", false);
	(void)run_until(&t, 4);
	assert_int_equal(bench.results[2] | bench.results[3], POOL_DONE);
	assert_int_equal(worker_pool_get_status(bench.pool).workers, 2);
	tree_done(&t);
}

static void
test_timeout(void **state UNUSED)
{
	int64_t begun = clock_now_ms();
	struct tree_side t;

	tree_make(&t, 2, 1);
	bench.requests[0].run_ms = 100;
	submit(0, "hang", false);
	assert_int_equal(run_until(&t, 1), 1); /* the tree is told to kill it */
	assert_int_equal(bench.results[0], POOL_TIMEOUT);
	assert_true(clock_now_ms() - begun >= 100);
	turn_for_ms(&t, 50);
	assert_int_equal(worker_pool_get_status(bench.pool).workers, 1);
	assert_int_equal(worker_pool_get_status(bench.pool).timeouts, 1);
	assert_int_equal(worker_pool_get_status(bench.pool).died, 0);
	submit(1, "next", false);
	(void)run_until(&t, 2);
	assert_int_equal(bench.results[1], POOL_DONE);
	tree_done(&t);
}

/* The answer is on its way when the time is over: it goes nowhere, least of all to the next. */
static void
test_late_answer(void **state UNUSED)
{
	struct tree_side t;

	tree_make(&t, 1, 1);
	bench.requests[0].run_ms = 1;
	submit(0, "wait 120", false);
	submit(1, "next", false);
	while (bench.done < 1) { /* the tree does not get to kill it */
		loop_timer_set_ms(bench.nudge, 20);
		loop_run_once(bench.loop);
	}
	assert_int_equal(bench.results[0], POOL_TIMEOUT);
	usleep(200000);
	for (unsigned i = 0; i < 10; i++) {
		loop_timer_set_ms(bench.nudge, 5);
		loop_run_once(bench.loop);
	}
	assert_int_equal(bench.results[1], 0);
	assert_int_equal(worker_pool_get_status(bench.pool).workers, 0);
	worker_add(&t);
	(void)run_until(&t, 2);
	assert_int_equal(bench.results[1], POOL_DONE);
	assert_int_equal(answer_pid(1), t.pids[1]);
	tree_done(&t);
}

/* What nobody asked for ends the worker. */
static void
test_unasked(void **state UNUSED)
{
	struct tree_side t;

	tree_make(&t, 1, 1);
	submit(0, "twice", false);
	(void)run_until(&t, 1);
	turn_for_ms(&t, 50);
	assert_int_equal(bench.results[0], POOL_DONE);
	assert_int_equal(worker_pool_get_status(bench.pool).workers, 0);
	assert_int_equal(waitpid(t.pids[0], NULL, 0), t.pids[0]);
	t.count = 0;
	tree_done(&t);
}

static void
test_cancel(void **state UNUSED)
{
	struct tree_side t;

	tree_make(&t, 1, 1);
	turn_for_ms(&t, 20);
	submit(0, "hang", false);
	submit(1, "waits", false);
	submit(2, "large", true);
	submit(3, "next", false);
	worker_pool_cancel(bench.pool, &bench.requests[1]);
	worker_pool_cancel(bench.pool, &bench.requests[1]); /* twice is fine */
	worker_pool_cancel(bench.pool, &bench.requests[2]);
	assert_int_equal(worker_pool_get_status(bench.pool).queued_small, 1);
	assert_int_equal(worker_pool_get_status(bench.pool).queued_large, 0);
	worker_pool_cancel(bench.pool, &bench.requests[0]);
	turn_for_ms(&t, 50);
	worker_add(&t);
	(void)run_until(&t, 1);
	assert_int_equal(bench.results[3], POOL_DONE);
	turn_for_ms(&t, 50);
	assert_int_equal(bench.done, 1); /* of the others nothing was heard */
	assert_int_equal(worker_pool_get_status(bench.pool).workers, 1);
	tree_done(&t);
}

/* Work under way stays with the old tree; new work goes to the new one; the old is let go. */
static void
test_new_tree(void **state UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct tree_side old, new;
	struct frame f;

	tree_make(&old, 2, 1);
	turn_for_ms(&old, 20);
	submit(0, "wait 150", false);
	tree_make(&new, 1, 2);
	worker_add(&old); /* too late: not used any more */
	turn_for_ms(&old, 20);
	assert_int_equal(worker_pool_get_status(bench.pool).workers, 3);
	submit(1, "second", false);
	submit(2, "third", false);
	(void)run_until(&new, 3);
	assert_int_equal(bench.results[0] | bench.results[1] | bench.results[2], POOL_DONE);
	assert_true(answer_pid(0) == old.pids[0] || answer_pid(0) == old.pids[1]);
	assert_int_equal(answer_pid(1), new.pids[0]);
	assert_int_equal(answer_pid(2), new.pids[0]);
	turn_for_ms(&new, 20);
	assert_int_equal(frame_recv(old.channel, buffer, &f), 0);
	assert_int_equal(worker_pool_get_status(bench.pool).workers, 1);
	assert_true(worker_pool_get_generation(bench.pool) == 2);
	tree_done(&old);
	tree_done(&new);
}

/* An idle tree is let go at once; a worker that an old tree sends late is not used. */
static void
test_new_tree_when_idle(void **state UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct tree_side old, new;
	struct frame f;

	tree_make(&old, 1, 1);
	turn_for_ms(&old, 20);
	tree_make(&new, 1, 2);
	assert_int_equal(frame_recv(old.channel, buffer, &f), 0);
	submit(0, "x", false);
	(void)run_until(&new, 1);
	assert_int_equal(answer_pid(0), new.pids[0]);
	tree_done(&old);
	tree_done(&new);
}

static void
test_tree_lost(void **state UNUSED)
{
	struct tree_side t;

	tree_make(&t, 1, 1);
	turn_for_ms(&t, 20);
	submit(0, "hang", false);
	bench.requests[1].wait_ms = 200;
	submit(1, "waits", false);
	close(t.channel);
	t.channel = -1;
	(void)run_until(NULL, 1);
	assert_int_equal(bench.results[0], POOL_DIED);
	assert_false(worker_pool_is_there(bench.pool));
	assert_string_equal(worker_pool_get_status(bench.pool).version, "");
	(void)run_until(NULL, 2);
	assert_int_equal(bench.results[1], POOL_WAITED);
	tree_done(&t);
}

static void
test_gone_and_absent(void **state UNUSED)
{
	struct tree_side t;

	assert_false(worker_pool_is_absent(bench.pool));
	submit(0, "waits", false);
	submit(1, "waits", true);
	assert_int_equal(bench.done, 0); /* a tree may still come */
	worker_pool_set_gone(bench.pool);
	assert_int_equal(bench.done, 2);
	assert_int_equal(bench.results[0], POOL_WAITED);
	assert_int_equal(bench.results[1], POOL_WAITED);
	submit(2, "not even tried", false);
	assert_int_equal(bench.results[2], POOL_WAITED);
	worker_pool_set_absent(bench.pool, true);
	assert_true(worker_pool_is_absent(bench.pool));
	tree_make(&t, 1, 1);
	assert_false(worker_pool_is_absent(bench.pool));
	submit(3, "works", false);
	worker_pool_set_gone(bench.pool); /* with a tree there it means nothing */
	(void)run_until(&t, 4);
	assert_int_equal(bench.results[3], POOL_DONE);
	tree_done(&t);
}

static void
test_waited(void **state UNUSED)
{
	struct tree_side t;

	tree_make(&t, 1, 1);
	turn_for_ms(&t, 20);
	submit(0, "wait 300", false);
	bench.requests[1].wait_ms = 60;
	submit(1, "in vain", false);
	(void)run_until(&t, 1);
	assert_int_equal(bench.order[0], 1);
	assert_int_equal(bench.results[1], POOL_WAITED);
	(void)run_until(&t, 2);
	assert_int_equal(bench.results[0], POOL_DONE);
	tree_done(&t);
}

static void
submit_next(unsigned i)
{
	if (i + 1 < REQUESTS)
		submit(i + 1, i % 3 == 0 ? "die" : "go", i % 2 == 0);
}

/* done() may submit the next request at once, from inside. */
static void
test_submit_from_done(void **state UNUSED)
{
	struct tree_side t;

	bench.on_done = submit_next;
	tree_make(&t, 4, 1);
	worker_pool_set_absent(bench.pool, false);
	submit(0, "go", false);
	while (bench.done < REQUESTS - 1) {
		(void)run_until(&t, bench.done + 1);
		if (worker_pool_get_status(bench.pool).workers == 0) {
			tree_done(&t);
			tree_make(&t, 4, 1);
		}
	}
	for (unsigned i = 0; i + 1 < REQUESTS; i++)
		assert_int_equal(bench.results[i], i > 0 && i % 3 == 1 ? POOL_DIED : POOL_DONE);
	bench.on_done = NULL;
	(void)run_until(&t, REQUESTS);
	tree_done(&t);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_answers), TEST(test_lanes),
		TEST(test_one_worker), TEST(test_death), TEST(test_timeout), TEST(test_late_answer),
		TEST(test_unasked), TEST(test_cancel), TEST(test_new_tree),
		TEST(test_new_tree_when_idle), TEST(test_tree_lost), TEST(test_gone_and_absent),
		TEST(test_waited), TEST(test_submit_from_done) };

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
