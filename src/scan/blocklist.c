/* blocklist.c: a sorted array of hashes. */
#include "scan/blocklist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "scan/signature_set.h"

#define NAME_MAX_BYTES 128
#define NAME_NONE "SHA-256-blocklist"

void
blocklist_init(struct blocklist *b)
{
	*b = (struct blocklist){ 0 };
}

void
blocklist_done(struct blocklist *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->items[i].name);
	free(b->items);
	blocklist_init(b);
}

static int
add(struct blocklist *b, const struct sha256 *hash, struct slice name)
{
	if (b->count == b->cap) {
		size_t cap = MAX_OF(b->cap * 2, (size_t)64);
		struct blocklist_entry *bigger = realloc(b->items, cap * sizeof(*bigger));

		if (bigger == NULL)
			return -ENOMEM;
		b->items = bigger;
		b->cap = cap;
	}
	name = name.len == 0 ? SLICE_LIT(NAME_NONE) : slice_sub(name, 0, NAME_MAX_BYTES);
	b->items[b->count].hash = *hash;
	b->items[b->count].name = strndup((const char *)name.ptr, name.len);
	if (b->items[b->count].name == NULL)
		return -ENOMEM;
	b->count++;
	return 0;
}

int
blocklist_parse(struct blocklist *b, const char *name, struct slice text, struct err *e)
{
	for (unsigned line = 1; text.len > 0; line++) {
		size_t end = slice_find_byte(text, '\n', 0);
		struct slice entry = slice_trim(slice_sub(text, 0, end == SIZE_MAX ? text.len : end));
		struct sha256 hash;

		text = slice_from(text, end == SIZE_MAX ? text.len : end + 1);
		if (entry.len == 0 || entry.ptr[0] == '#')
			continue;
		if (!sha256_parse(slice_sub(entry, 0, SHA256_HEX_SIZE - 1), &hash) ||
		    (entry.len >= SHA256_HEX_SIZE && entry.ptr[SHA256_HEX_SIZE - 1] != ' ' &&
		     entry.ptr[SHA256_HEX_SIZE - 1] != '\t'))
			return err_set(e, EINVAL, "%s:%u: no SHA-256, expected 64 hexadecimal digits, "
			    "then nothing or a blank and a name", name, line);
		if (add(b, &hash, slice_trim(slice_from(entry, SHA256_HEX_SIZE - 1))) < 0)
			return err_set(e, ENOMEM, "%s:%u: cannot keep the entry", name, line);
	}
	return 0;
}

static int
parse_file(void *ctx, const char *name, struct slice text, struct err *e)
{
	return blocklist_parse(ctx, name, text, e);
}

int
blocklist_load(struct blocklist *b, const char *path, struct err *e)
{
	return list_files_load(path, parse_file, b, e);
}

static int
compare(const void *a, const void *b)
{
	return memcmp(&((const struct blocklist_entry *)a)->hash,
	    &((const struct blocklist_entry *)b)->hash, sizeof(struct sha256));
}

void
blocklist_sort(struct blocklist *b)
{
	if (b->count > 1)
		qsort(b->items, b->count, sizeof(*b->items), compare);
}

const char *
blocklist_find(const struct blocklist *b, const struct sha256 *hash)
{
	struct blocklist_entry key = { .hash = *hash };
	const struct blocklist_entry *hit;

	if (b->count == 0)
		return NULL;
	hit = bsearch(&key, b->items, b->count, sizeof(*b->items), compare);
	return hit == NULL ? NULL : hit->name;
}
