/* policy.h: from what is known about a mail to what is done with it. Pure: no I/O, no clock,
 * and the one place where unknown gets its meaning. */
#ifndef CORDON_DECIDE_POLICY_H
#define CORDON_DECIDE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "decide/evidence.h"
#include "scan/finding.h"

enum mail_verdict {
	MAIL_UNSCANNED = 0,
	MAIL_CLEAN,
	MAIL_INFECTED,
	MAIL_BANNED,
	MAIL_VERDICT_COUNT
};
const char *mail_verdict_get_text(enum mail_verdict v);

#define DECISION_TEXT_SIZE 1024
#define DECISION_HEADERS_MAX 2u /* one of the two of ours, and MIME-Ambiguity-Results */

struct decision_header {
	char name[128];
	char value[1024];
};

struct decision {
	enum mail_verdict verdict;
	enum action action;
	unsigned code;          /* 250, 550, 451 */
	char enhanced[16];      /* "5.7.1" */
	char text[DECISION_TEXT_SIZE]; /* of the reply, printable ASCII */
	char reason[256];       /* why: "infected: NAME", "unscanned: timeout", "ambiguous: A02" */
	enum cause cause;       /* that decided, when unscanned */
	struct decision_header headers[DECISION_HEADERS_MAX]; /* to add */
	unsigned header_count;
	bool remove_forged;
};

/* Infected outweighs everything; then the strictest action of any cause, and of any class of
 * ambiguity whose readings diverged, counts. Clean only when the mail was inspected and nothing
 * stayed unscanned; banned when ambiguity alone refuses it. host: for {host}. */
void policy_decide(const struct config *c, const char *host, const struct evidence *ev,
    struct decision *ret_decision);

#endif
