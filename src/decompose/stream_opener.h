/* stream_opener.h: single compressed files: gzip, bzip2, xz, lzma, lzip, zstd, lz4, .Z, SZDD. */
#ifndef CORDON_DECOMPOSE_STREAM_OPENER_H
#define CORDON_DECOMPOSE_STREAM_OPENER_H

#include <stdbool.h>

#include "base/slice.h"

struct decompose;
struct object;

/* Claims leaves whose bytes are such a stream, and bytes of no known type that a name or the
 * declared type calls lzma (that format has no mark of its own). */
bool stream_opener_claims(const struct object *o);
/* Emits what all streams of o, one behind the other, decode to, as one child, named after the
 * name that gzip stores and after the names of o without ".gz" and the like. Bytes behind the
 * last stream that are not padding are a child of their own.
 * facts    TRUNCATED, CORRUPT, UNSUPPORTED; a limit. What was decoded is emitted all the same. */
void stream_opener_open(struct decompose *d, struct object *o);

/* Formats that are known by their mark and opened by nobody here (ACE, ARC, ZOO, freeze
 * ...): the object gets the fact UNSUPPORTED. */
bool unsupported_opener_claims(const struct object *o);
void unsupported_opener_open(struct decompose *d, struct object *o);

#endif
