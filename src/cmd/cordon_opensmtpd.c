/* cordon_opensmtpd.c: `cordon opensmtpd`, the filter that smtpd starts (proc-exec): carries
 * lines between it and a listener of the running daemon, and stays when the daemon goes. What
 * is said while there is none is opensmtpd_relay.c's. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/cordon.h"
#include "config/config.h"
#include "config/config_address.h"
#include "intake/opensmtpd_relay.h"

#define CHUNK_BYTES  (64u * 1024)
#define RETRY_MS     500
#define RETRY_LOG_MS 60000

struct carrier {
	struct opensmtpd_relay relay;
	struct config_address address;
	int fd;            /* to the daemon, or -1 */
	int64_t retry_ms;  /* not before */
	int64_t logged_ms; /* that nobody answers; 0: not since it last did */
};

static int
address_connect_unix(const struct config_address *a)
{
	CLEANUP(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(a->host) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, a->host, strlen(a->host) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int
address_connect(const struct config_address *a)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_family = a->family == CONFIG_FAMILY_INET6 ? AF_INET6 : AF_INET };
	struct addrinfo *found = NULL;
	CLEANUP(fd_close) int fd = -1;
	char port[16];
	int r = -EHOSTUNREACH;

	if (a->family == CONFIG_FAMILY_UNIX)
		return address_connect_unix(a);
	snprintf(port, sizeof(port), "%u", a->port);
	if (getaddrinfo(a->host, port, &hints, &found) != 0)
		return r;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0 ? -errno : 0;
	freeaddrinfo(found);
	return r < 0 ? r : TAKE_FD(fd);
}

static void
carrier_connect(struct carrier *c)
{
	int64_t now = clock_now_ms();
	int fd;

	if (c->fd >= 0 || now < c->retry_ms)
		return;
	c->retry_ms = now + RETRY_MS;
	fd = address_connect(&c->address);
	if (fd < 0) {
		if (c->logged_ms == 0 || now - c->logged_ms > RETRY_LOG_MS) {
			log_error(NULL,
			    "event=no_daemon address=%s error=\"%s\": every mail gets "
			    "451 until it answers",
			    c->address.host, strerror(-fd));
			c->logged_ms = now;
		}
		return;
	}
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	c->fd = fd;
	log_info(NULL, "event=connected address=%s", c->address.host);
	c->logged_ms = 0;
}

/* 0, or a negative errno: smtpd could not be answered. */
static int
carrier_drop(struct carrier *c, const char *why)
{
	log_warn(NULL, "event=daemon_gone address=%s error=\"%s\": mails in progress get 451",
	    c->address.host, why);
	fd_close(&c->fd);
	return opensmtpd_relay_disconnect(&c->relay);
}

/* 1: something moved or may move later; 0: the end; negative errno. */
static int
write_some(int fd, struct buf *b)
{
	ssize_t n = b->len == 0 ? 0 : write(fd, b->data, MIN_OF(b->len, (size_t)CHUNK_BYTES));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : -errno;
	buf_consume(b, (size_t)n);
	return 1;
}

static int
read_some(int fd, uint8_t bytes[CHUNK_BYTES], size_t *ret_len)
{
	ssize_t n = read(fd, bytes, CHUNK_BYTES);

	*ret_len = n > 0 ? (size_t)n : 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : -errno;
	return n > 0;
}

/* Both ways of the daemon's connection. 0, or negative as carrier_drop(). */
static int
serve_daemon(struct carrier *c, short events)
{
	static uint8_t bytes[CHUNK_BYTES];
	struct err e = { 0 };
	size_t len = 0;
	int r = 1;

	if ((events & POLLOUT) != 0)
		r = write_some(c->fd, &c->relay.to_daemon);
	if (r > 0 && (events & (POLLIN | POLLHUP | POLLERR)) != 0)
		r = read_some(c->fd, bytes, &len);
	if (r <= 0)
		return carrier_drop(c, r == 0 ? "connection closed" : strerror(-r));
	if (len > 0 && opensmtpd_relay_take_daemon(&c->relay, slice_of(bytes, len), &e) < 0)
		return carrier_drop(c, e.text);
	return 0;
}

