/* ole_vba.c: see ole_vba.h. */
#include "decompose/ole_vba.h"

#include <string.h>

#include "base/buf.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/le_read.h"

#define CHUNK_BYTES     4096
#define SIGNATURE       0x01
#define SOURCE_MARK     "\0Attribut\0e"

enum { /* records of the dir stream */
	RECORD_PROJECT_VERSION = 0x0009,
	RECORD_MODULE_STREAM = 0x001a,
	RECORD_MODULE_OFFSET = 0x0031,
	RECORD_MODULE_STREAM_WIDE = 0x0032,
	RECORD_MODULE_NAME = 0x0019,
	RECORD_MODULE_END = 0x002b,
};

/* A copy token: the bits for the length shrink as the chunk grows (MS-OVBA 2.4.1.3.19). */
static bool
token_copy(struct buf *out, size_t chunk_start, uint16_t token)
{
	size_t done = out->len - chunk_start, bits = 4, offset, len;

	if (done == 0)
		return false;
	while (((size_t)1 << bits) < done)
		bits++;
	len = (token & (0xffffu >> bits)) + 3;
	offset = ((size_t)token >> (16 - bits)) + 1;
	if (offset > done)
		return false;
	if (done + len > CHUNK_BYTES)
		len = CHUNK_BYTES - done;
	if (buf_reserve(out, len) < 0)
		return false;
	for (size_t i = 0; i < len; i++, out->len++)
		out->data[out->len] = out->data[out->len - offset];
	return true;
}

static bool
chunk_unfold(struct slice in, struct buf *out)
{
	size_t start = out->len, at = 0;

	while (at < in.len) {
		unsigned flags = in.ptr[at++];

		for (unsigned bit = 0; bit < 8 && at < in.len; bit++) {
			if (out->len - start >= CHUNK_BYTES)
				return true;
			if ((flags >> bit & 1) == 0) {
				if (buf_append_byte(out, in.ptr[at++]) < 0)
					return false;
				continue;
			}
			if (in.len - at < 2 || !token_copy(out, start, le16_read(in, at)))
				return false;
			at += 2;
		}
	}
	return true;
}

bool
ole_vba_decompress(struct decompose *d, struct slice in, struct buf *out)
{
	size_t at = 1, before = out->len;

	if (in.len < 3 || in.ptr[0] != SIGNATURE)
		return false;
	while (in.len - at >= 2 && budget_has_time(decompose_get_budget(d))) {
		uint16_t header = le16_read(in, at);
		struct slice chunk = slice_sub(in, at + 2, (size_t)(header & 0x0fff) + 1);

		if ((header & 0x7000) != 0x3000)
			break;
		at += 2 + chunk.len;
		if ((header & 0x8000) == 0) {
			if (buf_append_slice(out, chunk) < 0)
				break;
		} else if (!chunk_unfold(chunk, out)) {
			break;
		}
	}
	return out->len > before;
}

size_t
ole_vba_parse_dir(struct slice dir, struct ole_vba_module *modules, size_t max)
{
	size_t at = 0, count = 0;
	struct ole_vba_module m = { 0 };

	while (dir.len - at >= 6 && count < max) {
		uint16_t id = le16_read(dir, at);
		size_t size = le32_read(dir, at + 2);
		struct slice data = slice_sub(dir, at + 6, size);

		if (id == RECORD_PROJECT_VERSION)
			size = 6; /* its length field says 4 */
		if (size > dir.len - at - 6)
			break;
		at += 6 + size;
		switch (id) {
		case RECORD_MODULE_NAME:
			m = (struct ole_vba_module){ .stream = SLICE_NONE };
			break;
		case RECORD_MODULE_STREAM:
			m.stream = data;
			break;
		case RECORD_MODULE_STREAM_WIDE:
			m.wide = data;
			break;
		case RECORD_MODULE_OFFSET:
			m.offset = le32_read(data, 0);
			if (m.stream.len > 0)
				modules[count++] = m;
			break;
		default:
			break;
		}
	}
	return count;
}

size_t
ole_vba_find_source(struct slice stream)
{
	struct slice mark = slice_of(SOURCE_MARK, sizeof(SOURCE_MARK) - 1);
	size_t at = slice_find(stream, mark, 0);

	if (at == SIZE_MAX || at < 3 || stream.ptr[at - 3] != SIGNATURE)
		return SIZE_MAX;
	return at - 3;
}
