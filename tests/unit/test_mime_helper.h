/* test_mime_helper.h: for the tests of the MIME opener: run a mail, ask what was found. Not a
 * test by itself. */
#ifndef CORDON_TEST_MIME_HELPER_H
#define CORDON_TEST_MIME_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "base/macros.h"
#include "base/sha256.h"
#include "decompose/archive_read.h"
#include "decompose/decompose.h"

#define MIME_HOLD_BYTES ((size_t)160 << 20)

struct mime_bench {
	struct decompose *d;
	uint8_t *hold;
	struct limits limits;
	struct slice marker;                /* looked for in every object but the mail itself */
	uint32_t marked;                    /* objects that hold it */
	uint64_t ambiguities, notes, facts; /* of all objects */
};

static inline unsigned
mime_bench_seen(void *ctx, struct object *o)
{
	struct mime_bench *b = ctx;

	if (o->id > 1 && b->marker.len > 0 && slice_find(o->bytes, b->marker, 0) != SIZE_MAX)
		b->marked++;
	return WISH_OPEN;
}

static inline void
mime_bench_init(struct mime_bench *b)
{
	memset(b, 0, sizeof(*b));
	archive_preload();
	b->hold = mmap(NULL, MIME_HOLD_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(b->hold != MAP_FAILED);
	b->d = decompose_new(b->hold, MIME_HOLD_BYTES);
	b->limits = limits_get_default();
}

static inline void
mime_bench_done(struct mime_bench *b)
{
	decompose_free(&b->d);
	(void)munmap(b->hold, MIME_HOLD_BYTES);
}

static inline struct object *
mime_bench_run(struct mime_bench *b, struct slice mail)
{
	struct decompose_hook hook = { .seen = mime_bench_seen, .ctx = b, .hash_first = true };

	b->marked = 0;
	decompose_run(b->d, mail, ROLE_ENTITY, SLICE_NONE, &b->limits, &hook);
	b->ambiguities = b->notes = 0;
	b->facts = decompose_get_facts(b->d);
	for (uint32_t id = 1; id <= decompose_get_object_count(b->d); id++) {
		const struct object *o = decompose_get_object(b->d, id);

		b->ambiguities |= o->ambiguities;
		b->notes |= o->notes;
		b->facts |= o->facts;
	}
	return decompose_get_object(b->d, 1);
}

/* The object with these bytes, or NULL. */
static inline struct object *
mime_bench_find(struct mime_bench *b, struct slice bytes)
{
	struct sha256 hash = sha256_of(bytes);

	for (uint32_t id = 1; id <= decompose_get_object_count(b->d); id++) {
		struct object *o = decompose_get_object(b->d, id);

		if (memcmp(&o->hash, &hash, sizeof(hash)) == 0)
			return o;
	}
	return NULL;
}

static inline bool
object_has_name(const struct object *o, const char *name)
{
	for (uint32_t i = 0; i < o->name_count; i++) {
		if (slice_eq_str(o->names[i], name))
			return true;
	}
	return false;
}

#endif
