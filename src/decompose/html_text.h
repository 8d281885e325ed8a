/* html_text.h: how pages and scripts write characters: references, escapes, per cent signs. */
#ifndef CORDON_DECOMPOSE_HTML_TEXT_H
#define CORDON_DECOMPOSE_HTML_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

/* All append to out; false when out is full (what fits was appended). Output is never longer
 * than input. Unknown references and broken escapes stay as they are.
 * references  "&#100;", "&#x64;" and the names of ASCII signs
 * escapes     of script strings: \x64, \u0064, \/, line continuations
 * percent     %64, and %u0064 as unescape() reads it */
bool html_decode_references(struct slice in, struct buf *out);
bool html_decode_escapes(struct slice in, struct buf *out);
bool html_decode_percent(struct slice in, struct buf *out);
/* The reference at the front of s ('&'). Returns its bytes, 0 when it is none. */
size_t html_reference_read(struct slice s, uint32_t *ret_code);

#endif
