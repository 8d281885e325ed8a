/* loop.c: libevent 2.1 behind loop.h. */
#include "base/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "base/loop_private.h"
#include "base/macros.h"

#define SIGNALS_MAX 8
#define LAST_TURNS  8u

struct signal_watch {
	struct event event;
	loop_signal_fn fn;
	void *ctx;
};

struct loop {
	struct event_base *base;
	struct signal_watch signals[SIGNALS_MAX];
	unsigned signal_count;
	unsigned holds;
};

struct loop_watch {
	struct event event;
	struct loop *loop;
	loop_io_fn fn;
	void *ctx;
	unsigned events;
	int fd;
};

struct loop_timer {
	struct event event;
	loop_timer_fn fn;
	void *ctx;
};

struct loop *
loop_new(void)
{
	struct loop *l = mem_new(sizeof(*l));
	struct event_config *config = event_config_new();

	ASSERT(config != NULL);
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
	l->base = event_base_new_with_config(config);
	event_config_free(config);
	ASSERT(l->base != NULL);
	return l;
}

void
loop_free(struct loop **address)
{
	struct loop *l = *address;

	if (l == NULL)
		return;
	for (unsigned i = 0; i < l->signal_count; i++)
		event_del(&l->signals[i].event);
	/* Those who began it are gone: nobody is called but libevent itself. */
	for (unsigned i = 0; i < LAST_TURNS && l->holds > 0; i++)
		event_base_loop(l->base, EVLOOP_NONBLOCK);
	event_base_free(l->base);
	free(l);
	*address = NULL;
}

struct event_base *
loop_get_event_base(struct loop *l)
{
	return l->base;
}

void
loop_hold(struct loop *l)
{
	l->holds++;
}

void
loop_let_go(struct loop *l)
{
	ASSERT(l->holds > 0);
	l->holds--;
}

void
loop_run(struct loop *l)
{
	event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
loop_stop(struct loop *l)
{
	event_base_loopbreak(l->base);
}

void
loop_run_once(struct loop *l)
{
	event_base_loop(l->base, EVLOOP_ONCE);
}

static void
watch_fire(evutil_socket_t fd UNUSED, short what, void *arg)
{
	struct loop_watch *w = arg;

	w->fn(w->ctx, ((what & EV_READ) != 0 ? LOOP_READ : 0) |
	    ((what & EV_WRITE) != 0 ? LOOP_WRITE : 0));
}

struct loop_watch *
loop_watch_new(struct loop *l, int fd, unsigned events, loop_io_fn fn, void *ctx)
{
	struct loop_watch *w = mem_new(sizeof(*w));

	*w = (struct loop_watch){ .loop = l, .fn = fn, .ctx = ctx, .fd = fd };
	event_assign(&w->event, l->base, fd, 0, watch_fire, w);
	loop_watch_set(w, events);
	return w;
}

void
loop_watch_set(struct loop_watch *w, unsigned events)
{
	short what = EV_PERSIST;

	if (events == w->events)
		return;
	if (w->events != 0)
		event_del(&w->event);
	w->events = events;
	if (events == 0)
		return;
	what |= (events & LOOP_READ) != 0 ? EV_READ : 0;
	what |= (events & LOOP_WRITE) != 0 ? EV_WRITE : 0;
	event_assign(&w->event, w->loop->base, w->fd, what, watch_fire, w);
	ASSERT(event_add(&w->event, NULL) == 0);
}

void
loop_watch_free(struct loop_watch **w)
{
	if (*w == NULL)
		return;
	loop_watch_set(*w, 0);
	free(*w);
	*w = NULL;
}

static void
timer_fire(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct loop_timer *t = arg;

	t->fn(t->ctx);
}

struct loop_timer *
loop_timer_new(struct loop *l, loop_timer_fn fn, void *ctx)
{
	struct loop_timer *t = mem_new(sizeof(*t));

	t->fn = fn;
	t->ctx = ctx;
	event_assign(&t->event, l->base, -1, 0, timer_fire, t);
	return t;
}

void
loop_timer_set_ms(struct loop_timer *t, unsigned delay_ms)
{
	struct timeval tv = { .tv_sec = delay_ms / 1000, .tv_usec = (delay_ms % 1000) * 1000 };

	ASSERT(event_add(&t->event, &tv) == 0);
}

void
loop_timer_stop(struct loop_timer *t)
{
	event_del(&t->event);
}

void
loop_timer_free(struct loop_timer **t)
{
	if (*t == NULL)
		return;
	event_del(&(*t)->event);
	free(*t);
	*t = NULL;
}

static void
signal_fire(evutil_socket_t number, short what UNUSED, void *arg)
{
	struct signal_watch *s = arg;

	s->fn(s->ctx, (int)number);
}

void
loop_signal(struct loop *l, int signal_number, loop_signal_fn fn, void *ctx)
{
	struct signal_watch *s = &l->signals[l->signal_count++];

	ASSERT(l->signal_count <= SIGNALS_MAX);
	s->fn = fn;
	s->ctx = ctx;
	event_assign(&s->event, l->base, signal_number, EV_SIGNAL | EV_PERSIST, signal_fire, s);
	ASSERT(event_add(&s->event, NULL) == 0);
}
