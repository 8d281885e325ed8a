/* bench_sink_session.c: the sink's side of one SMTP or LMTP connection (bench_sink.h). It takes
 * every mail, and answers 250 only once the mail is counted. Source: RFC 5321, 2033, 2920. */
#include "bench_net.h"
#include "bench_sink.h"

#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES        (256 * 1024)
#define BODY_FAULT_OFFSET 512 /* bytes of a mail that come before a fault inside of it */
#define NS_PER_MS         1000000u

static char session_buffer[READ_BYTES];

/* Write what is queued. False: connection lost. */
static bool
session_flush(struct sink_session *s)
{
	ssize_t n = send(s->fd, s->output, s->output_len, MSG_NOSIGNAL);

	if (n == -1)
		return errno == EAGAIN;
	memmove(s->output, s->output + n, s->output_len - (size_t)n);
	s->output_len -= (size_t)n;
	return true;
}

static void
session_queue(struct sink_session *s, const char *text, size_t len)
{
	if (len > sizeof(s->output) - s->output_len)
		session_flush(s);
	if (len > sizeof(s->output) - s->output_len) {
		s->closing = true; /* a client that reads no replies */
		return;
	}
	memcpy(s->output + s->output_len, text, len);
	s->output_len += len;
}

static void
session_hold_ms(struct sink_session *s, unsigned ms)
{
	s->held_until_ns = net_now_ns() + (uint64_t)ms * NS_PER_MS;
}

static void
session_say_lines(struct sink_session *s, unsigned count, const char *text)
{
	char line[SINK_LINE_BYTES];

	for (unsigned i = 1; i <= count; i++) {
		snprintf(
		    line, sizeof(line), "%.3s%c%.200s", text, i < count ? '-' : ' ', text + 4);
		session_queue(s, line, strlen(line));
	}
}

/* Give the reply text as the fault wants it. */
static void
session_spoil(struct sink_session *s, const struct sink_fault *f, const char *text)
{
	size_t len = strlen(text), half = len / 2;
	char line[SINK_LINE_BYTES];

	s->count->faults++;
	switch (f->action) {
	case ACTION_LATE:
		session_flush(s);
		session_queue(s, text, len);
		session_hold_ms(s, f->value);
		break;
	case ACTION_REFUSE:
		snprintf(line, sizeof(line), "%03u %u.3.0 refused on request\r\n", f->value,
		    f->value / 100);
		session_queue(s, line, strlen(line));
		s->closing = f->value == 421;
		break;
	case ACTION_HALF:
		session_queue(s, text, half);
		s->closing = true;
		break;
	case ACTION_HALFWAY:
		session_queue(s, text, half);
		session_flush(s);
		session_queue(s, text + half, len - half);
		session_hold_ms(s, f->value);
		break;
	case ACTION_MULTI:
		session_say_lines(s, f->value, text);
		break;
	case ACTION_NEVER:
		session_flush(s);
		s->stuck = true;
		break;
	case ACTION_CLOSE:
		session_flush(s);
		s->closing = true;
		break;
	case ACTION_NONE:
		break;
	}
}

/* Answer a step. True: as it was meant to be, or as good as that. */
static bool
session_answer(struct sink_session *s, enum sink_step step, const char *text)
{
	const struct sink_fault *f = NULL;

	if (s->options->faults.count > 0)
		f = sink_faults_find(&s->options->faults, step, s->rcpts);
	if (!f) {
		session_queue(s, text, strlen(text));
		return true;
	}
	session_spoil(s, f, text);
	return f->action == ACTION_LATE || f->action == ACTION_HALFWAY ||
	       f->action == ACTION_MULTI;
}

static void
session_on_hello(struct sink_session *s)
{
	char text[SINK_LINE_BYTES];

	snprintf(text, sizeof(text),
	    "250-sink.bench.example\r\n%s%s250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n250 SIZE 0\r\n",
	    s->options->no_pipelining ? "" : "250-PIPELINING\r\n",
	    s->options->xforward ? "250-XFORWARD NAME ADDR PORT PROTO HELO SOURCE\r\n" : "");
	s->in_mail = false;
	session_answer(s, STEP_HELLO, text);
}

