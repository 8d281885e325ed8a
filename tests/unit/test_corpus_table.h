/* test_corpus_table.h: the files of a folder of the developers' corpus against a table of ours,
 * tests/corpus/NAME.tsv. A line: the file below the folder, the objects found in it, the facts of
 * the file itself, and those of all that is in it; or the file and a star where that depends on
 * memory or on what libarchive read before. Not a test by itself. */
#ifndef CORDON_TEST_CORPUS_TABLE_H
#define CORDON_TEST_CORPUS_TABLE_H

#include <dirent.h>
#include <sys/stat.h>

#include "test_opener.h"

struct corpus_table {
	struct slice text; /* owned */
	const char *folder;
	uint64_t facts; /* that are compared */
	unsigned files, wrong;
};

/* Calls fn for each file below folder; returns their number. */
static inline unsigned
folder_walk(const char *folder, void (*fn)(const char *path, const char *name))
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	unsigned count = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL) {
		char path[2048];
		struct stat st;
		int n = snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);

		if (e->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof(path) || stat(path, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode))
			count += folder_walk(path, fn);
		else
			fn(path, e->d_name);
		count += !S_ISDIR(st.st_mode);
	}
	(void)closedir(dir);
	return count;
}

/* folder: borrowed until the end. */
static inline void
corpus_table_open(struct corpus_table *t, const char *name, const char *folder, uint64_t facts)
{
	const char *source = getenv("CORDON_SOURCE");
	char path[2048];

	(void)snprintf(path, sizeof(path), "%s/tests/corpus/%s", source != NULL ? source : ".", name);
	*t = (struct corpus_table){ .text = file_read(path), .folder = folder, .facts = facts };
	if (t->text.ptr == NULL)
		fail_msg("cannot read %s", path);
}

static inline void
facts_format(uint64_t facts, char *ret, size_t size)
{
	size_t used = 0;

	(void)snprintf(ret, size, "-");
	for (int f = 0; f < FACT_COUNT; f++) {
		if ((facts & FACT_BIT(f)) != 0)
			used += (size_t)snprintf(ret + used, size - used, "%s%s", used > 0 ? "," : "",
			    fact_get_text((enum fact)f));
	}
}

/* What b found in the file at path. A line that the table does not have is printed. */
static inline void
corpus_table_check(struct corpus_table *t, struct bench *b, const char *path)
{
	const char *below = path + strlen(t->folder) + 1;
	uint32_t count = decompose_get_object_count(b->d);
	char own[512], inner[512], line[4096], any[4096];
	uint64_t facts = 0;

	for (uint32_t id = 2; id <= count; id++)
		facts |= decompose_get_object(b->d, id)->facts;
	facts_format(decompose_get_object(b->d, 1)->facts & t->facts, own, sizeof(own));
	facts_format(facts & t->facts, inner, sizeof(inner));
	(void)snprintf(line, sizeof(line), "\n%s\t%u\t%s\t%s\n", below, count - 1, own, inner);
	(void)snprintf(any, sizeof(any), "\n%s\t*\n", below);
	t->files++;
	if (slice_find(t->text, slice_of_str(line), 0) == SIZE_MAX &&
	    slice_find(t->text, slice_of_str(any), 0) == SIZE_MAX) {
		print_message("not expected: %s", line + 1);
		t->wrong++;
	}
}

/* Every file must have been as expected, and there must be so many. */
static inline void
corpus_table_close(struct corpus_table *t, unsigned files)
{
	print_message("%u files, %u not as expected\n", t->files, t->wrong);
	free((void *)(uintptr_t)t->text.ptr);
	assert_int_equal(t->wrong, 0);
	assert_int_equal(t->files, files);
}

#endif
