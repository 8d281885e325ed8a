/* mime_base64.c: the readings of base64 data: padding inside, foreign characters, text before
 * and behind, the url-safe alphabet, encoded twice; and the loops that feed the decoders. */
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "decompose/decode_base64.h"
#include "decompose/decode_qp.h"
#include "decompose/mime_walk.h"

#define PIECE_BYTES  (1024u * 1024)
#define SMALL_PIECE  3072
#define SAMPLE_BYTES 4096
#define QP_SAMPLE_BYTES 512
#define LONG_LINE    40
#define PLENTY       240 /* letters of base64 that are no accident */
#define RUNS_MAX     4
#define PADDED_MANY  3

static const uint8_t alphabet[256] = {
	/* 1: letter of base64; 2: '='; 3: white space */
	['A' ... 'Z'] = 1,
	['a' ... 'z'] = 1,
	['0' ... '9'] = 1,
	['+'] = 1,
	['/'] = 1,
	['='] = 2,
	[' '] = 3,
	['\t'] = 3,
	['\r'] = 3,
	['\n'] = 3,
	['\v'] = 3,
	['\f'] = 3,
};

/* Feeds all of in to the open output. False: a limit was met (what fitted is there). */
static bool
feed_base64(struct mime_walk *w, struct base64_state *s, struct slice in)
{
	while (in.len > 0) {
		size_t want = MIN_OF(in.len, (size_t)PIECE_BYTES), room, fit;
		uint8_t *to = decompose_output_reserve(w->d, base64_bound(want), &room);
		uint8_t small[SMALL_PIECE + 256];

		if (to == NULL)
			return false;
		fit = MIN_OF(want, base64_fit(room));
		if (fit > 0) {
			if (!decompose_output_commit(
				w->d, base64_feed(s, slice_sub(in, 0, fit), to)))
				return false;
		} else { /* near a limit: what vectors would write beyond the room goes
			    elsewhere */
			size_t n;

			fit = MIN_OF(want, base64_fit(sizeof(small)));
			n = base64_feed(s, slice_sub(in, 0, fit), small);
			if (!decompose_output_write(w->d, slice_of(small, n)))
				return false;
		}
		in = slice_from(in, fit);
	}
	return true;
}

static bool
finish_base64(struct mime_walk *w, struct base64_state *s, struct base64_facts *f)
{
	uint8_t tail[128];
	size_t n = base64_finish(s, tail, f);

	return n == 0 || decompose_output_write(w->d, slice_of(tail, n));
}

/* One reading into the output that is open. */
static bool
decode_mode(struct mime_walk *w, struct slice in, enum base64_mode mode, bool map_urlsafe,
    struct base64_facts *f)
{
	struct base64_state s;
	bool fed;

	base64_init(&s, mode, map_urlsafe);
	fed = feed_base64(w, &s, in);
	return finish_base64(w, &s, f) && fed;
}

bool
mime_base64_decode(struct mime_walk *w, struct slice in)
{
	struct base64_facts f;

	return decode_mode(w, in, BASE64_QUANTA, false, &f);
}

/* Emits the output that is open, with the roles that its bytes suggest. */
static struct object *
finish_output(struct mime_walk *w, struct child *c)
{
	mime_leaf_look_at(w, decompose_output_get(w->d), c);
	return decompose_output_finish(w->d, c);
}

/* Begins, decodes and emits a further reading; an empty one is dropped. */
static struct object *
emit_mode(struct mime_walk *w, struct slice in, enum base64_mode mode, bool map_urlsafe,
    const struct child *base, enum view view, size_t *ret_len)
{
	struct child c = *base;
	struct base64_facts f;

	c.views |= VIEW_BIT(view);
	decompose_output_begin(w->d, w->o, in.len);
	(void)decode_mode(w, in, mode, map_urlsafe, &f);
	*ret_len = decompose_output_get(w->d).len;
	if (*ret_len == 0) {
		decompose_output_drop(w->d);
		return NULL;
	}
	return finish_output(w, &c);
}

