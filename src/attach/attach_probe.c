/* attach_probe.c: a small SMTP client (RFC 5321) that sends the two test mails. It speaks plain
 * SMTP to a loopback port; what the replies mean for an attach is left to attach.c. */
#include "attach/attach_probe.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "attach/attach_command.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/slice.h"

#define POLL_MS 100

struct dialogue {
	const struct probe *p;
	int fd;
	struct buf in;      /* read, not yet taken */
	char greeting[256]; /* the host that the greeting names */
	struct probe_reply reply;
};

static void
dialogue_done(struct dialogue *d)
{
	fd_close(&d->fd);
	buf_done(&d->in);
}

/* Waits until the socket is ready. 0; negative with *e: too late, or -EINTR. */
static int
fd_wait(int fd, short events, int64_t end, struct err *e)
{
	for (;;) {
		struct pollfd one = { fd, events, 0 };
		int64_t left = end - clock_now_ms();

		if (attach_interrupt_is_set())
			return attach_interrupt_tell(e);
		if (left <= 0)
			return err_set(e, EINVAL, "the MTA did not answer in time");
		if (poll(&one, 1, (int)MIN_OF(left, POLL_MS)) > 0)
			return 0;
	}
}

static int
fd_connect(const struct probe *p, const struct sockaddr *sa, socklen_t len, struct err *e)
{
	CLEANUP(fd_close)
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(int);
	int code = 0, r;

	if (fd < 0)
		return err_set(e, errno, "cannot make a socket");
	if (connect(fd, sa, len) < 0) {
		if (errno != EINPROGRESS)
			return err_set(
			    e, errno, "cannot connect to the MTA at port %u", p->address.port);
		r = fd_wait(fd, POLLOUT, clock_now_ms() + p->timeout_ms, e);
		if (r < 0)
			return r;
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
		if (code != 0)
			return err_set(
			    e, code, "cannot connect to the MTA at port %u", p->address.port);
	}
	return TAKE_FD(fd);
}

static int
probe_connect(const struct probe *p, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	char port[8];
	int fd = -1, r;

	snprintf(port, sizeof(port), "%u", p->address.port);
	r = getaddrinfo(p->address.host, port, &hints, &all);
	if (r != 0)
		return err_set(
		    e, EINVAL, "'%s' is no host: %s", p->address.host, gai_strerror(r));
	for (struct addrinfo *one = all; one != NULL && fd < 0; one = one->ai_next)
		fd = fd_connect(p, one->ai_addr, one->ai_addrlen, e);
	freeaddrinfo(all);
	return fd;
}

