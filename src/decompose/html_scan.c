/* html_scan.c: see html_scan.h. Most mail has an HTML body and almost none hides a file, so the
 * pass looks at many places at a time, for pairs of characters at fixed distances. */
#include "decompose/html_scan.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/macros.h"

#define WIDTH            32
#define REACH            (WIDTH + 4)
#define SAMPLE_EVERY     128
#define SAMPLE_BYTES     16
#define LONG_LETTERS_MIN 200
#define REFERENCE_REACH  40
#define DATA_REACH       64 /* bytes that "data:" may be spread over */

bool
html_is_data_colon(struct slice page, size_t at, size_t *ret_start)
{
	static const char letters[] = "data";
	size_t left = 4, i = at;
	size_t floor = at > DATA_REACH ? at - DATA_REACH : 0;

	while (left > 0 && i > floor) {
		uint8_t c = page.ptr[--i];

		if (c == '\t' || c == '\r' || c == '\n')
			continue;
		if (ascii_lower(c) != letters[--left])
			return false;
	}
	*ret_start = i;
	return left == 0;
}

static bool
is_letter(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '/' && c <= '9') ||
	       c == '+';
}

/* "&#100;", "&#x3A;", "&colon;", "&Tab;": only what spells a scheme or breaks it up. */
static bool
is_telling_entity(struct slice s)
{
	static const char spelling[] = "dataDATA:,;\t\r\n";
	uint32_t value = 0;
	size_t i = 2;
	bool hex;

	if (s.len < 4)
		return false;
	if (s.ptr[1] != '#')
		return slice_starts_with(s, SLICE_LIT("&colon;")) ||
		       slice_starts_with(s, SLICE_LIT("&comma;")) ||
		       slice_starts_with(s, SLICE_LIT("&semi;")) ||
		       slice_starts_with(s, SLICE_LIT("&Tab;")) ||
		       slice_starts_with(s, SLICE_LIT("&NewLine;"));
	hex = (s.ptr[2] | 0x20) == 'x';
	for (i += hex; i < s.len && i < REFERENCE_REACH; i++) {
		uint8_t c = s.ptr[i] | 0x20;

		if (s.ptr[i] >= '0' && s.ptr[i] <= '9')
			value = value * (hex ? 16 : 10) + (uint32_t)(s.ptr[i] - '0');
		else if (hex && c >= 'a' && c <= 'f')
			value = value * 16 + (uint32_t)(c - 'a' + 10);
		else
			break;
		if (value > 0xff)
			return false;
	}
	return value != 0 && memchr(spelling, (int)value, sizeof(spelling) - 1) != NULL;
}

static unsigned
mark_at(struct slice page, size_t at)
{
	static const struct {
		const char *word;
		unsigned found;
	} words[] = {
		{ "atob", HTML_SCRIPT },
		{ "Blob", HTML_SCRIPT | HTML_BLOB },
		{ "Uint8Array", HTML_SCRIPT },
		{ "CharCode", HTML_SCRIPT },
		{ "unescape", HTML_SCRIPT },
		{ "+ADw", HTML_UTF7 },
	};
	struct slice s = slice_from(page, at);
	size_t start;

	if (s.len > 1 && s.ptr[1] == ':')
		return html_is_data_colon(page, at + 1, &start) ? HTML_DATA : 0;
	/* ";#100;" is a reference to a letter whose '&' is one itself */
	if (s.len > 0 && (s.ptr[0] == '&' || (s.ptr[0] == ';' && s.len > 1 && s.ptr[1] == '#')))
		return is_telling_entity(s) ? HTML_ENTITY : 0;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (slice_starts_with(s, slice_of_str(words[i].word)))
			return words[i].found;
	}
	return 0;
}

/* WIDTH places at once, in the compiler's own vectors: two instructions of SSE2 or one of AVX2.
 */
typedef uint8_t places __attribute__((vector_size(WIDTH)));
typedef uint64_t places_words __attribute__((vector_size(WIDTH)));

