/* scan_clamd_reply.h: what clamd wrote, as an answer. Pure: bytes in, struct out. */
#ifndef CORDON_SCAN_SCAN_CLAMD_REPLY_H
#define CORDON_SCAN_SCAN_CLAMD_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "decompose/object.h"

#define CLAMD_REPLY_MAX_BYTES   4096 /* of one answer, with its end mark */
#define CLAMD_TEXT_MAX_BYTES    128  /* of a virus name or an error, cut there */
#define CLAMD_VERSION_MAX_BYTES 255

/* The zero is never clean. */
enum clamd_reply_kind {
	CLAMD_REPLY_GARBAGE = 0, /* not an answer of clamd to one scan outside of a session */
	CLAMD_REPLY_CLEAN,
	CLAMD_REPLY_INFECTED,
	CLAMD_REPLY_UNSCANNED, /* clamd says that it could not look; cause says why */
	CLAMD_REPLY_NO_FD,     /* FILDES does not work there; cause is CAUSE_ERROR */
};

struct clamd_reply {
	enum clamd_reply_kind kind;
	enum cause cause;                /* CAUSE_NONE unless UNSCANNED or NO_FD */
	size_t text_len;                 /* 0 for GARBAGE and CLEAN */
	char text[CLAMD_TEXT_MAX_BYTES]; /* virus name, or what clamd complains of; printable */
};

/* One whole answer, everything that was read.
 * bytes      borrowed for the call; must end with NUL or newline, and hold no second one
 * by_fildes  the question was FILDES: the answer must be about "fd[N]", else about "stream"
 * returns    GARBAGE for all that is not exactly an answer: a session's id in front, two
 *            answers, no end mark, more than CLAMD_REPLY_MAX_BYTES, the other subject
 * source     clamd(8); clamd's session.c, scanner.c. Heuristics.Limits.Exceeded and
 *            Heuristics.Encrypted are no viruses: UNSCANNED with expansion and encrypted. */
struct clamd_reply clamd_reply_parse(struct slice bytes, bool by_fildes);

/* The answer to VERSION: one printable line of 1 to CLAMD_VERSION_MAX_BYTES bytes, with its end
 * mark. True: *ret_version is the line without the mark, borrowed from bytes. */
bool clamd_reply_parse_version(struct slice bytes, struct slice *ret_version);

#endif
