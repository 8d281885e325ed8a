/* mime_param.h: the parameters of a Content-* value, the way a careful reader and the way
 * careless ones take them. */
#ifndef CORDON_DECOMPOSE_MIME_PARAM_H
#define CORDON_DECOMPOSE_MIME_PARAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct arena;

#define MIME_PARAMS_MAX 64

struct mime_param {
	struct slice name; /* trimmed; as written */
	struct slice
	    value; /* without quotes and escapes; blanks at the ends of a quoted one stay */
	struct slice raw;  /* everything between "=" and ";", trimmed */
	struct slice tail; /* raw and what follows up to the end of the whole value */
	bool quoted;
	bool odd; /* junk behind the quote, quote never closed, quote in the middle */
	bool cut; /* a segment without "=" follows: a ";" may belong to the value */
};

/* Splits an unfolded value at semicolons outside of quoted strings (RFC 2045 section 5.1).
 * Only parameters whose name begins (any case) with one of the wanted names are kept: of more
 * than MIME_PARAMS_MAX the first ones and the last one. Returns their number. *ret_head is what
 * stands before the first semicolon, trimmed. */
size_t mime_params_parse(struct arena *a, struct slice v, const char *const *wanted,
    struct mime_param params[MIME_PARAMS_MAX], struct slice *ret_head);

/* The careless way: every place where the word stands, "=" behind it (blanks between them
 * allowed), wherever that is: behind a comma, without a semicolon, inside quotes. ret_values[i]
 * runs to the end of v. Returns how many were found (at most max). */
size_t mime_params_grep(struct slice v, const char *word, struct slice *ret_values, size_t max);

#endif
