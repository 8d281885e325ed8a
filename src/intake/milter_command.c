/* milter_command.c: which command may come when, and what it makes the sink hear. One table
 * row per command. Bytes are milter_receive.c's, arguments milter_codec.c's.
 *
 * The sink hears each mail in one order, whatever the MTA leaves out: begin, recipients,
 * headers, header end (once), body, end. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "intake/milter_codec.h"
#include "intake/milter_session_private.h"

static const struct intake_sink *
sink_of(const struct milter_session *s)
{
	return milter_session_get_sink(s);
}

static void
reply(struct milter_session *s, int failed)
{
	if (failed < 0)
		milter_session_fail(s, "no memory for a reply");
	else
		milter_session_flush(s);
}

static void
on_optneg(struct milter_session *s, uint8_t *data, size_t len)
{
	struct milter_offer offer;
	struct err e;

	if (milter_offer_parse(slice_of(data, len), &offer, &e) < 0) {
		milter_session_fail(s, "%s", e.text);
		return;
	}
	s->agreed = milter_offer_answer(&offer);
	s->state = MILTER_STATE_IDLE;
	if ((s->agreed.actions & MILTER_ACT_CHGHDRS) == 0)
		log_debug(NULL, "milter listener=%s: the MTA lets no header be removed",
		    s->base.client.listener);
	if ((s->agreed.actions & MILTER_ACT_ADDHDRS) == 0)
		log_debug(NULL, "milter listener=%s: the MTA lets no header be added",
		    s->base.client.listener);
	if ((s->agreed.steps & MILTER_STEP_HDR_LEADSPC) == 0)
		log_debug(NULL, "milter listener=%s: the MTA hides blanks before header values",
		    s->base.client.listener);
	reply(s, milter_offer_put(&s->out, &s->agreed));
}

static void
on_macro(struct milter_session *s, uint8_t *data, size_t len)
{
	bool new_queue_id;
	struct err e;

	if (milter_macros_set(&s->macros, slice_of(data, len), &new_queue_id, &e) < 0) {
		milter_session_fail(s, "%s", e.text);
		return;
	}
	/* After RSET Sendmail sends no ABORT: macros for MAIL are the next mail's already. */
	if (new_queue_id && s->mail != NULL && data[0] != MILTER_MAIL)
		sink_of(s)->mail_set_queue_id(
		    s->mail, milter_macros_get(&s->macros, MILTER_MACRO_QUEUE_ID));
}

/* Keeps address when it is one. */
static bool
client_set_address(struct intake_client *c, struct slice address)
{
	uint8_t number[16];
	char text[sizeof(c->address)];

	if (slice_starts_with_nocase(address, SLICE_LIT("IPv6:")))
		address = slice_from(address, 5);
	if (address.len == 0 || address.len >= sizeof(text))
		return false;
	memcpy(text, address.ptr, address.len);
	text[address.len] = '\0';
	if (inet_pton(AF_INET, text, number) != 1 && inet_pton(AF_INET6, text, number) != 1)
		return false;
	return intake_client_set_address(c, address);
}

/* The address in "_": "name [192.0.2.1]", "user@name [IPv6:2001:db8::1] (may be forged)". */
static struct slice
peer_get_address(struct slice peer)
{
	size_t from = slice_find_byte(peer, '[', 0), to;

	if (from == SIZE_MAX)
		return SLICE_NONE;
	to = slice_find_byte(peer, ']', from);
	return to == SIZE_MAX ? SLICE_NONE : slice_sub(peer, from + 1, to - from - 1);
}

static void
on_connect(struct milter_session *s, uint8_t *data, size_t len)
{
	struct intake_client *c = &s->base.client;
	struct milter_connect args;
	struct slice name;
	uint64_t port;
	struct err e;

	if (s->is_connected) {
		milter_session_fail(s, "CONNECT for the second time");
		return;
	}
	if (milter_connect_parse(slice_of(data, len), &args, &e) < 0) {
		milter_session_fail(s, "%s", e.text);
		return;
	}
	s->is_connected = true;
	name = args.name;
	if (slice_eq_str_nocase(name, "unknown") || slice_starts_with(name, SLICE_LIT("[")))
		name = SLICE_NONE;
	intake_client_set(&c->name, name);
	if (args.family == 'L')
		return;
	c->port = args.port;
	if (client_set_address(c, args.address))
		return;
	if (!client_set_address(c, milter_macros_get(&s->macros, MILTER_MACRO_CLIENT_ADDRESS)))
		(void)client_set_address(c,
		    peer_get_address(milter_macros_get(&s->macros, MILTER_MACRO_CLIENT_PEER)));
	if (slice_parse_uint(
		milter_macros_get(&s->macros, MILTER_MACRO_CLIENT_PORT), UINT16_MAX, &port))
		c->port = (uint16_t)port;
}

