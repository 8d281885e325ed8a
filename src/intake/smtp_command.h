/* smtp_command.h: one SMTP or LMTP command line and its parts. No state: what is allowed when
 * is the session's to know. */
#ifndef CORDON_INTAKE_SMTP_COMMAND_H
#define CORDON_INTAKE_SMTP_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum smtp_verb {
	SMTP_VERB_UNKNOWN = 0,
	SMTP_VERB_HELO,
	SMTP_VERB_EHLO,
	SMTP_VERB_LHLO,
	SMTP_VERB_MAIL,
	SMTP_VERB_RCPT,
	SMTP_VERB_DATA,
	SMTP_VERB_BDAT,
	SMTP_VERB_RSET,
	SMTP_VERB_NOOP,
	SMTP_VERB_QUIT,
	SMTP_VERB_STARTTLS,
	SMTP_VERB_XFORWARD,
	SMTP_VERB_XCLIENT,
	SMTP_VERB_VRFY,
	SMTP_VERB_HELP,
};

struct smtp_command {
	enum smtp_verb verb;
	struct slice args; /* without blanks at both ends */
};

/* line: without its line end; borrowed, as the slices in the result. Verbs in any case. A line
 * with NUL, CR or LF inside, or a verb that is not followed by a blank or the end, is
 * SMTP_VERB_UNKNOWN. Source: RFC 5321 section 2.4, 4.1.1. */
struct smtp_command smtp_command_parse(struct slice line);

struct smtp_path {
	struct slice address; /* without angle brackets and without a source route; "" for <> */
	struct slice params;  /* ESMTP parameters as they came */
};

/* args of MAIL ("FROM:<a@b> SIZE=1") or RCPT; keyword is "FROM:" or "TO:", any case, and blanks
 * behind it are let pass. Quoted local parts may hold ">" and blanks. An address without angle
 * brackets is taken when it has no blanks, quotes or backslashes. 0, or -EINVAL: *ret_path is
 * untouched. Addresses above 1,024 bytes and ones with control characters are -EINVAL. Source:
 * RFC 5321 section 4.1.2, RFC 6531 (bytes above 127 are let pass). */
int smtp_path_parse(struct slice args, const char *keyword, struct smtp_path *ret_path);

/* Takes the next NAME or NAME=VALUE off *params. 1; 0 none is left; -EINVAL it is no parameter.
 * ret_value is empty when there is no "=", and only then. On -EINVAL nothing is touched.
 * Source: RFC 5321 section 4.1.2 (esmtp-param); a value may hold "=" and bytes above 127 too.
 */
int smtp_param_next(struct slice *params, struct slice *ret_name, struct slice *ret_value);

/* args of BDAT: "SIZE" or "SIZE LAST". 0 or -EINVAL (also above INT64_MAX, so that a
 * sum of two does not wrap). Source: RFC 3030 section 2. */
int smtp_bdat_parse(struct slice args, uint64_t *ret_size, bool *ret_is_last);

#endif
