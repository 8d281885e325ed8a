/* scan_clamd_server.c: health by the VERSION command: at the start, after a failure, and once
 * in a while. The set's own version changes with the databases of the servers that are up. */
#include "scan/scan_clamd_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/sha256.h"
#include "config/config.h"
#include "config/config_address.h"

#define VERSION_INTERVAL_MS 60000u
#define VERSION_TIMEOUT_MS  10000u /* clamd answers this while it scans */
#define ADDRESS_LOG_BYTES   120

static const char *
quote_address(const struct clamd_server *v, char *ret_text, size_t size)
{
	return log_quote(slice_of_str(v->address), ADDRESS_LOG_BYTES, ret_text, size);
}

/* False: the address makes no sense. */
static bool
server_set_address(struct clamd_server *v)
{
	static const int families[] = {
		[CONFIG_FAMILY_UNIX] = AF_UNIX,
		[CONFIG_FAMILY_INET] = AF_INET,
		[CONFIG_FAMILY_INET6] = AF_INET6,
		[CONFIG_FAMILY_ANY] = AF_UNSPEC,
	};
	struct config_address a;
	const char *expected;
	char text[LOG_QUOTE_SIZE(ADDRESS_LOG_BYTES)];

	if (!config_address_parse_server(v->address, &a, &expected)) {
		log_warn(NULL, "scanner=%s server=%s error=\"expected %s\": not used",
		    v->set->scanner_name, quote_address(v, text, sizeof(text)), expected);
		return false;
	}
	v->is_unix = a.family == CONFIG_FAMILY_UNIX;
	v->host = host_new(v->set->loop, a.host, families[a.family], a.port);
	return true;
}

bool
clamd_server_is_found(struct clamd_server *v)
{
	struct host_addresses *found = host_take_addresses(v->host);

	if (found != NULL && found != v->found) {
		v->peer.count = MIN_OF(found->count, CLAMD_PEER_ADDRESSES_MAX);
		v->peer.preferred = 0;
		for (unsigned i = 0; i < v->peer.count; i++) {
			v->peer.addresses[i] = found->items[i].storage;
			v->peer.lengths[i] = found->items[i].len;
		}
		host_addresses_unref(&v->found);
		v->found = TAKE(found);
	}
	host_addresses_unref(&found);
	return v->peer.count > 0;
}

static uint64_t
hash_of(const struct clamd_server *v)
{
	struct sha256 h = sha256_of(slice_of_str(v->version));
	uint64_t n;

	memcpy(&n, h.bytes, sizeof(n));
	return n + v->version_salt;
}

/* Servers with the same database count once, in any order: losing one of them does not make
 * the answers of the others worthless. With none up the databases are as last seen. */
static void
servers_update_version(struct clamd_servers *s)
{
	uint64_t sum = 0;
	bool any = false;

	for (size_t i = 0; i < s->count; i++) {
		uint64_t hash;
		bool seen = false;

		if (s->items[i].state != CLAMD_STATE_UP)
			continue;
		hash = hash_of(&s->items[i]);
		for (size_t j = 0; j < i && !seen; j++)
			seen = s->items[j].state == CLAMD_STATE_UP &&
			       hash_of(&s->items[j]) == hash;
		sum += seen ? 0 : hash;
		any = true;
	}
	if (any)
		s->version = sum;
}

static unsigned
count_up(const struct clamd_servers *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += s->items[i].state == CLAMD_STATE_UP;
	return n;
}

bool
clamd_servers_is_up(const struct clamd_servers *s)
{
	return count_up(s) > 0;
}

void
clamd_server_set_down(struct clamd_server *v, const char *why, bool in_scan)
{
	struct clamd_servers *s = v->set;
	char text[LOG_QUOTE_SIZE(ADDRESS_LOG_BYTES)], reason[LOG_QUOTE_SIZE(200)];

	if (v->state == CLAMD_STATE_DOWN) {
		v->must_prove = v->must_prove || in_scan;
		return;
	}
	v->state = CLAMD_STATE_DOWN;
	v->must_prove = in_scan;
	clamd_exchange_free(&v->probe);
	loop_timer_set_ms(v->timer, s->retry_down_ms);
	servers_update_version(s);
	if (v->told_down)
		return;
	v->told_down = true;
	log_warn(NULL,
	    "scanner=%s server=%s error=%s: left alone for %u ms at a time, %u of %zu "
	    "servers are up",
	    s->scanner_name, quote_address(v, text, sizeof(text)),
	    log_quote(slice_of_str(why), 200, reason, sizeof(reason)), s->retry_down_ms,
	    count_up(s), s->count);
}

