/* smtp_xforward.h: who the client was, as one MTA tells the next: XFORWARD and XCLIENT of
 * Postfix (XFORWARD_README, XCLIENT_README), and the xtext of RFC 3461 in their values. */
#ifndef CORDON_INTAKE_SMTP_XFORWARD_H
#define CORDON_INTAKE_SMTP_XFORWARD_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct intake_client;

#define SMTP_XFORWARD_VALUE_MAX_BYTES 255u

/* Attributes of either command, by bit. */
enum smtp_xattr {
	SMTP_XATTR_NAME,
	SMTP_XATTR_ADDR,
	SMTP_XATTR_PORT,
	SMTP_XATTR_PROTO,
	SMTP_XATTR_HELO,
	SMTP_XATTR_LOGIN,        /* XCLIENT only */
	SMTP_XATTR_IDENT,        /* XFORWARD only; the queue id */
	SMTP_XATTR_SOURCE,       /* XFORWARD only: LOCAL or REMOTE */
	SMTP_XATTR_DESTADDR,     /* XCLIENT only */
	SMTP_XATTR_DESTPORT,     /* XCLIENT only */
	SMTP_XATTR_REVERSE_NAME, /* XCLIENT only */
	SMTP_XATTR_COUNT,
};

/* What one session was told, over several commands. */
struct smtp_xforward {
	unsigned given;                 /* 1u << enum smtp_xattr */
	char *values[SMTP_XATTR_COUNT]; /* owned; decoded; "[UNAVAILABLE]" and "[TEMPUNAVAIL]"
					   are "" */
};

void smtp_xforward_done(struct smtp_xforward *x);
/* Adds the attributes of one command. args: "NAME=spike.example ADDR=192.0.2.1". All or
 * nothing: 0; -EINVAL bad syntax, an attribute that this command has not, a bad address, port
 * or xtext, a value that is empty, too long or has control characters; -ENOMEM. "IPV6:" before
 * an address is taken off (any case), and addresses come out in the form of inet_ntop(3). "="
 * inside a value is let pass: Postfix does not encode it. */
int smtp_xforward_parse(struct smtp_xforward *x, struct slice args, bool is_xclient);
/* Puts what is given into the client: address, port, name, helo, user. */
void smtp_xforward_apply(const struct smtp_xforward *x, struct intake_client *client);
/* XFORWARD command lines for the next hop, each at most 512 bytes with its CRLF, appended to
 * out; only attributes that it offers (bits of enum smtp_xattr), never SOURCE: what is local is
 * for the next hop to know. Unknown values: [UNAVAILABLE]. Values are cut to
 * SMTP_XFORWARD_VALUE_MAX_BYTES and to what fits into a line. proto "ESMTP" or "SMTP", ident
 * may be "". Returns how many commands (0: out is untouched), or -ENOMEM/-ENOBUFS. */
int smtp_xforward_format(const struct intake_client *client, const char *proto,
    struct slice ident, unsigned offered, struct buf *out);
/* The same as one XCLIENT command: it may not be followed by another before its reply. Without
 * HELO where that makes it too long. 1, 0 nothing is offered, or -ENOMEM/-ENOBUFS. */
int smtp_xclient_format(
    const struct intake_client *client, const char *proto, unsigned offered, struct buf *out);
/* "NAME ADDR PROTO HELO" behind the keyword of an EHLO line, as bits. Unknown words are passed.
 */
unsigned smtp_xforward_parse_offer(struct slice words);

#endif
