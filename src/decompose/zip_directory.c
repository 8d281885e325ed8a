/* zip_directory.c: collects central headers; see zip_directory.h. */
#include "decompose/zip_directory.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define ROWS_MAX 70000

void
zip_directory_done(struct zip_directory *t)
{
	free(t->rows);
	memset(t, 0, sizeof(*t));
}

static bool
row_add(struct zip_directory *t, const struct zip_header *h)
{
	if (t->count == t->cap) {
		size_t cap = MAX_OF(t->cap * 2, (size_t)32);
		struct zip_central *bigger;

		bigger = t->count >= ROWS_MAX ? NULL : realloc(t->rows, cap * sizeof(*bigger));
		if (bigger == NULL) {
			t->too_many = true;
			return false;
		}
		t->rows = bigger;
		t->cap = cap;
	}
	t->rows[t->count++] = (struct zip_central){ .header = *h, .local_at = SIZE_MAX };
	return true;
}

static bool
is_local(struct slice file, uint64_t at)
{
	return at <= file.len && file.len - at >= 30 &&
	    memcmp(file.ptr + at, "PK\003\004", 4) == 0;
}

/* Offsets count from the file's start, or from the archive's first byte when something was put
 * in front without telling. Both are tried, base first. */
static void
rows_place(struct zip_directory *t, struct slice file, size_t from, uint64_t base)
{
	for (size_t i = from; i < t->count; i++) {
		uint64_t at = t->rows[i].header.local_at;

		if (at < file.len && is_local(file, at + base))
			t->rows[i].local_at = (size_t)(at + base);
		else if (is_local(file, at))
			t->rows[i].local_at = (size_t)at;
		else if (t->rows[i].header.disk != 0)
			t->multi_volume = true;
	}
}

/* The end record right behind a directory, past a ZIP64 record and a signature. */
static bool
end_behind(struct slice file, size_t at, struct zip_end *ret_end)
{
	size_t found = slice_find(slice_sub(file, 0, MIN_OF(file.len, at + 4096)),
	    SLICE_LIT("PK\005\006"), at);

	return found != SIZE_MAX && zip_end_parse(file, found, ret_end);
}

size_t
zip_directory_read(struct zip_directory *t, struct slice file, size_t start)
{
	size_t at = start, first = t->count, seen = 0;
	uint64_t base = 0;
	struct zip_header h;
	struct zip_end end;

	for (size_t i = 0; i < t->read_count; i++) {
		if (start >= t->read[i].start && start < t->read[i].end)
			return t->read[i].end;
	}
	if (t->read_count == ARRAY_LEN(t->read)) {
		t->too_many = true;
		return start;
	}
	while (zip_header_parse_central(file, at, &h)) {
		seen++;
		at = h.end;
		if (!row_add(t, &h))
			break;
	}
	if (seen == 0)
		return start;
	t->read[t->read_count].start = start;
	t->read[t->read_count++].end = at;
	if (end_behind(file, at, &end)) {
		if (start >= end.directory_at)
			base = start - end.directory_at;
		if ((end.entries & 0xffff) != (seen & 0xffff) && !t->too_many)
			t->miscounted = true;
		if (end.disk != 0 && end.disk != UINT16_MAX)
			t->multi_volume = true;
	}
	rows_place(t, file, first, base);
	return at;
}

void
zip_directory_read_end(struct zip_directory *t, struct slice file, const struct zip_end *end)
{
	if (end->directory_bytes <= end->directory_limit)
		(void)zip_directory_read(t, file,
		    end->directory_limit - (size_t)end->directory_bytes);
	if (end->directory_at < file.len)
		(void)zip_directory_read(t, file, (size_t)end->directory_at);
}

static int
row_compare(const void *a, const void *b)
{
	const struct zip_central *x = a, *y = b;

	if (x->local_at != y->local_at)
		return x->local_at < y->local_at ? -1 : 1;
	return x->header.at < y->header.at ? -1 : x->header.at > y->header.at;
}

void
zip_directory_sort(struct zip_directory *t)
{
	if (t->count > 1)
		qsort(t->rows, t->count, sizeof(*t->rows), row_compare);
}

size_t
zip_directory_find(const struct zip_directory *t, size_t local_at)
{
	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->rows[middle].local_at < local_at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->count && t->rows[low].local_at == local_at ? low : t->count;
}
