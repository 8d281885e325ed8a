/* inline_scan.c: see inline_scan.h. Text bodies are in every mail and hold no file in almost
 * all of them, so saying no has to be nearly free: marks are found by two characters at a fixed
 * distance, 16 places at a time; base64 by looking at 16 bytes in every 64. */
#include "decompose/inline_scan.h"

#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "base/macros.h"

#define SAMPLE_EVERY         64
#define SAMPLE_BYTES         16
#define LINE_LETTERS_MIN     40
#define LINES_MIN            3
#define ONE_LINE_LETTERS_MIN 240
#define WIDTH                16
#define REACH                (WIDTH + 5) /* bytes from a place that one step looks at */

static bool
is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '/' && c <= '9') ||
	       c == '+';
}

static bool
is_line_start(struct slice text, size_t at)
{
	return at == 0 || text.ptr[at - 1] == '\n' || text.ptr[at - 1] == '\r';
}

/* What mark stands at this place, if any. */
static unsigned
mark_at(struct slice text, size_t at)
{
	struct slice s = slice_from(text, at);

	if (slice_starts_with(s, SLICE_LIT("begin"))) {
		if (at >= 2 && text.ptr[at - 1] == 'y' && text.ptr[at - 2] == '=')
			return is_line_start(text, at - 2) ? INLINE_YENC : 0;
		if (is_line_start(text, at) && s.len > 6 &&
		    (s.ptr[5] == ' ' || s.ptr[5] == '-' || s.ptr[5] == '\t'))
			return INLINE_UU;
		return 0;
	}
	if (slice_starts_with(s, SLICE_LIT("BinHex")))
		return INLINE_BINHEX;
	if (slice_starts_with(s, SLICE_LIT("BEGIN PGP MESSAGE")))
		return INLINE_PGP;
	return 0;
}

/* Whether 16 bytes are letters of base64 and line ends only. */
static bool
sample_is_base64(const uint8_t *p)
{
	for (unsigned i = 0; i < SAMPLE_BYTES; i++) {
		if (!is_letter(p[i]) && p[i] != '\r' && p[i] != '\n' && p[i] != '=')
			return false;
	}
	return true;
}

/* A cheap test that all base64 passes and text with blanks does not. */
static inline bool
sample_may_be_base64(const uint8_t *p)
{
#if defined(__x86_64__)
	__m128i v = _mm_loadu_si128((const __m128i *)p);
	__m128i bad = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')),
	    _mm_or_si128(
		_mm_cmpgt_epi8(_mm_set1_epi8('\n'), v), _mm_cmpgt_epi8(v, _mm_set1_epi8('z'))));

	return _mm_movemask_epi8(bad) == 0 && sample_is_base64(p);
#else
	return sample_is_base64(p);
#endif
}

/* Letters at the front of [p, p + len). */
static size_t
letters_count(const uint8_t *p, size_t len)
{
	size_t i = 0;

#if defined(__x86_64__)
	for (; len - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(p + i));
		__m128i alpha =
		    _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
		__m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('/'));
		__m128i good = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('+')),
		    _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(alpha, _mm_set1_epi8(25)), alpha),
			_mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(10)), digit)));
		unsigned bad = ~(unsigned)_mm_movemask_epi8(good) & 0xffff;

		if (bad != 0)
			return i + (size_t)__builtin_ctz(bad);
	}
#endif
	while (i < len && is_letter(p[i]))
		i++;
	return i;
}

struct block_line {
	size_t start, end, next; /* letters at [start, end), the next line at next */
	size_t letters;          /* 0: not a line of base64 */
};

/* The line that begins at start, at most to limit. Blanks around it do not count. */
static struct block_line
line_read(struct slice text, size_t start)
{
	struct block_line l = { .start = start };
	size_t i = start;

	while (i < text.len && (text.ptr[i] == ' ' || text.ptr[i] == '\t'))
		i++;
	l.start = i;
	i += letters_count(text.ptr + i, text.len - i);
	l.letters = i - l.start;
	while (i < text.len && text.ptr[i] == '=')
		i++;
	l.end = i;
	while (i < text.len && (text.ptr[i] == ' ' || text.ptr[i] == '\t'))
		i++;
	if (i < text.len && text.ptr[i] != '\r' && text.ptr[i] != '\n')
		l.letters = 0;
	else if (i < text.len && text.ptr[i] == '\r' && i + 1 < text.len &&
		 text.ptr[i + 1] == '\n')
		i += 2;
	else if (i < text.len)
		i++;
	l.next = i;
	return l;
}

/* Where the line around at begins, not before floor. */
static size_t
line_start_find(struct slice text, size_t at, size_t floor)
{
	while (at > floor && !is_line_start(text, at))
		at--;
	return at;
}