/* Encoded twice: the second decoder is fed what the first makes, which is not kept. */
struct twice {
	struct base64_state outer, inner;
	struct qp_state outer_qp, inner_qp;
	bool qp_outside, qp_inside;
};

static bool
twice_feed_inner(struct mime_walk *w, struct twice *t, struct slice in)
{
	uint8_t small[1024 + QP_ROOM];

	if (!t->qp_inside)
		return feed_base64(w, &t->inner, in);
	while (in.len > 0) {
		struct slice piece = slice_sub(in, 0, 1024);

		if (!decompose_output_write(w->d,
			slice_of(small, qp_feed(&t->inner_qp, piece, small))))
			return false;
		in = slice_from(in, piece.len);
	}
	return true;
}

static void
twice_finish(struct mime_walk *w, struct twice *t)
{
	uint8_t small[1024 + QP_ROOM];
	struct base64_facts f;
	struct qp_facts q;
	size_t n = t->qp_outside ? qp_finish(&t->outer_qp, small, &q)
				 : base64_finish(&t->outer, small, &f);

	if (!twice_feed_inner(w, t, slice_of(small, n)))
		return;
	if (!t->qp_inside)
		(void)finish_base64(w, &t->inner, &f);
	else if ((n = qp_finish(&t->inner_qp, small, &q)) > 0)
		(void)decompose_output_write(w->d, slice_of(small, n));
}

void
mime_base64_emit_twice(struct mime_walk *w, struct slice in, const struct child *base,
    bool qp_outside, bool qp_inside)
{
	struct twice t = { .qp_outside = qp_outside, .qp_inside = qp_inside };
	struct child c = *base;
	uint8_t between[SMALL_PIECE + QP_ROOM + 256];

	base64_init(&t.outer, BASE64_QUANTA, false);
	base64_init(&t.inner, BASE64_QUANTA, false);
	qp_init(&t.outer_qp, false);
	qp_init(&t.inner_qp, false);
	c.views |= VIEW_BIT(VIEW_CTE_TWICE);
	decompose_output_begin(w->d, w->o, in.len);
	while (in.len > 0) {
		size_t fit = MIN_OF(in.len, qp_outside ? (size_t)SMALL_PIECE : base64_fit(SMALL_PIECE));
		struct slice piece = slice_sub(in, 0, fit);
		size_t n = qp_outside ? qp_feed(&t.outer_qp, piece, between)
				      : base64_feed(&t.outer, piece, between);

		if (!twice_feed_inner(w, &t, slice_of(between, n)))
			break;
		in = slice_from(in, fit);
	}
	twice_finish(w, &t);
	if (decompose_output_get(w->d).len > 0)
		(void)finish_output(w, &c);
	else
		decompose_output_drop(w->d);
}

/* One line and what it is made of. */
struct b64_line {
	struct slice text; /* without its end */
	size_t letters;    /* before the first foreign character */
	bool pure;         /* letters, then padding, and white space; at least one letter */
	bool words;        /* white space between letters */
	bool blank;
	bool more; /* letters behind the first foreign character */
};

static bool
b64_line_next(struct slice in, size_t *at, struct b64_line *l)
{
	const uint8_t *lf;
	bool foreign = false, padded = false;

	if (*at >= in.len)
		return false;
	lf = memchr(in.ptr + *at, '\n', in.len - *at);
	l->text = slice_sub(in, *at, lf == NULL ? in.len : (size_t)(lf - in.ptr) - *at);
	*at += l->text.len + 1;
	l->letters = 0;
	l->more = l->words = false;
	for (size_t i = 0; i < l->text.len; i++) {
		uint8_t kind = alphabet[l->text.ptr[i]];

		l->words |=
		    kind == 1 && i > 0 && l->letters > 0 && alphabet[l->text.ptr[i - 1]] == 3;
		if (kind == 1 && !foreign)
			l->letters++;
		else if (kind == 1)
			l->more = true;
		foreign |= kind == 0 || (kind == 1 && padded);
		padded |= kind == 2;
	}
	l->pure = !foreign && l->letters > 0;
	l->blank = l->letters == 0 && !foreign && !padded;
	return true;
}

