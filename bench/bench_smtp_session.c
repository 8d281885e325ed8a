/* bench_smtp_session.c: the client's side of one SMTP or LMTP connection
 * (bench_smtp_session.h). */
#include "bench_smtp_session.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <unistd.h>

static const char mail_end[] = ".\r\n";
#define MAIL_END_BYTES (sizeof(mail_end) - 1)

void
smtp_session_init(struct smtp_session *s, const struct smtp_style *style)
{
	*s = (struct smtp_session){ .style = style, .fd = -1 };
}

void
smtp_session_close(struct smtp_session *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

/* Queue text. What does not fit ends the session: its size is known beforehand. */
__attribute__((format(printf, 2, 3))) static void
session_say(struct smtp_session *s, const char *format, ...)
{
	va_list ap;

	if (s->output_sent == s->output_len)
		s->output_sent = s->output_len = 0;
	size_t room = sizeof(s->output) - s->output_len;
	va_start(ap, format);
	int n = vsnprintf(s->output + s->output_len, room, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		s->broken = true;
	else
		s->output_len += (size_t)n;
}

int
smtp_session_connect(struct smtp_session *s, unsigned number)
{
	const struct smtp_style *style = s->style;
	unsigned source = style->sources > 0 ? 1 + number % style->sources : 0;
	int r = net_connect(&style->address, source, &s->fd);

	if (r < 0)
		return r;
	s->step = SMTP_GREETING;
	s->can_pipeline = s->ended = s->broken = s->settled = s->sends_mail = false;
	s->mails_done = 0;
	s->output_len = s->output_sent = s->input_len = 0;
	return 0;
}

static void
session_say_rcpt(struct smtp_session *s, unsigned number)
{
	session_say(s, "RCPT TO:<rcpt%u@bench.example>\r\n", number + 1);
}

/* The next mail's first commands. */
static void
session_start_mail(struct smtp_session *s)
{
	s->step = SMTP_MAIL;
	session_say(s, "MAIL FROM:<sender@bench.example>\r\n");
	if (!s->can_pipeline)
		return;
	for (unsigned i = 0; i < s->style->recipients; i++)
		session_say_rcpt(s, i);
	session_say(s, "DATA\r\n");
}

void
smtp_session_begin(struct smtp_session *s, const struct mail *mail, const char *id)
{
	s->mail = mail;
	snprintf(s->id, sizeof(s->id), "%s", id);
	s->settled = s->dot_sent = false;
	s->code = s->refused_code = 0;
	s->text[0] = '\0';
	s->rcpt_replies = s->rcpt_taken = s->end_replies = 0;
	s->mail_sent = 0;
	if (s->step == SMTP_READY)
		session_start_mail(s);
}

void
smtp_session_begin_transaction(struct smtp_session *s)
{
	s->step = SMTP_MAIL;
	session_say(s, "MAIL FROM:<sender@bench.example>\r\n");
}

void
smtp_session_quit(struct smtp_session *s)
{
	session_say(s, "QUIT\r\n");
	s->step = SMTP_QUIT;
}

bool
smtp_session_has_output(const struct smtp_session *s)
{
	return s->output_sent < s->output_len || s->sends_mail;
}

int
smtp_session_on_writable(struct smtp_session *s)
{
	while (smtp_session_has_output(s) && !s->broken) {
		size_t text = s->output_len - s->output_sent, count = 0;
		struct iovec v[3];
		v[count++] = (struct iovec){ s->output + s->output_sent, text };
		if (s->sends_mail) {
			size_t wire = s->mail->wire_bytes, sent = s->mail_sent;
			if (sent < wire)
				v[count++] =
				    (struct iovec){ (char *)s->mail->wire + sent, wire - sent };
			size_t end = sent > wire ? sent - wire : 0;
			v[count++] =
			    (struct iovec){ (char *)mail_end + end, MAIL_END_BYTES - end };
		}
		struct msghdr m = { .msg_iov = v, .msg_iovlen = count };
		ssize_t n = sendmsg(s->fd, &m, MSG_NOSIGNAL);
		if (n == -1)
			return errno == EAGAIN || errno == ENOTCONN ? 0 : -errno;
		size_t done = (size_t)n < text ? (size_t)n : text;
		s->output_sent += done;
		s->mail_sent += (size_t)n - done;
		if (s->sends_mail && s->mail_sent == s->mail->wire_bytes + MAIL_END_BYTES) {
			s->sends_mail = false;
			s->dot_sent = true;
		}
	}
	return s->broken ? -EPROTO : 0;
}

/* The mail's fate is known. */
static void
session_settle(struct smtp_session *s, unsigned code)
{
	s->code = code;
	s->settled = true;
	s->mails_done++;
	s->step = SMTP_READY;
}

/* Refused before its content was sent: put the session back where the next mail can start. */
static void
session_give_up_mail(struct smtp_session *s)
{
	s->step = SMTP_RSET;
	session_say(s, "RSET\r\n");
}

static void
session_on_hello(struct smtp_session *s, unsigned code)
{
	s->broken = code / 100 != 2;
	s->step = SMTP_READY;
	if (s->mail && !s->settled)
		session_start_mail(s);
}

static void
session_on_mail(struct smtp_session *s, unsigned code)
{
	if (code / 100 != 2 && !s->can_pipeline) {
		session_give_up_mail(s);
		return;
	}
	s->step = SMTP_RCPT;
	if (s->mail && !s->can_pipeline)
		session_say_rcpt(s, 0);
}

static void
session_on_rcpt(struct smtp_session *s, unsigned code)
{
	s->rcpt_replies++;
	s->rcpt_taken += code / 100 == 2;
	if (s->rcpt_replies < s->style->recipients) {
		if (!s->can_pipeline)
			session_say_rcpt(s, s->rcpt_replies);
	} else if (s->can_pipeline) {
		s->step = SMTP_DATA;
	} else if (s->rcpt_taken == 0) {
		session_give_up_mail(s);
	} else {
		session_say(s, "DATA\r\n");
		s->step = SMTP_DATA;
	}
}

static void
session_on_data(struct smtp_session *s, unsigned code)
{
	if (code != 354) {
		session_give_up_mail(s);
		return;
	}
	s->step = SMTP_END;
	if (s->rcpt_taken == 0) {
		/* it takes a mail for nobody: RFC 2920 section 3.1 wants an empty one */
		session_say(s, "%s", mail_end);
		return;
	}
	session_say(
	    s, "X-Bench-Id: %s\r\nX-Bench-Body: %zu\r\n", s->id, s->mail->wire_body_bytes);
	s->sends_mail = true;
}

static void
session_on_end(struct smtp_session *s, unsigned code)
{
	unsigned wanted = s->style->lmtp ? s->rcpt_taken : 1;

	if (s->sends_mail) {
		/* an answer to half a mail: a refusal stands, and ends the session */
		s->ended = true;
		s->broken = code / 100 == 2;
		session_settle(s, code);
		return;
	}
	/* of several replies the worst counts: one recipient without its mail is one too many
	 */
	if (s->end_replies == 0 || (code / 100 != 2 && s->code / 100 == 2))
		s->code = code;
	s->end_replies++;
	if (s->end_replies >= wanted)
		session_settle(s, s->rcpt_taken > 0 ? s->code : s->refused_code);
}

static void
session_on_reply(struct smtp_session *s, unsigned code, const char *line)
{
	if (code >= 400 && s->refused_code == 0) {
		s->refused_code = code;
		snprintf(s->text, sizeof(s->text), "%s", line);
	}
	if (code == 421 || (s->step == SMTP_GREETING && code != 220)) {
		s->ended = true;
		if (s->mail && !s->settled)
			session_settle(s, code);
		return;
	}
	switch (s->step) {
	case SMTP_GREETING:
		session_say(s, "%s client.bench.example\r\n", s->style->lmtp ? "LHLO" : "EHLO");
		s->step = SMTP_HELLO;
		break;
	case SMTP_HELLO:
		session_on_hello(s, code);
		break;
	case SMTP_MAIL:
		session_on_mail(s, code);
		break;
	case SMTP_RCPT:
		session_on_rcpt(s, code);
		break;
	case SMTP_DATA:
		session_on_data(s, code);
		break;
	case SMTP_END:
		session_on_end(s, code);
		break;
	case SMTP_RSET:
		session_settle(s, s->refused_code);
		break;
	case SMTP_QUIT:
		s->ended = true;
		break;
	case SMTP_READY:
		s->broken = true; /* nobody asked */
	}
}

/* One line of a reply, without its end. */
static void
session_on_line(struct smtp_session *s, const char *line, size_t len)
{
	char text[SMTP_TEXT_BYTES];

	if (len < 3 || !isdigit((unsigned char)line[0]) || !isdigit((unsigned char)line[1]) ||
	    !isdigit((unsigned char)line[2]) || (len > 3 && line[3] != ' ' && line[3] != '-')) {
		s->broken = true;
		return;
	}
	if (len > 4 && s->step == SMTP_HELLO && s->style->pipelining &&
	    len - 4 == strlen("PIPELINING") &&
	    strncasecmp(line + 4, "PIPELINING", len - 4) == 0)
		s->can_pipeline = true;
	if (len > 3 && line[3] == '-')
		return;
	unsigned code = (unsigned)(line[0] - '0') * 100 + (unsigned)(line[1] - '0') * 10 +
			(unsigned)(line[2] - '0');
	snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1),
	    line);
	session_on_reply(s, code, text);
}

static void
session_read_lines(struct smtp_session *s)
{
	size_t at = 0;
	const char *eol;

	while (!s->broken && !s->ended &&
	       (eol = memchr(s->input + at, '\n', s->input_len - at)) != NULL) {
		size_t len = (size_t)(eol - (s->input + at)), next = at + len + 1;
		if (len > 0 && s->input[at + len - 1] == '\r')
			len--;
		session_on_line(s, s->input + at, len);
		at = next;
	}
	memmove(s->input, s->input + at, s->input_len - at);
	s->input_len -= at;
	if (s->input_len == sizeof(s->input))
		s->broken = true;
}

int
smtp_session_on_readable(struct smtp_session *s)
{
	ssize_t n = recv(s->fd, s->input + s->input_len, sizeof(s->input) - s->input_len, 0);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0) {
		s->ended = true;
		return -ECONNRESET;
	}
	s->input_len += (size_t)n;
	session_read_lines(s);
	return s->broken ? -EPROTO : 0;
}
