/* test_hunt_mails.c: mails that hid something or cost too much once, found by combining tricks at
 * random and by repeating short pieces for megabytes. */
#include "test_mime_helper.h"

#include "base/buf.h"
#include "base/clock.h"

#define BAIT_BYTES  ((size_t)3 << 20)
#define CPU_MAX_US  (INT64_C(2) * 1000 * 1000) /* linear: under 0.1 s; quadratic: 3 to 20 s */
#define SECRET      "the secret content of a file, long enough to be found"

static struct mime_bench bench;

static struct object *
run(const char *text)
{
	bench.marker = SLICE_LIT(SECRET);
	return mime_bench_run(&bench, slice_of_str(text));
}

/* SECRET in base64, in one line of 300 letters and in lines of 60. */
#define SECRET_BASE64 "dGhlIHNlY3JldCBjb250ZW50IG9mIGEgZmlsZSwgbG9uZyBlbm91Z2ggdG8gYmUgZm91bmQ="

static void
test_base64_in_qp(void **state UNUSED)
{
	/* one long line, broken by soft breaks, the padding escaped; junk behind it */
	(void)run("Content-Type: application/zip\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "QUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJD=\r\n"
	    "QUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJD=\r\n"
	    "QUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJD=\r\n"
	    "QUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJD=\r\n"
	    "dGhlIHNlY3JldCBjb250ZW50IG9mIGEgZmlsZSwgbG9uZyBlbm91Z2gg=\r\ndG8gYmUgZm91bmQ=3D\r\n"
	    "--b--x\r\n");
	assert_true(bench.marked > 0);
	assert_true((bench.notes & AMBIGUITY_BIT(35)) != 0);
	(void)run("Content-Type: application/zip\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "dGhlIHNlY3JldCBjb250ZW50IG9mIGEgZmlsZSwgbG9uZyBlbm91Z2gg=\r\ndG8gYmUgZm91bmQ=3D\r\n");
	assert_true(bench.marked > 0);
}

static void
test_qp_in_base64(void **state UNUSED)
{
	/* base64 of "=74=68=65=20=73..." */
	(void)run("Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "PTc0PTY4PTY1PTIwPTczPTY1PTYzPTcyPTY1PTc0PTIwPTYzPTZGPTZFPTc0PTY1PTZFPTc0PTIw\r\n"
	    "PTZGPTY2PTIwPTYxPTIwPTY2PTY5PTZDPTY1PTJDPTIwPTZDPTZGPTZFPTY3PTIwPTY1PTZFPTZG\r\n"
	    "PTc1PTY3PTY4PTIwPTc0PTZGPTIwPTYyPTY1PTIwPTY2PTZGPTc1PTZFPTY0\r\n");
	assert_true(bench.marked > 0);
}

/* A tree that nobody declared, behind the close delimiter of the one that was. */
static void
test_tree_in_epilogue(void **state UNUSED)
{
	(void)run("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\ntext\r\n--a--\r\n"
	    "--other\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "dGhlIHNlY3JldCBj!b250ZW50IG9mIGEgZmls\r\n!ZSwgbG9uZyBlbm91Z2ggdG8gYmUgZm91bmQ=\r\n"
	    "--other--\r\n");
	assert_true(bench.marked > 0);
	assert_true((bench.ambiguities & AMBIGUITY_BIT(21)) != 0);
	/* a footer of words is none */
	(void)run("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\ntext\r\n--a--\r\n"
	    "\r\n-- \r\nPosted to a list. To leave: write to it.\r\n--------\r\nSponsor: nobody\r\n");
	assert_int_equal(bench.ambiguities, 0);
}

static void
test_base64_container_without_boundary(void **state UNUSED)
{
	/* base64 of "--x\r\nContent-Type: a/b\r\n\r\n" SECRET "\r\n--x--\r\n" */
	(void)run("Content-Type: multipart/mixed\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	    "LS14DQpDb250ZW50LVR5cGU6IGEvYg0KDQp0aGUgc2VjcmV0IGNvbnRlbnQgb2YgYSBmaWxlLCBs\r\n"
	    "b25nIGVub3VnaCB0byBiZSBmb3VuZA0KLS14LS0NCg==\r\n");
	assert_true(bench.marked > 0);
	assert_non_null(mime_bench_find(&bench, SLICE_LIT(SECRET)));
}

/* RFC 2045 drops blanks before a line end, Thunderbird and Python keep them: in a file a byte
 * counts; in text one reading is enough. */
static void
test_qp_blanks_in_files(void **state UNUSED)
{
	(void)run("Content-Type: application/zip\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "PK=03=04 \r\nx\t\r\nrest");
	assert_non_null(mime_bench_find(&bench, SLICE_LIT("PK\3\4\r\nx\r\nrest")));
	assert_non_null(mime_bench_find(&bench, SLICE_LIT("PK\3\4 \r\nx\t\r\nrest")));
	(void)run("Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "words =41 \r\nand words");
	assert_non_null(mime_bench_find(&bench, SLICE_LIT("words A\r\nand words")));
	assert_int_equal(decompose_get_object_count(bench.d), 2);
}

/* As many messages in one another as the limit says are opened, to the last. */
static void
test_hundred_messages(void **state UNUSED)
{
	for (unsigned extra = 0; extra < 2; extra++) {
		CLEANUP(buf_done) struct buf mail = { .max = 1 << 20 };

		for (unsigned i = 0; i < bench.limits.mime_depth + extra; i++)
			assert_int_equal(
			    buf_append_str(&mail, "Content-Type: message/rfc822\r\n\r\n"), 0);
		assert_int_equal(buf_append_str(&mail, "Subject: last\r\nContent-Transfer-Encoding: "
		    "base64\r\n\r\n" SECRET_BASE64 "\r\n"), 0);
		bench.marker = SLICE_LIT(SECRET);
		(void)mime_bench_run(&bench, buf_get(&mail));
		assert_int_equal(bench.marked > 0, extra == 0);
		assert_int_equal((bench.facts & FACT_BIT(FACT_LIMIT_DEPTH)) != 0, extra == 1);
	}
}

static const struct {
	const char *label, *before, *unit, *after;
} baits[] = {
	{ "carriage returns in the header", "", "A: b\rContent-Type: text/plain\r", "\r\n\r\nx" },
	{ "boundaries in one line", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "x--b ",
	    "" },
	{ "one line of letters and signs", "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
	    "=41=", "" },
	{ "one line of pieces of base64", "\r\n", "QUJDREVGQUJDREVG=", "" },
	{ "one line of base64 and blanks", "\r\n", "QUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVG ",
	    "" },
	{ "lines of base64 but one letter", "\r\n",
	    "QUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVG?\r\n", "" },
	{ "soft breaks behind base64", "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
	    "QUJDREVGQUJDREVGQUJDREVGQUJDREVGQUJDREVG=\r\n", "" },
	{ "trees behind the close", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n",
	    "--x\r\nA: b\r\n\r\n--x--\r\n", "" },
	{ "lines of dashes behind the close",
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n", "--\r\n", "" },
};

static void
test_cost_is_linear(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(baits); i++) {
		CLEANUP(buf_done) struct buf mail = { .max = BAIT_BYTES + 4096 };
		int64_t begun;

		assert_int_equal(buf_append_str(&mail, "From: a@example.com\r\n"), 0);
		assert_int_equal(buf_append_str(&mail, baits[i].before), 0);
		while (mail.len < BAIT_BYTES)
			assert_int_equal(buf_append_str(&mail, baits[i].unit), 0);
		assert_int_equal(buf_append_str(&mail, baits[i].after), 0);
		bench.marker = SLICE_NONE;
		begun = clock_cpu_us();
		(void)mime_bench_run(&bench, buf_get(&mail));
		begun = clock_cpu_us() - begun;
		if (begun > CPU_MAX_US)
			fail_msg("%s: %lld us", baits[i].label, (long long)begun);
		assert_int_equal(bench.facts & FACT_BIT(FACT_LIMIT_CPU), 0);
	}
}

static int
setup(void **state UNUSED)
{
	mime_bench_init(&bench);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	mime_bench_done(&bench);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_in_qp),
		cmocka_unit_test(test_qp_in_base64),
		cmocka_unit_test(test_tree_in_epilogue),
		cmocka_unit_test(test_base64_container_without_boundary),
		cmocka_unit_test(test_qp_blanks_in_files),
		cmocka_unit_test(test_hundred_messages),
		cmocka_unit_test(test_cost_is_linear),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
