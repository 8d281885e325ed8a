/* host.h: one host as somebody configured it, and the addresses it has now. An address that
 * stands there as numbers, a unix socket and "localhost" are known at once and for good. A name
 * is looked up when somebody wants it (resolve.h), one look-up for all who wait, and again
 * while it is used: after a minute beside the work, before the work when nobody looked for
 * long. What was known stays known when a later look-up fails. */
#ifndef CORDON_BASE_HOST_H
#define CORDON_BASE_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/resolve.h"

#define HOST_ADDRESSES_MAX RESOLVE_ADDRESSES_MAX

struct loop;
struct host;

/* Never changed once it is made; shared by all who use it. */
struct host_addresses {
	unsigned refs, count;                             /* count: 1 to HOST_ADDRESSES_MAX */
	struct resolve_address items[HOST_ADDRESSES_MAX]; /* with the port */
};

/* One who waits for a look-up. Lives in its owner; all zero: it does not wait. */
struct host_waiter {
	struct host_waiter *next, **back;
	void (*told)(void *ctx);
	void *ctx;
};

/* name: numbers or a name, copied; family AF_INET, AF_INET6, or AF_UNSPEC for both. With
 * AF_UNIX name is a path that fits a sockaddr_un. Nothing is looked up yet. Borrows l. Never
 * NULL. */
struct host *host_new(struct loop *l, const char *name, int family, uint16_t port);
/* Nobody may wait any more. Accepts NULL. */
void host_free(struct host **h);

/* The addresses to use now; the caller's until host_addresses_unref(). NULL: host_wait() first.
 * May begin a look-up beside. */
struct host_addresses *host_take_addresses(struct host *h);
/* *a becomes NULL. Accepts NULL. */
void host_addresses_unref(struct host_addresses **a);
/* Whether both hold the same addresses, in any order. */
bool host_addresses_eq(const struct host_addresses *a, const struct host_addresses *b);

/* Waits for the look-up that is under way, or begins one. told is called once, from the loop,
 * unless host_waiter_cancel() comes first; host_take_addresses() has what was found then.
 * False: nothing to wait for: there is no name, or it was looked up less than a second ago. */
bool host_wait(struct host *h, struct host_waiter *w, void (*told)(void *ctx), void *ctx);
/* Does nothing when it does not wait. */
void host_waiter_cancel(struct host_waiter *w);
/* Why there are no addresses: a static text of a few words. */
const char *host_get_error(const struct host *h);

/* No address took a connection: begins a look-up beside, as host_wait(). */
void host_look_again(struct host *h);
/* The next host_take_addresses() looks up first, as if nobody had looked for long. */
void host_expire(struct host *h);

#endif
