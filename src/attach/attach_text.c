/* attach_text.c: differences of configuration files by lines: Myers' algorithm ("An O(ND)
 * Difference Algorithm", 1986), which is quick where little differs. What stands in the files
 * is left to the file of each MTA. */
#include "attach/attach_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/limits.h"

#define CONTEXT_LINES 3

int
text_lines_split(struct slice text, struct text_lines *ret_lines)
{
	struct text_lines l = { 0 };
	size_t count = 0;

	for (size_t at = 0; at < text.len; count++) {
		size_t end = slice_find_byte(text, '\n', at);

		at = end == SIZE_MAX ? text.len : end + 1;
	}
	if (count > ATTACH_LINES_MAX)
		return -EFBIG;
	l.line = calloc(count + 1, sizeof(*l.line));
	if (l.line == NULL)
		return -ENOMEM;
	for (size_t at = 0; at < text.len; l.count++) {
		size_t end = slice_find_byte(text, '\n', at);
		size_t next = end == SIZE_MAX ? text.len : end + 1;

		l.line[l.count] = slice_sub(text, at, next - at);
		at = next;
	}
	*ret_lines = l;
	return 0;
}

void
text_lines_done(struct text_lines *l)
{
	free(l->line);
	*l = (struct text_lines){ 0 };
}

void
text_hunks_done(struct text_hunks *h)
{
	free(h->hunk);
	*h = (struct text_hunks){ 0 };
}

/* The furthest points of every number of differences d: row[d][k + d] is the old line reached
 * on diagonal k = old - new with d differences. */
struct trace {
	int32_t *row[ATTACH_DIFFERENCES_MAX + 1];
	int rows;
};

static void
trace_done(struct trace *t)
{
	for (int d = 0; d < t->rows; d++)
		free(t->row[d]);
}

/* Old line reached on diagonal k with d differences, before equal lines are walked over;
 * *ret_down says that the last step was an inserted line. */
static int32_t
trace_step(const struct trace *t, int d, int k, bool *ret_down)
{
	const int32_t *previous;

	if (d == 0) {
		*ret_down = false;
		return 0;
	}
	previous = t->row[d - 1];
	*ret_down = k == -d || (k != d && previous[k - 1 + d - 1] < previous[k + 1 + d - 1]);
	return *ret_down ? previous[k + 1 + d - 1] : previous[k - 1 + d - 1] + 1;
}

/* The least number of differences between the two runs of lines, or a negative code. */
static int
trace_fill(struct trace *t, const struct slice *a, int n, const struct slice *b, int m)
{
	for (int d = 0; d <= ATTACH_DIFFERENCES_MAX; d++) {
		t->row[d] = malloc((2 * (size_t)d + 1) * sizeof(*t->row[d]));
		if (t->row[d] == NULL)
			return -ENOMEM;
		t->rows = d + 1;
		for (int k = -d; k <= d; k += 2) {
			bool down;
			int32_t x = trace_step(t, d, k, &down);

			while (x >= 0 && x < n && x - k >= 0 && x - k < m &&
			       slice_eq(a[x], b[x - k]))
				x++;
			t->row[d][k + d] = x;
			if (x >= n && x - k >= m)
				return d;
		}
	}
	return -EFBIG;
}

/* Adds one line of difference in front of those found; steps come from the end backwards. */
static void
hunks_prepend(struct text_hunks *h, size_t old_from, size_t new_from, bool inserted)
{
	struct text_hunk *last = h->count > 0 ? &h->hunk[h->count - 1] : NULL;
	size_t old_len = inserted ? 0 : 1, new_len = inserted ? 1 : 0;

	if (last != NULL && old_from + old_len == last->old_from &&
	    new_from + new_len == last->new_from) {
		last->old_from = old_from;
		last->new_from = new_from;
		last->old_len += old_len;
		last->new_len += new_len;
		return;
	}
	h->hunk[h->count++] = (struct text_hunk){ old_from, old_len, new_from, new_len };
}

