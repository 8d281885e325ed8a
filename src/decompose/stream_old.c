/* stream_old.c: the stream formats of the eighties that mail still meets: compress(1) through
 * libarchive, Microsoft's SZDD by hand. */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/stream_decode.h"

#define SZDD_WINDOW 4096u

static void
archive_done(struct archive **a)
{
	if (*a != NULL)
		(void)archive_read_free(*a);
}

enum stream_status
stream_uncompress(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	CLEANUP(archive_done) struct archive *a = archive_read_new();
	struct archive_entry *entry;

	*ret_used = in.len;
	if (a == NULL)
		return STREAM_UNSUPPORTED;
	if (in.len < 3)
		return STREAM_TRUNCATED;
	(void)archive_read_support_filter_compress(a);
	(void)archive_read_support_format_raw(a);
	(void)archive_read_support_format_empty(a);
	if (archive_read_open_memory(a, in.ptr, in.len) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return STREAM_CORRUPT;
	for (;;) {
		const void *block;
		size_t len;
		la_int64_t offset;
		int result = archive_read_data_block(a, &block, &len, &offset);

		if (result == ARCHIVE_EOF)
			return STREAM_END;
		if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
			return STREAM_CORRUPT;
		if (!stream_sink_write(out, slice_of(block, len)))
			return STREAM_LIMIT;
	}
}

/* The LZSS of compress.exe: a ring of 4,096 blanks; eight flags, then a byte or a place and a
 * length for each. at: where the first flag byte stands; start: where the ring is written. */
static enum stream_status
szdd_run(struct slice in, size_t at, unsigned start, uint64_t size, struct stream_sink *out)
{
	uint8_t ring[SZDD_WINDOW], chunk[512];
	unsigned put = start;
	size_t n = 0;

	memset(ring, ' ', sizeof(ring));
	while (at < in.len && out->total + n < size) {
		uint8_t flags = in.ptr[at++];

		for (unsigned bit = 0; bit < 8 && at < in.len; bit++) {
			unsigned from = 0, len = 1;

			if ((flags >> bit & 1) == 0) {
				if (in.len - at < 2)
					return STREAM_TRUNCATED;
				from = in.ptr[at] | (unsigned)(in.ptr[at + 1] & 0xf0) << 4;
				len = (in.ptr[at + 1] & 0x0fu) + 3;
			}
			for (unsigned i = 0; i < len; i++) {
				uint8_t c = (flags >> bit & 1) != 0 ? in.ptr[at]
				                                    : ring[(from + i) % SZDD_WINDOW];

				ring[put++ % SZDD_WINDOW] = c;
				chunk[n++] = c;
			}
			at += (flags >> bit & 1) != 0 ? 1 : 2;
		}
		if (n > sizeof(chunk) - 8 * 18) {
			if (!stream_sink_write(out, slice_of(chunk, n)))
				return STREAM_LIMIT;
			n = 0;
		}
	}
	n = (size_t)MIN_OF((uint64_t)n, size - MIN_OF(size, out->total));
	if (!stream_sink_write(out, slice_of(chunk, n)))
		return STREAM_LIMIT;
	return out->total >= size ? STREAM_END : STREAM_TRUNCATED;
}

enum stream_status
stream_expand_szdd(struct slice in, struct stream_sink *out, size_t *ret_used)
{
	bool qbasic = in.len >= 3 && in.ptr[2] == ' ';
	size_t size_at = qbasic ? 8 : 10;
	uint64_t size;

	*ret_used = in.len;
	if (in.len < size_at + 4)
		return STREAM_TRUNCATED;
	if (!qbasic && in.ptr[8] != 'A')
		return STREAM_UNSUPPORTED;
	size = (uint64_t)in.ptr[size_at] | (uint64_t)in.ptr[size_at + 1] << 8 |
	    (uint64_t)in.ptr[size_at + 2] << 16 | (uint64_t)in.ptr[size_at + 3] << 24;
	return szdd_run(in, size_at + 4, SZDD_WINDOW - (qbasic ? 18 : 16), size, out);
}
