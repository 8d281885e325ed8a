/* test_result_json.c: the line of JSON that scripts read: whatever stands in names, it parses,
 * and its members are there. */
#include "test_common.h"

#include <jansson.h>

#include "decide/policy.h"
#include "record/json_text.h"
#include "record/result_json.h"
#include "scan/pipeline.h"

static json_t *
parse(struct buf *b)
{
	json_error_t error;
	json_t *root = json_loadb((const char *)b->data, b->len, JSON_REJECT_DUPLICATES, &error);

	if (root == NULL)
		fail_msg("%s at %d: %s", error.text, error.position, buf_get_str(b));
	return root;
}

static const char *
text_of(const json_t *root, const char *key)
{
	const char *s = json_string_value(json_object_get(root, key));

	if (s == NULL)
		fail_msg("no text %s", key);
	return s;
}

/* What a container tells of a member, and a further place of its bytes. */
static void
check_packing(const json_t *root, const json_t *o)
{
	json_t *item = json_array_get(json_object_get(root, "doubles"), 0);

	assert_string_equal(text_of(o, "method"), "base\"64");
	assert_true(json_integer_value(json_object_get(o, "packed")) == INT64_MAX);
	assert_int_equal(json_integer_value(json_object_get(o, "told_size")), 5);
	assert_null(json_object_get(o, "unopened"));
	assert_int_equal(json_integer_value(json_object_get(item, "object")), 2);
	assert_int_equal(json_integer_value(json_object_get(item, "parent")), 1);
	assert_string_equal(text_of(item, "trail"), "b.zip > eicar.com");
}

static void
test_whole(void **state UNUSED)
{
	struct slice names[] = { SLICE_LIT("eicar.com"), SLICE_LIT("n\xffn\"\n") };
	struct report_object objects[] = { { .id = 1, .detected = SLICE_LIT("message/rfc822"),
		.size = 500 }, { .id = 2, .parent = 1, .flags = REPORT_HASHED,
		.trail = SLICE_LIT("2 base64 > a.zip"), .declared = SLICE_LIT("application/zip"),
		.detected = SLICE_LIT("text/plain"), .size = 68, .names = names, .name_count = 2,
		.facts = FACT_BIT(FACT_ENCRYPTED) | FACT_BIT(FACT_MACRO),
		.packing = { UINT64_MAX - 1, 5, SLICE_LIT("base\"64") },
		.views = VIEW_BIT(VIEW_STRICT) | VIEW_BIT(VIEW_LENIENT),
		.ambiguities = AMBIGUITY_BIT(7), .notes = AMBIGUITY_BIT(9) } };
	struct finding findings[] = { { FINDING_VIRUS, 2, SLICE_LIT("signatures"),
		SLICE_LIT("Eicar"), 1500, 1 } };
	struct report_double doubles[] = { { 2, 1, SLICE_LIT("b.zip > eicar.com") } };
	struct unscanned unscanned[] = { { 2, CAUSE_ENCRYPTED, SLICE_NONE },
		{ 0, CAUSE_DOWN, SLICE_LIT("clamd:main") } };
	struct scan_job j = { .findings = findings, .finding_count = 1, .unscanned = unscanned,
		.unscanned_count = 2, .report = { .objects = objects, .object_count = 2,
		.doubles = doubles, .double_count = 1,
		.facts = FACT_BIT(FACT_LIMIT_BYTES), .decompose_us = 1234 } };
	struct decision d = { .verdict = MAIL_INFECTED, .action = ACTION_REJECT, .code = 550,
		.enhanced = "5.7.1", .text = "No \"thanks\"", .reason = "infected: Eicar" };
	CLEANUP(buf_done) struct buf out;
	json_t *root, *o, *item;

	sha256_preload();
	objects[1].hash = sha256_of(SLICE_LIT("abc"));
	buf_init(&out, RESULT_JSON_MAX_BYTES);
	assert_int_equal(result_json_format(SLICE_LIT("dir/a b\xc3\xa9.eml"), &j, &d, &out), 0);
	assert_true(slice_find_byte(buf_get(&out), '\n', 0) == SIZE_MAX); /* one line */
	root = parse(&out);
	assert_string_equal(text_of(root, "path"), "dir/a b\xc3\xa9.eml");
	assert_string_equal(text_of(root, "verdict"), "infected");
	assert_string_equal(text_of(root, "action"), "reject");
	assert_string_equal(text_of(root, "reply"), "550 5.7.1 No \"thanks\"");
	assert_int_equal(json_array_size(json_object_get(root, "findings")), 1);
	item = json_array_get(json_object_get(root, "findings"), 0);
	assert_string_equal(text_of(item, "class"), "virus");
	assert_string_equal(text_of(item, "scanner"), "signatures");
	assert_string_equal(text_of(item, "name"), "Eicar");
	assert_int_equal(json_integer_value(json_object_get(item, "object")), 2);
	assert_true(json_is_true(json_object_get(item, "cached")));
	assert_int_equal(json_array_size(json_object_get(root, "unscanned")), 2);
	item = json_array_get(json_object_get(root, "unscanned"), 1);
	assert_string_equal(text_of(item, "cause"), "down");
	assert_string_equal(text_of(item, "scanner"), "clamd:main");
	assert_int_equal(json_array_size(json_object_get(root, "facts")), 4);
	assert_string_equal(json_string_value(json_array_get(json_object_get(root, "facts"), 3)),
	    "ambiguous:A07");
	assert_int_equal(json_array_size(json_object_get(root, "objects")), 2);
	o = json_array_get(json_object_get(root, "objects"), 1);
	assert_int_equal(json_integer_value(json_object_get(o, "id")), 2);
	assert_int_equal(json_integer_value(json_object_get(o, "parent")), 1);
	assert_int_equal(json_integer_value(json_object_get(o, "size")), 68);
	assert_string_equal(text_of(o, "trail"), "2 base64 > a.zip");
	check_packing(root, o);
	assert_string_equal(text_of(o, "declared"), "application/zip");
	assert_string_equal(text_of(o, "sha256"),
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(json_array_size(json_object_get(o, "names")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(o, "names"), 1)),
	    "n\xef\xbf\xbdn\"\n");
	assert_int_equal(json_array_size(json_object_get(o, "views")), 2);
	assert_int_equal(json_array_size(json_object_get(o, "facts")), 4); /* two, A07, note A09 */
	o = json_array_get(json_object_get(root, "objects"), 0);
	assert_string_equal(text_of(o, "sha256"), "");
	json_decref(root);
}

