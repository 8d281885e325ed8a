/* mime_guess.c: parts at boundaries that nobody declared, or that were declared elsewhere:
 * multiparts without a usable boundary, trees in a preamble, stray delimiters of a closed
 * level, lines that only begin like a delimiter, inner parts that run on behind an outer
 * delimiter. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/mime_walk.h"

#define GUESSES_MAX    8
#define CANDIDATES_MAX 64
#define LENGTHS_MAX    16
#define BOUNDARY_LONG  70 /* some readers cut there */

struct candidate {
	uint32_t hash, count, line;
	bool header_follows;
};

static bool
is_all_dashes(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != '-')
			return false;
	}
	return text.len > 0;
}

static bool
header_follows(const struct mime_walk *w, const struct mime_line *line)
{
	return mime_header_is_field(slice_from(w->all, mime_line_get_end(w->all, line)));
}

/* Distinct "--x" lines of the range, in their order. */
static size_t
find_candidates(
    struct mime_walk *w, const struct mime_split *s, struct candidate found[CANDIDATES_MAX])
{
	struct mime_lines *lines = mime_walk_get_lines(w);
	size_t count = 0;

	for (size_t i = mime_lines_find(lines, s->start);
	     i < lines->count && lines->all[i].at < s->end; i++) {
		const struct mime_line *line = &lines->all[i];
		size_t k = 0;

		if (w->left_guess_lines == 0) {
			mime_walk_limit(w, FACT_LIMIT_VIEWS);
			break;
		}
		w->left_guess_lines--;
		if ((line->flags & LINE_CLOSE) != 0)
			continue;
		while (k < count && found[k].hash != line->hash)
			k++;
		if (k == CANDIDATES_MAX)
			continue;
		if (k == count)
			found[count++] =
			    (struct candidate){ line->hash, 0, (uint32_t)i, false };
		found[k].count++;
		if (!found[k].header_follows)
			found[k].header_follows = header_follows(w, line);
	}
	return count;
}

size_t
mime_guess(struct mime_walk *w, const struct mime_split *s)
{
	struct candidate found[CANDIDATES_MAX];
	struct mime_split guess = *s;
	size_t count = find_candidates(w, s, found), parts = 0, guesses = 0;

	guess.declared = false;
	guess.views |= VIEW_BIT(VIEW_BND_GUESS);
	guess.classes |= AMBIGUITY_BIT(14);
	for (size_t i = 0; i < count; i++) {
		const struct mime_line *line = &w->lines.all[found[i].line];

		guess.boundary = mime_line_get_text(w->all, line);
		if (is_all_dashes(slice_trim(guess.boundary)) ||
		    (!found[i].header_follows &&
			(found[i].count < 2 || slice_trim(guess.boundary).len == 0)))
			continue;
		if (guesses++ == GUESSES_MAX) {
			mime_walk_limit(w, FACT_LIMIT_VIEWS);
			break;
		}
		parts += mime_split(w, &guess);
	}
	return parts;
}

/* Boundaries by hash, to find the one that a line begins with. */
struct declared {
	uint32_t *table; /* index of a record + 1, or 0 */
	uint32_t mask;
	size_t lengths[LENGTHS_MAX]; /* distinct lengths of boundaries */
	size_t length_count;
	bool cut;
};

static void
declared_free(struct declared *d)
{
	free(d->table);
}

static struct slice
record_key(const struct mime_record *r, size_t len)
{
	return slice_sub(r->boundary, 0, len);
}

static void
declared_add_length(struct declared *d, size_t len)
{
	for (size_t i = 0; i < d->length_count; i++) {
		if (d->lengths[i] == len)
			return;
	}
	if (d->length_count == LENGTHS_MAX)
		d->cut = true;
	else
		d->lengths[d->length_count++] = len;
}

static void
declared_add(struct declared *d, struct slice key, uint32_t record)
{
	for (uint32_t k = mime_line_hash(key);; k++) {
		uint32_t *place = &d->table[k & d->mask];

		if (*place != 0)
			continue;
		*place = record + 1;
		return;
	}
}

