/* milter_codec.h: the bytes of the milter protocol: packets, their arguments, replies. Pure: no
 * I/O, no session. What may follow what is milter_session.c's part, flags are
 * milter_negotiate.c's.
 * source   include/libmilter/mfdef.h of Sendmail 8.17, read against Postfix milter8.c */
#ifndef CORDON_MILTER_CODEC_H
#define CORDON_MILTER_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* A packet: 4 bytes length of what follows (big-endian), 1 byte command, arguments. */
#define MILTER_HEADER_BYTES 5
/* Most bytes behind the header. Bodies: the largest chunk ever agreed on (1 MB - 1) and slack.
 * Header fields: 10 times Postfix' default header_size_limit. */
#define MILTER_BODY_MAX_BYTES    (1024u * 1024 + 64)
#define MILTER_FIELD_MAX_BYTES   (1024u * 1024)
#define MILTER_COMMAND_MAX_BYTES (256u * 1024)
/* Most bytes of a reply text before % is doubled: an SMTP line has 512 (RFC 5321 4.5.3.1.5). */
#define MILTER_TEXT_MAX_BYTES  400
#define MILTER_VALUE_MAX_BYTES 8192 /* of a header that is added */

enum milter_command {
	MILTER_ABORT = 'A',
	MILTER_BODY = 'B',
	MILTER_CONNECT = 'C',
	MILTER_MACRO = 'D',
	MILTER_BODYEOB = 'E',
	MILTER_HELO = 'H',
	MILTER_QUIT_NC = 'K',
	MILTER_HEADER = 'L',
	MILTER_MAIL = 'M',
	MILTER_EOH = 'N',
	MILTER_OPTNEG = 'O',
	MILTER_QUIT = 'Q',
	MILTER_RCPT = 'R',
	MILTER_DATA = 'T',
	MILTER_UNKNOWN = 'U',
};

enum milter_reply {
	MILTER_REPLY_ADDHEADER = 'h',
	MILTER_REPLY_CHGHEADER = 'm',
	MILTER_REPLY_CONTINUE = 'c',
	MILTER_REPLY_DISCARD = 'd',
	MILTER_REPLY_INSHEADER = 'i',
	MILTER_REPLY_OPTNEG = 'O',
	MILTER_REPLY_PROGRESS = 'p',
	MILTER_REPLY_QUARANTINE = 'q',
	MILTER_REPLY_REPLYCODE = 'y',
};

/* Whether a packet with this length field and command may be read at all.
 * command  -1 while only the 4 length bytes are there
 * returns  0, or -EINVAL with the reason in *e */
int milter_packet_check(uint32_t packet_bytes, int command, struct err *e);
/* "MAIL" for 'M'; "?" when unknown. */
const char *milter_command_name(uint8_t command);

/* Takes the next NUL-terminated string off the front of *rest.
 * returns  1 and *ret_string (without the NUL); 0 nothing left; -EINVAL the NUL is missing */
int milter_string_next(struct slice *rest, struct slice *ret_string);

struct milter_connect {
	struct slice name; /* as sent: may be "[192.0.2.1]" or "unknown" */
	uint8_t family;    /* 'U', 'L', '4', '6' */
	uint16_t port;
	struct slice address; /* without "IPv6:"; a path for 'L'; empty for 'U' */
};
/* The arguments of CONNECT. 0 or -EINVAL with *e. Slices borrow data. */
int milter_connect_parse(struct slice data, struct milter_connect *ret, struct err *e);

/* The arguments of MAIL and RCPT: address and ESMTP parameters.
 * data     changed in place: the NULs between parameters become blanks
 * address  without the angle brackets around it; it ends at the first NUL, what follows that
 *          is parameters: a NUL inside an address can only shorten it, as it does in the MTA
 * returns  0, or -EINVAL with *e when there is no address or the last NUL is missing */
int milter_address_parse(uint8_t *data, size_t len, struct slice *ret_address,
    struct slice *ret_args, struct err *e);

/* The arguments of HEADER. The value keeps NULs that lie inside it, so that nothing of it
 * stays unseen. 0, or -EINVAL with *e. */
int milter_field_parse(
    struct slice data, struct slice *ret_name, struct slice *ret_value, struct err *e);

/* All of the following append one packet to out and return 0 or buf.h's error. */
int milter_put_packet(struct buf *out, uint8_t command, struct slice data);
/* A header for the top of the mail.
 * insert   INSHEADER at index 0, above the MTA's own Received; false: ADDHEADER
 * leading_space  the MTA writes the value as it is (SMFIP_HDR_LEADSPC): begin with a blank
 * returns  also -EINVAL: the name is no field name (RFC 5322 2.2), nothing was appended
 * The value's control bytes and 8-bit bytes become '?'; line ends stay only as folds. */
int milter_put_header(
    struct buf *out, const char *name, const char *value, bool insert, bool leading_space);
/* Removes occurrence index (from 1) of name. Errors as above. */
int milter_put_header_removal(struct buf *out, const char *name, unsigned index);
int milter_put_quarantine(struct buf *out, const char *reason);
/* "550 5.7.1 text" as REPLYCODE: Sendmail uses the text as a format and Postfix undoes that,
 * so '%' is doubled; line ends and control bytes become blanks, 8-bit bytes '?'.
 * code, enhanced   used when they fit the class, else 550 5.7.1 and 451 4.7.1 */
int milter_put_reply(
    struct buf *out, bool permanent, unsigned code, const char *enhanced, const char *text);

#endif
