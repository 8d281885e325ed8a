/* pipeline_engines.c: each wanted object to each scanner, through the cache; when another mail
 * is asking the same thing already, its answer is waited for. */
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/macros.h"
#include "proc/region.h"
#include "scan/pipeline_private.h"

static void
asking_remove(struct pipeline *p, struct engine_call *c)
{
	struct engine_call **place = &p->asking;

	while (*place != NULL && *place != c)
		place = &(*place)->next;
	if (*place == c)
		*place = c->next;
	c->next = NULL;
	c->asking = false;
}

static struct engine_call *
asking_find(struct pipeline *p, const struct engine_call *c)
{
	for (struct engine_call *i = p->asking; i != NULL; i = i->next) {
		if (i->scanner == c->scanner && i->key.flags == c->key.flags &&
		    i->key.version == c->key.version &&
		    memcmp(&i->key.hash, &c->key.hash, sizeof(c->key.hash)) == 0)
			return i;
	}
	return NULL;
}

/* Puts what a scanner said, now or earlier, into the results. */
static void
job_take_answer(struct scan_job *j, uint32_t object, struct scanner *s,
    const struct scan_answer *a, bool cached)
{
	struct slice scanner = arena_copy(j->arena, slice_of_str(s->name));

	if (a->verdict == VERDICT_CLEAN)
		return;
	if (a->verdict == VERDICT_INFECTED) {
		struct finding f = { .class = FINDING_VIRUS, .object = object, .scanner = scanner,
			.name = arena_copy(j->arena, a->name), .cost_us = a->cost_us,
			.cached = cached };

		job_add_finding(j, &f);
		return;
	}
	job_add_unscanned(j, object, a->cause == CAUSE_NONE ? CAUSE_ERROR : a->cause, scanner);
}

static void
scanner_count(struct scanner *s, const struct scan_answer *a)
{
	s->clean += a->verdict == VERDICT_CLEAN;
	s->infected += a->verdict == VERDICT_INFECTED;
	s->unknown += a->verdict == VERDICT_UNKNOWN;
	s->us += a->cost_us;
}

static void
call_answered(struct engine_call *c, const struct scan_answer *a)
{
	struct scan_job *j = c->job;

	c->busy = false;
	j->state->calls_busy--;
	job_take_answer(j, c->object, c->scanner, a, false);
	if (!j->state->submitting)
		job_ask_scanners(j);
}

static void
on_answer(struct scan_call *call, const struct scan_answer *a)
{
	struct engine_call *c = call->owner, *waiter = c->waiters;
	struct pipeline *p = c->job->pipeline;

	asking_remove(p, c);
	c->waiters = NULL;
	scanner_count(c->scanner, a);
	verdict_cache_put(p->cache, &c->key, a->verdict, a->name);
	call_answered(c, a);
	while (waiter != NULL) {
		struct engine_call *next = waiter->next;

		waiter->next = NULL;
		call_answered(waiter, a);
		waiter = next;
	}
}

static void
call_ask(struct engine_call *c)
{
	struct pipeline *p = c->job->pipeline;

	c->asking = true;
	c->next = p->asking;
	p->asking = c;
	c->scanner->asked++;
	c->scanner->ops->start(c->scanner, &c->call);
}

/* The one that asked is gone: the first that waited asks, the others wait for it. */
static void
call_hand_over(struct engine_call *waiters)
{
	struct engine_call *first = waiters;

	if (first == NULL)
		return;
	first->waiters = first->next;
	call_ask(first);
}

static void
call_cancel(struct engine_call *c)
{
	struct pipeline *p = c->job->pipeline;

	c->busy = false;
	c->job->state->calls_busy--;
	if (c->asking) {
		struct engine_call *waiters = c->waiters;

		c->waiters = NULL;
		asking_remove(p, c);
		c->scanner->ops->cancel(c->scanner, &c->call);
		call_hand_over(waiters);
		return;
	}
	for (struct engine_call *i = p->asking; i != NULL; i = i->next) {
		struct engine_call **place = &i->waiters;

		while (*place != NULL && *place != c)
			place = &(*place)->next;
		if (*place == c) {
			*place = c->next;
			return;
		}
	}
}