bool
mime_base64_is_likely(struct slice s)
{
	struct b64_line l;
	size_t at = 0, lines = 0, letters = 0, width = 0;

	s = slice_sub(s, 0, SAMPLE_BYTES);
	while (lines < 24 && b64_line_next(s, &at, &l)) {
		if (l.blank)
			continue;
		if (!l.pure || l.words) {
			if (letters < PLENTY)
				return false;
			break; /* something else stands behind the data */
		}
		if (at > s.len && s.len == SAMPLE_BYTES && lines > 0)
			break; /* cut by the sample */
		if (lines == 0)
			width = l.letters;
		letters += l.letters;
		lines++;
	}
	/* One word is base64 too: it takes long lines, or many of one width. */
	return letters >= LONG_LINE &&
	       (width >= LONG_LINE || (lines >= 4 && width % 4 == 0 &&
					  letters >= (lines - 1) * MIN_OF(width, (size_t)16)));
}

bool
mime_qp_is_likely(struct slice s)
{
	size_t escapes = 0;

	s = slice_sub(s, 0, QP_SAMPLE_BYTES);
	for (size_t i = 0; i + 2 < s.len; i++) {
		uint8_t a = ascii_lower(s.ptr[i + 1]), b = ascii_lower(s.ptr[i + 2]);

		escapes += s.ptr[i] == '=' &&
			   ((a >= '0' && a <= '9') || (a >= 'a' && a <= 'f')) &&
			   ((b >= '0' && b <= '9') || (b >= 'a' && b <= 'f'));
	}
	return escapes >= 8 && escapes * 12 >= s.len;
}

bool
mime_base64_is_clean(struct slice s)
{
	struct b64_line l;
	size_t at = 0;

	s = slice_sub(s, 0, SAMPLE_BYTES);
	while (b64_line_next(s, &at, &l)) {
		if (!l.blank && (!l.pure || l.words))
			return false;
	}
	return true;
}

/* What stands around the data: where it begins in earnest, its runs, lines with junk in them.
 */
struct frame {
	struct slice runs[RUNS_MAX];
	size_t run_count;
	struct slice from_long; /* from the first long pure line */
	bool shifted;           /* letters before it move the groups of four */
	bool mixed;             /* letters, junk, letters on a line, and data behind it */
	bool ragged;            /* lines whose letters are no multiple of four */
	bool interrupted;       /* lines of another kind between long lines of data */
	bool footer_only;       /* nothing but lines of another kind behind the data */
};

static void
frame_find(struct mime_walk *w, struct slice in, struct frame *f)
{
	struct b64_line l;
	size_t at = 0, before = 0, lines = 0, line_start, clock_at = 0;
	bool in_run = false, mixed_seen = false, impure_seen = false, pure_after = false;

	memset(f, 0, sizeof(*f));
	for (line_start = 0; b64_line_next(in, &at, &l); line_start = at) {
		if (at - clock_at > 4096) {
			clock_at = at;
			if (!budget_has_time(w->budget))
				break;
		}
		if (l.blank)
			continue;
		if (l.letters % 4 != 0 && at < in.len && l.pure && !l.words && lines < 64 &&
		    memchr(l.text.ptr, '=', l.text.len) == NULL)
			f->ragged = true;
		lines++;
		if (l.pure && !l.words) {
			pure_after |= impure_seen;
			f->mixed |= mixed_seen && l.letters >= 16;
			f->interrupted |=
			    impure_seen && f->from_long.ptr != NULL && l.letters >= LONG_LINE;
			if (f->from_long.ptr == NULL && l.letters >= LONG_LINE) {
				f->from_long = slice_from(in, line_start);
				f->shifted = before % 4 != 0;
			}
			before += l.letters;
			if (!in_run && f->run_count < RUNS_MAX)
				f->runs[f->run_count++] = slice_from(in, line_start);
			in_run = true;
			if (f->run_count > 0)
				f->runs[f->run_count - 1].len =
				    (size_t)(l.text.ptr + l.text.len -
					     f->runs[f->run_count - 1].ptr);
			continue;
		}
		impure_seen = true;
		mixed_seen |= l.letters >= 4 && l.more;
		before += l.letters;
		in_run = false;
	}
	f->footer_only = impure_seen && !pure_after;
}