#define IS(v, c)                  ((places)((v) == (uint8_t)(c)))
#define PAIR(a, first, b, second) (IS(a, first) & IS(b, second))

/* What stands in [at, at + WIDTH) of the page, which has REACH bytes from at on. */
static inline unsigned
marks_find(struct slice page, size_t at)
{
	places v0, v1, v3, v4, hit;
	places_words words;
	unsigned found = 0;

	memcpy(&v0, page.ptr + at, WIDTH);
	memcpy(&v1, page.ptr + at + 1, WIDTH);
	memcpy(&v3, page.ptr + at + 3, WIDTH);
	memcpy(&v4, page.ptr + at + 4, WIDTH);
	hit = IS(v1, ':') & (IS(v0 | 0x20, 'a') | IS(v0, '\t') | IS(v0, '\n') | IS(v0, '\r'));
	hit |= IS(v3, 'b') & (IS(v0, 'a') | IS(v0, 'B'));
	hit |= PAIR(v0, 'U', v4, '8') | PAIR(v0, 'C', v4, 'C') | PAIR(v0, 'u', v4, 'c');
	hit |= PAIR(v0, '+', v3, 'w') | PAIR(v0, ';', v1, '#');
	hit |=
	    IS(v0, '&') & (IS(v1, '#') | IS(v1, 'c') | IS(v1, 's') | IS(v1, 'T') | IS(v1, 'N'));
	words = (places_words)hit;
	for (unsigned w = 0; w < WIDTH / 8; w++) {
		if (words[w] == 0)
			continue;
		for (unsigned k = w * 8; k < w * 8 + 8; k++) {
			if (hit[k] != 0)
				found |= mark_at(page, at + k);
		}
	}
	return found;
}

/* The pass; *ret_at is the first place it left for single steps. */
static unsigned
marks_scan_any(struct slice page, unsigned enough, size_t *ret_at)
{
	unsigned found = 0;
	size_t at = 0;

	for (; page.len >= REACH && at <= page.len - REACH; at += WIDTH) {
		found |= marks_find(page, at);
		if ((found & enough) != 0)
			break;
	}
	*ret_at = at;
	return found;
}

#if defined(__x86_64__)

/* For the bytes 0, 1, 3 and 4 behind a place, by low and by high half: bits of the pairs that
 * such a byte may be part of. Bit 0 is "a:", 1 "a..b" and "B..b", 2 "U...8" and "C...C", 3
 * ";#", 4 "u...c", 5 "+..w", 6 "&#", "&c", "&s", "&T", 7 "&N". The crossing of halves lets a
 * few other bytes pass; mark_at() knows them apart. */
