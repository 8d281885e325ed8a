/* rar_header.c: RAR block headers, both generations; see rar_header.h. */
#include "decompose/rar_header.h"

#include <string.h>

#include "base/arena.h"
#include "base/macros.h"

#define NAME_MAX 2048

#define RAR4_MAIN 0x73
#define RAR4_FILE 0x74
#define RAR4_SUB  0x7a
#define RAR4_END  0x7b

#define RAR5_MAIN    1
#define RAR5_FILE    2
#define RAR5_CRYPT   4
#define RAR5_END     5
#define RAR5_HEADER_MAX (2u << 20)

bool
rar_reader_init(struct rar_reader *r, struct slice file, struct arena *arena)
{
	*r = (struct rar_reader){ .file = file, .arena = arena };
	if (slice_starts_with(file, SLICE_LIT("Rar!\x1a\x07\x01\x00"))) {
		r->rar5 = true;
		r->at = 8;
		return true;
	}
	r->at = 7;
	return slice_starts_with(file, SLICE_LIT("Rar!\x1a\x07\x00"));
}

static uint32_t
get_le(struct slice b, size_t at, unsigned bytes)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint32_t)b.ptr[at + i] << (8 * i);
	return v;
}

static size_t
put_utf8(uint8_t *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	out[0] = (uint8_t)(0xe0 | c >> 12);
	out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c & 0x3f));
	return 3;
}

/* RAR 4 packs the UTF-16 name against the plain one: two bits tell how each unit is stored. */
static struct slice
rar4_decode_name(struct arena *a, struct slice plain, struct slice packed)
{
	uint8_t *out = arena_alloc(a, NAME_MAX * 3 + 3);
	size_t at = 1, n = 0, units = 0;
	unsigned flags = 0, flag_bits = 0, high;

	if (out == NULL || packed.len < 2)
		return plain;
	high = packed.ptr[0];
	while (at < packed.len && units < NAME_MAX) {
		if (flag_bits == 0) {
			flags = packed.ptr[at++];
			flag_bits = 8;
			continue;
		}
		switch (flags >> 6 & 3) {
		case 0:
			n += put_utf8(out + n, packed.ptr[at++]);
			units++;
			break;
		case 1:
			n += put_utf8(out + n, packed.ptr[at++] | high << 8);
			units++;
			break;
		case 2:
			if (packed.len - at < 2)
				return slice_of(out, n);
			n += put_utf8(out + n, get_le(packed, at, 2));
			at += 2;
			units++;
			break;
		default: {
			unsigned run = packed.ptr[at++], add = 0;
			bool shifted = (run & 0x80) != 0;

			if (shifted && at < packed.len)
				add = packed.ptr[at++];
			for (run = (run & 0x7f) + 2; run > 0 && units < plain.len &&
			    units < NAME_MAX; run--, units++)
				n += put_utf8(out + n, shifted
				        ? ((plain.ptr[units] + add) & 0xff) | high << 8
				        : plain.ptr[units]);
			break;
		}
		}
		flags <<= 2;
		flag_bits -= 2;
	}
	return slice_of(out, n);
}

static bool
rar4_parse_file(const struct rar_reader *r, struct rar_block *b, unsigned flags)
{
	struct slice h = b->header;
	size_t name_at = 32, name_len, nul;

	if (h.len < 32)
		return false;
	b->plain_bytes = get_le(h, 11, 4);
	b->crc = get_le(h, 16, 4);
	b->version = h.ptr[24];
	b->stored = h.ptr[25] == 0x30;
	b->level = (uint8_t)((h.ptr[25] - 0x30) & 7);
	name_len = get_le(h, 26, 2);
	if ((flags & 0x100) != 0) {
		if (h.len < 40)
			return false;
		b->plain_bytes |= (uint64_t)get_le(h, 36, 4) << 32;
		name_at = 40;
	}
	b->split_before = (flags & 0x01) != 0;
	b->split_after = (flags & 0x02) != 0;
	b->encrypted = (flags & 0x04) != 0;
	b->file_solid = (flags & 0x10) != 0;
	b->folder = (flags & 0xe0) == 0xe0;
	b->name = slice_sub(h, name_at, name_len);
	nul = (flags & 0x200) != 0 ? slice_find_byte(b->name, 0, 0) : SIZE_MAX;
	if (nul != SIZE_MAX && r->arena != NULL)
		b->name = rar4_decode_name(r->arena, slice_sub(b->name, 0, nul),
		    slice_from(b->name, nul + 1));
	return true;
}

