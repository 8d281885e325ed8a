/* smtp_relay.c: the session and its next hop: envelope commands go on as they came, replies
 * come back as they came. */
#include <string.h>

#include "base/log.h"
#include "intake/smtp_reply.h"
#include "intake/smtp_session_private.h"

bool
smtp_relay_is_waiting(const struct smtp_session *s)
{
	return s->is_mail_waiting || s->recipients_waiting > 0 || s->is_data_waiting ||
	       s->finals > 0 || s->is_hello_waiting;
}

static void
say_reply(struct smtp_session *s, const struct smtp_reply *r)
{
	if (buf_append_slice(&s->out, buf_get(&r->text)) < 0)
		smtp_session_fail(s, "replies are not read");
	if (r->code == 421)
		s->is_closing_421 = true;
}

/* After 421 the service is over: for the client too. */
static void
check_closing(struct smtp_session *s)
{
	if (!s->is_closing_421 || smtp_relay_is_waiting(s) || s->state >= SMTP_STATE_DATA)
		return;
	smtp_dialogue_reset(s);
	s->state = SMTP_STATE_QUIT;
}

/* MAIL failed, and nothing about the transaction is outstanding any more. */
static void
check_failed_mail(struct smtp_session *s)
{
	if (s->state == SMTP_STATE_MAIL && !s->is_mail_taken && !smtp_relay_is_waiting(s))
		smtp_dialogue_reset(s);
}

void
smtp_relay_mail(struct smtp_session *s, struct slice line, const struct intake_client *client)
{
	const char *ident = s->xforward.values[SMTP_XATTR_IDENT];

	s->is_closing_421 = false;
	s->hop = next_hop_take(s->place, s->options, client,
	    s->is_lmtp    ? "LMTP"
	    : s->is_esmtp ? "ESMTP"
			  : "SMTP",
	    slice_of_str(ident), &smtp_relay_events, s);
	s->is_mail_waiting = true;
	if (next_hop_command(s->hop, line) < 0) {
		s->is_mail_waiting = false;
		smtp_session_say(s, "451 4.3.0 No memory, try again later");
		smtp_dialogue_reset(s);
	}
}

bool
smtp_relay_recipient(struct smtp_session *s, struct slice line, struct slice address)
{
	size_t len = s->waiting.len;

	if (s->hop == NULL)
		return false;
	if (buf_append_slice(&s->waiting, address) < 0 ||
	    buf_append_byte(&s->waiting, '\0') < 0 || next_hop_command(s->hop, line) < 0) {
		s->waiting.len = len;
		return false;
	}
	s->recipients_waiting++;
	return true;
}

void
smtp_relay_begin_data(struct smtp_session *s)
{
	s->state = SMTP_STATE_RELAY;
	s->is_data_waiting = true;
	if (next_hop_command(s->hop, SLICE_LIT("DATA")) == 0)
		return;
	s->is_data_waiting = false;
	smtp_answer_own(s, 451, "4.3.0 No memory, try again later");
}

static void
on_mail_reply(struct smtp_session *s, const struct smtp_reply *r)
{
	s->is_mail_waiting = false;
	s->is_mail_taken = r->code / 100 == 2;
	say_reply(s, r);
}

static void
on_recipient_reply(struct smtp_session *s, const struct smtp_reply *r)
{
	struct slice all = buf_get(&s->waiting), address;

	address = slice_sub(all, 0, MIN_OF(slice_find_byte(all, '\0', 0), all.len));
	say_reply(s, r);
	if (r->code / 100 == 2 && s->is_mail_taken) {
		s->recipients++;
		smtp_session_get_sink(s)->mail_recipient(s->mail, address);
	} else {
		s->junk++; /* who asks for addresses that are not there is counted too */
	}
	buf_consume(&s->waiting, MIN_OF(address.len + 1, all.len));
	s->recipients_waiting--;
}

/* Its last word is the client's. */
static void
relay_note(struct smtp_session *s, const struct smtp_reply *r)
{
	const struct intake_sink *sink = smtp_session_get_sink(s);

	sink->mail_set_next_hop(s->mail, r->code, smtp_reply_get_line(r, 0));
	sink->mail_set_answer(s->mail, r->code);
}

/* The last word on the mail, for one recipient or all. */
static void
on_final_reply(struct smtp_session *s, const struct smtp_reply *r)
{
	unsigned times = s->is_lmtp && !next_hop_place_is_lmtp(s->place) ? s->recipients : 1;

	for (unsigned i = 0; i < times; i++)
		say_reply(s, r);
	/* Of several recipients' replies the worst goes to the record. */
	if (s->mail != NULL && r->code > s->final_code) {
		s->final_code = r->code;
		relay_note(s, r);
	}
	if (--s->finals > 0)
		return;
	/* The next hop's transaction is over. */
	s->is_mail_taken = false;
	s->is_delivered = true;
	s->state = SMTP_STATE_ANSWER;
	next_hop_release(&s->hop, false);
}

