/* Files that change together or not at all, and the limits that attach compares. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "attach/attach_change.h"
#include "attach/attach_limits.h"
#include "attach/attach_mta.h"
#include "base/macros.h"
#include "config/config.h"

static char folder[64];

static const char *
path_of(const char *name)
{
	static char path[4][128];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static void
file_put(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) < 0, 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path_of(name), mode), 0);
}

static void
file_expect(const char *name, const char *text)
{
	struct buf now;
	struct err e = { 0 };
	int r;

	buf_init(&now, 1 << 20);
	r = attach_file_read(path_of(name), &now, &e);
	if (text == NULL)
		assert_int_equal(r, -ENOENT);
	else
		assert_string_equal(buf_get_str(&now), text);
	buf_done(&now);
}

static int
setup(void **state UNUSED)
{
	snprintf(folder, sizeof(folder), "/tmp/cordon-test-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
teardown(void **state UNUSED)
{
	static const char *const names[] = { "a", "b", "c", "link", "sub/d" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		unlink(path_of(names[i]));
	rmdir(path_of("sub"));
	return rmdir(folder); /* fails when something else was left behind */
}

static void
test_apply_and_rollback(void **state UNUSED)
{
	struct attach_change c = { .count = 0 };
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000, .tv_nsec = 3 } };
	struct stat st;
	struct err e = { 0 };

	file_put("a", "one\n", 0640);
	assert_int_equal(utimensat(AT_FDCWD, path_of("a"), old, 0), 0);
	file_put("b", "same\n", 0600);
	file_put("c", "gone\n", 0600);
	assert_int_equal(symlink("a", path_of("link")), 0);
	assert_int_equal(attach_change_add(&c, path_of("link"), SLICE_LIT("ONE\n"), &e), 0);
	assert_int_equal(attach_change_add(&c, path_of("b"), SLICE_LIT("same\n"), &e), 0);
	assert_int_equal(c.count, 1); /* equal texts are no change */
	assert_int_equal(attach_change_add_removal(&c, path_of("c"), &e), 0);
	assert_int_equal(attach_change_add(&c, path_of("new"), SLICE_LIT("new\n"), &e), 0);
	assert_false(attach_change_is_empty(&c));
	assert_int_equal(attach_change_apply(&c, &e), 0);
	file_expect("a", "ONE\n");
	file_expect("c", NULL);
	file_expect("new", "new\n");
	assert_int_equal(lstat(path_of("link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path_of("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(attach_change_rollback(&c, &e), 0);
	file_expect("a", "one\n");
	file_expect("c", "gone\n");
	file_expect("new", NULL);
	assert_int_equal(stat(path_of("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_mtim.tv_nsec, 3);
	attach_change_done(&c);
}

static void
test_half_way_failure(void **state UNUSED)
{
	struct attach_change c = { .count = 0 };
	struct err e = { 0 };

	file_put("a", "one\n", 0644);
	assert_int_equal(mkdir(path_of("sub"), 0755), 0);
	assert_int_equal(attach_change_add(&c, path_of("a"), SLICE_LIT("two\n"), &e), 0);
	assert_int_equal(attach_change_add(&c, path_of("sub/d"), SLICE_LIT("d\n"), &e), 0);
	assert_int_equal(rmdir(path_of("sub")), 0);
	assert_int_equal(attach_change_apply(&c, &e), -ENOENT);
	file_expect("a", "two\n");
	assert_int_equal(attach_change_rollback(&c, &e), 0);
	file_expect("a", "one\n");
	attach_change_done(&c);
}

static void
test_somebody_else_edits(void **state UNUSED)
{
	struct attach_change c = { .count = 0 };
	struct err e = { 0 };

	file_put("a", "one\n", 0644);
	file_put("b", "two\n", 0644);
	assert_int_equal(attach_change_add(&c, path_of("a"), SLICE_LIT("ONE\n"), &e), 0);
	assert_int_equal(attach_change_add(&c, path_of("b"), SLICE_LIT("TWO\n"), &e), 0);
	file_put("b", "theirs\n", 0644);
	assert_int_equal(attach_change_apply(&c, &e), -EBUSY);
	assert_non_null(strstr(e.text, "somebody else"));
	assert_int_equal(attach_change_rollback(&c, &e), 0);
	file_expect("a", "one\n");
	file_expect("b", "theirs\n");
	attach_change_done(&c);
}

static void
test_derived_file(void **state UNUSED)
{
	struct attach_change c = { .count = 0 };
	struct err e = { 0 };

	file_put("a", "made\n", 0644);
	assert_int_equal(attach_change_add_derived(&c, path_of("a"), &e), 0);
	assert_true(attach_change_is_empty(&c));
	assert_int_equal(attach_change_apply(&c, &e), 0);
	file_put("a", "made anew\n", 0600);
	assert_int_equal(attach_change_rollback(&c, &e), 0);
	file_expect("a", "made\n");
	attach_change_done(&c);
}

static void
test_refused_files(void **state UNUSED)
{
	struct attach_change c = { .count = 0 };
	struct err e = { 0 };

	assert_true(
	    attach_change_add(&c, folder, SLICE_LIT("x"), &e) < 0); /* no regular file */
	assert_true(attach_change_add(&c, "/tmp/a\nb", SLICE_LIT("x"), &e) < 0);
	assert_int_equal(attach_change_rollback(&c, &e), 0);
	attach_change_done(&c);
}

static const struct {
	const char *text;
	uint64_t unit_ms, want;
} durations[] = {
	{ "30", 1000, 30000 },
	{ "30s", 1, 30000 },
	{ "5m", 1, 300000 },
	{ "4m30s", 1, 270000 },
	{ "1h", 1, 3600000 },
	{ " 2d ", 1, 172800000 },
	{ "5x", 1, UINT64_MAX },
	{ "m", 1, UINT64_MAX },
	{ "", 1000, 0 },
};

static void
test_durations(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(durations); i++)
		if (duration_parse_ms(slice_of_str(durations[i].text), durations[i].unit_ms) !=
		    durations[i].want)
			fail_msg("'%s'", durations[i].text);
}

static const struct {
	const char *name, *config;
	struct attach_limits limits;
	unsigned want;
	const char *says;
} limits[] = {
	{ "all agree", "", { "size", 100u << 20, "time", 300000, "step", 30000, NULL }, 0, "" },
	{ "nothing known", "", { 0 }, 0, "" },
	{ "no size limit", "", { .size_name = "size", .size_bytes = ATTACH_LIMIT_NONE }, 1,
	    "size sets no limit" },
	{ "larger than Cordon takes", "max_message_size = \"50M\"",
	    { .size_name = "size", .size_bytes = 60000000 }, 1,
	    "mails between them are unscanned (tempfail). Set max_message_size = "
	    "\"60000000\"" },
	{ "gives up first", "",
	    { .answer_name = "time", .answer_ms = 100000, .answer_fix = "set time=" }, 1,
	    "set time=270s" },
	{ "steps too short", "", { .command_name = "step", .command_ms = 1000 }, 1,
	    "step (1000 ms)" },
	{ "an engine takes less", "clamav { max_object = \"10M\" }",
	    { .size_name = "size", .size_bytes = 20u << 20 }, 1,
	    "max_object of clamav (10485760)" },
	{ "an engine waits longer",
	    "message_timeout_ms = 30000 clamav { enabled = false }\n"
	    "limits { wall_ms = 20000 }\nclamd x { servers = {\"unix:/x\"} max_object = "
	    "\"100M\" "
	    "timeout_ms = 60000 }",
	    { 0 }, 1, "timeout_ms of clamd x (60000)" },
	{ "senders give up", "message_timeout_ms = 900000", { 0 }, 1, "a sending host waits" },
};

static void
test_limits(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct buf messages;
		struct config *c;
		char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);
		unsigned count;

		buf_init(&messages, 65536);
		c = config_parse("test.conf", slice_of_str(limits[i].config), &messages);
		if (c == NULL)
			fail_msg("%s: %s", limits[i].name, buf_get_str(&messages));
		assert_non_null(out);
		count = attach_limits_compare(&limits[i].limits, c, out);
		assert_int_equal(fclose(out), 0);
		if (count != limits[i].want || strstr(text, limits[i].says) == NULL)
			fail_msg("%s: %u: %s", limits[i].name, count, text);
		free(text);
		config_unref(&c);
		buf_done(&messages);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_apply_and_rollback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_way_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_somebody_else_edits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_derived_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_files, setup, teardown),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