static void
session_on_mail(struct sink_session *s)
{
	if (s->in_mail) {
		session_answer(s, STEP_OTHER, "503 5.5.1 nested MAIL\r\n");
		return;
	}
	s->rcpts = s->rcpts_taken = 0;
	s->in_mail = session_answer(s, STEP_MAIL, "250 2.1.0 ok\r\n");
}

static void
session_on_rcpt(struct sink_session *s)
{
	if (!s->in_mail) {
		session_answer(s, STEP_OTHER, "503 5.5.1 MAIL first\r\n");
		return;
	}
	s->rcpts++;
	s->rcpts_taken += session_answer(s, STEP_RCPT, "250 2.1.5 ok\r\n");
}

static void
session_on_data(struct sink_session *s)
{
	if (!s->in_mail || s->rcpts_taken == 0) {
		session_answer(s, STEP_OTHER, "503 5.5.1 RCPT first\r\n");
		return;
	}
	s->in_data = session_answer(s, STEP_DATA, "354 go on\r\n");
	s->body_fault_done = !sink_faults_has(&s->options->faults, STEP_BODY);
	sink_mail_begin(&s->mail);
}

/* A mail that is refused now is not counted: whoever sends it has to keep it. One whose reply
 * is lost is: it has arrived. */
static void
session_on_end(struct sink_session *s)
{
	static const char taken[] = "250 2.0.0 taken\r\n";
	unsigned replies = s->options->lmtp ? s->rcpts_taken : 1;
	bool refused = false;

	s->in_data = s->in_mail = false;
	for (unsigned i = 0; i < replies && !s->closing && !s->stuck; i++) {
		const struct sink_fault *f = NULL;
		if (s->options->faults.count > 0)
			f = sink_faults_find(&s->options->faults, STEP_END, i + 1);
		refused = refused || (f && f->action == ACTION_REFUSE);
		if (f)
			session_spoil(s, f, taken);
		else
			session_queue(s, taken, sizeof(taken) - 1);
	}
	if (refused)
		return;
	s->count->recipients += s->rcpts_taken;
	sink_mail_count(&s->mail, s->count);
}

static void
session_on_reset(struct sink_session *s)
{
	s->in_mail = false;
	session_answer(s, STEP_RSET, "250 2.0.0 ok\r\n");
}

static void
session_on_quit(struct sink_session *s)
{
	session_answer(s, STEP_QUIT, "221 2.0.0 bye\r\n");
	s->closing = s->closing || !s->stuck;
}

static void
session_on_other(struct sink_session *s)
{
	session_answer(s, STEP_OTHER, "250 2.0.0 ok\r\n");
}

static void
session_on_command(struct sink_session *s)
{
	static const struct {
		const char *verb;
		void (*fn)(struct sink_session *s);
	} verbs[] = {
		{ "EHLO", session_on_hello },
		{ "HELO", session_on_hello },
		{ "LHLO", session_on_hello },
		{ "MAIL", session_on_mail },
		{ "RCPT", session_on_rcpt },
		{ "DATA", session_on_data },
		{ "RSET", session_on_reset },
		{ "QUIT", session_on_quit },
		{ "NOOP", session_on_other },
		{ "XFORWARD", session_on_other },
		{ "XCLIENT", session_on_other },
	};
	size_t len = strcspn(s->command, " \r");

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strlen(verbs[i].verb) == len &&
		    strncasecmp(s->command, verbs[i].verb, len) == 0) {
			verbs[i].fn(s);
			return;
		}
	}
	session_answer(s, STEP_OTHER, "500 5.5.2 what?\r\n");
}

