/* rewrite.c: see rewrite.h. Works on the bytes, not on the header list: the list may be cut. */
#include "act/rewrite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "intake/intake.h"
#include "message/message.h"

struct rewrite {
	struct slice *pieces;
	size_t count, cap;
	struct slice all;
	size_t from; /* bytes before it are in pieces, or removed */
};

static size_t
line_end(struct slice all, size_t at)
{
	size_t end = slice_find_byte(all, '\n', at);

	return end == SIZE_MAX ? all.len : end + 1;
}

static bool
line_is_folded(struct slice all, size_t at)
{
	return all.ptr[at] == ' ' || all.ptr[at] == '\t';
}

/* Where the next field begins: behind the folded lines of the one at `at`. */
static size_t
field_end(struct slice all, size_t at, size_t limit)
{
	do
		at = line_end(all, at);
	while (at < limit && line_is_folded(all, at));
	return MIN_OF(at, limit);
}

static bool
field_get_name(struct slice all, size_t at, struct slice *ret_name)
{
	struct slice line = slice_sub(all, at, line_end(all, at) - at);
	size_t colon = slice_find_byte(line, ':', 0);

	if (colon == SIZE_MAX || line_is_folded(all, at))
		return false;
	*ret_name = slice_trim(slice_sub(line, 0, colon));
	return true;
}

static void
piece_add(struct rewrite *w, struct slice piece)
{
	ASSERT(w->count < w->cap);
	if (piece.len > 0)
		w->pieces[w->count++] = piece;
}

/* The occurrences of one name that go. */
struct removal {
	const char *name;
	unsigned seen, max;
	uint8_t *marks; /* max + 1 of them */
};

/* A mail has few names removed from it, but perhaps many occurrences of each. */
struct removals {
	struct removal items[8];
	size_t count;
};

static struct removal *
removal_find(struct removals *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++) {
		if (slice_eq_str_nocase(slice_of_str(r->items[i].name), name))
			return &r->items[i];
	}
	ASSERT(r->count < ARRAY_LEN(r->items));
	r->items[r->count] = (struct removal){ .name = name };
	return &r->items[r->count++];
}

static int
removals_make(
    struct arena *a, const struct intake_header_edit *edits, size_t count, struct removals *r)
{
	for (size_t i = 0; i < count; i++) {
		struct removal *one =
		    edits[i].value == NULL ? removal_find(r, edits[i].name) : NULL;

		if (one != NULL)
			one->max = MAX_OF(one->max, edits[i].index);
	}
	for (size_t i = 0; i < r->count; i++) {
		r->items[i].marks = arena_alloc(a, (size_t)r->items[i].max + 1);
		if (r->items[i].marks == NULL)
			return -ENOMEM;
		memset(r->items[i].marks, 0, (size_t)r->items[i].max + 1);
	}
	for (size_t i = 0; i < count; i++) {
		if (edits[i].value == NULL)
			removal_find(r, edits[i].name)->marks[edits[i].index] = 1;
	}
	return 0;
}

/* Counts the field of this name; whether it is to go. */
static bool
removals_take(struct removals *r, struct slice name)
{
	for (size_t i = 0; i < r->count; i++) {
		struct removal *one = &r->items[i];

		if (slice_eq_str_nocase(name, one->name))
			return ++one->seen <= one->max && one->marks[one->seen] != 0;
	}
	return false;
}

static int
added_make(struct message *m, const struct intake_header_edit *e, struct slice eol,
    struct slice *ret_field)
{
	size_t name_len = strlen(e->name), value_len = strlen(e->value);
	uint8_t *to = arena_alloc(m->arena, name_len + 2 + value_len + eol.len);

	if (to == NULL)
		return -ENOMEM;
	memcpy(to, e->name, name_len);
	memcpy(to + name_len, ": ", 2);
	memcpy(to + name_len + 2, e->value, value_len);
	memcpy(to + name_len + 2 + value_len, eol.ptr, eol.len);
	*ret_field = slice_of(to, name_len + 2 + value_len + eol.len);
	return 0;
}

static struct slice
mail_get_eol(struct slice all)
{
	size_t end = slice_find_byte(all, '\n', 0);

	return end != SIZE_MAX && (end == 0 || all.ptr[end - 1] != '\r') ? SLICE_LIT("\n")
									 : SLICE_LIT("\r\n");
}

int
rewrite_make(struct message *m, const struct intake_header_edit *edits, size_t edit_count,
    const struct slice **ret_pieces, size_t *ret_count)
{
	struct rewrite w = { .all = message_get_bytes(m), .cap = 2 * edit_count + 1 };
	struct removals removals = { 0 };
	struct slice eol = mail_get_eol(w.all);

	w.pieces = arena_alloc(m->arena, w.cap * sizeof(*w.pieces));
	if (w.pieces == NULL || removals_make(m->arena, edits, edit_count, &removals) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < edit_count; i++) {
		struct slice field;

		if (edits[i].value == NULL)
			continue;
		if (added_make(m, &edits[i], eol, &field) < 0)
			return -ENOMEM;
		piece_add(&w, field);
	}
	for (size_t at = 0, end; at < m->header_end; at = end) {
		struct slice name;

		end = field_end(w.all, at, m->header_end);
		if (!field_get_name(w.all, at, &name) || !removals_take(&removals, name))
			continue;
		piece_add(&w, slice_sub(w.all, w.from, at - w.from));
		w.from = end;
	}
	piece_add(&w, slice_from(w.all, w.from));
	*ret_pieces = w.pieces;
	*ret_count = w.count;
	return 0;
}
