/* test_object_double.c: places of equal bytes, and what unpacking all of them would give. */
#include "test_common.h"

#include "decompose/object_double.h"

static void
expand(const struct object_doubles *l, uint32_t count, const uint64_t *sizes,
    const uint32_t *parents, uint64_t *ret)
{
	uint64_t scratch[16];

	assert_true(count < ARRAY_LEN(scratch));
	object_doubles_expand(l, count, sizes, parents, 20, scratch, ret);
}

static void
test_expansion(void **state UNUSED)
{
	uint64_t sizes[] = { 0, 10, 20, 30, 1000 }, got[5];
	uint32_t parents[] = { 0, 0, 1, 2, 3 };
	struct object_doubles l = { 0 };

	expand(&l, 4, sizes, parents, got);
	assert_int_equal(got[1], 1050);
	assert_int_equal(got[3], 1000);
	assert_int_equal(got[4], 0);
	for (uint32_t id = 2; id <= 4; id++) { /* three of each in all */
		for (int i = 0; i < 2; i++)
			object_doubles_add(
			    &l, &(struct object_double){ .object = id, .parent = id - 1 }, 100);
	}
	expand(&l, 4, sizes, parents, got);
	assert_int_equal(got[3], 3 * 1000);
	assert_int_equal(got[2], 3 * (30 + 3 * 1000));
	assert_int_equal(got[1], 3 * (20 + 3 * (30 + 3 * 1000)));
	object_doubles_done(&l);
}

/* An archive that holds itself has no end. */
static void
test_ring(void **state UNUSED)
{
	uint64_t sizes[] = { 0, 10, UINT64_C(1) << 50 }, got[3], scratch[3];
	uint32_t parents[] = { 0, 0, 1 };
	struct object_doubles l = { 0 };

	object_doubles_add(&l, &(struct object_double){ .object = 1, .parent = 2 }, 100);
	object_doubles_add(&l, &(struct object_double){ .object = 1, .parent = 2 }, 100);
	object_doubles_expand(&l, 2, sizes, parents, 1000, scratch, got);
	assert_true(got[1] == EXPANDED_MAX);
	sizes[2] = UINT64_MAX; /* and no overflow */
	object_doubles_expand(&l, 2, sizes, parents, 1000, scratch, got);
	assert_true(got[1] == EXPANDED_MAX);
	object_doubles_done(&l);
}

static void
test_most(void **state UNUSED)
{
	struct object_doubles l = { 0 };

	for (uint32_t i = 0; i < 1000; i++)
		object_doubles_add(
		    &l, &(struct object_double){ .object = i, .parent = 1 }, 300);
	assert_int_equal(l.count, 300);
	assert_int_equal(l.items[299].object, 299);
	object_doubles_done(&l);
	assert_null(l.items);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_expansion),
		cmocka_unit_test(test_ring), cmocka_unit_test(test_most) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
