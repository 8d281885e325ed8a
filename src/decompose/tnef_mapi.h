/* tnef_mapi.h: walks a list of MAPI properties as TNEF carries it (MS-OXTNEF 2.1.3.4). */
#ifndef CORDON_DECOMPOSE_TNEF_MAPI_H
#define CORDON_DECOMPOSE_TNEF_MAPI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define MAPI_STRING8 0x001e
#define MAPI_UNICODE 0x001f
#define MAPI_OBJECT  0x000d
#define MAPI_BINARY  0x0102

struct mapi_value {
	uint16_t type, id;
	struct slice bytes;
};

struct mapi_walk {
	struct slice rest;
	uint32_t properties; /* still to come */
	uint32_t values;     /* of the property at hand, still to come */
	uint16_t type, id;
	bool broken; /* the list ended early or has a type that is not known */
};

void mapi_walk_init(struct mapi_walk *w, struct slice list);
/* The next value; a property of several values gives each. False at the end. */
bool mapi_walk_next(struct mapi_walk *w, struct mapi_value *ret_value);

#endif
