/* test_scan_clamd.c: the clamd client against clamds that are well, dead, slow or liars, over
 * unix sockets and loopback TCP. What counts is that nothing but a plain "OK" is ever clean,
 * and that every call is answered exactly once. */
#include "unit/clamd_station.h"

#include <sys/resource.h>

#include "base/clock.h"

/* --- servers that are well --------------------------------------------------------------- */

static void
check_verdicts(struct station *t, struct fake *f)
{
	struct sha256 want = sha256_of(SOME);
	struct probe_call *p;

	assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_memory_equal(&f->hash, &want, sizeof(want));
	f->text = "Win.Test.Thing-1 FOUND";
	p = ask_and_wait(t, SOME);
	assert_answer(p, INFECTED);
	assert_string_equal(p->name, "Win.Test.Thing-1");
	f->text = "Heuristics.Encrypted.Zip FOUND";
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(ENCRYPTED));
	f->text = "Heuristics.Limits.Exceeded.MaxFiles FOUND";
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(EXPANSION));
	f->text = "Can't allocate memory ERROR";
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(ERROR));
	f->text = "OK";
	f->drips = true;
	assert_answer(ask_and_wait(t, SOME), CLEAN);
	f->text = "Slow FOUND";
	assert_answer(ask_and_wait(t, SOME), INFECTED);
	f->text = "OK";
	f->drips = false;
	assert_answer(ask_and_wait(t, SLICE_NONE), CLEAN);
	assert_int_equal(f->size, 0);
	assert_int_equal(count_in_log(t, "level=warning"), 0);
}

static void
test_fildes(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	start(t);
	check_verdicts(t, f);
	assert_int_equal(f->fildes, f->scans);
}

static void
test_instream_unix(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	t->config.transfer = CONFIG_TRANSFER_INSTREAM;
	start(t);
	check_verdicts(t, f);
	assert_int_equal(f->fildes, 0);
}

static void
test_instream_tcp(void **state)
{
	struct station *t = *state;
	struct fake *f = add_tcp(t, "127.0.0.1");

	start(t);
	check_verdicts(t, f);
	assert_int_equal(f->fildes, 0);
}

static void
test_named_host(void **state)
{
	struct station *t = *state;

	add_tcp(t, "localhost"); /* which is ::1, too: nobody listens there */
	start(t);
	assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_int_equal(count_in_log(t, "level=warning"), 0);
}

static void
check_big(struct station *t, struct fake *f)
{
	struct slice sizes[] = { slice_of(big, sizeof(big)), slice_of(big, sizeof(big) - 1),
		slice_of(big, 256u << 10), slice_of(big, (256u << 10) + 1), slice_of(big, 1) };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct sha256 want = sha256_of(sizes[i]);

		assert_answer(ask_and_wait(t, sizes[i]), CLEAN);
		assert_int_equal(f->size, sizes[i].len);
		assert_memory_equal(&f->hash, &want, sizeof(want));
	}
}

static void
test_big_objects(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	start(t);
	check_big(t, f);
	assert_int_equal(f->fildes, 5);
	scanner_free(&t->scanner);
	t->config.transfer = CONFIG_TRANSFER_INSTREAM;
	start(t);
	check_big(t, f);
	assert_int_equal(f->fildes, 5);
	scanner_free(&t->scanner);
	fake_stop(f);
	t->fake_count = 0;
	f = add_tcp(t, "127.0.0.1");
	start(t);
	check_big(t, f);
}

static void
test_fildes_falls_back(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	f->loses_fd = true;
	start(t);
	for (int i = 0; i < 3; i++)
		assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_int_equal(f->fildes, 1); /* it is remembered */
	assert_int_equal(f->scans, 4);
	assert_int_equal(count_in_log(t, "INSTREAM is used instead"), 1);
	scanner_free(&t->scanner);
	f->loses_fd = false;
	f->says_no_fildes = true;
	start(t);
	assert_answer(ask_and_wait(t, SOME), CLEAN);
	scanner_free(&t->scanner);
	t->config.transfer = CONFIG_TRANSFER_FILDES;
	start(t);
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(ERROR));
}

/* --- servers that are not ----------------------------------------------------------------- */

#define R(text) text, sizeof(text) - 1

