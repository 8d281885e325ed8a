/* wire.c: see wire.h. */
#include "proc/wire.h"

#include <errno.h>
#include <string.h>

struct wire_reader
wire_read(struct slice body)
{
	return (struct wire_reader){ .rest = body };
}

struct slice
wire_get_bytes(struct wire_reader *r, size_t len)
{
	struct slice s;

	if (r->failed || len > r->rest.len) {
		r->failed = true;
		return SLICE_NONE;
	}
	s = slice_sub(r->rest, 0, len);
	r->rest = slice_from(r->rest, len);
	return s;
}

static void
get_fixed(struct wire_reader *r, void *out, size_t len)
{
	struct slice s = wire_get_bytes(r, len);

	if (s.len == len)
		memcpy(out, s.ptr, len);
}

uint8_t
wire_get_u8(struct wire_reader *r)
{
	uint8_t v = 0;

	get_fixed(r, &v, sizeof(v));
	return v;
}

uint32_t
wire_get_u32(struct wire_reader *r)
{
	uint32_t v = 0;

	get_fixed(r, &v, sizeof(v));
	return v;
}

uint64_t
wire_get_u64(struct wire_reader *r)
{
	uint64_t v = 0;

	get_fixed(r, &v, sizeof(v));
	return v;
}

struct slice
wire_get_slice(struct wire_reader *r)
{
	return wire_get_bytes(r, wire_get_u32(r));
}

bool
wire_is_done(const struct wire_reader *r)
{
	return !r->failed && r->rest.len == 0;
}

int
wire_put_u8(struct buf *b, uint8_t v)
{
	return buf_append(b, &v, sizeof(v));
}

int
wire_put_u32(struct buf *b, uint32_t v)
{
	return buf_append(b, &v, sizeof(v));
}

int
wire_put_u64(struct buf *b, uint64_t v)
{
	return buf_append(b, &v, sizeof(v));
}

int
wire_put_slice(struct buf *b, struct slice s)
{
	int r;

	if (s.len > UINT32_MAX)
		return -ENOBUFS;
	r = wire_put_u32(b, (uint32_t)s.len);
	return r < 0 ? r : buf_append_slice(b, s);
}

int
wire_put_str(struct buf *b, const char *s)
{
	return wire_put_slice(b, slice_of_str(s));
}
