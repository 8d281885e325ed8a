/* smtp_dot.c: dots and line ends of a mail on the wire. Both directions copy whole stretches of
 * good lines and look at single bytes only where a stretch ends. What a bare line end or a dot
 * means to anybody else is left open: none is let out. */
#include "intake/smtp_dot.h"

#include <errno.h>
#include <string.h>

enum state {
	STATE_LINE_BEGIN = 0, /* a dot here is special */
	STATE_IN_LINE,
	STATE_CR,     /* a CR was eaten, nothing written for it */
	STATE_DOT,    /* decoder: the dot at the begin of a line was eaten, nothing written */
	STATE_DOT_CR, /* decoder: the same, and a CR */
};

/* Bytes on their way. lf: the first LF between at and searched, NULL there is none: no byte is
 * searched twice, whatever the lines look like. */
struct way {
	const uint8_t *at, *end;
	uint8_t *out, *out_end;
	const uint8_t *lf, *searched;
};

static struct way
way_of(struct slice in, uint8_t *out, size_t out_len)
{
	return (struct way){ in.ptr, in.ptr + in.len, out, out + out_len, NULL, in.ptr };
}

static size_t
room_left(const struct way *w)
{
	return (size_t)(w->out_end - w->out);
}

/* The first LF of [q, end), or end. q never goes back. */
static const uint8_t *
find_lf(struct way *w, const uint8_t *q, const uint8_t *end)
{
	const uint8_t *from = MAX_OF(q, w->searched);

	if (w->lf != NULL && w->lf < q)
		w->lf = NULL;
	if (w->lf == NULL && from < end) {
		w->lf = memchr(from, '\n', (size_t)(end - from));
		w->searched = w->lf != NULL ? w->lf + 1 : end;
	}
	return w->lf != NULL && w->lf < end ? w->lf : end;
}

/* The end of the bytes from w->at up to end that are to be copied as they are: they hold CR and
 * LF as CRLF only, and (dots_count) no line of them begins with a dot. *state is followed. */
static const uint8_t *
find_stretch_end(struct way *w, const uint8_t *end, bool dots_count, unsigned *state)
{
	const uint8_t *q = w->at;

	while (q < end) {
		const uint8_t *lf, *cr;

		if (*state == STATE_LINE_BEGIN && dots_count && *q == '.')
			return q;
		lf = find_lf(w, q, end);
		cr = memchr(q, '\r', (size_t)(lf - q));
		if (cr != NULL && cr + 1 == lf && lf < end) {
			*state = STATE_LINE_BEGIN;
			q = lf + 1;
			continue;
		}
		if (cr == NULL)
			cr = lf; /* a bare LF, or the end */
		if (cr > q)
			*state = STATE_IN_LINE;
		return cr;
	}
	return q;
}

static void
copy_stretch(struct way *w, bool dots_count, unsigned *state)
{
	size_t max = MIN_OF((size_t)(w->end - w->at), room_left(w));
	size_t len;

	if (max == 0)
		return;
	len = (size_t)(find_stretch_end(w, w->at + max, dots_count, state) - w->at);
	memcpy(w->out, w->at, len);
	w->at += len;
	w->out += len;
}

static bool
put_crlf(struct way *w)
{
	if (room_left(w) < 2)
		return false;
	*w->out++ = '\r';
	*w->out++ = '\n';
	return true;
}

/* A line end that was no CRLF. after: the state behind it. */
static bool
put_bare(struct way *w, unsigned *state, unsigned after, bool *flag)
{
	if (!put_crlf(w))
		return false;
	*flag = true;
	*state = after;
	return true;
}

/* The byte at w->at, behind a CR that is still to be written. */
static bool
decode_behind_cr(struct smtp_dot_decoder *d, struct way *w)
{
	if (*w->at != '\n')
		return put_bare(w, &d->state, STATE_IN_LINE, &d->has_bare_cr);
	if (!put_crlf(w))
		return false;
	w->at++;
	d->state = STATE_LINE_BEGIN;
	return true;
}

/* The byte at w->at, behind a dot that began a line, or behind that and a CR. */
static bool
decode_behind_dot(struct smtp_dot_decoder *d, struct way *w)
{
	if (d->state == STATE_DOT && *w->at == '\r') {
		w->at++;
		d->state = STATE_DOT_CR;
		return true;
	}
	if (d->state == STATE_DOT && *w->at == '\n') {
		if (!put_bare(w, &d->state, STATE_IN_LINE, &d->has_bare_lf))
			return false;
		w->at++;
		return true;
	}
	if (d->state == STATE_DOT) { /* also a second dot: it is text */
		if (room_left(w) < 1)
			return false;
		*w->out++ = *w->at++;
		d->state = STATE_IN_LINE;
		return true;
	}
	if (*w->at != '\n')
		return put_bare(w, &d->state, STATE_IN_LINE, &d->has_bare_cr);
	w->at++;
	d->state = STATE_LINE_BEGIN;
	d->is_over = true;
	return true;
}