static void
abort_mail(struct milter_session *s)
{
	milter_session_end_mail(s, false);
}

/* A new greeting ends the mail, as it does in SMTP. Postfix sends its ABORT only afterwards. */
static void
on_helo(struct milter_session *s, uint8_t *data, size_t len)
{
	struct slice rest = slice_of(data, len), name;

	if (milter_string_next(&rest, &name) != 1) {
		milter_session_fail(s, "HELO: the name has no end");
		return;
	}
	abort_mail(s);
	intake_client_set(&s->base.client.helo, name);
}

/* User and TLS of the client, from the macros that are in force now. */
static void
client_set_from_macros(struct milter_session *s)
{
	struct slice version = milter_macros_get(&s->macros, MILTER_MACRO_TLS_VERSION);
	struct slice cipher = milter_macros_get(&s->macros, MILTER_MACRO_TLS_CIPHER);
	char tls[256];
	int n = snprintf(tls, sizeof(tls), "%.*s%s%.*s", (int)MIN_OF(version.len, (size_t)64),
	    version.len == 0 ? "" : (const char *)version.ptr,
	    version.len == 0 || cipher.len == 0 ? "" : " ",
	    (int)MIN_OF(cipher.len, (size_t)128),
	    cipher.len == 0 ? "" : (const char *)cipher.ptr);

	intake_client_set(&s->base.client.tls, slice_of(tls, n < 0 ? 0 : (size_t)n));
	intake_client_set(
	    &s->base.client.user, milter_macros_get(&s->macros, MILTER_MACRO_AUTH_USER));
}

static void
on_mail(struct milter_session *s, uint8_t *data, size_t len)
{
	struct slice sender, args, queue_id;
	struct err e;

	if (milter_address_parse(data, len, &sender, &args, &e) < 0) {
		milter_session_fail(s, "MAIL: %s", e.text);
		return;
	}
	abort_mail(s); /* one mail at a time; the macros are the new one's already */
	if (s->is_dead)
		return;
	client_set_from_macros(s);
	s->state = MILTER_STATE_MAIL;
	s->mail = sink_of(s)->mail_begin(s->base.env->ctx, &s->base, sender, args);
	s->is_refused = s->mail == NULL;
	queue_id = milter_macros_get(&s->macros, MILTER_MACRO_QUEUE_ID);
	if (s->mail != NULL && queue_id.len > 0)
		sink_of(s)->mail_set_queue_id(s->mail, queue_id);
}

static void
on_rcpt(struct milter_session *s, uint8_t *data, size_t len)
{
	struct slice recipient, args;
	struct err e;

	if (milter_address_parse(data, len, &recipient, &args, &e) < 0) {
		milter_session_fail(s, "RCPT: %s", e.text);
		return;
	}
	s->state = MILTER_STATE_RCPT;
	if (s->mail != NULL)
		sink_of(s)->mail_recipient(s->mail, recipient);
}

static void
on_data(struct milter_session *s, uint8_t *data UNUSED, size_t len UNUSED)
{
	s->state = MILTER_STATE_DATA;
}

static void
on_header(struct milter_session *s, uint8_t *data, size_t len)
{
	struct slice name, value;
	struct err e;

	if (milter_field_parse(slice_of(data, len), &name, &value, &e) < 0) {
		milter_session_fail(s, "%s", e.text);
		return;
	}
	s->state = MILTER_STATE_HEADER;
	if (s->mail != NULL)
		sink_of(s)->mail_header(
		    s->mail, name, value, (s->agreed.steps & MILTER_STEP_HDR_LEADSPC) != 0);
}

static void
on_eoh(struct milter_session *s, uint8_t *data UNUSED, size_t len UNUSED)
{
	s->state = MILTER_STATE_EOH;
	if (s->mail != NULL)
		sink_of(s)->mail_header_end(s->mail);
}

static void
on_abort(struct milter_session *s, uint8_t *data UNUSED, size_t len UNUSED)
{
	abort_mail(s);
	milter_macros_clear(&s->macros, MILTER_STAGE_MAIL);
}

static void
on_quit(struct milter_session *s, uint8_t *data UNUSED, size_t len UNUSED)
{
	s->is_dead = true;
}

/* The MTA keeps the connection for its next client; what was agreed on stays. */
static void
on_quit_nc(struct milter_session *s, uint8_t *data UNUSED, size_t len UNUSED)
{
	abort_mail(s);
	milter_macros_done(&s->macros);
	intake_client_done(&s->base.client);
	s->is_connected = false;
}

static void
on_unknown(struct milter_session *s UNUSED, uint8_t *data UNUSED, size_t len UNUSED)
{
}

/* First and last state in which a command may come. step: the flag that spares its reply; 0:
 * it never has one. */
