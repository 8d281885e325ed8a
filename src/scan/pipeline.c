/* pipeline.c: memory for a job, the inspection, and the end. The scanners outside are
 * pipeline_engines.c. */
#include "scan/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "config/config.h"
#include "proc/region.h"
#include "proc/wire.h"
#include "scan/inspect_request.h"
#include "scan/pipeline_private.h"

#define ARENA_MAX_BYTES (64u << 20)
#define HOLD_KEEP_BYTES (8u << 20)   /* memory an idle hold may keep until the next trim */
#define HOLDS_MIN 16u

static void job_inspect(struct scan_job *j);

static struct scanner_set *
scanner_set_ref(struct scanner_set *s)
{
	s->references++;
	return s;
}

static void
scanner_set_unref(struct scanner_set **address)
{
	struct scanner_set *s = *address;

	*address = NULL;
	if (s == NULL || --s->references > 0)
		return;
	for (uint32_t i = 0; i < s->count; i++)
		scanner_free(&s->items[i]);
	free(s);
}

static struct scanner_set *
scanner_set_new(struct pipeline *p, const struct config *c)
{
	struct scanner_set *s = mem_new(sizeof(*s));

	s->references = 1;
	if (c->clamav.enabled)
		s->items[s->count++] = scan_clamav_new(p->engines, c->clamav.max_object,
		    c->clamav.timeout_ms, c->clamav.max_age_days);
	for (size_t i = 0; i < c->clamd_count && s->count < SCANNERS_MAX; i++)
		s->items[s->count++] = scan_clamd_new(p->loop, &c->clamds[i]);
	return s;
}

struct pipeline *
pipeline_new(struct loop *l, const struct config *c)
{
	struct pipeline *p = mem_new(sizeof(*p));
	struct err e;

	p->loop = l;
	p->inspectors = worker_pool_new(l, "inspectors", c->small_mail_share);
	p->engines = worker_pool_new(l, "engines", c->small_mail_share);
	p->known = region_new("cordon-known", sizeof(struct known_table), &e);
	ASSERT(p->known != NULL);
	p->epoch = 1;
	pipeline_set_config(p, c);
	return p;
}

static void
holds_drop(struct pipeline *p)
{
	while (p->holds != NULL) {
		struct region *r = p->holds;

		p->holds = r->next;
		region_free(&r);
		p->hold_count--;
	}
}

void
pipeline_free(struct pipeline **address)
{
	struct pipeline *p = *address;

	if (p == NULL)
		return;
	ASSERT(p->in_flight == 0);
	scanner_set_unref(&p->scanners);
	worker_pool_free(&p->inspectors);
	worker_pool_free(&p->engines);
	verdict_cache_free(&p->cache);
	holds_drop(p);
	region_free(&p->known);
	free(p);
	*address = NULL;
}

void
pipeline_set_config(struct pipeline *p, const struct config *c)
{
	uint64_t hold = (c->limits.held_bytes + REPORT_MAX_BYTES + 4095) & ~UINT64_C(4095);

	if (p->cache == NULL || p->cache_entries != c->cache_entries ||
	    p->cache_ttl_s != c->cache_ttl_s) {
		verdict_cache_free(&p->cache);
		p->cache = verdict_cache_new(c->cache_entries, c->cache_ttl_s);
		p->cache_entries = c->cache_entries;
		p->cache_ttl_s = c->cache_ttl_s;
	}
	if (hold != p->hold_bytes)
		holds_drop(p);
	p->hold_bytes = hold;
	p->hold_max = MAX_OF(HOLDS_MIN, 2 * c->inspectors);
	p->large_bytes = c->large_mail_size;
	/* The inspector ends by itself at wall_ms, with what it has. */
	p->wall_ms = c->limits.wall_ms + c->limits.wall_ms / 4 + 1000;
	scanner_set_unref(&p->scanners);
	p->scanners = scanner_set_new(p, c);
	verdict_cache_purge(p->cache); /* limits may have changed, and with them what is clean */
	p->epoch++;
}

