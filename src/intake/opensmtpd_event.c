/* opensmtpd_event.c: what lines mean: which report makes which call of the sink, and what
 * filter requests are answered with.
 *
 * smtpd sends reports and data-lines through different channels before it puts them on our
 * stream, so lines of a mail may come behind the report that its client is gone. They fit no
 * mail then and are dropped. So are those of a mail whose beginning another process of ours
 * saw. Nothing that was not scanned here from its first line to its last gets "proceed". */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "intake/opensmtpd_line.h"
#include "intake/opensmtpd_session_private.h"

#define ANSWER_CUT "reject|550 5.6.0 Message has a line that is too long to be filtered"

static void
put_data_end(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	size_t before = s->out.len;

	opensmtpd_session_put(s, before, opensmtpd_put_data_end(&s->out, l->id, l->token));
}

static void
put_result(struct opensmtpd_session *s, const struct opensmtpd_line *l, const char *answer)
{
	size_t before = s->out.len;

	opensmtpd_session_put(
	    s, before, opensmtpd_put_result(&s->out, l->id, l->token, answer));
}

static void
on_link_connect(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_add(s, l->id);
	struct slice rest = l->parameters, name, address;
	uint16_t port;

	if (c == NULL)
		return;
	name = opensmtpd_field_take(&rest);
	(void)opensmtpd_field_take(&rest); /* whether name and address agree */
	if (!slice_eq_str(name, "<unknown>"))
		intake_client_set(&c->base.client.name, name);
	if (opensmtpd_address_parse(opensmtpd_field_take(&rest), &address, &port) &&
	    intake_client_set_address(&c->base.client, address))
		c->base.client.port = port;
}

static void
on_link_disconnect(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_find(s, l->id);

	if (c != NULL)
		opensmtpd_client_remove(c);
}

static void
on_link_identify(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_find(s, l->id);
	struct slice rest = l->parameters;

	(void)opensmtpd_field_take(&rest); /* HELO or EHLO */
	if (c != NULL)
		intake_client_set(&c->base.client.helo, rest);
}

/* "TLSv1.3:TLS_AES_256_GCM_SHA384:256" */
static void
on_link_tls(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_find(s, l->id);
	size_t colon = slice_find_byte(l->parameters, ':', 0), end;
	char text[256];

	if (c == NULL)
		return;
	end = colon == SIZE_MAX ? SIZE_MAX : slice_find_byte(l->parameters, ':', colon + 1);
	if (end == SIZE_MAX || end >= sizeof(text)) {
		intake_client_set(&c->base.client.tls, l->parameters);
		return;
	}
	memcpy(text, l->parameters.ptr, end);
	text[colon] = ' ';
	intake_client_set(&c->base.client.tls, slice_of(text, end));
}

static void
on_link_auth(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_find(s, l->id);
	struct slice user;

	if (c != NULL && opensmtpd_auth_parse(l, &user))
		intake_client_set(&c->base.client.user, user);
}

static void
on_tx_mail(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_find(s, l->id);
	struct slice rest = l->parameters, sender;

	if (!opensmtpd_envelope_parse(l, &sender))
		return;
	if (c ==
	    NULL) /* it came before this connection began: its mail is scanned all the same */
		c = opensmtpd_client_add(s, l->id);
	if (c != NULL)
		opensmtpd_client_begin_mail(c, sender, opensmtpd_field_take(&rest));
}

static void
on_tx_rcpt(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_find(s, l->id);
	struct slice recipient;

	if (c != NULL && c->mail != NULL && c->state == OPENSMTPD_MAIL &&
	    opensmtpd_envelope_parse(l, &recipient))
		c->base.env->sink->mail_recipient(c->mail, recipient);
}

static void
on_tx_end(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_find(s, l->id);

	if (c != NULL)
		opensmtpd_client_end_mail(c, false);
}

static bool
on_data_line(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_find(s, l->id);
	struct slice line = l->parameters;
	bool is_last = slice_eq_str(line, ".");

	if (c == NULL || c->state == OPENSMTPD_NO_MAIL || c->state == OPENSMTPD_ANSWERED) {
		if (is_last)
			put_data_end(s, l);
		return true;
	}
	if (c->state != OPENSMTPD_MAIL) {
		opensmtpd_session_fail(s, "a line behind the end of a mail");
		return true;
	}
	if (!is_last)
		return opensmtpd_client_take_line(
		    c, slice_from(line, line.len > 0 && line.ptr[0] == '.'));
	c->token = l->token;
	opensmtpd_client_end_lines(c);
	return true;
}

