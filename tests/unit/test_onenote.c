/* test_onenote.c: OneNote sections made here: files in both packagings, cut ones, images. */
#include "test_opener.h"

static struct bench bench;

static void
section_begin(struct buf *b)
{
	buf_init(b, 65536);
	buf_append(b, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", 16);
	put_le(b, 0, 200);
}

static void
file_put(struct buf *b, uint64_t len, struct slice bytes)
{
	buf_append(b, "\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac", 16);
	put_le(b, len, 8);
	put_le(b, 0, 12);
	buf_append_slice(b, bytes);
}

static void
test_file(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	section_begin(&b);
	file_put(&b, eicar().len, eicar());
	put_le(&b, 0, 30);
	file_put(&b, 3, SLICE_LIT("two"));
	assert_int_equal(bench_run(&bench, buf_get(&b), "a.one")->facts, FACT_BIT(FACT_EMBEDDED_FILE));
	assert_true(bench_has_bytes(&bench, eicar()));
	assert_true(bench_has_bytes(&bench, SLICE_LIT("two")));
	assert_int_equal(decompose_get_object_count(bench.d), 3);
}

static void
test_cut(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	section_begin(&b);
	file_put(&b, UINT64_MAX, eicar());
	assert_int_equal(bench_run(&bench, buf_get(&b), "a.one")->facts,
	    FACT_BIT(FACT_EMBEDDED_FILE) | FACT_BIT(FACT_TRUNCATED));
	assert_true(bench_has_bytes(&bench, eicar()));
}

static void
test_image(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };

	(void)state;
	section_begin(&b);
	file_put(&b, 12, SLICE_LIT("\x89PNG\r\n\x1a\n...."));
	assert_int_equal(bench_run(&bench, buf_get(&b), "a.one")->facts, 0);
	assert_int_equal(decompose_get_object_count(bench.d), 2);
}

/* An object data BLOB: two lengths that agree; one where they do not. */
static void
test_blob(void **state)
{
	CLEANUP(buf_done) struct buf b = { 0 };
	uint32_t len = (uint32_t)eicar().len;

	(void)state;
	section_begin(&b);
	put_le(&b, 0x12 | (len + 1) << 17, 4);
	put_le(&b, len << 1 | 1, 1);
	buf_append_slice(&b, eicar());
	put_le(&b, 0x12 | (len + 2) << 17, 4);
	put_le(&b, (len - 5) << 1 | 1, 1);
	put_le(&b, 0, 100);
	assert_int_equal(bench_run(&bench, buf_get(&b), "a.one")->facts, FACT_BIT(FACT_EMBEDDED_FILE));
	assert_true(bench_has_bytes(&bench, eicar()));
	assert_int_equal(decompose_get_object_count(bench.d), 2);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_blob),
	};
	int failed;

	bench_init(&bench, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bench_done(&bench);
	return failed;
}
