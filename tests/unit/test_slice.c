/* test_slice.c: comparing, cutting and searching borrowed bytes, empty and NULL ones too. */
#include "test_common.h"

static void
test_equal(void **state UNUSED)
{
	static const struct {
		const char *a, *b;
		bool same, same_nocase, starts, starts_nocase, ends_nocase; /* a with b */
	} rows[] = {
		{ "", "", true, true, true, true, true },
		{ "abc", "", false, false, true, true, true },
		{ "", "abc", false, false, false, false, false },
		{ "abc", "abc", true, true, true, true, true },
		{ "abc", "ABC", false, true, false, true, true },
		{ "abcd", "AbC", false, false, false, true, false },
		{ "xabc", "aBc", false, false, false, false, true },
		{ "abc", "abcd", false, false, false, false, false },
		{ "[\\]^_`{", "{|}~\x7f@[", false, false, false, false, false },
		{ "@", "`", false, false, false, false, false }, /* beside the letters */
		{ "[", "{", false, false, false, false, false },
		{ "\xc4", "\xe4", false, false, false, false, false }, /* only ASCII */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice a = slice_of_str(rows[i].a), b = slice_of_str(rows[i].b);

		if (slice_eq(a, b) != rows[i].same || slice_eq_str(a, rows[i].b) != rows[i].same ||
		    slice_eq_nocase(a, b) != rows[i].same_nocase ||
		    slice_eq_str_nocase(a, rows[i].b) != rows[i].same_nocase ||
		    slice_starts_with(a, b) != rows[i].starts ||
		    slice_starts_with_nocase(a, b) != rows[i].starts_nocase ||
		    slice_ends_with_nocase(a, b) != rows[i].ends_nocase)
			fail_msg("%s / %s", rows[i].a, rows[i].b);
	}
	assert_true(slice_eq(SLICE_NONE, SLICE_LIT("")));
	assert_true(slice_eq_str(SLICE_NONE, NULL));
	assert_true(slice_starts_with(SLICE_NONE, SLICE_NONE));
	assert_false(slice_eq(SLICE_LIT("a\0b"), SLICE_LIT("a\0c")));
}

static void
test_cut(void **state UNUSED)
{
	struct slice s = SLICE_LIT("abcdef");

	assert_slice(slice_from(s, 0), "abcdef");
	assert_slice(slice_from(s, 4), "ef");
	assert_slice(slice_from(s, 6), "");
	assert_slice(slice_from(s, SIZE_MAX), "");
	assert_slice(slice_sub(s, 2, 3), "cde");
	assert_slice(slice_sub(s, 2, 0), "");
	assert_slice(slice_sub(s, 2, SIZE_MAX), "cdef");
	assert_slice(slice_sub(s, SIZE_MAX, SIZE_MAX), "");
	assert_int_equal(slice_sub(SLICE_NONE, 0, 5).len, 0);
	assert_int_equal(slice_from(SLICE_NONE, 5).len, 0);
	assert_slice(slice_trim(SLICE_LIT(" \t\r\n a b \n")), "a b");
	assert_slice(slice_trim(SLICE_LIT(" \t\r\n ")), "");
	assert_slice(slice_trim(SLICE_LIT("\va\v")), "\va\v");
	assert_int_equal(slice_trim(SLICE_NONE).len, 0);
	assert_slice(path_get_base(SLICE_LIT("/a/b.c")), "b.c");
	assert_slice(path_get_base(SLICE_LIT("b.c")), "b.c");
	assert_slice(path_get_base(SLICE_LIT("/a/")), "");
}

static void
test_find(void **state UNUSED)
{
	static const struct {
		const char *in, *what;
		size_t from, want, want_nocase;
	} rows[] = {
		{ "abcabc", "abc", 0, 0, 0 },
		{ "abcabc", "abc", 1, 3, 3 },
		{ "abcabc", "abc", 3, 3, 3 },
		{ "abcabc", "abc", 4, SIZE_MAX, SIZE_MAX },
		{ "abcabc", "bC", 0, SIZE_MAX, 1 },
		{ "abc", "abcd", 0, SIZE_MAX, SIZE_MAX },
		{ "abc", "", 0, 0, 0 },
		{ "abc", "", 3, 3, 3 },
		{ "abc", "", 4, SIZE_MAX, SIZE_MAX },
		{ "abc", "c", SIZE_MAX, SIZE_MAX, SIZE_MAX },
		{ "", "a", 0, SIZE_MAX, SIZE_MAX },
		{ "", "", 0, 0, 0 },
		{ "aab", "ab", 0, 1, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice in = slice_of_str(rows[i].in), what = slice_of_str(rows[i].what);

		if (slice_find(in, what, rows[i].from) != rows[i].want ||
		    slice_find_nocase(in, what, rows[i].from) != rows[i].want_nocase)
			fail_msg("%s in %s from %zu", rows[i].what, rows[i].in, rows[i].from);
	}
	assert_true(slice_find(SLICE_NONE, SLICE_LIT("a"), 0) == SIZE_MAX);
	assert_true(slice_find_byte(SLICE_LIT("abca"), 'a', 0) == 0);
	assert_true(slice_find_byte(SLICE_LIT("abca"), 'a', 1) == 3);
	assert_true(slice_find_byte(SLICE_LIT("abca"), 'a', 4) == SIZE_MAX);
	assert_true(slice_find_byte(SLICE_LIT("ab\0c"), 0, 0) == 2);
	assert_true(slice_find_byte(SLICE_NONE, 'a', 0) == SIZE_MAX);
}

static void
test_numbers(void **state UNUSED)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool ok;
		uint64_t want;
	} rows[] = {
		{ "0", 0, true, 0 },
		{ "1", 0, false, 0 },
		{ "007", 10, true, 7 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999999", UINT64_MAX, false, 0 },
		{ "256", 255, false, 0 },
		{ "255", 255, true, 255 },
		{ "", 9, false, 0 },
		{ " 1", 9, false, 0 },
		{ "1 ", 9, false, 0 },
		{ "+1", 9, false, 0 },
		{ "-1", 9, false, 0 },
		{ "0x1", 99, false, 0 },
		{ "1e1", 99, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 12345;
		bool ok = slice_parse_uint(slice_of_str(rows[i].text), rows[i].max, &v);

		if (ok != rows[i].ok || v != (ok ? rows[i].want : 12345))
			fail_msg("\"%s\"", rows[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_equal), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_find), cmocka_unit_test(test_numbers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
