/* scan_clamd_server.h: the servers of one clamd section: where they are, which of them are
 * well, which database they hold, and which is asked next. */
#ifndef CORDON_SCAN_SCAN_CLAMD_SERVER_H
#define CORDON_SCAN_SCAN_CLAMD_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/host.h"
#include "scan/scan_clamd_exchange.h"
#include "scan/scan_clamd_reply.h"

struct config_clamd;
struct loop;
struct loop_timer;

enum clamd_state {
	CLAMD_STATE_DOWN = 0,
	CLAMD_STATE_NEW, /* not heard of yet: may be asked */
	CLAMD_STATE_UP,
};

struct clamd_server {
	struct clamd_servers *set;
	size_t index;
	char *address;                /* as configured */
	struct host *host;            /* where it is; NULL: the address makes no sense */
	struct host_waiter waiter;    /* for the first look-up of its name */
	struct host_addresses *found; /* that peer was filled from */
	struct clamd_peer peer;
	bool is_unix;
	bool no_fildes; /* it did not work there */
	enum clamd_state state;
	bool told_down;           /* the log says that it is down */
	bool must_prove;          /* it fails in scans: a version alone does not make it well */
	int64_t suspect_until_ms; /* others are asked first until then */
	unsigned in_flight;       /* scans */
	uint64_t asked, failed;
	char version[CLAMD_VERSION_MAX_BYTES + 1]; /* "" before the first answer */
	uint64_t version_salt; /* 0: version names the database; else unlike any before */
	struct clamd_exchange *probe;
	struct loop_timer *timer; /* next probe */
};

struct clamd_servers {
	struct loop *loop; /* borrowed, as scanner_name */
	const char *scanner_name;
	unsigned connect_timeout_ms, timeout_ms, connections, retry_down_ms;
	struct clamd_server *items;
	size_t count;
	size_t next;      /* whose turn it is */
	uint64_t version; /* changes with what the servers hold */
	void (*on_change)(void *ctx);
	void *ctx;
};

/* Reads the addresses, begins to look up names and to ask for versions.
 * on_change is called from the loop after a server went down or came up. */
struct clamd_servers *clamd_servers_new(struct loop *l, const struct config_clamd *config,
    const char *scanner_name, void (*on_change)(void *ctx), void *ctx);
void clamd_servers_free(struct clamd_servers **s);

/* The server to ask next: not tried (one byte per server), not down, below its number of
 * connections; of those the one with the fewest scans in flight. NULL: none now;
 * *ret_is_hopeless tells that waiting for a connection will not help. */
struct clamd_server *clamd_servers_pick(
    struct clamd_servers *s, const uint8_t *tried, bool *ret_is_hopeless);

/* It failed: left alone for retry_down_ms, then asked for its version until it answers. why is
 * for the log. in_scan: what failed was a scan, not the connection. */
void clamd_server_set_down(struct clamd_server *v, const char *why, bool in_scan);
/* It gave a good answer to a scan. */
void clamd_server_set_good(struct clamd_server *v);
/* It took too long or could not scan: others are asked first for a while. */
void clamd_server_set_suspect(struct clamd_server *v);
/* Asks for its version now. */
void clamd_server_probe(struct clamd_server *v);
/* Whether there is an address to connect to, in v->peer: the newest, when that was looked up
 * again meanwhile. */
bool clamd_server_is_found(struct clamd_server *v);

bool clamd_servers_is_up(const struct clamd_servers *s);
/* [{...},...] for the status. 0 or negative when out is full. */
int clamd_servers_format(const struct clamd_servers *s, struct buf *out);
/* s as a JSON string. */
int clamd_format_json_string(const char *s, struct buf *out);

#endif
