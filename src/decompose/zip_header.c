/* zip_header.c: reading of single ZIP records. What they mean together is zip_walker.c's. */
#include "decompose/zip_header.h"

#include <string.h>

#include "base/macros.h"

#define LOCAL_BYTES   30
#define CENTRAL_BYTES 46
#define END_BYTES     22
#define EXTRA_ZIP64   0x0001
#define EXTRA_UNICODE 0x7075
#define EXTRA_AES     0x9901
#define TAIL_BYTES    (65535 + END_BYTES)

static uint64_t
get_le(struct slice b, size_t at, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)b.ptr[at + i] << (8 * i);
	return v;
}

static bool
has_mark(struct slice file, size_t at, const char mark[4], size_t record_bytes)
{
	return at <= file.len && file.len - at >= record_bytes &&
	    memcmp(file.ptr + at, mark, 4) == 0;
}

/* ZIP64 (4.5.3): only the values that are all ones in the header, in this order. */
static void
extra_read_zip64(struct slice field, struct zip_header *h)
{
	uint64_t *const values[] = { &h->plain_bytes, &h->packed_bytes, &h->local_at };
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		if (*values[i] != UINT32_MAX || field.len - at < 8)
			continue;
		*values[i] = get_le(field, at, 8);
		at += 8;
	}
}

static void
extra_read(struct slice extra, struct zip_header *h)
{
	size_t at = 0;

	while (extra.len - at >= 4) {
		uint64_t id = get_le(extra, at, 2), len = get_le(extra, at + 2, 2);
		struct slice field = slice_sub(extra, at + 4, (size_t)len);

		if (id == EXTRA_ZIP64)
			extra_read_zip64(field, h);
		else if (id == EXTRA_UNICODE && field.len > 5)
			h->unicode_name = slice_from(field, 5);
		if (id == EXTRA_AES && field.len >= 7) {
			h->aes_strength = field.ptr[4];
			h->aes_method = (uint16_t)get_le(field, 5, 2);
		}
		if (len > extra.len - at - 4)
			return;
		at += 4 + (size_t)len;
	}
}

bool
zip_header_parse_local(struct slice file, size_t at, struct zip_header *h)
{
	size_t name_len, extra_len;

	if (!has_mark(file, at, "PK\003\004", LOCAL_BYTES))
		return false;
	name_len = (size_t)get_le(file, at + 26, 2);
	extra_len = (size_t)get_le(file, at + 28, 2);
	if (name_len + extra_len > file.len - at - LOCAL_BYTES)
		return false;
	*h = (struct zip_header){
		.at = at,
		.end = at + LOCAL_BYTES + name_len + extra_len,
		.version = (uint16_t)get_le(file, at + 4, 2),
		.flags = (uint16_t)get_le(file, at + 6, 2),
		.method = (uint16_t)get_le(file, at + 8, 2),
		.mod_time = (uint16_t)get_le(file, at + 10, 2),
		.crc = (uint32_t)get_le(file, at + 14, 4),
		.packed_bytes = get_le(file, at + 18, 4),
		.plain_bytes = get_le(file, at + 22, 4),
		.name = slice_sub(file, at + LOCAL_BYTES, name_len),
	};
	extra_read(slice_sub(file, at + LOCAL_BYTES + name_len, extra_len), h);
	if ((h->flags & ZIP_FLAG_DESCRIPTOR) != 0 && h->packed_bytes == 0 &&
	    h->plain_bytes == 0)
		h->packed_bytes = h->plain_bytes = UINT64_MAX;
	return true;
}

bool
zip_header_parse_central(struct slice file, size_t at, struct zip_header *h)
{
	size_t name_len, extra_len, comment_len;

	if (!has_mark(file, at, "PK\001\002", CENTRAL_BYTES))
		return false;
	name_len = (size_t)get_le(file, at + 28, 2);
	extra_len = (size_t)get_le(file, at + 30, 2);
	comment_len = (size_t)get_le(file, at + 32, 2);
	if (name_len + extra_len + comment_len > file.len - at - CENTRAL_BYTES)
		return false;
	*h = (struct zip_header){
		.at = at,
		.end = at + CENTRAL_BYTES + name_len + extra_len + comment_len,
		.version = (uint16_t)get_le(file, at + 6, 2),
		.flags = (uint16_t)get_le(file, at + 8, 2),
		.method = (uint16_t)get_le(file, at + 10, 2),
		.mod_time = (uint16_t)get_le(file, at + 12, 2),
		.crc = (uint32_t)get_le(file, at + 16, 4),
		.packed_bytes = get_le(file, at + 20, 4),
		.plain_bytes = get_le(file, at + 24, 4),
		.disk = (uint32_t)get_le(file, at + 34, 2),
		.local_at = get_le(file, at + 42, 4),
		.name = slice_sub(file, at + CENTRAL_BYTES, name_len),
	};
	extra_read(slice_sub(file, at + CENTRAL_BYTES + name_len, extra_len), h);
	return true;
}

/* The ZIP64 record is found through its locator, or right before the locator where the
 * locator's offset is wrong because something stands before the archive. */
static void
end_read_zip64(struct slice file, struct zip_end *e)
{
	size_t at;

	if (e->at < 20 || !has_mark(file, e->at - 20, "PK\006\007", 20))
		return;
	e->directory_limit = e->at - 20;
	at = (size_t)get_le(file, e->at - 12, 8);
	if (!has_mark(file, at, "PK\006\006", 56)) {
		if (e->at < 76)
			return;
		at = e->at - 76;
		if (!has_mark(file, at, "PK\006\006", 56))
			return;
	}
	e->directory_limit = at;
	e->entries = get_le(file, at + 32, 8);
	e->directory_bytes = get_le(file, at + 40, 8);
	e->directory_at = get_le(file, at + 48, 8);
	e->disk = (uint32_t)get_le(file, at + 16, 4);
}

bool
zip_end_parse(struct slice file, size_t at, struct zip_end *e)
{
	if (!has_mark(file, at, "PK\005\006", END_BYTES))
		return false;
	*e = (struct zip_end){
		.at = at,
		.end = MIN_OF(at + END_BYTES + (size_t)get_le(file, at + 20, 2), file.len),
		.directory_limit = at,
		.disk = (uint32_t)get_le(file, at + 4, 2),
		.entries = get_le(file, at + 10, 2),
		.directory_bytes = get_le(file, at + 12, 4),
		.directory_at = get_le(file, at + 16, 4),
	};
	end_read_zip64(file, e);
	return true;
}

bool
zip_end_find_last(struct slice file, struct zip_end *ret_end)
{
	size_t from = file.len > TAIL_BYTES ? file.len - TAIL_BYTES : 0, at = from;
	bool found = false;

	while ((at = slice_find(file, SLICE_LIT("PK\005\006"), at)) != SIZE_MAX) {
		if (zip_end_parse(file, at, ret_end))
			found = true;
		else
			break; /* too short: so is every later one */
		at += 4;
	}
	return found;
}
