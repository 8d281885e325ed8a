/* test_tnef.c: TNEF: the shared corpus with its expected names, sizes and hashes, and streams
 * made here: names behind the data, nested messages, bodies, lengths that lie. */
#include "test_decode_helper.h"

#include <jansson.h>

#include "decompose/tnef_opener.h"

static void
le32_append(struct buf *b, uint32_t v)
{
	uint8_t bytes[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
		(uint8_t)(v >> 24) };

	buf_append(b, bytes, 4);
}

static void
tnef_begin(struct buf *b)
{
	buf_init(b, 1 << 20);
	le32_append(b, 0x223e9f78);
	buf_append(b, "\x01\x00", 2);
}

static void
attribute_add(struct buf *b, uint8_t level, uint32_t id, struct slice bytes)
{
	buf_append_byte(b, level);
	le32_append(b, id);
	le32_append(b, (uint32_t)bytes.len);
	buf_append_slice(b, bytes);
	buf_append(b, "\xde\xad", 2); /* checksums are wrong in all of these */
}

/* One property of a type with a length. */
static void
property_add(struct buf *b, uint32_t tag, struct slice bytes)
{
	le32_append(b, tag);
	le32_append(b, 1);
	le32_append(b, (uint32_t)bytes.len);
	buf_append_slice(b, bytes);
	while (b->len % 4 != 0)
		buf_append_byte(b, 0);
}

#define LEVEL_MESSAGE    1
#define LEVEL_ATTACHMENT 2
#define ATTACH_REND      0x00069002
#define ATTACH_DATA      0x0006800f
#define ATTACH_TITLE     0x00018010
#define ATTACH_MAPI      0x00069005
#define MESSAGE_MAPI     0x00069003

static void
test_attachment(void **state)
{
	CLEANUP(taken_free) struct taken *t = NULL;
	CLEANUP(buf_done) struct buf b, list;
	struct object *o;

	(void)state;
	tnef_begin(&b);
	buf_init(&list, 4096);
	le32_append(&list, 3);
	property_add(&list, 0x3707001f, SLICE_LIT("l\0\xf6\0n\0g\0.\0e\0x\0e\0\0\0"));
	property_add(&list, 0x3704001e, SLICE_LIT("L~1.EXE\0"));
	property_add(&list, 0x370e001e, SLICE_LIT("Application/X-Thing\0"));
	attribute_add(&b, LEVEL_ATTACHMENT, ATTACH_REND, SLICE_LIT("rend"));
	attribute_add(&b, LEVEL_ATTACHMENT, ATTACH_DATA, SLICE_LIT("the data"));
	attribute_add(&b, LEVEL_ATTACHMENT, ATTACH_TITLE, SLICE_LIT("title.exe\0"));
	attribute_add(&b, LEVEL_ATTACHMENT, ATTACH_MAPI, buf_get(&list));
	attribute_add(&b, LEVEL_ATTACHMENT, ATTACH_REND, SLICE_LIT("rend"));
	attribute_add(&b, LEVEL_ATTACHMENT, ATTACH_TITLE, SLICE_LIT("caf\xe9.txt\0"));
	attribute_add(&b, LEVEL_ATTACHMENT, ATTACH_DATA, SLICE_LIT("other data"));
	buf_append_str(&b, "garbage at the end");
	t = taken_run(buf_get(&b), ROLE_LEAF, "winmail.dat");
	o = taken_find_str(t, "the data");
	assert_non_null(o);
	assert_true(object_is_named(o, "title.exe"));
	assert_true(object_is_named(o, "l\xc3\xb6ng.exe"));
	assert_true(object_is_named(o, "L~1.EXE"));
	assert_true(slice_eq_str(o->declared, "application/x-thing"));
	assert_true((o->views & VIEW_BIT(VIEW_TNEF)) != 0);
	o = taken_find_str(t, "other data");
	assert_non_null(o);
	assert_true(object_is_named(o, "caf\xc3\xa9.txt"));
	assert_int_equal(taken_facts(t), 0);
	assert_int_equal(taken_count(t), 3);
}

static void
test_nested(void **state)
{
	CLEANUP(taken_free) struct taken *t = NULL;
	CLEANUP(buf_done) struct buf inner, list, outer;
	struct object *o;

	(void)state;
	tnef_begin(&inner);
	attribute_add(&inner, LEVEL_ATTACHMENT, ATTACH_REND, SLICE_LIT("r"));
	attribute_add(&inner, LEVEL_ATTACHMENT, ATTACH_TITLE, SLICE_LIT("inner.com\0"));
	attribute_add(&inner, LEVEL_ATTACHMENT, ATTACH_DATA, eicar_get());
	buf_init(&list, 4096);
	le32_append(&list, 1);
	le32_append(&list, 0x3701000d);
	le32_append(&list, 1);
	le32_append(&list, (uint32_t)inner.len + 16);
	buf_append(&list, "\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", 16);
	buf_append_slice(&list, buf_get(&inner));
	tnef_begin(&outer);
	attribute_add(&outer, LEVEL_ATTACHMENT, ATTACH_REND, SLICE_LIT("r"));
	attribute_add(&outer, LEVEL_ATTACHMENT, ATTACH_MAPI, buf_get(&list));
	t = taken_run(buf_get(&outer), ROLE_LEAF, "");
	o = taken_find(t, eicar_get());
	assert_non_null(o);
	assert_true(object_is_named(o, "inner.com"));
	assert_int_equal(o->depth, 2);
}

