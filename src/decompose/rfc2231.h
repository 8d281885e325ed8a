/* rfc2231.h: parameter values in sections, with charset, percent-encoded. */
#ifndef CORDON_DECOMPOSE_RFC2231_H
#define CORDON_DECOMPOSE_RFC2231_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "decompose/mime_param.h"

struct arena;

#define RFC2231_VALUES_MAX 12

struct rfc2231_value {
	struct slice value; /* UTF-8 when it had a charset that is known, else the bytes */
	bool converted;     /* from a charset */
	bool bad_charset;
};

struct rfc2231_result {
	struct rfc2231_value
	    values[RFC2231_VALUES_MAX]; /* distinct, the most proper reading first */
	size_t count;
	bool plain;      /* a parameter of that name without "*" exists too */
	bool incomplete; /* section 0 is missing, there is a gap, or a section came twice */
};

/* Every value that readers may join from "name*", "name*0", "name*0*" ... of the parameters:
 * sections by number and as they stand, first and last of doubled ones, percent sequences
 * decoded where announced and everywhere, the charset'language' prefix taken off.
 * name   "filename", compared without regard to case
 * Results live in a. */
void rfc2231_join(struct arena *a, const struct mime_param *params, size_t count,
    const char *name, struct rfc2231_result *ret);

#endif