/* Reads a block from the line that begins at start, or only enough of it to know that it is
 * one. False: *ret_next is where to go on. */
static bool
block_read(
    struct slice text, size_t start, bool whole, struct slice *ret_block, size_t *ret_next)
{
	struct block_line l = line_read(text, start);
	size_t end = l.end, next = l.next, lines = 0, letters = 0;
	const size_t first = l.start;

	while (l.letters >= LINE_LETTERS_MIN) {
		lines++;
		letters += l.letters;
		end = l.end;
		next = l.next;
		if (next == text.len || (!whole && lines >= LINES_MIN))
			break;
		l = line_read(text, next);
	}
	if (lines > 0 && next < text.len && l.letters > 0) { /* the short last line */
		end = l.end;
		next = l.next;
	}
	*ret_next = MAX_OF(next, start + 1);
	*ret_block = slice_sub(text, first, end - first);
	return lines >= LINES_MIN || (lines > 0 && letters >= ONE_LINE_LETTERS_MIN);
}

/* Where the line around at ends. */
static size_t
line_end_find(struct slice text, size_t at)
{
	while (at < text.len && text.ptr[at] != '\n' && text.ptr[at] != '\r')
		at++;
	return at;
}

static bool
block_find(struct slice text, bool whole, size_t *pos, struct slice *ret_block)
{
	size_t floor = *pos, at = *pos;

	while (text.len >= SAMPLE_BYTES && at <= text.len - SAMPLE_BYTES) {
		size_t start, previous, next;

		if (!sample_may_be_base64(text.ptr + at)) {
			at += SAMPLE_EVERY;
			continue;
		}
		/* the sample may lie one line into the block, behind its first one */
		start = line_start_find(text, at, floor);
		if (start > floor) {
			size_t back = start - 1;

			if (back > floor && text.ptr[back] == '\n' &&
			    text.ptr[back - 1] == '\r')
				back--;
			previous = line_start_find(text, back, floor);
			if (line_read(text, previous).letters >= LINE_LETTERS_MIN)
				start = previous;
		}
		if (block_read(text, start, whole, ret_block, &next)) {
			*pos = next;
			return true;
		}
		/* The rest of this line begins no block, and looking for its start once is
		 * enough: lines may be megabytes long. */
		floor = MAX_OF(next, floor);
		at = MAX_OF(next, at + SAMPLE_EVERY);
		if (at - SAMPLE_EVERY < text.len && start < at)
			at = MAX_OF(at, line_end_find(text, at - SAMPLE_EVERY));
	}
	*pos = text.len;
	return false;
}

bool
inline_base64_next(struct slice text, size_t *pos, struct slice *ret_block)
{
	return block_find(text, true, pos, ret_block);
}

static inline unsigned
marks_in_16(struct slice text, size_t at)
{
	unsigned found = 0;
#if defined(__x86_64__)
	__m128i v0 = _mm_loadu_si128((const __m128i *)(text.ptr + at));
	__m128i v4 = _mm_loadu_si128((const __m128i *)(text.ptr + at + 4));
	__m128i v5 = _mm_loadu_si128((const __m128i *)(text.ptr + at + 5));
	__m128i big = _mm_cmpeq_epi8(v0, _mm_set1_epi8('B'));
	__m128i hit = _mm_and_si128(
	    _mm_cmpeq_epi8(v0, _mm_set1_epi8('b')), _mm_cmpeq_epi8(v4, _mm_set1_epi8('n')));
	__m128i hit_big =
	    _mm_and_si128(big, _mm_or_si128(_mm_cmpeq_epi8(v4, _mm_set1_epi8('N')),
				   _mm_cmpeq_epi8(v5, _mm_set1_epi8('x'))));
	unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(hit, hit_big));

	for (; mask != 0; mask &= mask - 1)
		found |= mark_at(text, at + (size_t)__builtin_ctz(mask));
#else
	for (unsigned i = 0; i < WIDTH; i++) {
		if ((text.ptr[at + i] | 0x20) == 'b')
			found |= mark_at(text, at + i);
	}
#endif
	return found;
}

unsigned
inline_scan(struct slice text, unsigned enough)
{
	struct slice block;
	unsigned found = 0;
	size_t at = 0, pos = 0;

	for (; text.len >= REACH && at <= text.len - REACH; at += WIDTH) {
		found |= marks_in_16(text, at);
		if ((found & enough) != 0)
			return found;
	}
	for (; at < text.len; at++)
		found |= mark_at(text, at);
	if ((found & enough) == 0 && block_find(text, false, &pos, &block))
		found |= INLINE_BASE64;
	return found;
}
