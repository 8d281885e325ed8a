/* mime_line.c: the index of lines that begin with "--". Whether one is a delimiter depends on
 * the boundary, which mime_split.c knows. */
#include "decompose/mime_line.h"

#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/macros.h"
#include "decompose/budget.h"

#define HASHED_BYTES 1024
#define INDENT_MAX   64
#define SCAN_PIECE   (16u * 1024)
#define LINE_PIECE   256 /* looked at for LF, then for CR: lines are short */

static bool
is_control(uint8_t c)
{
	return c < ' ' || c == 0x7f;
}

/* Trailing blanks and controls go: "--b \t" is "--b". */
static struct slice
text_trim_end(struct slice text)
{
	while (
	    text.len > 0 && (text.ptr[text.len - 1] <= ' ' || text.ptr[text.len - 1] == 0x7f))
		text.len--;
	return text;
}

uint32_t
mime_line_hash(struct slice text)
{
	uint32_t h = 2166136261u;

	text = text_trim_end(text);
	for (size_t i = 0; i < text.len && i < HASHED_BYTES; i++) {
		if (!is_control(text.ptr[i]))
			h = (h ^ text.ptr[i]) * 16777619u;
	}
	return h ^ h >> 15;
}

bool
mime_line_eq(struct slice text, struct slice boundary)
{
	size_t i = 0, k = 0;

	text = text_trim_end(text);
	boundary = text_trim_end(boundary);
	if (slice_eq(text, boundary))
		return true;
	for (;;) {
		while (i < text.len && is_control(text.ptr[i]))
			i++;
		while (k < boundary.len && is_control(boundary.ptr[k]))
			k++;
		if (i == text.len || k == boundary.len)
			return i == text.len && k == boundary.len;
		if (text.ptr[i++] != boundary.ptr[k++])
			return false;
	}
}

/* Where the line ends that holds offset at: at its LF, at a CR, or at the end of all. */
static size_t
line_text_end(struct slice all, size_t at)
{
	while (at < all.len) {
		size_t len = MIN_OF((size_t)LINE_PIECE, all.len - at);
		const uint8_t *lf = memchr(all.ptr + at, '\n', len);
		const uint8_t *cr;

		if (lf != NULL)
			len = (size_t)(lf - all.ptr) - at;
		cr = len > 0 ? memchr(all.ptr + at, '\r', len) : NULL;
		if (cr != NULL)
			return (size_t)(cr - all.ptr);
		if (lf != NULL)
			return at + len;
		at += len;
	}
	return all.len;
}

static struct slice
line_whole_text(struct slice all, const struct mime_line *line)
{
	size_t at = (size_t)line->at + 2;

	return slice_sub(all, at, line_text_end(all, at) - at);
}

/* The same without "--" at its end, in *ret; false when there is none. */
static bool
text_take_close(struct slice text, struct slice *ret)
{
	text = text_trim_end(text);
	if (text.len < 2 || text.ptr[text.len - 1] != '-' || text.ptr[text.len - 2] != '-')
		return false;
	*ret = text_trim_end(slice_sub(text, 0, text.len - 2));
	return true;
}

struct slice
mime_line_get_text(struct slice all, const struct mime_line *line)
{
	struct slice text = line_whole_text(all, line), base;

	if ((line->flags & LINE_CLOSE) != 0 && text_take_close(text, &base))
		return base;
	return text;
}

size_t
mime_line_get_end(struct slice all, const struct mime_line *line)
{
	size_t end = line_text_end(all, (size_t)line->at + 2);
	size_t crs = end;

	while (crs < all.len && all.ptr[crs] == '\r')
		crs++;
	if (crs < all.len && all.ptr[crs] == '\n')
		return crs + 1;
	return MIN_OF(end + 1, all.len);
}

size_t
mime_line_get_start(struct slice all, const struct mime_line *line, size_t floor)
{
	size_t at = (size_t)line->at;

	if ((line->flags & LINE_INDENT) != 0) {
		while (at > floor && all.ptr[at - 1] != '\n' && all.ptr[at - 1] != '\r')
			at--;
	}
	return at;
}

size_t
mime_line_get_end_before(struct slice all, size_t start, size_t floor)
{
	if (start > floor && all.ptr[start - 1] == '\n')
		start--;
	if (start > floor && all.ptr[start - 1] == '\r')
		start--;
	return start;
}

static bool
lines_add(struct mime_lines *l, struct mime_line line)
{
	if (l->count == l->cap) {
		size_t cap = MAX_OF(l->cap * 2, (size_t)64);
		struct mime_line *bigger =
		    l->count >= MIME_LINES_MAX ? NULL : realloc(l->all, cap * sizeof(*bigger));

		if (bigger == NULL) {
			l->cut = true;
			return false;
		}
		l->all = bigger;
		l->cap = cap;
	}
	l->all[l->count++] = line;
	return true;
}

/* Is at (of "--") the first thing on its line? Sets how the line begins. */
static bool
line_begins(struct slice all, size_t at, uint32_t *ret_flags)
{
	size_t i = at;

	*ret_flags = 0;
	while (
	    i > 0 && all.ptr[i - 1] <= ' ' && all.ptr[i - 1] != '\n' && at - i < INDENT_MAX) {
		if (all.ptr[i - 1] == '\r') {
			*ret_flags |= LINE_CR;
			return true;
		}
		*ret_flags |= LINE_INDENT;
		i--;
	}
	return i == 0 || all.ptr[i - 1] == '\n';
}