void
job_cancel_calls(struct scan_job *j)
{
	for (uint32_t i = 0; i < JOB_CALLS_MAX; i++) {
		if (j->state->calls[i].busy)
			call_cancel(&j->state->calls[i]);
	}
}

static struct engine_call *
call_find_free(struct job_state *st)
{
	for (uint32_t i = 0; i < JOB_CALLS_MAX; i++) {
		if (!st->calls[i].busy)
			return &st->calls[i];
	}
	return NULL;
}

static void
call_begin(struct scan_job *j, const struct report_object *o, struct scanner *s,
    const struct verdict_key *key)
{
	struct job_state *st = j->state;
	struct region *r = o->place == REPORT_IN_INPUT ? j->input : st->hold;
	struct engine_call *c = call_find_free(st), *asker;
	int64_t left_ms = st->deadline_ms - clock_now_ms();

	ASSERT(c != NULL);
	*c = (struct engine_call){ .job = j, .scanner = s, .key = *key, .object = o->id,
		.busy = true,
		.call = { .bytes = slice_of(r->ptr + o->offset, o->size), .region_id = r->id,
			.region_fd = r->read_fd, .region_size = r->size, .offset = o->offset,
			.flags = o->flags & REPORT_OPENED,
			.large = o->size > j->pipeline->large_bytes,
			.timeout_ms = (unsigned)MAX_OF(left_ms, (int64_t)1), .done = on_answer } };
	c->call.owner = c;
	st->calls_busy++;
	asker = asking_find(j->pipeline, c);
	if (asker == NULL) {
		call_ask(c);
		return;
	}
	c->next = asker->waiters;
	asker->waiters = c;
}

/* One object, one scanner: known, not possible, or asked. */
static void
pair_ask(struct scan_job *j, const struct report_object *o, uint32_t scanner_index)
{
	struct scanner *s = j->state->scanners->items[scanner_index];
	struct verdict_key key = { .hash = o->hash, .scanner = scanner_index,
		.flags = o->flags & REPORT_OPENED, .version = s->ops->get_version(s) };
	struct scan_answer a = { 0 };
	char name[VERDICT_NAME_SIZE];

	a.verdict = (o->flags & REPORT_HASHED) == 0 ? VERDICT_UNKNOWN :
	    verdict_cache_find(j->pipeline->cache, &key, name);
	if (a.verdict != VERDICT_UNKNOWN) {
		j->cache_hits++;
		a.name = slice_of_str(name);
		job_take_answer(j, o->id, s, &a, true);
		return;
	}
	j->cache_misses++;
	if (o->place == REPORT_NOWHERE || o->size > s->max_object) {
		job_add_unscanned(j, o->id, CAUSE_TOO_BIG, arena_copy(j->arena, slice_of_str(s->name)));
		return;
	}
	call_begin(j, o, s, &key);
}

/* Objects too big to be kept for anybody. */
static bool
object_is_for_scanners(const struct report_object *o)
{
	return o->size > 0 && (o->flags & REPORT_WANTED) != 0;
}

static bool
job_ask_next(struct scan_job *j)
{
	struct job_state *st = j->state;

	while (st->next_object < j->report.object_count) {
		const struct report_object *o = &j->report.objects[st->next_object];
		uint32_t scanner = st->next_scanner++;

		if (scanner >= st->scanners->count || !object_is_for_scanners(o)) {
			st->next_object++;
			st->next_scanner = 0;
			continue;
		}
		if (!st->scanners->items[scanner]->ops->is_there(st->scanners->items[scanner]))
			continue;
		pair_ask(j, o, scanner);
		return true;
	}
	return false;
}

void
job_ask_scanners(struct scan_job *j)
{
	struct job_state *st = j->state;
	bool more = true;

	if (st->engines_us == 0)
		st->engines_us = clock_now_us();
	st->submitting = true;
	while (more && st->engines && st->calls_busy < JOB_CALLS_MAX && (!st->infected || j->full))
		more = job_ask_next(j);
	st->submitting = false;
	if ((!st->infected || j->full) && st->calls_busy > 0)
		return;
	job_remember_infected(j);
	job_finish(j);
}
