/* mime_split.c: the parts of a multipart body at one boundary (RFC 2046 section 5.1), with what
 * readers do about close delimiters in the middle, missing ones, and lines that are delimiters
 * for some only. Parts are ranges; nothing is copied. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/mime_walk.h"

#define GLUED_MAX 16

struct delimiters {
	uint32_t *all; /* indices of lines, by offset */
	size_t count, cap;
	size_t opens, odd_opens, odd;
	bool closed;
};

static void
delimiters_free(struct delimiters *d)
{
	free(d->all);
}

static bool
delimiters_add(struct delimiters *d, uint32_t index, uint32_t flags)
{
	if (d->count == d->cap) {
		size_t cap = MAX_OF(d->cap * 2, (size_t)32);
		uint32_t *bigger = realloc(d->all, cap * sizeof(*bigger));

		if (bigger == NULL)
			return false;
		d->all = bigger;
		d->cap = cap;
	}
	d->all[d->count++] = index;
	if ((flags & LINE_CLOSE) == 0) {
		d->opens++;
		d->odd_opens += (flags & LINE_ODD) != 0;
	} else {
		d->closed = true;
	}
	d->odd += (flags & LINE_ODD) != 0;
	return true;
}

/* A boundary that ends with "--" makes one line an open and a close; the open counts. */
static void
delimiters_find(struct mime_walk *w, const struct mime_split *s, struct delimiters *d)
{
	struct mime_lines *lines = mime_walk_get_lines(w);
	uint32_t hash = mime_line_hash(s->boundary), index;
	size_t cursor = 0;

	while (mime_lines_next(lines, hash, s->start, s->end, &cursor, &index)) {
		struct mime_line *line = &lines->all[index];

		if (!mime_line_eq(mime_line_get_text(w->all, line), s->boundary))
			continue;
		line->flags |= LINE_USED;
		if (d->count > 0 && lines->all[d->all[d->count - 1]].at == line->at)
			continue;
		if (!delimiters_add(d, index, line->flags)) {
			mime_walk_limit(w, FACT_LIMIT_VIEWS);
			return;
		}
		if (d->count % 1024 == 0 && !budget_has_time(w->budget))
			return;
	}
}

static bool
is_blank(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] > ' ')
			return false;
	}
	return true;
}

/* What no part holds: text that clients have shown, or a part that lost its delimiter. */
static void
push_between(struct mime_walk *w, const struct mime_split *s, size_t from, size_t to,
    const char *step, uint64_t view)
{
	struct slice text = slice_sub(w->all, from, to - from);

	if (from >= to || is_blank(slice_sub(text, 0, 4096)))
		return;
	mime_leaf_emit_text(w, s->node, text, s->views | view, step);
	if (mime_header_is_field(text)) {
		struct mime_item item = { .start = from,
			.end = to,
			.node = s->node,
			.depth = s->depth + 1,
			.views = s->views | view,
			.classes = s->classes | AMBIGUITY_BIT(20) };

		(void)mime_walk_push(w, &item);
	}
}

/* "words--b": readers that search for the boundary find it in the middle of a line too. Looked
 * for where no line is a delimiter. Returns how many parts were found. */
static size_t
split_glued(struct mime_walk *w, const struct mime_split *s, size_t from, size_t to)
{
	struct slice range = slice_sub(w->all, 0, to), boundary = slice_trim(s->boundary);
	struct mime_item item = { .end = to,
		.depth = s->depth + 1,
		.digest = s->digest,
		.views = s->views | VIEW_BIT(VIEW_BND_GUESS),
		.classes = s->classes | AMBIGUITY_BIT(21) };
	size_t at = from, parts = 0, line_end = 0;

	if (boundary.len == 0 || to - from > w->left_leaf_bytes)
		return 0;
	w->left_leaf_bytes -= to - from;
	while (parts < GLUED_MAX && (at = slice_find(range, boundary, at)) != SIZE_MAX) {
		size_t start = at;

		at += boundary.len;
		if (start < from + 2 || range.ptr[start - 1] != '-' || range.ptr[start - 2] != '-')
			continue;
		if (line_end <= start) /* one search for all that stand on one line */
			line_end = slice_find_byte(range, '\n', start);
		if (line_end == SIZE_MAX)
			break;
		if (!mime_header_is_field(slice_from(range, line_end + 1)))
			continue;
		item.start = line_end + 1;
		item.node = mime_walk_add_node(w, s->node, (uint32_t)++parts);
		mime_walk_flag(w, AMBIGUITY_BIT(21));
		if (!mime_walk_push(w, &item))
			break;
	}
	return parts;
}

