/* attach_probe.h: two mails through an MTA: EICAR, which must be refused, and a clean one,
 * which must be taken. */
#ifndef CORDON_ATTACH_ATTACH_PROBE_H
#define CORDON_ATTACH_ATTACH_PROBE_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config_address.h"
#include "config/limits.h"

struct probe {
	struct config_address address;
	const char *sender;    /* without brackets; "" is the null sender */
	const char *recipient; /* NULL: postmaster, with and without the host of the greeting */
	unsigned timeout_ms;   /* for the answer to each step */
	unsigned end_timeout_ms; /* for the answer to the mail */
};

struct probe_reply {
	int code;       /* of the last reply; 0: there was none */
	char text[512]; /* its first line, printable */
	bool at_end;    /* it answers the whole mail, not a step before */
};

/* Sends one mail, with EICAR or clean.
 * returns	0 with *ret_reply: what settled the mail; negative with *e: no dialogue came
 *about
 *		(-ECONNREFUSED ...), -EINTR */
int probe_send(
    const struct probe *p, bool infected, struct probe_reply *ret_reply, struct err *e);

#endif
