/* scanner.c: what all scanners share. */
#include "scan/scanner.h"

#include <stddef.h>

void
scanner_free(struct scanner **s)
{
	if (*s == NULL)
		return;
	(*s)->ops->free(*s);
	*s = NULL;
}

struct scan_answer
scan_answer_unknown(enum cause cause)
{
	return (struct scan_answer){ .verdict = VERDICT_UNKNOWN, .cause = cause };
}
