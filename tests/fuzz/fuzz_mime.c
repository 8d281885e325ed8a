/* fuzz_mime.c: any bytes as a mail, through the whole decomposer. Promised: it ends, the budget
 * holds, borrowed objects lie inside the mail, and the same bytes give the same objects. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "decompose/decompose.h"

#define HOLD_BYTES ((size_t)16 << 20)
#define OBJECTS    300

struct summary {
	uint64_t bytes, hashes;
	uint32_t count;
};

static unsigned
seen(void *ctx, struct object *o)
{
	struct summary *s = ctx;
	uint64_t h;

	ASSERT(o->bytes.len == o->size && o->kept);
	memcpy(&h, o->hash.bytes, sizeof(h));
	s->hashes = s->hashes * 31 + h + o->roles;
	s->bytes += o->borrowed ? 0 : o->size;
	s->count++;
	return WISH_OPEN;
}

static struct summary
run(struct decompose *d, struct slice mail, const struct limits *l)
{
	struct summary s = { 0 };
	struct decompose_hook hook = { .seen = seen, .ctx = &s, .hash_first = true };
	const struct budget *b = decompose_get_budget(d);

	decompose_run(d, mail, ROLE_ENTITY, SLICE_NONE, l, &hook);
	ASSERT(s.count == decompose_get_object_count(d) && s.count <= l->objects);
	ASSERT(s.bytes <= l->output_bytes);
	ASSERT(b->left_entity_readings <= l->entity_readings);
	for (uint32_t id = 1; id <= s.count; id++) {
		const struct object *o = decompose_get_object(d, id);

		ASSERT(o->mime_depth <= l->mime_depth + 1 && o->depth <= l->depth + 1);
		ASSERT(o->name_count <= OBJECT_NAMES_MAX);
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct decompose *d;
	static uint8_t *hold;
	struct limits l = limits_get_default();
	struct summary first, second;

	if (d == NULL) {
		hold = malloc(HOLD_BYTES);
		ASSERT(hold != NULL);
		d = decompose_new(hold, HOLD_BYTES);
	}
	l.objects = OBJECTS;
	l.output_bytes = HOLD_BYTES / 2;
	l.held_bytes = HOLD_BYTES / 4;
	l.entity_readings = 400;
	l.mime_depth = 20;
	l.depth = 6;
	first = run(d, slice_of(data, len), &l);
	second = run(d, slice_of(data, len), &l);
	ASSERT((decompose_get_facts(d) & FACT_BIT(FACT_LIMIT_CPU)) != 0 ||
	       memcmp(&first, &second, sizeof(first)) == 0);
	return 0;
}
