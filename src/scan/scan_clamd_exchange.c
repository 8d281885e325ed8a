/* scan_clamd_exchange.c: see clamd(8) for the protocol. The connection is ours alone and ends
 * with the answer: in a session (IDSESSION) a broken clamd can hand out other clients' answers.
 * FILDES gives it an anonymous memory file of the object, INSTREAM the bytes in pieces. */
#include "scan/scan_clamd_exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/macros.h"
#include "scan/scan_clamd_reply.h"

#define CHUNK_BYTES      (256u * 1024)
#define CHUNKS_PER_TURN  8   /* then other connections get their turn */
#define BACKLOG_RETRY_MS 20u /* a unix socket whose queue is full cannot be waited for */

enum exchange_state { EXCHANGE_CONNECTING, EXCHANGE_SENDING, EXCHANGE_READING, EXCHANGE_OVER };

struct clamd_exchange {
	struct loop *loop;
	struct clamd_peer *peer;
	enum clamd_command command;
	struct slice bytes;
	clamd_exchange_fn done;
	void *ctx;
	enum exchange_state state;
	int64_t connect_due_ms, due_ms;
	struct loop_watch *watch;
	struct loop_timer *timer;
	int fd, object_fd;
	unsigned first;    /* of the peer's addresses; */
	unsigned tried;    /* so many from there on, around, failed */
	int error;         /* of the last one */
	size_t chunk_at;   /* first byte of the object in the current piece */
	size_t piece_sent; /* bytes of the current piece, with command and length */
	bool command_sent; /* FILDES: the descriptor is next */
	bool early;
	struct clamd_outcome outcome; /* when OVER */
	size_t reply_len;
	uint8_t reply[CLAMD_REPLY_MAX_BYTES + 1];
};

static const struct slice command_texts[] = {
	[CLAMD_VERSION] = { (const uint8_t *)"zVERSION", sizeof("zVERSION") },
	[CLAMD_INSTREAM] = { (const uint8_t *)"zINSTREAM", sizeof("zINSTREAM") },
	[CLAMD_FILDES] = { (const uint8_t *)"zFILDES", sizeof("zFILDES") },
};
#define COMMAND_MAX_BYTES sizeof("zINSTREAM")

static void on_io(void *ctx, unsigned events);

static void
exchange_close(struct clamd_exchange *e)
{
	loop_watch_free(&e->watch);
	fd_close(&e->fd);
	fd_close(&e->object_fd);
}

/* Over without an answer. Told by the timer, so that nobody is called back from his own call.
 */
static void
exchange_fail(struct clamd_exchange *e, enum clamd_result result, int error)
{
	exchange_close(e);
	e->state = EXCHANGE_OVER;
	e->outcome = (struct clamd_outcome){ .result = result, .error = error };
	loop_timer_set_ms(e->timer, 0);
}

/* Over; e may be gone afterwards. */
static void
exchange_tell_reply(struct clamd_exchange *e)
{
	struct clamd_outcome o = {
		.result = CLAMD_REPLIED, .early = e->early, .reply = { e->reply, e->reply_len }
	};

	exchange_close(e);
	loop_timer_stop(e->timer);
	e->state = EXCHANGE_OVER;
	e->done(e->ctx, &o);
}

static void
exchange_set_timer(struct clamd_exchange *e, int64_t at_ms)
{
	loop_timer_set_ms(e->timer, (unsigned)MAX_OF(at_ms - clock_now_ms(), (int64_t)0));
}

/* Sends what lies in iov behind the first skip bytes. Bytes sent, or a negative errno. */
static ssize_t
send_rest(int fd, struct iovec *iov, size_t count, size_t skip)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t n;

	while (msg.msg_iovlen > 0 && skip >= msg.msg_iov->iov_len) {
		skip -= msg.msg_iov->iov_len;
		msg.msg_iov++;
		msg.msg_iovlen--;
	}
	ASSERT(msg.msg_iovlen > 0);
	msg.msg_iov->iov_base = (uint8_t *)msg.msg_iov->iov_base + skip;
	msg.msg_iov->iov_len -= skip;
	n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

/* A piece is: the command (before the first), a length, up to CHUNK_BYTES of the object, and
 * after the last the length 0 that ends the stream. 1: that was the last; 0: call again;
 * negative errno, -EAGAIN: later. */