static void
test_nothing_and_error(void **state UNUSED)
{
	struct scan_job j = { 0 };
	struct decision d = { 0 };
	CLEANUP(buf_done) struct buf out;
	json_t *root;

	buf_init(&out, RESULT_JSON_MAX_BYTES);
	assert_int_equal(result_json_format(SLICE_NONE, &j, &d, &out), 0);
	root = parse(&out);
	assert_string_equal(text_of(root, "verdict"), "unscanned");
	assert_string_equal(text_of(root, "action"), "tempfail");
	assert_int_equal(json_array_size(json_object_get(root, "objects")), 0);
	json_decref(root);
	buf_clear(&out);
	assert_int_equal(result_json_format_error(SLICE_LIT("x\"y"), "error", "no\\such", &out), 0);
	root = parse(&out);
	assert_string_equal(text_of(root, "path"), "x\"y");
	assert_string_equal(text_of(root, "verdict"), "unscanned");
	assert_string_equal(text_of(root, "error"), "no\\such");
	assert_string_equal(text_of(json_array_get(json_object_get(root, "unscanned"), 0), "cause"),
	    "error");
	assert_true(json_is_array(json_object_get(root, "findings")));
	json_decref(root);
	out.max = 40; /* no room: said, not cut */
	buf_clear(&out);
	assert_true(result_json_format(SLICE_LIT("x"), &j, &d, &out) < 0);
	buf_clear(&out);
	assert_true(result_json_format_error(SLICE_LIT("x"), "error", "e", &out) < 0);
}

/* Every byte, and every pair with one that begins UTF-8, makes a string that parses. */
static void
test_json_text(void **state UNUSED)
{
	for (unsigned v = 0; v < 65536; v++) {
		uint8_t bytes[4] = { 'a', (uint8_t)(v >> 8), (uint8_t)v, 'z' };
		CLEANUP(buf_done) struct buf out;
		json_t *text;
		const char *s;

		buf_init(&out, 1000);
		assert_int_equal(buf_append_byte(&out, '['), 0);
		assert_int_equal(json_text_append(&out, slice_of(bytes, 4)), 0);
		assert_int_equal(buf_append_byte(&out, ']'), 0);
		text = json_loadb((const char *)out.data, out.len, JSON_ALLOW_NUL, NULL);
		if (text == NULL)
			fail_msg("%04x", v);
		s = json_string_value(json_array_get(text, 0));
		assert_int_equal(s[0], 'a');
		assert_int_equal(s[json_string_length(json_array_get(text, 0)) - 1], 'z');
		if (v >> 8 < 0x80 && (v & 0xff) < 0x80)
			assert_memory_equal(s, bytes, 4); /* ASCII comes back as it was */
		json_decref(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_whole),
		cmocka_unit_test(test_nothing_and_error), cmocka_unit_test(test_json_text) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
