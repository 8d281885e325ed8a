/* test_trail.c: the way to an object: printable whatever the names in it are. */
#include "test_common.h"

#include "base/arena.h"
#include "decompose/trail.h"

static void
test_join(void **state UNUSED)
{
	static const struct {
		const char *parent, *step, *want;
	} rows[] = {
		{ "", "", "" },
		{ "", "2.1 base64", "2.1 base64" },
		{ "2", "", "2" },
		{ "2.1 base64", "a.zip", "2.1 base64 > a.zip" },
		{ "x", "a\nb\x1b[2J\x7f", "x > a?b?[2J?" },
		{ "x", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "x > \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "x", "a\xe2\x80\xae.txt", "x > a?.txt" },          /* turned text */
		{ "x", "a\xe2\x80\x8b-\xef\xbb\xbf", "x > a?-?" }, /* zero width, BOM */
		{ "x", "\xc2\x85z\xc2\xad", "x > ?z?" },            /* C1, soft hyphen */
		{ "x", "\xe2\x81\xa6z\xf3\xa0\x80\xa0", "x > ?z?" }, /* isolates, tags */
		{ "x", "\xffz\xc0\xafz\xe0\x80\xaf", "x > ?z?z?" }, /* no UTF-8, overlong */
		{ "x", "\xed\xa0\x80", "x > ?" },                   /* half a surrogate pair */
		{ "x", "\xf4\x90\x80\x80", "x > ?" },               /* above U+10FFFF */
		{ "x", "z\xe2\x82", "x > z?" },                     /* cut */
	};
	struct arena *a = arena_new(1 << 20);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice got = trail_join(a, slice_of_str(rows[i].parent),
		    slice_of_str(rows[i].step));
		uint8_t shown[200];
		size_t n = 0;

		/* How many marks one character becomes is not promised. */
		for (size_t k = 0; k < got.len; k++) {
			if (got.ptr[k] != '?' || n == 0 || shown[n - 1] != '?')
				shown[n++] = got.ptr[k];
		}
		assert_slice(slice_of(shown, n), rows[i].want);
	}
	arena_free(&a);
}

/* Every character: printable or gone; what comes out is printable UTF-8 again. */
static void
test_every_character(void **state UNUSED)
{
	for (uint32_t c = 0; c < 0x110000; c++) {
		uint8_t b[4];
		size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, got;

		for (size_t i = n; i-- > 1;)
			b[i] = (uint8_t)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
		b[0] = n == 1 ? (uint8_t)c : (uint8_t)((0xf00u >> n & 0xff) | c >> (6 * (n - 1)));
		got = utf8_printable_len(slice_of(b, n));
		if (got != 0 && got != n)
			fail_msg("U+%04X: %zu", c, got);
		if ((c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) ||
		     (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)) && got != 0)
			fail_msg("U+%04X passes", c);
		if (((c >= 0x20 && c < 0x7f) || (c >= 0xa1 && c < 0xad) || (c >= 0x400 && c < 0x1000)) &&
		    got == 0)
			fail_msg("U+%04X is lost", c);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(utf8_printable_len(slice_of(b, cut)), 0);
	}
	assert_int_equal(utf8_printable_len(SLICE_NONE), 0);
}

static void
test_longest(void **state UNUSED)
{
	struct arena *a = arena_new(1 << 20), *tiny = arena_new(10);
	struct slice trail = SLICE_NONE;
	char step[3000];

	memset(step, 's', sizeof(step));
	for (unsigned i = 0; i < 50; i++) {
		trail = trail_join(a, trail, slice_of(step, sizeof(step)));
		assert_true(trail.len > 0 && trail.len <= TRAIL_MAX_BYTES + 4);
	}
	assert_int_equal(trail_join(tiny, trail, SLICE_LIT("x")).len, 0);
	/* Cut in the middle of a character: still no broken UTF-8. */
	for (size_t i = 0; i + 3 <= sizeof(step); i += 3)
		memcpy(step + i, "\xe2\x82\xac", 3);
	for (unsigned i = 0; i < 8; i++) {
		struct slice left;

		if (i % 4 == 0)
			trail = i == 0 ? SLICE_NONE : SLICE_LIT("shift");
		trail = trail_join(a, trail, slice_of(step, sizeof(step) - 3));
		for (left = trail; left.len > 0;) {
			size_t len = utf8_printable_len(left);

			if (len == 0)
				fail_msg("round %u: byte %02x at %zu of %zu", i, left.ptr[0],
				    trail.len - left.len, trail.len);
			left = slice_from(left, len);
		}
	}
	arena_free(&a);
	arena_free(&tiny);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_join),
		cmocka_unit_test(test_every_character), cmocka_unit_test(test_longest) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