/* Builds the table: the whole boundary of each record, and the first 70 bytes of a long one.
 * Records of one boundary are one entry. */
static bool
declared_build(struct mime_walk *w, struct declared *d)
{
	uint32_t size = 16;

	while (size < w->record_count * 4)
		size *= 2;
	d->table = calloc(size, sizeof(*d->table));
	if (d->table == NULL)
		return false;
	d->mask = size - 1;
	for (uint32_t i = 0; i < w->record_count; i++) {
		struct slice b = w->records[i].boundary;
		bool same = i > 0 && slice_eq(b, w->records[i - 1].boundary);

		if (b.ptr == NULL || b.len == 0 || same)
			continue;
		declared_add_length(d, b.len);
		declared_add(d, b, i);
		if (b.len > BOUNDARY_LONG) {
			declared_add_length(d, BOUNDARY_LONG);
			declared_add(d, slice_sub(b, 0, BOUNDARY_LONG), i);
		}
	}
	return true;
}

/* The record whose boundary text begins with; *ret_exact: and there is nothing behind it. */
static const struct mime_record *
declared_find(
    const struct mime_walk *w, const struct declared *d, struct slice text, bool *ret_exact)
{
	for (size_t i = 0; i < d->length_count; i++) {
		size_t len = d->lengths[i];
		struct slice key = slice_sub(text, 0, len);
		uint32_t k = mime_line_hash(key);

		if (key.len < len)
			continue;
		for (unsigned steps = 0; d->table[k & d->mask] != 0 && steps < 64;
		     k++, steps++) {
			const struct mime_record *r = &w->records[d->table[k & d->mask] - 1];

			if (!slice_eq(record_key(r, len), key))
				continue;
			*ret_exact = slice_trim(text).len == r->boundary.len;
			return r;
		}
	}
	return NULL;
}

/* Does what stands behind the boundary on the line make it another word? "b" and "b2" are two
 * boundaries; "b-" and "b x" may be one for a careless reader. */
static bool
tail_is_another_word(const struct mime_record *r, struct slice text)
{
	uint8_t c;

	if (text.len <= r->boundary.len || r->boundary.len > BOUNDARY_LONG)
		return false;
	c = ascii_lower(text.ptr[r->boundary.len]);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '=' ||
	       c == '.';
}

/* The end of a part that begins behind line i: the next line that is or may be a delimiter. */
static size_t
find_part_end(const struct mime_walk *w, size_t i, const uint8_t *chosen)
{
	const struct mime_lines *l = &w->lines;
	uint64_t at = l->all[i].at;

	for (i++; i < l->count; i++) {
		if (l->all[i].at > at &&
		    ((l->all[i].flags & LINE_USED) != 0 || chosen[i] != 0)) {
			size_t start = mime_line_get_start(w->all, &l->all[i], 0);

			return mime_line_get_end_before(w->all, start, 0);
		}
	}
	return w->all.len;
}

static void
push_stray(struct mime_walk *w, size_t i, const struct mime_record *r, bool exact,
    const uint8_t *chosen)
{
	unsigned number = exact ? 17 : r->boundary.len > BOUNDARY_LONG ? 19 : 20;
	struct mime_item item = r->item;

	item.start = mime_line_get_end(w->all, &w->lines.all[i]);
	item.end = find_part_end(w, i, chosen);
	if (item.start >= item.end)
		return;
	item.depth++;
	item.views |= VIEW_BIT(VIEW_BND_STRAY);
	item.classes |= AMBIGUITY_BIT(number);
	mime_walk_flag(w, AMBIGUITY_BIT(number));
	w->lines.all[i].flags |= LINE_USED;
	(void)mime_walk_push(w, &item);
}

/* A header or an empty line behind the line: something begins there. */
static bool
part_follows(const struct mime_walk *w, const struct mime_line *line)
{
	size_t at = mime_line_get_end(w->all, line);

	return header_follows(w, line) ||
	       (at < w->all.len && (w->all.ptr[at] == '\n' || w->all.ptr[at] == '\r'));
}

