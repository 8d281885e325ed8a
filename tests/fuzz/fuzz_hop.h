/* fuzz_hop.h: a next hop inside the loop of a test: an SMTP or LMTP server on a unix socket that
 * answers by a script, one byte for each command, and checks what it is sent: whole lines, and
 * mails that end in CRLF.CRLF alone and have no bare CR or LF. */
#ifndef CORDON_FUZZ_HOP_H
#define CORDON_FUZZ_HOP_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/macros.h"

#define HOP_CONNECTIONS_MAX 64u
#define HOP_CLOSE  "\1"
#define HOP_SILENT ""

struct hop_connection {
	struct hop *hop;
	int fd;
	struct loop_watch *watch;
	struct buf in;
	unsigned recipients;
	bool in_data;
};

struct hop {
	struct loop *loop;
	char path[100];
	int fd;
	bool is_lmtp, offers_xclient;
	struct loop_watch *watch;
	struct hop_connection *connections[HOP_CONNECTIONS_MAX];
	const uint8_t *script; /* borrowed; when it is used up the usual replies come */
	size_t script_len;
	unsigned mails, accepted; /* whole mails, and those that got 250 */
	struct buf last;          /* content of the last mail, dots undone */
	struct buf lines;         /* every command line, each with LF */
};

static const char *const hop_replies[] = { NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	"550-5.1.1 no\r\n550 5.1.1 such\r\n", "450 4.2.0 later\r\n", "421 4.3.2 leaving\r\n",
	HOP_CLOSE, HOP_SILENT, "250", "250-x\r\n", "354 go\r\n", "250 a\r\n250 b\r\n", "999 x\r\n",
	"220 x\r\n", "garbage\r\n", "250 \001\r\n", "\n" };

static inline void
hop_drop_connection(struct hop_connection *c)
{
	for (size_t i = 0; i < HOP_CONNECTIONS_MAX; i++) {
		if (c->hop->connections[i] == c)
			c->hop->connections[i] = NULL;
	}
	loop_watch_free(&c->watch);
	fd_close(&c->fd);
	buf_done(&c->in);
	free(c);
}

