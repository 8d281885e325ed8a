/* fuzz_frame.c: any packets on a channel between our processes, with any number of descriptors:
 * each input is a row of packets (u8 descriptors, u16 length, bytes). Promises: only whole
 * messages of known types come through, exactly the bytes that were sent, and no descriptor
 * stays behind. */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/macros.h"
#include "proc/frame.h"
#include "proc/wire.h"

#define PACKETS_MAX 20
#define FDS_SENT_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool
packet_send(int fd, struct slice body, size_t fd_count)
{
	struct iovec iov = { (void *)(uintptr_t)body.ptr, body.len };
	union {
		char bytes[CMSG_SPACE(sizeof(int) * FDS_SENT_MAX)];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(&control, 0, sizeof(control));
	if (fd_count > 0) {
		struct cmsghdr *c;
		int fds[FDS_SENT_MAX];

		for (size_t i = 0; i < fd_count; i++)
			fds[i] = STDERR_FILENO;
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)body.len;
}

/* Reads the body as the gate reads an answer: nothing past its end. */
static void
body_read(struct slice body)
{
	struct wire_reader r = wire_read(body);

	(void)wire_get_u64(&r);
	(void)wire_get_u8(&r);
	(void)wire_get_u32(&r);
	while (!r.failed && r.rest.len > 0) {
		struct slice s = wire_get_slice(&r);

		ASSERT(s.len == 0 || (s.ptr >= body.ptr && s.ptr + s.len <= body.ptr + body.len));
	}
	ASSERT(!r.failed || !wire_is_done(&r));
}

static void
packet_check(int fd, struct slice sent, size_t fd_count)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct frame f;
	int r = frame_recv(fd, buffer, &f);

	if (r == 1) {
		ASSERT(f.type > FRAME_NONE && f.type < FRAME_TYPE_COUNT);
		ASSERT(f.fd_count == fd_count && f.fd_count <= FRAME_FDS_MAX);
		ASSERT(sent.len >= 8 && slice_eq(f.body, slice_from(sent, 8)));
		for (size_t i = 0; i < f.fd_count; i++)
			ASSERT((fcntl(f.fds[i], F_GETFD) & FD_CLOEXEC) != 0);
		body_read(f.body);
	} else {
		ASSERT(f.fd_count == 0);
		ASSERT((r == 0) == (sent.len == 0));
	}
	frame_close_fds(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice rest = slice_of(data, len);
	int pair[2], lowest, again;

	ASSERT(frame_pair(pair) == 0);
	lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	for (unsigned n = 0; n < PACKETS_MAX && rest.len >= 3; n++) {
		size_t fd_count = rest.ptr[0] % (FDS_SENT_MAX + 1);
		struct slice body = slice_sub(rest, 3, (size_t)rest.ptr[1] | (size_t)rest.ptr[2] << 8);

		rest = slice_from(rest, 3 + body.len);
		if (packet_send(pair[0], body, fd_count))
			packet_check(pair[1], body, fd_count);
	}
	close(lowest);
	again = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3); /* the lowest free one is the same */
	ASSERT(again == lowest);
	close(again);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
