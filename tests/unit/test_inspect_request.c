/* test_inspect_request.c: what the gate asks of an inspector: round trip, and bad bytes. */
#include "test_common.h"

#include "scan/inspect_request.h"

static const struct inspect_request sample = { .job = UINT64_C(0x1122334455667788), .flags = 3,
	.roles = 5, .input_id = 7, .input_size = 4096, .input_len = 4000, .hold_id = 9,
	.hold_size = UINT64_C(1) << 40, .known_id = 11, .known_size = 13, .epoch = 15,
	.max_object = UINT64_MAX, .name = { (const uint8_t *)"a\0b.eml", 7 } };

static void
test_round_trip(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct inspect_request got;

	buf_init(&b, 1000);
	assert_int_equal(inspect_request_encode(&sample, &b), 0);
	assert_true(inspect_request_decode(buf_get(&b), &got));
	assert_true(got.job == sample.job);
	assert_int_equal(got.flags, 3);
	assert_int_equal(got.roles, 5);
	assert_int_equal(got.input_id, 7);
	assert_int_equal(got.input_size, 4096);
	assert_int_equal(got.input_len, 4000);
	assert_int_equal(got.hold_id, 9);
	assert_true(got.hold_size == UINT64_C(1) << 40);
	assert_int_equal(got.known_id, 11);
	assert_int_equal(got.known_size, 13);
	assert_int_equal(got.epoch, 15);
	assert_true(got.max_object == UINT64_MAX);
	assert_true(slice_eq(got.name, sample.name));
}

static void
test_bad_bytes(void **state UNUSED)
{
	CLEANUP(buf_done) struct buf b;
	struct inspect_request got = { .job = 1 }, lie = sample;

	buf_init(&b, 1000);
	assert_int_equal(inspect_request_encode(&sample, &b), 0);
	for (size_t len = 0; len < b.len; len++)
		assert_false(inspect_request_decode(slice_of(b.data, len), &got));
	assert_int_equal(buf_append_byte(&b, 0), 0);
	assert_false(inspect_request_decode(buf_get(&b), &got));
	lie.input_len = lie.input_size + 1;
	buf_clear(&b);
	assert_int_equal(inspect_request_encode(&lie, &b), 0);
	assert_false(inspect_request_decode(buf_get(&b), &got));
	assert_int_equal(got.job, 1); /* untouched */
	lie.input_len = lie.input_size;
	buf_clear(&b);
	assert_int_equal(inspect_request_encode(&lie, &b), 0);
	assert_true(inspect_request_decode(buf_get(&b), &got));
	b.max = 20;
	buf_clear(&b);
	assert_int_equal(inspect_request_encode(&sample, &b), -ENOBUFS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bad_bytes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
