/* decode_base64.c: see decode_base64.h. The scalar code is the reference: vectors only take
 * over between groups, for runs of letters and the plain line ends between them, and hand
 * everything else back. */
#include "decompose/decode_base64.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_AVX2_CODE 1
#endif

#define VECTOR_BYTES 32

enum { CLASS_WHITE = 64, CLASS_PAD, CLASS_FOREIGN, CLASS_MINUS, CLASS_UNDERSCORE };

#define W CLASS_WHITE
#define P CLASS_PAD
#define X CLASS_FOREIGN
#define M CLASS_MINUS
#define U CLASS_UNDERSCORE
/* clang-format off */
static const uint8_t classes[256] = {
	X, X, X, X, X, X, X, X, X, W, W, W, W, W, X, X, /* 00 */
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, /* 10 */
	W, X, X, X, X, X, X, X, X, X, X, 62, X, M, X, 63, /* 20 */
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X, X, X, P, X, X, /* 30 */
	X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, /* 40 */
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X, X, X, X, U, /* 50 */
	X, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, /* 60 */
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X, X, X, X, X, /* 70 */
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, /* 80 */
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
};
/* clang-format on */
#undef W
#undef P
#undef X
#undef M
#undef U

void
base64_init(struct base64_state *s, enum base64_mode mode, bool map_urlsafe)
{
	*s = (struct base64_state){ .mode = mode, .map_urlsafe = map_urlsafe };
}

size_t
base64_bound(size_t in_len)
{
	return (in_len / 4 + 2) * 3 + VECTOR_BYTES;
}

size_t
base64_fit(size_t room)
{
	return room < base64_bound(0) ? 0 : (room - base64_bound(0)) / 3 * 4;
}

/* The group of pos characters, eq of them '=', is over. Writes what it gives. */
static size_t
group_end(struct base64_state *s, uint8_t *out)
{
	unsigned letters = (unsigned)(s->pos - s->eq);
	uint32_t bits = s->acc << (6 * (4 - s->pos));
	size_t n;

	if (s->mode == BASE64_QUANTA && s->pos == 4) /* as Thunderbird: "x===" gives a byte */
		n = letters == 4 ? 3 : letters == 3 ? 2 : letters > 0 ? 1 : 0;
	else
		n = letters >= 2 ? letters - 1 : 0;
	if (letters < 4)
		s->tail = letters < 2 || (bits & (0xFFFFFFu >> (8 * n))) != 0;
	if (n > 0)
		out[0] = (uint8_t)(bits >> 16);
	if (n > 1)
		out[1] = (uint8_t)(bits >> 8);
	if (n > 2)
		out[2] = (uint8_t)bits;
	s->pos = s->eq = 0;
	s->acc = 0;
	return n;
}

static inline size_t
letter_put(struct base64_state *s, uint32_t value, uint8_t *out)
{
	if (s->padded_last) {
		s->padded_last = false;
		s->padding_quanta++;
	}
	s->tail = false;
	s->want_eq = 0;
	s->acc = s->acc << 6 | value;
	if (++s->pos < 4)
		return 0;
	if (s->eq > 0) {
		s->padded_last = true;
		return group_end(s, out);
	}
	out[0] = (uint8_t)(s->acc >> 16);
	out[1] = (uint8_t)(s->acc >> 8);
	out[2] = (uint8_t)s->acc;
	s->pos = 0;
	s->acc = 0;
	return 3;
}

static size_t
padding_put(struct base64_state *s, uint8_t *out)
{
	unsigned letters = s->pos;
	size_t n;

	if (s->mode == BASE64_QUANTA) {
		s->acc <<= 6;
		s->eq++;
		if (++s->pos < 4)
			return 0;
		s->padded_last = s->eq < 4 || s->padded_last;
		return group_end(s, out);
	}
	if (letters == 0) { /* the second '=' of a pair, or too many */
		if (s->want_eq > 0)
			s->want_eq--;
		else
			s->tail = true;
		return 0;
	}
	if (s->mode == BASE64_STOP && letters < 2) {
		s->foreign++;
		return 0;
	}
	s->want_eq = (uint8_t)(3 - letters);
	n = group_end(s, out);
	s->padded_last = true;
	s->stopped = s->mode == BASE64_STOP;
	return n;
}

/* STOP mode, behind the padding: only look whether letters follow. */
static void
stopped_put(struct base64_state *s, uint8_t class)
{
	if (s->after_stop)
		return;
	if (class == CLASS_PAD) {
		s->used_bytes++;
		if (s->want_eq > 0)
			s->want_eq--;
		else
			s->tail = true;
	} else if (class < CLASS_WHITE) {
		s->after_stop = true;
		s->padding_quanta = 1;
	} else if (class != CLASS_WHITE) {
		s->after_stop = true;
	}
}

/* One byte of any kind; returns the bytes written. */
static inline size_t
byte_put(struct base64_state *s, uint8_t byte, uint8_t *out)
{
	uint8_t class = classes[byte];

	if (s->stopped) {
		stopped_put(s, class);
		return 0;
	}
	s->used_bytes++;
	if (class < CLASS_WHITE)
		return letter_put(s, class, out);
	if (class == CLASS_WHITE) {
		s->white++;
		return 0;
	}
	if (class == CLASS_PAD)
		return padding_put(s, out);
	if (class != CLASS_FOREIGN) {
		s->urlsafe = true;
		if (s->map_urlsafe)
			return letter_put(s, class == CLASS_MINUS ? 62 : 63, out);
	}
	s->foreign++;
	return 0;
}

