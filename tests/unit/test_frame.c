/* test_frame.c: typed packets over socket pairs: round trip, descriptors, what is refused, and
 * that no descriptor stays behind whatever a taken-over process sends. */
#include "test_common.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "proc/frame.h"

static uint8_t buffer[FRAME_MAX_BYTES + 16];

/* A packet as another program could send it. */
static void
packet_send(int fd, const void *data, size_t len, const int *fds, size_t fd_count)
{
	struct iovec iov = { (void *)(uintptr_t)data, len };
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd_count > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), (ssize_t)len);
}

static void
test_round_trip(void **state UNUSED)
{
	static const size_t sizes[] = { 0, 1, 1000, FRAME_MAX_BYTES };
	static uint8_t body[FRAME_MAX_BYTES];
	int pair[2];

	assert_int_equal(frame_pair(pair), 0);
	assert_true((fcntl(pair[0], F_GETFD) & FD_CLOEXEC) != 0);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 31);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct frame f;

		assert_int_equal(frame_send(pair[i % 2], FRAME_SCAN, slice_of(body, sizes[i]), NULL, 0),
		    0);
		assert_int_equal(frame_recv(pair[(i + 1) % 2], buffer, &f), 1);
		assert_int_equal(f.type, FRAME_SCAN);
		assert_int_equal(f.fd_count, 0);
		assert_true(slice_eq(f.body, slice_of(body, sizes[i])));
	}
	close(pair[0]);
	close(pair[1]);
}

static void
test_messages_stay_apart(void **state UNUSED)
{
	struct frame f;
	int pair[2];

	assert_int_equal(frame_pair(pair), 0);
	for (int i = FRAME_CONFIG; i < FRAME_TYPE_COUNT; i++)
		assert_int_equal(frame_send(pair[0], (enum frame_type)i, slice_of(&i, sizeof(i)),
		    NULL, 0), 0);
	for (int i = FRAME_CONFIG; i < FRAME_TYPE_COUNT; i++) {
		assert_int_equal(frame_recv(pair[1], buffer, &f), 1);
		assert_int_equal(f.type, i);
		assert_int_equal(f.body.len, sizeof(i));
		assert_memory_equal(f.body.ptr, &i, sizeof(i));
	}
	assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(frame_recv(pair[1], buffer, &f), -EAGAIN);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < 100000; i++) {
		int r = frame_send(pair[0], FRAME_KILL, slice_of(buffer, 4096), NULL, 0);

		if (r != 0) {
			assert_int_equal(r, -EAGAIN); /* full */
			break;
		}
		assert_int_not_equal(i, 99999);
	}
	close(pair[0]);
	while (frame_recv(pair[1], buffer, &f) == 1)
		continue;
	assert_int_equal(frame_recv(pair[1], buffer, &f), 0);
	assert_true(frame_send(pair[1], FRAME_KILL, SLICE_NONE, NULL, 0) < 0);
	close(pair[1]);
}

