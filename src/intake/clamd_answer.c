/* clamd_answer.c: what a clamd session says. The texts are clamd's, to the byte, wherever there
 * is one for the case: programs compare them. */
#include <inttypes.h>
#include <string.h>

#include "intake/clamd_session_private.h"

/* The version of clamd whose protocol this is. */
#define CLAMD_LIKE "1.4"
/* Of one name or cause that is told. */
#define TEXT_MAX_BYTES 512u

/* Text of a stranger's making: no byte of it may end the line. Paths keep all else, so that the
 * client finds the file. */
static int
put_path(struct buf *out, struct slice path, char end)
{
	int failed = buf_reserve(out, path.len);

	for (size_t i = 0; i < path.len && failed == 0; i++)
		failed = buf_append_byte(out, path.ptr[i] == (uint8_t)end ? '?' : path.ptr[i]);
	return failed;
}

static int
put_text(struct buf *out, struct slice text)
{
	int failed = 0;

	text = slice_sub(text, 0, TEXT_MAX_BYTES);
	for (size_t i = 0; i < text.len && failed == 0; i++) {
		bool is_plain = text.ptr[i] >= ' ' && text.ptr[i] != 0x7f;

		failed = buf_append_byte(out, is_plain ? text.ptr[i] : '?');
	}
	return failed;
}

static void
check(struct clamd_session *s, int failed)
{
	if (failed != 0)
		clamd_session_lose(s);
}

void
clamd_answer_line(struct clamd_session *s, unsigned id, char end, const struct slice *path,
    struct slice text, const char *more)
{
	struct buf *out = &s->out;
	int failed = id == 0 ? 0 : buf_printf(out, "%u: ", id);

	if (path != NULL)
		failed |= put_path(out, *path, end) | buf_append_str(out, ": ");
	failed |= put_text(out, text) | buf_append_str(out, more) |
		  buf_append_byte(out, (uint8_t)end);
	check(s, failed);
}

void
clamd_answer_text(struct clamd_session *s, const char *text)
{
	clamd_answer_line(s, s->id, s->end, NULL, slice_of_str(text), "");
}

static void
answer_found(struct clamd_scan *scan, const struct intake_reply *r, const char *fallback)
{
	const struct clamd_request *q = scan->request;
	struct slice path = buf_get(&scan->name);
	size_t count = q->verb == CLAMD_VERB_ALLMATCHSCAN ? r->name_count : 1;

	q->session->has_moved = true;
	scan->request->infected++;
	for (size_t i = 0; i < MAX_OF(count, (size_t)1); i++)
		clamd_answer_line(q->session, q->id, q->end, &path,
		    r->name_count == 0 ? slice_of_str(fallback) : r->names[i], " FOUND");
}

/* Found is found, whatever the policy does with mail. Not looked at is never OK, unless the
 * policy lets such a thing pass: then the client is told that it may. */
void
clamd_answer_scan(struct clamd_scan *scan, const struct intake_reply *r)
{
	struct clamd_request *q = scan->request;
	struct slice path = buf_get(&scan->name);
	bool is_accepted = r->action == INTAKE_ACCEPT;

	switch (r->verdict) {
	case INTAKE_INFECTED:
		answer_found(scan, r, "Unnamed");
		return;
	case INTAKE_BANNED:
		if (!is_accepted && r->action != INTAKE_TEMPFAIL) {
			answer_found(scan, r, "Heuristics.Ambiguous");
			return;
		}
		break;
	case INTAKE_CLEAN:
		/* Clean and still no: there was no memory for the answer. */
	case INTAKE_UNSCANNED:
		break;
	}
	if (!is_accepted) {
		q->errors++;
		clamd_answer_line(q->session, q->id, q->end, &path,
		    slice_of_str(r->reason == NULL || r->verdict == INTAKE_CLEAN ? "unscanned"
										 : r->reason),
		    " ERROR");
	} else if (q->walk == NULL) {
		clamd_answer_line(q->session, q->id, q->end, &path, SLICE_LIT("OK"), "");
	}
}

/* "ClamAV 1.4 (Cordon 0.1.0)/SIGNATURES/DATE": programs look for the first word, for the first
 * number, and for the parts between slashes. Without signatures clamd names none either. */
static int
put_version(struct clamd_session *s)
{
	CLEANUP(buf_done) struct buf text;
	struct slice all, name, rest;

	buf_init(&text, TEXT_MAX_BYTES);
	if (s->base.env->get_version != NULL)
		s->base.env->get_version(s->base.env->ctx, &text);
	all = buf_get(&text);
	name = slice_sub(all, 0, slice_find_byte(all, '/', 0));
	rest = slice_from(all, name.len);
	if (name.len == 0)
		name = SLICE_LIT("Cordon");
	if (slice_starts_with(rest, SLICE_LIT("/0/")))
		rest = SLICE_NONE;
	return buf_append_str(&s->out, "ClamAV " CLAMD_LIKE " (") | put_text(&s->out, name) |
	       buf_append_byte(&s->out, ')') | put_text(&s->out, rest);
}

static int
put_id(struct clamd_session *s)
{
	return s->id == 0 ? 0 : buf_printf(&s->out, "%u: ", s->id);
}

void
clamd_answer_version(struct clamd_session *s)
{
	int failed = put_id(s);

	check(s, failed | put_version(s) | buf_append_byte(&s->out, (uint8_t)s->end));
}

void
clamd_answer_commands(struct clamd_session *s)
{
	const char *name;
	int failed = put_id(s);

	failed |= put_version(s) | buf_append_str(&s->out, "| COMMANDS:");
	for (size_t i = 0; (name = clamd_command_get_name(i)) != NULL; i++)
		failed |= buf_append_byte(&s->out, ' ') | buf_append_str(&s->out, name);
	check(s, failed | buf_append_byte(&s->out, (uint8_t)s->end));
}

/* Our processes as its threads, the memory of files in flight as its pools of signatures. */
void
clamd_answer_stats(struct clamd_session *s)
{
	struct intake_load load = { 0 };
	int failed = put_id(s);

	if (s->base.env->get_load != NULL)
		s->base.env->get_load(s->base.env->ctx, &load);
	failed |= buf_printf(&s->out,
	    "POOLS: 1\n\nSTATE: VALID PRIMARY\n"
	    "THREADS: live %u  idle %u max %u idle-timeout %u\n"
	    "QUEUE: %u items\n\tSTATS 0.000000 \n\n"
	    "MEMSTATS: heap N/A mmap N/A used N/A free N/A releasable N/A pools 1 "
	    "pools_used %.3fM pools_total %.3fM\nEND",
	    load.workers, load.workers - MIN_OF(load.busy, load.workers), load.workers,
	    s->idle_ms / 1000, load.queued, (double)load.memory_used / (1 << 20),
	    (double)load.memory_budget / (1 << 20));
	check(s, failed | buf_append_byte(&s->out, (uint8_t)s->end));
}
