/* frame.c: sendmsg(2)/recvmsg(2) of typed packets. */
#include "proc/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/macros.h"

#define SOCKET_BUFFER_BYTES (1 << 20)

struct header {
	uint32_t magic;
	uint32_t type;
};
#define HEADER_MAGIC 0x43524d31u

int
frame_pair(int ret_fds[2])
{
	int size = SOCKET_BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ret_fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

int
frame_send(int fd, enum frame_type type, struct slice body, const int *fds, size_t fd_count)
{
	struct header header = { HEADER_MAGIC, type };
	struct iovec iov[2] = { { &header, sizeof(header) },
		{ (void *)(uintptr_t)body.ptr, body.len } };
	union {
		char bytes[CMSG_SPACE(sizeof(int) * FRAME_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	ASSERT(body.len <= FRAME_MAX_BYTES && fd_count <= FRAME_FDS_MAX);
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
	while (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static void
take_descriptors(struct msghdr *msg, struct frame *f)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (f->fd_count < FRAME_FDS_MAX)
				f->fds[f->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

int
frame_recv(int fd, uint8_t *buffer, struct frame *ret_frame)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * FRAME_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buffer, FRAME_MAX_BYTES + 16 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct header header;
	ssize_t n;

	memset(ret_frame, 0, sizeof(*ret_frame));
	while ((n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC)) < 0) {
		if (errno != EINTR)
			return errno == ECONNRESET ? 0 : -errno;
	}
	take_descriptors(&msg, ret_frame);
	if (n == 0) { /* an empty packet looks the same as the end, but may bring descriptors */
		frame_close_fds(ret_frame);
		return 0;
	}
	memcpy(&header, buffer, MIN_OF((size_t)n, sizeof(header)));
	if ((size_t)n < sizeof(header) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    header.magic != HEADER_MAGIC || header.type == FRAME_NONE ||
	    header.type >= FRAME_TYPE_COUNT) {
		frame_close_fds(ret_frame);
		return -EBADMSG;
	}
	ret_frame->type = (enum frame_type)header.type;
	ret_frame->body = slice_of(buffer + sizeof(header), (size_t)n - sizeof(header));
	return 1;
}

static struct {
	bool is_kept;
	unsigned count;
	int fds[FRAME_FDS_MAX];
} spare;

static void
spare_fill(void)
{
	while (spare.count < FRAME_FDS_MAX) {
		int fd = spare.count == 0 ? eventfd(0, EFD_CLOEXEC)
					  : fcntl(spare.fds[0], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return;
		spare.fds[spare.count++] = fd;
	}
}

void
frame_keep_spare(void)
{
	spare.is_kept = true;
	spare_fill();
}

int
frame_recv_fds(int fd, uint8_t *buffer, struct frame *ret_frame)
{
	int r;

	if (!spare.is_kept)
		return frame_recv(fd, buffer, ret_frame);
	spare_fill();
	while (spare.count > 0)
		fd_close(&spare.fds[--spare.count]);
	r = frame_recv(fd, buffer, ret_frame);
	spare_fill();
	return r;
}

void
frame_close_fds(struct frame *f)
{
	for (size_t i = 0; i < f->fd_count; i++)
		fd_close(&f->fds[i]);
	f->fd_count = 0;
}

int
frame_take_fd(struct frame *f, size_t index)
{
	return index < f->fd_count ? TAKE_FD(f->fds[index]) : -1;
}
