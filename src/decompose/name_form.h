/* name_form.h: what a system makes of one file name, and what the name does to people. */
#ifndef CORDON_DECOMPOSE_NAME_FORM_H
#define CORDON_DECOMPOSE_NAME_FORM_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct arena;

#define NAME_FORMS_MAX 10

struct name_forms {
	struct slice forms[NAME_FORMS_MAX]; /* distinct, none equal to the name itself */
	size_t count;
	uint64_t facts;   /* FACT_NAME_* */
	uint64_t classes; /* A41 deceptive, A42 unicode, A43 path */
};

/* name is UTF-8 (broken bytes are stepped over). Forms: behind the last slash and backslash; up
 * to a NUL and without NULs and other controls; before and behind a colon (alternate streams);
 * without dots and blanks at the end; compatibility characters folded (full-width letters and
 * dots, mathematical letters, ligatures); format characters (bidi, zero-width) removed; letters
 * that look Latin turned into Latin. Forms live in a or inside name. */
void name_forms_make(struct arena *a, struct slice name, struct name_forms *ret);

/* Behind the last dot, without dots and blanks at the end of the name; empty when there is
 * none, when it is longer than 12 bytes, or when a path separator or blank is in it. */
struct slice name_form_get_extension(struct slice name);

/* A name to show: UTF-8, at most 128 bytes, no controls, no format characters, no path
 * separators ('_' stands for each), "unnamed" when nothing is left. Never to be used as a path.
 */
struct slice name_form_get_display(struct arena *a, struct slice name);

#endif