static void
test_nonsense_is_never_clean(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} nonsense[] = {
		{ R("1: stream: OK\0") },
		{ R("stream: OK") },
		{ R("stream: OK\0stream: OK\0") },
		{ R("fd[10]: OK\0") },
		{ R("\0\0\0\0") },
		{ R("HTTP/1.1 400 Bad Request\r\n\r\n") },
		{ R("stream: O") },
		{ R("stream: OK\nOK\0") },
	};
	struct station *t = *state;
	struct fake *f = add_tcp(t, "127.0.0.1");

	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		f->raw = nonsense[i].bytes;
		f->raw_len = nonsense[i].len;
		start(t);
		assert_answer(ask_and_wait(t, SOME), UNKNOWN(DOWN));
		assert_answer(
		    ask_and_wait(t, SOME), UNKNOWN(DOWN)); /* left alone for a while */
		assert_int_equal(f->scans, i + 1);
		scanner_free(&t->scanner);
	}
	assert_int_equal(count_in_log(t, "level=warning"), ARRAY_LEN(nonsense));
	/* Megabytes without an end are cut. */
	memset(big, 'A', sizeof(big));
	f->raw = (const char *)big;
	f->raw_len = sizeof(big);
	start(t);
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(DOWN));
}

static void
test_nonsense_beside_a_good_one(void **state)
{
	struct station *t = *state;
	struct fake *bad = add_tcp(t, "127.0.0.1"), *good = add_unix(t, false);

	bad->raw = "9: stream: OK";
	bad->raw_len = sizeof("9: stream: OK");
	good->text = "Real FOUND";
	start(t);
	for (int i = 0; i < 20; i++)
		assert_answer(ask_and_wait(t, SOME), INFECTED);
	assert_int_equal(good->scans, 20);
	assert_int_equal(bad->scans, 1);
	/* It answers VERSION, so it is tried again and again; the log says so once. */
	for (int i = 0; i < 5; i++) {
		run_ms(t, 120);
		assert_answer(ask_and_wait(t, SOME), INFECTED);
		assert_answer(ask_and_wait(t, SOME), INFECTED);
	}
	assert_true(bad->scans >= 3);
	assert_int_equal(count_in_log(t, "level=warning"), 1);
	assert_int_equal(count_in_log(t, ": back"), 0);
	bad->raw = NULL;
	bad->text = "Cured FOUND";
	run_ms(t, 150);
	assert_answer(ask_and_wait(t, SOME), INFECTED);
	assert_answer(ask_and_wait(t, SOME), INFECTED);
	assert_int_equal(count_in_log(t, ": back"), 1);
}

static void
test_early_close(void **state)
{
	struct station *t = *state;
	struct fake *bad = add_tcp(t, "127.0.0.1"), *good;

	bad->closes_at_once = true;
	start(t);
	assert_answer(ask_and_wait(t, slice_of(big, sizeof(big))), UNKNOWN(DOWN));
	scanner_free(&t->scanner);
	bad->closes_at_once = false;
	bad->closes = true;
	start(t);
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(DOWN));
	scanner_free(&t->scanner);
	good = add_tcp(t, "127.0.0.1");
	start(t);
	for (int i = 0; i < 4; i++)
		assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_int_equal(good->scans, 4);
	assert_status(t, "\"failed\":1");
}

static void
test_size_limit(void **state)
{
	static const char limit[] = "INSTREAM size limit exceeded. ERROR", ok[] = "stream: OK";
	struct station *t = *state;
	struct fake *f = add_tcp(t, "127.0.0.1");

	f->early_bytes = 1u << 20;
	f->raw = limit;
	f->raw_len = sizeof(limit);
	start(t);
	for (int i = 0; i < 5; i++)
		assert_answer(ask_and_wait(t, slice_of(big, sizeof(big))), UNKNOWN(TOO_BIG));
	assert_int_equal(count_in_log(t, "level=warning"), 0);
	scanner_free(&t->scanner);
	fake_stop(f);
	t->fake_count = 0;
	f = add_unix(t, false);
	f->early_bytes = 1u << 20;
	f->raw = limit;
	f->raw_len = sizeof(limit);
	t->config.transfer = CONFIG_TRANSFER_INSTREAM;
	start(t);
	assert_answer(ask_and_wait(t, slice_of(big, sizeof(big))), UNKNOWN(TOO_BIG));
	/* A verdict before the end of the object is a lie. */
	f->raw = ok;
	f->raw_len = sizeof(ok);
	assert_answer(ask_and_wait(t, slice_of(big, sizeof(big))), UNKNOWN(DOWN));
}

static void
test_hang(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);
	struct probe_call *p;
	int64_t begin;

	f->hangs = true;
	t->config.timeout_ms = 400;
	start(t);
	begin = clock_now_ms();
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(TIMEOUT));
	assert_in_range(clock_now_ms() - begin, 390, 3000);
	/* The mail's own time is shorter. */
	begin = clock_now_ms();
	p = ask(t, SOME, 50);
	while (p->answers == 0)
		turn(t);
	assert_answer(p, UNKNOWN(TIMEOUT));
	assert_in_range(clock_now_ms() - begin, 40, 380);
	p = ask(t, SOME, 0);
	while (p->answers == 0)
		turn(t);
	assert_answer(p, UNKNOWN(TIMEOUT));
	/* It answers VERSION: it is not down. */
	run_ms(t, 50);
	assert_int_equal(count_in_log(t, "level=warning"), 0);
	f->hangs = false;
	assert_answer(ask_and_wait(t, SOME), CLEAN);
}

