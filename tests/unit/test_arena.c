/* test_arena.c: memory of one mail: zeroed, aligned, bounded, all gone at once. */
#include "test_common.h"

#include <stdalign.h>

#include "base/arena.h"

static void
test_pieces(void **state UNUSED)
{
	struct arena *a = arena_new(64 << 20);
	unsigned char *pieces[400];

	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
			size_t size = i * i % 5000;

			pieces[i] = arena_alloc(a, size);
			assert_non_null(pieces[i]);
			assert_true(TEST_ASAN || (uintptr_t)pieces[i] % alignof(max_align_t) == 0);
			for (size_t k = 0; k < size; k++)
				assert_int_equal(pieces[i][k], 0); /* also when used before */
			memset(pieces[i], (int)(i + 1), size);
		}
		for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
			for (size_t k = 0; k < i * i % 5000; k++) /* none overlaps another */
				assert_int_equal(pieces[i][k], (unsigned char)(i + 1));
		}
		assert_true(arena_get_used(a) > 0);
		arena_clear(a);
		assert_int_equal(arena_get_used(a), 0);
	}
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
}

static void
test_bounded(void **state UNUSED)
{
	struct arena *a = arena_new(10000);
	size_t got = 0;

	assert_null(arena_alloc(a, 10001));
	assert_null(arena_alloc(a, SIZE_MAX));
	assert_null(arena_alloc(a, SIZE_MAX - 8));
	while (arena_alloc(a, 100) != NULL)
		got += 100;
	assert_true(got > 8000 && got <= 10000);
	assert_true(arena_get_used(a) <= 10000);
	assert_null(arena_copy(a, slice_of("x", 200)).ptr);
	arena_clear(a);
	assert_non_null(arena_alloc(a, 10000 - 16));
	arena_free(&a);
}

static void
test_copy(void **state UNUSED)
{
	struct arena *a = arena_new(10000);
	char text[] = "text";
	struct slice s = arena_copy(a, slice_of_str(text)), none;

	text[0] = 'n';
	assert_slice(s, "text");
	assert_int_equal(s.ptr[4], '\0');
	none = arena_copy(a, SLICE_NONE);
	assert_non_null(none.ptr); /* NULL means refused */
	assert_int_equal(none.len, 0);
	assert_null(arena_copy(a, slice_of(text, SIZE_MAX)).ptr);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_bounded), cmocka_unit_test(test_copy) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
