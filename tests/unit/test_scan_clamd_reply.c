/* test_scan_clamd_reply.c: clamd's answers, letter by letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "scan/scan_clamd_reply.h"

#define VERSION "ClamAV 1.4.3/27500/Mon Jan  5 10:00:00 2026"

#define R(text) text, sizeof(text) - 1
static const struct {
	const char *in;
	size_t len;
	bool by_fildes;
	enum clamd_reply_kind kind;
	enum cause cause;
	const char *text;
} replies[] = {
	{ R("stream: OK\0"), false, CLAMD_REPLY_CLEAN, CAUSE_NONE, "" },
	{ R("stream: OK\n"), false, CLAMD_REPLY_CLEAN, CAUSE_NONE, "" },
	{ R("fd[10]: OK\0"), true, CLAMD_REPLY_CLEAN, CAUSE_NONE, "" },
	{ R("stream: A.B-1 FOUND\0"), false, CLAMD_REPLY_INFECTED, CAUSE_NONE, "A.B-1" },
	{ R("fd[10]: A.B-1 FOUND\n"), true, CLAMD_REPLY_INFECTED, CAUSE_NONE, "A.B-1" },
	{ R("stream: OK FOUND\0"), false, CLAMD_REPLY_INFECTED, CAUSE_NONE, "OK" },
	{ R("stream: a\x01\xc3\xb6z FOUND\0"), false, CLAMD_REPLY_INFECTED, CAUSE_NONE,
	    "a???z" },
	{ R("stream: Heuristics.Limits.Exceeded FOUND\0"), false, CLAMD_REPLY_UNSCANNED,
	    CAUSE_EXPANSION, "Heuristics.Limits.Exceeded" },
	{ R("stream: Heuristics.Limits.Exceeded.MaxScanTime FOUND\0"), false,
	    CLAMD_REPLY_UNSCANNED, CAUSE_EXPANSION, "Heuristics.Limits.Exceeded.MaxScanTime" },
	{ R("fd[3]: Heuristics.Encrypted.Zip FOUND\0"), true, CLAMD_REPLY_UNSCANNED,
	    CAUSE_ENCRYPTED, "Heuristics.Encrypted.Zip" },
	{ R("fd[3]: Heuristics.Broken.Exe FOUND\0"), true, CLAMD_REPLY_INFECTED, CAUSE_NONE,
	    "Heuristics.Broken.Exe" },
	{ R("INSTREAM size limit exceeded. ERROR\0"), false, CLAMD_REPLY_UNSCANNED,
	    CAUSE_TOO_BIG, "INSTREAM size limit exceeded." },
	{ R("stream: Can't allocate memory ERROR\0"), false, CLAMD_REPLY_UNSCANNED, CAUSE_ERROR,
	    "Can't allocate memory" },
	{ R("COMMAND READ TIMED OUT ERROR\0"), false, CLAMD_REPLY_UNSCANNED, CAUSE_ERROR,
	    "COMMAND READ TIMED OUT" },
	{ R("UNKNOWN COMMAND\0"), true, CLAMD_REPLY_NO_FD, CAUSE_ERROR, "UNKNOWN COMMAND" },
	{ R("UNKNOWN COMMAND\0"), false, CLAMD_REPLY_UNSCANNED, CAUSE_ERROR,
	    "UNKNOWN COMMAND" },
	{ R("No file descriptor received. ERROR\0"), true, CLAMD_REPLY_NO_FD, CAUSE_ERROR,
	    "No file descriptor received." },
	{ R("fd[8]: Not a regular file ERROR\0"), true, CLAMD_REPLY_NO_FD, CAUSE_ERROR,
	    "Not a regular file" },
	/* Never clean: all of these. */
	{ R("stream: OK\0"), true, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("fd[10]: OK\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream: OK"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("OK\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream: OK \0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream: ok\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R(" stream: OK\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream:OK\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream: OK\r\n"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("1: stream: OK\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("77: stream: A FOUND\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("2: some text ERROR\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream: OK\0stream: OK\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream: OK\0\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream: OK\nstream: A FOUND\n"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream:  FOUND\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("stream: FOUND\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("fd[]: OK\0"), true, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("fd[1x]: OK\0"), true, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("fd[12345678901]: OK\0"), true, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("a\x01 ERROR\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R(" ERROR\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("PONG\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R("\0"), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
	{ R(""), false, CLAMD_REPLY_GARBAGE, CAUSE_NONE, "" },
};

static void
test_replies(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		struct clamd_reply r = clamd_reply_parse(
		    slice_of(replies[i].in, replies[i].len), replies[i].by_fildes);

		if (r.kind != replies[i].kind || r.cause != replies[i].cause ||
		    !slice_eq_str(slice_of(r.text, r.text_len), replies[i].text))
			fail_msg("'%s' gives kind %d cause %d text '%.*s'", replies[i].in,
			    r.kind, r.cause, (int)r.text_len, r.text);
	}
}

static void
test_reply_bounds(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b = { .max = 10000 };
	struct clamd_reply r;
	struct slice version;

	assert_int_equal(buf_append_str(&b, "stream: "), 0);
	for (size_t i = 0; i < CLAMD_REPLY_MAX_BYTES - 8 - 7; i++)
		assert_int_equal(buf_append_byte(&b, 'v'), 0);
	assert_int_equal(buf_append(&b, " FOUND", 7), 0);
	assert_int_equal(b.len, CLAMD_REPLY_MAX_BYTES);
	r = clamd_reply_parse(buf_get(&b), false);
	assert_int_equal(r.kind, CLAMD_REPLY_INFECTED);
	assert_int_equal(r.text_len, CLAMD_TEXT_MAX_BYTES);
	b.data[8] = 'w';
	assert_int_equal(buf_append_byte(&b, 0), 0);
	b.data[CLAMD_REPLY_MAX_BYTES - 1] = 'D';
	assert_int_equal(clamd_reply_parse(buf_get(&b), false).kind, CLAMD_REPLY_GARBAGE);

	assert_true(clamd_reply_parse_version(slice_of(VERSION, sizeof(VERSION)), &version));
	assert_true(slice_eq_str(version, VERSION));
	assert_false(clamd_reply_parse_version(SLICE_LIT("ClamAV 1.4"), &version));
	assert_false(clamd_reply_parse_version(SLICE_LIT("a\nb\n"), &version));
	assert_false(clamd_reply_parse_version(SLICE_LIT("a\x7f\n"), &version));
	assert_false(clamd_reply_parse_version(slice_sub(buf_get(&b), 0, 300), &version));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_reply_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
