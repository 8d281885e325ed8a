/* opensmtpd_line.h: the lines of OpenSMTPD's filter protocol, one at a time. Pure: no I/O, no
 * session. What may follow what is opensmtpd_event.c's part.
 * source   smtpd-filters(7) of OpenSMTPD 6.8 and 7.8, protocol versions 0.5 to 0.7, read
 * against usr.sbin/smtpd/lka_filter.c */
#ifndef CORDON_OPENSMTPD_LINE_H
#define CORDON_OPENSMTPD_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* smtpd takes SMTP lines below 64 KB and puts some 100 bytes before each. */
#define OPENSMTPD_LINE_MAX_BYTES (128u * 1024)

enum opensmtpd_kind {
	OPENSMTPD_OTHER = 0, /* of a subsystem that is not ours: to be passed over */
	OPENSMTPD_CONFIG,    /* config|name|parameters */
	OPENSMTPD_REPORT,    /* report|version|time|smtp-in|name|id|parameters */
	OPENSMTPD_FILTER,    /* filter|version|time|smtp-in|name|id|token|parameters */
};

struct opensmtpd_line {
	enum opensmtpd_kind kind;
	unsigned minor;          /* 6 for protocol version 0.6; 0 in config lines */
	struct slice name;       /* "link-connect", "data-line", "ready" */
	uint64_t id;             /* of the SMTP session */
	uint64_t token;          /* to be given back with the answer */
	struct slice parameters; /* the rest, with its bars */
};

/* line: without its line end; the result borrows it. 0, or -EINVAL and *e: it is none of these,
 * or of a version whose fields we do not know. A report needs no parameters, a filter request
 * neither. */
int opensmtpd_line_parse(struct slice line, struct opensmtpd_line *ret_line, struct err *e);

/* The field up to the next bar, which goes too; all when there is none. */
struct slice opensmtpd_field_take(struct slice *rest);

/* "192.0.2.1:25" or "[2001:db8::1]:25" in parts. False: it is none (a unix socket). The address
 * comes without brackets and without "IPv6:". */
bool opensmtpd_address_parse(struct slice text, struct slice *ret_address, uint16_t *ret_port);

/* Parameters of tx-mail, tx-rcpt. True when smtpd took the address, which is *ret_address. The
 * order of the fields changed with 0.6. */
bool opensmtpd_envelope_parse(const struct opensmtpd_line *line, struct slice *ret_address);

/* Parameters of link-auth. True when the client proved to be *ret_user. The order changed with
 * 0.7. */
bool opensmtpd_auth_parse(const struct opensmtpd_line *line, struct slice *ret_user);

/* The longest line of a mail, dots doubled, that smtpd of this version takes back whole. Before
 * 7.4 it copied what a filter gave into LINE_MAX (2048) bytes and cut the rest without a word.
 * version  as in config|smtpd-version; what cannot be read counts as old */
size_t opensmtpd_get_line_limit(struct slice version);

/* A line of ours, as smtpd gets it: "filter-dataline|id|token|line" or
 * "filter-result|id|token|answer". */
struct opensmtpd_response {
	bool is_result;
	uint64_t id, token;
	struct slice text; /* the line of the mail, or the answer */
};
/* 0, or -EINVAL and *e. */
int opensmtpd_response_parse(
    struct slice line, struct opensmtpd_response *ret_response, struct err *e);

/* What is asked for with register lines, the last of which is register|ready. */
int opensmtpd_put_registration(struct buf *out);

/* What commit is answered with when nobody looked at the mail. */
#define OPENSMTPD_NOT_SEEN "reject|451 4.3.0 Message was not scanned, try again later"

/* These append one line, or the beginning of one, to out. 0 or buf.h's error. */
int opensmtpd_put_data_prefix(struct buf *out, uint64_t id, uint64_t token);
int opensmtpd_put_data_end(struct buf *out, uint64_t id, uint64_t token);
/* answer: "proceed", or "reject|" and a line of SMTP */
int opensmtpd_put_result(struct buf *out, uint64_t id, uint64_t token, const char *answer);

#endif
