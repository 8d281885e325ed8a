/* object_double.c: see object_double.h. */
#include "decompose/object_double.h"

#include <stdlib.h>

#include "base/macros.h"

#define FIRST_ROOM 64u

void
object_doubles_done(struct object_doubles *l)
{
	free(l->items);
	*l = (struct object_doubles){ 0 };
}

void
object_doubles_add(struct object_doubles *l, const struct object_double *x, uint32_t max)
{
	if (l->count >= max)
		return;
	if (l->count == l->cap) {
		uint32_t cap = MAX_OF(l->cap * 2, FIRST_ROOM);
		struct object_double *bigger = realloc(l->items, cap * sizeof(*bigger));

		if (bigger == NULL)
			return;
		l->items = bigger;
		l->cap = cap;
	}
	l->items[l->count++] = *x;
}

static void
add_capped(uint64_t *sum, uint64_t n)
{
	*sum = MIN_OF(*sum + n, EXPANDED_MAX); /* both are at most 2^60: no overflow */
}

/* One level of containers more is counted in each round. Parents may come before or behind what
 * they hold, since doubles point anywhere. */
void
object_doubles_expand(const struct object_doubles *l, uint32_t count, const uint64_t *sizes,
    const uint32_t *parents, uint32_t depth, uint64_t *scratch, uint64_t *ret_expanded)
{
	uint64_t *before = scratch; /* the round before */

	for (uint32_t id = 0; id <= count; id++)
		ret_expanded[id] = 0;
	for (uint32_t round = 0; round < depth; round++) {
		for (uint32_t id = 0; id <= count; id++) {
			before[id] = ret_expanded[id];
			ret_expanded[id] = 0;
		}
		for (uint32_t id = 1; id <= count; id++)
			add_capped(&ret_expanded[parents[id]],
			    MIN_OF(sizes[id], EXPANDED_MAX) + before[id]);
		for (uint32_t i = 0; i < l->count; i++)
			add_capped(&ret_expanded[l->items[i].parent],
			    MIN_OF(sizes[l->items[i].object], EXPANDED_MAX) +
				before[l->items[i].object]);
	}
}
