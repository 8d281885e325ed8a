/* opensmtpd_relay.h: what stands between smtpd and the daemon: `cordon opensmtpd`. smtpd ends
 * when one of its filters ends, so this one must outlive the daemon. It passes lines on,
 * remembers the handshake for the next daemon, and while there is none it answers for it: every
 * mail gets 451. Pure: the caller reads and writes. */
#ifndef CORDON_OPENSMTPD_RELAY_H
#define CORDON_OPENSMTPD_RELAY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* While one of the outputs has more than this, the caller reads from neither side that fills
 * it: from smtpd when either is full, from the daemon when to_smtpd is. */
#define OPENSMTPD_RELAY_FULL_BYTES (1024u * 1024)

struct opensmtpd_relay_table;

struct opensmtpd_relay {
	struct buf to_smtpd, to_daemon; /* to be written by the caller, who consumes them */
	bool is_connected;
	/* private */
	struct buf from_smtpd, from_daemon; /* beginnings of lines */
	struct buf handshake;
	bool is_ready;
	struct opensmtpd_relay_table *table;
};

void opensmtpd_relay_init(struct opensmtpd_relay *r);
void opensmtpd_relay_done(struct opensmtpd_relay *r);

/* A new daemon is there: it gets the handshake anew. 0 or buf.h's error. */
int opensmtpd_relay_connect(struct opensmtpd_relay *r);
/* The daemon is gone: what it owed smtpd is answered; what it began and others continue is not
 * passed on. 0 or buf.h's error. */
int opensmtpd_relay_disconnect(struct opensmtpd_relay *r);

/* Bytes that came, any number. 0, or negative with *e: from smtpd, that nothing more can be
 * done; from the daemon, that the connection must be given up (disconnect). */
int opensmtpd_relay_take_smtpd(struct opensmtpd_relay *r, struct slice bytes, struct err *e);
int opensmtpd_relay_take_daemon(struct opensmtpd_relay *r, struct slice bytes, struct err *e);

#endif