/* clang-format off */
static const uint8_t halves[8][16] = {
	{ 0, 0x03, 0x02, 0x04, 0, 0x14, 0xc0, 0, 0, 0x01, 0x01, 0x28, 0, 0x01, 0, 0 },
	{ 0x01, 0, 0xe0, 0x08, 0x07, 0x04, 0x03, 0x10, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ 0, 0, 0, 0x48, 0x40, 0, 0, 0, 0, 0, 0x01, 0, 0, 0, 0x80, 0 },
	{ 0, 0, 0x48, 0x01, 0x80, 0x40, 0x40, 0x40, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ 0, 0, 0x02, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ 0, 0, 0, 0, 0, 0, 0x02, 0x20, 0, 0, 0, 0, 0, 0, 0, 0 },
	{ 0, 0, 0, 0x14, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0, 0, 0 },
	{ 0, 0, 0, 0x04, 0x04, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
};
/* clang-format on */

__attribute__((target("avx2"), always_inline)) static inline __m256i
bits_of(__m256i v, __m256i lo, __m256i hi)
{
	const __m256i half = _mm256_set1_epi8(15);

	return _mm256_and_si256(_mm256_shuffle_epi8(lo, _mm256_and_si256(v, half)),
	    _mm256_shuffle_epi8(hi, _mm256_and_si256(_mm256_srli_epi16(v, 4), half)));
}

__attribute__((target("avx2"))) static unsigned
marks_scan_avx2(struct slice page, unsigned enough, size_t *ret_at)
{
	__m256i t[8];
	unsigned found = 0;
	size_t at = 0;

	for (size_t i = 0; i < 8; i++)
		t[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)halves[i]));
	for (; page.len >= REACH && at <= page.len - REACH; at += WIDTH) {
		const uint8_t *p = page.ptr + at;
		__m256i first = bits_of(_mm256_loadu_si256((const __m256i *)p), t[0], t[1]);
		__m256i rest =
		    bits_of(_mm256_loadu_si256((const __m256i *)(p + 1)), t[2], t[3]);
		__m256i none;
		unsigned mask;

		rest = _mm256_or_si256(
		    rest, bits_of(_mm256_loadu_si256((const __m256i *)(p + 3)), t[4], t[5]));
		rest = _mm256_or_si256(
		    rest, bits_of(_mm256_loadu_si256((const __m256i *)(p + 4)), t[6], t[7]));
		none = _mm256_cmpeq_epi8(_mm256_and_si256(first, rest), _mm256_setzero_si256());
		mask = ~(unsigned)_mm256_movemask_epi8(none);
		for (; mask != 0; mask &= mask - 1)
			found |= mark_at(page, at + (size_t)__builtin_ctz(mask));
		if ((found & enough) != 0)
			break;
	}
	*ret_at = at;
	return found;
}
#define SCAN(page, enough, at)                                                                 \
	(__builtin_cpu_supports("avx2") ? marks_scan_avx2(page, enough, at)                    \
					: marks_scan_any(page, enough, at))
#else
#define SCAN marks_scan_any
#endif

/* Whether a quoted string of LONG_LETTERS_MIN letters stands around the sample at at. *ret_next
 * is where the letters end. */
static bool
is_long_string(struct slice page, size_t at, size_t floor, size_t *ret_next)
{
	size_t start = at, end = at;

	*ret_next = at + SAMPLE_BYTES;
	for (unsigned i = 0; i < SAMPLE_BYTES; i++) {
		if (!is_letter(page.ptr[at + i]))
			return false;
	}
	while (start > floor && is_letter(page.ptr[start - 1]))
		start--;
	while (end < page.len && (is_letter(page.ptr[end]) || page.ptr[end] == '='))
		end++;
	*ret_next = end;
	return end - start >= LONG_LETTERS_MIN && start > 0 && end < page.len &&
	       (page.ptr[start - 1] == '"' || page.ptr[start - 1] == '\'' ||
		   page.ptr[start - 1] == '`') &&
	       page.ptr[end] == page.ptr[start - 1];
}

static bool
has_long_string(struct slice page)
{
	size_t at = 0, floor = 0, next;

	while (page.len >= SAMPLE_BYTES && at <= page.len - SAMPLE_BYTES) {
		if (is_long_string(page, at, floor, &next))
			return true;
		floor = next;
		at = MAX_OF(at + SAMPLE_EVERY, next);
	}
	return false;
}

/* What the pass left over: the last few places, and long strings when that still matters. */
static unsigned
rest_scan(struct slice page, unsigned enough, unsigned found, size_t at)
{
	for (; (found & enough) == 0 && at < page.len; at++)
		found |= mark_at(page, at);
	if ((found & enough) == 0 && has_long_string(page))
		found |= HTML_LONG;
	return found;
}

unsigned
html_scan(struct slice page, unsigned enough)
{
	size_t at;
	unsigned found = SCAN(page, enough, &at);

	return rest_scan(page, enough, found, at);
}

unsigned
html_scan_portable(struct slice page)
{
	size_t at;
	unsigned found = marks_scan_any(page, 0, &at);

	return rest_scan(page, 0, found, at);
}

size_t
html_data_find(struct slice page, size_t from, size_t *ret_start)
{
	size_t at = from;

	while ((at = slice_find_byte(page, ':', at)) != SIZE_MAX) {
		if (html_is_data_colon(page, at, ret_start) && *ret_start >= from)
			return at;
		at++;
	}
	return SIZE_MAX;
}
