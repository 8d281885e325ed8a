/* fuzz_opener.h: what the fuzz targets of the openers share: the input is a file of a given
 * name, taken apart under a small budget, and promises of the decomposer are checked. */
#ifndef CORDON_FUZZ_OPENER_H
#define CORDON_FUZZ_OPENER_H

#include <stdint.h>
#include <stdlib.h>

#include "base/macros.h"
#include "decompose/archive_read.h"
#include "decompose/decompose.h"

#define FUZZ_HOLD_BYTES ((size_t)16 << 20)
#define FUZZ_OBJECTS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* libarchive asks for what a header tells; in the cage RLIMIT_DATA refuses, here ASan does. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=256";
}

static inline unsigned
fuzz_seen(void *ctx, struct object *o)
{
	uint64_t *sum = ctx;

	for (size_t i = 0; i < o->bytes.len; i += 64) /* touched: a bad slice is seen */
		*sum += o->bytes.ptr[i];
	return WISH_OPEN;
}

static inline void
fuzz_open(const uint8_t *data, size_t len, const char *name)
{
	static struct decompose *d;
	static uint8_t *hold;
	struct limits limits = limits_get_default();
	uint64_t sum = 0, size = 0;
	struct decompose_hook hook = { .seen = fuzz_seen, .ctx = &sum, .hash_first = true };

	if (d == NULL) {
		archive_preload();
		hold = malloc(FUZZ_HOLD_BYTES);
		ASSERT(hold != NULL);
		d = decompose_new(hold, FUZZ_HOLD_BYTES);
	}
	limits.objects = FUZZ_OBJECTS;
	limits.output_bytes = (uint64_t)24 << 20;
	limits.cpu_ms = 3000;
	decompose_run(d, slice_of(data, len), ROLE_LEAF, slice_of_str(name), &limits, &hook);
	ASSERT(decompose_get_object_count(d) <= FUZZ_OBJECTS);
	for (uint32_t id = 1; id <= decompose_get_object_count(d); id++) {
		const struct object *o = decompose_get_object(d, id);

		ASSERT(o->parent < o->id && o->depth <= limits.depth + 1);
		ASSERT(o->detected != NULL && o->name_count <= OBJECT_NAMES_MAX);
		if (!o->borrowed)
			size += o->size;
	}
	ASSERT(size <= limits.output_bytes + len);
}

#endif
