/* bench_session.c: the MTA's side of the milter protocol (version 6), bench_session.h.
 * Source: include/libmilter/mfdef.h of Sendmail 8.17 and Postfix src/milter/milter8.c. Commands
 * that need no reply are queued together and leave in one system call, as Postfix's buffered
 * stream does; body chunks are sent from where the mail lies, without copying. */
#include "bench_session.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define MILTER_VERSION  6
#define PACKET_MAX      (1024 * 1024 + 64)
#define READ_BYTES      4096
#define SEND_SEGMENTS   64
#define ACTIONS_OFFERED 0x1ffu
#define P_MDS_256K      0x10000000u
#define P_MDS_1M        0x20000000u
#define P_HDR_LEADSPC   0x00100000u

/* The bits by which a filter refuses a command, or its own reply to it. */
static const struct step_flags {
	uint32_t skip, no_reply;
} step_flags[] = {
	[STEP_CONNECT] = { 0x01, 0x1000 },
	[STEP_HELO] = { 0x02, 0x2000 },
	[STEP_MAIL] = { 0x04, 0x4000 },
	[STEP_RCPT] = { 0x08, 0x8000 },
	[STEP_DATA] = { 0x200, 0x10000 },
	[STEP_HEADERS] = { 0x20, 0x80 },
	[STEP_EOH] = { 0x40, 0x40000 },
	[STEP_BODY] = { 0x10, 0x80000 },
	[STEP_EOB] = { 0, 0 },
};

void
session_init(struct session *s, const struct session_style *style)
{
	*s = (struct session){ .style = style, .fd = -1 };
}

void
session_close(struct session *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
	s->segment_count = s->segment_first = s->text_len = s->input_len = 0;
	s->waiting = s->closing = s->refused = false;
	s->mails_done = 0;
	s->step = STEP_NEGOTIATE;
}

void
session_done(struct session *s)
{
	session_close(s);
	free(s->segments);
	free(s->text);
	free(s->input);
	session_init(s, s->style);
}

bool
session_has_output(const struct session *s)
{
	return s->segment_first < s->segment_count;
}

static void *
grow(void *p, size_t *cap, size_t need, size_t item)
{
	if (need <= *cap)
		return p;
	while (*cap < need)
		*cap = *cap ? *cap * 2 : 64;
	p = reallocarray(p, *cap, item);
	if (!p)
		err(1, "cannot get %zu bytes", *cap * item);
	return p;
}

static struct session_segment *
segment_add(struct session *s)
{
	s->segments =
	    grow(s->segments, &s->segment_cap, s->segment_count + 1, sizeof(*s->segments));
	return &s->segments[s->segment_count++];
}

/* Copy len bytes into the output. */
static void
out_add(struct session *s, const void *data, size_t len)
{
	struct session_segment *last =
	    s->segment_count > s->segment_first ? &s->segments[s->segment_count - 1] : NULL;

	s->text = grow(s->text, &s->text_cap, s->text_len + len, 1);
	memcpy(s->text + s->text_len, data, len);
	if (last && !last->data && last->offset + last->len == s->text_len)
		last->len += len;
	else
		*segment_add(s) = (struct session_segment){ .offset = s->text_len, .len = len };
	s->text_len += len;
}

/* Put data, which stays where it is, into the output. */
static void
out_borrow(struct session *s, const char *data, size_t len)
{
	if (len > 0)
		*segment_add(s) = (struct session_segment){ .data = data, .len = len };
}

static void
packet_begin(struct session *s, char command, size_t data_len)
{
	uint32_t len = htonl((uint32_t)(data_len + 1));

	out_add(s, &len, 4);
	out_add(s, &command, 1);
}

static void
packet_add(struct session *s, char command, const void *data, size_t len)
{
	packet_begin(s, command, len);
	if (len > 0)
		out_add(s, data, len);
}

