/* host.c: when a name is looked up, and how long the answer is used. evdns tells no time to
 * live: a minute is what most names of servers that move have, or more. No timers: a name that
 * nobody uses is not looked up. */
#include "base/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/host_private.h"
#include "base/log.h"
#include "base/macros.h"

#define FRESH_MS 60000  /* used without a look */
#define AGAIN_MS 5000   /* after a look beside the work that failed */
#define OLD_MS   600000 /* nobody has looked for so long: it may be anybody's by now */
#define PAUSE_MS 1000   /* between two looks, whatever happens */

struct host {
	struct loop *loop;
	char *name; /* to look up; NULL: the addresses are for good */
	int family;
	uint16_t port;
	struct host_addresses *addresses; /* NULL: none known */
	struct resolve *lookup;           /* NULL: none under way */
	struct host_waiter *waiters;
	int64_t looked_ms; /* when the last look-up ended */
	int64_t due_ms;    /* from then on the next may begin beside the work */
	const char *error; /* of the last look-up; NULL: it was good */
};

static void
addresses_add(struct host_addresses *a, const void *address, socklen_t len)
{
	memcpy(&a->items[a->count].storage, address, len);
	a->items[a->count++].len = len;
}

static void
addresses_add_inet(struct host_addresses *a, const char *text, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1)
		addresses_add(a, &sin, sizeof(sin));
}

static void
addresses_add_inet6(struct host_addresses *a, const char *text, uint16_t port)
{
	struct sockaddr_in6 sin = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (inet_pton(AF_INET6, text, &sin.sin6_addr) == 1)
		addresses_add(a, &sin, sizeof(sin));
}

static void
addresses_add_unix(struct host_addresses *a, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	ASSERT(strlen(path) < sizeof(sun.sun_path));
	memcpy(sun.sun_path, path, strlen(path));
	addresses_add(a, &sun, sizeof(sun));
}

/* What no name server is needed for; RFC 6761 section 6.3 says so of localhost. */
static struct host_addresses *
addresses_of(const char *name, int family, uint16_t port)
{
	struct host_addresses *a = mem_new(sizeof(*a));
	bool is_local = strcasecmp(name, "localhost") == 0;

	a->refs = 1;
	if (family == AF_UNIX)
		addresses_add_unix(a, name);
	if (family == AF_INET || family == AF_UNSPEC)
		addresses_add_inet(a, is_local ? "127.0.0.1" : name, port);
	if (family == AF_INET6 || family == AF_UNSPEC)
		addresses_add_inet6(a, is_local ? "::1" : name, port);
	if (a->count == 0)
		host_addresses_unref(&a);
	return a;
}

struct host *
host_new(struct loop *l, const char *name, int family, uint16_t port)
{
	struct host *h = mem_new(sizeof(*h));

	h->loop = l;
	h->family = family;
	h->port = port;
	h->addresses = addresses_of(name, family, port);
	h->looked_ms = clock_now_ms() - OLD_MS;
	if (h->addresses == NULL)
		h->name = mem_strdup(name);
	return h;
}

void
host_free(struct host **address)
{
	struct host *h = *address;

	if (h == NULL)
		return;
	ASSERT(h->waiters == NULL);
	resolve_cancel(&h->lookup);
	host_addresses_unref(&h->addresses);
	free(h->name);
	free(h);
	*address = NULL;
}

void
host_addresses_unref(struct host_addresses **address)
{
	struct host_addresses *a = *address;

	*address = NULL;
	if (a != NULL && --a->refs == 0)
		free(a);
}

static bool
addresses_have(const struct host_addresses *a, const struct resolve_address *address)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (resolve_address_eq(&a->items[i], address))
			return true;
	}
	return false;
}

bool
host_addresses_eq(const struct host_addresses *a, const struct host_addresses *b)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (!addresses_have(b, &a->items[i]))
			return false;
	}
	for (unsigned i = 0; i < b->count; i++) {
		if (!addresses_have(a, &b->items[i]))
			return false;
	}
	return true;
}

/* The last to be done for this host: who is told may end it. */
static void
waiters_tell(struct host *h)
{
	struct host_waiter *list = h->waiters;

	h->waiters = NULL;
	if (list != NULL)
		list->back = &list;
	while (list != NULL) {
		struct host_waiter w = *list;

		host_waiter_cancel(list);
		w.told(w.ctx);
	}
}

static void
host_set_addresses(struct host *h, const struct resolve_address *found, unsigned count)
{
	struct host_addresses *a = mem_new(sizeof(*a));

	a->refs = 1;
	for (unsigned i = 0; i < count && i < HOST_ADDRESSES_MAX; i++) {
		struct resolve_address one = found[i];

		if (one.storage.ss_family == AF_INET6)
			((struct sockaddr_in6 *)&one.storage)->sin6_port = htons(h->port);
		else
			((struct sockaddr_in *)&one.storage)->sin_port = htons(h->port);
		addresses_add(a, &one.storage, one.len);
	}
	host_addresses_unref(&h->addresses);
	h->addresses = a;
}

static void
on_looked_up(void *ctx, const struct resolve_address *found, unsigned count, const char *error)
{
	struct host *h = ctx;

	h->lookup = NULL;
	h->looked_ms = clock_now_ms();
	h->due_ms = h->looked_ms + (count > 0 ? FRESH_MS : AGAIN_MS);
	if (count > 0)
		host_set_addresses(h, found, count);
	else if (h->addresses != NULL && h->error == NULL)
		log_warn(NULL,
		    "event=name_failed name=%s error=\"%s\": the addresses that it had are "
		    "used on",
		    h->name, error);
	h->error = error;
	waiters_tell(h);
}

/* False: there is no name, or it is too soon. */
static bool
host_look_up(struct host *h)
{
	if (h->name == NULL)
		return false;
	if (h->lookup != NULL)
		return true;
	if (clock_now_ms() - h->looked_ms < PAUSE_MS)
		return false;
	h->lookup = resolve_start(h->loop, h->name, h->family, on_looked_up, h);
	return true;
}

struct host_addresses *
host_take_addresses(struct host *h)
{
	int64_t now = clock_now_ms();

	if (h->name != NULL && h->addresses != NULL && now >= h->due_ms)
		(void)host_look_up(h);
	if (h->addresses == NULL || (h->lookup != NULL && now - h->looked_ms >= OLD_MS))
		return NULL;
	h->addresses->refs++;
	return h->addresses;
}

bool
host_wait(struct host *h, struct host_waiter *w, void (*told)(void *ctx), void *ctx)
{
	ASSERT(w->back == NULL);
	if (!host_look_up(h))
		return false;
	*w = (struct host_waiter){
		.next = h->waiters, .back = &h->waiters, .told = told, .ctx = ctx
	};
	if (w->next != NULL)
		w->next->back = &w->next;
	h->waiters = w;
	return true;
}

void
host_waiter_cancel(struct host_waiter *w)
{
	if (w->back == NULL)
		return;
	*w->back = w->next;
	if (w->next != NULL)
		w->next->back = w->back;
	*w = (struct host_waiter){ .back = NULL };
}

const char *
host_get_error(const struct host *h)
{
	return h->error != NULL ? h->error : "it was not looked up";
}

void
host_look_again(struct host *h)
{
	(void)host_look_up(h);
}

void
host_expire(struct host *h)
{
	h->due_ms = 0;
	h->looked_ms = clock_now_ms() - OLD_MS;
}

void
host_age_ms(struct host *h, unsigned ms)
{
	h->due_ms -= ms;
	h->looked_ms -= ms;
}
