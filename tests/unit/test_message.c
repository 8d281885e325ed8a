/* test_message.c: a mail as it comes in: bytes as the MTA had them, header list, limits. */
#include "test_common.h"

#include "intake/intake.h"
#include "message/message.h"
#include "proc/region.h"

static struct spool_pool *pool;
static const struct message_limits usual = { .max_bytes = 1 << 20, .header_bytes = 1 << 16,
	.recipients = 100 };

static struct message *
message_make(const struct message_limits *l)
{
	return message_new(l, pool, NULL, SLICE_LIT("a@b.example"), SLICE_NONE);
}

static void
body_add(struct message *m, const char *text)
{
	size_t room = 0, len = strlen(text);
	bool drop = false;
	uint8_t *to = message_reserve_body(m, len, &room, &drop);

	assert_non_null(to);
	assert_int_equal(room, len);
	memcpy(to, text, len);
	message_commit_body(m, len);
}

static void
test_headers_as_they_were(void **state UNUSED)
{
	static const struct {
		const char *name, *value;
		bool raw;
		const char *want;
	} rows[] = {
		{ "Subject", "hello", false, "Subject: hello\r\n" },
		{ "Subject", " hello", true, "Subject: hello\r\n" },
		{ "Subject", "hello", true, "Subject:hello\r\n" },
		{ "To", "a,\n\tb", false, "To: a,\r\n\tb\r\n" },
		{ "To", "a,\r\n\tb", false, "To: a,\r\n\tb\r\n" },
		{ "To", "a\n\n b\r\r\n c", false, "To: a\r\n\r\n b\r\r\n c\r\n" },
		{ "X", "", false, "X: \r\n" },
		{ "X", "", true, "X:\r\n" },
		{ "X", "end\n", true, "X:end\r\n\r\n" },
		{ "X", "\n", true, "X:\r\n\r\n" },
		{ "X ", "cr\rin", true, "X :cr\rin\r\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct message *m = message_make(&usual);

		message_add_header(m, slice_of_str(rows[i].name), slice_of_str(rows[i].value),
		    rows[i].raw);
		assert_slice(message_get_bytes(m), rows[i].want);
		assert_int_equal(m->size_bytes, strlen(rows[i].want));
		assert_int_equal(m->header_count, 1);
		assert_slice(message_get_header_name(m, 0), rows[i].name);
		message_free(&m);
		assert_null(m);
	}
}

static void
test_whole_mail(void **state UNUSED)
{
	struct intake_client client = { .address = "192.0.2.1", .name = (char[]){ "host.example" },
		.helo = (char[]){ "helo" }, .user = (char[]){ "" }, .tls = (char[]){ "TLSv1.3" },
		.listener = (char[]){ "inbound" } };
	struct message *m = message_new(&usual, pool, &client, SLICE_LIT("s@x"),
	    SLICE_LIT("SIZE=10"));

	memset(client.address, 'x', 5); /* all was copied */
	client.helo[0] = 'x';
	assert_slice(m->client_address, "192.0.2.1");
	assert_slice(m->helo, "helo");
	assert_slice(m->listener, "inbound");
	assert_slice(m->tls, "TLSv1.3");
	assert_slice(m->sender, "s@x");
	assert_slice(m->sender_args, "SIZE=10");
	message_add_recipient(m, SLICE_LIT("r1@x"));
	message_add_recipient(m, SLICE_LIT("r2@x"));
	message_set_queue_id(m, SLICE_LIT("Q1"));
	message_set_queue_id(m, SLICE_LIT("Q2"));
	message_add_header(m, SLICE_LIT("X-Virus-Scanned"), SLICE_LIT("forged"), false);
	message_add_header(m, SLICE_LIT("Subject"), SLICE_LIT("x"), false);
	message_add_header(m, SLICE_LIT("x-virus-SCANNED "), SLICE_LIT("again"), false);
	message_end_header(m);
	body_add(m, "body\r\n");
	body_add(m, "more\r\n");
	message_count_dropped(m, 100);
	assert_slice(message_get_bytes(m), "X-Virus-Scanned: forged\r\nSubject: x\r\n"
	    "x-virus-SCANNED : again\r\n\r\nbody\r\nmore\r\n");
	assert_slice(slice_from(message_get_bytes(m), m->header_end), "body\r\nmore\r\n");
	assert_int_equal(m->size_bytes, message_get_bytes(m).len + 100);
	assert_int_equal(m->flags, 0);
	assert_int_equal(m->recipient_count, 2);
	assert_slice(m->recipients[1], "r2@x");
	assert_slice(m->queue_id, "Q2");
	assert_int_equal(message_count_header(m, SLICE_LIT("X-Virus-Scanned")), 2);
	assert_int_equal(message_count_header(m, SLICE_LIT("Subject")), 1);
	assert_int_equal(message_count_header(m, SLICE_LIT("To")), 0);
	message_free(&m);
	message_free(&m);
	assert_true(spool_pool_get_used(pool) == 0);
}

static void
test_ids_differ(void **state UNUSED)
{
	static char ids[500][MESSAGE_ID_SIZE];

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct message *m = message_make(&usual);

		memcpy(ids[i], m->id, MESSAGE_ID_SIZE);
		assert_int_equal(strlen(ids[i]), 13);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(ids[i], ids[k]);
		message_free(&m);
	}
}

