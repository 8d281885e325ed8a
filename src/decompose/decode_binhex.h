/* decode_binhex.h: BinHex 4 (RFC 1741): six bits a character, then run lengths. */
#ifndef CORDON_DECOMPOSE_DECODE_BINHEX_H
#define CORDON_DECOMPOSE_DECODE_BINHEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct binhex_state { /* private to decode_binhex.c */
	uint32_t acc;
	uint8_t bits; /* in acc */
	uint8_t last; /* byte that a run repeats */
	uint8_t run;  /* copies of it still to come */
	bool marker;  /* 0x90 was read */
};

/* All zero is the start. Decodes from *in (moved on) until it is empty or out has room_bytes.
 * Characters outside the alphabet are skipped. Returns the bytes written; a return of less than
 * room_bytes means that *in is empty. */
size_t binhex_decode(struct binhex_state *s, struct slice *in, uint8_t *out, size_t room_bytes);
/* Whether the character is one of the 64. */
bool binhex_is_letter(uint8_t c);

#endif
