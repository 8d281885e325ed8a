/* decode_yenc.h: the bytes between "=ybegin" and "=yend" lines. */
#ifndef CORDON_DECOMPOSE_DECODE_YENC_H
#define CORDON_DECOMPOSE_DECODE_YENC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define YENC_ROOM 16 /* decode may write in.len + YENC_ROOM bytes */

/* Decodes a piece of data lines; line ends are skipped. *escaped (false at the start) carries a
 * '=' at the end of one piece to the next. Returns the bytes written; any cutting gives the
 * same. source  yEnc 1.3: byte = character - 42, after '=' character - 64 - 42, modulo 256 */
size_t yenc_decode(struct slice in, bool *escaped, uint8_t *out);

#endif