/* The byte at w->at, where a stretch ended. */
static bool
decode_special(struct smtp_dot_decoder *d, struct way *w)
{
	switch (*w->at) {
	case '\r':
		d->state = STATE_CR;
		break;
	case '\n':
		if (!put_bare(w, &d->state, STATE_IN_LINE, &d->has_bare_lf))
			return false;
		break;
	case '.':
		if (d->state != STATE_LINE_BEGIN || d->is_chunked)
			return room_left(w) > 0;
		d->state = STATE_DOT;
		break;
	default:
		return room_left(w) > 0;
	}
	w->at++;
	return true;
}

static bool
decode_step(struct smtp_dot_decoder *d, struct way *w)
{
	switch (d->state) {
	case STATE_CR:
		return decode_behind_cr(d, w);
	case STATE_DOT:
	case STATE_DOT_CR:
		return decode_behind_dot(d, w);
	default:
		copy_stretch(w, !d->is_chunked, &d->state);
		return w->at == w->end || decode_special(d, w);
	}
}

void
smtp_dot_decode(struct smtp_dot_decoder *d, struct slice in, uint8_t *out, size_t out_len,
    size_t *ret_used, size_t *ret_made)
{
	struct way w;

	*ret_used = *ret_made = 0;
	if (in.len == 0)
		return;
	w = way_of(in, out, out_len);
	while (w.at < w.end && !d->is_over) {
		if (!decode_step(d, &w))
			break;
	}
	*ret_used = (size_t)(w.at - in.ptr);
	*ret_made = (size_t)(w.out - out);
}

size_t
smtp_dot_decode_end(struct smtp_dot_decoder *d, uint8_t out[2])
{
	if (d->state != STATE_CR)
		return 0;
	d->has_bare_cr = true;
	d->state = STATE_IN_LINE;
	out[0] = '\r';
	out[1] = '\n';
	return 2;
}

/* Behind a line end that was made CRLF a dot must be stuffed too: the reader sees a CRLF. */
static bool
encode_step(struct smtp_dot_encoder *d, struct way *w)
{
	if (d->state == STATE_CR) {
		if (!put_crlf(w))
			return false;
		w->at += *w->at == '\n';
		d->state = STATE_LINE_BEGIN;
		return true;
	}
	copy_stretch(w, true, &d->state);
	if (w->at == w->end)
		return true;
	if (*w->at == '\r') {
		d->state = STATE_CR;
	} else if (*w->at == '\n') {
		if (!put_crlf(w))
			return false;
		d->state = STATE_LINE_BEGIN;
	} else if (*w->at == '.' && d->state == STATE_LINE_BEGIN) {
		if (room_left(w) < 2)
			return false;
		*w->out++ = '.';
		*w->out++ = '.';
		d->state = STATE_IN_LINE;
	} else {
		return room_left(w) > 0;
	}
	w->at++;
	return true;
}

/* One pass over in with room for about as much. Returns bytes eaten, or buf.h's errors. */
static ssize_t
encode_pass(struct smtp_dot_encoder *d, struct slice in, size_t room, struct buf *out)
{
	struct way w;
	int err;

	room = MIN_OF(room, in.len + in.len / 32 + 4);
	err = buf_reserve(out, room);
	if (err < 0)
		return err;
	w = way_of(in, out->data + out->len, room);
	while (w.at < w.end) {
		if (!encode_step(d, &w))
			break;
	}
	out->len = (size_t)(w.out - out->data);
	return w.at - in.ptr;
}

ssize_t
smtp_dot_encode(struct smtp_dot_encoder *d, struct slice in, size_t room, struct buf *out)
{
	size_t used = 0, start = out->len;
	size_t space = out->max - MIN_OF(out->len, out->max);
	bool is_cut = space < room;

	room = MIN_OF(room, space);
	while (used < in.len) {
		size_t before = out->len;
		ssize_t n = encode_pass(d, slice_from(in, used), room, out);

		if (n < 0)
			return used > 0 ? (ssize_t)used : n;
		if (n == 0 && out->len == before)
			break;
		used += (size_t)n;
		room -= out->len - before;
	}
	if (is_cut && used == 0 && in.len > 0 && out->len == start)
		return -ENOBUFS;
	return (ssize_t)used;
}

int
smtp_dot_encode_end(struct smtp_dot_encoder *d, struct buf *out)
{
	int err = d->state == STATE_LINE_BEGIN ? buf_append(out, ".\r\n", 3)
					       : buf_append(out, "\r\n.\r\n", 5);

	if (err == 0)
		d->state = STATE_LINE_BEGIN;
	return err;
}
