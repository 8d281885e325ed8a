/* stream_decode.c: the codecs of zlib, bzip2, liblzma, zstd and lz4 behind one loop. */
#include "decompose/stream_decode.h"

#include <bzlib.h>
#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/deflate_whole.h"

#define OUT_CHUNK_BYTES ((size_t)256 << 10)
#define IN_CHUNK_BYTES ((size_t)1 << 20)
#define LZMA_MEMORY_MAX (UINT64_C(160) << 20)
#define ZSTD_WINDOW_LOG_MAX 27
#define GZIP_WHOLE_MAX_BYTES                                                                   \
	((size_t)256 << 20) /* a third of a second, in which nobody asks the time */
#define LZ4_OLD_BLOCK_MAX ((size_t)8 << 20)

uint8_t *
stream_sink_reserve(struct stream_sink *s, size_t want, size_t *ret_room)
{
	if (s->buf == NULL)
		return decompose_output_reserve(s->d, want, ret_room);
	if (!budget_has_time(decompose_get_budget(s->d)))
		return NULL;
	want = MIN_OF(want, s->buf->max - s->buf->len);
	if (want == 0 || buf_reserve(s->buf, want) < 0)
		return NULL;
	*ret_room = want;
	return s->buf->data + s->buf->len;
}

bool
stream_sink_commit(struct stream_sink *s, size_t n)
{
	s->total += n;
	if (s->buf == NULL)
		return decompose_output_commit(s->d, n);
	s->buf->len += n;
	return true;
}

bool
stream_sink_write(struct stream_sink *s, struct slice bytes)
{
	while (bytes.len > 0) {
		size_t room;
		uint8_t *to = stream_sink_reserve(s, MIN_OF(bytes.len, OUT_CHUNK_BYTES), &room);

		if (to == NULL)
			return false;
		room = MIN_OF(room, bytes.len);
		memcpy(to, bytes.ptr, room);
		if (!stream_sink_commit(s, room))
			return false;
		bytes = slice_from(bytes, room);
	}
	return true;
}

/* What a codec's step works on; it moves the pointers. */
struct window {
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_len;
};

enum step { STEP_CORRUPT, STEP_MORE, STEP_END, STEP_UNSUPPORTED };

/* Runs step until it ends, fails, or nothing moves any more. */
static enum stream_status
stream_pump(void *state, enum step (*step)(void *, struct window *), struct slice in,
    struct stream_sink *out, size_t *ret_used)
{
	size_t at = 0;

	*ret_used = in.len;
	for (;;) {
		struct window w = { .in = in.ptr + at, .in_len = MIN_OF(in.len - at, IN_CHUNK_BYTES) };
		size_t room, given = w.in_len, made;
		enum step result;

		w.out = stream_sink_reserve(out, OUT_CHUNK_BYTES, &room);
		if (w.out == NULL)
			return STREAM_LIMIT;
		w.out_len = room;
		result = step(state, &w);
		at += given - w.in_len;
		made = room - w.out_len;
		if (!stream_sink_commit(out, made))
			return STREAM_LIMIT;
		if (result == STEP_END) {
			*ret_used = at;
			return STREAM_END;
		}
		if (result != STEP_MORE)
			return result == STEP_CORRUPT ? STREAM_CORRUPT : STREAM_UNSUPPORTED;
		if (made == 0 && given == w.in_len)
			return at == in.len ? STREAM_TRUNCATED : STREAM_CORRUPT;
	}
}

static enum step
inflate_step(void *state, struct window *w)
{
	z_stream *z = state;
	int result;

	z->next_in = (Bytef *)(uintptr_t)w->in;
	z->avail_in = (uInt)w->in_len;
	z->next_out = w->out;
	z->avail_out = (uInt)w->out_len;
	result = inflate(z, Z_NO_FLUSH);
	w->in_len = z->avail_in;
	w->out_len = z->avail_out;
	if (result == Z_STREAM_END)
		return STEP_END;
	if (result == Z_OK || result == Z_BUF_ERROR)
		return STEP_MORE;
	return result == Z_NEED_DICT ? STEP_UNSUPPORTED : STEP_CORRUPT;
}