static void
warn_cut(struct opensmtpd_session *s)
{
	if (s->has_warned_cut)
		return;
	s->has_warned_cut = true;
	log_warn(NULL,
	    "opensmtpd listener=%s: this smtpd cuts lines of a mail above %zu bytes when "
	    "they went through a filter: mails with such lines are refused with 550",
	    s->base.client.listener, s->line_limit);
}

static void
on_commit(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	struct opensmtpd_client *c = opensmtpd_client_find(s, l->id);

	if (c == NULL || c->state <= OPENSMTPD_MAIL || c->state == OPENSMTPD_ANSWERED) {
		if (c != NULL)
			opensmtpd_client_end_mail(c, false);
		put_result(s, l, OPENSMTPD_NOT_SEEN);
		return;
	}
	if (c->state != OPENSMTPD_GIVEN) {
		opensmtpd_session_fail(
		    s, "an answer was asked for before the mail was given back");
		return;
	}
	if (c->is_cut) {
		warn_cut(s);
		c->is_overruled = true;
	}
	put_result(s, l, c->is_cut ? ANSWER_CUT : c->answer);
	c->state = OPENSMTPD_ANSWERED;
	c->answer_end = s->put_bytes;
	opensmtpd_list_add(&s->answered, c);
}

static const struct {
	const char *name;
	void (*run)(struct opensmtpd_session *s, const struct opensmtpd_line *l);
} reports[] = {
	{ "link-connect", on_link_connect },
	{ "link-disconnect", on_link_disconnect },
	{ "link-identify", on_link_identify },
	{ "link-tls", on_link_tls },
	{ "link-auth", on_link_auth },
	{ "tx-mail", on_tx_mail },
	{ "tx-rcpt", on_tx_rcpt },
	{ "tx-reset", on_tx_end },
	{ "tx-rollback", on_tx_end },
};

static void
on_ready(struct opensmtpd_session *s)
{
	size_t before = s->out.len;

	if (s->has_subsystems && !s->has_smtp_in) {
		opensmtpd_session_fail(s, "smtpd uses the filter for no listener: put `filter` "
					  "behind `listen on` in smtpd.conf");
		return;
	}
	opensmtpd_session_put(s, before, opensmtpd_put_registration(&s->out));
	s->is_ready = true;
}

static void
on_config(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	uint64_t seconds;

	if (s->is_ready) {
		opensmtpd_session_fail(s, "configuration after its end");
	} else if (slice_eq_str(l->name, "ready")) {
		on_ready(s);
	} else if (slice_eq_str(l->name, "smtpd-version")) {
		s->line_limit = opensmtpd_get_line_limit(l->parameters);
	} else if (slice_eq_str(l->name, "subsystem")) {
		s->has_subsystems = true;
		s->has_smtp_in |= slice_eq_str(l->parameters, "smtp-in");
	} else if (slice_eq_str(l->name, "smtp-session-timeout") &&
		   slice_parse_uint(l->parameters, 86400, &seconds) &&
		   s->message_timeout_ms >= seconds * 1000) {
		log_warn(NULL,
		    "opensmtpd listener=%s: smtpd ends a session after %" PRIu64
		    " s, before message_timeout_ms (%u) is over: make that shorter",
		    s->base.client.listener, seconds, s->message_timeout_ms);
	}
}

static void
on_report(struct opensmtpd_session *s, const struct opensmtpd_line *l)
{
	for (size_t i = 0; i < ARRAY_LEN(reports); i++) {
		if (slice_eq_str(l->name, reports[i].name)) {
			reports[i].run(s, l);
			return;
		}
	}
}

bool
opensmtpd_event_run(struct opensmtpd_session *s, struct slice line)
{
	struct opensmtpd_line l;
	struct err e;

	if (opensmtpd_line_parse(line, &l, &e) < 0) {
		opensmtpd_session_fail(s, "%s", e.text);
	} else if (l.kind == OPENSMTPD_CONFIG) {
		on_config(s, &l);
	} else if (!s->is_ready) {
		opensmtpd_session_fail(s, "an event before config|ready");
	} else if (l.kind == OPENSMTPD_REPORT) {
		on_report(s, &l);
	} else if (l.kind == OPENSMTPD_FILTER && slice_eq_str(l.name, "data-line")) {
		return on_data_line(s, &l);
	} else if (l.kind == OPENSMTPD_FILTER && slice_eq_str(l.name, "commit")) {
		on_commit(s, &l);
	} else if (l.kind == OPENSMTPD_FILTER) {
		opensmtpd_session_fail(s, "a request that was not registered for");
	}
	return true;
}