static void
on_data_reply(struct smtp_session *s, const struct smtp_reply *r)
{
	unsigned replies = next_hop_place_is_lmtp(s->place) ? s->recipients : 1;

	s->is_data_waiting = false;
	if (r->code == 354) {
		s->finals = replies;
		s->final_code = 0;
		next_hop_send_mail(s->hop, s->pieces, s->piece_count, replies);
		return;
	}
	if (r->code / 100 < 4) {
		/* Neither "go on" nor a refusal, and the mail was not even sent. */
		next_hop_drop(&s->hop);
		smtp_answer_own(s, 451, "4.5.0 The next server does not speak SMTP");
		return;
	}
	/* It does not want the mail: that is the last word, for every recipient. */
	relay_note(s, r);
	for (unsigned i = 0; i < (s->is_lmtp ? s->recipients : 1); i++)
		say_reply(s, r);
	s->is_delivered = true;
	s->state = SMTP_STATE_ANSWER;
	next_hop_release(&s->hop, true);
	s->is_mail_taken = false;
}

/* Whatever the client still waits for is answered: try again. The mail is the client's. */
static void
tell_failure(struct smtp_session *s, const char *why)
{
	unsigned finals = s->finals;

	log_warn(NULL,
	    "event=next_hop_failed listener=%s next_hop=%s error=\"%s\": the client gets 451 "
	    "and keeps the mail",
	    s->base.client.listener, s->options->next_hop, why);
	next_hop_drop(&s->hop);
	if (s->is_mail_waiting || s->recipients_waiting > 0) {
		unsigned n = s->recipients_waiting + (s->is_mail_waiting ? 1 : 0);

		for (unsigned i = 0; i < n; i++)
			smtp_session_say(
			    s, "451 4.4.1 The next server does not answer, try again later");
		s->is_mail_waiting = false;
		s->recipients_waiting = 0;
		buf_done(&s->waiting);
		check_failed_mail(s);
	} else if (s->state == SMTP_STATE_RELAY) {
		s->is_data_waiting = false;
		s->finals = 0;
		if (finals > 0 && s->is_lmtp && next_hop_place_is_lmtp(s->place)) {
			/* Some recipients have their answer already. */
			for (unsigned i = 0; i < finals; i++)
				smtp_session_say(
				    s, "451 4.4.2 The next server is gone, try again later");
			if (s->mail != NULL && s->final_code < 451)
				smtp_session_get_sink(s)->mail_set_answer(s->mail, 451);
			s->is_delivered = true;
			s->is_mail_taken = false;
			s->state = SMTP_STATE_ANSWER;
		} else {
			smtp_answer_own(
			    s, 451, "4.4.2 The next server is gone, try again later");
		}
	}
	if (!s->is_dead)
		smtp_receive_pending(s);
}

/* Nobody asked for a mail, or it was "taken" before it was there. */
static bool
is_out_of_turn(const struct smtp_session *s, const struct smtp_reply *r)
{
	if (r->code / 100 == 3)
		return !s->is_data_waiting;
	return r->code / 100 == 2 && s->finals > 0 && s->hop != NULL &&
	       !next_hop_mail_is_written(s->hop);
}

static void
on_reply(void *ctx, const struct smtp_reply *r)
{
	struct smtp_session *s = ctx;

	smtp_session_enter(s);
	s->has_moved = true;
	if (is_out_of_turn(s, r)) {
		next_hop_drop(&s->hop);
		tell_failure(s, "it speaks out of turn");
		smtp_session_leave(s, true);
		return;
	}
	if (s->is_mail_waiting)
		on_mail_reply(s, r);
	else if (s->recipients_waiting > 0)
		on_recipient_reply(s, r);
	else if (s->is_data_waiting)
		on_data_reply(s, r);
	else if (s->finals > 0)
		on_final_reply(s, r);
	if (!s->is_dead) {
		check_failed_mail(s);
		check_closing(s);
		smtp_receive_pending(s);
	}
	smtp_session_leave(s, true);
}

static void
on_failed(void *ctx, const char *why)
{
	struct smtp_session *s = ctx;

	smtp_session_enter(s);
	tell_failure(s, why);
	smtp_session_leave(s, true);
}

static void
on_offer(void *ctx)
{
	struct smtp_session *s = ctx;

	smtp_session_enter(s);
	smtp_dialogue_hello(s);
	smtp_receive_pending(s);
	smtp_session_leave(s, true);
}

void
smtp_relay_ask_offer(struct smtp_session *s)
{
	s->is_hello_waiting = true;
	next_hop_place_ask(s->place, s->options, &s->question, on_offer, s);
}

const struct next_hop_events smtp_relay_events = { .reply = on_reply, .failed = on_failed };
