/* archive_udf.c: UDF disk images (ECMA-167, OSTA UDF 1.02 to 2.01), read in place: libarchive
 * knows only ISO 9660, and Windows shows the UDF tree where a disk has both. Plain partitions
 * only; virtual, sparable and metadata ones are UNSUPPORTED. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/archive_opener.h"
#include "decompose/decompose.h"

#define SECTOR 2048u
#define ENTRIES_MAX 20000u
#define EXTENTS_MAX 4096u
#define DIRECTORY_MAX ((size_t)8 << 20)

#define TAG_ANCHOR    2
#define TAG_PARTITION 5
#define TAG_VOLUME    6
#define TAG_END       8
#define TAG_FILE_SET  256
#define TAG_NAME      257
#define TAG_FILE      261
#define TAG_FILE_EXT  266

struct udf {
	struct decompose *d;
	struct object *o;
	struct slice image;
	uint64_t partition_at; /* byte offset */
	uint32_t block_bytes;
	uint32_t *folders;     /* blocks of folders to read; owned */
	size_t folder_count, folder_next;
	uint32_t entries;
	uint64_t facts;
	bool stop;
};

/* The bytes of a file: where they stand, piece by piece. */
struct extents {
	struct slice first; /* when all is in one piece */
	bool one_piece;
	struct slice allocation; /* descriptors */
	unsigned kind;           /* 0 short, 1 long, 3: the bytes themselves */
	uint64_t bytes;
};

static uint64_t
get_le(struct slice b, size_t at, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n && at + i < b.len; i++)
		v |= (uint64_t)b.ptr[at + i] << (8 * i);
	return v;
}

static struct slice
block_get(const struct udf *u, uint32_t block, size_t len)
{
	uint64_t at = u->partition_at + (uint64_t)block * u->block_bytes;

	return at < u->image.len ? slice_sub(u->image, (size_t)at, len) : SLICE_NONE;
}

static bool
has_tag(struct slice b, unsigned tag)
{
	uint8_t sum = 0;

	if (b.len < 16 || get_le(b, 0, 2) != tag)
		return false;
	for (size_t i = 0; i < 16; i++)
		sum = (uint8_t)(sum + (i == 4 ? 0 : b.ptr[i]));
	return sum == b.ptr[4];
}

/* Finds partition, block size and root folder. False: no such volume. */
static bool
volume_read(struct udf *u, uint32_t *ret_root)
{
	struct slice anchor = slice_sub(u->image, 256 * SECTOR, SECTOR), set;
	uint64_t at = get_le(anchor, 20, 4) * SECTOR, len = get_le(anchor, 16, 4);
	uint32_t set_block = 0;
	bool has_volume = false, has_partition = false;

	if (!has_tag(anchor, TAG_ANCHOR))
		return false;
	for (uint64_t i = 0; i < len && i < 64 * SECTOR && at + i < u->image.len; i += SECTOR) {
		struct slice s = slice_sub(u->image, (size_t)(at + i), SECTOR);

		if (has_tag(s, TAG_END))
			break;
		if (has_tag(s, TAG_PARTITION) && !has_partition) {
			u->partition_at = get_le(s, 188, 4) * SECTOR;
			has_partition = true;
		} else if (has_tag(s, TAG_VOLUME)) {
			u->block_bytes = (uint32_t)get_le(s, 212, 4);
			set_block = (uint32_t)get_le(s, 252, 4);
			has_volume = true;
			if (get_le(s, 268, 4) != 1 || get_le(s, 440, 1) != 1)
				u->facts |= FACT_BIT(FACT_UNSUPPORTED); /* other kinds of partitions */
		}
	}
	if (!has_volume || !has_partition || u->block_bytes < 512 || u->block_bytes > 32768)
		return false;
	set = block_get(u, set_block, 512);
	if (!has_tag(set, TAG_FILE_SET))
		return false;
	*ret_root = (uint32_t)get_le(set, 404, 4);
	return true;
}

