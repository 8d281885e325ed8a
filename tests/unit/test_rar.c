/* test_rar.c: RAR archives put together by hand, both generations: stored members, encrypted
 * ones, volumes, cut and damaged files. Compressed ones are met by the corpus test. */
#include "test_opener.h"

#include <zlib.h>

#include "decompose/rar_header.h"

static struct bench bench;

static void
rar_init(struct buf *b, bool rar5)
{
	buf_init(b, (size_t)1 << 20);
	if (rar5)
		assert_int_equal(buf_append(b, "Rar!\x1a\x07\x01\x00", 8), 0);
	else
		assert_int_equal(buf_append(b, "Rar!\x1a\x07\x00", 7), 0);
}

/* RAR 4: CRC, type, flags, size, body, data. */
static void
put_block4(struct buf *b, uint8_t type, uint16_t flags, struct slice body, struct slice data)
{
	struct buf h = { .max = 4096 };

	put_le(&h, type, 1);
	put_le(&h, flags, 2);
	put_le(&h, 7 + body.len, 2);
	assert_int_equal(buf_append_slice(&h, body), 0);
	put_le(b, crc32_z(0, h.data, h.len) & 0xffff, 2);
	assert_int_equal(buf_append_slice(b, buf_get(&h)), 0);
	assert_int_equal(buf_append_slice(b, data), 0);
	buf_done(&h);
}

static void
put_file4(struct buf *b, struct slice name, struct slice data, uint16_t flags, uint8_t method,
    size_t plain_bytes)
{
	struct buf f = { .max = 4096 };

	put_le(&f, data.len, 4);
	put_le(&f, plain_bytes, 4);
	put_le(&f, 2, 1);
	put_le(&f, crc32_z(0, data.ptr, data.len), 4);
	put_le(&f, 0, 4);
	put_le(&f, 29, 1);
	put_le(&f, method, 1);
	put_le(&f, name.len, 2);
	put_le(&f, 0x20, 4);
	assert_int_equal(buf_append_slice(&f, name), 0);
	put_block4(b, 0x74, (uint16_t)(0x8000 | flags), buf_get(&f), data);
	buf_done(&f);
}

static void
put_main4(struct buf *b, uint16_t flags)
{
	put_block4(b, 0x73, flags, SLICE_LIT("\0\0\0\0\0\0"), SLICE_NONE);
}

static void
put_end4(struct buf *b)
{
	put_block4(b, 0x7b, 0x4000, SLICE_NONE, SLICE_NONE);
}

/* RAR 5: CRC, size, type, flags, sizes of extra and data, body, extra, data. All below 128. */
static void
put_block5(struct buf *b, uint8_t type, uint8_t flags, struct slice body, struct slice extra,
    struct slice data)
{
	struct buf h = { .max = 4096 }, sized = { .max = 4096 };

	put_le(&h, type, 1);
	put_le(&h, flags | (extra.len > 0 ? 1u : 0u) | (data.len > 0 ? 2u : 0u), 1);
	if (extra.len > 0)
		put_le(&h, extra.len, 1);
	if (data.len > 0)
		put_le(&h, data.len, 1);
	assert_int_equal(buf_append_slice(&h, body), 0);
	assert_int_equal(buf_append_slice(&h, extra), 0);
	put_le(&sized, h.len, 1);
	assert_int_equal(buf_append_slice(&sized, buf_get(&h)), 0);
	put_le(b, crc32_z(0, sized.data, sized.len), 4);
	assert_int_equal(buf_append_slice(b, buf_get(&sized)), 0);
	assert_int_equal(buf_append_slice(b, data), 0);
	buf_done(&h);
	buf_done(&sized);
}

static void
put_file5(struct buf *b, const char *name, struct slice data, uint8_t flags, struct slice extra)
{
	struct buf f = { .max = 4096 };

	put_le(&f, 4, 1); /* has a CRC */
	put_le(&f, data.len, 1);
	put_le(&f, 0, 1);
	put_le(&f, crc32_z(0, data.ptr, data.len), 4);
	put_le(&f, 0, 2); /* stored; Windows */
	put_le(&f, strlen(name), 1);
	assert_int_equal(buf_append_str(&f, name), 0);
	put_block5(b, 2, flags, buf_get(&f), extra, data);
	buf_done(&f);
}

static void
put_end5(struct buf *b)
{
	put_block5(b, 5, 0, SLICE_LIT("\0"), SLICE_NONE, SLICE_NONE);
}

