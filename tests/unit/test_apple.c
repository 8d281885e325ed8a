/* test_apple.c: AppleSingle, AppleDouble, MacBinary. */
#include "test_decode_helper.h"

#include "decompose/apple_opener.h"

static void
be32_append(struct buf *b, uint32_t v)
{
	uint8_t bytes[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
		(uint8_t)v };

	buf_append(b, bytes, 4);
}

/* Magic, version, filler, then entries: data, resource, name. */
static void
apple_build(struct buf *b, uint32_t magic, const char *data, const char *resource,
    const char *name, uint32_t add)
{
	const char *forks[3] = { data, resource, name };
	uint32_t at = 26 + 3 * 12;

	buf_init(b, 4096);
	be32_append(b, magic);
	be32_append(b, 0x00020000);
	buf_append(b, "0123456789abcdef\0\x03", 18);
	for (uint32_t i = 0; i < 3; i++) {
		be32_append(b, i + 1);
		be32_append(b, at);
		be32_append(b, (uint32_t)strlen(forks[i]) + (i == 0 ? add : 0));
		at += (uint32_t)strlen(forks[i]);
	}
	for (uint32_t i = 0; i < 3; i++)
		buf_append_str(b, forks[i]);
}

static void
test_single(void **state)
{
	static const uint32_t magics[] = { 0x00051600, 0x00051607 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
		CLEANUP(taken_free) struct taken *t = NULL;
		CLEANUP(buf_done) struct buf b;
		struct object *o;

		apple_build(
		    &b, magics[i], "data fork bytes", "resource fork bytes", "name.exe", 0);
		t = taken_run(buf_get(&b), ROLE_LEAF, "outer");
		o = taken_find_str(t, "data fork bytes");
		assert_non_null(o);
		assert_true(object_is_named(o, "name.exe"));
		assert_true(object_is_named(o, "outer"));
		assert_true((o->views & VIEW_BIT(VIEW_APPLE)) != 0);
		assert_true((o->notes & AMBIGUITY_BIT(38)) != 0);
		assert_non_null(taken_find_str(t, "resource fork bytes"));
		assert_int_equal(taken_count(t), 3);
		assert_int_equal(taken_facts(t), 0);
	}
}

/* An entry longer than the file gives what is there. */
static void
test_lengths_lie(void **state)
{
	CLEANUP(taken_free) struct taken *t = NULL;
	CLEANUP(buf_done) struct buf b;

	(void)state;
	apple_build(&b, 0x00051600, "data", "", "", 1000000);
	t = taken_run(buf_get(&b), ROLE_LEAF, "");
	assert_non_null(taken_find_str(t, "data"));
	assert_int_equal(taken_facts(t), FACT_BIT(FACT_TRUNCATED));
}

static void
test_macbinary(void **state)
{
	CLEANUP(taken_free) struct taken *t = NULL;
	uint8_t file[128 + 128 + 128] = { 0 };
	uint32_t crc = 0;

	(void)state;
	file[1] = 5;
	memcpy(file + 2, "a.exe", 5);
	file[86] = 4;
	file[90] = 3;
	file[122] = file[123] = 0x81;
	for (size_t i = 0; i < 124; i++) {
		crc ^= (uint32_t)file[i] << 8;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1;
	}
	file[124] = (uint8_t)(crc >> 8);
	file[125] = (uint8_t)crc;
	memcpy(file + 128, "DATA", 4);
	memcpy(file + 256, "RES", 3);
	t = taken_run(slice_of(file, sizeof(file)), ROLE_LEAF, "");
	assert_true(object_is_named(taken_find_str(t, "DATA"), "a.exe"));
	assert_non_null(taken_find_str(t, "RES"));
	file[125] ^= 1;
	taken_free(&t);
	t = taken_run(slice_of(file, sizeof(file)), ROLE_LEAF, "");
	assert_int_equal(taken_count(t), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single),
		cmocka_unit_test(test_lengths_lie),
		cmocka_unit_test(test_macbinary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
