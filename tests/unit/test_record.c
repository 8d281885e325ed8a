/* test_record.c: the record of one mail: made, sent, read, and written as a line in which foreign
 * text can do no harm. */
#include "test_common.h"

#include <jansson.h>

#include "base/log.h"
#include "config/config.h"
#include "decide/policy.h"
#include "message/message.h"
#include "record/record.h"
#include "scan/pipeline.h"

static struct record
sample(void)
{
	return (struct record){ .id = SLICE_LIT("ID1"), .queue_id = SLICE_LIT("4Q"),
		.listener = SLICE_LIT("inbound"), .client_address = SLICE_LIT("192.0.2.1"),
		.client_name = SLICE_LIT("host.example"), .helo = SLICE_LIT("helo"),
		.user = SLICE_LIT("user"), .tls = SLICE_LIT("TLSv1.3 X"), .sender = SLICE_LIT("a@b"),
		.recipients = { SLICE_LIT("r1@x"), SLICE_LIT("r2@x") }, .recipients_shown = 2,
		.recipient_count = 30, .size_bytes = UINT64_C(5000000000), .objects = 7,
		.verdict = MAIL_INFECTED, .action = ACTION_REJECT, .delivered = 1, .code = 550,
		.names = SLICE_LIT("Eicar,Other"), .scanners = SLICE_LIT("signatures"),
		.causes = SLICE_LIT("timeout"), .classes = SLICE_LIT("A07,A12"),
		.trail = SLICE_LIT("2 base64 > a.zip"), .receive_us = 1500, .wait_us = 20,
		.decompose_us = 333, .match_us = 44000, .inspect_us = 5, .engines_us = 6,
		.total_us = 1234567, .cache_hits = 3, .cache_misses = 4 };
}

static void
test_round_trip(void **state UNUSED)
{
	struct record r = sample(), got;
	CLEANUP(buf_done) struct buf b, again;

	buf_init(&b, 10000);
	buf_init(&again, 10000);
	assert_int_equal(record_encode(&r, &b), 0);
	assert_true(record_decode(buf_get(&b), &got));
	assert_slice(got.id, "ID1");
	assert_slice(got.tls, "TLSv1.3 X");
	assert_slice(got.recipients[1], "r2@x");
	assert_int_equal(got.recipients_shown, 2);
	assert_int_equal(got.recipient_count, 30);
	assert_true(got.size_bytes == r.size_bytes);
	assert_int_equal(got.verdict, MAIL_INFECTED);
	assert_int_equal(got.action, ACTION_REJECT);
	assert_int_equal(got.delivered, 1);
	assert_int_equal(got.code, 550);
	assert_slice(got.names, "Eicar,Other");
	assert_slice(got.trail, "2 base64 > a.zip");
	assert_int_equal(got.match_us, 44000);
	assert_int_equal(got.cache_misses, 4);
	assert_int_equal(record_encode(&got, &again), 0);
	assert_true(slice_eq(buf_get(&b), buf_get(&again)));
}

static void
test_bad_bytes(void **state UNUSED)
{
	struct record r = sample(), got;
	CLEANUP(buf_done) struct buf b;

	buf_init(&b, 10000);
	assert_int_equal(record_encode(&r, &b), 0);
	for (size_t len = 0; len < b.len; len++)
		assert_false(record_decode(slice_of(b.data, len), &got));
	assert_int_equal(buf_append_byte(&b, 0), 0);
	assert_false(record_decode(buf_get(&b), &got));
	r.verdict = MAIL_VERDICT_COUNT;
	buf_clear(&b);
	assert_int_equal(record_encode(&r, &b), 0);
	assert_false(record_decode(buf_get(&b), &got));
	r = sample();
	r.action = ACTION_COUNT;
	buf_clear(&b);
	assert_int_equal(record_encode(&r, &b), 0);
	assert_false(record_decode(buf_get(&b), &got));
	b.max = 50;
	buf_clear(&b);
	r = sample();
	assert_true(record_encode(&r, &b) < 0);
}

static void
test_text(void **state UNUSED)
{
	struct record r = sample();
	CLEANUP(buf_done) struct buf out;

	buf_init(&out, LOG_LINE_MAX_BYTES);
	assert_int_equal(record_format_text(&r, &out), 0);
	assert_slice(buf_get(&out), "id=ID1 event=mail verdict=infected action=reject code=550"
	    " size=5000000000 objects=7 recipients=30 receive_ms=1.5 wait_ms=0.0 decompose_ms=0.3"
	    " match_ms=44.0 engines_ms=0.0 total_ms=1234.5 cache=3/7 cause=timeout"
	    " scanner=signatures names=Eicar,Other ambiguous=A07,A12 queue_id=4Q listener=inbound"
	    " client=192.0.2.1 client_name=host.example helo=helo user=user tls=\"TLSv1.3 X\""
	    " from=a@b to=r1@x to=r2@x trail=\"2 base64 > a.zip\"");
	r.delivered = 0;
	r.recipient_count = 2;
	r.sender = r.names = r.scanners = r.causes = r.classes = r.trail = SLICE_NONE;
	buf_clear(&out);
	assert_int_equal(record_format_text(&r, &out), 0);
	assert_true(slice_has(buf_get(&out), " from=\"\" to=r1@x to=r2@x"));
	assert_true(slice_has(buf_get(&out), " code=550 answer=lost size="));
	assert_false(slice_has(buf_get(&out), "names="));
}