/* The next piece of a file; false: no more. A hole is a slice of no bytes with *ret_len set. */
static bool
extent_next(const struct udf *u, const struct extents *e, size_t *index, struct slice *ret,
    uint64_t *ret_len)
{
	size_t size = e->kind == 0 ? 8 : 16, at = *index * size;
	uint32_t len, type;

	if (at + size > e->allocation.len || *index >= EXTENTS_MAX)
		return false;
	len = (uint32_t)get_le(e->allocation, at, 4);
	type = len >> 30;
	len &= 0x3fffffff;
	if (len == 0 || type == 3)
		return false;
	*ret = type == 0 ? block_get(u, (uint32_t)get_le(e->allocation, at + 4, 4), len) : SLICE_NONE;
	*ret_len = len;
	(*index)++;
	return true;
}

/* Reads a file entry. False: the block holds none. */
static bool
file_read(const struct udf *u, uint32_t block, struct extents *e, unsigned *ret_type)
{
	struct slice s = block_get(u, block, u->block_bytes);
	size_t base = has_tag(s, TAG_FILE) ? 168 : 208, extended;
	uint64_t len;

	if (!has_tag(s, TAG_FILE) && !has_tag(s, TAG_FILE_EXT))
		return false;
	*ret_type = (unsigned)get_le(s, 27, 1);
	extended = (size_t)get_le(s, base, 4);
	memset(e, 0, sizeof(*e));
	e->kind = (unsigned)get_le(s, 34, 2) & 7;
	e->bytes = get_le(s, 56, 8);
	e->allocation = slice_sub(s, base + 8 + MIN_OF(extended, s.len), (size_t)get_le(s, base + 4,
	    4));
	if (e->kind == 3) {
		e->one_piece = true;
		e->first = slice_sub(e->allocation, 0, (size_t)MIN_OF(e->bytes, (uint64_t)SECTOR * 16));
	} else {
		size_t index = 0;

		if (extent_next(u, e, &index, &e->first, &len) && e->first.len > 0 &&
		    len >= e->bytes) {
			e->one_piece = true;
			e->first = slice_sub(e->first, 0, (size_t)MIN_OF(e->bytes, len));
		}
	}
	return e->kind <= 1 || e->kind == 3;
}

/* All bytes of a file, appended to the open output. False: a limit. */
static bool
file_copy(struct udf *u, const struct extents *e)
{
	uint64_t left = e->bytes, len;
	struct slice piece;
	size_t index = 0;

	while (left > 0 && extent_next(u, e, &index, &piece, &len)) {
		if (!budget_has_time(decompose_get_budget(u->d)))
			return false;
		if (piece.len < MIN_OF(len, left))
			u->facts |= FACT_BIT(FACT_TRUNCATED);
		piece = slice_sub(piece, 0, (size_t)MIN_OF(left, (uint64_t)piece.len));
		if (!decompose_output_write(u->d, piece))
			return false;
		left -= MIN_OF(left, len);
	}
	if (left > 0)
		u->facts |= FACT_BIT(FACT_TRUNCATED);
	return true;
}

static void
file_emit(struct udf *u, const struct extents *e, struct slice name)
{
	struct child c = { .step = name,
		.names = &name,
		.name_count = 1,
		.packing = { .packed_bytes = e->bytes,
		    .plain_bytes = e->bytes,
		    .method = SLICE_LIT("store") } };

	if (e->bytes == 0)
		return;
	if (e->one_piece) {
		if (e->first.len < e->bytes)
			u->facts |= FACT_BIT(FACT_TRUNCATED);
		u->stop = e->first.len > 0 && decompose_emit(u->d, u->o, &c, e->first) == NULL;
		return;
	}
	decompose_output_begin(u->d, u->o, u->image.len);
	u->stop = !file_copy(u, e);
	if (decompose_output_get(u->d).len == 0)
		(void)decompose_output_give_up(u->d, &c);
	else if (decompose_output_finish(u->d, &c) == NULL)
		u->stop = true;
}