/* False: the connection is gone. */
static inline bool
hop_say(struct hop_connection *c, const char *usual)
{
	const char *reply = NULL;

	if (c->hop->script_len > 0) {
		reply = hop_replies[*c->hop->script % ARRAY_LEN(hop_replies)];
		c->hop->script++;
		c->hop->script_len--;
	}
	if (reply == NULL)
		reply = usual;
	if (strcmp(reply, HOP_CLOSE) == 0) {
		hop_drop_connection(c);
		return false;
	}
	(void)!send(c->fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
	return true;
}

static inline void
hop_check_mail(struct hop *h, struct slice content)
{
	buf_clear(&h->last);
	for (size_t i = 0; i < content.len; i++) {
		bool at_line = i == 0 || content.ptr[i - 1] == '\n';

		if (content.ptr[i] == '\n')
			ASSERT(i > 0 && content.ptr[i - 1] == '\r');
		if (content.ptr[i] == '\r')
			ASSERT(i + 1 < content.len && content.ptr[i + 1] == '\n');
		if (at_line && content.ptr[i] == '.') {
			ASSERT(i + 1 < content.len && content.ptr[i + 1] == '.');
			continue;
		}
		ASSERT(buf_append_byte(&h->last, content.ptr[i]) == 0);
	}
	h->mails++;
}

static inline bool
hop_take_mail(struct hop_connection *c)
{
	struct slice in = buf_get(&c->in), end = SLICE_LIT("\r\n.\r\n");
	size_t at = slice_starts_with(in, SLICE_LIT(".\r\n")) ? 0 : slice_find(in, end, 0);
	unsigned times = c->hop->is_lmtp ? c->recipients : 1;

	if (at == SIZE_MAX)
		return false;
	at = at == 0 && in.ptr[0] == '.' ? 0 : at + 2;
	hop_check_mail(c->hop, slice_sub(in, 0, at));
	buf_consume(&c->in, at + 3);
	c->in_data = false;
	for (unsigned i = 0; i < times; i++) {
		size_t left = c->hop->script_len;
		bool usual = left == 0 || hop_replies[*c->hop->script % ARRAY_LEN(hop_replies)] == NULL;

		c->hop->accepted += usual || c->hop->script_len == 0;
		if (!hop_say(c, "250 2.0.0 taken\r\n"))
			return false;
	}
	c->recipients = 0;
	return true;
}

static inline bool
hop_take_line(struct hop_connection *c)
{
	struct slice in = buf_get(&c->in), line;
	size_t end = slice_find_byte(in, '\n', 0);
	bool alive;

	if (end == SIZE_MAX)
		return false;
	ASSERT(end > 0 && in.ptr[end - 1] == '\r');
	line = slice_sub(in, 0, end - 1);
	ASSERT(slice_find_byte(line, '\r', 0) == SIZE_MAX && slice_find_byte(line, 0, 0) == SIZE_MAX);
	if (c->hop->lines.len < 100000) {
		(void)buf_append_slice(&c->hop->lines, line);
		(void)buf_append_byte(&c->hop->lines, '\n');
	}
	if (slice_starts_with_nocase(line, SLICE_LIT("EHLO")) ||
	    slice_starts_with_nocase(line, SLICE_LIT("LHLO")))
		alive = hop_say(c,
		    c->hop->offers_xclient ? "250-hop\r\n250-XCLIENT NAME ADDR LOGIN HELO\r\n"
					     "250 PIPELINING\r\n"
					   : "250-hop\r\n250-PIPELINING\r\n250-DSN\r\n"
					     "250-8BITMIME\r\n250 XFORWARD NAME ADDR HELO\r\n");
	else if (slice_starts_with_nocase(line, SLICE_LIT("XCLIENT")))
		alive = hop_say(c, "220 hop ESMTP\r\n");
	else if (slice_eq_str_nocase(line, "DATA")) {
		size_t before = c->hop->script_len;
		bool usual = before == 0 || hop_replies[*c->hop->script % ARRAY_LEN(hop_replies)] == NULL ||
			     hop_replies[*c->hop->script % ARRAY_LEN(hop_replies)][0] == '3';

		alive = hop_say(c, "354 go on\r\n");
		if (alive)
			c->in_data = usual;
	} else {
		if (slice_starts_with_nocase(line, SLICE_LIT("RCPT")))
			c->recipients++;
		if (slice_starts_with_nocase(line, SLICE_LIT("MAIL")) ||
		    slice_eq_str_nocase(line, "RSET"))
			c->recipients = 0;
		alive = hop_say(c, "250 2.1.0 ok\r\n");
	}
	if (alive)
		buf_consume(&c->in, end + 1);
	return alive;
}

static inline void
hop_readable(void *ctx, unsigned events UNUSED)
{
	struct hop_connection *c = ctx;
	static uint8_t data[65536];
	ssize_t n = read(c->fd, data, sizeof(data));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || buf_append(&c->in, data, (size_t)n) < 0) {
		hop_drop_connection(c);
		return;
	}
	while (c->in_data ? hop_take_mail(c) : hop_take_line(c))
		;
}

static inline void
hop_accept(void *ctx, unsigned events UNUSED)
{
	struct hop *h = ctx;
	int fd = accept4(h->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < HOP_CONNECTIONS_MAX; i++) {
		struct hop_connection *c;

		if (h->connections[i] != NULL)
			continue;
		c = mem_new(sizeof(*c));
		c->hop = h;
		c->fd = fd;
		buf_init(&c->in, 8u << 20);
		c->watch = loop_watch_new(h->loop, fd, LOOP_READ, hop_readable, c);
		h->connections[i] = c;
		(void)hop_say(c, "220 hop ESMTP\r\n");
		return;
	}
	fd_close(&fd);
}

static inline void
hop_init(struct hop *h, struct loop *l, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	*h = (struct hop){ .loop = l };
	snprintf(h->path, sizeof(h->path), "/tmp/cordon-%s-%d.sock", name, (int)getpid());
	(void)unlink(h->path);
	memcpy(a.sun_path, h->path, strlen(h->path) + 1);
	h->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ASSERT(h->fd >= 0 && bind(h->fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	ASSERT(listen(h->fd, 64) == 0);
	h->watch = loop_watch_new(l, h->fd, LOOP_READ, hop_accept, h);
	buf_init(&h->last, 8u << 20);
	buf_init(&h->lines, 1u << 20);
}

/* Every connection is closed and everything forgotten; it still listens. */
static inline void
hop_reset(struct hop *h, const uint8_t *script, size_t len)
{
	for (size_t i = 0; i < HOP_CONNECTIONS_MAX; i++) {
		if (h->connections[i] != NULL)
			hop_drop_connection(h->connections[i]);
	}
	buf_clear(&h->lines);
	buf_clear(&h->last);
	h->mails = h->accepted = 0;
	h->script = script;
	h->script_len = len;
}

static inline void
hop_done(struct hop *h)
{
	hop_reset(h, NULL, 0);
	loop_watch_free(&h->watch);
	fd_close(&h->fd);
	(void)unlink(h->path);
	buf_done(&h->last);
	buf_done(&h->lines);
}

#endif
