/* trail.h: the way to an object, for people: "2.1 base64 > invoice.zip > a.exe". */
#ifndef CORDON_DECOMPOSE_TRAIL_H
#define CORDON_DECOMPOSE_TRAIL_H

#include "base/slice.h"

struct arena;

/* parent " > " step, step made printable: control characters, broken UTF-8 and the characters
 * that turn or hide text (bidi, zero width) become '?'. Cut in the middle at TRAIL_MAX bytes.
 * The result lives in a; empty when memory is refused. */
#define TRAIL_MAX_BYTES 1024
struct slice trail_join(struct arena *a, struct slice parent, struct slice step);

/* Length of the printable UTF-8 character at the front of s, or 0. */
size_t utf8_printable_len(struct slice s);

#endif
