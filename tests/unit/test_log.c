/* test_log.c: one line per event, whatever is logged; foreign text in quotes. */
#include "test_common.h"

#include "base/log.h"

static char folder[64], path[128];

static struct slice
file_text(void)
{
	static char text[65536];
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	return slice_of(text, n);
}

static void
test_quote(void **state UNUSED)
{
	static const struct {
		const char *in;
		size_t max;
		const char *want;
	} rows[] = {
		{ "plain", 100, "plain" },
		{ "a@b.c<>[]{}", 100, "a@b.c<>[]{}" },
		{ "", 100, "\"\"" },
		{ "a b", 100, "\"a b\"" },
		{ "a=b", 100, "\"a=b\"" },
		{ "a\"b\\c", 100, "\"a\\\"b\\\\c\"" },
		{ "a\nb\x1b\x7f\xff", 100, "\"a\\x0ab\\x1b\\x7f\\xff\"" },
		{ "abcdef", 6, "abcdef" },
		{ "abcdef", 5, "\"abcde...\"" },
		{ "\n\n\n", 2, "\"\\x0a\\x0a...\"" },
	};
	char longest[300], out[LOG_QUOTE_SIZE(300)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(log_quote(slice_of_str(rows[i].in), rows[i].max, out, sizeof(out)),
		    rows[i].want);
	memset(longest, '\x80', sizeof(longest)); /* the macro's room is enough for the worst */
	for (size_t max = 0; max < 300; max++) {
		(void)log_quote(slice_of(longest, sizeof(longest)), max, out, LOG_QUOTE_SIZE(max));
		assert_int_equal(strlen(out), 4 * max + 5);
		(void)log_quote(slice_of(longest, max), max, out, LOG_QUOTE_SIZE(max));
		assert_int_equal(strlen(out), 4 * max + 2);
	}
	for (size_t size = 1; size < 40; size++) { /* too small: cut, never past the end */
		char *small = malloc(size);

		assert_non_null(small);
		(void)log_quote(slice_of(longest, 50), 50, small, size);
		assert_true(strlen(small) < size);
		free(small);
	}
}

static void
test_lines(void **state UNUSED)
{
	struct err e;
	struct slice text;

	assert_int_equal(log_open("tester", path, &e), 0);
	log_set_level(LOG_LEVEL_INFO);
	log_info("ID1", "event=x value=%d", 7);
	log_debug(NULL, "not wanted");
	log_warn(NULL, "two\nlines\tand \x1b[2J");
	errno = EAGAIN;
	log_error("ID2", "error=%s", "y");
	assert_int_equal(errno, EAGAIN); /* kept */
	log_line(LOG_LEVEL_INFO, SLICE_LIT("whole=line"));
	text = file_text();
	assert_true(slice_has(text, "Z tester["));
	assert_true(slice_has(text, "] level=info id=ID1 event=x value=7\n"));
	assert_true(slice_has(text, "] level=warning two lines and  [2J\n"));
	assert_true(slice_has(text, "] level=error id=ID2 error=y\n"));
	assert_true(slice_has(text, "] whole=line\n"));
	assert_false(slice_has(text, "not wanted"));
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug(NULL, "wanted now");
	assert_true(slice_has(file_text(), "level=debug wanted now\n"));
	log_set_level(LOG_LEVEL_INFO);
}

static void
test_longest(void **state UNUSED)
{
	static char longest[3 * LOG_LINE_MAX_BYTES];
	size_t before = file_text().len, after;

	memset(longest, 'x', sizeof(longest) - 1);
	log_info("ID", "%s", longest);
	after = file_text().len;
	assert_true(after - before > LOG_LINE_MAX_BYTES - 200);
	assert_true(after - before <= LOG_LINE_MAX_BYTES);
	assert_int_equal(file_text().ptr[after - 1], '\n');
	log_line(LOG_LEVEL_INFO, slice_of(longest, sizeof(longest)));
	assert_true(file_text().len - after <= LOG_LINE_MAX_BYTES);
	assert_int_equal(file_text().ptr[file_text().len - 1], '\n');
}

static void
test_open_fails(void **state UNUSED)
{
	struct err e;
	size_t before = file_text().len;
	bool is_syslog = true;

	assert_int_equal(log_open("other", "/nonexistent/folder/log", &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/folder/log"));
	log_info(NULL, "still there"); /* the target in force stays */
	assert_true(file_text().len > before);
	assert_true(log_get_fd(&is_syslog) > 2);
	assert_false(is_syslog);
	assert_int_equal(log_open("tester", "stderr", &e), 0);
	assert_int_equal(log_get_fd(&is_syslog), STDERR_FILENO);
}

static int
group_setup(void **state UNUSED)
{
	folder_make(folder);
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	(void)unsetenv("JOURNAL_STREAM");
	return 0;
}

static int
group_teardown(void **state UNUSED)
{
	folder_remove(folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_quote),
		cmocka_unit_test(test_lines), cmocka_unit_test(test_longest),
		cmocka_unit_test(test_open_fails) };

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
