/* test_common.h: what many unit tests need: cmocka, comparing slices, counting descriptors, a
 * folder of their own. Not a test by itself. */
#ifndef CORDON_TEST_COMMON_H
#define CORDON_TEST_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macros.h"
#include "base/slice.h"

#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#endif
#endif
#ifndef TEST_ASAN
#define TEST_ASAN 0
#endif

static inline void
slice_expect(struct slice got, const char *want, const char *file, int line)
{
	if (!slice_eq_str(got, want)) {
		print_error("got \"%.*s\", want \"%s\"\n", SLICE_FMT(got), want);
		_fail(file, line);
	}
}
#define assert_slice(got, want) slice_expect((got), (want), __FILE__, __LINE__)

static inline bool
slice_has(struct slice s, const char *text)
{
	return slice_find(s, slice_of_str(text), 0) != SIZE_MAX;
}

/* Put together at run time: no file of ours holds it whole. */
static inline struct slice
eicar_text(void)
{
	static char text[80];

	if (text[0] == '\0')
		(void)snprintf(text, sizeof(text), "%s%s%s", "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
		    "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*");
	return slice_of_str(text);
}

static inline unsigned
fds_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* A new folder; its path is put in path, of at least 64 bytes. */
static inline void
folder_make(char *path)
{
	(void)snprintf(path, 64, "/tmp/cordon-unit-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static inline void
folder_remove(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char file[512];

		(void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		(void)unlink(file);
		(void)rmdir(file);
	}
	if (dir != NULL)
		closedir(dir);
	(void)rmdir(path);
}

static inline void
file_write(const char *folder, const char *name, const char *text)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

#endif
