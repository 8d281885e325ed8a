/* session_clock.c: see session_clock.h. */
#include "intake/session_clock.h"

#include "base/clock.h"

void
session_clock_init(struct session_clock *c, struct loop *l, loop_timer_fn fn, void *ctx)
{
	*c = (struct session_clock){ .timer = loop_timer_new(l, fn, ctx) };
}

void
session_clock_done(struct session_clock *c)
{
	loop_timer_free(&c->timer);
}

static void
clock_set_timer(struct session_clock *c, int64_t now_ms, int64_t at_ms)
{
	c->timer_at_ms = at_ms;
	loop_timer_set_ms(c->timer, at_ms > now_ms ? (unsigned)(at_ms - now_ms) : 0);
}

void
session_clock_set_limit_ms(struct session_clock *c, unsigned limit_ms)
{
	int64_t now_ms = clock_now_ms();

	c->limit_at_ms = limit_ms == 0 ? 0 : now_ms + limit_ms;
	if (limit_ms != 0 && !c->is_kicked &&
	    (c->timer_at_ms == 0 || c->timer_at_ms > c->limit_at_ms))
		clock_set_timer(c, now_ms, c->limit_at_ms);
}

void
session_clock_kick(struct session_clock *c)
{
	int64_t now_ms = clock_now_ms();

	if (c->is_kicked)
		return;
	c->is_kicked = true;
	clock_set_timer(c, now_ms, now_ms);
}

enum session_clock_event
session_clock_take(struct session_clock *c)
{
	int64_t now_ms = clock_now_ms();
	bool was_kicked = c->is_kicked;

	c->is_kicked = false;
	c->timer_at_ms = 0;
	if (!was_kicked && c->limit_at_ms != 0 && now_ms >= c->limit_at_ms)
		return SESSION_CLOCK_EXPIRED;
	if (c->limit_at_ms != 0)
		clock_set_timer(c, now_ms, c->limit_at_ms);
	return was_kicked ? SESSION_CLOCK_KICKED : SESSION_CLOCK_EARLY;
}