/* 1 go on, 0 smtpd has ended, negative and *e. */
static int
serve_smtpd(struct carrier *c, short in, short out, struct err *e)
{
	static uint8_t bytes[CHUNK_BYTES];
	size_t len = 0;
	int r = 1;

	if (out != 0)
		r = write_some(STDOUT_FILENO, &c->relay.to_smtpd);
	if (r > 0 && in != 0)
		r = read_some(STDIN_FILENO, bytes, &len);
	if (r < 0)
		return err_set(e, -r, "the connection to smtpd broke");
	if (r == 0 || len == 0)
		return r;
	r = opensmtpd_relay_take_smtpd(&c->relay, slice_of(bytes, len), e);
	return r < 0 ? r : 1;
}

static int
carrier_turn(struct carrier *c, struct err *e)
{
	struct opensmtpd_relay *r = &c->relay;
	bool is_open = r->to_smtpd.len < OPENSMTPD_RELAY_FULL_BYTES;
	struct pollfd p[3] = {
		{ STDIN_FILENO,
		    is_open && r->to_daemon.len < OPENSMTPD_RELAY_FULL_BYTES ? POLLIN : 0, 0 },
		{ r->to_smtpd.len > 0 ? STDOUT_FILENO : -1, POLLOUT, 0 },
		{ c->fd, (short)((is_open ? POLLIN : 0) | (r->to_daemon.len > 0 ? POLLOUT : 0)),
		    0 },
	};
	int failed;

	if (p[0].events == 0)
		p[0].fd = -1; /* its end would wake us for nothing */
	if (p[2].events == 0)
		p[2].fd = -1;
	if (poll(p, ARRAY_LEN(p), c->fd >= 0 ? -1 : RETRY_MS) < 0)
		return errno == EINTR ? 1 : err_set(e, errno, "cannot wait");
	if (c->fd >= 0 && p[2].revents != 0) {
		failed = serve_daemon(c, p[2].revents);
		if (failed < 0)
			return err_set(e, -failed, "no memory to answer smtpd");
	}
	failed = serve_smtpd(c, p[0].revents, p[1].revents, e);
	if (failed <= 0 || c->fd >= 0)
		return failed;
	carrier_connect(c);
	if (c->fd >= 0 && opensmtpd_relay_connect(r) < 0)
		return err_set(e, ENOMEM, "no memory for the handshake");
	return 1;
}

/* The listener that --listener names; none given: the only one that speaks to smtpd. */
static const char *
listener_get_address(const struct config *c, const char *name, struct err *e)
{
	const struct config_listener *found = NULL;

	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		if (l->protocol != CONFIG_PROTOCOL_OPENSMTPD ||
		    (name != NULL && strcmp(l->name, name) != 0))
			continue;
		if (found != NULL)
			return err_null(e, 0,
			    "there are several listeners with protocol = "
			    "opensmtpd: name one of them");
		found = l;
	}
	if (found == NULL)
		return err_null(e, 0, "there is no listener %s%swith protocol = opensmtpd",
		    name == NULL ? "" : name, name == NULL ? "" : " ");
	return found->address;
}

/* The listener's address, or the one given, for which no configuration needs to be readable. */
static int
address_find(const struct cordon_options *o, struct config_address *ret_address, struct err *e)
{
	const char *text = o->arg_count > 0 ? o->args[0] : NULL, *expected = NULL;
	struct config *c = NULL;
	int r = 0;

	if (text == NULL) {
		c = cordon_load_config(o);
		text = c == NULL ? NULL : listener_get_address(c, o->listener, e);
	}
	if (text == NULL)
		r = -EINVAL;
	else if (!config_address_parse_listen(text, ret_address, &expected))
		r = err_set(e, 0, "'%s' is no address: expected %s", text, expected);
	config_unref(&c);
	return r;
}

int
cordon_opensmtpd(const struct cordon_options *o)
{
	struct carrier c = { .fd = -1 };
	struct err e = { 0 };
	int r = address_find(o, &c.address, &e);

	(void)signal(SIGPIPE, SIG_IGN);
	if (r == 0) {
		(void)fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
		(void)fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
		opensmtpd_relay_init(&c.relay);
		carrier_connect(&c);
		r = c.fd >= 0 ? opensmtpd_relay_connect(&c.relay) : 0;
		r = r < 0 ? err_set(&e, -r, "no memory") : 1;
		while (r > 0)
			r = carrier_turn(&c, &e);
		opensmtpd_relay_done(&c.relay);
		fd_close(&c.fd);
	}
	if (r < 0 && e.text[0] != '\0')
		fprintf(stderr, "cordon: %s\n", e.text);
	return r < 0 ? CORDON_EXIT_UNSURE : 0;
}