static int
send_chunk(struct clamd_exchange *e)
{
	struct slice command = e->chunk_at == 0 ? command_texts[CLAMD_INSTREAM] : SLICE_NONE;
	size_t len = MIN_OF(e->bytes.len - e->chunk_at, (size_t)CHUNK_BYTES), total;
	bool is_last = e->chunk_at + len == e->bytes.len;
	uint8_t head[COMMAND_MAX_BYTES + 4];
	uint32_t length = htonl((uint32_t)len), end = 0;
	size_t head_len = command.len;
	struct iovec iov[3];
	ssize_t n;

	if (command.len > 0)
		memcpy(head, command.ptr, command.len);
	if (len > 0) {
		memcpy(head + head_len, &length, sizeof(length));
		head_len += sizeof(length);
	}
	iov[0] = (struct iovec){ head, head_len };
	iov[1] = (struct iovec){ len > 0 ? (void *)(e->bytes.ptr + e->chunk_at) : NULL, len };
	iov[2] = (struct iovec){ &end, is_last ? sizeof(end) : 0 };
	total = iov[0].iov_len + iov[1].iov_len + iov[2].iov_len;
	n = send_rest(e->fd, iov, ARRAY_LEN(iov), e->piece_sent);
	if (n < 0)
		return (int)n;
	e->piece_sent += (size_t)n;
	if (e->piece_sent < total)
		return 0;
	e->chunk_at += len;
	e->piece_sent = 0;
	return is_last ? 1 : 0;
}

/* The object as a file without a name. Copying takes well under a millisecond per MB. */
static int
object_file_new(struct slice bytes)
{
	int fd = memfd_create("cordon-object", MFD_CLOEXEC);
	size_t at = 0;

	while (fd >= 0 && at < bytes.len) {
		ssize_t n = pwrite(fd, bytes.ptr + at, bytes.len - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int saved = n == 0 ? ENOSPC : errno;

			fd_close(&fd);
			errno = saved;
			return -saved;
		}
		at += (size_t)n;
	}
	return fd < 0 ? -errno : fd;
}

/* The descriptor, along with the one byte clamd wants. */
static int
send_descriptor(struct clamd_exchange *e)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	char dummy = 0;
	struct iovec iov = { &dummy, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &e->object_fd, sizeof(int));
	if (sendmsg(e->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	fd_close(&e->object_fd);
	return 1;
}

/* VERSION, and FILDES with its descriptor behind. Returns as send_chunk(). */
static int
send_command(struct clamd_exchange *e)
{
	struct slice text = command_texts[e->command];
	struct iovec iov = { (void *)text.ptr, text.len };
	ssize_t n;

	if (e->command_sent)
		return send_descriptor(e);
	n = send_rest(e->fd, &iov, 1, e->piece_sent);
	if (n < 0)
		return (int)n;
	e->piece_sent += (size_t)n;
	e->command_sent = e->piece_sent == text.len;
	return e->command_sent && e->command == CLAMD_VERSION ? 1 : 0;
}

static void
exchange_send(struct clamd_exchange *e)
{
	for (unsigned turn = 0; turn < CHUNKS_PER_TURN; turn++) {
		int r = e->command == CLAMD_INSTREAM ? send_chunk(e) : send_command(e);

		if (r == -EINTR || r == 0)
			continue;
		if (r == -EAGAIN)
			return;
		/* A server that refuses the rest closes its end, and has often said why before.
		 */
		e->early = r < 0;
		e->state = EXCHANGE_READING;
		loop_watch_set(e->watch, LOOP_READ);
		return;
	}
}

/* All sent, all read: true when it is over; e may be gone then. */
static bool
exchange_receive(struct clamd_exchange *e)
{
	for (;;) {
		size_t room = sizeof(e->reply) - e->reply_len;
		ssize_t n = recv(e->fd, e->reply + e->reply_len, room, MSG_DONTWAIT);
		struct slice got = { e->reply, e->reply_len };
		int error = n < 0 ? errno : 0;

		if (error == EINTR)
			continue;
		if (n > 0) {
			e->reply_len += (size_t)n;
			if (e->reply_len < sizeof(e->reply))
				continue;
		} else if (error == EAGAIN && slice_find_byte(got, '\0', 0) == SIZE_MAX &&
			   slice_find_byte(got, '\n', 0) == SIZE_MAX) {
			return false;
		}
		e->early = e->early || e->state == EXCHANGE_SENDING;
		if (e->reply_len > 0)
			exchange_tell_reply(e);
		else
			exchange_fail(e, CLAMD_CLOSED, error);
		return true;
	}
}

static void
exchange_connected(struct clamd_exchange *e)
{
	e->peer->preferred = (e->first + e->tried) % e->peer->count;
	e->state = EXCHANGE_SENDING;
	exchange_set_timer(e, e->due_ms);
	if (e->command == CLAMD_FILDES) {
		e->object_fd = object_file_new(e->bytes);
		if (e->object_fd < 0) {
			exchange_fail(e, CLAMD_LOCAL, -e->object_fd);
			return;
		}
	}
	loop_watch_set(e->watch, LOOP_READ | LOOP_WRITE);
	exchange_send(e);
}

static int
exchange_open_socket(struct clamd_exchange *e, const struct sockaddr_storage *address)
{
	int one = 1;

	e->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0)
		return -errno;
	if (address->ss_family != AF_UNIX)
		(void)setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	e->watch = loop_watch_new(e->loop, e->fd, 0, on_io, e);
	return 0;
}

