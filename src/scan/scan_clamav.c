/* scan_clamav.c: asks the caged libclamav tree. The engine itself is another program
 * (src/engine_clamav); here is only the protocol to it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macros.h"
#include "proc/wire.h"
#include "scan/report.h"
#include "scan/scanner.h"
#include "scan/worker_pool.h"

#define RUN_SLACK_MS 2000u /* libclamav stops itself first */
#define DAY_S 86400

struct scan_clamav {
	struct scanner base;
	struct worker_pool *pool;
	unsigned timeout_ms, max_age_days;
	uint64_t last_job;
};

struct clamav_call {
	struct pool_request request;
	struct scan_clamav *scanner;
	struct scan_call *call;
	struct buf body;
	uint64_t job;
	int64_t begun_us;
};

static bool
answer_decode(struct clamav_call *c, struct slice body, struct scan_answer *ret_answer)
{
	struct wire_reader r = wire_read(body);
	struct scan_answer a = { 0 };
	uint64_t job = wire_get_u64(&r);

	a.verdict = (enum verdict)wire_get_u8(&r);
	a.cause = (enum cause)wire_get_u8(&r);
	a.cost_us = wire_get_u32(&r);
	a.name = wire_get_slice(&r);
	if (!wire_is_done(&r) || job != c->job || a.verdict > VERDICT_INFECTED ||
	    a.cause >= CAUSE_COUNT)
		return false;
	if (a.verdict == VERDICT_UNKNOWN && a.cause == CAUSE_NONE)
		a.cause = CAUSE_ERROR;
	*ret_answer = a;
	return true;
}

static void
call_free(struct clamav_call *c)
{
	buf_done(&c->body);
	free(c);
}

static bool
is_too_old(const struct scan_clamav *s)
{
	struct pool_status status = worker_pool_get_status(s->pool);

	return s->max_age_days > 0 && status.built > 0 &&
	    clock_wall_s() - (int64_t)status.built > (int64_t)s->max_age_days * DAY_S;
}

static void
on_done(struct pool_request *q, enum pool_result result, struct slice body)
{
	struct clamav_call *c = q->owner;
	struct scan_call *call = c->call;
	struct scan_answer a = scan_answer_unknown(CAUSE_CRASHED);

	if (result == POOL_DONE && !answer_decode(c, body, &a))
		a = scan_answer_unknown(CAUSE_ERROR);
	else if (result == POOL_TIMEOUT)
		a = scan_answer_unknown(CAUSE_TIMEOUT);
	else if (result == POOL_WAITED)
		a = scan_answer_unknown(worker_pool_is_there(c->scanner->pool) ? CAUSE_TIMEOUT :
		    CAUSE_DOWN);
	if (a.verdict == VERDICT_CLEAN && is_too_old(c->scanner))
		a = scan_answer_unknown(CAUSE_SIGNATURES_OLD);
	call->scanner_data = NULL;
	call_free(c);
	call->done(call, &a);
}

static void
clamav_start(struct scanner *base, struct scan_call *call)
{
	struct scan_clamav *s = (struct scan_clamav *)base;
	struct clamav_call *c = mem_new(sizeof(*c));

	c->scanner = s;
	c->call = call;
	c->job = ++s->last_job;
	buf_init(&c->body, 256);
	(void)wire_put_u64(&c->body, c->job);
	(void)wire_put_u32(&c->body, call->region_id);
	(void)wire_put_u64(&c->body, call->region_size);
	(void)wire_put_u64(&c->body, call->offset);
	(void)wire_put_u64(&c->body, call->bytes.len);
	(void)wire_put_u32(&c->body, call->flags);
	c->request = (struct pool_request){ .type = FRAME_SCAN, .body = buf_get(&c->body),
		.fds = { call->region_fd }, .fd_count = 1, .large = call->large,
		.wait_ms = call->timeout_ms,
		.run_ms = MIN_OF(call->timeout_ms, s->timeout_ms + RUN_SLACK_MS), .done = on_done,
		.owner = c };
	call->scanner_data = c;
	worker_pool_submit(s->pool, &c->request);
}

static void
clamav_cancel(struct scanner *base, struct scan_call *call)
{
	struct clamav_call *c = call->scanner_data;

	if (c == NULL)
		return;
	worker_pool_cancel(((struct scan_clamav *)base)->pool, &c->request);
	call->scanner_data = NULL;
	call_free(c);
}

static uint64_t
clamav_get_version(struct scanner *base)
{
	return worker_pool_get_generation(((struct scan_clamav *)base)->pool);
}

static bool
clamav_is_there(struct scanner *base)
{
	return !worker_pool_is_absent(((struct scan_clamav *)base)->pool);
}

static int
clamav_format_status(struct scanner *base, struct buf *out)
{
	struct pool_status st = worker_pool_get_status(((struct scan_clamav *)base)->pool);

	return buf_printf(out, "{\"name\":\"%s\",\"up\":%s,\"workers\":%u,\"busy\":%u,"
	    "\"queued\":%u,\"database\":\"%s\",\"signatures\":%" PRIu64 ",\"built\":%" PRIu64
	    ",\"asked\":%" PRIu64 ",\"clean\":%" PRIu64 ",\"infected\":%" PRIu64
	    ",\"unknown\":%" PRIu64 ",\"died\":%" PRIu64 ",\"timeouts\":%" PRIu64
	    ",\"ms\":%" PRIu64 "}", base->name, st.workers > 0 ? "true" : "false", st.workers,
	    st.busy, st.queued_small + st.queued_large, st.version, st.signatures, st.built,
	    base->asked, base->clean, base->infected, base->unknown, st.died, st.timeouts,
	    base->us / 1000);
}

static void
clamav_free(struct scanner *s)
{
	free(s);
}

static const struct scanner_ops clamav_ops = { clamav_start, clamav_cancel, clamav_get_version,
	clamav_is_there, clamav_format_status, clamav_free };

struct scanner *
scan_clamav_new(struct worker_pool *pool, uint64_t max_object, unsigned timeout_ms,
    unsigned max_age_days)
{
	struct scan_clamav *s = mem_new(sizeof(*s));

	s->base.ops = &clamav_ops;
	memcpy(s->base.name, "clamav", sizeof("clamav"));
	s->base.max_object = max_object;
	s->pool = pool;
	s->timeout_ms = timeout_ms;
	s->max_age_days = max_age_days;
	return &s->base;
}
