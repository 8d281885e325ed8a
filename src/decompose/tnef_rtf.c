/* tnef_rtf.c: see tnef_rtf.h. */
#include "decompose/tnef_rtf.h"

#include <string.h>

#include "base/macros.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"

#define HEADER_BYTES 16
#define WINDOW_BYTES 4096
#define RUN_MAX      17

/* MS-OXRTFCP 2.1.2.1: what the window holds before the first byte. */
static const char prefix[] =
    "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss "
    "\\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier"
    "{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab"
    "\\tx";

_Static_assert(sizeof(prefix) - 1 == 207, "the window begins with 207 bytes");

static uint32_t
le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

struct window {
	uint8_t bytes[WINDOW_BYTES];
	size_t at;
};

static inline void
window_put(struct window *w, uint8_t byte, uint8_t **o)
{
	*(*o)++ = byte;
	w->bytes[w->at] = byte;
	w->at = (w->at + 1) % WINDOW_BYTES;
}

/* Up to eight tokens behind one control byte. False: the end. */
static bool
tokens_write(struct window *w, struct slice *in, struct sink *sink)
{
	uint8_t control = in->ptr[0], *start = sink_get(sink, 8 * RUN_MAX), *o = start;
	bool more = true;

	*in = slice_from(*in, 1);
	for (unsigned i = 0; i < 8 && more; i++, control >>= 1) {
		size_t offset, len;

		if ((control & 1) == 0) {
			more = in->len >= 1;
			if (more)
				window_put(w, in->ptr[0], &o);
			*in = slice_from(*in, 1);
			continue;
		}
		more = in->len >= 2;
		if (!more)
			break;
		offset = (size_t)in->ptr[0] << 4 | in->ptr[1] >> 4;
		len = (in->ptr[1] & 15u) + 2;
		*in = slice_from(*in, 2);
		more = offset != w->at; /* a reference to the place being written ends it all */
		for (; more && len > 0; len--, offset++)
			window_put(w, w->bytes[offset % WINDOW_BYTES], &o);
	}
	sink_put(sink, (size_t)(o - start));
	return more && in->len > 0;
}

bool
tnef_rtf_write(struct sink *sink, struct slice in)
{
	struct window w = { .at = sizeof(prefix) - 1 };
	uint32_t magic;

	if (in.len < HEADER_BYTES)
		return false;
	magic = le32(in.ptr + 8);
	if (magic == 0x414c454d) { /* "MELA": not compressed */
		sink_write(sink, slice_sub(in, HEADER_BYTES, le32(in.ptr + 4)));
		return true;
	}
	if (magic != 0x75465a4c) /* "LZFu" */
		return false;
	memcpy(w.bytes, prefix, sizeof(prefix) - 1);
	in = slice_from(in, HEADER_BYTES);
	while (in.len > 0 && !sink->full && tokens_write(&w, &in, sink))
		;
	return true;
}