/* The part of a line that is data for a reader who takes lines one by one: its letters up to
 * the first foreign character, in whole groups; or the line if it is nothing but base64. */
static struct slice
line_data(const struct b64_line *l, bool whole_lines)
{
	size_t letters = 0, end = 0;

	if (whole_lines)
		return l->pure ? l->text : SLICE_NONE;
	for (size_t i = 0; i < l->text.len && alphabet[l->text.ptr[i]] != 0; i++) {
		letters += alphabet[l->text.ptr[i]] != 3;
		if (letters % 4 == 0)
			end = i + 1;
	}
	return slice_sub(l->text, 0, end);
}

static void
emit_by_lines(struct mime_walk *w, struct slice in, const struct child *base,
    struct object *main, bool whole_lines)
{
	struct base64_state s;
	struct base64_facts facts;
	struct child c = *base;
	struct b64_line l;
	struct object *o;
	size_t at = 0;

	c.views |= VIEW_BIT(VIEW_B64_FRAME);
	base64_init(&s, BASE64_QUANTA, false);
	decompose_output_begin(w->d, w->o, in.len);
	while (b64_line_next(in, &at, &l)) {
		struct slice kept = line_data(&l, whole_lines);

		if (kept.len > 0 && !feed_base64(w, &s, kept))
			break;
	}
	(void)finish_base64(w, &s, &facts);
	if (decompose_output_get(w->d).len == 0) {
		decompose_output_drop(w->d);
		return;
	}
	o = finish_output(w, &c);
	if (o != NULL && o != main) {
		o->ambiguities |= AMBIGUITY_BIT(32);
		mime_walk_flag(w, AMBIGUITY_BIT(32));
	}
}

/* Text before and behind the data, junk in it (A28, A32). */
static void
emit_frames(struct mime_walk *w, struct slice in, const struct child *base, struct object *main,
    const struct base64_facts *facts)
{
	struct frame f;
	size_t len;

	frame_find(w, in, &f);
	if (facts->foreign * 50 > in.len - facts->white)
		mime_walk_note(w, AMBIGUITY_BIT(28));
	if (f.from_long.ptr != NULL && f.from_long.ptr != in.ptr) {
		struct object *o =
		    emit_mode(w, f.from_long, BASE64_QUANTA, false, base, VIEW_B64_FRAME, &len);

		mime_walk_note(w, AMBIGUITY_BIT(32));
		if (o != NULL && o != main && f.shifted) {
			o->ambiguities |= AMBIGUITY_BIT(32);
			mime_walk_flag(w, AMBIGUITY_BIT(32));
		}
	}
	for (size_t i = 0; i < f.run_count && (f.run_count > 1 || facts->foreign > 0); i++) {
		if (f.runs[i].len >= 8)
			(void)emit_mode(
			    w, f.runs[i], BASE64_QUANTA, false, base, VIEW_B64_FRAME, &len);
	}
	if (f.ragged || f.mixed)
		emit_by_lines(w, in, base, main, false);
	if (f.interrupted)
		emit_by_lines(w, in, base, main, true);
}

/* Padding inside: some stop there, some start anew (A29). */
static void
emit_paddings(struct mime_walk *w, struct slice in, const struct child *base,
    struct object *main, size_t main_len, const struct base64_facts *facts)
{
	size_t stop_len, restart_len;
	struct object *stop =
	    emit_mode(w, in, BASE64_STOP, false, base, VIEW_B64_STOP, &stop_len);
	struct object *restart =
	    emit_mode(w, in, BASE64_RESTART, false, base, VIEW_B64_RESTART, &restart_len);
	struct frame f;