/* A tree of its own before the first delimiter or behind the close. */
static bool
guess_between(struct mime_walk *w, const struct mime_split *s, size_t start, size_t end)
{
	struct mime_split inner = *s;

	inner.start = start;
	inner.end = end;
	inner.declared = false;
	inner.classes |= AMBIGUITY_BIT(21);
	if (mime_guess(w, &inner) == 0)
		return false;
	mime_walk_flag(w, AMBIGUITY_BIT(21));
	return true;
}

/* One pass over the delimiters; with_odd: those that only some readers see count too. */
static size_t
split_pass(
    struct mime_walk *w, const struct mime_split *s, const struct delimiters *d, bool with_odd)
{
	struct mime_lines *lines = &w->lines;
	size_t pushed_before = w->item_count, parts = 0, at = s->start;
	bool open = false, closed = false;
	struct mime_item item = {
		.depth = s->depth + 1,
		.digest = s->digest,
		.views = s->views,
		.classes = s->classes,
	};

	for (size_t i = 0; i <= d->count; i++) {
		const struct mime_line *line = i < d->count ? &lines->all[d->all[i]] : NULL;
		size_t start = s->end, end = s->end;

		if (line != NULL) {
			if (!with_odd && (line->flags & LINE_ODD) != 0)
				continue;
			start = mime_line_get_start(w->all, line, at);
			end = mime_line_get_end_before(w->all, start, at);
		}
		if (open) {
			item.start = at;
			item.end = MAX_OF(at, end);
			item.node = mime_walk_add_node(w, s->node, (uint32_t)++parts);
			if (closed) {
				item.views |= VIEW_BIT(VIEW_BND_AFTER);
				item.classes |= AMBIGUITY_BIT(20);
				mime_walk_flag(w, AMBIGUITY_BIT(20));
			}
			if (!mime_walk_push(w, &item))
				break;
		} else {
			push_between(w, s, at, MAX_OF(at, start),
			    closed ? "epilogue" : "preamble",
			    VIEW_BIT(closed ? VIEW_EPILOGUE : VIEW_PREAMBLE));
			if (closed && start > at && with_odd && s->declared)
				(void)guess_between(w, s, at, start);
			else if (!closed && line != NULL && start > at && with_odd &&
				 !guess_between(w, s, at, start))
				(void)split_glued(w, s, at, start);
		}
		if (line == NULL)
			break;
		open = (line->flags & LINE_CLOSE) == 0;
		closed |= !open;
		at = MIN_OF(mime_line_get_end(w->all, line), s->end);
	}
	mime_walk_turn(w, w->item_count - pushed_before);
	return parts;
}

static void
add_record(struct mime_walk *w, const struct mime_split *s, bool closed)
{
	struct mime_record *r;

	if (w->record_count == w->record_cap) {
		size_t cap = MAX_OF(w->record_cap * 2, (size_t)16);
		struct mime_record *bigger = realloc(w->records, cap * sizeof(*bigger));

		if (bigger == NULL) {
			mime_walk_limit(w, FACT_LIMIT_VIEWS);
			return;
		}
		w->records = bigger;
		w->record_cap = cap;
	}
	r = &w->records[w->record_count++];
	*r = (struct mime_record){ .closed = closed,
		.boundary = arena_copy(w->arena, s->boundary),
		.item = { .start = s->start,
		    .end = s->end,
		    .node = s->node,
		    .depth = s->depth,
		    .digest = s->digest,
		    .views = s->views,
		    .classes = s->classes } };
}

size_t
mime_split(struct mime_walk *w, const struct mime_split *s)
{
	CLEANUP(delimiters_free) struct delimiters d = { .count = 0 };
	struct mime_split odd = *s;
	size_t parts;

	delimiters_find(w, s, &d);
	if (s->declared)
		add_record(w, s, d.closed);
	if (d.opens == 0)
		return s->declared ? split_glued(w, s, s->start, s->end) : 0;
	if (d.odd == 0)
		return split_pass(w, s, &d, true);
	parts = d.opens > d.odd_opens ? split_pass(w, s, &d, false) : 0;
	odd.views |= VIEW_BIT(VIEW_HDR_CR);
	odd.classes |= AMBIGUITY_BIT(18);
	mime_walk_flag(w, AMBIGUITY_BIT(18));
	return parts + split_pass(w, &odd, &d, true);
}
