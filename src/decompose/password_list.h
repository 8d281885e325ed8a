/* password_list.h: the configured passwords, from the configuration and from files. */
#ifndef CORDON_DECOMPOSE_PASSWORD_LIST_H
#define CORDON_DECOMPOSE_PASSWORD_LIST_H

#include <stddef.h>

#include "base/err.h"
#include "base/slice.h"

struct password_list {
	struct slice *words; /* owned, and their bytes */
	size_t count, cap;
};

/* Adds one; an empty one, and what is beyond PASSWORD_LIST_MAX words, is left out. */
#define PASSWORD_LIST_MAX 1000
void password_list_add(struct password_list *l, struct slice word);
/* Adds the lines of a file, as they stand but for the line end. 0 or a negative errno with *e.
 */
int password_list_load(struct password_list *l, const char *path, struct err *e);
void password_list_done(struct password_list *l);

#endif
