/* bench_smtp_floor.c: a proxy that does nothing but pass SMTP on: it reads what one side sent
 * and writes it to the other, and understands none of it. What it costs is the floor under
 * every filter that stands between two SMTP servers. bench_smtp_floor LISTEN NEXT_HOP addresses
 * as in bench_net.h One thread, one epoll loop. What one side does not take yet stays in the
 * kernel: nothing more is read for it meanwhile. */
#include "bench_net.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUFFER_BYTES (64 * 1024)
#define EVENTS       64

struct relay;

/* One end; what it reads and the other has not taken yet waits in rest. */
struct side {
	struct relay *relay;
	int fd;
	uint32_t watched;
	bool ended; /* it sends no more */
	char *rest; /* NULL: nothing waits */
	size_t rest_len, rest_sent;
};

struct relay {
	struct side client, server;
	bool dead;
	struct relay *next_dead;
};

static int floor_epoll_fd;
static char floor_buffer[BUFFER_BYTES];

static struct side *
side_other(struct side *s)
{
	return s == &s->relay->client ? &s->relay->server : &s->relay->client;
}

/* Watch for what can be done: read when nothing waits, write when the other's bytes do. */
static void
side_watch(struct side *s)
{
	uint32_t wanted = (s->rest || s->ended ? 0 : (uint32_t)EPOLLIN) |
			  (side_other(s)->rest ? (uint32_t)EPOLLOUT : 0);
	struct epoll_event e = { .events = wanted, .data.ptr = s };

	if (wanted == s->watched)
		return;
	s->watched = wanted;
	if (epoll_ctl(floor_epoll_fd, EPOLL_CTL_MOD, s->fd, &e) == -1)
		err(1, "epoll_ctl");
}

/* Write len bytes to to; what it does not take is kept in from. False: connection lost. */
static bool
side_pass(struct side *from, struct side *to, const char *data, size_t len)
{
	ssize_t n = send(to->fd, data, len, MSG_NOSIGNAL);

	if (n == -1 && errno != EAGAIN && errno != ENOTCONN)
		return false;
	size_t sent = n > 0 ? (size_t)n : 0;
	if (sent == len)
		return true;
	from->rest = malloc(len - sent);
	if (!from->rest)
		err(1, "cannot get %zu bytes", len - sent);
	memcpy(from->rest, data + sent, len - sent);
	from->rest_len = len - sent;
	from->rest_sent = 0;
	return true;
}

/* False: the relay is at its end. */
static bool
side_on_readable(struct side *s)
{
	struct side *other = side_other(s);
	ssize_t n = recv(s->fd, floor_buffer, sizeof(floor_buffer), 0);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		s->ended = true;
		shutdown(other->fd, SHUT_WR);
		return !other->ended;
	}
	return side_pass(s, other, floor_buffer, (size_t)n);
}

/* Room at s for what its other side has read. False: connection lost. */
static bool
side_on_writable(struct side *s)
{
	struct side *from = side_other(s);

	if (!from->rest)
		return true;
	ssize_t n = send(s->fd, from->rest + from->rest_sent, from->rest_len - from->rest_sent,
	    MSG_NOSIGNAL);
	if (n == -1)
		return errno == EAGAIN;
	from->rest_sent += (size_t)n;
	if (from->rest_sent == from->rest_len) {
		free(from->rest);
		from->rest = NULL;
	}
	return true;
}

static void
side_init(struct side *s, struct relay *r, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };

	*s = (struct side){ .relay = r, .fd = fd, .watched = EPOLLIN };
	if (epoll_ctl(floor_epoll_fd, EPOLL_CTL_ADD, fd, &e) == -1)
		err(1, "epoll_ctl");
}

static void
relay_free(struct relay *r)
{
	close(r->client.fd);
	close(r->server.fd);
	free(r->client.rest);
	free(r->server.rest);
	free(r);
}

static void
floor_accept(int listen_fd, const struct net_address *next_hop)
{
	for (;;) {
		int client_fd = net_accept(listen_fd), server_fd;
		if (client_fd == -1)
			return;
		if (net_connect(next_hop, 0, &server_fd) < 0) {
			close(client_fd);
			continue;
		}
		struct relay *r = calloc(1, sizeof(*r));
		if (!r)
			err(1, "cannot get a relay");
		side_init(&r->client, r, client_fd);
		side_init(&r->server, r, server_fd);
	}
}

/* True: the relay is at its end. */
static bool
side_on_event(struct side *s, uint32_t events)
{
	bool open = true;

	if (events & EPOLLOUT)
		open = side_on_writable(s);
	if (open && events & EPOLLIN && !s->rest)
		open = side_on_readable(s);
	else if (open && !(events & (EPOLLIN | EPOLLOUT)))
		open = false; /* EPOLLERR or EPOLLHUP alone */
	if (!open)
		return true;
	side_watch(&s->relay->client);
	side_watch(&s->relay->server);
	return false;
}

static void
floor_run(int listen_fd, const struct net_address *next_hop)
{
	struct epoll_event events[EVENTS], e = { .events = EPOLLIN };

	floor_epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (floor_epoll_fd == -1 ||
	    epoll_ctl(floor_epoll_fd, EPOLL_CTL_ADD, listen_fd, &e) == -1)
		err(1, "epoll");
	for (;;) {
		struct relay *dead = NULL;
		int n = epoll_wait(floor_epoll_fd, events, EVENTS, -1);
		if (n == -1 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			struct side *s = events[i].data.ptr;
			if (!s) {
				floor_accept(listen_fd, next_hop);
			} else if (!s->relay->dead && side_on_event(s, events[i].events)) {
				/* its other side may have an event in this same round */
				s->relay->dead = true;
				s->relay->next_dead = dead;
				dead = s->relay;
			}
		}
		while (dead) {
			struct relay *r = dead;
			dead = r->next_dead;
			relay_free(r);
		}
	}
}

int
main(int argc, char **argv)
{
	struct net_address next_hop;

	if (argc != 3)
		errx(2, "usage: bench_smtp_floor LISTEN NEXT_HOP");
	signal(SIGPIPE, SIG_IGN);
	net_raise_files();
	net_address_parse(&next_hop, argv[2]);
	floor_run(net_listen(argv[1]), &next_hop);
}
