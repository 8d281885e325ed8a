/* test_counters.c: adding up records; the summary and the JSON of the status. */
#include "test_common.h"

#include <jansson.h>

#include "config/config.h"
#include "decide/policy.h"
#include "record/counters.h"
#include "record/record.h"

static struct record
record_of(uint8_t verdict, uint8_t action, const char *names, const char *causes)
{
	return (struct record){ .verdict = verdict, .action = action, .delivered = 1,
		.code = action == ACTION_ACCEPT ? 250 : action == ACTION_REJECT ? 550 : 451,
		.size_bytes = 1000, .objects = 3, .recipient_count = 2, .names = slice_of_str(names),
		.causes = slice_of_str(causes), .total_us = 2500, .receive_us = 1000,
		.cache_hits = 1, .cache_misses = 2 };
}

static void
test_adding(void **state UNUSED)
{
	static struct counters c;
	struct record r;

	memset(&c, 0, sizeof(c));
	r = record_of(MAIL_CLEAN, ACTION_ACCEPT, "", "");
	counters_add(&c, &r);
	r = record_of(MAIL_INFECTED, ACTION_REJECT, "Eicar,Other", "timeout");
	counters_add(&c, &r);
	r = record_of(MAIL_INFECTED, ACTION_REJECT, "Eicar", "");
	r.delivered = 0;
	counters_add(&c, &r);
	r = record_of(MAIL_UNSCANNED, ACTION_TEMPFAIL, "", "encrypted,timeout");
	counters_add(&c, &r);
	assert_int_equal(c.mails, 4);
	assert_int_equal(c.bytes, 4000);
	assert_int_equal(c.objects, 12);
	assert_int_equal(c.recipients, 8);
	assert_int_equal(c.lost, 1);
	assert_int_equal(c.verdicts[MAIL_CLEAN], 1);
	assert_int_equal(c.verdicts[MAIL_INFECTED], 2);
	assert_int_equal(c.verdicts[MAIL_UNSCANNED], 1);
	assert_int_equal(c.actions[ACTION_REJECT], 2);
	assert_int_equal(c.actions[ACTION_TEMPFAIL], 1);
	assert_int_equal(c.causes[CAUSE_TIMEOUT], 2);
	assert_int_equal(c.causes[CAUSE_ENCRYPTED], 1);
	assert_int_equal(c.causes[CAUSE_DOWN], 0);
	r = record_of(MAIL_UNSCANNED, ACTION_TEMPFAIL, "", "corrupt,truncated,unsupported");
	counters_add(&c, &r);
	r = record_of(MAIL_UNSCANNED, ACTION_TEMPFAIL, "", "truncated");
	counters_add(&c, &r);
	assert_int_equal(c.causes[CAUSE_ENCRYPTED], 1); /* four counters, not one */
	assert_int_equal(c.causes[CAUSE_CORRUPT], 1);
	assert_int_equal(c.causes[CAUSE_UNSUPPORTED], 1);
	assert_int_equal(c.causes[CAUSE_TRUNCATED], 2);
	assert_int_equal(c.refused_behind, 0); /* what we refuse ourselves is no such mail */
	assert_int_equal(c.deferred_behind, 0);
	r = record_of(MAIL_CLEAN, ACTION_ACCEPT, "", "");
	r.code = 554;
	counters_add(&c, &r);
	r.code = 451;
	counters_add(&c, &r);
	r.code = 250;
	counters_add(&c, &r);
	assert_int_equal(c.refused_behind, 1);
	assert_int_equal(c.deferred_behind, 1);
	c.us_total -= 12500;
	c.cache_misses -= 10;
	assert_string_equal(c.names[0].name, "Eicar");
	assert_int_equal(c.names[0].total, 2);
	assert_string_equal(c.names[1].name, "Other");
	assert_int_equal(c.names[1].total, 1);
	assert_int_equal(c.us_total, 10000);
	assert_int_equal(c.cache_misses, 8);
}