static void
test_descriptors(void **state UNUSED)
{
	unsigned before = fds_count();
	int pair[2], fds[FRAME_FDS_MAX], taken;
	struct stat sent, got;
	struct frame f;

	assert_int_equal(frame_pair(pair), 0);
	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		fds[i] = open(i == 3 ? "/dev/zero" : "/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(frame_send(pair[0], FRAME_LISTENERS, SLICE_LIT("x"), fds, FRAME_FDS_MAX), 0);
	assert_int_equal(frame_recv(pair[1], buffer, &f), 1);
	assert_int_equal(f.fd_count, FRAME_FDS_MAX);
	taken = frame_take_fd(&f, 3);
	assert_true(taken >= 0);
	assert_int_equal(frame_take_fd(&f, 3), -1);
	assert_int_equal(frame_take_fd(&f, FRAME_FDS_MAX), -1);
	assert_true((fcntl(taken, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(fstat(fds[3], &sent) | fstat(taken, &got), 0);
	assert_true(sent.st_rdev == got.st_rdev);
	frame_close_fds(&f);
	assert_int_equal(f.fd_count, 0);
	assert_int_equal(fcntl(taken, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	close(taken);
	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		close(fds[i]);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(fds_count(), before);
}

/* Clients have taken all descriptors: what the supervisor sends must still arrive. */
static void
test_no_descriptor_is_left(void **state UNUSED)
{
	int pair[2], fds[FRAME_FDS_MAX], full[128];
	struct rlimit before, low;
	unsigned n = 0;
	struct frame f;

	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		fds[i] = STDERR_FILENO;
	assert_int_equal(frame_pair(pair), 0);
	frame_keep_spare();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < ARRAY_LEN(full) && (full[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	assert_true(n > 0 && n < ARRAY_LEN(full));
	for (unsigned turn = 0; turn < 3; turn++) { /* they are kept aside again each time */
		assert_int_equal(
		    frame_send(pair[0], FRAME_LISTENERS, SLICE_NONE, fds, FRAME_FDS_MAX), 0);
		assert_int_equal(frame_recv_fds(pair[1], buffer, &f), 1);
		assert_int_equal(f.fd_count, FRAME_FDS_MAX);
		assert_int_equal(dup(STDERR_FILENO), -1);
		frame_close_fds(&f);
	}
	/* Without them such a message is lost. */
	assert_int_equal(frame_send(pair[0], FRAME_LISTENERS, SLICE_NONE, fds, FRAME_FDS_MAX), 0);
	while (n < ARRAY_LEN(full) && (full[n] = dup(STDERR_FILENO)) >= 0)
		n++;
	assert_int_equal(frame_recv(pair[1], buffer, &f), -EBADMSG);
	while (n > 0)
		close(full[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(pair[0]);
	close(pair[1]);
}

/* What is no message of ours. Each comes with and without descriptors; none of these stays. */
static void
test_refused(void **state UNUSED)
{
	static uint8_t data[FRAME_MAX_BYTES + 64];
	const uint32_t magic = 0x43524d31u;
	static const struct {
		const char *name;
		uint32_t magic_xor, type;
		size_t len, fds;
		int want;
	} cases[] = {
		{ "good", 0, FRAME_SCAN, 8, 0, 1 },
		{ "good, with a body and descriptors", 0, FRAME_SCAN, 20, 2, 1 },
		{ "wrong magic", 1, FRAME_SCAN, 20, 2, -EBADMSG },
		{ "type none", 0, FRAME_NONE, 20, 2, -EBADMSG },
		{ "first unknown type", 0, FRAME_TYPE_COUNT, 20, 2, -EBADMSG },
		{ "type huge", 0, UINT32_MAX, 20, 2, -EBADMSG },
		{ "one byte", 0, FRAME_SCAN, 1, 1, -EBADMSG },
		{ "header cut", 0, FRAME_SCAN, 7, 1, -EBADMSG },
		{ "too long", 0, FRAME_SCAN, FRAME_MAX_BYTES + 17, 1, -EBADMSG },
		{ "too many descriptors", 0, FRAME_SCAN, 20, FRAME_FDS_MAX + 1, -EBADMSG },
		{ "far too many descriptors", 0, FRAME_SCAN, 20, 60, -EBADMSG },
		{ "nothing, but descriptors", 0, FRAME_SCAN, 0, FRAME_FDS_MAX, 0 },
	};
	unsigned before = fds_count();
	int fds[64];

	for (size_t i = 0; i < 64; i++)
		fds[i] = STDERR_FILENO;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint32_t head[2] = { magic ^ cases[i].magic_xor, cases[i].type };
		struct frame f;
		int pair[2], r;

		memcpy(data, head, sizeof(head));
		assert_int_equal(frame_pair(pair), 0);
		packet_send(pair[0], data, cases[i].len, fds, cases[i].fds);
		r = frame_recv(pair[1], buffer, &f);
		if (r != cases[i].want)
			fail_msg("%s: %d, want %d", cases[i].name, r, cases[i].want);
		if (r == 1)
			assert_int_equal(f.fd_count, cases[i].fds);
		else
			assert_int_equal(f.fd_count, 0);
		frame_close_fds(&f);
		close(pair[0]);
		close(pair[1]);
		if (fds_count() != before)
			fail_msg("%s: a descriptor stayed open", cases[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_messages_stay_apart), cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_no_descriptor_is_left), cmocka_unit_test(test_refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
