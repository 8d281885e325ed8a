/* intake_client.c: the strings of who sends; "" costs an idle session nothing. */
#include "intake/intake.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

static char no_text[1];

void
intake_client_set(char **string, struct slice value)
{
	char *copy;

	value = slice_sub(value, 0, INTAKE_STRING_MAX_BYTES);
	value.len = MIN_OF(value.len, slice_find_byte(value, '\0', 0));
	if (*string != NULL && slice_eq(value, slice_of_str(*string)))
		return;
	copy = value.len == 0 ? no_text : malloc(value.len + 1);
	if (copy == NULL)
		copy = no_text;
	else if (value.len > 0) {
		memcpy(copy, value.ptr, value.len);
		copy[value.len] = '\0';
	}
	if (*string != no_text)
		free(*string);
	*string = copy;
}

void
intake_client_done(struct intake_client *c)
{
	intake_client_set(&c->name, SLICE_NONE);
	intake_client_set(&c->helo, SLICE_NONE);
	intake_client_set(&c->user, SLICE_NONE);
	intake_client_set(&c->tls, SLICE_NONE);
	c->address[0] = '\0';
	c->port = 0;
}
