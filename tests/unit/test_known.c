/* test_known.c: what was found infected before: found again in its epoch only, and never torn
 * while another process writes. */
#include "test_common.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "scan/known.h"

static struct known_table *
table_new(void)
{
	struct known_table *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(t != MAP_FAILED);
	return t;
}

static struct sha256
hash_of(unsigned n)
{
	return sha256_of(slice_of(&n, sizeof(n)));
}

static void
test_found(void **state UNUSED)
{
	struct known_table *t = table_new();
	struct sha256 a = hash_of(1), b = hash_of(2);
	struct known_entry e;

	assert_false(known_find(t, 1, &a, &e));
	known_put(t, 1, &a, "clamav", "Win.Test");
	assert_true(known_find(t, 1, &a, &e));
	assert_string_equal(e.scanner, "clamav");
	assert_string_equal(e.name, "Win.Test");
	assert_false(known_find(t, 1, &b, &e));
	assert_false(known_find(t, 2, &a, &e)); /* a new database, a purge */
	known_put(t, 2, &a, "other", "Other");
	assert_true(known_find(t, 2, &a, &e));
	assert_string_equal(e.name, "Other");
	munmap(t, sizeof(*t));
}

static void
test_long_names(void **state UNUSED)
{
	struct known_table *t = table_new();
	struct sha256 a = hash_of(1);
	struct known_entry e;
	char longest[200];

	memset(longest, 'n', sizeof(longest));
	longest[199] = '\0';
	known_put(t, 1, &a, longest, longest);
	assert_true(known_find(t, 1, &a, &e));
	assert_int_equal(strlen(e.scanner), KNOWN_SCANNER_SIZE - 1);
	assert_int_equal(strlen(e.name), KNOWN_NAME_SIZE - 1);
	munmap(t, sizeof(*t));
}

/* More than there is room for: the last ones are there, none under a wrong name. */
static void
test_many(void **state UNUSED)
{
	struct known_table *t = table_new();
	unsigned found = 0;
	char name[32];

	for (unsigned i = 0; i < 3 * KNOWN_ENTRIES; i++) {
		struct sha256 h = hash_of(i);
		struct known_entry e;

		(void)snprintf(name, sizeof(name), "N%u", i);
		known_put(t, 1, &h, "s", name);
		assert_true(known_find(t, 1, &h, &e));
		assert_string_equal(e.name, name);
	}
	for (unsigned i = 0; i < 4 * KNOWN_ENTRIES; i++) {
		struct sha256 h = hash_of(i);
		struct known_entry e;

		if (!known_find(t, 1, &h, &e))
			continue;
		(void)snprintf(name, sizeof(name), "N%u", i);
		assert_string_equal(e.name, name);
		assert_true(i < 3 * KNOWN_ENTRIES);
		found++;
	}
	assert_true(found > KNOWN_ENTRIES / 2 && found <= KNOWN_ENTRIES);
	munmap(t, sizeof(*t));
}

/* A writer at work in another process: what is read belongs together. */
static void
test_not_torn(void **state UNUSED)
{
	struct known_table *t = table_new();
	struct sha256 same[8];
	unsigned hits = 0, n = 0;
	pid_t pid;

	for (unsigned i = 0; n < 8; i++) { /* hashes that share one place */
		struct sha256 h = hash_of(i);

		if ((h.bytes[8] & 0xfc) == 0x40 && (h.bytes[9] & 0x1f) == 3)
			same[n++] = h;
	}
	pid = fork();
	if (pid == 0) {
		for (uint32_t i = 0;; i++) {
			char name[KNOWN_NAME_SIZE];

			memset(name, 'a' + (int)(i % 8), sizeof(name));
			name[KNOWN_NAME_SIZE - 1] = '\0';
			known_put(t, i / 16 + 1, &same[i % 8], "s", name);
			if (getppid() == 1)
				_exit(0);
		}
	}
	for (unsigned i = 0; i < 3000000 && hits < 2000; i++) {
		struct known_entry e;
		uint32_t epoch = __atomic_load_n(&t->entries[0x340].epoch, __ATOMIC_RELAXED);

		if (!known_find(t, epoch, &same[i % 8], &e))
			continue;
		hits++;
		for (size_t k = 0; k < KNOWN_NAME_SIZE - 1; k++)
			assert_int_equal(e.name[k], 'a' + i % 8);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(hits > 0);
	munmap(t, sizeof(*t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_found),
		cmocka_unit_test(test_long_names), cmocka_unit_test(test_many),
		cmocka_unit_test(test_not_torn) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
