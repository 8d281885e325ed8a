/* test_hunt_archives.c: honest archives that once counted as broken, and kept honest mail out. */
#include "test_opener.h"

static struct bench bench;

static void
append(struct buf *b, const void *bytes, size_t len)
{
	assert_int_equal(buf_append(b, bytes, len), 0);
}

/* A tar of one member, then zeros that do not fill the last block. */
static void
test_tar_with_odd_zeros(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf tar = { .max = 1 << 16 };
	uint8_t head[512] = { 0 };
	static const uint8_t zeros[2048];
	unsigned sum = 8 * ' ';
	struct object *o;

	memcpy(head, "a.txt", 5);
	memcpy(head + 100, "0000644\0" "0000000\0" "0000000\0" "00000000014\0" "00000000000", 35 + 12);
	memcpy(head + 257, "ustar\0" "00", 8);
	head[156] = '0';
	memset(head + 148, 0, 8);
	for (size_t i = 0; i < sizeof(head); i++)
		sum += head[i];
	(void)snprintf((char *)head + 148, 8, "%06o", sum);
	append(&tar, head, sizeof(head));
	append(&tar, "hello world\n", 12);
	append(&tar, zeros, 500 + 1024 + 343);
	o = bench_run(&bench, buf_get(&tar), "a.tar");
	assert_non_null(bench_named(&bench, "a.txt"));
	assert_false(has_fact(o, FACT_TRUNCATED));
	assert_false(has_fact(o, FACT_CORRUPT));
	/* cut off inside the member, it is truncated all the same */
	tar.len = 512 + 6;
	o = bench_run(&bench, buf_get(&tar), "a.tar");
	assert_true(has_fact(o, FACT_TRUNCATED) || has_fact(o, FACT_CORRUPT));
}

static void
put_lha(struct buf *b, const char *name, const char *data)
{
	size_t name_len = strlen(name), at = b->len, len = strlen(data);
	uint16_t crc = 0;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint8_t)data[i];
		for (int k = 0; k < 8; k++)
			crc = (uint16_t)((crc & 1) != 0 ? crc >> 1 ^ 0xa001 : crc >> 1);
	}
	put_le(b, 22 + name_len, 1);
	put_le(b, 0, 1);
	append(b, "-lh0-", 5);
	put_le(b, len, 4);
	put_le(b, len, 4);
	put_le(b, 0x58210000, 4);
	put_le(b, 0x20, 1);
	put_le(b, 0, 1); /* level 0 */
	put_le(b, name_len, 1);
	append(b, name, name_len);
	put_le(b, crc, 2);
	for (size_t i = at + 2; i < b->len; i++)
		sum = (uint8_t)(sum + b->data[i]);
	b->data[at + 1] = sum;
	append(b, data, len);
}

/* Names in Shift_JIS are the rule in LHA archives. */
static void
test_lha_with_japanese_name(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf lha = { .max = 1 << 16 };
	struct object *o;

	put_lha(&lha, "plain.txt", "the first file, with a plain name");
	put_lha(&lha, "\x93\xfa\x96{\x8c\xea.exe", "the second file, with a Japanese name");
	put_lha(&lha, "last.txt", "the third file");
	put_le(&lha, 0, 1);
	o = bench_run(&bench, buf_get(&lha), "a.lzh");
	assert_true(bench_has_bytes(&bench, SLICE_LIT("the first file, with a plain name")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("the second file, with a Japanese name")));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("the third file")));
	assert_false(has_fact(o, FACT_CORRUPT));
}

static void
put_zip(struct buf *b, const char *name, const char *data, uint32_t crc, bool broken)
{
	size_t at = b->len, name_len = strlen(name), len = strlen(data);

	append(b, "PK\3\4\x14\0\0\0\0\0\0\0\0\0", 14);
	put_le(b, crc, 4);
	put_le(b, len, 4);
	put_le(b, len, 4);
	put_le(b, name_len, 2);
	put_le(b, 0, 2);
	append(b, name, name_len);
	append(b, data, len);
	append(b, "PK\1\2\x14\0\x14\0\0\0\0\0\0\0\0\0", 16);
	put_le(b, crc, 4);
	put_le(b, len, 4);
	put_le(b, len, 4);
	put_le(b, name_len, 2);
	put_le(b, 0, 12);
	put_le(b, broken ? 99999 : at, 4);
	append(b, name, name_len);
	append(b, "PK\5\6\0\0\0\0\1\0\1\0", 12);
	put_le(b, 46 + name_len, 4);
	put_le(b, broken ? 99999 : at + 30 + name_len + len, 4);
	put_le(b, 0, 2);
}

/* PowerPoint keeps a ZIP for each layout in the sectors of its document: many directories, and
 * pieces out of order. */
static void
test_zips_in_a_document(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf ole = { .max = 1 << 20 }, zip = { .max = 1 << 20 };
	uint8_t head[512] = { 0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1 };
	struct object *o;
	char data[64];

	append(&ole, head, sizeof(head));
	for (unsigned i = 0; i < 40; i++) {
		(void)snprintf(data, sizeof(data), "<layout number=\"%u\"/> some text of it", i);
		put_zip(&ole, "layout.xml", data, 0x1234 /* wrong: cut into sectors */, i % 2 == 1);
	}
	o = bench_run(&bench, buf_get(&ole), "a.ppt");
	assert_true(bench_has_bytes(&bench, SLICE_LIT("<layout number=\"7\"/> some text of it")));
	assert_false(has_fact(o, FACT_LIMIT_OBJECTS));
	assert_false(has_fact(o, FACT_DISAGREEMENT));
	/* in a ZIP that is one, it is a fault */
	put_zip(&zip, "a.txt", "some text", 0x1234, false);
	o = bench_run(&bench, buf_get(&zip), "a.zip");
	assert_true(has_fact(o, FACT_CORRUPT));
}

static int
setup(void **state UNUSED)
{
	bench_init(&bench, false);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	bench_done(&bench);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tar_with_odd_zeros),
		cmocka_unit_test(test_lha_with_japanese_name),
		cmocka_unit_test(test_zips_in_a_document),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
