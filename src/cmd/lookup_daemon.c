/* lookup_daemon.c: the client of the control socket. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macros.h"
#include "cmd/lookup.h"

#define READ_CHUNK 65536u

struct lookup_daemon {
	struct lookup base;
	int fd;
};

void
lookup_free(struct lookup **l)
{
	if (*l == NULL)
		return;
	(*l)->ops->free(*l);
	*l = NULL;
}

int
daemon_connect(const char *path, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (path[0] == '\0' || strlen(path) >= sizeof(addr.sun_path))
		return err_set(e, EINVAL, "no usable control_socket is configured");
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(
		    e, errno, "cordond does not answer at '%s' (is it running?)", path);
	return TAKE_FD(fd);
}

int
daemon_send(int fd, struct slice line, const int *fds, size_t fd_count, struct err *e)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * DAEMON_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { (void *)(uintptr_t)line.ptr, line.len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	ASSERT(fd_count <= DAEMON_FDS_MAX);
	if (fd_count > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	if (n != (ssize_t)line.len)
		return err_set(e, n < 0 ? errno : EIO, "cannot write to cordond");
	return 0;
}

/* 0 when there is something to read. */
static int
answer_wait(int fd, int64_t until_ms, struct err *e)
{
	struct pollfd p = { fd, POLLIN, 0 };

	for (;;) {
		int64_t left = until_ms - clock_now_ms();
		int r = left <= 0 ? 0 : poll(&p, 1, (int)MIN_OF(left, (int64_t)INT_MAX));

		if (r > 0)
			return 0;
		if (r == 0)
			return err_set(e, ETIMEDOUT, "cordond does not answer");
		if (errno != EINTR)
			return err_set(e, errno, "cannot wait for cordond");
	}
}

int
daemon_receive(int fd, int64_t timeout_ms, struct buf *out, struct err *e)
{
	int64_t until_ms = timeout_ms == 0 ? INT64_MAX : clock_now_ms() + timeout_ms;
	size_t begin = out->len;

	for (;;) {
		size_t room = MIN_OF((size_t)READ_CHUNK, out->max - MIN_OF(out->len, out->max));
		ssize_t n;
		int r = timeout_ms == 0 ? 0 : answer_wait(fd, until_ms, e);

		if (r < 0)
			return r;
		if (room == 0)
			return err_set(e, ENOBUFS, "the answer of cordond is too long");
		r = buf_reserve(out, room);
		if (r < 0)
			return err_set(e, -r, "no memory for the answer of cordond");
		n = read(fd, out->data + out->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(
			    e, n < 0 ? errno : EPIPE, "cordond ended the connection");
		out->len += (size_t)n;
		if (out->data[out->len - 1] == '\n') {
			out->len--;
			return out->len > begin
				   ? 0
				   : err_set(e, EPROTO, "cordond gave an empty answer");
		}
	}
}

int
daemon_request(const char *socket_path, const char *request, struct buf *out, struct err *e)
{
	CLEANUP(fd_close) int fd = daemon_connect(socket_path, e);
	char line[256];
	int n = snprintf(line, sizeof(line), "%s\n", request), r;

	if (fd < 0)
		return fd;
	r = daemon_send(fd, slice_of(line, (size_t)n), NULL, 0, e);
	return r < 0 ? r : daemon_receive(fd, 0, out, e);
}

static int
daemon_look(struct lookup *base, struct slice path, int fd, uint32_t roles,
    enum lookup_extent extent, struct buf *out, struct err *e)
{
	struct lookup_daemon *l = (struct lookup_daemon *)base;
	struct buf line;
	int r;

	buf_init(&line, 8192);
	r = buf_printf(&line, "scan %u %d ", roles, (int)extent);
	/* A name may hold a newline: \n, and the backslash itself doubled. */
	for (size_t i = 0; i < path.len && r == 0; i++) {
		if (path.ptr[i] == '\n')
			r = buf_append_str(&line, "\\n");
		else if (path.ptr[i] == '\\')
			r = buf_append_str(&line, "\\\\");
		else
			r = buf_append_byte(&line, path.ptr[i]);
	}
	if (r == 0)
		r = buf_append_byte(&line, '\n');
	if (r < 0)
		r = err_set(e, ENAMETOOLONG, "the path is too long");
	else
		r = daemon_send(l->fd, buf_get(&line), &fd, 1, e);
	buf_done(&line);
	return r < 0 ? r : daemon_receive(l->fd, 0, out, e);
}

static void
daemon_free(struct lookup *base)
{
	struct lookup_daemon *l = (struct lookup_daemon *)base;

	fd_close(&l->fd);
	free(l);
}

static const struct lookup_ops daemon_ops = { daemon_look, daemon_free };

struct lookup *
lookup_daemon_new(const char *socket_path, struct err *e)
{
	int fd = daemon_connect(socket_path, e);
	struct lookup_daemon *l;

	if (fd < 0)
		return NULL;
	l = mem_new(sizeof(*l));
	l->base.ops = &daemon_ops;
	l->fd = fd;
	return &l->base;
}
