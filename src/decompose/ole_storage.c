/* ole_storage.c: see ole_storage.h. A stream is a chain of sectors through a table (FAT); small
 * streams are chains of 64 bytes through another one, inside the root's stream. Chains need no
 * guard against circles of their own: each step takes bytes off a size that is bounded by the
 * table, and all steps together off left_bytes. */
#include "decompose/ole_storage.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/charset.h"
#include "decompose/decompose.h"
#include "decompose/le_read.h"

#define HEADER_BYTES       512
#define ENTRY_BYTES        128
#define ENTRIES_MAX        50000
#define DIFAT_IN_HEADER    109
#define SECTOR_MAX         0xfffffffau /* above: marks for free, end, FAT, DIFAT */
#define READ_FACTOR        4
#define READ_FLOOR_BYTES   ((uint64_t)1 << 20)
#define PATH_LEVELS        24
#define PATH_BYTES_MAX     512

/* A walk along one chain. */
struct chain {
	struct slice space;
	size_t base; /* where sector 0 stands in it */
	unsigned shift;
	const uint32_t *table;
	uint32_t table_count;
	uint32_t at;
	uint64_t left; /* bytes */
};

/* The next bytes that lie together; false at the end of the chain. */
static bool
chain_next(struct ole_storage *s, struct chain *c, struct slice *ret_run)
{
	uint64_t start = c->base + ((uint64_t)c->at << c->shift), len = 0, size, before = c->left;

	if (c->left == 0 || c->at >= SECTOR_MAX)
		return false;
	if (start >= c->space.len) {
		s->lost = s->lost || c->space.ptr == s->file.ptr;
		return false;
	}
	size = (uint64_t)1 << c->shift;
	for (;;) {
		uint32_t at = c->at;

		len += size;
		c->left -= MIN_OF(c->left, size);
		c->at = at < c->table_count ? c->table[at] : SECTOR_MAX;
		if (c->at != at + 1 || c->left == 0 || start + len >= c->space.len)
			break;
	}
	if (c->space.ptr == s->file.ptr && MIN_OF(before, len) > c->space.len - start)
		s->lost = true;
	*ret_run = slice_sub(c->space, start, len);
	s->limited = s->limited || ret_run->len > s->left_bytes;
	ret_run->len = (size_t)MIN_OF((uint64_t)ret_run->len, s->left_bytes);
	s->left_bytes -= ret_run->len;
	return ret_run->len > 0 && budget_has_time(decompose_get_budget(s->d));
}

static struct chain
chain_of(const struct ole_storage *s, uint32_t start, uint64_t size)
{
	return (struct chain){ .space = s->file, .base = (size_t)1 << s->shift,
		.shift = s->shift, .table = s->fat, .table_count = s->fat_count, .at = start,
		.left = MIN_OF(size, (uint64_t)s->fat_count << s->shift) };
}

/* All of a chain, at most its size; together in the file, or copied to scratch. */
static struct slice
chain_read(struct ole_storage *s, struct chain *c, struct buf *scratch)
{
	uint64_t want = c->left;
	struct slice run, first = SLICE_NONE;

	buf_clear(scratch);
	while (chain_next(s, c, &run)) {
		if (first.ptr == NULL) {
			first = run;
			continue;
		}
		if ((scratch->len == 0 && buf_append_slice(scratch, first) < 0) ||
		    buf_append_slice(scratch, run) < 0) {
			s->limited = true;
			break;
		}
	}
	if (scratch->len > 0)
		first = buf_get(scratch);
	first.len = (size_t)MIN_OF((uint64_t)first.len, want);
	return first;
}

static bool
fat_add_sector(struct ole_storage *s, uint32_t sector, uint32_t total)
{
	uint32_t per = (1u << s->shift) / 4;
	size_t at = ((size_t)sector + 1) << s->shift;

	for (uint32_t i = 0; i < per && s->fat_count < total; i++, at += 4)
		s->fat[s->fat_count++] = at + 4 <= s->file.len ? le32_read(s->file, at)
		                                               : OLE_NONE;
	return s->fat_count < total;
}

