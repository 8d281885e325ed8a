/* resolve.c: libevent's evdns behind resolve.h. Each look-up has an evdns of its own: it reads
 * the files as they are now, asks from a port that nobody knows, and leaves no socket open.
 * What is cancelled lives on for a turn of the loop, until evdns has said its last word about
 * it. */
#include "base/resolve.h"

#include <event2/dns.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/loop_private.h"
#include "base/macros.h"
#include "base/resolve_private.h"

/* Three questions of 5 s each, the default of evdns, for a name without search domains. */
#define LONGEST_MS   30000u
#define FILE_OPTIONS (DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC)

static const char *file_resolv_conf = "/etc/resolv.conf", *file_hosts = "/etc/hosts";

struct resolve {
	struct loop *loop;
	struct loop_timer *timer;
	struct evdns_base *dns;
	struct evdns_getaddrinfo_request *request; /* while is_pending */
	bool is_pending;                           /* evdns will call us */
	resolve_fn fn;                             /* NULL: told, or nobody wants to know */
	void *ctx;
	struct resolve_address addresses[RESOLVE_ADDRESSES_MAX];
	unsigned count;
	const char *error;
};

void
resolve_use_files(const char *resolv_conf, const char *hosts)
{
	file_resolv_conf = resolv_conf;
	file_hosts = hosts;
}

/* What it has to say is told by our own errors. */
static void
dns_log(int is_warning UNUSED, const char *text UNUSED)
{
}

static void
resolve_free(struct resolve *r)
{
	if (r->dns != NULL)
		evdns_base_free(r->dns, 0);
	loop_timer_free(&r->timer);
	loop_let_go(r->loop);
	free(r);
}

/* evdns never calls us again; but it may still look at itself after this very call. */
static void
on_answer(int code, struct evutil_addrinfo *list, void *ctx)
{
	struct resolve *r = ctx;

	r->is_pending = false;
	r->request = NULL;
	for (struct evutil_addrinfo *i = list; i != NULL && r->count < RESOLVE_ADDRESSES_MAX;
	     i = i->ai_next) {
		if (i->ai_addrlen > sizeof(r->addresses[0].storage))
			continue;
		memcpy(&r->addresses[r->count].storage, i->ai_addr, i->ai_addrlen);
		r->addresses[r->count++].len = i->ai_addrlen;
	}
	if (list != NULL)
		evutil_freeaddrinfo(list);
	if (r->count > 0)
		r->error = NULL;
	else if (code == EVUTIL_EAI_NONAME)
		r->error = "there is no such name";
	else if (code == EVUTIL_EAI_MEMORY)
		r->error = "no memory";
	else if (code == 0 || code == EVUTIL_EAI_NODATA)
		r->error = "it has no address";
	else /* evdns does not tell silence, refusal and an empty answer apart */
		r->error = "no name server answers with an address";
	loop_timer_set_ms(r->timer, 0);
}

static void
resolve_stop_asking(struct resolve *r)
{
	if (r->is_pending && r->request != NULL)
		evdns_getaddrinfo_cancel(r->request);
}

/* All there is, or time is up. */
static void
on_timer(void *ctx)
{
	struct resolve *r = ctx;
	resolve_fn fn = r->fn;

	r->fn = NULL;
	if (fn != NULL) {
		if (r->is_pending && r->error == NULL)
			r->error = "no name server answers";
		resolve_stop_asking(r);
		fn(r->ctx, r->addresses, r->count, r->error);
	}
	if (!r->is_pending)
		resolve_free(r);
}

static void
resolve_ask(struct resolve *r, const char *name, int family)
{
	struct evutil_addrinfo hints = {
		.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP
	};

	evdns_set_log_fn(dns_log);
	r->dns = evdns_base_new(loop_get_event_base(r->loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (r->dns == NULL) {
		r->error = "no memory";
		loop_timer_set_ms(r->timer, 0);
		return;
	}
	/* It would ask servers that were silent for names of others meanwhile. */
	(void)evdns_base_set_option(r->dns, "initial-probe-timeout:", "3600");
	/* Without the files: 127.0.0.1 is asked, and localhost is known. */
	(void)evdns_base_resolv_conf_parse(r->dns, FILE_OPTIONS, file_resolv_conf);
	(void)evdns_base_load_hosts(r->dns, file_hosts);
	loop_timer_set_ms(r->timer, LONGEST_MS);
	r->is_pending = true;
	r->request = evdns_getaddrinfo(r->dns, name, NULL, &hints, on_answer, r);
	if (r->is_pending && evdns_base_count_nameservers(r->dns) == 0) {
		r->error = "no name server can be asked";
		loop_timer_set_ms(r->timer, 0);
	}
}

struct resolve *
resolve_start(struct loop *l, const char *name, int family, resolve_fn fn, void *ctx)
{
	struct resolve *r = mem_new(sizeof(*r));

	r->loop = l;
	r->fn = fn;
	r->ctx = ctx;
	r->timer = loop_timer_new(l, on_timer, r);
	loop_hold(l);
	resolve_ask(r, name, family);
	return r;
}

void
resolve_cancel(struct resolve **address)
{
	struct resolve *r = *address;

	if (r == NULL)
		return;
	*address = NULL;
	r->fn = NULL;
	resolve_stop_asking(r);
}

/* All of them were filled from zeroed memory. */
bool
resolve_address_eq(const struct resolve_address *a, const struct resolve_address *b)
{
	return a->len == b->len && memcmp(&a->storage, &b->storage, a->len) == 0;
}