/* Tries the addresses that are left. */
static void
exchange_connect(struct clamd_exchange *e)
{
	for (; e->tried < e->peer->count; e->tried++) {
		unsigned i = (e->first + e->tried) % e->peer->count;
		int r = exchange_open_socket(e, &e->peer->addresses[i]);

		if (r == -EAFNOSUPPORT) {
			e->error = -r;
			continue;
		}
		if (r < 0) {
			exchange_fail(e, CLAMD_LOCAL, -r);
			return;
		}
		if (connect(e->fd, (const struct sockaddr *)&e->peer->addresses[i],
			e->peer->lengths[i]) == 0) {
			exchange_connected(e);
			return;
		}
		e->error = errno;
		if (e->error == EINPROGRESS || e->error == EINTR) {
			loop_watch_set(e->watch, LOOP_WRITE);
			exchange_set_timer(e, e->connect_due_ms);
			return;
		}
		exchange_close(e);
		if (e->error == EAGAIN) {
			exchange_set_timer(
			    e, MIN_OF(e->connect_due_ms, clock_now_ms() + BACKLOG_RETRY_MS));
			return;
		}
	}
	exchange_fail(e, CLAMD_UNREACHABLE, e->error);
}

static void
on_io(void *ctx, unsigned events)
{
	struct clamd_exchange *e = ctx;
	socklen_t len = sizeof(e->error);

	if (e->state == EXCHANGE_CONNECTING) {
		if (getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &e->error, &len) < 0)
			e->error = errno;
		if (e->error == 0) {
			exchange_connected(e);
			return;
		}
		exchange_close(e);
		e->tried++;
		exchange_connect(e);
		return;
	}
	if ((events & LOOP_READ) != 0 && exchange_receive(e))
		return;
	if ((events & LOOP_WRITE) != 0 && e->state == EXCHANGE_SENDING)
		exchange_send(e);
}

static void
on_timer(void *ctx)
{
	struct clamd_exchange *e = ctx;
	int64_t now = clock_now_ms();

	if (e->state == EXCHANGE_OVER) {
		struct clamd_outcome o = e->outcome;

		e->done(e->ctx, &o);
	} else if (now >= e->due_ms) {
		exchange_fail(e, CLAMD_TIMEOUT, 0);
	} else if (e->state != EXCHANGE_CONNECTING) {
		exchange_set_timer(e, e->due_ms);
	} else if (now >= e->connect_due_ms) {
		exchange_fail(e, CLAMD_UNREACHABLE, ETIMEDOUT);
	} else if (e->fd < 0) {
		exchange_connect(e);
	} else {
		exchange_set_timer(e, e->connect_due_ms);
	}
}

struct clamd_exchange *
clamd_exchange_new(struct loop *l, struct clamd_peer *peer, enum clamd_command command,
    struct slice bytes, unsigned connect_ms, unsigned timeout_ms, clamd_exchange_fn done,
    void *ctx)
{
	struct clamd_exchange *e = mem_new(sizeof(*e));
	int64_t now = clock_now_ms();

	e->loop = l;
	e->peer = peer;
	e->command = command;
	e->bytes = bytes;
	e->done = done;
	e->ctx = ctx;
	e->fd = e->object_fd = -1;
	e->first = peer->preferred;
	e->error = ENOENT; /* of a peer without addresses */
	e->due_ms = now + timeout_ms;
	e->connect_due_ms = MIN_OF(e->due_ms, now + connect_ms);
	e->timer = loop_timer_new(l, on_timer, e);
	exchange_connect(e);
	return e;
}

void
clamd_exchange_free(struct clamd_exchange **address)
{
	struct clamd_exchange *e = *address;

	if (e == NULL)
		return;
	exchange_close(e);
	loop_timer_free(&e->timer);
	free(e);
	*address = NULL;
}