/* Bytes of a command line. The number used. */
static size_t
session_take_command(struct sink_session *s, const char *data, size_t len)
{
	const char *eol = memchr(data, '\n', len);
	size_t used = eol ? (size_t)(eol - data) + 1 : len;

	if (used >= sizeof(s->command) - s->command_len) {
		session_queue(s, "500 5.5.2 line too long\r\n", 25);
		s->closing = true;
		return used;
	}
	memcpy(s->command + s->command_len, data, used);
	s->command_len += used;
	if (eol) {
		s->command[s->command_len] = '\0';
		s->command_len = 0;
		session_on_command(s);
	}
	return used;
}

/* Bytes of a mail. The number used. */
static size_t
session_take_data(struct sink_session *s, const char *data, size_t len)
{
	bool ended;

	if (!s->body_fault_done) {
		len = len < BODY_FAULT_OFFSET ? len : BODY_FAULT_OFFSET;
		s->body_fault_done = true;
		const struct sink_fault *f =
		    sink_faults_find(&s->options->faults, STEP_BODY, 0);
		if (f) {
			session_spoil(
			    s, f, f->action == ACTION_LATE ? "" : "421 4.3.0 no more\r\n");
			s->closing = s->closing || (f->action != ACTION_LATE && !s->stuck);
		}
	}
	size_t used = sink_mail_take(&s->mail, data, len, &ended);
	if (ended && !s->closing && !s->stuck)
		session_on_end(s);
	return used;
}

/* Act on bytes until they are used up, or the session is held. False: no memory, give up. */
static bool
session_take(struct sink_session *s, const char *data, size_t len)
{
	size_t at = 0;

	while (at < len && !s->closing && !s->stuck && s->held_until_ns == 0)
		at += s->in_data ? session_take_data(s, data + at, len - at)
				 : session_take_command(s, data + at, len - at);
	if (at == len || s->closing || s->stuck)
		return true;
	char *rest = malloc(len - at);
	if (!rest)
		return false;
	memcpy(rest, data + at, len - at);
	free(s->rest);
	s->rest = rest;
	s->rest_len = len - at;
	return true;
}

/* After anything was done: write, and tell whether the session goes on. */
static bool
session_go_on(struct sink_session *s)
{
	if (s->held_until_ns != 0)
		return true;
	if (s->output_len > 0 && !session_flush(s))
		return false;
	return !s->closing || s->output_len > 0;
}

struct sink_session *
sink_session_new(int *fd, struct sink_options *o, struct sink_count *n)
{
	struct sink_session *s = calloc(1, sizeof(*s));

	if (!s)
		err(1, "cannot get a session");
	s->fd = *fd;
	*fd = -1;
	s->options = o;
	s->count = n;
	n->connections++;
	session_answer(s, STEP_CONNECT, "220 sink.bench.example ESMTP\r\n");
	return s;
}

void
sink_session_free(struct sink_session **s)
{
	if (!*s)
		return;
	(*s)->count->unfinished += (*s)->in_data;
	close((*s)->fd);
	free((*s)->rest);
	free(*s);
	*s = NULL;
}

bool
sink_session_on_readable(struct sink_session *s)
{
	ssize_t n = recv(s->fd, session_buffer, sizeof(session_buffer), 0);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	return session_take(s, session_buffer, (size_t)n) && session_go_on(s);
}

bool
sink_session_on_writable(struct sink_session *s)
{
	if (s->held_until_ns != 0) {
		if (net_now_ns() < s->held_until_ns)
			return true;
		s->held_until_ns = 0;
		char *rest = s->rest;
		size_t len = s->rest_len;
		s->rest = NULL;
		/* its answer first: another hold among what follows must not keep it back */
		bool alive = session_flush(s) && (!rest || session_take(s, rest, len));
		free(rest);
		if (!alive)
			return false;
	}
	return session_go_on(s);
}

bool
sink_session_wants_to_read(const struct sink_session *s)
{
	return !s->stuck && !s->closing && s->held_until_ns == 0;
}

bool
sink_session_wants_to_write(const struct sink_session *s)
{
	return s->output_len > 0 && s->held_until_ns == 0;
}