/* A sender that fills the line cannot push the verdict off it, nor break the JSON. */
static void
test_foreign_text_cannot_hide_the_verdict(void **state UNUSED)
{
	static uint8_t evil[320];
	struct record r = sample();
	CLEANUP(buf_done) struct buf text, json;
	json_t *root;

	memset(evil, 1, sizeof(evil));
	r.sender = r.helo = r.client_name = r.user = r.tls = r.trail = slice_of(evil, sizeof(evil));
	r.recipients_shown = RECORD_RECIPIENTS_MAX;
	for (size_t i = 0; i < RECORD_RECIPIENTS_MAX; i++)
		r.recipients[i] = slice_of(evil, sizeof(evil));
	buf_init(&text, 64 * 1024);
	buf_init(&json, 64 * 1024);
	assert_int_equal(record_format_text(&r, &text), 0);
	assert_true(slice_find(buf_get(&text), SLICE_LIT(" verdict=infected action=reject"), 0) < 64);
	assert_int_equal(record_format_json(&r, &json), 0);
	assert_true(json.len < LOG_LINE_MAX_BYTES - 128);
	root = json_loadb((const char *)json.data, json.len, 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "verdict")), "infected");
	json_decref(root);
}

/* No sender, client or file name makes a second line, a second field or an escape sequence. */
static void
test_foreign_text(void **state UNUSED)
{
	static const char *const foreign[] = { "a b=c", "x\nid=FAKE event=mail verdict=clean",
		"\x1b[2J", "quote\" verdict=clean", "back\\", "\xff\xfe", "\xe2\x80\xaetxt.exe",
		"=", "\t", "\x7f" };
	struct slice evil;

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		struct record r = sample();
		CLEANUP(buf_done) struct buf out, json;
		json_t *root;

		evil = slice_of_str(foreign[i]);
		r.sender = r.helo = r.client_name = r.user = r.trail = r.names = r.recipients[0] = evil;
		r.queue_id = evil;
		buf_init(&out, LOG_LINE_MAX_BYTES);
		buf_init(&json, 100000);
		assert_int_equal(record_format_text(&r, &out), 0);
		for (size_t k = 0; k < out.len; k++)
			assert_true(out.data[k] >= 0x20 && out.data[k] < 0x7f);
		assert_false(slice_has(buf_get(&out), " verdict=clean ") &&
		    !slice_has(buf_get(&out), "\\\" verdict=clean"));
		assert_true(slice_has(buf_get(&out), " from=\""));
		assert_int_equal(record_format_json(&r, &json), 0);
		root = json_loadb((const char *)json.data, json.len, 0, NULL);
		assert_non_null(root);
		assert_string_equal(json_string_value(json_object_get(root, "verdict")), "infected");
		json_decref(root);
	}
}

static void
test_longest(void **state UNUSED)
{
	struct record r = sample(), got;
	static char longest[3000];
	struct slice s = slice_of(longest, sizeof(longest));
	CLEANUP(buf_done) struct buf wire, out;

	memset(longest, '\n', sizeof(longest)); /* every byte takes four in quotes */
	r.queue_id = r.listener = r.client_address = r.client_name = r.helo = r.user = s;
	r.tls = r.sender = r.names = r.scanners = r.causes = r.classes = r.trail = s;
	r.recipients_shown = RECORD_RECIPIENTS_MAX;
	for (size_t i = 0; i < RECORD_RECIPIENTS_MAX; i++)
		r.recipients[i] = s;
	buf_init(&wire, 48 * 1024);
	buf_init(&out, 128 * 1024);
	assert_int_equal(record_encode(&r, &wire), 0); /* fits a frame: cut */
	assert_true(record_decode(buf_get(&wire), &got));
	assert_int_equal(got.sender.len, 320);
	assert_int_equal(record_format_text(&got, &out), 0);
	buf_clear(&out);
	assert_int_equal(record_format_json(&got, &out), 0);
}

