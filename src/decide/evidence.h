/* evidence.h: what is known about one mail when it is decided on, and nothing that is not. Made
 * here from a finished scan, for all who decide; what follows from it is policy.c's. */
#ifndef CORDON_DECIDE_EVIDENCE_H
#define CORDON_DECIDE_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/finding.h"

struct scan_job;

struct evidence {
	const char *id;                    /* of the mail, for the reply */
	const char *infected;              /* the listener's own action, or "" or NULL */
	const struct finding *findings;
	uint32_t finding_count;
	const struct unscanned *unscanned;
	uint32_t unscanned_count;
	bool inspected;                    /* there was a report, of at least one object */
	uint64_t ambiguities; /* AMBIGUITY_BIT()s of classes whose readings diverged anywhere */
	uint64_t notes;       /* of classes that were seen, diverged or not */
	uint32_t views;       /* different kinds of readings that gave an object */
	uint32_t blobs;       /* objects, which are distinct runs of bytes */
	uint32_t scanned;     /* objects that are not among the unscanned */
};

/* Fills *ret_evidence from j, whose scan has ended. id and j are borrowed: they must live as
 * long as the evidence. Without a report (the inspector gave none) inspected is false. */
void evidence_from_job(const char *id, const struct scan_job *j, struct evidence *ret_evidence);

#endif