enum stream_status
stream_inflate(struct slice in, int window_bits, struct stream_sink *out, size_t *ret_used)
{
	z_stream z = { 0 };
	enum stream_status status;

	*ret_used = in.len;
	if (inflateInit2(&z, window_bits) != Z_OK)
		return STREAM_UNSUPPORTED;
	status = stream_pump(&z, inflate_step, in, out, ret_used);
	(void)inflateEnd(&z);
	return status;
}

/* Length of the gzip header, 0 when in ends inside it. RFC 1952 section 2.3. */
static size_t
gzip_header_len(struct slice in, struct slice *ret_name)
{
	size_t at = 10, end;
	uint8_t flags;

	*ret_name = SLICE_NONE;
	if (in.len < 10)
		return 0;
	flags = in.ptr[3];
	if ((flags & 4) != 0) { /* FEXTRA */
		if (in.len < at + 2)
			return 0;
		at += 2 + (size_t)in.ptr[at] + ((size_t)in.ptr[at + 1] << 8);
	}
	for (uint8_t bit = 8; bit <= 16; bit <<= 1) { /* FNAME, FCOMMENT */
		if ((flags & bit) == 0)
			continue;
		end = slice_find_byte(in, 0, at);
		if (end == SIZE_MAX)
			return 0;
		if (bit == 8)
			*ret_name = slice_sub(in, at, end - at);
		at = end + 1;
	}
	if ((flags & 2) != 0) /* FHCRC */
		at += 2;
	return at <= in.len ? at : 0;
}

struct slice
stream_get_gzip_name(struct slice in)
{
	struct slice name;

	(void)gzip_header_len(in, &name);
	return name;
}

/* A file that is one member tells its size at the end (RFC 1952 section 2.3.1: ISIZE). An honest
 * one, within the limits, is decoded in one go; all others, and what goes wrong there, step by
 * step. False: nothing came of it. */
static bool
gunzip_whole(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	const struct limits *l = &decompose_get_budget(out->d)->limits;
	size_t size, room;
	uint8_t *to;

	if (in.len < 18 || out->buf != NULL || out->total > 0)
		return false;
	size = (size_t)in.ptr[in.len - 4] | (size_t)in.ptr[in.len - 3] << 8 |
	       (size_t)in.ptr[in.len - 2] << 16 | (size_t)in.ptr[in.len - 1] << 24;
	if (size == 0 || size > GZIP_WHOLE_MAX_BYTES || size / DEFLATE_RATIO_MAX > in.len ||
	    (size > l->ratio_floor_bytes && size / in.len >= l->ratio) || size > l->held_bytes)
		return false;
	to = stream_sink_reserve(out, size, &room);
	return to != NULL && room == size && deflate_whole_gzip(in, to, size, ret_used) &&
	       stream_sink_commit(out, size);
}

enum stream_status
stream_gunzip(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	struct slice name;
	size_t header = gzip_header_len(in, &name);
	z_stream z = { 0 };
	enum stream_status status;

	*ret_used = in.len;
	if (header == 0)
		return STREAM_TRUNCATED;
	if (in.ptr[2] != 8)
		return STREAM_UNSUPPORTED;
	/* zlib checks header CRC, CRC-32 and length; but its own header check refuses reserved
	 * flags that gzip readers pass over, so those are decoded raw. */
	if ((in.ptr[3] & 0xe0) != 0) {
		status = stream_inflate(slice_from(in, header), -15, out, ret_used);
		*ret_used = MIN_OF(*ret_used + header + 8, in.len);
		return status;
	}
	if (gunzip_whole(in, out, ret_used))
		return STREAM_END;
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return STREAM_UNSUPPORTED;
	status = stream_pump(&z, inflate_step, in, out, ret_used);
	(void)inflateEnd(&z);
	return status;
}

