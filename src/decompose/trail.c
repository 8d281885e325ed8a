/* trail.c: joining trails; foreign bytes never reach a terminal or a log through one. */
#include "decompose/trail.h"

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"

static bool
is_deceptive(uint32_t c)
{
	return (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	    (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

size_t
utf8_printable_len(struct slice s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len;
	uint32_t c;

	if (s.len == 0 || s.ptr[0] < 0x20 || s.ptr[0] == 0x7f)
		return 0;
	if (s.ptr[0] < 0x80)
		return 1;
	len = s.ptr[0] >= 0xf8 ? 0 : s.ptr[0] >= 0xf0 ? 4 : s.ptr[0] >= 0xe0 ? 3 : 2;
	if (s.ptr[0] < 0xc2 || len == 0 || len > s.len)
		return 0;
	c = s.ptr[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s.ptr[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s.ptr[i] & 0x3fu);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || is_deceptive(c))
		return 0;
	return len;
}

struct slice
trail_join(struct arena *a, struct slice parent, struct slice step)
{
	static const char between[] = " > ";
	bool first = parent.len == 0 || step.len == 0;
	uint8_t *out;
	size_t n = 0;

	if (parent.len > TRAIL_MAX_BYTES / 2) {
		parent.len = TRAIL_MAX_BYTES / 2;
		while (parent.len > 0 && (parent.ptr[parent.len] & 0xc0) == 0x80)
			parent.len--; /* not in the middle of a character */
	}
	step = slice_sub(step, 0, TRAIL_MAX_BYTES / 2);
	out = arena_alloc(a, parent.len + step.len + sizeof(between));
	if (out == NULL)
		return SLICE_NONE;
	if (parent.len > 0)
		memcpy(out, parent.ptr, parent.len);
	n = parent.len;
	if (!first) {
		memcpy(out + n, between, sizeof(between) - 1);
		n += sizeof(between) - 1;
	}
	while (step.len > 0) {
		size_t len = utf8_printable_len(step);

		if (len == 0)
			out[n++] = '?';
		else
			memcpy(out + n, step.ptr, len);
		n += len;
		step = slice_from(step, len == 0 ? 1 : len);
	}
	return slice_of(out, n);
}
