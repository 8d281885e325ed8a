/* smtp_dialogue.c: what a command means, and when it may come. MAIL and RCPT go on to the next
 * hop, whose replies are the client's; everything else is answered here. A reply of ours never
 * overtakes one of the next hop: the command waits for those. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "intake/smtp_command.h"
#include "intake/smtp_session_private.h"

/* Recipients sent on and not answered: there is room for the longest lines of so many, and no
 * refusal of ours comes between the replies. */
#define UNDER_WAY_MAX 500u

static void
junk_count(struct smtp_session *s)
{
	if (++s->junk > s->options->junk_commands)
		smtp_session_quit(s, "4.7.0 Too many commands without a mail");
}

/* A refusal of ours. */
static void PRINTF_LIKE(2, 3) refuse(struct smtp_session *s, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	smtp_session_say(s, "%s", text);
	junk_count(s);
}

void
smtp_dialogue_reset(struct smtp_session *s)
{
	smtp_session_close_mail(s, false);
	next_hop_release(&s->hop, s->is_mail_taken || s->is_mail_waiting);
	if (s->state > SMTP_STATE_IDLE && s->state < SMTP_STATE_QUIT)
		s->state = SMTP_STATE_IDLE;
	s->recipients = s->recipients_waiting = s->finals = 0;
	s->is_mail_taken = s->is_mail_waiting = s->is_data_waiting = s->is_delivered = false;
	s->decoder = (struct smtp_dot_decoder){ 0 };
	s->chunk_left = 0;
	s->mail_due_ms = 0;
	s->is_chunk_last = s->is_chunk_ignored = false;
	buf_done(&s->waiting);
}

static uint64_t
get_size_limit(const struct smtp_session *s)
{
	struct next_hop_offer o = next_hop_place_get_offer(s->place);
	uint64_t own = s->config->max_message_size;

	return o.size_bytes > 0 && o.size_bytes < own ? o.size_bytes : own;
}

