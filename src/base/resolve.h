/* resolve.h: the addresses of one name, without waiting for them. libevent's evdns stands
 * behind it, alone. Once: how long an answer holds, and who shares it, is host.h's. */
#ifndef CORDON_BASE_RESOLVE_H
#define CORDON_BASE_RESOLVE_H

#include <stdbool.h>
#include <sys/socket.h>

struct loop;
struct resolve; /* one look-up */

#define RESOLVE_ADDRESSES_MAX 8u

struct resolve_address {
	struct sockaddr_storage storage; /* port 0 */
	socklen_t len;
};

/* addresses: borrowed for the call, in the order of the answer. None: error (static text, a few
 * words) says why; else it is NULL. */
typedef void (*resolve_fn)(
    void *ctx, const struct resolve_address *addresses, unsigned count, const char *error);

/* Looks name up in /etc/hosts, then asks the name servers of /etc/resolv.conf (both are read
 * anew); family: AF_INET, AF_INET6, or AF_UNSPEC for both. The answer is cut at
 * RESOLVE_ADDRESSES_MAX. fn is called once, from the loop, never from in here, after 30 seconds
 * at the latest; the look-up is gone then. Never NULL. */
struct resolve *resolve_start(
    struct loop *l, const char *name, int family, resolve_fn fn, void *ctx);
/* fn is not called any more. *r becomes NULL. Accepts NULL. */
void resolve_cancel(struct resolve **r);

bool resolve_address_eq(const struct resolve_address *a, const struct resolve_address *b);

#endif
