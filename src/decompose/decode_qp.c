/* decode_qp.c: see decode_qp.h. Text between escapes and line ends is copied in vectors. What
 * cannot be decided at the end of a piece (an escape half read, blanks that may end a line) is
 * held in the state. */
#include "decompose/decode_qp.h"

#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

enum { /* where we are in an escape */
	ESC_NONE,
	ESC_SIGN,   /* '=' was read */
	ESC_HEX,    /* '=' and one hex digit, in hex */
	ESC_BLANKS, /* '=' and the blanks in held */
	ESC_CR,     /* a soft break that ended with CR: LF still belongs to it */
};

void
qp_init(struct qp_state *s, bool keep_blanks)
{
	s->keep_blanks = keep_blanks;
	s->long_run = false;
	s->escape = ESC_NONE;
	s->hex = 0;
	s->held_len = 0;
	s->facts = (struct qp_facts){ 0 };
}

static inline bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static inline bool
is_line_end(uint8_t c)
{
	return c == '\n' || c == '\r';
}

/* 0 to 15, or -1. */
static inline int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t *
held_flush(struct qp_state *s, uint8_t *o)
{
	memcpy(o, s->held, s->held_len);
	o += s->held_len;
	s->held_len = 0;
	return o;
}

/* Reads on in an escape. Returns the bytes of in it took (0: byte 0 is ordinary again). */
static size_t
escape_read(struct qp_state *s, struct slice in, uint8_t **out)
{
	uint8_t c = in.ptr[0];

	switch (s->escape) {
	case ESC_SIGN:
		if (hex_value(c) >= 0) {
			s->hex = c;
			s->escape = ESC_HEX;
			return 1;
		}
		if (is_line_end(c)) {
			s->escape = c == '\r' ? ESC_CR : ESC_NONE;
			return 1;
		}
		if (is_blank(c) && !s->keep_blanks) {
			s->escape = ESC_BLANKS;
			return 0;
		}
		break;
	case ESC_HEX:
		s->escape = ESC_NONE;
		if (hex_value(c) >= 0) {
			*(*out)++ = (uint8_t)(hex_value(s->hex) << 4 | hex_value(c));
			return 1;
		}
		s->facts.bad_escapes++;
		*(*out)++ = '=';
		*(*out)++ = s->hex;
		return 0;
	case ESC_BLANKS:
		if (is_blank(c) && s->held_len < QP_BLANKS_MAX) {
			s->held[s->held_len++] = c;
			return 1;
		}
		if (is_line_end(c)) {
			s->facts.blanks_after_soft++;
			s->held_len = 0;
			s->escape = c == '\r' ? ESC_CR : ESC_NONE;
			return 1;
		}
		break;
	default: /* ESC_CR */
		s->escape = ESC_NONE;
		return c == '\n' ? 1 : 0;
	}
	s->facts.bad_escapes++;
	*(*out)++ = '=';
	s->long_run = s->held_len == QP_BLANKS_MAX && is_blank(c);
	*out = held_flush(s, *out);
	s->escape = ESC_NONE;
	return 0;
}

/* Goes on with a run of blanks that the piece before left open. Returns the bytes it took. */
static size_t
blanks_read(struct qp_state *s, struct slice in, uint8_t **out)
{
	size_t i = 0;

	for (; i < in.len && is_blank(in.ptr[i]); i++) {
		if (!s->long_run && s->held_len == QP_BLANKS_MAX) {
			*out = held_flush(s, *out);
			s->long_run = true;
		}
		if (s->long_run)
			*(*out)++ = in.ptr[i];
		else
			s->held[s->held_len++] = in.ptr[i];
	}
	if (i == in.len)
		return i;
	if (is_line_end(in.ptr[i]) && s->held_len > 0) {
		s->facts.blanks_at_end++;
		s->held_len = 0;
	}
	*out = held_flush(s, *out);
	s->long_run = false;
	return i;
}