static int
dialogue_write(struct dialogue *d, struct slice s, struct err *e)
{
	int64_t end = clock_now_ms() + d->p->timeout_ms;

	while (s.len > 0) {
		ssize_t n;
		int r = fd_wait(d->fd, POLLOUT, end, e);

		if (r < 0)
			return r;
		n = send(d->fd, s.ptr, s.len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_set(e, errno, "the MTA closed the connection");
		s = slice_from(s, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

/* Takes one whole reply off the front of d->in: its code, 0 when it is not whole, negative when
 * it is no reply. */
static int
dialogue_take_reply(struct dialogue *d)
{
	struct slice all = buf_get(&d->in), line = SLICE_NONE;
	uint64_t code;

	for (size_t at = 0, end; (end = slice_find_byte(all, '\n', at)) != SIZE_MAX;
	     at = end + 1) {
		size_t len;

		line = slice_trim(slice_sub(all, at, end - at));
		if (line.len < 3 || !slice_parse_uint(slice_sub(line, 0, 3), 999, &code))
			return -EPROTO;
		if (at == 0) {
			len = MIN_OF(line.len, sizeof(d->reply.text) - 1);
			for (size_t i = 0; i < len; i++)
				d->reply.text[i] = line.ptr[i] < ' ' || line.ptr[i] > '~'
						       ? '?'
						       : (char)line.ptr[i];
			d->reply.text[len] = '\0';
		}
		if (line.len == 3 || line.ptr[3] != '-') {
			buf_consume(&d->in, end + 1);
			return (int)code;
		}
	}
	return 0;
}

static int
dialogue_read_reply(struct dialogue *d, unsigned timeout_ms, struct err *e)
{
	int64_t end = clock_now_ms() + timeout_ms;

	d->reply.code = 0;
	while (d->reply.code == 0) {
		ssize_t n;
		int r;

		d->reply.code = dialogue_take_reply(d);
		if (d->reply.code != 0)
			break;
		r = fd_wait(d->fd, POLLIN, end, e);
		if (r < 0)
			return r;
		if (buf_reserve(&d->in, 1024) < 0)
			return err_set(e, EINVAL, "the MTA's reply is too long");
		n = recv(d->fd, d->in.data + d->in.len, 1024, 0);
		if (n == 0)
			return err_set(e, ECONNRESET, "the MTA closed the connection");
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_set(e, errno, "the MTA closed the connection");
		d->in.len += n > 0 ? (size_t)n : 0;
	}
	if (d->reply.code < 0)
		return err_set(
		    e, EINVAL, "what listens at port %u is no SMTP server", d->p->address.port);
	return 0;
}

/* One command. 1 when the reply refuses it, 0 when not, negative. */
static int
dialogue_command(struct dialogue *d, const char *line, struct err *e)
{
	int r = dialogue_write(d, slice_of_str(line), e);

	if (r == 0)
		r = dialogue_read_reply(d, d->p->timeout_ms, e);
	return r < 0 ? r : d->reply.code >= 400;
}

/* The 68 bytes of the EICAR test file, put together here so that no scanner finds them in the
 * program, as base64. */
static int
append_eicar(struct buf *out)
{
	static const char *const piece[] = { "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9",
		"JEVJQ0FSLVNUQU5E", "QVJELUFOVElWSVJVUy1URVNULUZJTEUhJEgrSCo=" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(piece) && r == 0; i++)
		r = buf_append_str(out, piece[i]);
	return r;
}

static int
append_mail(struct buf *out, bool infected, const char *from, const char *to)
{
	char date[64];
	time_t now = time(NULL);
	struct tm tm;
	int r;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	r = buf_printf(out,
	    "From: <%s>\r\nTo: <%s>\r\nSubject: Cordon test: %s\r\nDate: %s\r\n"
	    "Message-ID: <cordon-attach-%lld-%ld-%d@localhost>\r\nAuto-Submitted: "
	    "auto-generated\r\n"
	    "X-Test-Id: cordon-attach-%s\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=\"cordon-attach\"\r\n\r\n"
	    "--cordon-attach\r\nContent-Type: text/plain\r\n\r\n"
	    "cordon attach sent this mail to see whether the filter works.\r\n%s\r\n"
	    "--cordon-attach\r\nContent-Type: application/octet-stream; name=\"%s\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment; filename=\"%s\"\r\n\r\n",
	    from, to, infected ? "EICAR" : "clean mail", date, (long long)now, (long)getpid(),
	    infected, infected ? "infected" : "clean",
	    infected ? "The attachment is the EICAR test file, which is harmless. It should "
		       "have been "
		       "refused."
		     : "You may delete it.",
	    infected ? "eicar.com" : "hello.txt", infected ? "eicar.com" : "hello.txt");
	if (r == 0)
		r = infected ? append_eicar(out) : buf_append_str(out, "SGVsbG8uCg==");
	return r == 0 ? buf_append_str(out, "\r\n--cordon-attach--\r\n.\r\n") : r;
}

/* MAIL and RCPT; to: the recipient that was taken, in a buffer of size bytes. */
static int
dialogue_envelope(struct dialogue *d, char *to, size_t size, struct err *e)
{
	const struct probe *p = d->p;
	char line[1200];
	int r;

	snprintf(to, size, "%s", p->recipient != NULL ? p->recipient : "postmaster");
	snprintf(line, sizeof(line), "MAIL FROM:<%s>\r\n", p->sender);
	r = dialogue_command(d, line, e);
	if (r != 0)
		return r;
	snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", to);
	r = dialogue_command(d, line, e);
	if (r != 1 || p->recipient != NULL || d->greeting[0] == '\0')
		return r;
	/* RFC 5321 section 4.5.1 wants the bare name taken; some want the domain. */
	snprintf(to, size, "postmaster@%s", d->greeting);
	snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", to);
	return dialogue_command(d, line, e);
}

static int
dialogue_mail(struct dialogue *d, bool infected, struct err *e)
{
	const char *sender = d->p->sender[0] != '\0' ? d->p->sender : "postmaster@localhost";
	char to[600], shown[900];
	struct buf mail;
	int r = dialogue_envelope(d, to, sizeof(to), e);

	if (r == 0)
		r = dialogue_command(d, "DATA\r\n", e);
	if (r != 0)
		return r;
	/* In the header an address must have a domain. */
	snprintf(shown, sizeof(shown), "%s%s%s", to, strchr(to, '@') == NULL ? "@" : "",
	    strchr(to, '@') != NULL  ? ""
	    : d->greeting[0] != '\0' ? d->greeting
				     : "localhost");
	buf_init(&mail, 16384);
	r = append_mail(&mail, infected, sender, shown);
	r = r < 0 ? err_set(e, -r, "cannot make the test mail")
		  : dialogue_write(d, buf_get(&mail), e);
	buf_done(&mail);
	if (r == 0)
		r = dialogue_read_reply(d, d->p->end_timeout_ms, e);
	d->reply.at_end = r == 0;
	return r;
}

/* "220 mx.example.com ESMTP": the host. */
static void
dialogue_keep_greeting(struct dialogue *d)
{
	if (sscanf(d->reply.text, "%*3d%*1[ -]%250[A-Za-z0-9.-]", d->greeting) != 1)
		d->greeting[0] = '\0';
}

int
probe_send(const struct probe *p, bool infected, struct probe_reply *ret_reply, struct err *e)
{
	CLEANUP(dialogue_done) struct dialogue d = { .p = p, .fd = -1 };
	int r;

	buf_init(&d.in, ATTACH_REPLY_MAX_BYTES);
	d.fd = probe_connect(p, e);
	if (d.fd < 0)
		return d.fd;
	r = dialogue_read_reply(&d, p->timeout_ms, e);
	if (r == 0 && d.reply.code < 400) {
		dialogue_keep_greeting(&d);
		/* An address is a name that no rule about host names refuses (RFC 5321 4.1.3).
		 */
		r = dialogue_command(&d, "EHLO [127.0.0.1]\r\n", e);
		if (r == 0)
			r = dialogue_mail(&d, infected, e);
	}
	if (r < 0)
		return r;
	*ret_reply = d.reply;
	dialogue_write(&d, SLICE_LIT("QUIT\r\n"), NULL);
	return 0;
}
