/* decode_yenc.c: see decode_yenc.h. */
#include "decompose/decode_yenc.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

/* Bytes up to the next '=', CR or LF. May store 15 bytes more. */
static inline size_t
plain_decode(const uint8_t *p, size_t len, uint8_t *o)
{
	size_t i = 0;

#if defined(__x86_64__)
	const __m128i eq = _mm_set1_epi8('='), cr = _mm_set1_epi8('\r'),
		      lf = _mm_set1_epi8('\n');
	const __m128i shift = _mm_set1_epi8(42);

	for (; len - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(p + i));
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, eq),
		    _mm_or_si128(_mm_cmpeq_epi8(v, cr), _mm_cmpeq_epi8(v, lf)));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);

		_mm_storeu_si128((__m128i *)(o + i), _mm_sub_epi8(v, shift));
		if (mask != 0)
			return i + (size_t)__builtin_ctz(mask);
	}
#endif
	for (; i < len && p[i] != '=' && p[i] != '\r' && p[i] != '\n'; i++)
		o[i] = (uint8_t)(p[i] - 42);
	return i;
}

size_t
yenc_decode(struct slice in, bool *escaped, uint8_t *out)
{
	uint8_t *o = out;
	size_t i = 0;

	while (i < in.len) {
		if (*escaped) {
			if (in.ptr[i] != '\r' && in.ptr[i] != '\n') {
				*o++ = (uint8_t)(in.ptr[i] - 64 - 42);
				*escaped = false;
			}
			i++;
			continue;
		}
		size_t n = plain_decode(in.ptr + i, in.len - i, o);

		i += n;
		o += n;
		if (i < in.len)
			*escaped = in.ptr[i++] == '=';
	}
	return (size_t)(o - out);
}
