/* next_hop_place.c: where next hops are: addresses, what they offer, connections that wait for
 * the next mail. One place for all listeners with the same options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "config/config.h"
#include "config/config_address.h"
#include "intake/next_hop_private.h"

static struct next_hop_place *places;

static struct host *
host_of(struct loop *l, const char *address)
{
	/* The configuration's check has seen to it. */
	struct config_address a = { .family = CONFIG_FAMILY_UNIX };
	const char *expected;
	int family = AF_INET;

	(void)config_address_parse_listen(address, &a, &expected);
	if (a.family == CONFIG_FAMILY_UNIX)
		family = AF_UNIX;
	else if (a.family == CONFIG_FAMILY_INET6)
		family = AF_INET6;
	return host_new(l, a.host, family, a.port);
}

static bool
options_are_lmtp(const struct config_listener *o)
{
	return o->next_hop_protocol == CONFIG_NEXT_HOP_LMTP ||
	       (o->next_hop_protocol == CONFIG_NEXT_HOP_SAME &&
		   o->protocol == CONFIG_PROTOCOL_LMTP);
}

/* The name that a certificate must have. */
static void
options_get_name(const struct config_listener *o, char *ret_name, size_t size)
{
	struct config_address a;
	const char *expected;

	snprintf(ret_name, size, "%s", o->next_hop_name);
	if (ret_name[0] == '\0' && config_address_parse_listen(o->next_hop, &a, &expected) &&
	    a.family != CONFIG_FAMILY_UNIX)
		snprintf(ret_name, size, "%s", a.host);
}

struct next_hop_place *
next_hop_place_get(struct loop *l, struct config *c, const struct config_listener *options)
{
	bool is_lmtp = options_are_lmtp(options);
	struct next_hop_place *p;
	char name[256];

	options_get_name(options, name, sizeof(name));
	for (p = places; p != NULL; p = p->next) {
		if (p->loop == l && p->is_lmtp == is_lmtp && p->tls == options->next_hop_tls &&
		    p->has_xclient == options->xclient &&
		    strcmp(p->address, options->next_hop) == 0 && strcmp(p->name, name) == 0)
			break;
	}
	if (p == NULL) {
		p = mem_new(sizeof(*p));
		p->loop = l;
		p->is_lmtp = is_lmtp;
		p->tls = options->next_hop_tls;
		p->has_xclient = options->xclient;
		p->address = mem_strdup(options->next_hop);
		p->name = mem_strdup(name);
		p->host = host_of(l, p->address);
		p->next = places;
		places = p;
	} else if (p->used_for != c) {
		host_expire(p->host);
	}
	p->used_for = c;
	return p;
}

struct next_hop_offer
next_hop_place_get_offer(const struct next_hop_place *p)
{
	return p->offer;
}

bool
next_hop_place_is_lmtp(const struct next_hop_place *p)
{
	return p->is_lmtp;
}

struct tls_context *
next_hop_place_get_tls(struct next_hop_place *p)
{
	struct err e = { 0 };

	if (p->tls_context == NULL)
		p->tls_context = tls_context_new_client(p->tls == CONFIG_TLS_VERIFY, &e);
	if (p->tls_context == NULL)
		log_warn(NULL, "next_hop=%s error=\"%s\": no TLS, its mail gets 451",
		    p->address, e.text);
	return p->tls_context;
}

void
next_hop_question_cancel(struct next_hop_question *q)
{
	if (q->place == NULL)
		return;
	if (q->prev == NULL)
		q->place->questions = q->next;
	else
		q->prev->next = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	*q = (struct next_hop_question){ .place = NULL };
}

static void
questions_answer(struct next_hop_place *p)
{
	while (p->questions != NULL) {
		struct next_hop_question q = *p->questions;

		next_hop_question_cancel(p->questions);
		q.told(q.ctx);
	}
}

static void
asking_ready(void *ctx)
{
	struct next_hop_place *p = ctx;

	next_hop_release(&p->asking, false);
	questions_answer(p);
}

static void
asking_reply(void *ctx, const struct smtp_reply *r)
{
	(void)ctx;
	(void)r;
}

static void
asking_failed(void *ctx, const char *why)
{
	struct next_hop_place *p = ctx;

	log_warn(NULL,
	    "event=next_hop_failed next_hop=%s error=\"%s\": EHLO is answered without it",
	    p->address, why);
	next_hop_drop(&p->asking);
	questions_answer(p);
}

void
next_hop_place_ask(struct next_hop_place *p, const struct config_listener *options,
    struct next_hop_question *q, void (*told)(void *ctx), void *ctx)
{
	static const struct next_hop_events events = {
		.ready = asking_ready,
		.reply = asking_reply,
		.failed = asking_failed,
	};

	ASSERT(q->place == NULL);
	*q = (struct next_hop_question){
		.place = p, .next = p->questions, .told = told, .ctx = ctx
	};
	if (p->questions != NULL)
		p->questions->prev = q;
	p->questions = q;
	if (p->asking == NULL)
		p->asking = next_hop_take(p, options, NULL, "", SLICE_NONE, &events, p);
}

void
next_hop_place_keep(struct next_hop *h)
{
	struct next_hop_place *p = h->place;

	h->prev = NULL;
	h->next = p->idle;
	if (p->idle != NULL)
		p->idle->prev = h;
	p->idle = h;
	p->idle_count++;
}

void
next_hop_place_forget(struct next_hop *h)
{
	struct next_hop_place *p = h->place;

	if (h->prev != NULL)
		h->prev->next = h->next;
	else if (p->idle == h)
		p->idle = h->next;
	else
		return;
	if (h->next != NULL)
		h->next->prev = h->prev;
	h->next = h->prev = NULL;
	p->idle_count--;
}

void
next_hop_places_free(void)
{
	while (places != NULL) {
		struct next_hop_place *p = places;

		places = p->next;
		next_hop_drop(&p->asking);
		ASSERT(p->questions == NULL);
		while (p->idle != NULL) {
			struct next_hop *h = p->idle;

			next_hop_place_forget(h);
			next_hop_free(h);
		}
		host_free(&p->host);
		tls_context_unref(&p->tls_context);
		free(p->address);
		free(p->name);
		free(p);
	}
}