static void
test_hang_beside_a_good_one(void **state)
{
	struct station *t = *state;
	struct fake *bad = add_unix(t, false), *good = add_tcp(t, "127.0.0.1");
	struct probe_call *p;

	bad->hangs = true;
	t->config.timeout_ms = 150;
	t->config.retry_down_ms = 3000;
	start(t);
	for (int i = 0; i < 10; i++)
		assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_int_equal(good->scans, 10);
	assert_int_equal(bad->scans, 1); /* then it is under suspicion */
	scanner_free(&t->scanner);
	/* Less than half of the time is left: no second server. */
	start(t);
	p = ask(t, SOME, 200);
	while (p->answers == 0)
		turn(t);
	assert_answer(p, UNKNOWN(TIMEOUT));
	assert_int_equal(good->scans, 10);
}

static void
test_deaf_server(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, true);
	int64_t begin = clock_now_ms();

	fake_listen(f, 0, false); /* its queue is soon full, and connect() says EAGAIN */
	t->config.connect_timeout_ms = 100;
	t->config.timeout_ms = 300;
	start(t);
	(void)ask(t, SOME, 2000);
	(void)ask(t, SOME, 2000);
	(void)ask(t, SOME, 2000);
	while (t->answered < 3)
		turn(t);
	assert_in_range(clock_now_ms() - begin, 90, 2000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(t->calls[i].verdict, VERDICT_UNKNOWN);
	assert_int_equal(count_in_log(t, "level=warning"), 1);
}

static void
test_dead_server_comes_back(void **state)
{
	struct station *t = *state;
	struct fake *dead = add_unix(t, true), *good = add_tcp(t, "127.0.0.1");
	uint64_t version;

	start(t);
	for (int i = 0; i < 10; i++)
		assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_int_equal(good->scans, 10);
	assert_int_equal(count_in_log(t, "level=warning"), 1);
	assert_status(
	    t, "{\"name\":\"clamd\",\"up\":true,\"servers\":[{\"address\":\"unix:/tmp/");
	assert_status(t, ",\"up\":true,\"version\":\"" FAKE_VERSION "\",\"in_flight\":0,");
	assert_status(t, "\"failed\":1},");
	run_ms(t, 250); /* looked at again, still dead */
	assert_int_equal(count_in_log(t, "level=warning"), 1);
	version = t->scanner->ops->get_version(t->scanner);
	fake_listen(dead, 512, true);
	run_ms(t, 250);
	assert_int_equal(count_in_log(t, ": back"), 1);
	/* The same database as the other: what is known still holds. */
	assert_int_equal(t->scanner->ops->get_version(t->scanner), version);
	for (int i = 0; i < 10; i++)
		assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_int_equal(dead->scans, 5); /* in turn */
}

static void
test_all_dead(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, true);
	struct probe_call *p;

	(void)add_unix(t, true);
	start(t);
	assert_true(t->scanner->ops->is_there(t->scanner));
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(DOWN));
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(DOWN));
	p = ask(t, SOME, 1000);
	t->scanner->ops->cancel(t->scanner, &p->call);
	assert_status(t, "{\"name\":\"clamd\",\"up\":false,");
	assert_int_equal(count_in_log(t, "level=warning"), 2);
	fake_listen(f, 512, true);
	run_ms(t, 250);
	assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_int_equal(p->answers, 0);
}

static void
test_error_beside_a_good_one(void **state)
{
	struct station *t = *state;
	struct fake *bad = add_unix(t, false), *good = add_unix(t, false);

	bad->text = "Can't create temporary file ERROR";
	good->text = "Real FOUND";
	start(t);
	for (int i = 0; i < 10; i++)
		assert_answer(ask_and_wait(t, SOME), INFECTED);
	assert_true(bad->scans <= 3);
}

/* --- versions ----------------------------------------------------------------------------- */

