/* mime_type.h: what a Content-Type value may mean: the type and every boundary that some reader
 * takes out of it. */
#ifndef CORDON_DECOMPOSE_MIME_TYPE_H
#define CORDON_DECOMPOSE_MIME_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct arena;

#define MIME_BOUNDARIES_MAX  24
#define MIME_VALUE_BYTES_MAX (256u * 1024)

struct mime_boundary {
	struct slice value;
	uint64_t views, classes; /* 0: the proper reading */
};

struct mime_type {
	struct slice
	    name;       /* "text/plain": lower case, comments and blanks left out; or empty */
	bool multipart; /* some reader takes it for one */
	bool proper;    /* and the name says so in the proper reading */
	struct mime_boundary
	    boundaries[MIME_BOUNDARIES_MAX]; /* distinct, the proper one first */
	size_t boundary_count;
	uint64_t name_views, name_classes; /* how the name came about */
	uint64_t classes;                  /* hostile by being there (A15) */
	uint64_t notes;
	bool cut;               /* more boundaries than are kept, or the value is too long */
	uint64_t number, total; /* of message/partial; 0 when absent */
};

/* value  as it stands in the header, folds included; results live in a or in value */
void mime_type_read(struct arena *a, struct slice value, struct mime_type *ret);

#endif