	frame_find(w, in, &f);
	if (stop == main && restart == main)
		return;
	mime_walk_note(w, AMBIGUITY_BIT(29));
	/* A footer of words behind the data is not an attack: lists add them. */
	if (facts->padding_quanta > PADDED_MANY ||
	    (main_len > stop_len + 3 && !(f.footer_only && facts->foreign > 0))) {
		main->ambiguities |= AMBIGUITY_BIT(29);
		mime_walk_flag(w, AMBIGUITY_BIT(29));
	}
}

/* Lines of a width that is no multiple of four: looked for at the front only. */
static bool
begins_ragged(struct slice in)
{
	struct b64_line l;
	size_t at = 0;
	struct slice sample = slice_sub(in, 0, 1024);

	for (unsigned i = 0; i < 4 && b64_line_next(sample, &at, &l) && at < sample.len; i++) {
		if (l.letters % 4 != 0 && l.pure && !l.words &&
		    memchr(l.text.ptr, '=', l.text.len) == NULL)
			return true;
	}
	return false;
}

struct object *
mime_base64_emit(
    struct mime_walk *w, struct slice in, const struct child *base, bool *ret_plausible)
{
	struct base64_facts f;
	struct child c = *base;
	struct object *main;
	size_t main_len, len;
	uint64_t letters;
	bool twice, twice_qp, whole;

	c.views |= (base->views & ~VIEW_BIT(VIEW_STRICT)) == 0 ? VIEW_BIT(VIEW_STRICT) : 0;
	decompose_output_begin(w->d, w->o, in.len);
	whole = decode_mode(w, in, BASE64_QUANTA, false, &f);
	main_len = decompose_output_get(w->d).len;
	letters = in.len - MIN_OF((uint64_t)in.len, f.foreign + f.white);
	*ret_plausible = letters >= 8 && f.foreign * 8 <= letters;
	if (f.tail)
		c.notes |= AMBIGUITY_BIT(30);
	twice = mime_base64_is_likely(decompose_output_get(w->d));
	twice_qp = !twice && mime_qp_is_likely(decompose_output_get(w->d));
	if (f.padding_quanta > 0)
		c.views |= VIEW_BIT(VIEW_B64_CHUNK);
	if (main_len == 0 && base->name_count == 0) {
		decompose_output_drop(w->d);
		return NULL;
	}
	main = finish_output(w, &c);
	if (main == NULL || !whole)
		return main;
	if (f.padding_quanta > 0)
		emit_paddings(w, in, base, main, main_len, &f);
	if (f.urlsafe) {
		mime_walk_note(w, AMBIGUITY_BIT(31));
		(void)emit_mode(w, in, BASE64_QUANTA, true, base, VIEW_B64_URLSAFE, &len);
	}
	if (f.foreign > 0 || f.padding_quanta > 0 || f.tail || begins_ragged(in))
		emit_frames(w, in, base, main, &f);
	if (twice || twice_qp) {
		mime_walk_note(w, AMBIGUITY_BIT(35));
		mime_base64_emit_twice(w, in, base, false, twice_qp);
	}
	return main;
}

bool
mime_qp_decode(
    struct mime_walk *w, struct slice in, bool keep_blanks, struct qp_facts *ret_facts)
{
	struct qp_state s;
	uint8_t small[1024 + QP_ROOM];
	size_t n;
	bool fits = true;

	qp_init(&s, keep_blanks);
	while (in.len > 0 && fits) {
		size_t want = MIN_OF(in.len, (size_t)PIECE_BYTES), room;
		uint8_t *to = decompose_output_reserve(w->d, want + QP_ROOM, &room);

		if (to == NULL) {
			fits = false;
		} else if (room > QP_ROOM) {
			want = MIN_OF(want, room - QP_ROOM);
			fits = decompose_output_commit(
			    w->d, qp_feed(&s, slice_sub(in, 0, want), to));
		} else {
			want = MIN_OF(want, (size_t)1024);
			n = qp_feed(&s, slice_sub(in, 0, want), small);
			fits = decompose_output_write(w->d, slice_of(small, n));
		}
		in = slice_from(in, want);
	}
	n = qp_finish(&s, small, ret_facts);
	if (n > 0 && fits)
		fits = decompose_output_write(w->d, slice_of(small, n));
	return fits;
}
