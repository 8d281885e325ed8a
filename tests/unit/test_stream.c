/* test_stream.c: single compressed files, made here by the libraries' own compressors. */
#include "test_opener.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

static struct bench bench;

static void
pack_gzip(struct slice in, struct buf *out, const char *name)
{
	z_stream z = { 0 };
	gz_header header = { .name = (Bytef *)(uintptr_t)name };
	uLong bound;

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	if (name != NULL)
		assert_int_equal(deflateSetHeader(&z, &header), Z_OK);
	bound = deflateBound(&z, in.len) + 256;
	assert_int_equal(buf_reserve(out, bound), 0);
	z.next_in = (Bytef *)(uintptr_t)in.ptr;
	z.avail_in = (uInt)in.len;
	z.next_out = out->data + out->len;
	z.avail_out = (uInt)bound;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += bound - z.avail_out;
	assert_int_equal(deflateEnd(&z), Z_OK);
}

static void
pack_bzip2(struct slice in, struct buf *out)
{
	unsigned len = (unsigned)in.len + 1024;

	assert_int_equal(buf_reserve(out, len), 0);
	assert_int_equal(BZ2_bzBuffToBuffCompress((char *)out->data + out->len, &len,
	    (char *)(uintptr_t)in.ptr, (unsigned)in.len, 9, 0, 0), BZ_OK);
	out->len += len;
}

static void
pack_lzma(struct slice in, struct buf *out, bool alone)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma options;
	size_t room = in.len + 65536;

	assert_int_equal(buf_reserve(out, room), 0);
	assert_false(lzma_lzma_preset(&options, 1));
	assert_int_equal(alone ? lzma_alone_encoder(&z, &options)
	                       : lzma_easy_encoder(&z, 1, LZMA_CHECK_CRC64), LZMA_OK);
	z.next_in = in.ptr;
	z.avail_in = in.len;
	z.next_out = out->data + out->len;
	z.avail_out = room;
	assert_int_equal(lzma_code(&z, LZMA_FINISH), LZMA_STREAM_END);
	out->len += room - z.avail_out;
	lzma_end(&z);
}

static void
pack_zstd(struct slice in, struct buf *out)
{
	size_t room = ZSTD_compressBound(in.len), n;
	ZSTD_CCtx *z = ZSTD_createCCtx();

	assert_int_equal(buf_reserve(out, room), 0);
	assert_non_null(z);
	(void)ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(z, out->data + out->len, room, in.ptr, in.len);
	assert_false(ZSTD_isError(n));
	out->len += n;
	(void)ZSTD_freeCCtx(z);
}

static void
pack_lz4(struct slice in, struct buf *out)
{
	LZ4F_preferences_t wish = { .frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled };
	size_t room = LZ4F_compressFrameBound(in.len, &wish), n;

	assert_int_equal(buf_reserve(out, room), 0);
	n = LZ4F_compressFrame(out->data + out->len, room, in.ptr, in.len, &wish);
	assert_false(LZ4F_isError(n));
	out->len += n;
}

enum packer { GZIP, BZIP2, XZ, LZMA, ZSTD, LZ4, PACKERS };

static void
pack(enum packer p, struct slice in, struct buf *out)
{
	switch (p) {
	case GZIP:
		pack_gzip(in, out, NULL);
		break;
	case BZIP2:
		pack_bzip2(in, out);
		break;
	case XZ:
	case LZMA:
		pack_lzma(in, out, p == LZMA);
		break;
	case ZSTD:
		pack_zstd(in, out);
		break;
	default:
		pack_lz4(in, out);
		break;
	}
}

static const char *const file_names[PACKERS] = { "a.txt.gz", "a.txt.bz2", "a.txt.xz",
	"a.txt.lzma", "a.txt.zst", "a.txt.lz4" };

static void
test_whole(void **state)
{
	struct buf plain, packed;
	struct slice text = sample_text(&plain, 30000);

	(void)state;
	for (int p = 0; p < PACKERS; p++) {
		struct object *o, *child;

		buf_init(&packed, (size_t)16 << 20);
		pack(p, text, &packed);
		o = bench_run(&bench, buf_get(&packed), file_names[p]);
		assert_int_equal(o->facts, 0);
		assert_int_equal(decompose_get_object_count(bench.d), 2);
		child = bench_named(&bench, "a.txt");
		assert_non_null(child);
		assert_true(slice_eq(child->bytes, text));
		assert_int_equal(child->parent, 1);
		buf_done(&packed);
	}
	buf_done(&plain);
}

/* What was decoded before the end is there, and it is said that it is not all. */
static void
test_truncated(void **state)
{
	struct buf plain, packed;
	struct slice text = sample_text(&plain, 60000);

	(void)state;
	for (int p = 0; p < PACKERS; p++) {
		struct object *o;

		buf_init(&packed, (size_t)16 << 20);
		pack(p, text, &packed);
		o = bench_run(&bench, slice_sub(buf_get(&packed), 0, packed.len - 9), file_names[p]);
		assert_true(has_fact(o, FACT_TRUNCATED));
		assert_int_equal(decompose_get_object_count(bench.d), 2);
		assert_true(decompose_get_object(bench.d, 2)->size > 1000);
		buf_done(&packed);
	}
	buf_done(&plain);
}