/* Names and values by turns, each with its NUL: what packet D wants. */
static void
packet_add_macros(struct session *s, char command, const char *const *macros, size_t count)
{
	char data[512];
	size_t n = 0;

	data[n++] = command;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(macros[i]) + 1;
		if (n + len > sizeof(data))
			errx(1, "too many macros");
		memcpy(data + n, macros[i], len);
		n += len;
	}
	packet_add(s, 'D', data, n);
}

static void
send_negotiate(struct session *s)
{
	uint32_t words[3] = { htonl(MILTER_VERSION), htonl(ACTIONS_OFFERED),
		htonl(s->style->offered_protocol) };

	packet_add(s, 'O', words, sizeof(words));
}

static void
send_connect(struct session *s)
{
	const char *const macros[] = { "j", "mx.example.net", "{daemon_name}", "mx.example.net",
		"v", "Postfix 3.7.11", "_", "client.example.com [192.0.2.7]" };
	static const char host[] = "client.example.com";
	char data[64];
	size_t n = sizeof(host);

	packet_add_macros(s, 'C', macros, 8);
	memcpy(data, host, n);
	data[n++] = '4';
	data[n++] = (char)0x9c;
	data[n++] = 0x40;
	int len = snprintf(data + n, sizeof(data) - n, "192.0.2.%u", s->mail_number % 250 + 1);
	packet_add(s, 'C', data, n + (size_t)len + 1);
}

static void
send_helo(struct session *s)
{
	packet_add(s, 'H', "client.example.com", sizeof("client.example.com"));
}

static void
send_mail(struct session *s)
{
	char id[16], data[96];

	snprintf(id, sizeof(id), "B%08X", s->mail_number);
	packet_add_macros(s, 'M',
	    (const char *const[]){ "i", id, "{mail_addr}", "from@example.com", "{mail_host}",
		"example.com", "{mail_mailer}", "smtp" },
	    8);
	int len = snprintf(data, sizeof(data), "<from%u@example.com>%cSIZE=%zu", s->mail_number,
	    0, s->mail->bytes);
	packet_add(s, 'M', data, (size_t)len + 1);
}

static void
send_rcpt(struct session *s)
{
	char data[64];

	packet_add_macros(s, 'R',
	    (const char *const[]){ "{rcpt_addr}", "to@example.net", "{rcpt_host}",
		"example.net", "{rcpt_mailer}", "local" },
	    6);
	int len = snprintf(data, sizeof(data), "<to%u@example.net>", s->mail_number % 97);
	packet_add(s, 'R', data, (size_t)len + 1);
}

static void
send_header(struct session *s)
{
	const struct mail_header *h = &s->mail->headers[s->next_header++];
	size_t skip = s->protocol & P_HDR_LEADSPC || h->value[0] != ' ' ? 0 : 1;

	packet_begin(s, 'L', h->name_bytes + h->value_bytes - skip);
	out_add(s, h->name, h->name_bytes);
	out_add(s, h->value + skip, h->value_bytes - skip);
}

static void
send_body(struct session *s, char command)
{
	size_t left = s->mail->body_bytes - s->body_sent;
	size_t len = left < s->chunk_bytes ? left : s->chunk_bytes;

	packet_begin(s, command, len);
	out_borrow(s, s->mail->body + s->body_sent, len);
	s->body_sent += len;
}

static void
send_eob(struct session *s)
{
	char id[16];

	snprintf(id, sizeof(id), "B%08X", s->mail_number);
	packet_add_macros(s, 'E', (const char *const[]){ "i", id }, 2);
	if (s->style->data_in_eob && !(s->protocol & step_flags[STEP_BODY].skip))
		send_body(s, 'E');
	else
		packet_add(s, 'E', NULL, 0);
}

/* True when nothing of the body is left that does not travel in end-of-body. */
static bool
body_is_sent(const struct session *s)
{
	size_t left = s->mail->body_bytes - s->body_sent;

	return left == 0 || (s->style->data_in_eob && left <= s->chunk_bytes);
}