static enum step
bunzip2_step(void *state, struct window *w)
{
	bz_stream *z = state;
	int result;

	z->next_in = (char *)(uintptr_t)w->in;
	z->avail_in = (unsigned)w->in_len;
	z->next_out = (char *)w->out;
	z->avail_out = (unsigned)w->out_len;
	result = BZ2_bzDecompress(z);
	w->in_len = z->avail_in;
	w->out_len = z->avail_out;
	if (result == BZ_STREAM_END)
		return STEP_END;
	return result == BZ_OK ? STEP_MORE : result == BZ_MEM_ERROR ? STEP_UNSUPPORTED
	                                                            : STEP_CORRUPT;
}

enum stream_status
stream_bunzip2(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	bz_stream z = { 0 };
	enum stream_status status;

	*ret_used = in.len;
	if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK)
		return STREAM_UNSUPPORTED;
	status = stream_pump(&z, bunzip2_step, in, out, ret_used);
	(void)BZ2_bzDecompressEnd(&z);
	return status;
}

static enum step
lzma_step(void *state, struct window *w)
{
	lzma_stream *z = state;
	lzma_ret result;

	z->next_in = w->in;
	z->avail_in = w->in_len;
	z->next_out = w->out;
	z->avail_out = w->out_len;
	result = lzma_code(z, LZMA_RUN);
	w->in_len = z->avail_in;
	w->out_len = z->avail_out;
	switch (result) {
	case LZMA_STREAM_END:
		return STEP_END;
	case LZMA_OK:
	case LZMA_BUF_ERROR:
	case LZMA_NO_CHECK:
	case LZMA_UNSUPPORTED_CHECK:
	case LZMA_GET_CHECK:
		return STEP_MORE;
	case LZMA_MEMLIMIT_ERROR:
	case LZMA_MEM_ERROR:
	case LZMA_OPTIONS_ERROR:
		return STEP_UNSUPPORTED;
	default:
		return STEP_CORRUPT;
	}
}

/* z was initialised with the result given. */
static enum stream_status
lzma_run(lzma_stream *z, lzma_ret init, struct slice in, struct stream_sink *out,
    size_t *ret_used)
{
	enum stream_status status = STREAM_UNSUPPORTED;

	*ret_used = in.len;
	if (init == LZMA_OK)
		status = stream_pump(z, lzma_step, in, out, ret_used);
	lzma_end(z);
	return status;
}

enum stream_status
stream_unxz(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	lzma_stream z = LZMA_STREAM_INIT;

	return lzma_run(&z, lzma_stream_decoder(&z, LZMA_MEMORY_MAX, 0), in, out, ret_used);
}

enum stream_status
stream_unlzma(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	lzma_stream z = LZMA_STREAM_INIT;

	return lzma_run(&z, lzma_alone_decoder(&z, LZMA_MEMORY_MAX), in, out, ret_used);
}

enum stream_status
stream_unlzip(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	lzma_stream z = LZMA_STREAM_INIT;

	return lzma_run(&z, lzma_lzip_decoder(&z, LZMA_MEMORY_MAX, 0), in, out, ret_used);
}

enum stream_status
stream_unlzma_zip(struct slice in, uint64_t size, struct stream_sink *out, size_t *ret_used)
{
	uint8_t head[13], none[1]; /* liblzma reads a header only when it may write */
	struct slice rest;
	lzma_stream z = LZMA_STREAM_INIT;
	size_t used;
	enum stream_status status;

	*ret_used = in.len;
	if (in.len < 9)
		return STREAM_TRUNCATED;
	if (in.ptr[2] != 5 || in.ptr[3] != 0)
		return STREAM_UNSUPPORTED;
	memcpy(head, in.ptr + 4, 5);
	for (size_t i = 0; i < 8; i++)
		head[5 + i] = (uint8_t)(size >> (8 * i));
	if (lzma_alone_decoder(&z, LZMA_MEMORY_MAX) != LZMA_OK)
		return STREAM_UNSUPPORTED;
	z.next_in = head;
	z.avail_in = sizeof(head);
	z.next_out = none;
	z.avail_out = sizeof(none);
	if (lzma_code(&z, LZMA_RUN) != LZMA_OK || z.avail_in != 0) {
		lzma_end(&z);
		return STREAM_UNSUPPORTED;
	}
	rest = slice_from(in, 9);
	status = lzma_run(&z, LZMA_OK, rest, out, &used);
	*ret_used = used + 9;
	return status;
}

