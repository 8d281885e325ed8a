/* scan_clamd.c: asks clamd servers. Which of them, in which order and how often is decided
 * here; the connection is scan_clamd_exchange.c, health scan_clamd_server.c, the meaning of an
 * answer scan_clamd_reply.c. A server that hangs, closes or talks nonsense costs time and the
 * next server is asked; what no server plainly called clean is never clean. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "config/config.h"
#include "scan/scan_clamd_exchange.h"
#include "scan/scan_clamd_reply.h"
#include "scan/scan_clamd_server.h"
#include "scan/scanner.h"

#define FAIR_MS 1000u /* time in which a server that is well answers most questions */

struct clamd_call;

struct call_list {
	struct clamd_call *head, *tail;
};

struct scan_clamd {
	struct scanner base;
	struct loop *loop;
	struct clamd_servers *servers;
	enum config_transfer transfer;
	struct call_list queued, flying;
	struct loop_timer
	    *kick;      /* looks at the queue from the loop, not from a caller's call */
	unsigned depth; /* of our own functions that call back */
	bool dying;     /* freed from inside such a call */
};

struct clamd_call {
	struct scan_clamd *scanner;
	struct scan_call *call;
	struct clamd_call *next, *prev;
	struct clamd_server *server; /* set: flying; NULL: queued */
	struct clamd_exchange *exchange;
	bool by_fildes, no_fildes; /* how it was sent; how it must not be sent */
	bool retried_timeout;
	bool is_retry;    /* stands before those that were never sent */
	enum cause cause; /* of the failures so far */
	int64_t begun_us; /* at the first server; 0: not yet */
	int64_t begun_ms, sent_ms, due_ms;
	struct loop_timer *timer; /* when queued */
	uint8_t tried[];          /* one per server */
};

static void on_exchange_done(void *ctx, const struct clamd_outcome *o);

static void
list_remove(struct call_list *l, struct clamd_call *c)
{
	*(c->prev == NULL ? &l->head : &c->prev->next) = c->next;
	*(c->next == NULL ? &l->tail : &c->next->prev) = c->prev;
	c->next = c->prev = NULL;
}

/* before: NULL puts it at the end. */
static void
list_insert(struct call_list *l, struct clamd_call *c, struct clamd_call *before)
{
	c->next = before;
	c->prev = before == NULL ? l->tail : before->prev;
	*(c->prev == NULL ? &l->head : &c->prev->next) = c;
	*(before == NULL ? &l->tail : &before->prev) = c;
}

/* Takes it out of its list and off its server. */
static void
call_detach(struct clamd_call *c)
{
	struct scan_clamd *s = c->scanner;

	if (c->server != NULL) {
		list_remove(&s->flying, c);
		c->server->in_flight--;
		c->server = NULL;
		clamd_exchange_free(&c->exchange);
		return;
	}
	list_remove(&s->queued, c);
	if (c->timer != NULL)
		loop_timer_stop(c->timer);
}

static void
call_free(struct clamd_call *c)
{
	c->call->scanner_data = NULL;
	loop_timer_free(&c->timer);
	free(c);
}

/* Answers; c is detached, and gone afterwards. */
static void
call_finish(struct clamd_call *c, struct scan_answer a)
{
	struct scan_call *call = c->call;

	if (c->begun_us > 0)
		a.cost_us = (uint32_t)MIN_OF(clock_now_us() - c->begun_us, (int64_t)UINT32_MAX);
	call_free(c);
	call->done(call, &a);
}

static unsigned
call_get_left_ms(const struct clamd_call *c)
{
	return (unsigned)MAX_OF(c->due_ms - clock_now_ms(), (int64_t)0);
}