static void
test_stored(void **state)
{
	struct buf b;
	struct object *o;

	(void)state;
	for (int rar5 = 0; rar5 < 2; rar5++) {
		rar_init(&b, rar5);
		if (rar5) {
			put_block5(&b, 1, 0, SLICE_LIT("\0"), SLICE_NONE, SLICE_NONE);
			put_file5(&b, "a.txt", SLICE_LIT("harmless"), 0, SLICE_NONE);
			put_file5(&b, "virus.com", eicar(), 0, SLICE_NONE);
			put_end5(&b);
		} else {
			put_main4(&b, 0);
			put_file4(&b, SLICE_LIT("a.txt"), SLICE_LIT("harmless"), 0, 0x30, 8);
			put_file4(&b, SLICE_LIT("virus.com"), eicar(), 0, 0x30, eicar().len);
			put_end4(&b);
		}
		o = bench_run(&bench, buf_get(&b), "a.rar");
		assert_string_equal(o->detected->format, rar5 ? "rar5" : "rar4");
		assert_int_equal(o->facts, 0);
		assert_int_equal(decompose_get_object_count(bench.d), 3);
		assert_true(slice_eq(bench_named(&bench, "virus.com")->bytes, eicar()));
		assert_true(slice_eq_str(bench_named(&bench, "a.txt")->bytes, "harmless"));
		/* cut inside the last member */
		o = bench_run(&bench, slice_sub(buf_get(&b), 0, b.len - 20), "a.rar");
		assert_true(has_fact(o, FACT_TRUNCATED));
		assert_non_null(bench_named(&bench, "virus.com"));
		buf_done(&b);
	}
}

static void
test_encrypted(void **state)
{
	struct buf b;
	struct object *o;

	(void)state;
	rar_init(&b, false);
	put_main4(&b, 0);
	put_file4(&b, SLICE_LIT("secret.exe"), SLICE_LIT("sixteen bytes ok"), 4, 0x33, 20);
	put_file4(&b, SLICE_LIT("virus.com"), eicar(), 0, 0x30, eicar().len);
	put_end4(&b);
	o = bench_run(&bench, buf_get(&b), "a.rar");
	assert_int_equal(o->facts, FACT_BIT(FACT_ENCRYPTED));
	assert_true(has_fact(bench_named(&bench, "secret.exe"), FACT_ENCRYPTED));
	assert_true(bench_has_bytes(&bench, eicar()));
	buf_done(&b);

	rar_init(&b, false);
	put_main4(&b, 0x80); /* headers too */
	assert_int_equal(buf_append_str(&b, "0123456789abcdef0123456789abcdef"), 0);
	o = bench_run(&bench, buf_get(&b), "a.rar");
	assert_int_equal(o->facts, FACT_BIT(FACT_ENCRYPTED));
	buf_done(&b);

	rar_init(&b, true);
	put_block5(&b, 1, 0, SLICE_LIT("\0"), SLICE_NONE, SLICE_NONE);
	put_file5(&b, "secret.exe", SLICE_LIT("sixteen bytes ok"), 0, SLICE_LIT("\x03\x01\0\0"));
	put_end5(&b);
	o = bench_run(&bench, buf_get(&b), "a.rar");
	assert_int_equal(o->facts, FACT_BIT(FACT_ENCRYPTED));
	assert_true(has_fact(bench_named(&bench, "secret.exe"), FACT_ENCRYPTED));
	buf_done(&b);

	rar_init(&b, true);
	put_block5(&b, 4, 0, SLICE_LIT("\0\0\x0fsaltsaltsaltsalt"), SLICE_NONE, SLICE_NONE);
	o = bench_run(&bench, buf_get(&b), "a.rar");
	assert_int_equal(o->facts, FACT_BIT(FACT_ENCRYPTED));
	buf_done(&b);
}

static void
test_volumes(void **state)
{
	struct buf b;
	struct object *o;

	(void)state;
	rar_init(&b, false);
	put_main4(&b, 1);
	put_file4(&b, SLICE_LIT("half.exe"), SLICE_LIT("the first half"), 2, 0x30, 28);
	o = bench_run(&bench, buf_get(&b), "a.part1.rar");
	assert_int_equal(o->facts, FACT_BIT(FACT_MULTI_VOLUME));
	assert_non_null(bench_named(&bench, "half.exe"));
	buf_done(&b);

	rar_init(&b, true);
	put_block5(&b, 1, 0, SLICE_LIT("\1"), SLICE_NONE, SLICE_NONE);
	put_file5(&b, "half.exe", SLICE_LIT("the first half"), 0x10, SLICE_NONE);
	put_block5(&b, 5, 0, SLICE_LIT("\1"), SLICE_NONE, SLICE_NONE);
	o = bench_run(&bench, buf_get(&b), "a.part1.rar");
	assert_int_equal(o->facts, FACT_BIT(FACT_MULTI_VOLUME));
	buf_done(&b);
}

