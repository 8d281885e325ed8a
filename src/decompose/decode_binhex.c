/* decode_binhex.c: see decode_binhex.h. */
#include "decompose/decode_binhex.h"

#include <string.h>

#define RUN_MARKER 0x90

#define X 255
/* clang-format off */
static const uint8_t values[128] = {
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, X, X,
	13, 14, 15, 16, 17, 18, 19, X, 20, 21, X, X, X, X, X, X,
	22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, X,
	37, 38, 39, 40, 41, 42, 43, X, 44, 45, 46, 47, X, X, X, X,
	48, 49, 50, 51, 52, 53, 54, X, 55, 56, 57, 58, 59, 60, X, X,
	61, 62, 63, X, X, X, X, X, X, X, X, X, X, X, X, X,
};
/* clang-format on */
#undef X

bool
binhex_is_letter(uint8_t c)
{
	return c < 128 && values[c] < 64;
}

/* The next byte before runs are unfolded; false: *in is empty. */
static inline bool
byte_next(struct binhex_state *s, struct slice *in, uint8_t *ret_byte)
{
	while (s->bits < 8) {
		uint8_t c;

		if (in->len == 0)
			return false;
		c = *in->ptr++;
		in->len--;
		if (!binhex_is_letter(c))
			continue;
		s->acc = s->acc << 6 | values[c];
		s->bits = (uint8_t)(s->bits + 6);
	}
	s->bits = (uint8_t)(s->bits - 8);
	*ret_byte = (uint8_t)(s->acc >> s->bits);
	return true;
}

size_t
binhex_decode(struct binhex_state *s, struct slice *in, uint8_t *out, size_t room_bytes)
{
	size_t o = 0;

	while (o < room_bytes) {
		uint8_t byte;

		if (s->run > 0) {
			size_t n = room_bytes - o < s->run ? room_bytes - o : s->run;

			memset(out + o, s->last, n);
			s->run = (uint8_t)(s->run - n);
			o += n;
			continue;
		}
		if (!byte_next(s, in, &byte))
			break;
		if (s->marker) {
			s->marker = false;
			if (byte == 0) /* the marker itself */
				out[o++] = s->last = RUN_MARKER;
			else
				s->run = (uint8_t)(byte - 1);
		} else if (byte == RUN_MARKER) {
			s->marker = true;
		} else {
			out[o++] = s->last = byte;
		}
	}
	return o;
}