/* Sends it to this server; c is in no list. */
static void
call_send(struct clamd_call *c, struct clamd_server *v)
{
	struct scan_clamd *s = c->scanner;

	(void)clamd_server_is_found(v);
	c->server = v;
	c->tried[v->index] = 1;
	c->by_fildes =
	    v->is_unix && s->transfer != CONFIG_TRANSFER_INSTREAM &&
	    (s->transfer == CONFIG_TRANSFER_FILDES || (!v->no_fildes && !c->no_fildes));
	v->in_flight++;
	list_insert(&s->flying, c, NULL);
	c->sent_ms = clock_now_ms();
	if (c->begun_us == 0)
		c->begun_us = clock_now_us();
	c->exchange =
	    clamd_exchange_new(s->loop, &v->peer, c->by_fildes ? CLAMD_FILDES : CLAMD_INSTREAM,
		c->call->bytes, s->servers->connect_timeout_ms,
		MIN_OF(s->servers->timeout_ms, call_get_left_ms(c)), on_exchange_done, c);
}

static void
on_queue_timer(void *ctx)
{
	struct clamd_call *c = ctx;

	call_detach(c);
	call_finish(c, scan_answer_unknown(CAUSE_TIMEOUT));
}

/* Those to be tried again come first, in their order. */
static void
call_queue(struct clamd_call *c)
{
	struct scan_clamd *s = c->scanner;
	struct clamd_call *before = NULL;

	if (c->is_retry) {
		before = s->queued.head;
		while (before != NULL && before->is_retry)
			before = before->next;
	}
	list_insert(&s->queued, c, before);
	if (c->timer == NULL)
		c->timer = loop_timer_new(s->loop, on_queue_timer, c);
	loop_timer_set_ms(c->timer, call_get_left_ms(c));
}

static void
scanner_enter(struct scan_clamd *s)
{
	s->depth++;
}

static void
scanner_destroy(struct scan_clamd *s)
{
	clamd_servers_free(&s->servers);
	loop_timer_free(&s->kick);
	free(s);
}

/* s may be gone afterwards. */
static void
scanner_leave(struct scan_clamd *s)
{
	if (--s->depth == 0 && s->dying)
		scanner_destroy(s);
}

/* Sends what can be sent, gives up what no server is left for. Answering may change the queue
 * in any way: it is looked at anew then. */
static void
scanner_run_queue(struct scan_clamd *s)
{
	struct clamd_call *c = s->queued.head;

	while (c != NULL && !s->dying) {
		struct clamd_call *next = c->next;
		bool is_hopeless;
		struct clamd_server *v = clamd_servers_pick(s->servers, c->tried, &is_hopeless);

		if (v != NULL) {
			call_detach(c);
			call_send(c, v);
			c = next;
		} else if (is_hopeless) {
			enum cause cause = c->cause;

			call_detach(c);
			call_finish(c, scan_answer_unknown(cause));
			c = s->dying ? NULL : s->queued.head;
		} else if (c->is_retry) {
			c = next;
		} else {
			return; /* nor is there a place for those behind, which tried nothing
				   either */
		}
	}
}

static void
on_queue_change(void *ctx)
{
	struct scan_clamd *s = ctx;

	scanner_enter(s);
	scanner_run_queue(s);
	scanner_leave(s);
}

/* Tries the servers that are left, if there is time. */
static void
call_retry(struct clamd_call *c, enum cause cause)
{
	/* What says more stays: that a server tried and could not, that one had no time. */
	if (c->cause == CAUSE_DOWN)
		c->cause = cause;
	call_detach(c);
	if (call_get_left_ms(c) == 0) {
		call_finish(c, scan_answer_unknown(CAUSE_TIMEOUT));
		return;
	}
	c->is_retry = true;
	call_queue(c);
}

static void
call_fail_server(struct clamd_call *c, const char *why, bool in_scan)
{
	c->server->failed++;
	clamd_server_set_down(c->server, why, in_scan);
	call_retry(c, CAUSE_DOWN);
}

static void
call_take_timeout(struct clamd_call *c)
{
	unsigned left_ms = call_get_left_ms(c);
	bool again = !c->retried_timeout && left_ms > 0 &&
		     (int64_t)left_ms * 2 >= c->due_ms - c->begun_ms;

	c->server->failed++;
	/* A mail whose time was nearly over says nothing about the server. */
	if (clock_now_ms() - c->sent_ms >= MIN_OF(c->scanner->servers->timeout_ms, FAIR_MS))
		clamd_server_set_suspect(c->server);
	clamd_server_probe(c->server);
	c->retried_timeout = true;
	if (again) {
		call_retry(c, CAUSE_TIMEOUT);
		return;
	}
	call_detach(c);
	call_finish(c, scan_answer_unknown(CAUSE_TIMEOUT));
}