static bool
lines_add_at(struct mime_lines *l, struct slice all, size_t at)
{
	struct mime_line line = { .at = at };
	struct slice text, base;
	size_t end;

	if (!line_begins(all, at, &line.flags))
		return true;
	text = line_whole_text(all, &line);
	end = at + 2 + text.len;
	if (end < all.len && all.ptr[end] == '\r') {
		while (end < all.len && all.ptr[end] == '\r')
			end++;
		if (end < all.len && all.ptr[end] != '\n')
			line.flags |= LINE_CONTROL;
	}
	text = text_trim_end(text);
	for (size_t i = 0; i < text.len && i < HASHED_BYTES; i++) {
		if (is_control(text.ptr[i]))
			line.flags |= LINE_CONTROL;
	}
	line.hash = mime_line_hash(text);
	if (!lines_add(l, line))
		return false;
	if (!text_take_close(text, &base))
		return true;
	line.flags |= LINE_CLOSE;
	line.hash = mime_line_hash(base);
	return lines_add(l, line);
}

/* Offset of the next "--" in [at, end) that no "-" stands before, or end. */
static size_t
find_dashes(struct slice all, size_t at, size_t end)
{
#ifdef __SSE2__
	const __m128i dash = _mm_set1_epi8('-');

	for (; at + 17 <= end; at += 16) {
		__m128i here = _mm_loadu_si128((const __m128i *)(const void *)(all.ptr + at));
		__m128i next =
		    _mm_loadu_si128((const __m128i *)(const void *)(all.ptr + at + 1));
		__m128i both =
		    _mm_and_si128(_mm_cmpeq_epi8(here, dash), _mm_cmpeq_epi8(next, dash));
		unsigned mask = (unsigned)_mm_movemask_epi8(both);

		if (mask != 0)
			return at + (size_t)__builtin_ctz(mask);
	}
#endif
	while (at + 1 < end) {
		const uint8_t *dash1 = memchr(all.ptr + at, '-', end - at - 1);

		if (dash1 == NULL)
			return end;
		at = (size_t)(dash1 - all.ptr);
		if (all.ptr[at + 1] == '-')
			return at;
		at++;
	}
	return end;
}

static void
lines_find_all(struct mime_lines *l, struct slice all, struct budget *b)
{
	size_t at = 0, clock_at = SCAN_PIECE;

	while (at < all.len) {
		size_t end = MIN_OF(at + SCAN_PIECE, all.len);
		size_t found = find_dashes(all, at, end);

		if (found >= clock_at) {
			clock_at = found + SCAN_PIECE;
			if (!budget_has_time(b)) {
				l->cut = true;
				return;
			}
		}
		if (found >= end) {
			at = end == all.len ? all.len : end - 1;
			continue;
		}
		if (!lines_add_at(l, all, found))
			return;
		for (at = found + 2; at < all.len && all.ptr[at] == '-';)
			at++;
	}
}

/* Counting sort of the entries by bucket; it is stable, so offsets stay in order. */
static void
lines_sort(struct mime_lines *l)
{
	uint32_t size = 16;

	while (size < l->count)
		size *= 2;
	l->bucket_mask = size - 1;
	l->order = calloc(MAX_OF(l->count, (size_t)1), sizeof(*l->order));
	l->buckets = calloc((size_t)size + 1, sizeof(*l->buckets));
	if (l->order == NULL || l->buckets == NULL) {
		l->count = 0;
		l->cut = true;
		return;
	}
	for (size_t i = 0; i < l->count; i++)
		l->buckets[(l->all[i].hash & l->bucket_mask) + 1]++;
	for (uint32_t i = 0; i < size; i++)
		l->buckets[i + 1] += l->buckets[i];
	for (size_t i = 0; i < l->count; i++)
		l->order[l->buckets[l->all[i].hash & l->bucket_mask]++] = (uint32_t)i;
	memmove(l->buckets + 1, l->buckets, size * sizeof(*l->buckets));
	l->buckets[0] = 0;
}

void
mime_lines_build(struct mime_lines *l, struct slice all, struct budget *b)
{
	lines_find_all(l, all, b);
	lines_sort(l);
	l->built = true;
}

void
mime_lines_done(struct mime_lines *l)
{
	free(l->all);
	free(l->order);
	free(l->buckets);
	memset(l, 0, sizeof(*l));
}

size_t
mime_lines_find(const struct mime_lines *l, size_t offset)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->all[middle].at < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
mime_lines_next(const struct mime_lines *l, uint32_t hash, size_t from, size_t to,
    size_t *cursor, uint32_t *ret_index)
{
	uint32_t low, high, end;

	if (l->count == 0)
		return false;
	low = l->buckets[hash & l->bucket_mask];
	end = high = l->buckets[(hash & l->bucket_mask) + 1];
	if (*cursor == 0) {
		while (low < high) {
			uint32_t middle = low + (high - low) / 2;

			if (l->all[l->order[middle]].at < from)
				low = middle + 1;
			else
				high = middle;
		}
		*cursor = (size_t)low + 1;
	}
	for (; *cursor <= end; (*cursor)++) {
		const struct mime_line *line = &l->all[l->order[*cursor - 1]];

		if (line->at >= to)
			return false;
		if (line->hash != hash)
			continue;
		*ret_index = l->order[(*cursor)++ - 1];
		return true;
	}
	return false;
}
