/* test_smtp_reply.c: replies of a next hop: which bytes are one, where it ends, what is
 * refused; in one piece and byte by byte. */
#include "intake/smtp_reply.h"
#include "test_common.h"

static const struct {
	const char *name, *in;
	int ret;
	unsigned code, lines;
	const char *text, *rest; /* rest: what belongs to the next reply */
} cases[] = {
	{ "one line", "250 2.1.0 Ok\r\n", 1, 250, 1, "250 2.1.0 Ok\r\n", "" },
	{ "no text", "250 \r\n", 1, 250, 1, "250 \r\n", "" },
	{ "no blank", "354\r\n", 1, 354, 1, "354\r\n", "" },
	{ "many lines", "250-a\r\n250-SIZE 1\r\n250 b\r\n", 1, 250, 3,
	    "250-a\r\n250-SIZE 1\r\n250 b\r\n", "" },
	{ "a line without text in the middle", "250-a\r\n250-\r\n250 b\r\n", 1, 250, 3,
	    "250-a\r\n250-\r\n250 b\r\n", "" },
	{ "bare code ends", "250-a\r\n250\r\n", 1, 250, 2, "250-a\r\n250\r\n", "" },
	{ "two replies", "220 a\r\n421 b\r\n", 1, 220, 1, "220 a\r\n", "421 b\r\n" },
	{ "LF alone", "250-a\n250 b\n", 1, 250, 2, "250-a\r\n250 b\r\n", "" },
	{ "lowest", "200 a\r\n", 1, 200, 1, "200 a\r\n", "" },
	{ "highest", "599 a\r\n", 1, 599, 1, "599 a\r\n", "" },
	{ "tab and UTF-8", "550 a\t\xc3\xa9\r\n", 1, 550, 1, "550 a\t\xc3\xa9\r\n", "" },
	{ "half a line", "250-a\r\n250 b\r", 0, 250, 1, "250-a\r\n", "" },
	{ "nothing", "", 0, 0, 0, "", "" },
	{ "no end", "250 b", 0, 0, 0, "", "" },
	{ "empty line", "\r\n", -EPROTO, 0, 0, "", "" },
	{ "no digits", "hello\r\n", -EPROTO, 0, 0, "", "" },
	{ "two digits", "25\r\n", -EPROTO, 0, 0, "", "" },
	{ "four digits", "2500 x\r\n", -EPROTO, 0, 0, "", "" },
	{ "blank before", " 250 x\r\n", -EPROTO, 0, 0, "", "" },
	{ "sign", "+25 x\r\n", -EPROTO, 0, 0, "", "" },
	{ "too low", "199 x\r\n", -EPROTO, 0, 0, "", "" },
	{ "preliminary", "100 x\r\n", -EPROTO, 0, 0, "", "" },
	{ "too high", "600 x\r\n", -EPROTO, 0, 0, "", "" },
	{ "other mark", "250:x\r\n", -EPROTO, 0, 0, "", "" },
	{ "tab behind the code", "250\tx\r\n", -EPROTO, 0, 0, "", "" },
	{ "codes differ", "250-a\r\n251 b\r\n", -EPROTO, 0, 0, "", "" },
	{ "no code in the middle", "250-a\r\nb\r\n250 c\r\n", -EPROTO, 0, 0, "", "" },
	{ "CR inside", "250 a\rb\r\n", -EPROTO, 0, 0, "", "" },
	{ "CR CR LF", "250 a\r\r\n", -EPROTO, 0, 0, "", "" },
	{ "escape", "250 \x1b[2J\r\n", -EPROTO, 0, 0, "", "" },
	{ "DEL", "250 \x7f\r\n", -EPROTO, 0, 0, "", "" },
};

/* Feeds in pieces of step bytes, as a session does. */
static int
feed(struct smtp_reply *r, struct slice in, size_t step, size_t *ret_used)
{
	int ret = 0;

	*ret_used = 0;
	while (ret == 0 && *ret_used < in.len) {
		struct slice piece = slice_sub(in, *ret_used, step);
		size_t used = SIZE_MAX;

		ret = smtp_reply_feed(r, piece, &used);
		if (ret < 0)
			return ret;
		assert_true(used <= piece.len);
		assert_true(ret == 1 || used == piece.len);
		*ret_used += used;
	}
	return ret;
}

