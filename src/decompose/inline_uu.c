/* inline_uu.c: finds uuencoded files (and begin-base64 ones) in text. Readers differ in what
 * they need: here "end" may be missing, lines may be stripped of their blanks, other lines in
 * between are passed over, any mode will do when data follows. */
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decode_base64.h"
#include "decompose/decode_sink.h"
#include "decompose/decode_uu.h"
#include "decompose/decompose.h"
#include "decompose/inline_opener.h"

#define BEGIN_NAME_MAX 1024
#define PEEK_LINES_MAX 8

struct uu_walk {
	struct decompose *d;
	struct object *parent;
	const struct child *base;
	struct slice text;
	size_t pos;
	bool inlined;
	unsigned files;
	struct sink sink;
	bool open;         /* the sink is, data lines go there */
	struct slice name; /* of the open file */
};

struct begin_line {
	bool base64, encoded_name;
	struct slice name;
};

static struct slice
blanks_skip(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = slice_from(s, 1);
	return s;
}

/* Whether data follows within a few lines: asked of a "begin" without a proper mode, which may
 * be a sentence. */
static bool
data_follows(const struct uu_walk *w)
{
	size_t pos = w->pos;
	struct slice line;
	unsigned data = 0;

	for (unsigned i = 0; i < PEEK_LINES_MAX && text_next_line(w->text, &pos, &line); i++) {
		if (slice_trim(line).len == 0)
			continue;
		if (uu_line_judge(line) == UU_DATA && line.len > 4)
			data++;
		else
			return data > 0 && slice_eq_str(slice_trim(line), "end");
		if (data == 2)
			return true;
	}
	return data > 0;
}

/* "begin" blank mode blank name. The mode may be odd or missing when data follows. */
static bool
begin_parse(const struct uu_walk *w, struct slice line, struct begin_line *ret_begin)
{
	struct slice rest;
	size_t digits = 0;

	*ret_begin = (struct begin_line){ 0 };
	if (!slice_starts_with(line, SLICE_LIT("begin")))
		return false;
	rest = slice_from(line, 5);
	if (slice_starts_with(rest, SLICE_LIT("-base64"))) {
		rest = slice_from(rest, 7);
		ret_begin->base64 = true;
		if (slice_starts_with(rest, SLICE_LIT("-encoded"))) {
			rest = slice_from(rest, 8);
			ret_begin->encoded_name = true;
		}
	}
	if (rest.len == 0 || (rest.ptr[0] != ' ' && rest.ptr[0] != '\t'))
		return false;
	rest = blanks_skip(rest);
	while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '7')
		digits++;
	if (digits >= 3 && digits <= 7 &&
	    (digits == rest.len || rest.ptr[digits] == ' ' || rest.ptr[digits] == '\t')) {
		ret_begin->name =
		    slice_sub(slice_trim(slice_from(rest, digits)), 0, BEGIN_NAME_MAX);
		return true;
	}
	ret_begin->name = slice_sub(slice_trim(rest), 0, BEGIN_NAME_MAX);
	return ret_begin->base64 || data_follows(w);
}

static void
file_close(struct uu_walk *w)
{
	struct slice names[SINK_NAMES_MAX];
	struct child c;

	if (!w->open)
		return;
	w->open = false;
	if (w->sink.total == 0) {
		sink_drop(&w->sink);
		return;
	}
	c = child_of(w->d, w->base, "uuencode", w->name, names);
	c.notes |= AMBIGUITY_BIT(36);
	if (w->inlined)
		c.views |= VIEW_BIT(VIEW_UU_INLINE);
	if (sink_emit(&w->sink, &c) != NULL)
		w->files++;
}

static void
file_open(struct uu_walk *w, struct slice name)
{
	file_close(w);
	w->name = name;
	w->open = true;
	sink_begin(&w->sink, w->d, w->parent, w->text.len);
}

/* The name of begin-base64-encoded is base64 itself. */
static struct slice
name_decode(struct uu_walk *w, struct slice name)
{
	struct base64_state state;
	struct base64_facts facts;
	uint8_t *to = arena_alloc(decompose_get_arena(w->d), base64_bound(name.len));
	size_t n;

	if (to == NULL)
		return name;
	base64_init(&state, BASE64_STOP, false);
	n = base64_feed(&state, name, to);
	n += base64_finish(&state, to + n, &facts);
	return slice_of(to, n);
}

/* Everything up to "====", a further "begin", or the end. */
static void
base64_file(struct uu_walk *w, const struct begin_line *b)
{
	size_t start = w->pos, end = w->pos;
	struct base64_facts facts;
	struct slice line;

	while (text_next_line(w->text, &w->pos, &line)) {
		if (slice_starts_with(line, SLICE_LIT("====")))
			break;
		if (slice_starts_with(line, SLICE_LIT("begin"))) {
			w->pos = end;
			break;
		}
		end = w->pos;
		if (!budget_has_time(decompose_get_budget(w->d)))
			break;
	}
	file_open(w, b->encoded_name ? name_decode(w, b->name) : b->name);
	sink_write_base64(
	    &w->sink, slice_sub(w->text, start, end - start), BASE64_QUANTA, false, &facts);
	file_close(w);
}

static void
line_take(struct uu_walk *w, struct slice line)
{
	enum uu_kind kind;

	if (line.len >= 3 && line.len < 40 && slice_eq_str(slice_trim(line), "end")) {
		file_close(w);
		return;
	}
	kind = uu_line_judge(line);
	if (kind == UU_DATA || kind == UU_LOOSE)
		sink_put(&w->sink, uu_line_decode(line, sink_get(&w->sink, UU_LINE_MAX + 2)));
}

unsigned
uu_emit(struct decompose *d, struct object *parent, const struct child *base, struct slice text,
    bool need_begin)
{
	struct uu_walk w = {
		.d = d,
		.parent = parent,
		.base = base,
		.text = text,
		.inlined = need_begin,
	};
	struct slice line;
	struct begin_line b;
	unsigned lines = 0;

	if (!need_begin)
		file_open(&w, SLICE_NONE);
	while (text_next_line(text, &w.pos, &line)) {
		if ((++lines & 15) == 0 && !budget_has_time(decompose_get_budget(d)))
			break;
		if (line.len > 5 && line.ptr[0] == 'b' && begin_parse(&w, line, &b)) {
			if (b.base64)
				base64_file(&w, &b);
			else
				file_open(&w, b.name);
		} else if (w.open) {
			line_take(&w, line);
		}
	}
	file_close(&w);
	return w.files;
}
