/* test_session_clock.c: kicks and limits of a session's timer. */
#include "base/clock.h"
#include "base/loop.h"
#include "intake/session_clock.h"
#include "unit/test_common.h"

struct watched {
	struct session_clock clock;
	struct loop *loop;
	unsigned early, kicked, expired;
	int64_t last_ms; /* when it fired */
};

static void
on_clock(void *ctx)
{
	struct watched *w = ctx;

	w->last_ms = clock_now_ms();
	switch (session_clock_take(&w->clock)) {
	case SESSION_CLOCK_EARLY:
		w->early++;
		break;
	case SESSION_CLOCK_KICKED:
		w->kicked++;
		break;
	case SESSION_CLOCK_EXPIRED:
		w->expired++;
		break;
	}
}

static void
on_stop(void *ctx)
{
	loop_stop(ctx);
}

static void
run_ms(struct watched *w, unsigned ms)
{
	struct loop_timer *stop = loop_timer_new(w->loop, on_stop, w->loop);

	loop_timer_set_ms(stop, ms);
	loop_run(w->loop);
	loop_timer_free(&stop);
}

static void
watched_init(struct watched *w)
{
	*w = (struct watched){ .loop = loop_new() };
	session_clock_init(&w->clock, w->loop, on_clock, w);
}

static void
watched_done(struct watched *w)
{
	session_clock_done(&w->clock);
	loop_free(&w->loop);
}

/* Once, and not before its time. */
static void
test_limit(void **state UNUSED)
{
	struct watched w;
	int64_t start_ms = clock_now_ms();

	watched_init(&w);
	session_clock_set_limit_ms(&w.clock, 40);
	run_ms(&w, 200);
	assert_int_equal(w.expired, 1);
	assert_int_equal(w.kicked, 0);
	assert_true(w.last_ms - start_ms >= 40);
	session_clock_set_limit_ms(&w.clock, 10);
	run_ms(&w, 100);
	assert_int_equal(w.expired, 2);
	watched_done(&w);
}

/* A later limit leaves the timer as it is: it looks early, and once more when it is time. An
 * earlier one does not wait for it. */
static void
test_moved_limit(void **state UNUSED)
{
	struct watched w;
	int64_t start_ms = clock_now_ms();

	watched_init(&w);
	session_clock_set_limit_ms(&w.clock, 20);
	session_clock_set_limit_ms(&w.clock, 100);
	run_ms(&w, 300);
	assert_true(w.early >= 1);
	assert_int_equal(w.expired, 1);
	assert_true(w.last_ms - start_ms >= 100);
	session_clock_set_limit_ms(&w.clock, 60000);
	session_clock_set_limit_ms(&w.clock, 20);
	run_ms(&w, 150);
	assert_int_equal(w.expired, 2);
	watched_done(&w);
}

static void
test_no_limit(void **state UNUSED)
{
	struct watched w;

	watched_init(&w);
	session_clock_set_limit_ms(&w.clock, 20);
	session_clock_set_limit_ms(&w.clock, 0);
	run_ms(&w, 100);
	assert_int_equal(w.expired + w.kicked, 0);
	watched_done(&w);
}

/* Two kicks before the loop comes are one; it takes nothing away from the limit, not even from
 * one that is set in between. */
static void
test_kick(void **state UNUSED)
{
	struct watched w;

	watched_init(&w);
	session_clock_kick(&w.clock);
	session_clock_set_limit_ms(&w.clock, 400);
	session_clock_kick(&w.clock);
	run_ms(&w, 20);
	assert_int_equal(w.kicked, 1);
	assert_int_equal(w.expired, 0);
	session_clock_kick(&w.clock);
	run_ms(&w, 700);
	assert_int_equal(w.kicked, 2);
	assert_int_equal(w.expired, 1);
	session_clock_kick(&w.clock); /* the old limit is not heard twice */
	session_clock_set_limit_ms(&w.clock, 0);
	run_ms(&w, 50);
	assert_int_equal(w.kicked, 3);
	assert_int_equal(w.expired, 1);
	watched_done(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_limit),
		cmocka_unit_test(test_moved_limit), cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_kick) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
