/* milter_macro.h: the macros an MTA defines before a command, kept per stage of the SMTP
 * dialogue. Only those are kept that somebody reads; each is bounded. */
#ifndef CORDON_MILTER_MACRO_H
#define CORDON_MILTER_MACRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

enum milter_macro_id {
	MILTER_MACRO_QUEUE_ID,       /* i */
	MILTER_MACRO_AUTH_USER,      /* {auth_authen} */
	MILTER_MACRO_TLS_VERSION,    /* {tls_version} */
	MILTER_MACRO_TLS_CIPHER,     /* {cipher} */
	MILTER_MACRO_CLIENT_ADDRESS, /* {client_addr} */
	MILTER_MACRO_CLIENT_PORT,    /* {client_port} */
	MILTER_MACRO_CLIENT_NAME,    /* {client_name} */
	MILTER_MACRO_CLIENT_PEER,    /* _: name [address] */
	MILTER_MACRO_COUNT,
};

/* Longer values are cut. */
#define MILTER_MACRO_VALUE_MAX_BYTES 1024

enum milter_stage { /* in the order of the dialogue */
	MILTER_STAGE_CONNECT,
	MILTER_STAGE_HELO,
	MILTER_STAGE_MAIL,
	MILTER_STAGE_RCPT,
	MILTER_STAGE_DATA,
	MILTER_STAGE_BODY, /* header, end of header, body, end of mail */
	MILTER_STAGE_COUNT,
};

/* All zero is the empty store. A stage owns one block: id, value, NUL; id, value, NUL ... */
struct milter_macros {
	uint8_t *blocks[MILTER_STAGE_COUNT];
	uint16_t lengths[MILTER_STAGE_COUNT];
};

void milter_macros_done(struct milter_macros *m); /* leaves the empty store */
/* Forgets the stages from `from` on. */
void milter_macros_clear(struct milter_macros *m, enum milter_stage from);
/* The arguments of MACRO: the command they belong to, then name and value by turns. They
 * replace what that stage had, and what later stages had is forgotten. A name without value
 * and a command without stage are ignored.
 * ret_new_queue_id  i has a value now, and another one than before
 * returns  0; -EINVAL with *e: empty, or a string without end; -ENOMEM with *e */
int milter_macros_set(
    struct milter_macros *m, struct slice data, bool *ret_new_queue_id, struct err *e);
/* The value from the latest stage that has one, without NUL but NUL-terminated behind; empty
 * when unknown. Borrowed until the next set or clear. */
struct slice milter_macros_get(const struct milter_macros *m, enum milter_macro_id id);

#endif
