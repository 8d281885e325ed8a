/* test_verdict_cache.c: earlier answers: only under the same key, only clean and infected, only
 * for a while. */
#include "test_common.h"

#include "scan/verdict_cache.h"

static struct verdict_key
key_of(unsigned n)
{
	return (struct verdict_key){ .hash = sha256_of(slice_of(&n, sizeof(n))), .scanner = 1,
		.version = 10 };
}

static void
test_keys(void **state UNUSED)
{
	struct verdict_cache *c = verdict_cache_new(100, 1000);
	struct verdict_key k = key_of(1), other;
	char name[VERDICT_NAME_SIZE] = "untouched";

	assert_int_equal(verdict_cache_find(c, &k, name), VERDICT_UNKNOWN);
	verdict_cache_put(c, &k, VERDICT_INFECTED, SLICE_LIT("Virus"));
	assert_int_equal(verdict_cache_find(c, &k, name), VERDICT_INFECTED);
	assert_string_equal(name, "Virus");
	other = k;
	other.scanner = 2;
	assert_int_equal(verdict_cache_find(c, &other, name), VERDICT_UNKNOWN);
	other = k;
	other.flags = 1;
	assert_int_equal(verdict_cache_find(c, &other, name), VERDICT_UNKNOWN);
	other = k;
	other.version = 11; /* a new database */
	assert_int_equal(verdict_cache_find(c, &other, name), VERDICT_UNKNOWN);
	other = k;
	other.hash.bytes[31] ^= 1;
	assert_int_equal(verdict_cache_find(c, &other, name), VERDICT_UNKNOWN);
	verdict_cache_put(c, &k, VERDICT_CLEAN, SLICE_NONE); /* a later answer replaces it */
	assert_int_equal(verdict_cache_find(c, &k, name), VERDICT_CLEAN);
	assert_string_equal(name, "");
	assert_int_equal(verdict_cache_get_status(c).hits, 2);
	assert_int_equal(verdict_cache_get_status(c).misses, 5);
	assert_int_equal(verdict_cache_get_status(c).stored, 2);
	assert_int_equal(verdict_cache_get_status(c).entries, 128);
	verdict_cache_purge(c);
	assert_int_equal(verdict_cache_find(c, &k, name), VERDICT_UNKNOWN);
	verdict_cache_free(&c);
	assert_null(c);
	verdict_cache_free(&c);
}

static void
test_unknown_is_not_kept(void **state UNUSED)
{
	struct verdict_cache *c = verdict_cache_new(8, 1000);
	struct verdict_key k = key_of(1);
	char name[VERDICT_NAME_SIZE];

	verdict_cache_put(c, &k, VERDICT_UNKNOWN, SLICE_NONE);
	assert_int_equal(verdict_cache_find(c, &k, name), VERDICT_UNKNOWN);
	assert_int_equal(verdict_cache_get_status(c).stored, 0);
	verdict_cache_put(c, &k, VERDICT_CLEAN, SLICE_NONE);
	verdict_cache_put(c, &k, VERDICT_UNKNOWN, SLICE_NONE); /* nor does it undo one */
	assert_int_equal(verdict_cache_find(c, &k, name), VERDICT_CLEAN);
	verdict_cache_free(&c);
}

static void
test_no_cache(void **state UNUSED)
{
	struct verdict_cache *c = verdict_cache_new(0, 1000);
	struct verdict_key k = key_of(1);
	char name[VERDICT_NAME_SIZE];

	verdict_cache_put(c, &k, VERDICT_CLEAN, SLICE_NONE);
	assert_int_equal(verdict_cache_find(c, &k, name), VERDICT_UNKNOWN);
	verdict_cache_purge(c);
	verdict_cache_free(&c);
}

static void
test_age(void **state UNUSED)
{
	struct verdict_cache *c = verdict_cache_new(8, 0);
	struct verdict_key k = key_of(1);
	char name[VERDICT_NAME_SIZE];

	verdict_cache_put(c, &k, VERDICT_CLEAN, SLICE_NONE);
	usleep(1100000);
	assert_int_equal(verdict_cache_find(c, &k, name), VERDICT_UNKNOWN);
	verdict_cache_free(&c);
}

/* The one unused longest makes room; no answer ever moves to another object. */
static void
test_full(void **state UNUSED)
{
	struct verdict_cache *c = verdict_cache_new(8, 1000);
	struct verdict_key first = key_of(0);
	char name[VERDICT_NAME_SIZE], longest[200], want[16];
	unsigned found = 0;

	for (unsigned i = 0; i < 100; i++) {
		struct verdict_key k = key_of(i);

		(void)snprintf(want, sizeof(want), "N%u", i);
		verdict_cache_put(c, &k, VERDICT_INFECTED, slice_of_str(want));
		assert_int_equal(verdict_cache_find(c, &first, name), VERDICT_INFECTED); /* used often */
		assert_string_equal(name, "N0");
	}
	for (unsigned i = 0; i < 100; i++) {
		struct verdict_key k = key_of(i);

		if (verdict_cache_find(c, &k, name) == VERDICT_UNKNOWN)
			continue;
		(void)snprintf(want, sizeof(want), "N%u", i);
		assert_string_equal(name, want);
		assert_true(i == 0 || i >= 93);
		found++;
	}
	assert_int_equal(found, 8);
	memset(longest, 'n', sizeof(longest));
	verdict_cache_put(c, &first, VERDICT_INFECTED, slice_of(longest, sizeof(longest)));
	assert_int_equal(verdict_cache_find(c, &first, name), VERDICT_INFECTED);
	assert_int_equal(strlen(name), VERDICT_NAME_SIZE - 1);
	verdict_cache_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_keys),
		cmocka_unit_test(test_unknown_is_not_kept), cmocka_unit_test(test_no_cache),
		cmocka_unit_test(test_age), cmocka_unit_test(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
