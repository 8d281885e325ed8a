/* reply.c: see reply.h. */
#include "act/reply.h"

#include "act/rewrite.h"

#include "base/arena.h"
#include "base/macros.h"
#include "decide/ambiguity_results.h"
#include "decide/evidence.h"
#include "message/message.h"

#define NAMES_MAX 100u

static const enum intake_action actions[] = {
	[ACTION_TEMPFAIL] = INTAKE_TEMPFAIL,
	[ACTION_REJECT] = INTAKE_REJECT,
	[ACTION_HOLD] = INTAKE_HOLD,
	[ACTION_DISCARD] = INTAKE_DISCARD,
	[ACTION_ACCEPT] = INTAKE_ACCEPT,
};

static const enum intake_verdict verdicts[] = {
	[MAIL_UNSCANNED] = INTAKE_UNSCANNED,
	[MAIL_CLEAN] = INTAKE_CLEAN,
	[MAIL_INFECTED] = INTAKE_INFECTED,
	[MAIL_BANNED] = INTAKE_BANNED,
};

static void
edits_make(const struct config *c, const struct decision *d, struct message *m,
    struct intake_reply *r)
{
	/* MIME-Ambiguity-Results goes even when we add none: it would pass for ours (RFC 8601
	 * section 5 says so of the field that it is modelled on). */
	const char *names[] = { c->policy.header_name, c->policy.header_unscanned_name,
		AMBIGUITY_RESULTS_NAME };
	unsigned forged[ARRAY_LEN(names)] = { 0 };
	struct intake_header_edit *edits;
	size_t total = 0, n = 0;

	for (size_t i = 0; i < ARRAY_LEN(names) && d->remove_forged; i++) {
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = slice_eq_str_nocase(slice_of_str(names[i]), names[k]);
		if (!seen)
			forged[i] = message_count_header(m, slice_of_str(names[i]));
		total += forged[i];
	}
	edits = arena_alloc(m->arena, (total + d->header_count + 1) * sizeof(*edits));
	if (edits == NULL) {
		r->action = INTAKE_TEMPFAIL; /* it must not pass with a forged header */
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		for (unsigned k = forged[i]; k > 0; k--)
			edits[n++] = (struct intake_header_edit){ .name = names[i], .index = k };
	}
	for (unsigned i = 0; i < d->header_count; i++)
		edits[n++] = (struct intake_header_edit){ .name = d->headers[i].name,
			.value = d->headers[i].value };
	r->edits = edits;
	r->edit_count = n;
}

/* The distinct names of what was found. */
static void
names_make(const struct evidence *ev, struct message *m, struct intake_reply *r)
{
	struct slice *names = ev->finding_count == 0 ? NULL :
	    arena_alloc(m->arena, MIN_OF(ev->finding_count, NAMES_MAX) * sizeof(*names));
	size_t n = 0;

	for (uint32_t i = 0; names != NULL && i < ev->finding_count && n < NAMES_MAX; i++) {
		bool seen = false;

		for (size_t k = 0; k < n && !seen; k++)
			seen = slice_eq(names[k], ev->findings[i].name);
		if (!seen)
			names[n++] = ev->findings[i].name;
	}
	r->names = names;
	r->name_count = n;
}

void
reply_make(const struct config *c, const struct decision *d, const struct evidence *ev,
    struct message *m, struct intake_reply *ret_reply)
{
	*ret_reply = (struct intake_reply){ .action = actions[d->action], .code = d->code,
		.enhanced = d->enhanced, .text = d->text, .hold_reason = d->reason, .id = m->id,
		.is_too_big = (m->flags & MESSAGE_TOO_BIG) != 0, .verdict = verdicts[d->verdict], .reason = d->reason };
	if (ev != NULL)
		names_make(ev, m, ret_reply);
	if (d->action == ACTION_ACCEPT || d->action == ACTION_HOLD)
		edits_make(c, d, m, ret_reply);
	if ((ret_reply->action == INTAKE_ACCEPT || ret_reply->action == INTAKE_HOLD) &&
	    m->is_whole &&
	    rewrite_make(m, ret_reply->edits, ret_reply->edit_count, &ret_reply->pieces,
		&ret_reply->piece_count) < 0)
		ret_reply->action = INTAKE_TEMPFAIL;
	if (ret_reply->action == INTAKE_TEMPFAIL && ret_reply->code != 451) {
		ret_reply->code = 451;
		ret_reply->enhanced = "4.3.0";
		ret_reply->text = "Out of memory, try again later";
	}
}
