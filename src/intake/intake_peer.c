/* intake_peer.c: see intake_peer.h. */
#include "intake/intake_peer.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"

enum intake_peer_word
intake_peer_peek(int fd)
{
	uint8_t byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0)
		return INTAKE_PEER_SPOKE;
	if (n == 0)
		return INTAKE_PEER_CLOSED;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? INTAKE_PEER_SILENT
									 : INTAKE_PEER_LOST;
}

static bool
has_event(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) == 1 && (p.revents & (events | POLLHUP | POLLERR)) != 0;
}

bool
intake_peer_is_gone(int fd)
{
	return has_event(fd, 0);
}

bool
intake_peer_has_closed(int fd)
{
	return has_event(fd, POLLRDHUP);
}

ssize_t
intake_peer_write(int fd, struct buf *out)
{
	ssize_t n;

	do
		n = send(fd, out->data, out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	buf_consume(out, (size_t)n);
	return n;
}
