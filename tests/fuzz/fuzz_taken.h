/* fuzz_taken.h: for fuzz targets of decoders: takes bytes apart under small limits and checks
 * what every opener promises: the limits hold, and everything found is described. */
#ifndef CORDON_FUZZ_TAKEN_H
#define CORDON_FUZZ_TAKEN_H

#include <stdint.h>
#include <stdlib.h>

#include "base/macros.h"
#include "base/slice.h"
#include "decompose/decompose.h"

#define FUZZ_HOLD ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static inline unsigned
fuzz_taken_seen(void *ctx, struct object *o)
{
	volatile uint8_t *sum = ctx;

	for (size_t i = 0; i < o->bytes.len; i++) /* every byte is there */
		*sum = (uint8_t)(*sum + o->bytes.ptr[i]);
	return WISH_OPEN;
}

/* Returns the number of objects found; role and name as decompose_run() has them. */
static inline uint32_t
openers_run(struct slice bytes, uint32_t role, const char *name)
{
	static uint8_t *hold;
	static struct decompose *d;
	uint8_t sum = 0;
	struct limits l = limits_get_default();
	struct decompose_hook hook = { .seen = fuzz_taken_seen, .ctx = &sum };
	uint64_t total = 0;
	uint32_t count;

	if (hold == NULL) {
		hold = malloc(FUZZ_HOLD);
		ASSERT(hold != NULL);
		d = decompose_new(hold, FUZZ_HOLD);
	}
	l.objects = 300;
	l.depth = 8;
	l.output_bytes = 6u << 20;
	l.held_bytes = 4u << 20;
	l.ratio_floor_bytes = 1u << 20;
	l.cpu_ms = 3000;
	decompose_run(d, bytes, role, slice_of_str(name), &l, &hook);
	count = decompose_get_object_count(d);
	ASSERT(count <= l.objects);
	for (uint32_t id = 1; id <= count; id++) {
		const struct object *o = decompose_get_object(d, id);

		ASSERT(o->id == id && o->parent < id && o->depth <= l.depth + 1);
		ASSERT(o->name_count <= OBJECT_NAMES_MAX);
		ASSERT((o->facts >> FACT_COUNT) == 0 && (o->views >> VIEW_COUNT) == 0);
		total += id > 1 && !o->borrowed ? o->size : 0;
	}
	ASSERT(total <= l.output_bytes);
	return count;
}

#endif
