/* test_reply.c: from a decision to what the MTA is told; forged headers go. */
#include "test_common.h"

#include "act/reply.h"
#include "base/arena.h"
#include "message/message.h"

static struct spool_pool *pool;
static struct config *config;

static struct message *
message_with(const char *const *names)
{
	struct message_limits l = { .max_bytes = 1 << 20, .header_bytes = 1 << 20, .recipients = 5 };
	struct message *m = message_new(&l, pool, NULL, SLICE_NONE, SLICE_NONE);

	for (size_t i = 0; names[i] != NULL; i++)
		message_add_header(m, slice_of_str(names[i]), SLICE_LIT("x"), false);
	return m;
}

static void
test_actions(void **state UNUSED)
{
	static const struct {
		enum action action;
		unsigned code;
		enum intake_action want;
		bool edits;
	} rows[] = {
		{ ACTION_TEMPFAIL, 451, INTAKE_TEMPFAIL, false },
		{ ACTION_REJECT, 550, INTAKE_REJECT, false },
		{ ACTION_HOLD, 250, INTAKE_HOLD, true },
		{ ACTION_DISCARD, 250, INTAKE_DISCARD, false },
		{ ACTION_ACCEPT, 250, INTAKE_ACCEPT, true },
	};
	static const char *const names[] = { "X-Virus-Scanned", NULL };

	assert_int_equal(ARRAY_LEN(rows), ACTION_COUNT);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct message *m = message_with(names);
		struct decision d = { .action = rows[i].action, .code = rows[i].code,
			.enhanced = "9.9.9", .text = "text", .reason = "reason", .remove_forged = true,
			.header_count = 1, .headers = { { "X-New", "value" } } };
		struct intake_reply r;

		memset(&r, 0xff, sizeof(r));
		reply_make(config, &d, NULL, m, &r);
		assert_int_equal(r.action, rows[i].want);
		assert_int_equal(r.code, rows[i].code);
		assert_string_equal(r.enhanced, "9.9.9");
		assert_string_equal(r.text, "text");
		assert_string_equal(r.hold_reason, "reason");
		assert_int_equal(r.edit_count, rows[i].edits ? 2 : 0);
		if (rows[i].edits) {
			assert_string_equal(r.edits[0].name, "X-Virus-Scanned");
			assert_null(r.edits[0].value);
			assert_int_equal(r.edits[0].index, 1);
			assert_string_equal(r.edits[1].name, "X-New");
			assert_string_equal(r.edits[1].value, "value");
		}
		message_free(&m);
	}
}

/* From the last to the first, so that the numbers stay true. */
static void
test_forged(void **state UNUSED)
{
	static const char *const names[] = { "x-virus-scanned", "Subject", "X-Virus-Unscanned",
		"X-VIRUS-SCANNED", "X-Virus-Scanned-By", "X-Virus-Scanned ", NULL };
	static const struct {
		const char *name;
		unsigned index;
	} want[] = { { "X-Virus-Scanned", 3 }, { "X-Virus-Scanned", 2 }, { "X-Virus-Scanned", 1 },
		{ "X-Virus-Unscanned", 1 } };
	struct message *m = message_with(names);
	struct decision d = { .action = ACTION_ACCEPT, .code = 250, .remove_forged = true };
	struct intake_reply r;

	reply_make(config, &d, NULL, m, &r);
	assert_int_equal(r.edit_count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_string_equal(r.edits[i].name, want[i].name);
		assert_int_equal(r.edits[i].index, want[i].index);
		assert_null(r.edits[i].value);
	}
	d.remove_forged = false;
	reply_make(config, &d, NULL, m, &r);
	assert_int_equal(r.edit_count, 0);
	message_free(&m);
}

static void
test_both_names_equal(void **state UNUSED)
{
	static const char *const names[] = { "X-Same", "X-SAME", NULL };
	static const char text[] = "policy { header_name = X-Same header_unscanned_name = x-same }";
	CLEANUP(buf_done) struct buf messages = { .max = 1000 };
	struct config *c = config_parse("t", slice_of_str(text), &messages);
	struct message *m = message_with(names);
	struct decision d = { .action = ACTION_ACCEPT, .code = 250, .remove_forged = true };
	struct intake_reply r;

	if (c == NULL) { /* refused: fine too, then it cannot happen */
		message_free(&m);
		return;
	}
	reply_make(c, &d, NULL, m, &r);
	assert_int_equal(r.edit_count, 2); /* not each twice */
	message_free(&m);
	config_unref(&c);
}

/* When there is no memory for the edits the mail does not pass with a forged header. */
static void
test_no_memory(void **state UNUSED)
{
	static const char *const names[] = { "X-Virus-Scanned", NULL };
	struct message *m = message_with(names);
	struct decision d = { .action = ACTION_ACCEPT, .code = 250, .enhanced = "2.0.0",
		.text = "Ok", .remove_forged = true };
	struct intake_reply r;

	while (arena_alloc(m->arena, 65536) != NULL)
		continue;
	while (arena_alloc(m->arena, 16) != NULL)
		continue;
	reply_make(config, &d, NULL, m, &r);
	assert_int_equal(r.action, INTAKE_TEMPFAIL);
	assert_int_equal(r.code, 451);
	assert_int_equal(r.enhanced[0], '4');
	assert_int_equal(r.edit_count, 0);
	message_free(&m);
}

/* "Too big" is for good, "no memory" is not: the protocols must not take one for the other. */
static void
test_why_it_was_not_kept(void **state UNUSED)
{
	static const char *const names[] = { NULL };
	static const unsigned flags[] = { 0, MESSAGE_NO_MEMORY, MESSAGE_TOO_BIG };
	struct decision d = { .action = ACTION_ACCEPT, .code = 250 };

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct message *m = message_with(names);
		struct intake_reply r;

		m->flags |= flags[i];
		reply_make(config, &d, NULL, m, &r);
		assert_int_equal(r.action, INTAKE_ACCEPT);
		assert_int_equal(r.is_too_big, flags[i] == MESSAGE_TOO_BIG);
		message_free(&m);
	}
}

static void
test_zero(void **state UNUSED)
{
	static const char *const names[] = { NULL };
	struct message *m = message_with(names);
	struct decision zero = { 0 };
	struct intake_reply r;

	reply_make(config, &zero, NULL, m, &r);
	assert_int_equal(r.action, INTAKE_TEMPFAIL);
	assert_int_equal(r.code, 451);
	message_free(&m);
}

static int
group_setup(void **state UNUSED)
{
	pool = spool_pool_new(16 << 20);
	config = config_new_default();
	return 0;
}

static int
group_teardown(void **state UNUSED)
{
	spool_pool_free(&pool);
	config_unref(&config);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_actions),
		cmocka_unit_test(test_forged), cmocka_unit_test(test_both_names_equal),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_why_it_was_not_kept), cmocka_unit_test(test_zero) };

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