struct worker_pool *
pipeline_get_inspectors(struct pipeline *p)
{
	return p->inspectors;
}

struct worker_pool *
pipeline_get_engines(struct pipeline *p)
{
	return p->engines;
}

uint32_t
pipeline_get_scanner_count(const struct pipeline *p)
{
	return p->scanners->count;
}

struct scanner *
pipeline_get_scanner(struct pipeline *p, uint32_t i)
{
	return p->scanners->items[i];
}

void
pipeline_purge(struct pipeline *p)
{
	verdict_cache_purge(p->cache);
	p->epoch++;
}

static void
hold_trim(struct region *r, size_t keep)
{
	struct stat st;

	if (fstat(r->fd, &st) < 0 || (uint64_t)st.st_blocks * 512 <= keep)
		return;
	r->touched = r->size;
	region_trim(r, keep);
}

void
pipeline_trim(struct pipeline *p)
{
	for (struct region *r = p->holds; r != NULL; r = r->next)
		hold_trim(r, 0);
}

struct pipeline_status
pipeline_get_status(const struct pipeline *p)
{
	struct pipeline_status s = { .inspectors = worker_pool_get_status(p->inspectors),
		.cache = verdict_cache_get_status(p->cache), .jobs = p->jobs,
		.known_hits = p->known_hits, .in_flight = p->in_flight };

	for (const struct scan_job *j = p->waiting; j != NULL; j = j->next)
		s.waiting_for_memory++;
	return s;
}

void
job_add_finding(struct scan_job *j, const struct finding *f)
{
	struct job_state *st = j->state;

	if (j->finding_count == st->finding_cap) {
		uint32_t cap = MIN_OF(MAX_OF(st->finding_cap * 2, 16u), JOB_FINDINGS_MAX);
		struct finding *bigger = cap == st->finding_cap ? NULL :
		    arena_alloc(j->arena, cap * sizeof(*bigger));

		if (bigger == NULL && j->finding_count > 0)
			return; /* there are findings already: the verdict stands */
		if (bigger == NULL) {
			bigger = &j->first_finding;
			cap = 1;
		}
		if (j->finding_count > 0)
			memcpy(bigger, j->findings, j->finding_count * sizeof(*bigger));
		j->findings = bigger;
		st->finding_cap = cap;
	}
	j->findings[j->finding_count++] = *f;
	st->infected = true;
}

/* The list is full. A cause that is not in it takes the last place: a thousand encrypted members
 * that may pass must not hide the one thing that may not. */
static void
unscanned_keep_cause(struct scan_job *j, uint32_t object, enum cause cause, struct slice scanner)
{
	for (uint32_t i = 0; i < j->unscanned_count; i++) {
		if (j->unscanned[i].cause == cause)
			return;
	}
	for (uint32_t i = j->unscanned_count; i-- > 1;) {
		/* Only a place whose cause stands elsewhere too. */
		for (uint32_t k = 0; k < i; k++) {
			if (j->unscanned[k].cause != j->unscanned[i].cause)
				continue;
			j->unscanned[i] = (struct unscanned){ object, cause, scanner };
			return;
		}
	}
}

void
job_add_unscanned(struct scan_job *j, uint32_t object, enum cause cause, struct slice scanner)
{
	struct job_state *st = j->state;

	for (uint32_t i = 0; i < j->unscanned_count; i++) {
		const struct unscanned *u = &j->unscanned[i];

		if (u->object == object && u->cause == cause && slice_eq(u->scanner, scanner))
			return;
	}
	if (j->unscanned_count == st->unscanned_cap) {
		uint32_t cap = MIN_OF(MAX_OF(st->unscanned_cap * 2, 16u), JOB_UNSCANNED_MAX);
		struct unscanned *bigger = cap == st->unscanned_cap ? NULL :
		    arena_alloc(j->arena, cap * sizeof(*bigger));

		if (bigger == NULL && j->unscanned_count > 0) {
			unscanned_keep_cause(j, object, cause, scanner);
			return;
		}
		if (bigger == NULL) {
			bigger = &j->first_unscanned;
			cap = 1;
		}
		if (j->unscanned_count > 0)
			memcpy(bigger, j->unscanned, j->unscanned_count * sizeof(*bigger));
		j->unscanned = bigger;
		st->unscanned_cap = cap;
	}
	j->unscanned[j->unscanned_count++] = (struct unscanned){ object, cause, scanner };
}

