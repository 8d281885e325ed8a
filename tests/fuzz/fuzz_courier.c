/* fuzz_courier.c: what Courier's submit sends a mail filter, and the control file that it
 * names. Checked: one mail_close for each mail_begin, no text of a record with a line end, the
 * session ends once, and it writes at most one line, whole.
 *
 * Input: a byte of behaviour, then the list of paths, or the control file.
 *   bits 0-1 piece size (all, 1, 13, 4096), bit 2 refuse, bit 3 drain, bit 4 close,
 *   bit 5 the bytes are a control file, behind a list of ours */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "intake/courier_control.h"
#include "intake/courier_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct intake_session *session;
static unsigned begun, closed;
static uint8_t how;
static uint8_t room[65536];
static bool is_open;

static void *
fuzz_begin(
    void *ctx UNUSED, struct intake_session *s, struct slice sender, struct slice args UNUSED)
{
	ASSERT(s == session && !is_open);
	ASSERT(slice_find_byte(sender, '\n', 0) == SIZE_MAX);
	if ((how & 4) != 0)
		return NULL;
	begun++;
	is_open = true;
	return room;
}

static void
fuzz_text(void *mail UNUSED, struct slice text)
{
	ASSERT(is_open && slice_find_byte(text, '\n', 0) == SIZE_MAX);
}

static uint8_t *
fuzz_reserve(void *mail UNUSED, size_t want, size_t *ret_room)
{
	ASSERT(is_open && want > 0);
	*ret_room = MIN_OF(want, sizeof(room));
	return room;
}

static void
fuzz_commit(void *mail UNUSED, size_t n)
{
	ASSERT(is_open && n > 0 && n <= sizeof(room));
}

static void
fuzz_end(void *mail UNUSED)
{
	ASSERT(is_open);
	session->ops->finish(session, &(struct intake_reply){ .action = INTAKE_ACCEPT });
}

static void
fuzz_close(void *mail UNUSED, bool delivered UNUSED)
{
	ASSERT(is_open);
	is_open = false;
	closed++;
}

static void
fuzz_session_closed(void *ctx UNUSED, struct intake_session *s)
{
	ASSERT(s == session && !is_open);
	session = NULL;
}

static const struct intake_sink fuzz_sink = {
	.mail_begin = fuzz_begin,
	.mail_recipient = fuzz_text,
	.mail_set_queue_id = fuzz_text,
	.mail_body_reserve = fuzz_reserve,
	.mail_body_commit = fuzz_commit,
	.mail_end = fuzz_end,
	.mail_close = fuzz_close,
	.session_closed = fuzz_session_closed,
};

static struct loop *loop;
static struct loop_timer *timer;
static struct intake_env env;
static char control_path[64], data_path[64];

static void
nothing(void *ctx UNUSED)
{
}

static void
paths_remove(void)
{
	(void)unlink(control_path);
	(void)unlink(data_path);
}

static void
run(void)
{
	for (unsigned i = 0; i < 4 && session != NULL; i++) {
		loop_timer_set_ms(timer, 0);
		loop_run_once(loop);
	}
}

static void
setup(void)
{
	int fd;

	loop = loop_new();
	timer = loop_timer_new(loop, nothing, NULL);
	log_set_level(LOG_LEVEL_ERROR);
	env = (struct intake_env){ .loop = loop, .sink = &fuzz_sink };
	snprintf(control_path, sizeof(control_path), "/tmp/cordon-fuzz-ctl-XXXXXX");
	snprintf(data_path, sizeof(data_path), "/tmp/cordon-fuzz-dat-XXXXXX");
	fd = mkstemp(control_path);
	ASSERT(fd >= 0);
	fd_close(&fd);
	fd = mkstemp(data_path);
	ASSERT(fd >= 0 && write(fd, "x\n", 2) == 2);
	fd_close(&fd);
	(void)atexit(paths_remove);
}

static void
feed(int fd, const uint8_t *data, size_t len)
{
	static const size_t pieces[] = { SIZE_MAX, 1, 13, 4096 };
	size_t step = len > 4096 ? MAX_OF(pieces[how & 3], (size_t)4096) : pieces[how & 3];
	unsigned stuck = 0;

	while (len > 0 && stuck < 50 && session != NULL) {
		ssize_t n = send(fd, data, MIN_OF(step, len), MSG_NOSIGNAL);

		stuck = n > 0 ? 0 : stuck + 1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		run();
	}
}

/* A list of ours, with the fuzzer's control file. */
static void
feed_control(int fd, const uint8_t *data, size_t len)
{
	int file = open(control_path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	char list[160];

	ASSERT(file >= 0 && write(file, data, len) == (ssize_t)len);
	fd_close(&file);
	snprintf(list, sizeof(list), "%s\n%s\n\n", data_path, control_path);
	feed(fd, (const uint8_t *)list, strlen(list));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t reply[1024];
	int fds[2];
	ssize_t n;

	if (len < 1)
		return 0;
	if (loop == NULL)
		setup();
	how = data[0];
	begun = closed = 0;
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	session =
	    courier_session_start(&env, &fds[1], &(struct intake_place){ .listener = "fuzz" });
	ASSERT(session != NULL && fds[1] == -1);
	if ((how & 8) != 0)
		session->ops->drain(session);
	if ((how & 0x20) != 0)
		feed_control(fds[0], data + 1, len - 1);
	else
		feed(fds[0], data + 1, len - 1);
	run();
	n = recv(fds[0], reply, sizeof(reply), MSG_DONTWAIT);
	ASSERT(n <= 0 || (memchr(reply, '\n', (size_t)n) == reply + n - 1 && n > 4));
	if (session != NULL && (how & 0x10) != 0)
		session->ops->close(session);
	fd_close(&fds[0]);
	for (unsigned i = 0; i < 100 && session != NULL; i++)
		run();
	ASSERT(session == NULL && begun == closed);
	return 0;
}
