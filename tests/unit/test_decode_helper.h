/* test_decode_helper.h: for tests of openers: takes bytes apart and keeps what came out. */
#ifndef CORDON_TEST_DECODE_HELPER_H
#define CORDON_TEST_DECODE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "base/slice.h"
#include "decompose/decompose.h"

#define TAKEN_MAX 4096

struct taken {
	struct decompose *d;
	uint8_t *hold;
	struct slice copies[TAKEN_MAX + 1]; /* by object id, owned */
};

static inline unsigned
taken_seen(void *ctx, struct object *o)
{
	struct taken *t = ctx;
	uint8_t *copy;

	if (o->id > TAKEN_MAX)
		return WISH_OPEN;
	copy = malloc(o->bytes.len + 1);
	assert_non_null(copy);
	if (o->bytes.len > 0)
		memcpy(copy, o->bytes.ptr, o->bytes.len);
	t->copies[o->id] = slice_of(copy, o->bytes.len);
	return WISH_OPEN;
}

#define TAKEN_HOLD ((size_t)64 << 20)

static inline struct taken *
taken_run(struct slice bytes, uint32_t role, const char *name)
{
	struct taken *t = calloc(1, sizeof(*t));
	struct limits limits = limits_get_default();
	struct decompose_hook hook = { .seen = taken_seen, .ctx = t, .hash_first = true };

	assert_non_null(t);
	t->hold = malloc(TAKEN_HOLD);
	assert_non_null(t->hold);
	t->d = decompose_new(t->hold, TAKEN_HOLD);
	decompose_run(t->d, bytes, role, slice_of_str(name), &limits, &hook);
	return t;
}

static inline void
taken_free(struct taken **address)
{
	struct taken *t = *address;

	if (t == NULL)
		return;
	for (size_t i = 0; i <= TAKEN_MAX; i++)
		free((void *)(uintptr_t)t->copies[i].ptr);
	decompose_free(&t->d);
	free(t->hold);
	free(t);
	*address = NULL;
}

static inline uint32_t
taken_count(const struct taken *t)
{
	return decompose_get_object_count(t->d);
}

static inline struct object *
taken_get(struct taken *t, uint32_t id)
{
	return decompose_get_object(t->d, id);
}

/* The object with these bytes, or NULL. */
static inline struct object *
taken_find(struct taken *t, struct slice bytes)
{
	for (uint32_t id = 1; id <= taken_count(t) && id <= TAKEN_MAX; id++) {
		if (slice_eq(t->copies[id], bytes))
			return taken_get(t, id);
	}
	return NULL;
}

static inline struct object *
taken_find_str(struct taken *t, const char *s)
{
	return taken_find(t, slice_of_str(s));
}

static inline bool
object_is_named(const struct object *o, const char *name)
{
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (slice_eq_str(o->names[i], name))
			return true;
	}
	return false;
}

/* Facts of all objects together. */
static inline uint64_t
taken_facts(struct taken *t)
{
	uint64_t facts = 0;

	for (uint32_t id = 1; id <= taken_count(t); id++)
		facts |= taken_get(t, id)->facts;
	return facts;
}

static inline uint64_t
taken_ambiguities(struct taken *t)
{
	uint64_t all = 0;

	for (uint32_t id = 1; id <= taken_count(t); id++)
		all |= taken_get(t, id)->ambiguities;
	return all;
}

/* The EICAR test file, put together here so that no scanner takes this program for one. */
static inline struct slice
eicar_get(void)
{
	static char text[69];

	snprintf(text, sizeof(text), "%s%s%s", "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
	    "EICAR-STANDARD-ANTI", "VIRUS-TEST-FILE!$H+H*");
	return slice_of(text, 68);
}

/* Plain encoders, only for tests. width: characters in a line, 0: one line; CR LF between. */
static inline void
base64_encode(struct slice in, size_t width, struct buf *out)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t column = 0;

	for (size_t i = 0; i < in.len; i += 3) {
		uint32_t v = (uint32_t)in.ptr[i] << 16;
		size_t n = MIN_OF(in.len - i, (size_t)3);

		v |= n > 1 ? (uint32_t)in.ptr[i + 1] << 8 : 0;
		v |= n > 2 ? in.ptr[i + 2] : 0;
		for (size_t k = 0; k < 4; k++) {
			buf_append_byte(
			    out, k <= n ? (uint8_t)letters[v >> (18 - 6 * k) & 63] : '=');
			if (width > 0 && ++column == width) {
				buf_append_str(out, "\r\n");
				column = 0;
			}
		}
	}
}

static inline uint8_t
uu_char(uint32_t v)
{
	return (v & 63) == 0 ? '`' : (uint8_t)((v & 63) + ' ');
}

/* Lines of uuencoded data, without begin and end. */
static inline void
uu_encode(struct slice in, struct buf *out)
{
	for (size_t at = 0; at < in.len; at += 45) {
		struct slice line = slice_sub(in, at, 45);

		buf_append_byte(out, uu_char((uint32_t)line.len));
		for (size_t i = 0; i < line.len; i += 3) {
			uint32_t v = (uint32_t)line.ptr[i] << 16;

			v |= i + 1 < line.len ? (uint32_t)line.ptr[i + 1] << 8 : 0;
			v |= i + 2 < line.len ? line.ptr[i + 2] : 0;
			for (int shift = 18; shift >= 0; shift -= 6)
				buf_append_byte(out, uu_char(v >> shift));
		}
		buf_append_str(out, "\r\n");
	}
}

/* Where the shared corpus is, or NULL: the test says so and is skipped. */
static inline const char *
shared_get(void)
{
	static char path[4096];
	const char *source = getenv("CORDON_SOURCE"), *shared = getenv("CORDON_SHARED");
	FILE *f;

	if (shared != NULL)
		return shared;
	snprintf(
	    path, sizeof(path), "%s/../shared/corpus/README.md", source == NULL ? "." : source);
	f = fopen(path, "r");
	if (f == NULL) {
		print_message("the shared corpus is not here (CORDON_SHARED): skipped\n");
		return NULL;
	}
	fclose(f);
	snprintf(path, sizeof(path), "%s/../shared", source == NULL ? "." : source);
	return path;
}

/* The whole file into out; false when it cannot be read. */
static inline bool
file_read(const char *folder, const char *name, struct buf *out)
{
	char path[16384];
	uint8_t block[65536];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return false;
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		assert_int_equal(buf_append(out, block, n), 0);
	fclose(f);
	return true;
}

#endif