static int
rar4_next(struct rar_reader *r, struct rar_block *b)
{
	struct slice rest = slice_from(r->file, r->at);
	unsigned type, flags, size;
	uint64_t data = 0;

	if (rest.len < 7)
		return -1;
	type = rest.ptr[2];
	flags = get_le(rest, 3, 2);
	size = get_le(rest, 5, 2);
	if (type < 0x72 || type > 0x7b || size < 7)
		return -2;
	if (size > rest.len)
		return -1;
	b->header = slice_sub(rest, 0, size);
	if ((flags & 0x8000) != 0 || type == RAR4_FILE || type == RAR4_SUB) {
		if (size < 11)
			return -2;
		data = get_le(rest, 7, 4);
		if ((type == RAR4_FILE || type == RAR4_SUB) && (flags & 0x100) != 0 && size >= 40)
			data |= (uint64_t)get_le(rest, 32, 4) << 32;
	}
	if (type == RAR4_MAIN) {
		b->kind = RAR_BLOCK_MAIN;
		b->volume = (flags & 0x01) != 0;
		b->solid = (flags & 0x08) != 0;
		b->headers_encrypted = (flags & 0x80) != 0;
	} else if (type == RAR4_FILE) {
		b->kind = RAR_BLOCK_FILE;
		if (!rar4_parse_file(r, b, flags))
			return -2;
	} else if (type == RAR4_END) {
		b->kind = RAR_BLOCK_END;
		b->more_volumes = (flags & 0x01) != 0;
	}
	rest = slice_from(rest, size);
	b->packed_bytes = data;
	b->cut = data > rest.len;
	b->data = slice_sub(rest, 0, (size_t)MIN_OF(data, (uint64_t)rest.len));
	r->at += size + b->data.len;
	return 1;
}

/* A variable-length number: seven bits a byte, the lowest first. False: the bytes end. */
static bool
take_number(struct slice *b, uint64_t *ret_value)
{
	*ret_value = 0;
	for (unsigned i = 0; i < b->len && i < 10; i++) {
		*ret_value |= (uint64_t)(b->ptr[i] & 0x7f) << (7 * i);
		if ((b->ptr[i] & 0x80) == 0) {
			*b = slice_from(*b, i + 1);
			return true;
		}
	}
	return false;
}

static void
rar5_parse_extra(struct slice extra, struct rar_block *b)
{
	uint64_t size, type;

	while (take_number(&extra, &size) && size > 0 && size <= extra.len) {
		struct slice record = slice_sub(extra, 0, (size_t)size);

		extra = slice_from(extra, (size_t)size);
		if (!take_number(&record, &type))
			continue;
		b->encrypted |= type == 1;
		b->link |= type == 5;
	}
}

static bool
rar5_parse_file(struct slice f, struct rar_block *b)
{
	uint64_t flags, attributes, info, host, name_len;

	if (!take_number(&f, &flags) || !take_number(&f, &b->plain_bytes) ||
	    !take_number(&f, &attributes))
		return false;
	b->folder = (flags & 1) != 0;
	b->size_unknown = (flags & 8) != 0;
	f = slice_from(f, ((flags & 2) != 0 ? 4u : 0u) + ((flags & 4) != 0 ? 4u : 0u));
	if (!take_number(&f, &info) || !take_number(&f, &host) || !take_number(&f, &name_len))
		return false;
	b->version = (info & 0x3f) == 0 ? 50 : 70;
	b->file_solid = (info & 0x40) != 0;
	b->stored = (info >> 7 & 7) == 0;
	b->level = info >> 7 & 7;
	b->name = slice_sub(f, 0, (size_t)MIN_OF(name_len, (uint64_t)NAME_MAX));
	return true;
}

static int
rar5_next(struct rar_reader *r, struct rar_block *b)
{
	struct slice rest = slice_from(r->file, r->at), f;
	uint64_t size, type, flags, extra_len = 0, data = 0, archive_flags;
	size_t size_len;

	if (rest.len < 7)
		return -1;
	f = slice_from(rest, 4);
	if (!take_number(&f, &size) || size == 0 || size > RAR5_HEADER_MAX)
		return -2;
	size_len = rest.len - f.len;
	if (size > f.len)
		return -1;
	b->header = slice_sub(rest, 0, size_len + (size_t)size);
	f = slice_sub(f, 0, (size_t)size);
	if (!take_number(&f, &type) || !take_number(&f, &flags) ||
	    ((flags & 1) != 0 && !take_number(&f, &extra_len)) ||
	    ((flags & 2) != 0 && !take_number(&f, &data)) || type == 0)
		return -2;
	if (type == RAR5_MAIN) {
		b->kind = RAR_BLOCK_MAIN;
		if (!take_number(&f, &archive_flags))
			return -2;
		b->volume = (archive_flags & 1) != 0;
		b->solid = (archive_flags & 4) != 0;
	} else if (type == RAR5_FILE) {
		b->kind = RAR_BLOCK_FILE;
		b->split_before = (flags & 0x08) != 0;
		b->split_after = (flags & 0x10) != 0;
		if (!rar5_parse_file(f, b))
			return -2;
		if (extra_len > 0 && extra_len <= f.len)
			rar5_parse_extra(slice_from(f, f.len - (size_t)extra_len), b);
	} else if (type == RAR5_CRYPT) {
		b->kind = RAR_BLOCK_CRYPT;
	} else if (type == RAR5_END) {
		b->kind = RAR_BLOCK_END;
		b->more_volumes = take_number(&f, &archive_flags) && (archive_flags & 1) != 0;
	}
	rest = slice_from(rest, b->header.len);
	b->packed_bytes = data;
	b->cut = data > rest.len;
	b->data = slice_sub(rest, 0, (size_t)MIN_OF(data, (uint64_t)rest.len));
	r->at += b->header.len + b->data.len;
	return 1;
}

int
rar_reader_next(struct rar_reader *r, struct rar_block *b)
{
	memset(b, 0, sizeof(*b));
	if (r->at >= r->file.len)
		return 0;
	return r->rar5 ? rar5_next(r, b) : rar4_next(r, b);
}