static void
test_summary(void **state UNUSED)
{
	static struct counters c, before;
	CLEANUP(buf_done) struct buf out;
	struct record r = record_of(MAIL_INFECTED, ACTION_REJECT, "Eicar,a b", "");

	memset(&c, 0, sizeof(c));
	memset(&before, 0, sizeof(before));
	buf_init(&out, 10000);
	counters_add(&c, &r);
	counters_add(&c, &r);
	assert_int_equal(counters_format_summary(&c, &before, &out), 0);
	assert_true(slice_has(buf_get(&out), "event=summary mails=2 bytes=2000"));
	assert_true(slice_has(buf_get(&out), " infected=2"));
	assert_true(slice_has(buf_get(&out), " clean=0"));
	assert_true(slice_has(buf_get(&out), " reject=2"));
	assert_true(slice_has(buf_get(&out), " virus=Eicar:2"));
	assert_true(slice_has(buf_get(&out), " virus=\"a b\":2"));
	assert_false(slice_has(buf_get(&out), "cause="));
	r = record_of(MAIL_CLEAN, ACTION_ACCEPT, "", "truncated,encrypted");
	counters_add(&c, &r);
	buf_clear(&out);
	assert_int_equal(counters_format_summary(&c, &before, &out), 0);
	assert_true(slice_has(buf_get(&out), "mails=1 bytes=1000"));
	assert_true(slice_has(buf_get(&out), " infected=0"));
	assert_false(slice_has(buf_get(&out), "virus="));
	assert_true(slice_has(buf_get(&out), " cause=encrypted:1 cause=truncated:1"));
	buf_clear(&out);
	assert_int_equal(counters_format_summary(&c, &before, &out), 0);
	assert_false(slice_has(buf_get(&out), "cause="));
}

static void
test_json(void **state UNUSED)
{
	static struct counters c;
	CLEANUP(buf_done) struct buf out;
	struct record r = record_of(MAIL_INFECTED, ACTION_REJECT, "E\"x\\\x01\xff,E2", "timeout");
	json_t *root;

	memset(&c, 0, sizeof(c));
	c.started = 12345;
	counters_add(&c, &r);
	buf_init(&out, 100000);
	assert_int_equal(buf_append_byte(&out, '{'), 0);
	assert_int_equal(counters_format_json(&c, &out), 0);
	assert_int_equal(buf_append_byte(&out, '}'), 0);
	root = json_loadb((const char *)out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	assert_int_equal(json_integer_value(json_object_get(root, "started")), 12345);
	assert_int_equal(json_integer_value(json_object_get(root, "mails")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "verdicts"),
	    "infected")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "actions"),
	    "reject")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "causes"),
	    "timeout")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "viruses"), "E2")),
	    1);
	assert_int_equal(json_object_size(json_object_get(root, "viruses")), 2);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "stage_ms"),
	    "total")), 2);
	json_decref(root);
}

/* The table of names is full: the rest is counted, nothing is written past its end. */
static void
test_many_names(void **state UNUSED)
{
	static struct counters c;
	char name[200];

	memset(&c, 0, sizeof(c));
	for (unsigned i = 0; i < COUNTERS_NAMES_MAX + 10; i++) {
		struct record r;

		(void)snprintf(name, sizeof(name), "N%u", i);
		r = record_of(MAIL_INFECTED, ACTION_REJECT, name, "");
		counters_add(&c, &r);
	}
	assert_int_equal(c.names_other, 10);
	assert_string_equal(c.names[COUNTERS_NAMES_MAX - 1].name, "N511");
	memset(&c, 0, sizeof(c));
	memset(name, 'n', sizeof(name));
	name[199] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		struct record r = record_of(MAIL_INFECTED, ACTION_REJECT, name, "");

		counters_add(&c, &r);
	}
	assert_int_equal(strlen(c.names[0].name), COUNTERS_NAME_SIZE - 1);
	assert_int_equal(c.names[0].total, 2);
}

/* Names with commas at odd places: no count under a name that is none. */
static void
test_empty_names(void **state UNUSED)
{
	static struct counters c;
	struct record r = record_of(MAIL_INFECTED, ACTION_REJECT, ",A,,B,", "");

	memset(&c, 0, sizeof(c));
	counters_add(&c, &r);
	assert_string_equal(c.names[0].name, "A");
	assert_int_equal(c.names[0].total, 1);
	assert_string_equal(c.names[1].name, "B");
	assert_int_equal(c.names[1].total, 1);
	assert_int_equal(c.names[2].total, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_adding),
		cmocka_unit_test(test_summary), cmocka_unit_test(test_json),
		cmocka_unit_test(test_many_names), cmocka_unit_test(test_empty_names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