/* The table's own sectors are listed in the header and in a chain (DIFAT) of further lists. */
static bool
fat_load(struct ole_storage *s)
{
	uint64_t total = (s->file.len >> s->shift) + 1;
	uint32_t per = (1u << s->shift) / 4, next = le32_read(s->file, 0x44);
	bool more = true;

	total = MIN_OF(total, (uint64_t)SECTOR_MAX);
	s->fat = calloc((size_t)total, sizeof(*s->fat));
	if (s->fat == NULL)
		return false;
	for (uint32_t i = 0; i < DIFAT_IN_HEADER && more; i++) {
		uint32_t sector = le32_read(s->file, 0x4c + 4 * (size_t)i);

		if (sector < SECTOR_MAX)
			more = fat_add_sector(s, sector, (uint32_t)total);
	}
	for (uint64_t steps = 0; more && next < SECTOR_MAX && steps < total; steps++) {
		size_t at = ((size_t)next + 1) << s->shift;

		if (at >= s->file.len || !budget_has_time(decompose_get_budget(s->d)))
			break;
		for (uint32_t i = 0; i + 1 < per && more; i++) {
			uint32_t sector = le32_read(s->file, at + 4 * (size_t)i);

			if (sector < SECTOR_MAX && sector != 0)
				more = fat_add_sector(s, sector, (uint32_t)total);
		}
		next = le32_read(s->file, at + 4 * (size_t)(per - 1));
	}
	return true;
}