static enum step
unzstd_step(void *state, struct window *w)
{
	ZSTD_inBuffer in = { w->in, w->in_len, 0 };
	ZSTD_outBuffer out = { w->out, w->out_len, 0 };
	size_t result = ZSTD_decompressStream(state, &out, &in);

	w->in_len -= in.pos;
	w->out_len -= out.pos;
	if (ZSTD_isError(result)) {
		/* "Frame requires too much memory for decoding" is the one that is not corrupt. */
		return strstr(ZSTD_getErrorName(result), "memory") != NULL ? STEP_UNSUPPORTED
		                                                          : STEP_CORRUPT;
	}
	return result == 0 ? STEP_END : STEP_MORE;
}

enum stream_status
stream_unzstd(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	enum stream_status status;

	*ret_used = in.len;
	if (z == NULL)
		return STREAM_UNSUPPORTED;
	(void)ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	status = stream_pump(z, unzstd_step, in, out, ret_used);
	(void)ZSTD_freeDStream(z);
	return status;
}

static enum step
unlz4_step(void *state, struct window *w)
{
	size_t in_len = w->in_len, out_len = w->out_len;
	size_t result = LZ4F_decompress(state, w->out, &out_len, w->in, &in_len, NULL);

	w->in_len -= in_len;
	w->out_len -= out_len;
	if (LZ4F_isError(result))
		return STEP_CORRUPT;
	return result == 0 ? STEP_END : STEP_MORE;
}

/* The frame of lz4 before 1.0: blocks of 8 MB, each with its length in front, no end mark. */
static enum stream_status
stream_unlz4_old(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	CLEANUP(mem_free) uint8_t *block = malloc(LZ4_OLD_BLOCK_MAX);
	size_t at = 4;

	*ret_used = in.len;
	if (block == NULL)
		return STREAM_UNSUPPORTED;
	while (in.len - at >= 4) {
		size_t len = (size_t)in.ptr[at] | (size_t)in.ptr[at + 1] << 8 |
		    (size_t)in.ptr[at + 2] << 16 | (size_t)in.ptr[at + 3] << 24;
		int made;

		if (len > (size_t)LZ4_COMPRESSBOUND(LZ4_OLD_BLOCK_MAX)) {
			*ret_used = at; /* the mark of another frame */
			return STREAM_END;
		}
		at += 4;
		if (len > in.len - at)
			return STREAM_TRUNCATED;
		made = LZ4_decompress_safe((const char *)in.ptr + at, (char *)block, (int)len,
		    (int)LZ4_OLD_BLOCK_MAX);
		if (made < 0)
			return STREAM_CORRUPT;
		if (!stream_sink_write(out, slice_of(block, (size_t)made)))
			return STREAM_LIMIT;
		at += len;
	}
	return at == in.len ? STREAM_END : STREAM_TRUNCATED;
}

enum stream_status
stream_unlz4(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	LZ4F_dctx *z = NULL;
	enum stream_status status;

	*ret_used = in.len;
	if (in.len >= 4 && in.ptr[0] == 0x02)
		return stream_unlz4_old(in, out, ret_used);
	if (LZ4F_isError(LZ4F_createDecompressionContext(&z, LZ4F_VERSION)))
		return STREAM_UNSUPPORTED;
	status = stream_pump(z, unlz4_step, in, out, ret_used);
	(void)LZ4F_freeDecompressionContext(z);
	return status;
}
