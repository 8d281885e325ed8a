/* test_scan_clamd_queue.c: more calls than connections, calls that are taken back, and callers
 * who do all that from inside an answer. */
#include "unit/clamd_station.h"

static void
test_queue(void **state)
{
	struct station *t = *state;
	struct fake *a = add_unix(t, false), *b = add_tcp(t, "127.0.0.1");

	a->delay_ms = b->delay_ms = 2;
	t->config.connections = 2;
	start(t);
	for (int i = 0; i < CALLS_MAX; i++)
		(void)ask(t, slice_of(big, (size_t)i * 100), 10000);
	while (t->answered < CALLS_MAX)
		turn(t);
	for (int i = 0; i < CALLS_MAX; i++)
		assert_answer(&t->calls[i], CLEAN);
	assert_int_equal(a->scans + b->scans, CALLS_MAX);
	assert_true(a->scans >= 50 && b->scans >= 50);
	assert_int_equal(a->most_open_scans, 2);
	assert_int_equal(b->most_open_scans, 2);
	run_ms(t, 20);
	assert_int_equal(a->open_scans + b->open_scans, 0);
	/* What is open still is the listener's and ours, from before. */
	assert_int_equal(count_descriptors(), t->descriptors);
}

static void
test_queue_one_server(void **state)
{
	struct station *t = *state;
	struct fake *a = add_unix(t, false);

	a->delay_ms = 1;
	t->config.connections = 2;
	start(t);
	for (int i = 0; i < CALLS_MAX; i++)
		(void)ask(t, SOME, 10000);
	while (t->answered < CALLS_MAX)
		turn(t);
	assert_int_equal(a->scans, CALLS_MAX);
	assert_int_equal(a->most_open_scans, 2);
}

/* A call that failed elsewhere does not wait once more behind all others. */
static void
test_retry_goes_first(void **state)
{
	struct station *t = *state;
	struct fake *bad = add_unix(t, false), *good = add_unix(t, false);

	bad->closes = true;
	good->delay_ms = 2;
	t->config.connections = 1;
	start(t);
	for (int i = 0; i < 20; i++)
		(void)ask(t, SOME, 10000);
	while (t->answered < 20)
		turn(t);
	assert_int_equal(bad->scans, 1);
	for (int i = 0; i < 20; i++)
		assert_answer(&t->calls[i], CLEAN);
	assert_int_equal(t->calls[19].order, 19);
	assert_in_range(t->calls[0].order, 0, 1);
}

/* Time runs out in the queue; then the server dies with calls queued. */
static void
test_queue_ends(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	f->hangs = true;
	t->config.connections = 2;
	start(t);
	for (int i = 0; i < 10; i++)
		(void)ask(t, SOME, 100);
	while (t->answered < 10)
		turn(t);
	for (int i = 0; i < 10; i++)
		assert_answer(&t->calls[i], UNKNOWN(TIMEOUT));
	assert_in_range(f->scans, 2, 6);
	for (int i = 0; i < 10; i++)
		(void)ask(t, SOME, 10000);
	run_ms(t, 30);
	fake_stop(f);
	while (t->answered < 20)
		turn(t);
	for (int i = 10; i < 20; i++)
		assert_answer(&t->calls[i], UNKNOWN(DOWN));
}

static void
test_cancel(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	t->config.connections = 2;
	t->config.transfer = CONFIG_TRANSFER_INSTREAM;
	start(t);
	for (int i = 0; i < 100; i++)
		(void)ask(t, slice_of(big, sizeof(big)), 10000);
	turn(t); /* in the middle of the first ones */
	for (int i = 0; i < 99; i++) {
		t->scanner->ops->cancel(t->scanner, &t->calls[i].call);
		t->scanner->ops->cancel(t->scanner, &t->calls[i].call);
	}
	while (t->answered == 0)
		turn(t);
	run_ms(t, 30);
	assert_int_equal(t->answered, 1);
	assert_answer(&t->calls[99], CLEAN);
	assert_true(f->scans <= 10);
	assert_status(t, "\"in_flight\":0");
	f->hangs = true;
	for (int i = 100; i < 110; i++)
		(void)ask(t, SOME, 10000);
	run_ms(t, 30);
	for (int i = 100; i < 110; i++)
		t->scanner->ops->cancel(t->scanner, &t->calls[i].call);
	run_ms(t, 30);
	assert_int_equal(t->answered, 1);
	assert_int_equal(f->open_scans, 0);
}

static void
cancel_others(struct probe_call *p)
{
	struct station *t = p->station;

	for (unsigned i = 0; i < t->call_count; i++) {
		if (&t->calls[i] != p && t->calls[i].answers == 0)
			t->scanner->ops->cancel(t->scanner, &t->calls[i].call);
	}
}

static void
ask_once_more(struct probe_call *p)
{
	if (p->station->call_count < 20)
		ask(p->station, SOME, 10000)->then = ask_once_more;
}

static void
free_scanner(struct probe_call *p)
{
	scanner_free(&p->station->scanner);
}

static void
test_from_inside_an_answer(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	t->config.connections = 2;
	start(t);
	for (int i = 0; i < 10; i++)
		ask(t, SOME, 10000)->then = cancel_others;
	while (t->answered == 0)
		turn(t);
	run_ms(t, 30);
	assert_int_equal(t->answered, 1);
	ask(t, SOME, 10000)->then = ask_once_more;
	while (t->answered < 11)
		turn(t);
	assert_int_equal(t->call_count, 20);
	/* All ten are told that nobody is left; the first cancels the rest. */
	fake_stop(f);
	t->call_count = t->answered = 0;
	for (int i = 0; i < 10; i++)
		ask(t, SOME, 10000)->then = cancel_others;
	while (t->answered == 0)
		turn(t);
	run_ms(t, 30);
	assert_int_equal(t->answered, 1);
}

static void
test_free_with_calls(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	t->config.connections = 2;
	start(t);
	for (int i = 0; i < 10; i++)
		(void)ask(t, SOME, 10000);
	scanner_free(&t->scanner); /* with calls in flight and queued */
	run_ms(t, 30);
	assert_int_equal(t->answered, 0);
	start(t);
	for (int i = 0; i < 10; i++)
		ask(t, SOME, 10000)->then = free_scanner;
	while (t->answered == 0)
		turn(t);
	run_ms(t, 30);
	assert_int_equal(t->answered, 1);
	fake_stop(f);
	start(t);
	t->answered = 0;
	for (int i = 0; i < 10; i++) /* freed while the queue is given up */
		ask(t, SOME, 10000)->then = free_scanner;
	while (t->answered == 0)
		turn(t);
	run_ms(t, 30);
	assert_int_equal(t->answered, 1);
	assert_null(t->scanner);
}

#define T(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_queue),
		T(test_queue_one_server),
		T(test_retry_goes_first),
		T(test_queue_ends),
		T(test_cancel),
		T(test_from_inside_an_answer),
		T(test_free_with_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