/* Windows Installer packs two letters into one character (U+3800 to U+483F). */
static size_t
installer_letters(uint32_t c, uint8_t out[2])
{
	static const char letters[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._";

	if (c == 0x4840) {
		out[0] = '!';
		return 1;
	}
	if (c >= 0x4800) {
		out[0] = (uint8_t)letters[(c - 0x4800) & 0x3f];
		return 1;
	}
	out[0] = (uint8_t)letters[(c - 0x3800) & 0x3f];
	out[1] = (uint8_t)letters[((c - 0x3800) >> 6) & 0x3f];
	return 2;
}

static struct slice
name_decode(struct ole_storage *s, struct slice entry)
{
	uint8_t out[32 * 4];
	size_t len = 0, bytes = MIN_OF(le16_read(entry, 64), 64u);

	for (size_t i = 0; i + 2 <= bytes; i += 2) {
		uint32_t c = le16_read(entry, i), low = le16_read(entry, i + 2);

		if (c == 0)
			break;
		if (s->installer && c >= 0x3800 && c <= 0x4840) {
			len += installer_letters(c, out + len);
			continue;
		}
		if ((c & 0xfc00) == 0xd800 && i + 4 <= bytes && (low & 0xfc00) == 0xdc00) {
			c = 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
			i += 2;
		} else if ((c & 0xf800) == 0xd800) {
			c = 0xfffd;
		}
		len += utf8_encode(c, out + len);
	}
	return arena_copy(decompose_get_arena(s->d), slice_of(out, len));
}

static void
entry_parse(struct ole_storage *s, struct slice raw, struct ole_entry *e)
{
	static const uint8_t installer[] = { 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46 };
	uint8_t type = raw.ptr[66];

	e->type = type <= OLE_STREAM || type == OLE_ROOT ? (enum ole_type)type : OLE_EMPTY;
	if (e->type == OLE_ROOT && (raw.ptr[80] & 0xf8) == 0x80 && raw.ptr[81] == 0x10 &&
	    raw.ptr[82] == 0x0c && memcmp(raw.ptr + 83, installer, sizeof(installer)) == 0)
		s->installer = true;
	e->left = le32_read(raw, 68);
	e->right = le32_read(raw, 72);
	e->child = le32_read(raw, 76);
	e->start = le32_read(raw, 116);
	e->size = s->shift > 9 ? le_read(raw, 120, 8) : le32_read(raw, 120);
	e->parent = OLE_NONE;
	if (e->type != OLE_EMPTY)
		e->name = name_decode(s, raw);
}

static bool
directory_load(struct ole_storage *s)
{
	CLEANUP(buf_done) struct buf scratch;
	struct chain c = chain_of(s, le32_read(s->file, 0x30), UINT64_MAX);
	struct slice raw;

	buf_init(&scratch, (size_t)ENTRIES_MAX * ENTRY_BYTES);
	raw = chain_read(s, &c, &scratch);
	s->count = (uint32_t)MIN_OF(raw.len / ENTRY_BYTES, (size_t)ENTRIES_MAX);
	if (s->count == 0)
		return false;
	s->entries = arena_alloc(decompose_get_arena(s->d), s->count * sizeof(*s->entries));
	if (s->entries == NULL)
		return false;
	for (uint32_t i = 0; i < s->count; i++)
		entry_parse(s, slice_sub(raw, (size_t)i * ENTRY_BYTES, ENTRY_BYTES), &s->entries[i]);
	return true;
}

/* Finds the storage of each entry. Every entry is placed once, so a circle ends. */
static void
directory_place(struct ole_storage *s)
{
	uint32_t *stack = calloc((size_t)s->count * 3 + 1, 2 * sizeof(*stack));
	size_t depth = 0;

	if (stack == NULL)
		return;
	s->entries[0].placed = true;
	stack[0] = s->entries[0].child;
	stack[1] = 0;
	depth = 1;
	while (depth > 0) {
		uint32_t index = stack[--depth * 2], parent = stack[depth * 2 + 1];
		struct ole_entry *e;

		if (index >= s->count || s->entries[index].placed)
			continue;
		e = &s->entries[index];
		e->placed = true;
		e->parent = parent;
		stack[depth * 2] = e->left;
		stack[depth++ * 2 + 1] = parent;
		stack[depth * 2] = e->right;
		stack[depth++ * 2 + 1] = parent;
		if (e->type == OLE_STORAGE) {
			stack[depth * 2] = e->child;
			stack[depth++ * 2 + 1] = index;
		}
	}
	free(stack);
}

static void
mini_load(struct ole_storage *s)
{
	CLEANUP(buf_done) struct buf scratch;
	uint64_t table_bytes = (uint64_t)le32_read(s->file, 0x40) << s->shift;
	struct chain c = chain_of(s, le32_read(s->file, 0x3c), table_bytes);
	struct slice raw;

	buf_init(&s->mini, s->file.len);
	buf_init(&scratch, s->file.len);
	raw = chain_read(s, &c, &scratch);
	s->mini_fat = calloc(raw.len / 4 + 1, sizeof(*s->mini_fat));
	if (s->mini_fat == NULL)
		return;
	for (; s->mini_fat_count < raw.len / 4; s->mini_fat_count++)
		s->mini_fat[s->mini_fat_count] = le32_read(raw, (size_t)s->mini_fat_count * 4);
	c = chain_of(s, s->entries[0].start, s->entries[0].size);
	s->mini_bytes = chain_read(s, &c, &s->mini);
}

bool
ole_storage_init(struct ole_storage *s, struct decompose *d, struct slice file)
{
	*s = (struct ole_storage){ .d = d, .file = file };
	s->left_bytes = (uint64_t)file.len * READ_FACTOR + READ_FLOOR_BYTES;
	if (file.len < HEADER_BYTES)
		return false;
	s->shift = le16_read(file, 0x1e);
	s->mini_shift = le16_read(file, 0x20);
	s->mini_cutoff = le32_read(file, 0x38);
	if (s->shift < 7 || s->shift > 16)
		s->shift = 9;
	if (s->mini_shift < 4 || s->mini_shift >= s->shift)
		s->mini_shift = 6;
	if (s->mini_cutoff == 0 || s->mini_cutoff > 1u << 20)
		s->mini_cutoff = 4096;
	if (!fat_load(s) || !directory_load(s))
		return false;
	directory_place(s);
	mini_load(s);
	return true;
}

void
ole_storage_done(struct ole_storage *s)
{
	free(s->fat);
	free(s->mini_fat);
	buf_done(&s->mini);
	s->fat = s->mini_fat = NULL;
}

struct slice
ole_storage_read(struct ole_storage *s, const struct ole_entry *e, struct buf *scratch)
{
	struct chain c = chain_of(s, e->start, e->size);

	if (e->size < s->mini_cutoff && e->type == OLE_STREAM) {
		c.space = s->mini_bytes;
		c.base = 0;
		c.shift = s->mini_shift;
		c.table = s->mini_fat;
		c.table_count = s->mini_fat_count;
		c.left = MIN_OF(e->size, (uint64_t)s->mini_fat_count << s->mini_shift);
	}
	return chain_read(s, &c, scratch);
}

struct slice
ole_storage_get_path(struct ole_storage *s, uint32_t index)
{
	uint32_t way[PATH_LEVELS];
	char path[PATH_BYTES_MAX];
	size_t levels = 0, len = 0;

	for (uint32_t i = index; i != 0 && i < s->count && levels < PATH_LEVELS;
	     i = s->entries[i].parent)
		way[levels++] = i;
	while (levels > 0) {
		struct slice name = s->entries[way[--levels]].name;

		if (len + name.len + 1 > sizeof(path))
			break;
		if (len > 0)
			path[len++] = '/';
		if (name.len > 0)
			memcpy(path + len, name.ptr, name.len);
		len += name.len;
	}
	return arena_copy(decompose_get_arena(s->d), slice_of(path, len));
}
