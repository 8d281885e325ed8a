/* scan_clamd_exchange.h: one connection to a clamd, one command, one answer. It knows nothing
 * of what the answer means, nor of other servers. */
#ifndef CORDON_SCAN_SCAN_CLAMD_EXCHANGE_H
#define CORDON_SCAN_SCAN_CLAMD_EXCHANGE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/slice.h"

struct loop;
struct clamd_exchange;

#define CLAMD_PEER_ADDRESSES_MAX 4

/* Where a server is. A name may stand for several addresses, tried in turn. */
struct clamd_peer {
	struct sockaddr_storage addresses[CLAMD_PEER_ADDRESSES_MAX];
	socklen_t lengths[CLAMD_PEER_ADDRESSES_MAX];
	unsigned count;
	unsigned preferred; /* the one that answered last */
};

enum clamd_command { CLAMD_VERSION, CLAMD_INSTREAM, CLAMD_FILDES };

enum clamd_result {
	CLAMD_REPLIED = 1, /* bytes came; whether they are an answer is not known here */
	CLAMD_UNREACHABLE, /* no connection, or not in time */
	CLAMD_CLOSED,      /* closed without one byte */
	CLAMD_TIMEOUT,
	CLAMD_LOCAL, /* refused by our own system: no descriptors, no memory */
};

struct clamd_outcome {
	enum clamd_result result;
	int error;          /* errno of UNREACHABLE, CLOSED (0: an orderly end), LOCAL */
	bool early;         /* it came before all was sent: cannot be about all of it */
	struct slice reply; /* all that was read, at most CLAMD_REPLY_MAX_BYTES + 1 bytes; the
			     * exchange's own */
};

typedef void (*clamd_exchange_fn)(void *ctx, const struct clamd_outcome *o);

/* Connects, sends the command (and bytes, for the scans; borrowed until done), reads.
 * connect_ms is the longest wait for the connection, timeout_ms the one for everything. peer
 * is borrowed, too. done() is called once, from the loop and never from in here; it may free
 * the exchange, and nothing of it is touched afterwards. */
struct clamd_exchange *clamd_exchange_new(struct loop *l, struct clamd_peer *peer,
    enum clamd_command command, struct slice bytes, unsigned connect_ms, unsigned timeout_ms,
    clamd_exchange_fn done, void *ctx);
/* Ends it; done() is not called any more. */
void clamd_exchange_free(struct clamd_exchange **e);

#endif
