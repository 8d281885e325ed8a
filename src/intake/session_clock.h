/* session_clock.h: the one timer of a session: a time limit, and "go on from the loop, now".
 * The timer is left running for an earlier time than the limit and looks again then: a limit
 * that begins anew with every packet costs no call of the loop. What is waited for, and for how
 * long, is the session's. */
#ifndef CORDON_INTAKE_SESSION_CLOCK_H
#define CORDON_INTAKE_SESSION_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

struct session_clock {
	struct loop_timer *timer;
	int64_t limit_at_ms; /* when the limit is over; 0: there is none */
	int64_t timer_at_ms; /* when the timer is due; 0: it is not set */
	bool is_kicked;
};

enum session_clock_event {
	SESSION_CLOCK_EARLY = 0, /* nothing to do, the timer is set for the rest; a limit set
				  * now would begin anew */
	SESSION_CLOCK_KICKED,
	SESSION_CLOCK_EXPIRED, /* silent from now on, until it is set or kicked */
};

/* fn is called from the loop, and calls session_clock_take(). */
void session_clock_init(struct session_clock *c, struct loop *l, loop_timer_fn fn, void *ctx);
void session_clock_done(struct session_clock *c);
/* From now on. 0: no limit. */
void session_clock_set_limit_ms(struct session_clock *c, unsigned limit_ms);
/* fn is called as soon as the loop can; the limit goes on. */
void session_clock_kick(struct session_clock *c);
/* Why fn was called. A kick comes before a limit that is over too. */
enum session_clock_event session_clock_take(struct session_clock *c);

#endif