size_t
base64_feed_scalar(struct base64_state *s, struct slice in, uint8_t *out)
{
	uint8_t *o = out;

	for (size_t i = 0; i < in.len && !s->after_stop; i++)
		o += byte_put(s, in.ptr[i], o);
	return (size_t)(o - out);
}

#ifdef HAVE_AVX2_CODE

/* 32 characters to 24 bytes (of 32 stored). Returns a bit for every character that is not a
 * letter; the bytes of the groups before the first of them are good.
 * Source: W. Mula, D. Lemire, "Faster Base64 Encoding and Decoding using AVX2", 2018. */
__attribute__((target("avx2"), always_inline)) static inline uint32_t
vector_decode(const uint8_t *in, uint8_t *out)
{
	const __m256i lut_lo = _mm256_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
	    0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A, 0x15, 0x11, 0x11, 0x11, 0x11, 0x11,
	    0x11, 0x11, 0x11, 0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A);
	const __m256i lut_hi = _mm256_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
	    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x01, 0x02, 0x04, 0x08,
	    0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
	const __m256i lut_roll = _mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0,
	    0, 0, 0, 0, 0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
	const __m256i pack = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1,
	    -1, -1, 2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
	const __m256i mask_2f = _mm256_set1_epi8(0x2f);
	__m256i v = _mm256_loadu_si256((const __m256i *)in);
	__m256i hi_nibbles = _mm256_and_si256(_mm256_srli_epi32(v, 4), mask_2f);
	__m256i lo = _mm256_shuffle_epi8(lut_lo, _mm256_and_si256(v, mask_2f));
	__m256i hi = _mm256_shuffle_epi8(lut_hi, hi_nibbles);
	__m256i good = _mm256_cmpeq_epi8(_mm256_and_si256(lo, hi), _mm256_setzero_si256());
	__m256i is_slash = _mm256_cmpeq_epi8(v, mask_2f);
	__m256i roll = _mm256_shuffle_epi8(lut_roll, _mm256_add_epi8(is_slash, hi_nibbles));
	__m256i bits = _mm256_add_epi8(v, roll);

	bits = _mm256_maddubs_epi16(bits, _mm256_set1_epi32(0x01400140));
	bits = _mm256_madd_epi16(bits, _mm256_set1_epi32(0x00011000));
	bits = _mm256_shuffle_epi8(bits, pack);
	bits = _mm256_permutevar8x32_epi32(bits, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7));
	_mm256_storeu_si256((__m256i *)out, bits);
	return ~(uint32_t)_mm256_movemask_epi8(good);
}

/* Whole groups and the line ends behind them, as far as that goes. Returns the characters
 * read; *ret_out moves on. The state is between groups, before and after. */
__attribute__((target("avx2"))) static size_t
vector_run(struct slice in, uint8_t **ret_out, uint64_t *white)
{
	const uint8_t *p = in.ptr, *end = in.ptr + in.len;
	uint8_t *o = *ret_out;
	uint64_t skipped = 0;

	while (end - p >= VECTOR_BYTES + 2) {
		uint32_t bad = vector_decode(p, o);
		unsigned letters;

		if (bad == 0) {
			p += VECTOR_BYTES;
			o += VECTOR_BYTES / 4 * 3;
			continue;
		}
		letters = (unsigned)__builtin_ctz(bad);
		p += letters & ~3u;
		o += letters / 4 * 3;
		if ((letters & 3) != 0)
			break;
		if (p[0] == '\r' && p[1] == '\n') {
			p += 2;
			skipped += 2;
		} else if (p[0] == '\n') {
			p++;
			skipped++;
		} else {
			break;
		}
	}
	*white += skipped;
	*ret_out = o;
	return (size_t)(p - in.ptr);
}

/* Vectors while they serve, single bytes to the end of the group where they do not. */
static size_t
feed_avx2(struct base64_state *s, struct slice in, uint8_t *out)
{
	uint8_t *o = out;
	size_t i = 0;

	while (i < in.len && !s->after_stop) {
		if (s->pos == 0 && !s->padded_last && !s->stopped && !s->tail &&
		    s->want_eq == 0 && in.len - i >= VECTOR_BYTES + 2) {
			size_t n = vector_run(slice_from(in, i), &o, &s->white);

			if (n >
			    0) { /* some of it may be white only; letters then stay to come */
				s->used_bytes += n;
				i += n;
				if (i == in.len)
					break;
			}
		}
		do {
			o += byte_put(s, in.ptr[i++], o);
		} while (i < in.len && s->pos != 0);
	}
	return (size_t)(o - out);
}

bool
base64_has_vectors(void)
{
	return __builtin_cpu_supports("avx2") != 0;
}

size_t
base64_feed(struct base64_state *s, struct slice in, uint8_t *out)
{
	return base64_has_vectors() ? feed_avx2(s, in, out) : base64_feed_scalar(s, in, out);
}

#else

bool
base64_has_vectors(void)
{
	return false;
}

size_t
base64_feed(struct base64_state *s, struct slice in, uint8_t *out)
{
	return base64_feed_scalar(s, in, out);
}

#endif

size_t
base64_finish(struct base64_state *s, uint8_t *out, struct base64_facts *ret_facts)
{
	size_t n = 0;

	if (s->pos > 0) {
		n = group_end(s, out);
		s->tail = true;
	} else if (s->want_eq > 0) {
		s->tail = true;
	}
	*ret_facts = (struct base64_facts){
		.foreign = s->foreign,
		.white = s->white,
		.padding_quanta = s->padding_quanta,
		.urlsafe = s->urlsafe,
		.tail = s->tail,
		.used_bytes = (size_t)s->used_bytes,
	};
	return n;
}
