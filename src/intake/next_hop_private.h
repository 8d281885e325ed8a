/* next_hop_private.h: what next_hop.c (one connection), next_hop_greeting.c and
 * next_hop_place.c (addresses, offers, idle connections) share. */
#ifndef CORDON_INTAKE_NEXT_HOP_PRIVATE_H
#define CORDON_INTAKE_NEXT_HOP_PRIVATE_H

#include "base/buf.h"
#include "base/host.h"
#include "base/loop.h"
#include "base/stream.h"
#include "intake/next_hop.h"
#include "intake/smtp_dot.h"
#include "intake/smtp_reply.h"

struct next_hop_place {
	struct next_hop_place *next;
	struct loop *loop;    /* borrowed */
	char *address, *name; /* as configured; owned */
	bool is_lmtp;
	bool has_xclient; /* a connection kept from one client is told of the next one */
	int tls;          /* enum config_next_hop_tls */
	const struct config *used_for; /* compared only */
	struct host *host;             /* where it is; its name is looked up once for all */
	struct resolve_address
	    silent;              /* took no connection in time: until then it is the last */
	int64_t silent_until_ms; /* to be tried */
	struct tls_context *tls_context;
	struct next_hop_offer offer;
	struct next_hop *asking; /* for its offer; NULL: nobody asks */
	struct next_hop_question *questions;
	struct next_hop *idle; /* the one used last stands first */
	unsigned idle_count;
};

enum next_hop_state {
	NEXT_HOP_RESOLVING, /* its name is being looked up */
	NEXT_HOP_CONNECTING,
	NEXT_HOP_BANNER,
	NEXT_HOP_EHLO,
	NEXT_HOP_STARTTLS_SENT,
	NEXT_HOP_HANDSHAKE,
	NEXT_HOP_XCLIENT_SENT,
	NEXT_HOP_EHLO_AGAIN, /* XCLIENT makes it forget the first one */
	NEXT_HOP_READY,
	NEXT_HOP_FAILED, /* told, or about to be */
};

struct next_hop {
	struct next_hop_place *place;
	struct next_hop *next, *prev;         /* while idle */
	const struct next_hop_events *events; /* NULL: nobody has it */
	void *ctx;
	enum next_hop_state state;
	struct stream *stream; /* NULL: not connected */
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct host_waiter waiter; /* while RESOLVING */
	struct host_addresses
	    *addresses; /* to be tried, one after the other; until connected */
	unsigned address_first, address_at; /* so many from there on, around, were tried */
	int connect_error;                  /* of the last one */
	bool has_looked_again;
	struct next_hop_offer offer;
	struct smtp_reply reply;
	struct buf out;    /* on its way to the socket */
	struct buf held;   /* commands that wait for READY, or may have to be sent again */
	unsigned expected; /* replies that the session waits for */
	unsigned skipped;  /* replies before these that it does not hear of (XFORWARD) */
	unsigned timeout_ms, mails;
	unsigned keep_most;  /* idle connections that the place may have */
	int64_t deadline_ms; /* 0: nothing is waited for */
	const struct slice *pieces;
	size_t piece_count, piece_at, piece_from;
	struct smtp_dot_encoder encoder;
	bool is_sending;   /* a mail, not all of it encoded yet */
	bool is_mail_sent; /* its end was written */
	bool is_reused;    /* and nothing was answered since: it may have been closed before */
	bool must_tell_ready;
	bool wants_xforward, wants_xclient;
	char *names[4]; /* of the client, until it was told: name, helo, address, user; owned */
	uint16_t port;
	char proto[8], ident[64];
	uint8_t busy; /* calls of ours on the stack: it must outlive them */
	bool is_dead; /* freed when they have returned */
	char why[96]; /* it failed; the timer tells */
};

/* next_hop.c */
struct next_hop *next_hop_new(struct next_hop_place *p);
void next_hop_free(struct next_hop *h);
/* It is over with this connection; the session is told from the timer, so that nobody is called
 * back from his own call. */
void next_hop_fail(struct next_hop *h, const char *why);
/* The same, but one that was kept is made anew first, once. */
void next_hop_lost(struct next_hop *h, const char *why);
/* Puts one line on the way, with CRLF. */
void next_hop_say(struct next_hop *h, const char *line);

/* next_hop_greeting.c */
/* A reply before READY lies in h->reply. */
void next_hop_greeting_reply(struct next_hop *h);
/* EHLO or LHLO; its reply finds h in this state. */
void next_hop_say_hello(struct next_hop *h, enum next_hop_state state);
/* XCLIENT when it is offered and wanted; then, or at once, h becomes READY. */
void next_hop_tell_client(struct next_hop *h);
/* Copies who the client is. */
void next_hop_client_set(struct next_hop *h, const struct config_listener *options,
    const struct intake_client *client, const char *proto, struct slice ident);
void next_hop_client_forget(struct next_hop *h);

/* next_hop_place.c */
void next_hop_place_keep(struct next_hop *h);
void next_hop_place_forget(struct next_hop *h);
struct tls_context *next_hop_place_get_tls(struct next_hop_place *p);

#endif