/* Queue the command of the current step, whether a reply to it is due or not. */
static void
step_send(struct session *s)
{
	switch (s->step) {
	case STEP_CONNECT:
		send_connect(s);
		break;
	case STEP_HELO:
		send_helo(s);
		break;
	case STEP_MAIL:
		send_mail(s);
		break;
	case STEP_RCPT:
		send_rcpt(s);
		break;
	case STEP_DATA:
		packet_add_macros(s, 'T', NULL, 0);
		packet_add(s, 'T', NULL, 0);
		break;
	case STEP_HEADERS:
		send_header(s);
		break;
	case STEP_EOH:
		packet_add(s, 'N', NULL, 0);
		break;
	case STEP_BODY:
		send_body(s, 'B');
		break;
	case STEP_EOB:
		send_eob(s);
		break;
	case STEP_NEGOTIATE:
	case STEP_READY:
		break;
	}
}

/* Go to the step that follows; headers and body stay until they are through. */
static void
step_advance(struct session *s)
{
	bool skipped = s->protocol & step_flags[s->step].skip;

	if (s->step == STEP_HEADERS && !skipped && s->next_header < s->mail->header_count)
		return;
	if (s->step == STEP_BODY && !skipped && !body_is_sent(s))
		return;
	s->step++;
	if (s->step == STEP_HEADERS && s->mail->header_count == 0)
		s->step++;
	if (s->step == STEP_BODY && body_is_sent(s))
		s->step++;
}

/* Queue commands until a reply is due or nothing is left to say. */
static void
session_run(struct session *s)
{
	while (!s->waiting && s->step != STEP_NEGOTIATE) {
		if (s->step == STEP_READY) {
			if (!s->mail || s->answer != ANSWER_NONE)
				return;
			s->step = STEP_MAIL;
		}
		if (!(s->protocol & step_flags[s->step].skip)) {
			step_send(s);
			if (!(s->protocol & step_flags[s->step].no_reply)) {
				s->waiting = true;
				return;
			}
		}
		step_advance(s);
	}
}

int
session_connect(struct session *s)
{
	int r = net_connect(&s->style->address, 0, &s->fd);

	if (r < 0)
		return r;
	s->step = STEP_NEGOTIATE;
	s->waiting = true;
	send_negotiate(s);
	return 0;
}

void
session_begin(struct session *s, const struct mail *mail, uint32_t number)
{
	if (s->step == STEP_READY && s->mails_done > 0 && s->style->abort_between_mails)
		packet_add(s, 'A', NULL, 0);
	s->mail = mail;
	s->mail_number = number;
	s->next_header = s->body_sent = 0;
	s->answer = ANSWER_NONE;
	s->headers_added = s->changes = 0;
	session_run(s);
}

void
session_quit(struct session *s)
{
	packet_add(s, 'Q', NULL, 0);
	s->closing = true;
}

/* Forget n bytes of output that are sent. */
static void
out_drop(struct session *s, size_t n)
{
	while (n > 0) {
		struct session_segment *g = &s->segments[s->segment_first];
		size_t part = n < g->len ? n : g->len;
		g->len -= part;
		n -= part;
		if (g->data)
			g->data += part;
		else
			g->offset += part;
		if (g->len == 0)
			s->segment_first++;
	}
	if (s->segment_first == s->segment_count)
		s->segment_first = s->segment_count = s->text_len = 0;
}

int
session_on_writable(struct session *s)
{
	while (session_has_output(s)) {
		struct iovec v[SEND_SEGMENTS];
		struct msghdr h = { .msg_iov = v };
		for (size_t i = s->segment_first; i < s->segment_count; i++) {
			struct session_segment *g = &s->segments[i];
			const char *p = g->data ? g->data : s->text + g->offset;
			if (h.msg_iovlen == SEND_SEGMENTS)
				break;
			v[h.msg_iovlen++] = (struct iovec){ .iov_base = (void *)(uintptr_t)p,
				.iov_len = g->len };
		}
		ssize_t n = sendmsg(s->fd, &h, MSG_NOSIGNAL);
		if (n == -1)
			return errno == EAGAIN || errno == ENOTCONN ? 0 : -errno;
		out_drop(s, (size_t)n);
	}
	return 0;
}