static struct region *
hold_get(struct pipeline *p)
{
	struct region *r = p->holds;

	if (r != NULL) {
		p->holds = r->next;
		r->next = NULL;
	} else {
		if (p->hold_count >= p->hold_max)
			return NULL;
		r = region_new("cordon-hold", p->hold_bytes, NULL);
		if (r == NULL)
			return NULL;
		p->hold_count++;
	}
	p->hold_busy++;
	return r;
}

static void
hold_put(struct pipeline *p, struct region **address)
{
	struct region *r = *address;

	if (r == NULL)
		return;
	*address = NULL;
	p->hold_busy--;
	if (r->size != p->hold_bytes) {
		region_free(&r);
		p->hold_count--;
		return;
	}
	hold_trim(r, HOLD_KEEP_BYTES);
	r->next = p->holds;
	p->holds = r;
}

/* Whatever may make earlier answers wrong, in one number. */
static void
epoch_update(struct pipeline *p)
{
	uint64_t seen = worker_pool_get_generation(p->inspectors);

	for (uint32_t i = 0; i < p->scanners->count; i++) {
		struct scanner *s = p->scanners->items[i];

		seen = seen * UINT64_C(0x100000001b3) ^ s->ops->get_version(s);
	}
	if (seen != p->epoch_seen)
		p->epoch++;
	p->epoch_seen = seen;
}

static void
waiting_remove(struct pipeline *p, struct scan_job *j)
{
	struct scan_job *before = NULL;

	for (struct scan_job *i = p->waiting; i != NULL; before = i, i = i->next) {
		if (i != j)
			continue;
		if (before == NULL)
			p->waiting = j->next;
		else
			before->next = j->next;
		if (p->waiting_last == j)
			p->waiting_last = before;
		return;
	}
}

static void
job_release(struct scan_job *j)
{
	struct pipeline *p = j->pipeline;
	struct job_state *st = j->state;

	hold_put(p, &st->hold);
	scanner_set_unref(&st->scanners);
	buf_done(&st->body);
	free(st);
	j->state = NULL;
	p->in_flight--;
	while (p->waiting != NULL && p->hold_busy < p->hold_max) {
		struct scan_job *next = p->waiting;

		waiting_remove(p, next);
		next->state->hold = hold_get(p);
		if (next->state->hold == NULL)
			job_add_unscanned(next, 0, CAUSE_ERROR, SLICE_NONE);
		job_inspect(next);
	}
}

void
job_finish(struct scan_job *j)
{
	struct job_state *st = j->state;

	if (st->engines_us > 0)
		j->engines_us = (uint32_t)(clock_now_us() - st->engines_us);
	job_cancel_calls(j);
	job_release(j);
	j->done(j);
}

void
job_remember_infected(struct scan_job *j)
{
	struct pipeline *p = j->pipeline;
	struct known_table *t = (struct known_table *)(void *)p->known->ptr;

	for (uint32_t i = 0; i < j->finding_count; i++) {
		const struct finding *f = &j->findings[i];
		char scanner[KNOWN_SCANNER_SIZE + 8], name[KNOWN_NAME_SIZE + 8];
		uint32_t id = f->object;

		p->known_hits += f->cached;
		if (f->cached)
			continue;
		snprintf(scanner, sizeof(scanner), "%.*s", (int)MIN_OF(f->scanner.len,
		    (size_t)KNOWN_SCANNER_SIZE), (const char *)f->scanner.ptr);
		snprintf(name, sizeof(name), "%.*s", (int)MIN_OF(f->name.len,
		    (size_t)KNOWN_NAME_SIZE), (const char *)f->name.ptr);
		for (; id > 1 && id <= j->report.object_count;
		    id = j->report.objects[id - 1].parent) {
			const struct report_object *o = &j->report.objects[id - 1];

			if ((o->flags & REPORT_HASHED) != 0 &&
			    !slice_starts_with(o->declared, SLICE_LIT("message/")))
				known_put(t, p->epoch, &o->hash, scanner, name);
		}
	}
}

