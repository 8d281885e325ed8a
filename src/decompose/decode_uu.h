/* decode_uu.h: lines of uuencoded data. Finding them is inline_uu.c's work. */
#ifndef CORDON_DECOMPOSE_DECODE_UU_H
#define CORDON_DECOMPOSE_DECODE_UU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define UU_LINE_MAX 63 /* bytes one line can give */

/* How much a line (without its end) looks like uuencoded data.
 * NO     it is none: empty, or shorter than its count says and with letters no encoder writes
 * EMPTY  its count is 0: the line before "end"
 * LOOSE  as long as its count says, but with characters from 0x61 on, which decoders that mask
 *        (Thunderbird) take like those 64 below; or much shorter than its count
 * DATA   only characters of the alphabet, about as long as its count says (blanks at the end
 *        may be stripped, a check character may follow) */
enum uu_kind { UU_NO, UU_EMPTY, UU_LOOSE, UU_DATA };

enum uu_kind uu_line_judge(struct slice line);
/* Decodes one line as its count says; what is missing counts as blanks. Characters are masked
 * to six bits. Writes at most UU_LINE_MAX bytes to out (room for UU_LINE_MAX + 2). */
size_t uu_line_decode(struct slice line, uint8_t *out);

#endif
