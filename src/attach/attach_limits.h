/* attach_limits.h: the chain of limits that one mail passes: MTA, Cordon, its scanners. */
#ifndef CORDON_ATTACH_ATTACH_LIMITS_H
#define CORDON_ATTACH_ATTACH_LIMITS_H

#include <stdint.h>
#include <stdio.h>

struct config;

#define ATTACH_LIMIT_NONE UINT64_MAX /* no such limit, or unlimited */

/* Of the MTA; the names are as its administrator knows them. */
struct attach_limits {
	const char *size_name; /* of size_bytes; NULL: not read */
	uint64_t size_bytes;
	const char *answer_name; /* how long it waits for the verdict on a mail */
	uint64_t answer_ms;
	const char *command_name; /* for an answer to one step before that */
	uint64_t command_ms;
	const char
	    *answer_fix; /* how answer_name is set, e.g. "postconf -e %s=%us"; NULL: by hand */
};

/* Prints a line for each disagreement and how to end it. Returns how many there are. */
unsigned attach_limits_compare(
    const struct attach_limits *l, const struct config *c, FILE *out);

#endif