/* The server says that it could not. Its disk may be full: it would answer faster than the
 * others, and get everything, if it were not asked last from now on. */
static void
call_fail_scan(struct clamd_call *c)
{
	c->server->failed++;
	clamd_server_set_suspect(c->server);
	call_retry(c, CAUSE_ERROR);
}

/* FILDES did not work: the bytes by INSTREAM to the same server, when that is allowed. */
static bool
call_send_again(struct clamd_call *c)
{
	struct clamd_server *v = c->server;

	if (!c->by_fildes || c->scanner->transfer != CONFIG_TRANSFER_AUTO)
		return false;
	call_detach(c);
	c->no_fildes = true;
	call_send(c, v);
	return true;
}

static void
call_take_no_fd(struct clamd_call *c, const struct clamd_reply *r)
{
	struct clamd_server *v = c->server;
	char text[LOG_QUOTE_SIZE(CLAMD_TEXT_MAX_BYTES)], address[LOG_QUOTE_SIZE(120)];

	if (!call_send_again(c)) {
		call_fail_scan(c);
		return;
	}
	if (!v->no_fildes)
		log_info(NULL,
		    "scanner=%s server=%s error=%s: FILDES does not work there, INSTREAM "
		    "is used instead",
		    c->scanner->base.name,
		    log_quote(slice_of_str(v->address), 120, address, sizeof(address)),
		    log_quote(slice_of(r->text, r->text_len), CLAMD_TEXT_MAX_BYTES, text,
			sizeof(text)));
	v->no_fildes = true;
}

static void
call_take_reply(struct clamd_call *c, const struct clamd_outcome *o)
{
	struct clamd_reply r = clamd_reply_parse(o->reply, c->by_fildes);
	struct scan_answer a = scan_answer_unknown(r.cause);

	/* A verdict about bytes that it does not have yet is not about them. */
	if (o->early && (r.kind == CLAMD_REPLY_CLEAN || r.kind == CLAMD_REPLY_INFECTED))
		r.kind = CLAMD_REPLY_GARBAGE;
	switch (r.kind) {
	case CLAMD_REPLY_CLEAN:
		a = (struct scan_answer){ .verdict = VERDICT_CLEAN };
		break;
	case CLAMD_REPLY_INFECTED:
		a = (struct scan_answer){ .verdict = VERDICT_INFECTED,
			.name = slice_of(r.text, r.text_len) };
		break;
	case CLAMD_REPLY_UNSCANNED:
		if (r.cause != CAUSE_ERROR)
			break;
		call_fail_scan(c);
		return;
	case CLAMD_REPLY_NO_FD:
		call_take_no_fd(c, &r);
		return;
	case CLAMD_REPLY_GARBAGE:
	default:
		call_fail_server(c, "an answer that makes no sense", true);
		return;
	}
	clamd_server_set_good(c->server);
	call_detach(c);
	call_finish(c, a);
}

static void
call_take_outcome(struct clamd_call *c, const struct clamd_outcome *o)
{
	switch (o->result) {
	case CLAMD_REPLIED:
		call_take_reply(c, o);
		return;
	case CLAMD_UNREACHABLE:
		host_look_again(c->server->host);
		call_fail_server(c, strerror(o->error), false);
		return;
	case CLAMD_CLOSED:
		call_fail_server(
		    c, o->error == 0 ? "closed without an answer" : strerror(o->error), true);
		return;
	case CLAMD_TIMEOUT:
		call_take_timeout(c);
		return;
	case CLAMD_LOCAL:
		break;
	}
	if (call_send_again(c))
		return;
	log_warn(NULL, "scanner=%s error=\"%s\": the object stays unscanned",
	    c->scanner->base.name, strerror(o->error));
	call_detach(c);
	call_finish(c, scan_answer_unknown(CAUSE_ERROR));
}