/* Names are 8 or 16 bits a letter, told by their first byte. */
static struct slice
name_decode(struct udf *u, struct slice raw)
{
	uint8_t *out;
	size_t n = 0, step = raw.len > 0 && raw.ptr[0] == 16 ? 2 : 1;

	out = arena_alloc(decompose_get_arena(u->d), raw.len * 3 + 1);
	if (out == NULL)
		return SLICE_NONE;
	for (size_t i = 1; i + step <= raw.len; i += step) {
		uint32_t c = step == 2 ? (uint32_t)raw.ptr[i] << 8 | raw.ptr[i + 1] : raw.ptr[i];

		if (c < 0x80) {
			out[n++] = (uint8_t)c;
			continue;
		}
		if (c < 0x800) {
			out[n++] = (uint8_t)(0xc0 | c >> 6);
		} else {
			out[n++] = (uint8_t)(0xe0 | c >> 12);
			out[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		}
		out[n++] = (uint8_t)(0x80 | (c & 0x3f));
	}
	return slice_of(out, n);
}

static void
folder_walk(struct udf *u, struct slice entries)
{
	size_t at = 0;

	while (!u->stop && entries.len - at >= 38) {
		struct slice s = slice_from(entries, at), name;
		unsigned flags = (unsigned)get_le(s, 18, 1), type;
		size_t use = (size_t)get_le(s, 36, 2), name_len = (size_t)get_le(s, 19, 1);
		uint32_t block = (uint32_t)get_le(s, 24, 4);
		struct extents e;

		if (!has_tag(s, TAG_NAME))
			break;
		at += MIN_OF((38 + use + name_len + 3) & ~(size_t)3, entries.len - at);
		if (++u->entries > ENTRIES_MAX ||
		    !budget_has_time(decompose_get_budget(u->d))) {
			u->facts |= u->entries > ENTRIES_MAX
					? FACT_BIT(FACT_LIMIT_OBJECTS)
					: budget_get_time_facts(decompose_get_budget(u->d));
			u->stop = true;
			break;
		}
		if ((flags & 0x08) != 0) /* the parent; deleted ones (4) are looked at */
			continue;
		name = name_decode(u, slice_sub(s, 38 + use, name_len));
		if (!file_read(u, block, &e, &type)) {
			if ((flags & 0x04) == 0)
				u->facts |= FACT_BIT(FACT_CORRUPT);
		} else if (type != 4) {
			file_emit(u, &e, name);
		} else if (u->folder_count < ENTRIES_MAX) {
			bool known = false;

			for (size_t i = 0; i < u->folder_count && !known; i++)
				known = u->folders[i] == block;
			if (!known)
				u->folders[u->folder_count++] = block;
		}
	}
}

/* A folder's entries may be scattered: then they are put together first. */
static void
folder_open(struct udf *u, uint32_t block)
{
	CLEANUP(mem_free) uint8_t *joined = NULL;
	struct extents e;
	struct slice piece;
	uint64_t len;
	unsigned type;
	size_t index = 0, n = 0;

	if (!file_read(u, block, &e, &type)) {
		u->facts |= FACT_BIT(FACT_CORRUPT);
		return;
	}
	if (e.one_piece) {
		folder_walk(u, e.first);
		return;
	}
	joined = malloc((size_t)MIN_OF(e.bytes, (uint64_t)DIRECTORY_MAX) + 1);
	if (joined == NULL)
		return;
	while (n < e.bytes && n < DIRECTORY_MAX && extent_next(u, &e, &index, &piece, &len)) {
		piece = slice_sub(piece, 0, (size_t)MIN_OF(e.bytes, (uint64_t)DIRECTORY_MAX) - n);
		if (piece.len > 0)
			memcpy(joined + n, piece.ptr, piece.len);
		n += piece.len;
	}
	folder_walk(u, slice_of(joined, n));
}

bool
archive_udf_claims(const struct object *o)
{
	if ((o->roles & ROLE_LEAF) == 0 || o->bytes.len < 257 * SECTOR)
		return false;
	for (size_t at = 16 * SECTOR; at < 32 * SECTOR; at += SECTOR) {
		if (slice_eq_str(slice_sub(o->bytes, at + 1, 4), "NSR0"))
			return true;
	}
	return false;
}

void
archive_udf_open(struct decompose *d, struct object *o)
{
	CLEANUP(mem_free) uint32_t *folders = malloc(ENTRIES_MAX * sizeof(*folders));
	struct udf u = { .d = d, .o = o, .image = o->bytes, .folders = folders };
	uint32_t root;

	if (folders == NULL) {
		object_add_facts(o, FACT_BIT(FACT_LIMIT_BYTES));
		return;
	}
	if (!volume_read(&u, &root)) {
		object_add_facts(o, FACT_BIT(FACT_CORRUPT) | u.facts);
		return;
	}
	u.folders[u.folder_count++] = root;
	while (u.folder_next < u.folder_count && !u.stop)
		folder_open(&u, u.folders[u.folder_next++]);
	object_add_facts(o, u.facts);
}