/* MS-OXRTFCP section 3: its two examples. */
static void
test_rtf(void **state)
{
	static const uint8_t simple[] = {
		0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7,
		0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35,
		0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62,
		0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0 };
	static const uint8_t crossing[] = {
		0x1a, 0, 0, 0, 0x1c, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xe2, 0xd4, 0x4b,
		0x51, 0x41, 0x00, 0x04, 0x20, 0x57, 0x58, 0x59, 0x5a, 0x0d, 0x6e, 0x7d,
		0x01, 0x0e, 0xb0 };
	CLEANUP(taken_free) struct taken *t = NULL;
	CLEANUP(buf_done) struct buf b, list;

	(void)state;
	buf_init(&list, 4096);
	le32_append(&list, 2);
	property_add(&list, 0x10090102, slice_of(simple, sizeof(simple)));
	property_add(&list, 0x10090102, slice_of(crossing, sizeof(crossing)));
	tnef_begin(&b);
	attribute_add(&b, LEVEL_MESSAGE, MESSAGE_MAPI, buf_get(&list));
	t = taken_run(buf_get(&b), ROLE_LEAF, "");
	assert_non_null(taken_find_str(t, "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"));
	assert_non_null(taken_find_str(t, "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"));
}

static void
test_bodies(void **state)
{
	CLEANUP(taken_free) struct taken *t = NULL;
	CLEANUP(buf_done) struct buf b, list;
	struct object *o;

	(void)state;
	buf_init(&list, 4096);
	le32_append(&list, 4);
	le32_append(&list, 0x00170003); /* a plain number before */
	le32_append(&list, 1);
	le32_append(&list, 0x8005001f); /* a named property */
	buf_append(&list, "0123456789abcdef", 16);
	le32_append(&list, 1);
	le32_append(&list, 6);
	buf_append(&list, "a\0b\0\0\0\0\0", 8);
	le32_append(&list, 1);
	le32_append(&list, 4);
	buf_append(&list, "x\0\0\0", 4);
	property_add(&list, 0x1000001f, SLICE_LIT("b\0o\0d\0y\0"));
	property_add(&list, 0x10130102, SLICE_LIT("<html>page</html>"));
	tnef_begin(&b);
	attribute_add(&b, LEVEL_MESSAGE, MESSAGE_MAPI, buf_get(&list));
	t = taken_run(buf_get(&b), ROLE_LEAF, "");
	o = taken_find_str(t, "body");
	assert_non_null(o);
	assert_true((o->roles & ROLE_TEXT) != 0);
	o = taken_find_str(t, "<html>page</html>");
	assert_non_null(o);
	assert_true(slice_eq_str(o->declared, "text/html"));
}

/* A length past the end gives what is there, and says so. */
static void
test_truncated(void **state)
{
	CLEANUP(taken_free) struct taken *t = NULL;
	CLEANUP(buf_done) struct buf b;

	(void)state;
	tnef_begin(&b);
	attribute_add(&b, LEVEL_ATTACHMENT, ATTACH_DATA, SLICE_LIT("0123456789"));
	b.len -= 6;
	t = taken_run(buf_get(&b), ROLE_LEAF, "");
	assert_non_null(taken_find_str(t, "012345"));
	assert_int_equal(taken_facts(t), FACT_BIT(FACT_TRUNCATED));
}

static void
check_file(const char *folder, const char *file, json_t *wants)
{
	CLEANUP(taken_free) struct taken *t = NULL;
	CLEANUP(buf_done) struct buf bytes;
	size_t i;
	json_t *want;

	buf_init(&bytes, 64 << 20);
	if (!file_read(folder, file, &bytes))
		return; /* listed, but not in the corpus */
	t = taken_run(buf_get(&bytes), ROLE_LEAF, "");
	assert_int_equal(taken_facts(t) & FACT_BIT(FACT_CORRUPT), 0);
	json_array_foreach(wants, i, want)
	{
		const char *name = json_string_value(json_object_get(want, "name"));
		const char *hex = json_string_value(json_object_get(want, "sha256"));
		bool found = false;
		struct sha256 hash;

		assert_non_null(name);
		if (hex == NULL)
			continue;
		assert_true(sha256_parse(slice_of_str(hex), &hash));
		for (uint32_t id = 2; id <= taken_count(t) && !found; id++) {
			struct object *o = taken_get(t, id);

			found = memcmp(&o->hash, &hash, sizeof(hash)) == 0;
			if (found && strstr(name, "-body.") == NULL &&
			    !object_is_named(o, name))
				fail_msg("%s: '%s' lacks its name", file, name);
		}
		if (!found)
			fail_msg("%s: '%s' was not found", file, name);
	}
}

static void
test_corpus(void **state)
{
	const char *shared = shared_get(), *file;
	char folder[8192];
	json_t *all, *wants;

	(void)state;
	if (shared == NULL)
		skip();
	snprintf(folder, sizeof(folder), "%s/corpus/tnef/verdammelt/expected.json", shared);
	all = json_load_file(folder, 0, NULL);
	if (all == NULL)
		skip();
	snprintf(folder, sizeof(folder), "%s/corpus/tnef/verdammelt", shared);
	json_object_foreach(all, file, wants) check_file(folder, file, wants);
	json_decref(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attachment),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_rtf),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
