/* next_hop.h: connections to the server that mail is sent on to: SMTP or LMTP as a client, with
 * STARTTLS and XFORWARD, kept open from one mail to the next. Never blocks. What is said in a
 * transaction is the session's to decide. */
#ifndef CORDON_INTAKE_NEXT_HOP_H
#define CORDON_INTAKE_NEXT_HOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct config;
struct config_listener;
struct intake_client;
struct loop;
struct next_hop;       /* one connection */
struct next_hop_place; /* where it goes to, and what is known of it */
struct smtp_reply;

/* What a server said it can do, by bit. */
#define NEXT_HOP_PIPELINING (1u << 0)
#define NEXT_HOP_8BITMIME   (1u << 1)
#define NEXT_HOP_SMTPUTF8   (1u << 2)
#define NEXT_HOP_DSN        (1u << 3)
#define NEXT_HOP_ENHANCED   (1u << 4) /* ENHANCEDSTATUSCODES */
#define NEXT_HOP_STARTTLS   (1u << 5)
#define NEXT_HOP_SIZE       (1u << 6)

struct next_hop_offer {
	bool is_known;       /* it was asked, at some time */
	unsigned can;        /* NEXT_HOP_* */
	unsigned xforward;   /* attributes, bits of enum smtp_xattr */
	unsigned xclient;    /* the same for XCLIENT */
	uint64_t size_bytes; /* largest mail; 0: it names no limit */
};

/* Called from the loop, never from inside a call below. */
struct next_hop_events {
	/* Greeted, EHLO answered, TLS done: its offer is known. Once, for each next_hop_take().
	 */
	void (*ready)(void *ctx);
	/* One reply, to the oldest command that was not answered. Borrowed for the call. */
	void (*reply)(void *ctx, const struct smtp_reply *r);
	/* No reply will come any more: refused, lost, too late, not SMTP. why: a few words for
	 * people, without foreign text. next_hop_drop() is all that is left. */
	void (*failed)(void *ctx, const char *why);
};

/* The place of a listener's next hop; the same for equal options. With a new configuration its
 * name is looked up again before the next connection. Never NULL. */
struct next_hop_place *next_hop_place_get(
    struct loop *l, struct config *c, const struct config_listener *options);
/* As its newest connection said; is_known false before the first. */
struct next_hop_offer next_hop_place_get_offer(const struct next_hop_place *p);
/* One who waits for the offer. Lives in its owner; all zero: it does not wait. */
struct next_hop_question {
	struct next_hop_place *place;
	struct next_hop_question *next, *prev;
	void (*told)(void *ctx); /* the offer is known, or the next hop did not tell it */
	void *ctx;
};
/* Asks the next hop what it offers: one connection for all who ask meanwhile. told is called
 * once, from the loop, unless next_hop_question_cancel() comes first. */
void next_hop_place_ask(struct next_hop_place *p, const struct config_listener *options,
    struct next_hop_question *q, void (*told)(void *ctx), void *ctx);
/* Does nothing when it does not wait. */
void next_hop_question_cancel(struct next_hop_question *q);
/* Whether it speaks LMTP: a reply for each recipient. */
bool next_hop_place_is_lmtp(const struct next_hop_place *p);
/* Closes what is idle and forgets every place. No connection may be taken. */
void next_hop_places_free(void);

/* A connection for one session: one that is idle, or a new one. client: told to the next hop
 * before the first command, when it offers XCLIENT or XFORWARD and the options want it;
 * borrowed for the call; NULL: nobody. ident: queue id or "". events and ctx: borrowed until
 * drop or release. */
struct next_hop *next_hop_take(struct next_hop_place *p, const struct config_listener *options,
    const struct intake_client *client, const char *proto, struct slice ident,
    const struct next_hop_events *events, void *ctx);
/* Puts one command line (without CRLF) on the way, and expects one reply; next_hop_push() sends
 * it, or the connection does when it is ready. Several may be under way when the place offers
 * PIPELINING: the caller's to look after. 0, or buf.h's errors: nothing was taken. */
int next_hop_command(struct next_hop *h, struct slice line);
/* Sends now what the commands before put on the way: one write for all of them. */
void next_hop_push(struct next_hop *h);
/* After 354: sends the mail with stuffed dots and its end, and expects so many replies. pieces:
 * borrowed until the last of the replies, release or drop. */
void next_hop_send_mail(
    struct next_hop *h, const struct slice *pieces, size_t count, unsigned replies);
/* Whether the end of the mail is on its way: from then on it may arrive whatever happens. */
bool next_hop_mail_is_sent(const struct next_hop *h);
/* Whether all of it is: before that nobody can have taken it. */
bool next_hop_mail_is_written(const struct next_hop *h);
/* Whether the connection (not the place) is known to take several commands at once. */
bool next_hop_can_pipeline(const struct next_hop *h);
/* The session is done with it: kept for others when nothing is under way (in_transaction: after
 * a RSET), else closed. *h becomes NULL. */
void next_hop_release(struct next_hop **h, bool in_transaction);
/* Closes it. *h becomes NULL. Accepts NULL. */
void next_hop_drop(struct next_hop **h);

#endif