static const struct {
	uint8_t command;
	void (*run)(struct milter_session *s, uint8_t *data, size_t len);
	enum milter_state from, to;
	uint32_t step;
} rows[] = {
	{ MILTER_OPTNEG, on_optneg, MILTER_STATE_OPTNEG, MILTER_STATE_OPTNEG, 0 },
	{ MILTER_MACRO, on_macro, MILTER_STATE_IDLE, MILTER_STATE_BODY, 0 },
	{ MILTER_CONNECT, on_connect, MILTER_STATE_IDLE, MILTER_STATE_IDLE,
	    MILTER_STEP_NR_CONN },
	{ MILTER_HELO, on_helo, MILTER_STATE_IDLE, MILTER_STATE_BODY, MILTER_STEP_NR_HELO },
	{ MILTER_MAIL, on_mail, MILTER_STATE_IDLE, MILTER_STATE_BODY, MILTER_STEP_NR_MAIL },
	{ MILTER_RCPT, on_rcpt, MILTER_STATE_MAIL, MILTER_STATE_RCPT, MILTER_STEP_NR_RCPT },
	{ MILTER_DATA, on_data, MILTER_STATE_MAIL, MILTER_STATE_RCPT, MILTER_STEP_NR_DATA },
	{ MILTER_HEADER, on_header, MILTER_STATE_MAIL, MILTER_STATE_HEADER,
	    MILTER_STEP_NR_HDR },
	{ MILTER_EOH, on_eoh, MILTER_STATE_MAIL, MILTER_STATE_HEADER, MILTER_STEP_NR_EOH },
	{ MILTER_BODY, NULL, MILTER_STATE_MAIL, MILTER_STATE_BODY, MILTER_STEP_NR_BODY },
	{ MILTER_BODYEOB, NULL, MILTER_STATE_MAIL, MILTER_STATE_BODY, 0 },
	{ MILTER_ABORT, on_abort, MILTER_STATE_OPTNEG, MILTER_STATE_BODY, 0 },
	{ MILTER_QUIT, on_quit, MILTER_STATE_OPTNEG, MILTER_STATE_BODY, 0 },
	{ MILTER_QUIT_NC, on_quit_nc, MILTER_STATE_IDLE, MILTER_STATE_BODY, 0 },
	{ MILTER_UNKNOWN, on_unknown, MILTER_STATE_IDLE, MILTER_STATE_BODY,
	    MILTER_STEP_NR_UNKN },
};

/* The row of a command that may come now, or the end of the session. */
static size_t
row_find(struct milter_session *s, uint8_t command)
{
	static const char *const places[] = { "before the negotiation", "outside a mail",
		"after MAIL", "after RCPT", "after DATA", "after a header field",
		"after the header", "after the body began" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].command == command && s->state >= rows[i].from &&
		    s->state <= rows[i].to)
			return i;
	}
	ASSERT((size_t)s->state < ARRAY_LEN(places));
	milter_session_fail(
	    s, "%s out of order: %s", milter_command_name(command), places[s->state]);
	return SIZE_MAX;
}

static int
put_refusal(struct milter_session *s)
{
	return milter_put_reply(
	    &s->out, false, 451, "4.3.2", "Too many mails at once, please try again later");
}

static void
reply_when_due(struct milter_session *s, uint32_t step)
{
	if (s->is_dead || step == 0 || (s->agreed.steps & step) != 0)
		return;
	if (s->is_refused)
		reply(s, put_refusal(s));
	else
		reply(s, milter_put_packet(&s->out, MILTER_REPLY_CONTINUE, SLICE_NONE));
}

void
milter_command_run(struct milter_session *s, uint8_t command, uint8_t *data, size_t len)
{
	size_t row = row_find(s, command);

	if (row == SIZE_MAX)
		return;
	rows[row].run(s, data, len);
	reply_when_due(s, rows[row].step);
}

void
milter_command_begin_body(struct milter_session *s, uint8_t command)
{
	if (row_find(s, command) == SIZE_MAX)
		return;
	s->body_command = command;
	if (s->state < MILTER_STATE_EOH)
		on_eoh(s, NULL, 0);
	s->state = MILTER_STATE_BODY;
}

void
milter_command_end_body(struct milter_session *s)
{
	uint8_t command = s->body_command;

	s->body_command = 0;
	if (command == MILTER_BODY) {
		reply_when_due(s, MILTER_STEP_NR_BODY);
		return;
	}
	if (s->mail == NULL) {
		int failed = put_refusal(s);

		milter_macros_clear(&s->macros, MILTER_STAGE_MAIL);
		abort_mail(s);
		reply(s, failed);
		return;
	}
	s->state = MILTER_STATE_SINK;
	s->peer_spoke = false;
	sink_of(s)->mail_end(s->mail); /* may answer before it returns */
}