static void
test_json(void **state UNUSED)
{
	struct record r = sample();
	CLEANUP(buf_done) struct buf out;
	json_t *root;

	buf_init(&out, 10000);
	assert_int_equal(record_format_json(&r, &out), 0);
	root = json_loadb((const char *)out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "event")), "mail");
	assert_string_equal(json_string_value(json_object_get(root, "id")), "ID1");
	assert_string_equal(json_string_value(json_object_get(root, "from")), "a@b");
	assert_string_equal(json_string_value(json_object_get(root, "action")), "reject");
	assert_string_equal(json_string_value(json_object_get(root, "trail")), "2 base64 > a.zip");
	assert_int_equal(json_array_size(json_object_get(root, "to")), 2);
	assert_true(json_integer_value(json_object_get(root, "size")) == 5000000000LL);
	assert_int_equal(json_integer_value(json_object_get(root, "recipients")), 30);
	assert_true(json_is_true(json_object_get(root, "delivered")));
	assert_true(json_real_value(json_object_get(root, "total_ms")) > 1234.566 &&
	    json_real_value(json_object_get(root, "total_ms")) < 1234.568);
	json_decref(root);
}

static void
test_make(void **state UNUSED)
{
	struct spool_pool *pool = spool_pool_new(1 << 20);
	struct message_limits l = { .max_bytes = 1000, .header_bytes = 100, .recipients = 50 };
	struct message *m = message_new(&l, pool, NULL, SLICE_LIT("s@x"), SLICE_NONE);
	struct report_object objects[2] = { { .id = 1, .ambiguities = AMBIGUITY_BIT(7) },
		{ .id = 2, .parent = 1, .trail = SLICE_LIT("2 > a.exe"),
		.ambiguities = AMBIGUITY_BIT(12) | AMBIGUITY_BIT(7) } };
	struct finding findings[] = { { .object = 2, .scanner = SLICE_LIT("clamav"),
		.name = SLICE_LIT("Win.Test-10") }, { .object = 2, .scanner = SLICE_LIT("clamd:main"),
		.name = SLICE_LIT("Win.Test-1") }, { .object = 1, .scanner = SLICE_LIT("clamav"),
		.name = SLICE_LIT("Win.Test-10") } };
	struct unscanned unscanned[] = { { 2, CAUSE_ENCRYPTED, SLICE_NONE },
		{ 1, CAUSE_TIMEOUT, SLICE_NONE }, { 2, CAUSE_ENCRYPTED, SLICE_NONE } };
	struct scan_job j = { .findings = findings, .finding_count = 3, .unscanned = unscanned,
		.unscanned_count = 3, .report = { .objects = objects, .object_count = 2 },
		.cache_hits = 5 };
	struct decision d = { .verdict = MAIL_INFECTED, .action = ACTION_REJECT, .code = 550 };
	CLEANUP(buf_done) struct buf text;
	struct record r;

	for (unsigned i = 0; i < 25; i++)
		message_add_recipient(m, SLICE_LIT("r@x"));
	buf_init(&text, 10000);
	record_make(&r, m, &j, &d, true, &text);
	assert_slice(r.id, m->id);
	assert_slice(r.sender, "s@x");
	assert_int_equal(r.recipients_shown, RECORD_RECIPIENTS_MAX);
	assert_int_equal(r.recipient_count, 25);
	assert_slice(r.names, "Win.Test-10,Win.Test-1"); /* each once, though one begins the other */
	assert_slice(r.scanners, "clamav,clamd:main");
	assert_slice(r.causes, "encrypted,timeout");
	assert_slice(r.classes, "A07,A12");
	assert_slice(r.trail, "2 > a.exe");
	assert_int_equal(r.objects, 2);
	assert_int_equal(r.cache_hits, 5);
	assert_int_equal(r.verdict, MAIL_INFECTED);
	assert_true(r.delivered);
	assert_int_equal(r.code, 550);
	m->answer_code = 554; /* the next hop's, which the client got */
	record_make(&r, m, &j, &d, true, &text);
	assert_int_equal(r.code, 554);
	m->answer_code = 0;
	d = (struct decision){ .cause = CAUSE_TOO_BIG };
	record_make(&r, m, NULL, &d, false, &text); /* it was never inspected */
	assert_int_equal(r.verdict, MAIL_UNSCANNED);
	assert_int_equal(r.action, ACTION_TEMPFAIL);
	assert_slice(r.names, "");
	assert_slice(r.causes, "too_big");
	message_free(&m);
	spool_pool_free(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bad_bytes), cmocka_unit_test(test_text),
		cmocka_unit_test(test_foreign_text),
		cmocka_unit_test(test_foreign_text_cannot_hide_the_verdict), cmocka_unit_test(test_longest),
		cmocka_unit_test(test_json), cmocka_unit_test(test_make) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