/* Lines that are no delimiter where they stand, but begin with a boundary of this object and
 * have a part behind them. */
static bool
push_strays(struct mime_walk *w)
{
	CLEANUP(declared_free) struct declared d = { .table = NULL };
	CLEANUP(mem_free) uint8_t *chosen = NULL;
	size_t pushed = w->item_count;
	bool exact;

	for (size_t i = 0; i < w->lines.count; i++) {
		struct mime_line *line = &w->lines.all[i];
		const struct mime_record *r;
		struct slice text;

		if ((line->flags & LINE_USED) != 0)
			continue;
		if (i % 256 == 0 && !budget_has_time(w->budget))
			break;
		if (d.table == NULL) {
			chosen = calloc(w->lines.count, 1);
			if (chosen == NULL || !declared_build(w, &d))
				return false;
		}
		/* The other entry of a "--b--" line may be the one that was used. */
		if ((i > 0 && w->lines.all[i - 1].at == line->at &&
			(w->lines.all[i - 1].flags & LINE_USED) != 0) ||
		    (i + 1 < w->lines.count && w->lines.all[i + 1].at == line->at &&
			(w->lines.all[i + 1].flags & LINE_USED) != 0))
			continue;
		text = mime_line_get_text(w->all, line);
		r = declared_find(w, &d, text, &exact);
		chosen[i] = r != NULL && (line->flags & LINE_CLOSE) == 0 &&
			    (exact || !tail_is_another_word(r, text)) && part_follows(w, line);
	}
	for (size_t i = w->lines.count; chosen != NULL && i > 0; i--) {
		const struct mime_record *r;

		if (chosen[i - 1] == 0)
			continue;
		r = declared_find(
		    w, &d, mime_line_get_text(w->all, &w->lines.all[i - 1]), &exact);
		push_stray(w, i - 1, r, exact, chosen);
	}
	if (d.cut)
		mime_walk_limit(w, FACT_LIMIT_VIEWS);
	return w->item_count > pushed;
}

/* An inner multipart that an outer delimiter ended, while its own delimiters go on behind it:
 * for readers that look for the innermost boundary first, it runs on. */
static bool
push_unclosed(struct mime_walk *w)
{
	size_t count = w->record_count, pushed = w->item_count;

	for (size_t i = 0; i < count && !w->stop; i++) {
		struct mime_record r = w->records[i];
		struct mime_split s = {
			.start = r.item.start,
			.end = w->all.len,
			.boundary = r.boundary,
			.node = r.item.node,
			.depth = r.item.depth,
			.digest = r.item.digest,
			.views = r.item.views | VIEW_BIT(VIEW_BND_OUTER),
			.classes = r.item.classes | AMBIGUITY_BIT(17),
		};
		size_t cursor = 0, parts;
		uint32_t index = 0;
		bool behind = false;

		if (r.closed || r.item.end == w->all.len || r.boundary.ptr == NULL)
			continue;
		w->records[i].closed = true;
		while (!behind && mime_lines_next(&w->lines, mime_line_hash(r.boundary),
				      r.item.end, w->all.len, &cursor, &index))
			behind = mime_line_eq(
			    mime_line_get_text(w->all, &w->lines.all[index]), r.boundary);
		if (!behind || !mime_walk_is_new(
				   w, MEMO_UNCLOSED, r.item.start, w->lines.all[index].at, 0))
			continue;
		if (w->left_guess_lines == 0 || !budget_take_entity_reading(w->budget)) {
			mime_walk_limit(w, FACT_LIMIT_VIEWS);
			break;
		}
		mime_walk_flag(w, AMBIGUITY_BIT(17));
		parts = mime_split(w, &s);
		w->left_guess_lines -= MIN_OF((uint64_t)parts, w->left_guess_lines);
	}
	return w->item_count > pushed;
}

bool
mime_guess_rest(struct mime_walk *w)
{
	if (!w->lines.built || w->record_count == 0 || w->rounds++ == 4)
		return false;
	return push_unclosed(w) || push_strays(w);
}
