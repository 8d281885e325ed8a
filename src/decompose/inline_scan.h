/* inline_scan.h: one quick pass over a text that tells which inline formats may be in it. */
#ifndef CORDON_DECOMPOSE_INLINE_SCAN_H
#define CORDON_DECOMPOSE_INLINE_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

#define INLINE_UU     1u
#define INLINE_YENC   2u
#define INLINE_BINHEX 4u
#define INLINE_BASE64 8u
#define INLINE_PGP    16u /* an armoured message, see pgp_opener.c */

/* The formats whose marks are there. Looks no further once one of enough is found. */
unsigned inline_scan(struct slice text, unsigned enough);

/* The next block of base64 at or after *pos: three lines of 40 letters or more, or one of 240,
 * and what follows of it. *pos moves behind it; false: no more. Cost over all calls is linear.
 */
bool inline_base64_next(struct slice text, size_t *pos, struct slice *ret_block);

#endif
