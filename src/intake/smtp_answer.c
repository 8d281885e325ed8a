/* smtp_answer.c: what the sink decided about a mail, said to the client or carried out. */
#include <stdio.h>
#include <string.h>

#include "intake/smtp_session_private.h"

void
smtp_answer_own(struct smtp_session *s, unsigned code, const char *text)
{
	unsigned times = s->is_lmtp ? s->recipients : 1;

	for (unsigned i = 0; i < times; i++)
		smtp_session_say(s, "%u %s", code, text);
	if (s->mail != NULL)
		smtp_session_get_sink(s)->mail_set_answer(s->mail, code);
	s->is_delivered = s->state >= SMTP_STATE_SINK; /* else nothing was decided yet */
	s->state = SMTP_STATE_ANSWER;
	next_hop_release(&s->hop, s->is_mail_taken);
	s->is_mail_taken = false;
}

static void
answer_decided(struct smtp_session *s, unsigned code, const char *enhanced, const char *text)
{
	char line[480];

	snprintf(
	    line, sizeof(line), "%s%s%.400s", enhanced, enhanced[0] == '\0' ? "" : " ", text);
	smtp_answer_own(s, code, line);
}

void
smtp_answer_finish(struct smtp_session *s, const struct intake_reply *r)
{
	switch (r->action) {
	case INTAKE_ACCEPT:
		if (r->pieces == NULL && r->is_too_big) {
			answer_decided(s, 552, "5.3.4", "The mail is too big");
		} else if (r->pieces == NULL) {
			answer_decided(
			    s, 451, "4.3.0", "The mail could not be kept, try again later");
		} else if (s->hop == NULL) {
			answer_decided(
			    s, 451, "4.4.2", "The next server is gone, try again later");
		} else {
			s->pieces = r->pieces;
			s->piece_count = r->piece_count;
			smtp_relay_begin_data(s);
		}
		return;
	case INTAKE_REJECT:
		answer_decided(s, r->code / 100 == 5 ? r->code : 550, r->enhanced, r->text);
		return;
	case INTAKE_DISCARD:
		answer_decided(s, 250, "2.0.0", "Ok");
		return;
	case INTAKE_HOLD: /* SMTP has no word for it: the client keeps the mail */
		answer_decided(s, 451, "4.7.1", "The mail is held up, try again later");
		return;
	case INTAKE_TEMPFAIL:
		break;
	}
	answer_decided(s, r->code / 100 == 4 ? r->code : 451,
	    r->enhanced != NULL && r->enhanced[0] == '4' ? r->enhanced : "4.7.1",
	    r->text != NULL ? r->text : "Try again later");
}