/* Facts that mean: something in here was not looked at. */
static void
job_judge_facts(struct scan_job *j)
{
	for (uint32_t i = 0; i < j->report.object_count; i++) {
		const struct report_object *o = &j->report.objects[i];

		for (int f = 0; o->facts != 0 && f < FACT_COUNT; f++) {
			if ((o->facts & FACT_BIT(f)) != 0 && fact_get_cause((enum fact)f) != CAUSE_NONE)
				job_add_unscanned(j, o->id, fact_get_cause((enum fact)f), SLICE_NONE);
		}
	}
	for (int f = 0; f < FACT_COUNT; f++) {
		if ((j->report.facts & FACT_BIT(f)) != 0 && j->unscanned_count == 0)
			job_add_unscanned(j, 0, fact_get_cause((enum fact)f), SLICE_NONE);
	}
	if (j->report.not_matched > 0)
		job_add_unscanned(j, 0, CAUSE_ERROR, SLICE_LIT("signatures"));
}

static bool
job_read_report(struct scan_job *j, struct slice body)
{
	struct region *hold = j->state->hold;
	struct wire_reader r = wire_read(body);
	uint64_t job = wire_get_u64(&r), offset, len;
	uint8_t status = wire_get_u8(&r);
	CLEANUP(mem_free) uint8_t *copy = NULL;

	offset = wire_get_u64(&r);
	len = wire_get_u64(&r);
	if (r.failed || status != INSPECTED_OK || job != (uint64_t)(uintptr_t)j ||
	    len > REPORT_MAX_BYTES)
		return false;
	if (offset == INSPECTED_INLINE)
		return len == r.rest.len &&
		    report_decode(r.rest, j->input_len, hold->size, j->arena, &j->report);
	if (offset > hold->size || len > hold->size - offset || r.rest.len != 0)
		return false;
	copy = malloc(len + 1); /* the cage could change it under our eyes */
	if (copy == NULL)
		return false;
	memcpy(copy, hold->ptr + offset, len);
	return report_decode(slice_of(copy, len), j->input_len, hold->size, j->arena, &j->report);
}

static void
on_inspected(struct pool_request *q, enum pool_result result, struct slice body)
{
	struct scan_job *j = q->owner;
	struct pipeline *p = j->pipeline;
	struct job_state *st = j->state;

	j->inspect_us = (uint32_t)(clock_now_us() - st->sent_us);
	if (result == POOL_DONE && !job_read_report(j, body)) {
		memset(&j->report, 0, sizeof(j->report));
		job_add_unscanned(j, 0, CAUSE_ERROR, SLICE_NONE);
	} else if (result == POOL_DIED) {
		job_add_unscanned(j, 0, CAUSE_CRASHED, SLICE_NONE);
	} else if (result == POOL_TIMEOUT) {
		job_add_unscanned(j, 0, CAUSE_TIMEOUT, SLICE_NONE);
	} else if (result == POOL_WAITED) {
		job_add_unscanned(j, 0, worker_pool_is_there(p->inspectors) ? CAUSE_TIMEOUT :
		    CAUSE_DOWN, SLICE_NONE);
	}
	for (uint32_t i = 0; i < j->report.finding_count; i++)
		job_add_finding(j, &j->report.findings[i]);
	if (j->report.object_count > 0)
		job_judge_facts(j);
	if (j->report.object_count == 0 || (st->infected && !j->full) || j->list_only) {
		job_remember_infected(j);
		job_finish(j);
		return;
	}
	job_ask_scanners(j);
}

