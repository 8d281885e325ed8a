/* deflate_whole.h: raw Deflate (RFC 1951) in one go, when the size of the plain text is known.
 * libdeflate behind one file: two to three times as fast as zlib on whole buffers, which is
 * what most members of ZIP archives are. */
#ifndef CORDON_DECOMPOSE_DEFLATE_WHOLE_H
#define CORDON_DECOMPOSE_DEFLATE_WHOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* Largest plain text that is worth it, and the most a byte of Deflate can stand for. */
#define DEFLATE_WHOLE_MAX_BYTES (16u << 20)
#define DEFLATE_RATIO_MAX       1032u

/* True when in begins with a stream of exactly out_len plain bytes: they are in out, and
 * *ret_used tells the length of the stream. False: nothing is promised about out. */
bool deflate_whole(struct slice in, uint8_t *out, size_t out_len, size_t *ret_used);
/* The same for one gzip member (RFC 1952), header and trailer included, which are checked. */
bool deflate_whole_gzip(struct slice in, uint8_t *out, size_t out_len, size_t *ret_used);
/* CRC-32 as ZIP and gzip have it. */
uint32_t deflate_crc32(struct slice bytes);

#endif
