/* name_set.h: every name that some client may give to an attachment, and what is suspicious
 * about them. */
#ifndef CORDON_DECOMPOSE_NAME_SET_H
#define CORDON_DECOMPOSE_NAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/object.h"

struct arena;

#define NAME_BYTES_MAX 4096

struct name_set {
	struct slice names[OBJECT_NAMES_MAX]; /* distinct, the most proper one first */
	size_t count;
	size_t proper[8]; /* indices of names that are somebody's regular reading */
	size_t proper_count;
	uint64_t facts, ambiguities, notes;
	bool cut; /* more names than are kept */
};

/* Adds the names in a Content-Disposition ("filename") or Content-Type ("name") value, which
 * comes with its folds: plain, RFC 2231, encoded-words decoded and raw, comments, folds and
 * quotes as careless readers see them. Names live in a or inside value. */
void name_set_read(struct arena *a, struct slice value, const char *param, struct name_set *s);
/* Adds one name found elsewhere (a description, an archive); proper: a regular reading. */
void name_set_add(struct name_set *s, struct slice name, bool proper);
/* Last step: adds the forms that systems make of the names (name_form.h), looks for conflicts
 * (A40) and for what deceives (A41 to A43). */
void name_set_finish(struct arena *a, struct name_set *s);

#endif
