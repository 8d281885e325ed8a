/* charset.h: text in any charset to UTF-8. */
#ifndef CORDON_DECOMPOSE_CHARSET_H
#define CORDON_DECOMPOSE_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

/* Opens every conversion there will ever be and keeps it open: inside a cage nothing can be
 * loaded any more. Call it once, before the cage closes; afterwards a charset that is not in
 * the list is unknown. Without the call (tests, command line) conversions open on demand. */
void charset_preload(void);

/* Appends in, read in the charset of that name (any case, quotes and punctuation ignored, the
 * usual wrong names known), to out as UTF-8.
 * returns  0 every byte had a meaning; 1 some had none and became U+FFFD;
 *          -ENOENT the charset is unknown (out untouched); -ENOBUFS, -ENOMEM out is full
 * UTF-8 is checked (overlong forms, surrogates and cut characters count as broken); UTF-16 and
 * UTF-32 follow their mark, without one the place of the zero bytes decides. */
int charset_to_utf8(struct slice charset, struct slice in, struct buf *out);

/* Length (1 to 4) of the well-formed UTF-8 character at the front of s and its code point, or
 * 0. */
size_t utf8_decode(struct slice s, uint32_t *ret_code);
/* Writes code as UTF-8; at most 4 bytes, their number is returned. */
size_t utf8_encode(uint32_t code, uint8_t ret_bytes[4]);
bool utf8_is_valid(struct slice s);

#endif