static bool
any_scanner(const struct scanner_set *set, uint64_t *ret_max_object)
{
	bool any = false;

	*ret_max_object = 0;
	for (uint32_t i = 0; i < set->count; i++) {
		struct scanner *s = set->items[i];

		if (!s->ops->is_there(s))
			continue;
		any = true;
		*ret_max_object = MAX_OF(*ret_max_object, s->max_object);
	}
	return any;
}

static void
job_inspect(struct scan_job *j)
{
	struct pipeline *p = j->pipeline;
	struct job_state *st = j->state;
	struct inspect_request q = { .job = (uint64_t)(uintptr_t)j, .roles = j->roles,
		.input_id = j->input->id, .input_size = j->input->size, .input_len = j->input_len,
		.known_id = p->known->id, .known_size = p->known->size, .name = j->name };

	if (st->hold == NULL) {
		job_finish(j);
		return;
	}
	epoch_update(p);
	q.epoch = p->epoch;
	q.hold_id = st->hold->id;
	q.hold_size = st->hold->size;
	st->engines = any_scanner(st->scanners, &q.max_object) && !j->list_only;
	q.flags = (j->full ? INSPECT_FULL : 0) | (st->engines ? INSPECT_ENGINES : 0) |
	    (st->large ? INSPECT_LARGE : 0);
	if (inspect_request_encode(&q, &st->body) < 0) {
		job_add_unscanned(j, 0, CAUSE_ERROR, SLICE_NONE);
		job_finish(j);
		return;
	}
	st->request = (struct pool_request){ .type = FRAME_INSPECT, .body = buf_get(&st->body),
		.fds = { j->input->read_fd, st->hold->fd, p->known->read_fd },
		.fd_count = INSPECT_FD_COUNT, .large = st->large, .wait_ms = j->timeout_ms,
		.run_ms = MIN_OF(p->wall_ms, j->timeout_ms), .done = on_inspected, .owner = j };
	st->sent_us = clock_now_us();
	j->wait_us = (uint32_t)(st->sent_us - st->started_us);
	worker_pool_submit(p->inspectors, &st->request);
}

void
pipeline_start(struct pipeline *p, struct scan_job *j)
{
	struct job_state *st = mem_new(sizeof(*st));

	j->pipeline = p;
	j->state = st;
	j->arena = arena_new(ARENA_MAX_BYTES);
	st->scanners = scanner_set_ref(p->scanners);
	st->started_us = clock_now_us();
	st->deadline_ms = st->started_us / 1000 + j->timeout_ms;
	st->large = j->input_len > p->large_bytes;
	buf_init(&st->body, FRAME_MAX_BYTES);
	p->jobs++;
	p->in_flight++;
	st->hold = hold_get(p);
	if (st->hold == NULL && p->hold_busy > 0) {
		j->next = NULL;
		if (p->waiting_last == NULL || p->waiting == NULL)
			p->waiting = j;
		else
			p->waiting_last->next = j;
		p->waiting_last = j;
		return;
	}
	if (st->hold == NULL) /* and nobody will give one back */
		job_add_unscanned(j, 0, CAUSE_ERROR, SLICE_NONE);
	job_inspect(j);
}

bool
pipeline_is_waiting(const struct scan_job *j)
{
	return j->state != NULL && j->state->request.worker == NULL && j->state->calls_busy == 0 &&
	       j->report.object_count == 0;
}

void
pipeline_cancel(struct scan_job *j)
{
	struct pipeline *p = j->pipeline;

	if (j->state != NULL) {
		waiting_remove(p, j);
		if (j->state->request.queued || j->state->request.worker != NULL)
			worker_pool_cancel(p->inspectors, &j->state->request);
		job_cancel_calls(j);
		job_release(j);
	}
	scan_job_done(j);
}

void
scan_job_done(struct scan_job *j)
{
	arena_free(&j->arena);
}
