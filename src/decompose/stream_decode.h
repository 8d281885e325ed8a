/* stream_decode.h: one compressed stream in, plain bytes out. Codecs only: no names, no
 * concatenation, no containers. stream_opener.c, zip_walker.c and the document openers use it. */
#ifndef CORDON_DECOMPOSE_STREAM_DECODE_H
#define CORDON_DECOMPOSE_STREAM_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf;
struct decompose;

enum stream_status {
	STREAM_CORRUPT = 0, /* a broken code, a checksum that does not fit */
	STREAM_END,         /* whole, and its checksum fits where it has one */
	STREAM_TRUNCATED,   /* the input ended first */
	STREAM_UNSUPPORTED, /* a window too large for us, an option we do not have */
	STREAM_LIMIT,       /* the sink took no more; the budget or the buffer says why */
};

/* Where the bytes go: the output that is open in d, or (buf not NULL) an own buffer, up to its
 * max. d is needed in both cases: it holds the CPU time. */
struct stream_sink {
	struct decompose *d;
	struct buf *buf;
	uint64_t total; /* bytes written so far */
};

/* Room of 1 to want bytes, or NULL at a limit; then how many of them were filled. */
uint8_t *stream_sink_reserve(struct stream_sink *s, size_t want, size_t *ret_room);
bool stream_sink_commit(struct stream_sink *s, size_t n);
bool stream_sink_write(struct stream_sink *s, struct slice bytes);

/* All decoders: in starts at the stream; what was decoded before trouble stays in the sink.
 * ret_used is the number of bytes of in that belong to the stream (all of them when it did not
 * end well), and is always written. */

/* Deflate. window_bits as zlib has them: -15 raw (RFC 1951), 15 zlib (RFC 1950). */
enum stream_status stream_inflate(struct slice in, int window_bits, struct stream_sink *out,
    size_t *ret_used);
/* One gzip member (RFC 1952), header to trailer. */
enum stream_status stream_gunzip(struct slice in, struct stream_sink *out, size_t *ret_used);
/* The file name in a gzip header (Latin-1 by the RFC, anything in truth); borrowed, or empty. */
struct slice stream_get_gzip_name(struct slice in);
enum stream_status stream_bunzip2(struct slice in, struct stream_sink *out, size_t *ret_used);
enum stream_status stream_unxz(struct slice in, struct stream_sink *out, size_t *ret_used);
/* "lzma alone": 13 bytes of header, end mark or known size. */
enum stream_status stream_unlzma(struct slice in, struct stream_sink *out, size_t *ret_used);
enum stream_status stream_unlzip(struct slice in, struct stream_sink *out, size_t *ret_used);
enum stream_status stream_unzstd(struct slice in, struct stream_sink *out, size_t *ret_used);
/* LZ4 frame, also the old frame of the Linux kernel. */
enum stream_status stream_unlz4(struct slice in, struct stream_sink *out, size_t *ret_used);
/* Raw LZMA as ZIP method 14 stores it (APPNOTE 5.8.8): version, size and properties first.
 * size: bytes of the plain text when there is no end mark, else UINT64_MAX. */
enum stream_status stream_unlzma_zip(struct slice in, uint64_t size, struct stream_sink *out,
    size_t *ret_used);
/* compress(1), .Z; through libarchive. */
enum stream_status stream_uncompress(struct slice in, struct stream_sink *out,
    size_t *ret_used);
/* SZDD of Microsoft's compress.exe and its QBasic variant. */
enum stream_status stream_expand_szdd(struct slice in, struct stream_sink *out,
    size_t *ret_used);

#endif