static int
reply_negotiate(struct session *s, const char *data, size_t len)
{
	uint32_t words[3];

	if (len < sizeof(words))
		return -EPROTO;
	memcpy(words, data, sizeof(words));
	s->version = ntohl(words[0]);
	s->actions = ntohl(words[1]);
	s->protocol = ntohl(words[2]);
	if (s->version < 2 || s->version > MILTER_VERSION || (s->actions & ~ACTIONS_OFFERED) ||
	    (s->protocol & ~s->style->offered_protocol))
		return -EPROTO;
	s->chunk_bytes = s->protocol & P_MDS_1M     ? 1024 * 1024 - 1
			 : s->protocol & P_MDS_256K ? 256 * 1024 - 1
						    : 65535;
	s->waiting = false;
	s->step = STEP_CONNECT;
	return 0;
}

static enum mail_answer
answer_of(char command, const char *data, size_t len)
{
	switch (command) {
	case 'c':
	case 'a':
		return ANSWER_ACCEPT;
	case 'r':
		return ANSWER_REJECT;
	case 't':
	case '4':
	case 'f':
		return ANSWER_TEMPFAIL;
	case 'd':
		return ANSWER_DISCARD;
	case 'y':
		return len > 0 && data[0] == '5' ? ANSWER_REJECT : ANSWER_TEMPFAIL;
	default:
		return ANSWER_ERROR;
	}
}

/* The filter has made up its mind about the mail, or the connection. */
static void
session_end_mail(struct session *s, enum mail_answer answer, char command)
{
	s->answer = answer;
	s->mails_done++;
	s->refused = s->step < STEP_READY || command == '4' || command == 'f';
	s->step = STEP_READY;
}

static int
reply_take(struct session *s, char command, const char *data, size_t len)
{
	bool at_end = s->step == STEP_EOB;

	if (!s->waiting)
		return -EPROTO;
	if (s->step == STEP_NEGOTIATE)
		return command == 'O' ? reply_negotiate(s, data, len) : -EPROTO;
	if (command == 'p')
		return 0;
	if (at_end && (command == 'h' || command == 'i')) {
		s->headers_added++;
		return 0;
	}
	if (at_end && command != '\0' && strchr("+-2bemq", command)) {
		s->changes++;
		return 0;
	}
	enum mail_answer answer = answer_of(command, data, len);
	s->waiting = false;
	if (command == 's' && s->step == STEP_BODY) {
		s->step = STEP_EOB;
		s->body_sent = s->mail->body_bytes;
	} else if (answer == ANSWER_ERROR) {
		return -EPROTO;
	} else if (command == 'c' && !at_end) {
		step_advance(s);
	} else {
		session_end_mail(s, answer, command);
	}
	return 0;
}

/* Act on the whole packets at hand and keep the rest. */
static int
input_parse(struct session *s)
{
	size_t at = 0;

	while (s->input_len - at >= 5) {
		uint32_t len;
		memcpy(&len, s->input + at, 4);
		len = ntohl(len);
		if (len == 0 || len > PACKET_MAX)
			return -EPROTO;
		if (s->input_len - at < 4 + (size_t)len)
			break;
		int r = reply_take(s, s->input[at + 4], s->input + at + 5, len - 1);
		if (r < 0)
			return r;
		at += 4 + (size_t)len;
	}
	s->input_len -= at;
	memmove(s->input, s->input + at, s->input_len);
	return 0;
}

int
session_on_readable(struct session *s)
{
	for (;;) {
		s->input = grow(s->input, &s->input_cap, s->input_len + READ_BYTES, 1);
		size_t room = s->input_cap - s->input_len;
		ssize_t n = recv(s->fd, s->input + s->input_len, room, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n == -1)
			return errno == EAGAIN ? 0 : -errno;
		s->input_len += (size_t)n;
		int r = input_parse(s);
		if (r < 0)
			return r;
		session_run(s);
		if ((size_t)n < room)
			return 0;
	}
}