/* Too big: nothing further is kept, all of it is counted, and it is known. */
static void
test_too_big(void **state UNUSED)
{
	struct message_limits l = usual;
	struct message *m;
	size_t room;
	bool drop = false;

	l.max_bytes = 30;
	m = message_make(&l);
	message_add_header(m, SLICE_LIT("A"), SLICE_LIT("b"), false);
	message_end_header(m);
	body_add(m, "0123456789");
	assert_int_equal(m->flags, 0);
	assert_null(message_reserve_body(m, 14, &room, &drop));
	assert_true(drop);
	assert_int_equal(m->flags, MESSAGE_TOO_BIG);
	drop = false;
	assert_null(message_reserve_body(m, 1, &room, &drop)); /* and so it stays */
	assert_true(drop);
	message_count_dropped(m, 14);
	assert_int_equal(m->size_bytes, 8 + 10 + 14);
	message_free(&m);

	m = message_make(&l); /* exactly as many as are allowed */
	body_add(m, "012345678901234567890123456789");
	assert_int_equal(m->flags, 0);
	message_free(&m);

	for (unsigned more = 0; more < 2; more++) { /* the same for header bytes */
		m = message_make(&l);
		message_add_header(m, SLICE_LIT("Subject"), slice_sub(SLICE_LIT("0123456789012345678X"), 0,
		    19 + more), false);
		assert_int_equal(m->flags, more == 0 ? 0 : MESSAGE_TOO_BIG);
		assert_int_equal(m->size_bytes, 30 + more);
		message_free(&m);
	}

	m = message_make(&l);
	message_add_header(m, SLICE_LIT("Subject"), SLICE_LIT("much too long for that limit"), false);
	assert_int_equal(m->flags, MESSAGE_TOO_BIG);
	assert_true(m->size_bytes > 30);
	assert_true(message_get_bytes(m).len <= 30);
	message_add_header(m, SLICE_LIT("B"), SLICE_LIT("c"), false);
	assert_int_equal(m->header_count, 0);
	message_free(&m);
}

static void
test_no_memory(void **state UNUSED)
{
	struct spool_pool *small = spool_pool_new(1);
	struct message *first = message_new(&usual, small, NULL, SLICE_NONE, SLICE_NONE);
	struct message *m = message_new(&usual, small, NULL, SLICE_NONE, SLICE_NONE);
	size_t room;
	bool drop = true;

	body_add(first, "x");
	assert_null(message_reserve_body(m, 10, &room, &drop));
	assert_false(drop); /* for now: wait, and ask again */
	assert_int_equal(m->flags, 0);
	message_add_header(m, SLICE_LIT("A"), SLICE_LIT("b"), false);
	assert_int_equal(m->flags, MESSAGE_NO_MEMORY);
	assert_null(message_reserve_body(m, 10, &room, &drop));
	assert_true(drop);
	message_free(&first);
	message_free(&m);
	spool_pool_free(&small);
}

static void
test_header_limit(void **state UNUSED)
{
	struct message_limits l = usual;
	struct message *m;
	size_t before;

	l.header_bytes = 500;
	m = message_make(&l);
	for (unsigned i = 0; i < 200; i++)
		message_add_header(m, SLICE_LIT("X-Many"), SLICE_LIT("0123456789"), false);
	assert_int_equal(m->flags, MESSAGE_HEADER_LIMIT);
	assert_true(m->header_count >= 25 && m->header_count < 200);
	before = message_get_bytes(m).len;
	assert_int_equal(before, 200 * strlen("X-Many: 0123456789\r\n")); /* the bytes are there */
	message_free(&m);
}

static void
test_recipient_limit(void **state UNUSED)
{
	struct message_limits l = usual;
	char name[2000];

	for (uint32_t limit = 0; limit < 12; limit++) {
		struct message *m;

		l.recipients = limit;
		m = message_make(&l);
		for (unsigned i = 0; i < 10; i++) {
			(void)snprintf(name, sizeof(name), "r%u@x", i);
			message_add_recipient(m, slice_of_str(name));
		}
		assert_int_equal(m->recipients_seen, 10);
		assert_int_equal(m->recipient_count, MIN_OF(limit, 10u));
		assert_int_equal(m->flags, limit < 10 ? MESSAGE_RCPT_LIMIT : 0);
		for (uint32_t i = 0; i < m->recipient_count; i++) {
			(void)snprintf(name, sizeof(name), "r%u@x", i);
			assert_slice(m->recipients[i], name);
		}
		message_free(&m);
	}
}

/* A forged field behind the end of the list is found all the same. */
static void
test_forged_behind_the_list(void **state UNUSED)
{
	struct message_limits small = usual;
	struct message *m;

	small.header_bytes = 64;
	m = message_make(&small);
	message_add_header(m, SLICE_LIT("X-Virus-Scanned"), SLICE_LIT("first"), false);
	for (int i = 0; i < 200; i++)
		message_add_header(m, SLICE_LIT("Received"), SLICE_LIT("x\n\tX-Virus-Scanned: folded"),
		    false);
	message_add_header(m, SLICE_LIT("x-virus-scanned"), SLICE_LIT("forged"), false);
	message_end_header(m);
	body_add(m, "X-Virus-Scanned: body\r\n");
	assert_int_not_equal(m->flags & MESSAGE_HEADER_LIMIT, 0);
	assert_true(m->header_count < 202);
	assert_int_equal(message_count_header(m, SLICE_LIT("X-Virus-Scanned")), 2);
	message_free(&m);
}

static int
group_setup(void **state UNUSED)
{
	pool = spool_pool_new(64 << 20);
	return 0;
}

static int
group_teardown(void **state UNUSED)
{
	spool_pool_free(&pool);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_headers_as_they_were),
		cmocka_unit_test(test_whole_mail), cmocka_unit_test(test_ids_differ),
		cmocka_unit_test(test_too_big), cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_header_limit),
		cmocka_unit_test(test_forged_behind_the_list), cmocka_unit_test(test_recipient_limit) };

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
