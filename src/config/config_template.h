/* config_template.h: texts with {names} in them: SMTP replies and added headers. */
#ifndef CORDON_CONFIG_CONFIG_TEMPLATE_H
#define CORDON_CONFIG_CONFIG_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

struct config_template_value {
	const char *name;   /* without braces */
	struct slice value; /* foreign bytes are welcome */
};

/* Appends the template with every {name} replaced; a name that is not among the values stays
 * as it is. Bytes of values that are not printable ASCII become "?", so that the result is one
 * line whatever a mail brings; a value longer than 200 bytes is cut with "..." behind it. At
 * most 900 bytes are added. 0 or a negative code of buf_append(). */
int config_template_format(const char *text, const struct config_template_value *values,
    size_t count, struct buf *out);

/* Only printable ASCII, and only names of the list (words separated by blanks) in braces.
 * False: *ret_bad is the offending piece. */
bool config_template_check(const char *text, const char *names, struct slice *ret_bad);

/* The length of an enhanced status code with the blank behind it ("5.7.1 ") that text begins
 * with, or 0. RFC 3463. */
size_t config_template_get_code_len(const char *text);

#endif
