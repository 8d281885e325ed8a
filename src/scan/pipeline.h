/* pipeline.h: one mail through inspector, cache and scanners, side by side. Used by the gate
 * for mails and by the cordon command for files: the same stages. Never blocks. */
#ifndef CORDON_SCAN_PIPELINE_H
#define CORDON_SCAN_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/finding.h"
#include "scan/report.h"
#include "scan/scanner.h"
#include "scan/verdict_cache.h"
#include "scan/worker_pool.h"

struct arena;
struct config;
struct loop;
struct pipeline;
struct region;

#define SCANNERS_MAX 16u

/* What was asked and what came out. Freed with scan_job_done(). */
struct scan_job {
	/* Filled by the owner. */
	struct region *input;  /* borrowed until done */
	uint64_t input_len;
	uint32_t roles;    /* ROLE_ENTITY for mails; 0: find out */
	struct slice name; /* of a file; borrowed */
	bool full;         /* look at everything, for people who want to see it all */
	bool list_only;    /* take apart, ask no scanner outside: no verdict may come of it */
	unsigned timeout_ms;
	void (*done)(struct scan_job *j);
	void *owner;

	/* Results, in arena. */
	struct arena *arena;
	struct report report;          /* object_count 0: the inspector gave none */
	struct finding *findings;
	uint32_t finding_count;
	struct unscanned *unscanned;
	uint32_t unscanned_count;
	uint32_t wait_us, inspect_us, engines_us;
	uint32_t cache_hits, cache_misses;
	/* Kept here, so that a lack of memory never makes a mail clean. */
	struct finding first_finding;
	struct unscanned first_unscanned;

	/* The pipeline's. */
	struct pipeline *pipeline;
	struct scan_job *next;
	struct job_state *state;
};

struct pipeline_status {
	struct pool_status inspectors;
	struct verdict_cache_status cache;
	uint64_t jobs, known_hits;
	unsigned in_flight, waiting_for_memory;
};

/* c: borrowed only for the call. */
struct pipeline *pipeline_new(struct loop *l, const struct config *c);
/* No job may be under way. */
void pipeline_free(struct pipeline **p);
/* Takes over new limits and scanners. Jobs under way end with the old ones. */
void pipeline_set_config(struct pipeline *p, const struct config *c);
struct worker_pool *pipeline_get_inspectors(struct pipeline *p);
struct worker_pool *pipeline_get_engines(struct pipeline *p);
void pipeline_start(struct pipeline *p, struct scan_job *j);
/* Whether no worker has it yet: cancelling costs nothing then. Later it costs a worker its life. */
bool pipeline_is_waiting(const struct scan_job *j);
/* done() is not called any more; frees what the job holds. */
void pipeline_cancel(struct scan_job *j);
/* Frees the results. */
void scan_job_done(struct scan_job *j);
/* Forgets every answer. */
void pipeline_purge(struct pipeline *p);
/* Gives idle memory back. */
void pipeline_trim(struct pipeline *p);
struct pipeline_status pipeline_get_status(const struct pipeline *p);
uint32_t pipeline_get_scanner_count(const struct pipeline *p);
struct scanner *pipeline_get_scanner(struct pipeline *p, uint32_t i);

#endif