static int
hunks_from_trace(
    const struct trace *t, int d, int n, int m, size_t offset, struct text_hunks *ret_hunks)
{
	struct text_hunks h = { 0 };

	h.hunk = calloc((size_t)d + 1, sizeof(*h.hunk));
	if (h.hunk == NULL)
		return -ENOMEM;
	for (int32_t k = n - m; d > 0; d--) {
		bool down;
		int32_t x = trace_step(t, d, k, &down), y = x - k;

		/* The step led to (x, y): from (x, y - 1) down, or from (x - 1, y). */
		hunks_prepend(&h, offset + (size_t)(down ? x : x - 1),
		    offset + (size_t)(down ? y - 1 : y), down);
		k += down ? 1 : -1;
	}
	for (size_t i = 0; i < h.count / 2; i++) {
		struct text_hunk swap = h.hunk[i];

		h.hunk[i] = h.hunk[h.count - 1 - i];
		h.hunk[h.count - 1 - i] = swap;
	}
	*ret_hunks = h;
	return 0;
}

int
text_hunks_find(const struct text_lines *old, const struct text_lines *new_lines,
    struct text_hunks *ret_hunks)
{
	size_t head = 0, tail = 0, least = MIN_OF(old->count, new_lines->count);
	struct trace *t;
	int n, m, d, r;

	while (head < least && slice_eq(old->line[head], new_lines->line[head]))
		head++;
	while (tail < least - head && slice_eq(old->line[old->count - 1 - tail],
					  new_lines->line[new_lines->count - 1 - tail]))
		tail++;
	n = (int)(old->count - head - tail);
	m = (int)(new_lines->count - head - tail);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	d = trace_fill(t, old->line + head, n, new_lines->line + head, m);
	r = d < 0 ? d : hunks_from_trace(t, d, n, m, head, ret_hunks);
	trace_done(t);
	free(t);
	return r;
}

static void
print_lines(FILE *out, char mark, const struct text_lines *l, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct slice line = l->line[i];

		fprintf(out, "%c", mark);
		fwrite(line.ptr, 1, line.len, out);
		if (line.ptr[line.len - 1] != '\n')
			fprintf(out, "\n\\ No newline at end of file\n");
	}
}

/* Prints hunks first .. last, which stand so near that they share their context. */
static void
print_hunks(FILE *out, const struct text_lines *old, const struct text_lines *new_lines,
    const struct text_hunk *first, const struct text_hunk *last)
{
	size_t before = MIN_OF(first->old_from, (size_t)CONTEXT_LINES);
	size_t end = last->old_from + last->old_len;
	size_t after = MIN_OF(old->count - end, (size_t)CONTEXT_LINES);
	size_t old_from = first->old_from - before, new_from = first->new_from - before;
	size_t old_len = end + after - old_from;
	size_t new_len = last->new_from + last->new_len + after - new_from, at = old_from;

	/* diff counts from 1, and names the line before an empty run. */
	fprintf(out, "@@ -%zu,%zu +%zu,%zu @@\n", old_from + (old_len > 0), old_len,
	    new_from + (new_len > 0), new_len);
	for (const struct text_hunk *h = first; h <= last; h++) {
		print_lines(out, ' ', old, at, h->old_from);
		print_lines(out, '-', old, h->old_from, h->old_from + h->old_len);
		print_lines(out, '+', new_lines, h->new_from, h->new_from + h->new_len);
		at = h->old_from + h->old_len;
	}
	print_lines(out, ' ', old, at, at + after);
}

int
text_diff_print(FILE *out, const char *old_name, const char *new_name, struct slice old,
    struct slice new_text)
{
	CLEANUP(text_lines_done) struct text_lines a = { 0 };
	CLEANUP(text_lines_done) struct text_lines b = { 0 };
	CLEANUP(text_hunks_done) struct text_hunks h = { 0 };
	int r = text_lines_split(old, &a);

	if (r == 0)
		r = text_lines_split(new_text, &b);
	if (r == 0)
		r = text_hunks_find(&a, &b, &h);
	if (r < 0 || h.count == 0)
		return r;
	fprintf(out, "--- %s\n+++ %s\n", old_name, new_name);
	for (size_t first = 0, last; first < h.count; first = last + 1) {
		last = first;
		while (last + 1 < h.count &&
		       h.hunk[last + 1].old_from -
			       (h.hunk[last].old_from + h.hunk[last].old_len) <=
			   2 * CONTEXT_LINES)
			last++;
		print_hunks(out, &a, &b, &h.hunk[first], &h.hunk[last]);
	}
	return 0;
}

/* Both say the same of the same lines of after: ours back to before, theirs to current. */
static bool
hunks_agree(const struct text_hunk *ours, const struct text_lines *before,
    const struct text_hunk *theirs, const struct text_lines *current)
{
	if (ours->old_from != theirs->old_from || ours->old_len != theirs->old_len ||
	    ours->new_len != theirs->new_len)
		return false;
	for (size_t i = 0; i < ours->new_len; i++)
		if (!slice_eq(
			before->line[ours->new_from + i], current->line[theirs->new_from + i]))
			return false;
	return true;
}