static void
on_exchange_done(void *ctx, const struct clamd_outcome *o)
{
	struct clamd_call *c = ctx;
	struct scan_clamd *s = c->scanner;

	scanner_enter(s);
	call_take_outcome(c, o);
	scanner_run_queue(s);
	scanner_leave(s);
}

static void
clamd_start(struct scanner *base, struct scan_call *call)
{
	struct scan_clamd *s = (struct scan_clamd *)base;
	struct clamd_call *c = mem_new(sizeof(*c) + s->servers->count);
	struct clamd_server *v = NULL;
	bool is_hopeless = false;

	c->scanner = s;
	c->call = call;
	c->cause = CAUSE_DOWN;
	c->begun_ms = clock_now_ms();
	c->due_ms = c->begun_ms + call->timeout_ms;
	call->scanner_data = c;
	/* Not past those that wait already. */
	if (s->queued.head == NULL)
		v = clamd_servers_pick(s->servers, c->tried, &is_hopeless);
	if (v != NULL) {
		call_send(c, v);
		return;
	}
	call_queue(c);
	if (is_hopeless)
		loop_timer_set_ms(s->kick, 0);
}

static void
clamd_cancel(struct scanner *base, struct scan_call *call)
{
	struct scan_clamd *s = (struct scan_clamd *)base;
	struct clamd_call *c = call->scanner_data;

	if (c == NULL)
		return;
	call_detach(c);
	call_free(c);
	if (s->queued.head != NULL)
		loop_timer_set_ms(s->kick, 0);
}

static uint64_t
clamd_get_version(struct scanner *base)
{
	return ((struct scan_clamd *)base)->servers->version;
}

static bool
clamd_is_there(struct scanner *base UNUSED)
{
	return true;
}

static int
clamd_format_status(struct scanner *base, struct buf *out)
{
	struct scan_clamd *s = (struct scan_clamd *)base;
	int r = buf_append_str(out, "{\"name\":");

	if (r == 0)
		r = clamd_format_json_string(base->name, out);
	if (r == 0)
		r = buf_printf(out, ",\"up\":%s,\"servers\":",
		    clamd_servers_is_up(s->servers) ? "true" : "false");
	if (r == 0)
		r = clamd_servers_format(s->servers, out);
	return r < 0 ? r
		     : buf_printf(out,
			   ",\"asked\":%" PRIu64 ",\"clean\":%" PRIu64 ",\"infected\":%" PRIu64
			   ",\"unknown\":%" PRIu64 ",\"ms\":%" PRIu64 "}",
			   base->asked, base->clean, base->infected, base->unknown,
			   base->us / 1000);
}

static void
calls_drop(struct call_list *l)
{
	while (l->head != NULL) {
		struct clamd_call *c = l->head;

		call_detach(c);
		call_free(c);
	}
}

/* Calls that are not answered yet are dropped, as by cancel. */
static void
clamd_free(struct scanner *base)
{
	struct scan_clamd *s = (struct scan_clamd *)base;

	calls_drop(&s->flying);
	calls_drop(&s->queued);
	if (s->depth > 0)
		s->dying = true;
	else
		scanner_destroy(s);
}

static const struct scanner_ops clamd_ops = { clamd_start, clamd_cancel, clamd_get_version,
	clamd_is_there, clamd_format_status, clamd_free };

struct scanner *
scan_clamd_new(struct loop *l, const struct config_clamd *config)
{
	struct scan_clamd *s = mem_new(sizeof(*s));
	bool is_plain = strcmp(config->name, "main") == 0 || strcmp(config->name, "clamd") == 0;

	s->base.ops = &clamd_ops;
	s->base.max_object = config->max_object;
	snprintf(s->base.name, sizeof(s->base.name), "clamd%s%.40s", is_plain ? "" : ":",
	    is_plain ? "" : config->name);
	s->loop = l;
	s->transfer = (enum config_transfer)config->transfer;
	s->kick = loop_timer_new(l, on_queue_change, s);
	s->servers = clamd_servers_new(l, config, s->base.name, on_queue_change, s);
	return &s->base;
}
