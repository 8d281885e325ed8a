/* pipeline_private.h: shared by pipeline.c (inspection) and pipeline_engines.c (scanners). */
#ifndef CORDON_SCAN_PIPELINE_PRIVATE_H
#define CORDON_SCAN_PIPELINE_PRIVATE_H

#include "scan/known.h"
#include "scan/pipeline.h"

#define JOB_FINDINGS_MAX  1000u
#define JOB_UNSCANNED_MAX 1000u
#define JOB_CALLS_MAX     8u /* objects of one mail at the scanners at one time */

/* The scanners of one configuration. Lives until the last job that uses it is done. */
struct scanner_set {
	struct scanner *items[SCANNERS_MAX];
	uint32_t count;
	uint32_t references;
};

struct engine_call {
	struct scan_call call;
	struct scan_job *job;
	struct scanner *scanner;
	struct verdict_key key;
	uint32_t object;           /* id */
	bool busy, asking;         /* asking: it is the one that asks; else it waits for one that does */
	struct engine_call *waiters; /* those that wait for this one's answer */
	struct engine_call *next;
};

struct job_state {
	struct pool_request request;
	struct buf body;
	struct region *hold;
	struct scanner_set *scanners;
	struct engine_call calls[JOB_CALLS_MAX];
	uint32_t next_object, next_scanner; /* the next pair to ask */
	uint32_t calls_busy;
	uint32_t finding_cap, unscanned_cap;
	int64_t started_us, sent_us, engines_us, deadline_ms;
	bool infected, submitting, large, engines;
};

struct pipeline {
	struct loop *loop;
	struct worker_pool *inspectors, *engines;
	struct scanner_set *scanners;
	struct verdict_cache *cache;
	uint32_t cache_entries, cache_ttl_s;
	struct region *known;
	uint32_t epoch;
	uint64_t epoch_seen; /* what the epoch was made from */
	struct region *holds; /* idle */
	unsigned hold_count, hold_max, hold_busy;
	uint64_t hold_bytes, large_bytes;
	unsigned wall_ms;
	struct scan_job *waiting, *waiting_last; /* for a hold */
	struct engine_call *asking; /* calls on their way, for those who want the same */
	uint64_t jobs, last_job, known_hits;
	unsigned in_flight;
};

void job_add_finding(struct scan_job *j, const struct finding *f);
void job_add_unscanned(struct scan_job *j, uint32_t object, enum cause cause,
    struct slice scanner);
/* Objects found infected and what they were in: the next copy is known by its hash. */
void job_remember_infected(struct scan_job *j);
/* All is known: gives the memory back and tells the owner. */
void job_finish(struct scan_job *j);
/* Asks the scanners about every object that wants it; ends in job_finish(). */
void job_ask_scanners(struct scan_job *j);
void job_cancel_calls(struct scan_job *j);

#endif