static bool
hunks_overlap(const struct text_hunk *a, const struct text_hunk *b)
{
	size_t a_end = a->old_from + a->old_len, b_end = b->old_from + b->old_len;

	/* Two that only touch do not overlap; of two that only add in one place the order is
	 * open. */
	return (a->old_from < b_end && b->old_from < a_end) ||
	       (a->old_from == b->old_from && a->old_len == 0 && b->old_len == 0);
}

static int
append_lines(struct buf *out, const struct text_lines *l, size_t from, size_t to)
{
	int r = 0;

	for (size_t i = from; i < to && r == 0; i++)
		r = buf_append_slice(out, l->line[i]);
	return r;
}

/* Merges ours (after to before) and theirs (after to current). */
static int
undo_merge(const struct text_lines line[3], const struct text_hunks *ours,
    const struct text_hunks *theirs, struct buf *out, size_t *ret_line)
{
	const struct text_lines *before = &line[0], *after = &line[1], *current = &line[2];
	size_t i = 0, j = 0, at = 0;
	int r = 0;

	while (r == 0 && (i < ours->count || j < theirs->count)) {
		const struct text_hunk *a = i < ours->count ? &ours->hunk[i] : NULL;
		const struct text_hunk *b = j < theirs->count ? &theirs->hunk[j] : NULL;
		bool take_ours =
		    b == NULL ||
		    (a != NULL && (a->old_from < b->old_from ||
				      (a->old_from == b->old_from && a->old_len == 0)));
		const struct text_hunk *h = take_ours ? a : b;

		if (a != NULL && b != NULL && hunks_agree(a, before, b, current)) {
			take_ours = false;
			h = b;
			i++;
		} else if (a != NULL && b != NULL && hunks_overlap(a, b)) {
			*ret_line = b->new_from + 1;
			return -EEXIST;
		}
		r = append_lines(out, after, at, h->old_from);
		if (r == 0)
			r = append_lines(out, take_ours ? before : current, h->new_from,
			    h->new_from + h->new_len);
		at = h->old_from + h->old_len;
		if (take_ours)
			i++;
		else
			j++;
	}
	return r == 0 ? append_lines(out, after, at, after->count) : r;
}

int
text_undo(struct slice before, struct slice after, struct slice current, struct buf *ret_text,
    size_t *ret_line)
{
	struct text_lines line[3] = { { 0 } };
	CLEANUP(text_hunks_done) struct text_hunks ours = { 0 };
	CLEANUP(text_hunks_done) struct text_hunks theirs = { 0 };
	size_t start = ret_text->len;
	int r = text_lines_split(before, &line[0]);

	if (r == 0)
		r = text_lines_split(after, &line[1]);
	if (r == 0)
		r = text_lines_split(current, &line[2]);
	if (r == 0)
		r = text_hunks_find(&line[1], &line[0], &ours);
	if (r == 0)
		r = text_hunks_find(&line[1], &line[2], &theirs);
	if (r == 0)
		r = undo_merge(line, &ours, &theirs, ret_text, ret_line);
	if (r < 0)
		ret_text->len = start;
	for (size_t i = 0; i < ARRAY_LEN(line); i++)
		text_lines_done(&line[i]);
	return r;
}

bool
attach_text_next_line(struct slice *rest, struct slice *ret_line)
{
	size_t end = slice_find_byte(*rest, '\n', 0);

	if (rest->len == 0)
		return false;
	*ret_line = slice_sub(*rest, 0, end == SIZE_MAX ? rest->len : end);
	*rest = slice_from(*rest, end == SIZE_MAX ? rest->len : end + 1);
	return true;
}

static bool
is_divider(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',';
}

bool
text_next_word(struct slice *rest, struct slice *ret_word)
{
	size_t begin = 0, end, depth = 0;

	while (begin < rest->len && is_divider(rest->ptr[begin]))
		begin++;
	for (end = begin; end < rest->len; end++) {
		uint8_t c = rest->ptr[end];

		if (c == '{')
			depth++;
		else if (c == '}' && depth > 0)
			depth--;
		else if (depth == 0 && is_divider(c))
			break;
	}
	*ret_word = slice_sub(*rest, begin, end - begin);
	*rest = slice_from(*rest, end);
	return ret_word->len > 0;
}