/* A line about a server that is well. */
static void
server_log_version(const struct clamd_server *v, const char *what)
{
	char text[LOG_QUOTE_SIZE(ADDRESS_LOG_BYTES)], version[LOG_QUOTE_SIZE(80)];

	log_info(NULL, "scanner=%s server=%s version=%s: %s", v->set->scanner_name,
	    quote_address(v, text, sizeof(text)),
	    log_quote(slice_of_str(v->version), 80, version, sizeof(version)), what);
}

static void
server_tell_back(struct clamd_server *v)
{
	if (!v->told_down || v->state != CLAMD_STATE_UP)
		return;
	v->told_down = v->must_prove = false;
	server_log_version(v, "back");
}

void
clamd_server_set_good(struct clamd_server *v)
{
	v->suspect_until_ms = 0;
	server_tell_back(v);
}

void
clamd_server_set_suspect(struct clamd_server *v)
{
	v->suspect_until_ms = clock_now_ms() + v->set->retry_down_ms;
}

static void
server_set_version(struct clamd_server *v, struct slice version)
{
	bool is_same = slice_eq_str(version, v->version), is_first = v->version[0] == '\0';

	snprintf(v->version, sizeof(v->version), "%.*s", SLICE_FMT(version));
	/* "ClamAV 1.4.3/27500/date" names the database. Without the number (only signatures of
	 * other makers there, or VERSION switched off) it may have changed at any time: earlier
	 * answers then hold until the next look only. */
	v->version_salt =
	    slice_find_byte(version, '/', 0) != SIZE_MAX ? 0 : (uint64_t)clock_now_us();
	if (!is_same && !v->told_down)
		server_log_version(v, is_first ? "up" : "new database");
}

static void
server_set_up(struct clamd_server *v, struct slice version)
{
	/* One that was away may have been started anew, with other rights. */
	if (v->state != CLAMD_STATE_UP)
		v->no_fildes = false;
	server_set_version(v, version);
	v->state = CLAMD_STATE_UP;
	servers_update_version(v->set);
	if (!v->must_prove)
		server_tell_back(v);
	loop_timer_set_ms(v->timer, VERSION_INTERVAL_MS);
}

static const char *
outcome_describe(const struct clamd_outcome *o)
{
	switch (o->result) {
	case CLAMD_REPLIED:
		return "an answer to VERSION that makes no sense";
	case CLAMD_UNREACHABLE:
		return strerror(o->error);
	case CLAMD_CLOSED:
		return o->error == 0 ? "closed without an answer" : strerror(o->error);
	case CLAMD_TIMEOUT:
		return "no answer to VERSION";
	case CLAMD_LOCAL:
		break;
	}
	return strerror(o->error);
}

/* There is no address of it, and was none. */
static void
server_set_lost(struct clamd_server *v)
{
	char why[160];

	snprintf(why, sizeof(why), "its name cannot be looked up: %s", host_get_error(v->host));
	if (v->state == CLAMD_STATE_DOWN)
		loop_timer_set_ms(v->timer, v->set->retry_down_ms);
	else
		clamd_server_set_down(v, why, false);
}

static void
on_probe_done(void *ctx, const struct clamd_outcome *o)
{
	struct clamd_server *v = ctx;
	struct clamd_servers *s = v->set;
	struct slice version;

	if (o->result == CLAMD_UNREACHABLE)
		host_look_again(v->host);
	if (o->result == CLAMD_REPLIED && clamd_reply_parse_version(o->reply, &version))
		server_set_up(v, version);
	else if (v->state == CLAMD_STATE_DOWN || o->result == CLAMD_LOCAL)
		loop_timer_set_ms(v->timer, s->retry_down_ms);
	else
		clamd_server_set_down(v, outcome_describe(o), false);
	clamd_exchange_free(&v->probe);
	s->on_change(s->ctx);
}

/* Its name was looked up for the first time, or has failed again. */
static void
on_looked_up(void *ctx)
{
	struct clamd_server *v = ctx;
	struct clamd_servers *s = v->set;

	if (clamd_server_is_found(v))
		clamd_server_probe(v);
	else
		server_set_lost(v);
	s->on_change(s->ctx);
}

void
clamd_server_probe(struct clamd_server *v)
{
	struct clamd_servers *s = v->set;

	if (!clamd_server_is_found(v)) {
		if (v->waiter.back == NULL && !host_wait(v->host, &v->waiter, on_looked_up, v))
			server_set_lost(v);
		return;
	}
	if (v->probe == NULL)
		v->probe = clamd_exchange_new(s->loop, &v->peer, CLAMD_VERSION, SLICE_NONE,
		    s->connect_timeout_ms, MIN_OF(s->timeout_ms, VERSION_TIMEOUT_MS),
		    on_probe_done, v);
}

