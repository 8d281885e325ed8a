/* relay.c: see relay.h. Each way has one buffer: a side that does not read holds up the other
 * one, and nothing grows. */
#include "cmd/relay.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"

#define WAY_BYTES 65536u

struct way {
	int from, to;
	uint8_t bytes[WAY_BYTES];
	size_t at, len; /* what waits to be written */
	bool ended;     /* no more is read */
};

/* 1 go on, 0 the end, negative errno. */
static int
way_read(struct way *w)
{
	ssize_t n = read(w->from, w->bytes, sizeof(w->bytes));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	w->at = 0;
	w->len = (size_t)n;
	return n > 0;
}

/* The descriptors are not ours alone, so they stay as blocking as they were: a socket is asked
 * not to wait, and a pipe that poll(2) calls writable has room for so much. */
static int
way_write(struct way *w)
{
	ssize_t n = send(w->to, w->bytes + w->at, w->len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(w->to, w->bytes + w->at, MIN_OF(w->len, (size_t)PIPE_BUF));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	w->at += (size_t)n;
	w->len -= (size_t)n;
	return 0;
}

static short
events_of(bool wanted, short event)
{
	return wanted ? event : 0;
}

/* Towards the socket. An input that breaks has ended; a socket that takes no more may still
 * have something to say. What could not be written is missing, so nothing may follow it: the
 * other side hears the end. */
static void
outward_step(struct way *w, short readable, short writable, bool pass_end)
{
	if (w->len > 0 && writable != 0 && way_write(w) < 0) {
		w->len = 0;
		w->ended = true;
		(void)shutdown(w->to, SHUT_WR);
	}
	if (w->len == 0 && !w->ended && readable != 0 && way_read(w) <= 0) {
		w->ended = true;
		if (pass_end)
			(void)shutdown(w->to, SHUT_WR);
	}
}

/* From the socket. 0, or a negative errno. */
static int
inward_step(struct way *w, short readable, short writable)
{
	int r = 0;

	if (w->len > 0 && writable != 0)
		r = way_write(w);
	if (r == 0 && w->len == 0 && !w->ended && readable != 0) {
		r = way_read(w);
		w->ended = r <= 0;
		r = MIN_OF(r, 0);
	}
	return r;
}

int
relay_run(int input_fd, int output_fd, int socket_fd, bool pass_end)
{
	static struct way out, in;
	int r = 0;

	out = (struct way){ .from = input_fd, .to = socket_fd };
	in = (struct way){ .from = socket_fd, .to = output_fd };
	while (r == 0 && (!in.ended || in.len > 0)) {
		bool may_read = out.len == 0 && !out.ended;
		struct pollfd p[3] = {
			{ may_read ? input_fd : -1, POLLIN, 0 },
			{ output_fd, events_of(in.len > 0, POLLOUT), 0 },
			{ socket_fd,
			    (short)(events_of(out.len > 0, POLLOUT) |
				    events_of(in.len == 0 && !in.ended, POLLIN)),
			    0 },
		};

		if (p[2].events == 0)
			p[2].fd = -1; /* its end would wake us for nothing */
		if (poll(p, 3, -1) < 0) {
			r = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (in.len == 0 && (p[2].revents & POLLIN) == 0 &&
		    (p[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
			return 0; /* who spoke here has left */
		outward_step(
		    &out, p[0].revents, p[2].revents & (POLLOUT | POLLERR | POLLHUP), pass_end);
		r = inward_step(&in, p[2].revents & (POLLIN | POLLERR | POLLHUP), p[1].revents);
	}
	return r;
}