/* Bytes told and bytes got: a member without data is no empty member, in a volume or alone. */
static void
test_no_bytes(void **state)
{
	(void)state;
	for (int packed = 0; packed < 2; packed++) {
		for (int volume = 0; volume < 3; volume++) {
			struct buf b;
			const struct object *o;

			rar_init(&b, false);
			put_main4(&b, volume > 0);
			put_file4(&b, SLICE_LIT("none.exe"), SLICE_NONE, (uint16_t)volume, packed ? 0x33 : 0x30,
			    5000);
			put_end4(&b);
			o = bench_run(&bench, buf_get(&b), "a.rar");
			assert_true((o->facts & (FACT_BIT(FACT_MULTI_VOLUME) | FACT_BIT(FACT_CORRUPT) |
			    FACT_BIT(FACT_TRUNCATED) | FACT_BIT(FACT_UNSUPPORTED))) != 0);
			assert_int_equal(has_fact(o, FACT_MULTI_VOLUME), volume > 0);
			buf_done(&b);
		}
	}
}

/* A member that cannot be unpacked costs none of the others. */
static void
test_one_broken_member(void **state)
{
	struct buf b;
	struct object *o;

	(void)state;
	rar_init(&b, false);
	put_main4(&b, 0);
	put_file4(&b, SLICE_LIT("bad.bin"), SLICE_LIT("this is no RAR data at all......"), 0, 0x33,
	    100000);
	put_file4(&b, SLICE_LIT("virus.com"), eicar(), 0, 0x30, eicar().len);
	put_end4(&b);
	o = bench_run(&bench, buf_get(&b), "a.rar");
	assert_true((o->facts & (FACT_BIT(FACT_CORRUPT) | FACT_BIT(FACT_TRUNCATED) |
	    FACT_BIT(FACT_UNSUPPORTED))) != 0);
	assert_true(bench_has_bytes(&bench, eicar()));
	buf_done(&b);
}

/* UTF-16 names packed against the plain one; what stands behind the end. */
static void
test_names_and_trailer(void **state)
{
	struct buf b;

	(void)state;
	rar_init(&b, false);
	put_main4(&b, 0);
	/* high byte 4; four units: two with it, then two as they are */
	put_file4(&b, SLICE_LIT("??.x\0\x04\x50\x3f\x40.x"), eicar(), 0x200, 0x30, eicar().len);
	put_end4(&b);
	assert_int_equal(buf_append_str(&b, "another file hides behind the end"), 0);
	(void)bench_run(&bench, buf_get(&b), "a.rar");
	assert_non_null(bench_named(&bench, "\xd0\xbf\xd1\x80.x"));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("another file hides behind the end")));
	buf_done(&b);
}

static void
test_reader_prefixes(void **state)
{
	struct buf b;

	(void)state;
	for (int rar5 = 0; rar5 < 2; rar5++) {
		rar_init(&b, rar5);
		if (rar5) {
			put_block5(&b, 1, 0, SLICE_LIT("\0"), SLICE_NONE, SLICE_NONE);
			put_file5(&b, "a.txt", SLICE_LIT("harmless"), 0, SLICE_LIT("\x03\x01\0\0"));
		} else {
			put_main4(&b, 0);
			put_file4(&b, SLICE_LIT("a\0\x04\x50?@.x"), SLICE_LIT("harmless"), 0x200, 0x30, 8);
		}
		for (size_t len = 0; len <= b.len; len++) {
			uint8_t *copy = malloc(len == 0 ? 1 : len);
			struct rar_reader r;
			struct rar_block block;
			int got = 0, n = 0;

			assert_non_null(copy);
			memcpy(copy, b.data, len);
			if (rar_reader_init(&r, slice_of(copy, len), NULL)) {
				while ((got = rar_reader_next(&r, &block)) == 1)
					assert_true(++n <= 2);
				assert_true(len < b.len || (got == 0 && n == 2));
			}
			free(copy);
		}
		buf_done(&b);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_no_bytes),
		cmocka_unit_test(test_one_broken_member),
		cmocka_unit_test(test_names_and_trailer),
		cmocka_unit_test(test_reader_prefixes),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
