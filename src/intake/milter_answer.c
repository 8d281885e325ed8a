/* milter_answer.c: the sink's answer to a mail, as packets. What the MTA did not offer is left
 * out, except a hold that cannot be kept: that becomes a 451, never a delivery. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "intake/milter_codec.h"
#include "intake/milter_session_private.h"

static bool
may(const struct milter_session *s, uint32_t action)
{
	return (s->agreed.actions & action) != 0;
}

/* Higher occurrences first. */
static int
removal_compare(const void *a, const void *b)
{
	const struct intake_header_edit *const *x = a, *const *y = b;

	return (*x)->index > (*y)->index ? -1 : (*x)->index < (*y)->index;
}

/* Sendmail counts fields that were removed before, Postfix does not: from the highest
 * occurrence down both mean the same. Removals come before additions, which would count too. */
static int
put_removals(struct milter_session *s, const struct intake_reply *r)
{
	CLEANUP(mem_free) const struct intake_header_edit **list = NULL;
	size_t count = 0;
	int failed;

	if (!may(s, MILTER_ACT_CHGHDRS) || r->edit_count == 0)
		return 0;
	list = reallocarray(NULL, r->edit_count, sizeof(const struct intake_header_edit *));
	if (list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < r->edit_count; i++) {
		if (r->edits[i].value == NULL)
			list[count++] = &r->edits[i];
	}
	qsort(list, count, sizeof(const struct intake_header_edit *), removal_compare);
	for (size_t i = 0; i < count; i++) {
		failed = milter_put_header_removal(&s->out, list[i]->name, list[i]->index);
		if (failed == -EINVAL)
			log_warn(NULL, "milter: a header cannot be removed under this name");
		else if (failed < 0)
			return failed;
	}
	return 0;
}

static int
put_addition(struct milter_session *s, const struct intake_header_edit *edit, bool insert)
{
	int failed;

	if (edit->value == NULL)
		return 0;
	failed = milter_put_header(&s->out, edit->name, edit->value, insert,
	    (s->agreed.steps & MILTER_STEP_HDR_LEADSPC) != 0);
	if (failed != -EINVAL)
		return failed;
	log_warn(NULL, "milter: a header cannot be added under this name");
	return 0;
}

/* Fields that go to the top are sent last first: the first one of the list ends topmost. */
static int
put_additions(struct milter_session *s, const struct intake_reply *r)
{
	bool insert = s->agreed.version >= 3;
	int failed = 0;

	if (!may(s, MILTER_ACT_ADDHDRS))
		return 0;
	for (size_t i = 0; i < r->edit_count && failed == 0; i++)
		failed = put_addition(s, &r->edits[insert ? r->edit_count - 1 - i : i], insert);
	return failed;
}

static int
put_accept(struct milter_session *s, const struct intake_reply *r)
{
	int failed = put_removals(s, r);

	if (failed == 0)
		failed = put_additions(s, r);
	if (failed == 0 && r->action == INTAKE_HOLD)
		failed = milter_put_quarantine(&s->out, r->hold_reason);
	return failed < 0 ? failed
			  : milter_put_packet(&s->out, MILTER_REPLY_CONTINUE, SLICE_NONE);
}

int
milter_answer_put(struct milter_session *s, const struct intake_reply *r)
{
	switch (r->action) {
	case INTAKE_HOLD:
		if (!may(s, MILTER_ACT_QUARANTINE)) {
			log_warn(NULL,
			    "milter listener=%s: the MTA cannot hold mail: answered with 451",
			    s->base.client.listener);
			return milter_put_reply(&s->out, false, 451, "4.7.1", NULL);
		}
		return put_accept(s, r);
	case INTAKE_ACCEPT:
		return put_accept(s, r);
	case INTAKE_REJECT:
		return milter_put_reply(&s->out, true, r->code, r->enhanced, r->text);
	case INTAKE_DISCARD:
		return milter_put_packet(&s->out, MILTER_REPLY_DISCARD, SLICE_NONE);
	case INTAKE_TEMPFAIL:
		break;
	}
	return milter_put_reply(&s->out, false, r->code, r->enhanced, r->text);
}
