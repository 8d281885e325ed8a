/* test_wire.c: integers and strings in messages: round trip, and reading never passes the end. */
#include "test_common.h"

#include "proc/wire.h"

static void
test_round_trip(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct wire_reader r;

	buf_init(&b, 1000);
	assert_int_equal(wire_put_u8(&b, 0xfe), 0);
	assert_int_equal(wire_put_u32(&b, 0xdeadbeef), 0);
	assert_int_equal(wire_put_u64(&b, UINT64_MAX - 1), 0);
	assert_int_equal(wire_put_slice(&b, SLICE_LIT("a\0b")), 0);
	assert_int_equal(wire_put_slice(&b, SLICE_NONE), 0);
	assert_int_equal(wire_put_str(&b, "text"), 0);
	assert_int_equal(b.len, 1 + 4 + 8 + 4 + 3 + 4 + 4 + 4);
	r = wire_read(buf_get(&b));
	assert_false(wire_is_done(&r));
	assert_int_equal(wire_get_u8(&r), 0xfe);
	assert_int_equal(wire_get_u32(&r), 0xdeadbeef);
	assert_true(wire_get_u64(&r) == UINT64_MAX - 1);
	assert_true(slice_eq(wire_get_slice(&r), SLICE_LIT("a\0b")));
	assert_int_equal(wire_get_slice(&r).len, 0);
	assert_false(r.failed);
	assert_slice(wire_get_slice(&r), "text");
	assert_true(wire_is_done(&r));
}

/* Every cut of a good message fails, and what is read behind the failure is zero. */
static void
test_cut_short(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;

	buf_init(&b, 1000);
	assert_int_equal(wire_put_u32(&b, 7), 0);
	assert_int_equal(wire_put_str(&b, "text"), 0);
	assert_int_equal(wire_put_u64(&b, 9), 0);
	for (size_t len = 0; len < b.len; len++) {
		uint8_t *copy = malloc(len + 1); /* its end is the end: overruns are seen */
		struct wire_reader r = wire_read(slice_of(copy, len));

		assert_non_null(copy);
		memcpy(copy, b.data, len);
		(void)wire_get_u32(&r);
		(void)wire_get_slice(&r);
		assert_int_equal(wire_get_u64(&r), 0);
		assert_true(r.failed);
		assert_false(wire_is_done(&r));
		assert_int_equal(wire_get_u8(&r), 0);
		assert_int_equal(wire_get_u32(&r), 0);
		assert_int_equal(wire_get_slice(&r).len, 0);
		assert_int_equal(wire_get_bytes(&r, 0).len, 0);
		free(copy);
	}
}

static void
test_lengths_that_lie(void **state UNUSED)
{
	static const uint32_t lengths[] = { 5, 6, 0x7fffffff, 0x80000000, 0xffffffff };

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		CLEANUP(buf_done) struct buf b;
		struct wire_reader r;

		buf_init(&b, 100);
		assert_int_equal(wire_put_u32(&b, lengths[i]), 0);
		assert_int_equal(buf_append_str(&b, "1234"), 0);
		r = wire_read(buf_get(&b));
		assert_int_equal(wire_get_slice(&r).len, 0);
		assert_true(r.failed);
		r = wire_read(buf_get(&b));
		assert_int_equal(wire_get_bytes(&r, SIZE_MAX).len, 0);
		assert_true(r.failed);
	}
}

static void
test_left_over(void **state UNUSED)
{
	struct wire_reader r = wire_read(SLICE_LIT("\1\2"));

	assert_int_equal(wire_get_u8(&r), 1);
	assert_false(r.failed);
	assert_false(wire_is_done(&r)); /* a byte too much is as bad as one too few */
	assert_int_equal(wire_get_u8(&r), 2);
	assert_true(wire_is_done(&r));
}

static void
test_full(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;

	buf_init(&b, 6);
	assert_int_equal(wire_put_u32(&b, 1), 0);
	assert_int_equal(wire_put_u64(&b, 1), -ENOBUFS);
	assert_int_equal(wire_put_u32(&b, 1), -ENOBUFS);
	assert_int_equal(b.len, 4);
	assert_true(wire_put_str(&b, "abc") < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut_short), cmocka_unit_test(test_lengths_that_lie),
		cmocka_unit_test(test_left_over), cmocka_unit_test(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