static void
test_version(void **state)
{
	struct station *t = *state;
	struct fake *a = add_unix(t, false), *b = add_unix(t, false);
	uint64_t unknown, same, other;

	start(t);
	unknown = t->scanner->ops->get_version(t->scanner);
	run_ms(t, 30);
	same = t->scanner->ops->get_version(t->scanner);
	assert_int_not_equal(unknown, same);
	assert_int_equal(a->versions, 1);
	assert_int_equal(b->versions, 1);
	/* One dies: the other has the same database. */
	fake_stop(a);
	assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_int_equal(t->scanner->ops->get_version(t->scanner), same);
	/* It comes back with another one. */
	a->version = "ClamAV 1.4.3/27501/Tue Jan  6 10:00:00 2026";
	fake_listen(a, 512, true);
	run_ms(t, 250);
	other = t->scanner->ops->get_version(t->scanner);
	assert_int_not_equal(other, same);
	scanner_free(&t->scanner);
	/* The same two in the same state give the same version: an answer survives a reload. */
	start(t);
	assert_int_not_equal(t->scanner->ops->get_version(t->scanner), unknown);
	run_ms(t, 30);
	assert_int_equal(t->scanner->ops->get_version(t->scanner), other);
}

/* It says no number: what it held a minute ago is not known. */
static void
check_unnamed_database(struct station *t, struct fake *f, const char *in_status)
{
	uint64_t first;

	start(t);
	run_ms(t, 30);
	first = t->scanner->ops->get_version(t->scanner);
	assert_status(t, in_status);
	fake_stop(f);
	(void)ask_and_wait(t, SOME);
	fake_listen(f, 512, true);
	run_ms(t, 250);
	assert_status(t, in_status);
	assert_int_not_equal(t->scanner->ops->get_version(t->scanner), first);
	scanner_free(&t->scanner);
}

static void
test_unnamed_database(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	f->hides_version = true;
	check_unnamed_database(t, f, "\"up\":true,\"version\":\"COMMAND UNAVAILABLE\"");
	f->hides_version = false;
	f->version = "ClamAV 1.4.6";
	check_unnamed_database(t, f, "\"up\":true,\"version\":\"ClamAV 1.4.6\"");
}

static void
test_bad_version(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	f->version = "a\x01"
		     "b\"\\";
	start(t);
	run_ms(t, 30);
	assert_status(t, "\"up\":false,\"version\":\"\"");
	assert_answer(ask_and_wait(t, SOME), UNKNOWN(DOWN));
	f->version = "a \"b\\";
	run_ms(t, 250);
	assert_status(t, "\"up\":true,\"version\":\"a \\\"b\\\\\"");
}

static void
test_names(void **state)
{
	static const struct {
		const char *section, *scanner;
	} names[] = {
		{ "main", "clamd" },
		{ "clamd", "clamd" },
		{ "second", "clamd:second" },
		{ "0123456789012345678901234567890123456789012345678901234567890123",
		    "clamd:0123456789012345678901234567890123456789" },
	};
	struct station *t = *state;

	(void)add_unix(t, false);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		t->config.name = names[i].section;
		start(t);
		assert_string_equal(t->scanner->name, names[i].scanner);
		assert_int_equal(t->scanner->max_object, 25u << 20);
		scanner_free(&t->scanner);
	}
}

/* --- our own troubles ------------------------------------------------------------------- */

/* Asks while no descriptor can be opened; they are there again afterwards. */
static struct probe_call *
ask_without_descriptors(struct station *t)
{
	struct rlimit was, none;
	struct probe_call *p;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	p = ask(t, SOME, 10000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	while (p->answers == 0)
		turn(t);
	return p;
}

static void
test_no_descriptors_left(void **state)
{
	struct station *t = *state;
	struct fake *f = add_unix(t, false);

	start(t);
	run_ms(t, 30);
	assert_answer(ask_without_descriptors(t), CLEAN); /* the second way, a moment later */
	assert_int_equal(f->fildes, 0);
	assert_answer(ask_and_wait(t, SOME), CLEAN);
	assert_int_equal(f->fildes, 1);
	scanner_free(&t->scanner);
	t->config.transfer = CONFIG_TRANSFER_INSTREAM;
	start(t);
	run_ms(t, 30);
	assert_answer(ask_without_descriptors(t), UNKNOWN(ERROR));
	assert_status(t, "\"up\":true"); /* our trouble, not the server's */
	assert_answer(ask_and_wait(t, SOME), CLEAN);
}

#define T(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fildes),
		T(test_instream_unix),
		T(test_instream_tcp),
		T(test_named_host),
		T(test_big_objects),
		T(test_fildes_falls_back),
		T(test_nonsense_is_never_clean),
		T(test_nonsense_beside_a_good_one),
		T(test_early_close),
		T(test_size_limit),
		T(test_hang),
		T(test_hang_beside_a_good_one),
		T(test_deaf_server),
		T(test_dead_server_comes_back),
		T(test_all_dead),
		T(test_error_beside_a_good_one),
		T(test_version),
		T(test_unnamed_database),
		T(test_bad_version),
		T(test_names),
		T(test_no_descriptors_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
