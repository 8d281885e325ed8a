/* object_double.h: bytes that were met again in another place. They are one object and are
 * looked at once; the places are kept for the list of members, and for the size that a reader
 * would write who unpacks every one of them. */
#ifndef CORDON_DECOMPOSE_OBJECT_DOUBLE_H
#define CORDON_DECOMPOSE_OBJECT_DOUBLE_H

#include <stdint.h>

#include "base/slice.h"

struct object_double {
	uint32_t object; /* id of the object that these bytes are */
	uint32_t parent; /* id of what they were met in */
	struct slice trail;
};

struct object_doubles {
	struct object_double *items; /* owned */
	uint32_t count, cap;
};

void object_doubles_done(struct object_doubles *l);
/* Borrows the trail. Beyond max, and without memory, nothing is added. */
void object_doubles_add(struct object_doubles *l, const struct object_double *x, uint32_t max);

/* sizes[id] of the objects 1 to count, parents[id] the object that each stands in (0: none);
 * writes into ret_expanded[id] what unpacking all of it gives, doubles and their content
 * counted each time, at most EXPANDED_MAX. scratch: as long as ret_expanded. Doubles of one's
 * own containers make it that. */
#define EXPANDED_MAX (UINT64_C(1) << 60)
void object_doubles_expand(const struct object_doubles *l, uint32_t count,
    const uint64_t *sizes, const uint32_t *parents, uint32_t depth, uint64_t *scratch,
    uint64_t *ret_expanded);

#endif