void
smtp_dialogue_hello(struct smtp_session *s)
{
	struct next_hop_offer o = next_hop_place_get_offer(s->place);

	s->is_hello_waiting = false;
	if (!o.is_known)
		o.can = NEXT_HOP_8BITMIME; /* it is down: MAIL will say so */
	smtp_session_say(s, "250-%s", s->base.env->hostname);
	smtp_session_say(s, "250-PIPELINING");
	smtp_session_say(s, "250-SIZE %" PRIu64, get_size_limit(s));
	if (s->tls != NULL && !stream_is_tls(s->stream))
		smtp_session_say(s, "250-STARTTLS");
	if ((o.can & NEXT_HOP_8BITMIME) != 0)
		smtp_session_say(s, "250-8BITMIME");
	if ((o.can & NEXT_HOP_SMTPUTF8) != 0)
		smtp_session_say(s, "250-SMTPUTF8");
	if ((o.can & NEXT_HOP_DSN) != 0)
		smtp_session_say(s, "250-DSN");
	if ((o.can & NEXT_HOP_ENHANCED) != 0)
		smtp_session_say(s, "250-ENHANCEDSTATUSCODES");
	if (s->is_trusted) {
		smtp_session_say(s, "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE");
		smtp_session_say(
		    s, "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
	}
	smtp_session_say(s, "250 CHUNKING");
}

static void
tls_refresh(struct smtp_session *s)
{
	struct tls_context *t = smtp_tls_get_server(s->options);

	tls_context_unref(&s->tls);
	if (t != NULL)
		s->tls = tls_context_ref(t);
}

static void
on_hello(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	(void)line;
	if (s->is_lmtp != (c->verb == SMTP_VERB_LHLO)) {
		refuse(s, s->is_lmtp ? "500 5.5.1 This is LMTP, say LHLO"
				     : "500 5.5.1 This is SMTP, say EHLO");
		return;
	}
	if (c->args.len == 0) {
		refuse(s, "501 5.5.4 Say who you are");
		return;
	}
	smtp_dialogue_reset(s);
	s->state = SMTP_STATE_IDLE;
	s->is_esmtp = c->verb != SMTP_VERB_HELO;
	intake_client_set(&s->base.client.helo, c->args);
	junk_count(s);
	if (s->state == SMTP_STATE_QUIT)
		return;
	if (!s->is_esmtp) {
		smtp_session_say(s, "250 %s", s->base.env->hostname);
		return;
	}
	tls_refresh(s);
	if (next_hop_place_get_offer(s->place).is_known) {
		smtp_dialogue_hello(s);
		return;
	}
	smtp_relay_ask_offer(s);
}

/* What of MAIL's parameters concerns us. False: refused. */
static bool
mail_check_params(struct smtp_session *s, struct slice params)
{
	struct slice name, value;
	uint64_t size;
	int r;

	while ((r = smtp_param_next(&params, &name, &value)) == 1) {
		if (slice_eq_str_nocase(name, "SIZE") &&
		    (!slice_parse_uint(value, UINT64_MAX, &size) || size > get_size_limit(s))) {
			refuse(s, "552 5.3.4 The mail is too big");
			return false;
		}
		if (slice_eq_str_nocase(name, "BODY") &&
		    slice_eq_str_nocase(value, "BINARYMIME")) {
			refuse(s, "555 5.6.1 BINARYMIME is not offered");
			return false;
		}
	}
	if (r < 0)
		refuse(s, "501 5.5.4 Bad parameters");
	return r == 0;
}

/* XFORWARD tells who the client of this one mail is. */
static void
mail_begin(struct smtp_session *s, struct slice line, const struct smtp_path *path)
{
	const struct intake_sink *sink = smtp_session_get_sink(s);
	struct intake_client own = s->base.client, *c = &s->base.client;

	if (s->xforward.given != 0) {
		*c = (struct intake_client){ .port = own.port, .listener = own.listener };
		memcpy(c->address, own.address, sizeof(c->address));
		intake_client_set(&c->name, slice_of_str(own.name));
		intake_client_set(&c->helo, slice_of_str(own.helo));
		intake_client_set(&c->user, slice_of_str(own.user));
		intake_client_set(&c->tls, slice_of_str(own.tls));
		smtp_xforward_apply(&s->xforward, c);
	}
	s->mail = sink->mail_begin(s->base.env->ctx, &s->base, path->address, path->params);
	if (s->mail != NULL) {
		const char *ident = s->xforward.values[SMTP_XATTR_IDENT];

		if (ident != NULL && ident[0] != '\0')
			sink->mail_set_queue_id(s->mail, slice_of_str(ident));
		s->state = SMTP_STATE_MAIL;
		smtp_relay_mail(s, line, c);
	} else {
		refuse(s, "451 4.3.2 Too many mails at once, try again later");
	}
	if (s->xforward.given != 0) {
		intake_client_done(c);
		*c = own;
	}
}

static void
on_mail(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	struct smtp_path path;

	if (s->state == SMTP_STATE_CONNECTED)
		refuse(s, "503 5.5.1 Say %s first", s->is_lmtp ? "LHLO" : "EHLO");
	else if (s->state != SMTP_STATE_IDLE)
		refuse(s, "503 5.5.1 One mail after the other");
	else if (s->options->tls_required && !stream_is_tls(s->stream))
		refuse(s, "530 5.7.0 Say STARTTLS first");
	else if (s->is_draining)
		smtp_session_quit(s, "4.3.2 Shutting down, try again later");
	else if (smtp_path_parse(c->args, "FROM:", &path) < 0)
		refuse(s, "501 5.1.7 Bad sender address");
	else if (mail_check_params(s, path.params))
		mail_begin(s, line, &path);
}

static unsigned
get_recipients_most(const struct smtp_session *s)
{
	/* One reply cannot tell of several. */
	return !s->is_lmtp && next_hop_place_is_lmtp(s->place) ? 1 : s->options->recipients;
}

static bool
recipients_are_full(const struct smtp_session *s)
{
	return s->recipients + s->recipients_waiting >= get_recipients_most(s);
}

/* The line goes on as it came: it must be good to its end. */
static bool
rcpt_parse(const struct smtp_command *c, struct smtp_path *ret_path)
{
	struct slice params, name, value;
	int r = smtp_path_parse(c->args, "TO:", ret_path);

	if (r < 0 || ret_path->address.len == 0)
		return false;
	params = ret_path->params;
	do
		r = smtp_param_next(&params, &name, &value);
	while (r == 1);
	return r == 0;
}

static void
on_rcpt(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	struct smtp_path path;

	if (s->state != SMTP_STATE_MAIL)
		refuse(s, "503 5.5.1 MAIL first");
	else if (s->junk > s->options->junk_commands)
		junk_count(s);
	else if (!rcpt_parse(c, &path))
		refuse(s, "501 5.1.3 Bad recipient address or parameters");
	else if (recipients_are_full(s))
		smtp_session_say(s, "452 4.5.3 Too many recipients, send the rest by itself");
	else if (!smtp_relay_recipient(s, line, path.address))
		refuse(s, "451 4.4.2 The next server is gone, try again later");
}

/* RCPT may be sent on before the replies to those before it are there. */
static bool
rcpt_can_go(const struct smtp_session *s, const struct smtp_command *c)
{
	struct smtp_path path;

	return s->state == SMTP_STATE_MAIL && s->hop != NULL && next_hop_can_pipeline(s->hop) &&
	       s->recipients_waiting < UNDER_WAY_MAX && !recipients_are_full(s) &&
	       rcpt_parse(c, &path);
}

static bool
check_recipients(struct smtp_session *s)
{
	if (s->state != SMTP_STATE_MAIL && s->state != SMTP_STATE_BETWEEN)
		refuse(s, "503 5.5.1 MAIL and RCPT first");
	else if (s->recipients == 0)
		refuse(s, "554 5.5.1 No valid recipients");
	else
		return true;
	return false;
}

static void
begin_bytes(struct smtp_session *s)
{
	if (s->mail_due_ms == 0)
		s->mail_due_ms = clock_now_ms() + s->options->receive_timeout_ms;
	s->has_moved = true;
}

static void
on_data(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	(void)line;
	if (c->args.len > 0) {
		refuse(s, "501 5.5.4 DATA has no parameters");
		return;
	}
	if (s->state == SMTP_STATE_BETWEEN) {
		refuse(s, "503 5.5.1 After BDAT comes BDAT");
		return;
	}
	if (!check_recipients(s))
		return;
	s->decoder = (struct smtp_dot_decoder){ 0 };
	s->state = SMTP_STATE_DATA;
	begin_bytes(s);
	smtp_session_say(s, "354 End data with <CR><LF>.<CR><LF>");
}

/* The bytes of a chunk come whether we want them or not. */
static void
on_bdat(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	uint64_t size;
	bool is_last;

	(void)line;
	if (smtp_bdat_parse(c->args, &size, &is_last) < 0) {
		/* How many bytes follow is not known: what comes would be read as commands. */
		smtp_session_quit(s, "5.5.4 BDAT needs a size");
		return;
	}
	s->chunk_back = s->state;
	s->is_chunk_ignored = (s->state != SMTP_STATE_MAIL && s->state != SMTP_STATE_BETWEEN) ||
			      s->recipients == 0;
	if (s->state == SMTP_STATE_MAIL)
		s->decoder = (struct smtp_dot_decoder){ .is_chunked = true };
	s->chunk_left = size;
	s->is_chunk_last = is_last;
	s->state = SMTP_STATE_CHUNK;
	begin_bytes(s);
}

void
smtp_dialogue_end_chunk(struct smtp_session *s)
{
	if (s->is_chunk_ignored) {
		s->state = s->chunk_back;
		s->is_chunk_ignored = false;
		(void)check_recipients(s);
	} else if (s->is_chunk_last) {
		smtp_dialogue_end_data(s);
	} else {
		s->state = SMTP_STATE_BETWEEN;
		smtp_session_say(s, "250 2.0.0 Chunk taken");
	}
}

void
smtp_dialogue_end_data(struct smtp_session *s)
{
	bool is_bare = s->decoder.has_bare_cr || s->decoder.has_bare_lf;

	s->mail_due_ms = 0;
	if (s->hop == NULL) {
		smtp_answer_own(s, 451, "4.4.2 The next server is gone, try again later");
	} else if (is_bare && s->options->bare_line_end == CONFIG_BARE_REFUSE) {
		smtp_answer_own(s, 550, "5.6.0 The mail has CR or LF alone");
	} else {
		s->state = SMTP_STATE_SINK;
		smtp_session_get_sink(s)->mail_end(s->mail);
	}
}

static void
on_rset(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	(void)line;
	(void)c;
	smtp_dialogue_reset(s);
	smtp_xforward_done(&s->xforward);
	smtp_session_say(s, "250 2.0.0 Ok");
	junk_count(s);
}

static void
on_noop(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	(void)line;
	(void)c;
	smtp_session_say(s, "250 2.0.0 Ok");
	junk_count(s);
}

static void
on_vrfy(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	(void)line;
	(void)c;
	refuse(s, "252 2.5.2 Send a mail and see");
}

static void
on_help(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	(void)line;
	(void)c;
	refuse(s, "214 2.0.0 RFC 5321");
}

static void
on_quit(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	(void)line;
	(void)c;
	smtp_session_say(s, "221 2.0.0 Bye");
	smtp_dialogue_reset(s);
	s->state = SMTP_STATE_QUIT;
}

static void
on_starttls(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	(void)line;
	if (c->args.len > 0) {
		refuse(s, "501 5.5.4 STARTTLS has no parameters");
		return;
	}
	if (s->tls == NULL || stream_is_tls(s->stream) || s->state > SMTP_STATE_IDLE) {
		refuse(
		    s, s->tls == NULL ? "502 5.5.1 TLS is not offered" : "503 5.5.1 Not now");
		return;
	}
	smtp_session_say(s, "220 2.0.0 Begin TLS");
	smtp_session_flush(s);
	if (s->is_dead)
		return;
	if (s->out.len > 0 || stream_start_tls(s->stream, s->tls, NULL) < 0) {
		smtp_session_fail(s, "TLS could not begin");
		return;
	}
	/* Nothing that was said in plain counts any more. */
	buf_done(&s->in);
	s->is_handshaking = true;
	s->is_esmtp = false;
	s->state = SMTP_STATE_CONNECTED;
	smtp_xforward_done(&s->xforward);
	intake_client_set(&s->base.client.helo, SLICE_NONE);
}

static void
on_xforward(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	bool is_xclient = c->verb == SMTP_VERB_XCLIENT;
	int r;

	(void)line;
	if (!s->is_trusted) {
		refuse(s, "550 5.7.0 You are not trusted");
		return;
	}
	if (s->state > SMTP_STATE_IDLE) {
		refuse(s, "503 5.5.1 Not inside of a mail");
		return;
	}
	if (is_xclient)
		smtp_xforward_done(&s->xforward);
	r = smtp_xforward_parse(&s->xforward, c->args, is_xclient);
	if (r < 0) {
		refuse(s, r == -ENOMEM ? "451 4.3.0 No memory" : "501 5.5.4 Bad attributes");
		return;
	}
	if (!is_xclient) {
		smtp_session_say(s, "250 2.0.0 Ok");
		return;
	}
	smtp_xforward_apply(&s->xforward, &s->base.client);
	smtp_xforward_done(&s->xforward);
	smtp_dialogue_reset(s);
	smtp_session_greet(s);
}

static void
on_unknown(struct smtp_session *s, struct slice line, const struct smtp_command *c)
{
	static const char *const web[] = { "GET ", "POST ", "PUT ", "HEAD ", "CONNECT ",
		"OPTIONS " };

	(void)c;
	/* A browser that was made to speak to us: its body must not become commands. */
	for (size_t i = 0; i < ARRAY_LEN(web); i++) {
		if (slice_starts_with(line, slice_of_str(web[i]))) {
			smtp_session_quit(s, "4.7.0 This is no web server");
			return;
		}
	}
	refuse(s, "500 5.5.2 Unknown command");
}

static const struct {
	void (*run)(struct smtp_session *s, struct slice line, const struct smtp_command *c);
	bool in_chunks; /* allowed between two BDATs */
} commands[] = {
	[SMTP_VERB_UNKNOWN] = { on_unknown, true },
	[SMTP_VERB_HELO] = { on_hello, true },
	[SMTP_VERB_EHLO] = { on_hello, true },
	[SMTP_VERB_LHLO] = { on_hello, true },
	[SMTP_VERB_MAIL] = { on_mail, false },
	[SMTP_VERB_RCPT] = { on_rcpt, false },
	[SMTP_VERB_DATA] = { on_data, true },
	[SMTP_VERB_BDAT] = { on_bdat, true },
	[SMTP_VERB_RSET] = { on_rset, true },
	[SMTP_VERB_NOOP] = { on_noop, true },
	[SMTP_VERB_QUIT] = { on_quit, true },
	[SMTP_VERB_STARTTLS] = { on_starttls, false },
	[SMTP_VERB_XFORWARD] = { on_xforward, false },
	[SMTP_VERB_XCLIENT] = { on_xforward, false },
	[SMTP_VERB_VRFY] = { on_vrfy, true },
	[SMTP_VERB_HELP] = { on_help, true },
};

void
smtp_dialogue_line_too_long(struct smtp_session *s)
{
	refuse(s, "500 5.5.2 The line is too long");
}

bool
smtp_dialogue_run(struct smtp_session *s, struct slice line)
{
	struct smtp_command c = smtp_command_parse(line);

	if (smtp_relay_is_waiting(s) && (c.verb != SMTP_VERB_RCPT || !rcpt_can_go(s, &c)))
		return false;
	ASSERT((size_t)c.verb < ARRAY_LEN(commands));
	if (s->state == SMTP_STATE_BETWEEN && !commands[c.verb].in_chunks)
		refuse(s, "503 5.5.1 BDAT or RSET");
	else
		commands[c.verb].run(s, line, &c);
	return true;
}
