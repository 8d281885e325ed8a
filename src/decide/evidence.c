/* evidence.c: see evidence.h. */
#include "decide/evidence.h"

#include "scan/pipeline.h"

static uint32_t
bits_count(uint64_t bits)
{
	return (uint32_t)__builtin_popcountll(bits);
}

/* Several scanners may have failed at one object. The list is short (JOB_UNSCANNED_MAX). */
static uint32_t
unscanned_count_objects(const struct scan_job *j)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < j->unscanned_count; i++) {
		bool seen = j->unscanned[i].object == 0;

		for (uint32_t k = 0; k < i && !seen; k++)
			seen = j->unscanned[k].object == j->unscanned[i].object;
		count += !seen;
	}
	return count;
}

void
evidence_from_job(const char *id, const struct scan_job *j, struct evidence *ret_evidence)
{
	struct evidence ev = { .id = id, .findings = j->findings,
		.finding_count = j->finding_count, .unscanned = j->unscanned,
		.unscanned_count = j->unscanned_count, .inspected = j->report.object_count > 0,
		.blobs = j->report.object_count };
	uint32_t unscanned = unscanned_count_objects(j);
	uint64_t views = 0;

	for (uint32_t i = 0; i < j->report.object_count; i++) {
		const struct report_object *o = &j->report.objects[i];

		ev.ambiguities |= o->ambiguities;
		ev.notes |= o->notes;
		views |= o->views;
	}
	/* An object without a view was reached in the one way that there is. */
	ev.views = ev.inspected && views == 0 ? 1 : bits_count(views);
	ev.scanned = ev.blobs - (unscanned < ev.blobs ? unscanned : ev.blobs);
	*ret_evidence = ev;
}