static void
test_cases(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice in = slice_of_str(cases[i].in);

		for (size_t step = 1; step <= in.len + 1; step++) {
			CLEANUP(smtp_reply_done) struct smtp_reply r;
			size_t used = 0;

			smtp_reply_init(&r);
			if (feed(&r, in, step, &used) != cases[i].ret)
				fail_msg("%s, step %zu", cases[i].name, step);
			if (cases[i].ret < 0)
				continue;
			assert_slice(buf_get(&r.text), cases[i].text);
			assert_slice(slice_from(in, used), cases[i].rest);
			assert_int_equal(r.code, cases[i].code);
			assert_int_equal(r.lines, cases[i].lines);
			assert_int_equal(r.is_done, cases[i].ret);
		}
	}
}

static void
test_nul(void **state UNUSED)
{
	CLEANUP(smtp_reply_done) struct smtp_reply r;
	size_t used = 77;

	smtp_reply_init(&r);
	assert_int_equal(smtp_reply_feed(&r, SLICE_LIT("250 a\0b\r\n"), &used), -EPROTO);
	assert_int_equal(used, 77);
	smtp_reply_clear(&r);
	assert_int_equal(smtp_reply_feed(&r, SLICE_LIT("250 a\r\n"), &used), 1);
}

static void
test_lines(void **state UNUSED)
{
	CLEANUP(smtp_reply_done) struct smtp_reply r;
	size_t used;

	smtp_reply_init(&r);
	assert_slice(smtp_reply_get_line(&r, 0), "");
	assert_int_equal(
	    smtp_reply_feed(&r, SLICE_LIT("250-mx\n250-\r\n250-SIZE 10\r\n250\r\n"), &used), 1);
	assert_slice(smtp_reply_get_line(&r, 0), "mx");
	assert_slice(smtp_reply_get_line(&r, 1), "");
	assert_slice(smtp_reply_get_line(&r, 2), "SIZE 10");
	assert_slice(smtp_reply_get_line(&r, 3), "");
	assert_slice(smtp_reply_get_line(&r, 4), "");
	assert_slice(smtp_reply_get_line(&r, UINT32_MAX), "");
	assert_int_equal(smtp_reply_feed(&r, SLICE_LIT("250 more\r\n"), &used), 1);
	assert_int_equal(used, 0);
	smtp_reply_clear(&r);
	assert_null(r.text.data);
	assert_null(r.line.data);
	assert_int_equal(smtp_reply_feed(&r, SLICE_LIT("421 bye\r\n"), &used), 1);
	assert_int_equal(r.code, 421);
}

/* A line of exactly so many bytes that the text is full, and one more; whole and in pieces. */
static void
test_longest(void **state UNUSED)
{
	static const size_t steps[] = { 1, 1000, SIZE_MAX };
	static char line[SMTP_REPLY_MAX_BYTES + 10];

	for (size_t over = 0; over < 2; over++) {
		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			CLEANUP(smtp_reply_done) struct smtp_reply r;
			size_t len = SMTP_REPLY_MAX_BYTES + over, used;
			struct slice in = slice_of(line, len);

			memset(line, 'x', sizeof(line));
			memcpy(line, "250 ", 4);
			memcpy(line + len - 2, "\r\n", 2);
			smtp_reply_init(&r);
			assert_int_equal(feed(&r, in, steps[i], &used), over ? -ENOBUFS : 1);
			smtp_reply_clear(&r);
			memset(line, 'x', sizeof(line)); /* never an end */
			in.len = sizeof(line);
			assert_int_equal(feed(&r, in, steps[i], &used), -ENOBUFS);
		}
	}
}

static void
test_most_lines(void **state UNUSED)
{
	for (unsigned over = 0; over < 2; over++) {
		CLEANUP(smtp_reply_done) struct smtp_reply r;
		size_t used;

		smtp_reply_init(&r);
		for (unsigned i = 1; i < SMTP_REPLY_MAX_LINES + over; i++)
			assert_int_equal(smtp_reply_feed(&r, SLICE_LIT("250-x\r\n"), &used), 0);
		assert_int_equal(
		    smtp_reply_feed(&r, SLICE_LIT("250 x\r\n"), &used), over ? -ENOBUFS : 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases),
		cmocka_unit_test(test_nul), cmocka_unit_test(test_lines),
		cmocka_unit_test(test_longest), cmocka_unit_test(test_most_lines) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