static void
test_corrupt(void **state)
{
	struct buf plain, packed;
	struct slice text = sample_text(&plain, 60000);

	(void)state;
	for (int p = 0; p < PACKERS; p++) {
		struct object *o;

		if (p == LZMA)
			continue; /* has no checksum */
		buf_init(&packed, (size_t)16 << 20);
		pack(p, text, &packed);
		for (size_t i = packed.len / 2; i < packed.len / 2 + 16; i++)
			packed.data[i] ^= 0xa5;
		o = bench_run(&bench, buf_get(&packed), file_names[p]);
		assert_true((o->facts & (FACT_BIT(FACT_CORRUPT) | FACT_BIT(FACT_TRUNCATED) |
		    FACT_BIT(FACT_UNSUPPORTED))) != 0);
		buf_done(&packed);
	}
	buf_done(&plain);
}

static void
test_concatenated(void **state)
{
	struct buf packed;

	(void)state;
	for (int p = 0; p < PACKERS; p++) {
		struct object *o;

		if (p == LZMA)
			continue; /* one stream a file, by design */
		buf_init(&packed, (size_t)1 << 20);
		pack(p, SLICE_LIT("first half, "), &packed);
		pack(p, eicar(), &packed);
		o = bench_run(&bench, buf_get(&packed), file_names[p]);
		assert_int_equal(o->facts, 0);
		assert_true(bench.eicars >= 1); /* lz4 keeps what is short as it is */
		assert_int_equal(decompose_get_object(bench.d, 2)->size, 12 + eicar().len);
		buf_done(&packed);
	}
}

static void
test_behind_the_end(void **state)
{
	struct buf packed;
	struct object *o;

	(void)state;
	buf_init(&packed, (size_t)1 << 20);
	pack_gzip(SLICE_LIT("harmless"), &packed, NULL);
	put_le(&packed, 0, 40); /* padding of a tape */
	o = bench_run(&bench, buf_get(&packed), "a.gz");
	assert_int_equal(o->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_int_equal(buf_append_slice(&packed, eicar()), 0);
	(void)bench_run(&bench, buf_get(&packed), "a.gz");
	assert_int_equal(decompose_get_object_count(bench.d), 3);
	assert_true(bench.eicars >= 2); /* the file itself, and what stands behind the end */
	buf_done(&packed);
}

static void
test_names(void **state)
{
	struct buf packed;

	(void)state;
	buf_init(&packed, (size_t)1 << 20);
	pack_gzip(SLICE_LIT("x"), &packed, "invoice.exe");
	(void)bench_run(&bench, buf_get(&packed), "invoice.TGZ");
	assert_non_null(bench_named(&bench, "invoice.exe"));
	assert_non_null(bench_named(&bench, "invoice.tar"));
	assert_true(slice_eq_str(decompose_get_object(bench.d, 2)->trail, "invoice.exe"));
	buf_done(&packed);
}

static void
test_ratio_limit(void **state)
{
	uint8_t *zeros = calloc(1, (size_t)64 << 20);
	struct buf packed;
	struct object *o;

	(void)state;
	assert_non_null(zeros);
	buf_init(&packed, (size_t)80 << 20);
	pack_bzip2(slice_of(zeros, (size_t)64 << 20), &packed);
	o = bench_run(&bench, buf_get(&packed), "zeros.bz2");
	assert_true(has_fact(o, FACT_LIMIT_RATIO));
	assert_true(bench.seen_bytes < (size_t)40 << 20);
	bench.limits.output_bytes = 100000;
	o = bench_run(&bench, buf_get(&packed), "zeros.bz2");
	assert_true(has_fact(o, FACT_LIMIT_BYTES));
	assert_int_equal(decompose_get_object(bench.d, 2)->size <= 100000, 1);
	bench.limits = limits_get_default();
	buf_done(&packed);
	free(zeros);
}

/* SZDD: flags 0x7f, seven bytes as they are; then a place in the window. */
static void
test_szdd(void **state)
{
	static const char packed[] = "SZDD\x88\xf0\x27\x33" "A\0" "\x0e\0\0\0"
	    "\x7f" "abcdefg" "\xf0\xf4";

	(void)state;
	(void)bench_run(&bench, slice_of(packed, sizeof(packed) - 1), "a.ex_");
	assert_int_equal(decompose_get_object_count(bench.d), 2);
	assert_true(slice_eq_str(decompose_get_object(bench.d, 2)->bytes, "abcdefgabcdefg"));
	assert_int_equal(decompose_get_object(bench.d, 1)->facts, 0);
}

static void
test_unsupported(void **state)
{
	struct object *o;

	(void)state;
	o = bench_run(&bench, SLICE_LIT("\x89LZO\0\r\n\x1a\n\x10\x30\x20\xa0"), "a.lzo");
	assert_true(has_fact(o, FACT_UNSUPPORTED));
	assert_int_equal(decompose_get_object_count(bench.d), 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_concatenated),
		cmocka_unit_test(test_behind_the_end),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ratio_limit),
		cmocka_unit_test(test_szdd),
		cmocka_unit_test(test_unsupported),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
