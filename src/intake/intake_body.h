/* intake_body.h: body bytes into the sink's memory, and what a session notes when the sink has
 * none now or wants no more. How bytes come from the wire is the protocol's. */
#ifndef CORDON_INTAKE_BODY_H
#define CORDON_INTAKE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct intake_sink;

/* Where bytes go, and the marks of the session that belong to it; all borrowed. */
struct intake_body {
	const struct intake_sink *sink;
	void *mail;          /* never NULL */
	bool *is_paused;     /* set here; the session's resume() clears it */
	bool *is_dropping;   /* set here: nothing more of this mail is kept */
	const bool *is_dead; /* the sink may end the session from inside a call */
};

/* The sink's memory for at most want (> 0) bytes, to be committed by the caller. NULL:
 * *is_paused or *is_dropping says why, or the session is dead. */
uint8_t *intake_body_reserve(const struct intake_body *b, size_t want, size_t *ret_room);
/* Copies bytes and commits them. Returns how many, less than all for the same reasons. */
size_t intake_body_put(const struct intake_body *b, struct slice bytes);

#endif