/* Copies up to the next '=' or line end; returns how many. May store 15 bytes more. */
static inline size_t
plain_copy(const uint8_t *p, size_t len, uint8_t *o)
{
	size_t i = 0;

#if defined(__x86_64__)
	const __m128i eq = _mm_set1_epi8('='), cr = _mm_set1_epi8('\r'),
		      lf = _mm_set1_epi8('\n');

	for (; len - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(p + i));
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, eq),
		    _mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);

		_mm_storeu_si128((__m128i *)(o + i), v);
		if (mask != 0)
			return i + (size_t)__builtin_ctz(mask);
	}
#endif
	for (; i < len && p[i] != '=' && !is_line_end(p[i]); i++)
		o[i] = p[i];
	return i;
}

/* Blanks at the end of [floor, end), QP_BLANKS_MAX + 1 at most. */
static inline size_t
blanks_count(const uint8_t *floor, const uint8_t *end)
{
	size_t n = 0;

	while (n <= QP_BLANKS_MAX && end > floor && is_blank(end[-1])) {
		end--;
		n++;
	}
	return n;
}

/* An escape that lies whole in the piece, the usual kind. 0: not so, the slow way takes it. */
static inline size_t
escape_quick(const uint8_t *p, size_t len, uint8_t **out)
{
	int hi, lo;

	if (len < 3)
		return 0;
	if (p[1] == '\r' && p[2] == '\n')
		return 3;
	if (p[1] == '\n')
		return 2;
	hi = hex_value(p[1]);
	lo = hex_value(p[2]);
	if (hi < 0 || lo < 0)
		return 0;
	*(*out)++ = (uint8_t)(hi << 4 | lo);
	return 3;
}

/* From plain text on until an escape needs the slow way, or the piece ends. */
static size_t
plain_read(struct qp_state *s, struct slice in, uint8_t **out)
{
	uint8_t *o = *out, *floor = o; /* before floor nothing is a blank of this run */
	size_t i = 0, n;

	while (i < in.len) {
		n = plain_copy(in.ptr + i, in.len - i, o);
		i += n;
		o += n;
		if (i == in.len)
			break;
		if (in.ptr[i] == '=') {
			n = escape_quick(in.ptr + i, in.len - i, &o);
			i += n;
			floor = o;
			if (n > 0)
				continue;
			s->escape = ESC_SIGN;
			*out = o;
			return i + 1;
		}
		n = s->keep_blanks ? 0 : blanks_count(floor, o);
		if (n > 0 && n <= QP_BLANKS_MAX) {
			s->facts.blanks_at_end++;
			o -= n;
		}
		*o++ = in.ptr[i++];
		floor = o;
	}
	n = s->keep_blanks ? 0 : blanks_count(floor, o);
	s->long_run = n > QP_BLANKS_MAX;
	if (n > 0 && !s->long_run) {
		o -= n;
		memcpy(s->held, o, n);
		s->held_len = (uint16_t)n;
	}
	*out = o;
	return i;
}

size_t
qp_feed(struct qp_state *s, struct slice in, uint8_t *out)
{
	uint8_t *o = out;
	size_t i = 0;

	while (i < in.len) {
		struct slice rest = slice_from(in, i);

		if (s->escape != ESC_NONE)
			i += escape_read(s, rest, &o);
		else if (s->held_len > 0 || s->long_run)
			i += blanks_read(s, rest, &o);
		else
			i += plain_read(s, rest, &o);
	}
	return (size_t)(o - out);
}

size_t
qp_finish(struct qp_state *s, uint8_t *out, struct qp_facts *ret_facts)
{
	size_t n = 0;

	if (s->escape == ESC_HEX) {
		s->facts.bad_escapes++;
		out[n++] = '=';
		out[n++] = s->hex;
	} else if (s->escape == ESC_BLANKS) {
		s->facts.blanks_after_soft++;
	} else if (s->held_len > 0) {
		s->facts.blanks_at_end++;
	}
	s->held_len = 0;
	s->escape = ESC_NONE;
	*ret_facts = s->facts;
	return n;
}
