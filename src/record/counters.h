/* counters.h: what was counted since the daemon started: written by the recorder, read by the
 * gate for `cordon status`. Lies in shared memory, so that it outlives both. */
#ifndef CORDON_RECORD_COUNTERS_H
#define CORDON_RECORD_COUNTERS_H

#include <stdint.h>

#include "base/buf.h"
#include "decompose/object.h"

struct record;

#define COUNTERS_NAMES_MAX 512u
#define COUNTERS_NAME_SIZE 64u

struct counters_name {
	char name[COUNTERS_NAME_SIZE]; /* "" : free */
	uint64_t total, recent;        /* recent: since the last summary */
};

struct counters {
	uint64_t started;              /* seconds since 1970 */
	uint64_t mails, bytes, objects, recipients, lost;
	uint64_t verdicts[4], actions[8]; /* by enum mail_verdict, enum action */
	/* accepted by us, but the client got 5xx or 4xx: the next hop's, or because it is gone */
	uint64_t refused_behind, deferred_behind;
	uint64_t causes[32]; /* by enum cause: mails with something unscanned for it */
	uint64_t
	    classes[AMBIGUITY_MAX + 1]; /* by class of ambiguity: mails in which it diverged */
	uint64_t cache_hits, cache_misses;
	uint64_t us_receive, us_wait, us_decompose, us_match, us_engines, us_total;
	uint64_t names_other;          /* mails whose names did not fit the table */
	struct counters_name names[COUNTERS_NAMES_MAX];
};

void counters_add(struct counters *c, const struct record *r);
/* One line for the log: what came since the summary before (*before, updated). */
int counters_format_summary(struct counters *c, struct counters *before, struct buf *out);
/* The members of a JSON object, without the braces. */
int counters_format_json(const struct counters *c, struct buf *out);

#endif
