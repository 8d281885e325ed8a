/* test_rewrite.c: header edits made to a mail that came as one run of bytes; networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "act/rewrite.h"
#include "base/buf.h"
#include "base/macros.h"
#include "config/config_address.h"
#include "intake/intake.h"
#include "message/message.h"
#include "message/spool.h"

static const struct {
	const char *name, *mail;
	struct intake_header_edit edits[4];
	size_t edit_count, header_count;
	const char *want;
} cases[] = {
	{ "no edit", "A: 1\r\n\r\nbody", { { 0 } }, 0, 1, "A: 1\r\n\r\nbody" },
	{ "added on top", "A: 1\r\n\r\nbody", { { "X-V", "yes", 0 } }, 1, 1,
	    "X-V: yes\r\nA: 1\r\n\r\nbody" },
	{ "added in the mail's own line ends", "A: 1\n\nbody", { { "X-V", "yes", 0 } }, 1, 1,
	    "X-V: yes\nA: 1\n\nbody" },
	{ "second of three goes, any case, with its folded lines",
	    "X: 1\r\nx : 2\r\n more\r\n\tand more\r\nX: 3\r\n\r\nX: 2\r\n",
	    { { "X", NULL, 2 } }, 1, 3, "X: 1\r\nX: 3\r\n\r\nX: 2\r\n" },
	{ "all go and one comes", "X: 1\r\nA: b\r\nX: 2\r\n\r\n",
	    { { "X", NULL, 2 }, { "X", NULL, 1 }, { "X", "ours", 0 } }, 3, 3,
	    "X: ours\r\nA: b\r\n\r\n" },
	{ "no empty line: all is header", "A: 1\r\nX: 2", { { "X", NULL, 1 } }, 1, 2,
	    "A: 1\r\n" },
	{ "no header", "\r\nX: 1\r\n", { { "X", NULL, 1 }, { "Y", "2", 0 } }, 2, 0,
	    "Y: 2\r\n\r\nX: 1\r\n" },
	{ "a line that is no field stays", "From me\r\nX: 1\r\n junk\r\njunk\r\nA: 1\r\n\r\n",
	    { { "X", NULL, 1 } }, 1, 2, "From me\r\njunk\r\nA: 1\r\n\r\n" },
	{ "empty mail", "", { { "Y", "2", 0 } }, 1, 0, "Y: 2\r\n" },
};

static struct message *
message_of(struct spool_pool *pool, const char *text)
{
	struct message_limits limits = { 1u << 20, 1u << 16, 10 };
	struct message *m = message_new(&limits, pool, NULL, SLICE_NONE, SLICE_NONE);
	size_t room;
	bool drop;

	while (*text != '\0') {
		uint8_t *to = message_reserve_body(m, strlen(text), &room, &drop);

		assert_non_null(to);
		room = room < strlen(text) ? room : strlen(text);
		memcpy(to, text, room);
		message_commit_body(m, room);
		text += room;
	}
	message_find_header(m);
	return m;
}

static void
test_cases(void **state UNUSED)
{
	CLEANUP(spool_pool_free) struct spool_pool *pool = spool_pool_new(1u << 20);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(message_free) struct message *m = message_of(pool, cases[i].mail);
		CLEANUP(buf_done) struct buf out = { .max = 4096 };
		const struct slice *pieces;
		size_t count;

		print_message("%s\n", cases[i].name);
		assert_true(m->is_whole);
		assert_int_equal(m->header_count, cases[i].header_count);
		assert_int_equal(
		    rewrite_make(m, cases[i].edits, cases[i].edit_count, &pieces, &count), 0);
		for (size_t k = 0; k < count; k++)
			assert_int_equal(buf_append_slice(&out, pieces[k]), 0);
		assert_string_equal(buf_get_str(&out), cases[i].want);
	}
}

static void
test_header_list(void **state UNUSED)
{
	CLEANUP(spool_pool_free) struct spool_pool *pool = spool_pool_new(1u << 20);
	CLEANUP(message_free)
	struct message *m = message_of(pool, "Subject: a\r\n b\r\nTo:c\n\r\nNot: this");
	struct slice all = message_get_bytes(m);

	assert_int_equal(m->header_count, 2);
	assert_true(slice_eq_str(message_get_header_name(m, 0), "Subject"));
	assert_true(slice_eq_str(
	    slice_sub(all, m->headers[0].value_at, m->headers[0].value_len), " a\r\n b"));
	assert_true(
	    slice_eq_str(slice_sub(all, m->headers[1].value_at, m->headers[1].value_len), "c"));
	assert_true(slice_eq_str(slice_from(all, m->header_end), "Not: this"));
	assert_int_equal(message_count_header(m, SLICE_LIT("not")), 0);
}

/* A list that was cut: fields behind its end are removed all the same. */
static void
test_many_fields(void **state UNUSED)
{
	enum { FIELDS = 30000 };
	static char text[FIELDS * 6 + 16];
	static struct intake_header_edit edits[FIELDS];
	CLEANUP(spool_pool_free) struct spool_pool *pool = spool_pool_new(1u << 22);
	const struct slice *pieces;
	size_t count;

	for (size_t i = 0; i < FIELDS; i++) {
		memcpy(text + i * 6, "X: 1\r\n", 6);
		edits[i] = (struct intake_header_edit){ "X", NULL, (unsigned)(FIELDS - i) };
	}
	memcpy(text + FIELDS * 6, "\r\nbody", 7);

	CLEANUP(message_free) struct message *m = message_of(pool, text);

	assert_true((m->flags & MESSAGE_HEADER_LIMIT) != 0);
	assert_int_equal(message_count_header(m, SLICE_LIT("X")), FIELDS);
	assert_int_equal(rewrite_make(m, edits, FIELDS, &pieces, &count), 0);
	assert_int_equal(count, 1);
	assert_true(slice_eq_str(pieces[0], "\r\nbody"));
}

static const struct {
	const char *network, *address;
	bool has;
} networks[] = {
	{ "127.0.0.0/8", "127.1.2.3", true },
	{ "127.0.0.0/8", "128.0.0.1", false },
	{ "192.0.2.128/25", "192.0.2.127", false },
	{ "192.0.2.128/25", "192.0.2.200", true },
	{ "192.0.2.1", "192.0.2.1", true },
	{ "192.0.2.1", "::ffff:192.0.2.1", true },
	{ "::1", "::1", true },
	{ "2001:db8::/33", "2001:db8:8000::1", false },
	{ "2001:db8::/33", "2001:db8:7fff::1", true },
	{ "0.0.0.0/0", "::1", false },
	{ "0.0.0.0/0", "", false },
	{ "0.0.0.0/0", "9.9.9.9", true },
};

static void
test_networks(void **state UNUSED)
{
	static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129",
		"x/8", "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0 /8" };
	struct config_network n;

	for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
		assert_true(config_network_parse(networks[i].network, &n));
		assert_int_equal(config_network_has(&n, networks[i].address), networks[i].has);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(config_network_parse(bad[i], &n));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_header_list),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
