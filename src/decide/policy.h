/* policy.h: from what is known about a mail to what is done with it. Pure: no I/O, no clock,
 * and the one place where unknown gets its meaning. */
#ifndef CORDON_DECIDE_POLICY_H
#define CORDON_DECIDE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "scan/finding.h"

enum mail_verdict {
	MAIL_UNSCANNED = 0,
	MAIL_CLEAN,
	MAIL_INFECTED,
	MAIL_BANNED,
	MAIL_VERDICT_COUNT
};
const char *mail_verdict_get_text(enum mail_verdict v);

/* All that may count. */
struct evidence {
	const char *id;                    /* of the mail, for the reply */
	const struct finding *findings;
	uint32_t finding_count;
	const struct unscanned *unscanned;
	uint32_t unscanned_count;
	bool inspected;                    /* there was a report, of at least one object */
};

#define DECISION_TEXT_SIZE 1024
#define DECISION_HEADERS_MAX 2u

struct decision_header {
	char name[128];
	char value[512];
};

struct decision {
	enum mail_verdict verdict;
	enum action action;
	unsigned code;          /* 250, 550, 451 */
	char enhanced[16];      /* "5.7.1" */
	char text[DECISION_TEXT_SIZE]; /* of the reply, printable ASCII */
	char reason[256];       /* why, for the log: "infected", "unscanned:timeout" */
	enum cause cause;       /* that decided, when unscanned */
	struct decision_header headers[DECISION_HEADERS_MAX]; /* to add */
	unsigned header_count;
	bool remove_forged;
};

/* Infected outweighs everything; then the strictest action of any cause counts; clean only
 * when the mail was inspected and nothing stayed unscanned. host: for {host}. */
void policy_decide(const struct config *c, const char *host, const struct evidence *ev,
    struct decision *ret_decision);

#endif
