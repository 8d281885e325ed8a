/* test_buf.c: owned bytes that grow up to a largest size and no further. */
#include "test_common.h"

static void
test_growing(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;

	buf_init(&b, 100000);
	assert_null(b.data);
	assert_string_equal(buf_get_str(&b), "");
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(buf_append_byte(&b, (uint8_t)(i % 251)), 0);
	assert_int_equal(b.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], i % 251);
	assert_int_equal(buf_append_byte(&b, 1), -ENOBUFS);
	assert_int_equal(b.len, 100000);
	assert_int_equal(buf_get_str(&b)[100000], '\0');
	buf_clear(&b);
	assert_int_equal(buf_append_str(&b, "again"), 0);
	assert_slice(buf_get(&b), "again");
	assert_string_equal(buf_get_str(&b), "again");
}

/* Every limit up to a few dozen: what fits goes in, one more byte does not, by every way. */
static void
test_limits(void **state UNUSED)
{
	static const char text[] = "0123456789012345678901234567890123456789012345678901234567890123"
	    "4567890123456789";

	for (size_t max = 0; max < 70; max++) {
		for (size_t first = 0; first <= max; first++) {
			CLEANUP(buf_done) struct buf b;

			buf_init(&b, max);
			assert_int_equal(buf_append(&b, text, first), 0);
			assert_int_equal(buf_append(&b, text, max - first + 1), -ENOBUFS);
			assert_int_equal(buf_printf(&b, "%.*s", (int)(max - first + 1), text), -ENOBUFS);
			assert_int_equal(buf_reserve(&b, max - first + 1), -ENOBUFS);
			assert_int_equal(buf_append(&b, NULL, SIZE_MAX), -ENOBUFS);
			assert_int_equal(b.len, first);
			assert_int_equal(buf_printf(&b, "%.*s", (int)(max - first), text + first), 0);
			assert_int_equal(b.len, max);
			assert_memory_equal(buf_get_str(&b), text, max);
			assert_int_equal(strlen(buf_get_str(&b)), max);
		}
	}
}

static void
test_consume(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;

	buf_init(&b, 100);
	assert_int_equal(buf_append_str(&b, "abcdef"), 0);
	buf_consume(&b, 0);
	buf_consume(&b, 2);
	assert_slice(buf_get(&b), "cdef");
	assert_int_equal(buf_append_slice(&b, SLICE_LIT("gh")), 0);
	buf_consume(&b, 6);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_append_slice(&b, SLICE_NONE), 0);
	assert_string_equal(buf_get_str(&b), "");
}

static void
test_reserve(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;

	buf_init(&b, 1000);
	assert_int_equal(buf_reserve(&b, 700), 0);
	memset(b.data, 'x', 700); /* the room is there */
	b.len += 700;
	assert_int_equal(buf_reserve(&b, 301), -ENOBUFS);
	assert_int_equal(buf_reserve(&b, 300), 0);
	memset(b.data + 700, 'y', 300);
	b.len += 300;
	assert_int_equal(strlen(buf_get_str(&b)), 1000);
}

static void
test_zeroed(void **state UNUSED)
{
	struct buf b;

	memset(&b, 0, sizeof(b));
	assert_int_equal(buf_append_byte(&b, 1), -ENOBUFS);
	assert_int_equal(buf_append(&b, NULL, 0), 0);
	buf_done(&b);
	buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_growing),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_consume),
		cmocka_unit_test(test_reserve), cmocka_unit_test(test_zeroed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
