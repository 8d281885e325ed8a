/* decode_ber.h: reads ASN.1 in BER, also with indefinite lengths (X.690). Lengths that run past
 * the end are cut there. Never recurses. */
#ifndef CORDON_DECOMPOSE_DECODE_BER_H
#define CORDON_DECOMPOSE_DECODE_BER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define BER_INTEGER    0x02
#define BER_OCTETS     0x04
#define BER_OID        0x06
#define BER_SEQUENCE   0x30
#define BER_SET        0x31
#define BER_CONTEXT(n) (0xA0 | (n)) /* constructed */

struct budget;

struct ber {
	uint8_t tag; /* class, constructed bit and number, of one byte */
	bool constructed;
	bool indefinite; /* inside then reaches to the end of what was given, its end mark
			  * somewhere in it */
	struct slice inside;
};

/* Reads the header of the element at the front of *in and moves *in to what is inside it.
 * False at the end, at an end mark (two NUL bytes), and for what is no element. */
bool ber_enter(struct slice *in, struct ber *ret_e);
/* Reads the element at the front of *in and moves *in behind all of it; inside of an indefinite
 * one ends before its end mark then. False as above, and when the time is used up (b may be
 * NULL). Cost: linear in the element. */
bool ber_next(struct slice *in, struct ber *ret_e, struct budget *b);

#endif
