/* inline_yenc.c: finds yEnc files in text. Parts of one file that stand in the same text are
 * put together in the order of their places; when they do not fit, each is a file of its own
 * too. */
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "decompose/decode_sink.h"
#include "decompose/decode_yenc.h"
#include "decompose/decompose.h"
#include "decompose/inline_opener.h"

#define SEGMENTS_MAX  2048
#define YENC_NAME_MAX 1024

struct segment {
	struct slice name, data;
	uint64_t begin, end; /* place in the file, from 1; 0: not told */
	uint64_t part;
	uint32_t order;
};

struct yenc_walk {
	struct decompose *d;
	struct object *parent;
	const struct child *base;
	size_t text_len;
	struct segment *segments;
	uint32_t count;
	unsigned files;
};

/* The number behind key ("part=") in a keyword line, or 0. */
static uint64_t
number_get(struct slice line, const char *key)
{
	size_t at = slice_find(line, slice_of_str(key), 0), digits = 0;
	struct slice value;
	uint64_t n = 0;

	if (at == SIZE_MAX)
		return 0;
	value = slice_from(line, at + strlen(key));
	while (digits < value.len && value.ptr[digits] >= '0' && value.ptr[digits] <= '9')
		digits++;
	value.len = digits;
	return slice_parse_uint(value, UINT64_MAX / 2, &n) ? n : 0;
}

static struct slice
name_get(struct slice line)
{
	size_t at = slice_find(line, SLICE_LIT(" name="), 0);
	struct slice name;

	if (at == SIZE_MAX)
		return SLICE_NONE;
	name = slice_trim(slice_from(line, at + 6));
	if (name.len > 2 && name.ptr[0] == '"' && name.ptr[name.len - 1] == '"')
		name = slice_sub(name, 1, name.len - 2);
	return slice_sub(name, 0, YENC_NAME_MAX);
}

static void
segment_add(struct yenc_walk *w, const struct segment *s)
{
	if (s->data.len == 0)
		return;
	if (w->count == SEGMENTS_MAX) {
		object_add_facts(w->parent, FACT_BIT(FACT_LIMIT_OBJECTS));
		return;
	}
	w->segments[w->count] = *s;
	w->segments[w->count].order = w->count;
	w->count++;
}

/* Cuts text into segments by its keyword lines. */
static void
segments_find(struct yenc_walk *w, struct slice text)
{
	struct segment s = { 0 };
	size_t pos = 0, line_start = 0, data_start = 0;
	bool inside = false;
	struct slice line;
	unsigned lines = 0;

	for (; text_next_line(text, &pos, &line); line_start = pos) {
		if ((++lines & 15) == 0 && !budget_has_time(decompose_get_budget(w->d)))
			break;
		if (line.len < 5 || line.ptr[0] != '=' || line.ptr[1] != 'y')
			continue;
		if (slice_starts_with(line, SLICE_LIT("=ypart"))) {
			s.begin = number_get(line, "begin=");
			s.end = number_get(line, "end=");
			data_start = pos;
			continue;
		}
		if (inside)
			s.data = slice_sub(text, data_start, line_start - data_start);
		if (inside)
			segment_add(w, &s);
		inside = slice_starts_with(line, SLICE_LIT("=ybegin"));
		if (inside) {
			s = (struct segment){
				.name = name_get(line),
				.part = number_get(line, "part="),
			};
			data_start = pos;
		}
	}
	if (inside) {
		s.data = slice_from(text, data_start);
		segment_add(w, &s);
	}
}

static void
segments_emit(struct yenc_walk *w, const struct segment *s, uint32_t count)
{
	struct slice names[SINK_NAMES_MAX];
	struct sink sink;
	struct child c;

	sink_begin(&sink, w->d, w->parent, w->text_len);
	for (uint32_t i = 0; i < count && !sink.full; i++) {
		const size_t step = SINK_STEP_MAX - YENC_ROOM;
		bool escaped = false;

		for (size_t at = 0; at < s[i].data.len && !sink.full; at += step)
			sink_put(&sink, yenc_decode(slice_sub(s[i].data, at, step), &escaped,
					    sink_get(&sink, SINK_STEP_MAX)));
	}
	if (sink.total == 0) {
		sink_drop(&sink);
		return;
	}
	c = child_of(w->d, w->base, "yenc", s[0].name, names);
	c.notes |= AMBIGUITY_BIT(37);
	if (w->base == NULL || (w->base->views & VIEW_BIT(VIEW_CTE_YENC)) == 0)
		c.views |= VIEW_BIT(VIEW_YENC_INLINE);
	if (sink_emit(&sink, &c) != NULL)
		w->files++;
}

static int
segment_compare(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;
	size_t n = MIN_OF(x->name.len, y->name.len);
	int r = n > 0 ? memcmp(x->name.ptr, y->name.ptr, n) : 0;

	if (r != 0)
		return r;
	if (x->name.len != y->name.len)
		return x->name.len < y->name.len ? -1 : 1;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* One file of count parts, in order. */
static void
group_emit(struct yenc_walk *w, const struct segment *s, uint32_t count)
{
	bool fits = true;

	for (uint32_t i = 0; i < count; i++)
		fits = fits && s[i].part > 0 &&
		       (i == 0 || (s[i].begin > 0 && s[i].begin == s[i - 1].end + 1));
	if (count == 1 || s[0].part > 0)
		segments_emit(w, s, count);
	if (count == 1 || fits)
		return;
	for (uint32_t i = 0; i < count; i++)
		segments_emit(w, &s[i], 1);
}

unsigned
yenc_emit(
    struct decompose *d, struct object *parent, const struct child *base, struct slice text)
{
	struct yenc_walk w = { .d = d, .parent = parent, .base = base, .text_len = text.len };
	CLEANUP(mem_free) struct segment *segments = mem_new(SEGMENTS_MAX * sizeof(*segments));
	uint32_t first = 0;

	w.segments = segments;
	segments_find(&w, text);
	qsort(w.segments, w.count, sizeof(*w.segments), segment_compare);
	for (uint32_t i = 1; i <= w.count; i++) {
		if (i < w.count && slice_eq(w.segments[i].name, w.segments[first].name))
			continue;
		group_emit(&w, w.segments + first, i - first);
		first = i;
	}
	return w.files;
}