static void
on_probe_timer(void *ctx)
{
	clamd_server_probe(ctx);
}

struct clamd_server *
clamd_servers_pick(struct clamd_servers *s, const uint8_t *tried, bool *ret_is_hopeless)
{
	struct clamd_server *best = NULL;
	int64_t now = clock_now_ms();
	bool best_is_suspect = true;

	*ret_is_hopeless = true;
	for (size_t n = 0; n < s->count; n++) {
		struct clamd_server *v = &s->items[(s->next + n) % s->count];
		bool is_suspect = v->suspect_until_ms > now;

		if (tried[v->index] != 0 || v->state == CLAMD_STATE_DOWN)
			continue;
		if (v->peer.count == 0) {
			*ret_is_hopeless = false; /* its name is being looked up */
			continue;
		}
		/* Behind one that is not suspect, even when that one is busy now. */
		if (is_suspect && !best_is_suspect)
			continue;
		if (!is_suspect && best_is_suspect) {
			best_is_suspect = false;
			best = NULL;
		}
		*ret_is_hopeless = false;
		if (v->in_flight < s->connections &&
		    (best == NULL || v->in_flight < best->in_flight))
			best = v;
	}
	if (best != NULL)
		s->next = (best->index + 1) % s->count;
	return best;
}

struct clamd_servers *
clamd_servers_new(struct loop *l, const struct config_clamd *config, const char *scanner_name,
    void (*on_change)(void *ctx), void *ctx)
{
	struct clamd_servers *s = mem_new(sizeof(*s));

	*s = (struct clamd_servers){ .loop = l,
		.scanner_name = scanner_name,
		.connect_timeout_ms = config->connect_timeout_ms,
		.timeout_ms = config->timeout_ms,
		.connections = config->connections,
		.retry_down_ms = config->retry_down_ms,
		.count = config->servers.count,
		.on_change = on_change,
		.ctx = ctx };
	s->items = mem_new(MAX_OF(s->count, (size_t)1) * sizeof(*s->items));
	/* Until a version is known: unlike any other, also of scanners before this one. */
	s->version = (uint64_t)clock_now_us() ^ (uint64_t)(uintptr_t)s;
	for (size_t i = 0; i < s->count; i++) {
		struct clamd_server *v = &s->items[i];

		v->set = s;
		v->index = i;
		v->state = CLAMD_STATE_NEW;
		v->address = mem_strdup(config->servers.items[i]);
		v->timer = loop_timer_new(l, on_probe_timer, v);
		if (server_set_address(v))
			clamd_server_probe(v);
		else
			v->state = CLAMD_STATE_DOWN;
	}
	return s;
}

void
clamd_servers_free(struct clamd_servers **address)
{
	struct clamd_servers *s = *address;

	if (s == NULL)
		return;
	for (size_t i = 0; i < s->count; i++) {
		clamd_exchange_free(&s->items[i].probe);
		loop_timer_free(&s->items[i].timer);
		host_waiter_cancel(&s->items[i].waiter);
		host_addresses_unref(&s->items[i].found);
		host_free(&s->items[i].host);
		free(s->items[i].address);
	}
	free(s->items);
	free(s);
	*address = NULL;
}

int
clamd_format_json_string(const char *s, struct buf *out)
{
	int r = buf_append_byte(out, '"');

	for (; *s != '\0' && r == 0; s++) {
		uint8_t c = (uint8_t)*s;

		if (c == '"' || c == '\\')
			r = buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			r = buf_printf(out, "\\u%04x", c);
		else
			r = buf_append_byte(out, c);
	}
	return r < 0 ? r : buf_append_byte(out, '"');
}

int
clamd_servers_format(const struct clamd_servers *s, struct buf *out)
{
	int r = buf_append_byte(out, '[');

	for (size_t i = 0; i < s->count && r == 0; i++) {
		const struct clamd_server *v = &s->items[i];

		r = buf_append_str(out, i > 0 ? ",{\"address\":" : "{\"address\":");
		if (r == 0)
			r = clamd_format_json_string(v->address, out);
		if (r == 0)
			r = buf_printf(out, ",\"up\":%s,\"version\":",
			    v->state == CLAMD_STATE_UP ? "true" : "false");
		if (r == 0)
			r = clamd_format_json_string(v->version, out);
		if (r == 0)
			r = buf_printf(out,
			    ",\"in_flight\":%u,\"asked\":%" PRIu64 ",\"failed\":%" PRIu64 "}",
			    v->in_flight, v->asked, v->failed);
	}
	return r < 0 ? r : buf_append_byte(out, ']');
}
