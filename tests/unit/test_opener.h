/* test_opener.h: for the tests of openers: run the decomposer over bytes, look at what was
 * found. Not a test by itself. */
#ifndef CORDON_TEST_OPENER_H
#define CORDON_TEST_OPENER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "decompose/archive_read.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"

#define HOLD_BYTES ((size_t)160 << 20)

/* Put together at run time: no file of ours holds it whole. */
static inline struct slice
eicar(void)
{
	static char text[80];

	if (text[0] == '\0')
		(void)snprintf(text, sizeof(text), "%s%s%s", "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
		    "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*");
	return slice_of_str(text);
}

struct bench {
	struct decompose *d;
	uint8_t *hold;
	struct limits limits;
	bool keep;        /* bytes of all objects stay, for bench_find() */
	uint64_t seen_bytes;
	uint32_t eicars;  /* objects that hold it */
};

static inline unsigned
bench_seen(void *ctx, struct object *o)
{
	struct bench *b = ctx;

	b->seen_bytes += o->bytes.len;
	if (slice_find(o->bytes, eicar(), 0) != SIZE_MAX)
		b->eicars++;
	return WISH_OPEN | (b->keep ? WISH_KEEP : 0u);
}

static inline void
bench_init(struct bench *b, bool keep)
{
	memset(b, 0, sizeof(*b));
	archive_preload();
	b->hold = mmap(NULL, HOLD_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(b->hold != MAP_FAILED);
	b->d = decompose_new(b->hold, HOLD_BYTES);
	b->limits = limits_get_default();
	b->keep = keep;
}

static inline void
bench_done(struct bench *b)
{
	decompose_free(&b->d);
	(void)munmap(b->hold, HOLD_BYTES);
}

/* Takes bytes apart as a file of that name; returns the first object. */
static inline struct object *
bench_run(struct bench *b, struct slice bytes, const char *name)
{
	struct decompose_hook hook = { .seen = bench_seen, .ctx = b, .hash_first = true };

	b->eicars = 0;
	b->seen_bytes = 0;
	decompose_run(b->d, bytes, ROLE_LEAF, slice_of_str(name), &b->limits, &hook);
	return decompose_get_object(b->d, 1);
}

/* The object that has this candidate name, or NULL. */
static inline struct object *
bench_named(struct bench *b, const char *name)
{
	for (uint32_t id = 2; id <= decompose_get_object_count(b->d); id++) {
		struct object *o = decompose_get_object(b->d, id);

		for (uint32_t i = 0; i < o->name_count; i++) {
			if (slice_eq_str(o->names[i], name))
				return o;
		}
	}
	return NULL;
}

static inline bool
bench_has_hash(struct bench *b, const char *hex)
{
	char text[SHA256_HEX_SIZE];

	for (uint32_t id = 1; id <= decompose_get_object_count(b->d); id++) {
		sha256_format(&decompose_get_object(b->d, id)->hash, text);
		if (strcmp(text, hex) == 0)
			return true;
	}
	return false;
}

static inline bool
bench_has_bytes(struct bench *b, struct slice bytes)
{
	struct sha256 hash = sha256_of(bytes);

	for (uint32_t id = 1; id <= decompose_get_object_count(b->d); id++) {
		if (memcmp(&decompose_get_object(b->d, id)->hash, &hash, sizeof(hash)) == 0)
			return true;
	}
	return false;
}

static inline bool
has_fact(const struct object *o, enum fact f)
{
	return (o->facts & FACT_BIT(f)) != 0;
}

/* Numbers of little-endian formats. */
static inline void
put_le(struct buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		assert_int_equal(buf_append_byte(b, i < 8 ? (uint8_t)(v >> (8 * i)) : 0), 0);
}

/* Text that packs well but not to nothing: numbered lines. */
static inline struct slice
sample_text(struct buf *b, unsigned lines)
{
	buf_init(b, (size_t)64 << 20);
	for (unsigned i = 0; i < lines; i++)
		assert_int_equal(buf_printf(b, "%u bottles of beer on the wall, %u more\n", i * 7919,
		    i ^ 0x55), 0);
	return buf_get(b);
}

/* A file's bytes, owned by the caller (free the pointer), or an empty slice. */
static inline struct slice
file_read(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long n;

	if (f == NULL)
		return SLICE_NONE;
	if (fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) < 0) {
		(void)fclose(f);
		return SLICE_NONE;
	}
	rewind(f);
	data = malloc((size_t)n + 1);
	if (data == NULL || fread(data, 1, (size_t)n, f) != (size_t)n) {
		free(data);
		data = NULL;
		n = 0;
	}
	(void)fclose(f);
	return slice_of(data, (size_t)n);
}

#endif
