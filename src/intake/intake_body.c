/* intake_body.c: see intake_body.h. */
#include "intake/intake_body.h"

#include <string.h>

#include "base/macros.h"
#include "intake/intake.h"

uint8_t *
intake_body_reserve(const struct intake_body *b, size_t want, size_t *ret_room)
{
	for (;;) {
		size_t room = 0;
		uint8_t *to;

		*b->is_paused = true; /* resume() may come before the call returns */
		to = b->sink->mail_body_reserve(b->mail, want, &room);
		if (to != NULL || room == SIZE_MAX)
			*b->is_paused = false;
		if (to != NULL) {
			ASSERT(room > 0);
			*ret_room = MIN_OF(room, want);
			return to;
		}
		if (room == SIZE_MAX) {
			*b->is_dropping = true;
			return NULL;
		}
		if (*b->is_paused || *b->is_dead)
			return NULL;
	}
}

size_t
intake_body_put(const struct intake_body *b, struct slice bytes)
{
	size_t done = 0;

	while (done < bytes.len && !*b->is_dead) {
		size_t room;
		uint8_t *to = intake_body_reserve(b, bytes.len - done, &room);

		if (to == NULL)
			break;
		memcpy(to, bytes.ptr + done, room);
		b->sink->mail_body_commit(b->mail, room);
		done += room;
	}
	return done;
}
