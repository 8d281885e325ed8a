/* fuzz_courier.c: what Courier's submit sends a mail filter, and the control file that it
 * names. Checked: one mail_close for each mail_begin, no text of a record with a line end, the
 * session ends once, and it writes at most one line, whole.
 *
 * Input: a byte of behaviour, then the list of paths, or the control file.
 *   bits 0-1 piece size (all, 1, 13, 4096), bit 2 refuse, bit 3 drain, bit 4 close,
 *   bit 5 the bytes are a control file, behind a list of ours */
#include <fcntl.h>
#include <stdio.h>

#include "fuzz_session.h"
#include "intake/courier_control.h"
#include "intake/courier_session.h"

static uint8_t how;
static uint8_t room[65536];
static bool is_open;

static void *
fuzz_begin(
    void *ctx UNUSED, struct intake_session *s, struct slice sender, struct slice args UNUSED)
{
	ASSERT(s == fuzz.session && !is_open);
	ASSERT(slice_find_byte(sender, '\n', 0) == SIZE_MAX);
	if ((how & 4) != 0)
		return NULL;
	fuzz.begun++;
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
	fuzz.session->ops->finish(fuzz.session, &(struct intake_reply){ .action = INTAKE_ACCEPT });
}

static void
fuzz_close(void *mail UNUSED, bool delivered UNUSED)
{
	ASSERT(is_open);
	is_open = false;
	fuzz.closed++;
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

static char control_path[64], data_path[64];

static void
paths_remove(void)
{
	(void)unlink(control_path);
	(void)unlink(data_path);
}

static void
run(int fd UNUSED)
{
	for (unsigned i = 0; i < 4 && fuzz.session != NULL; i++)
		fuzz_turn();
}

static void
setup(void)
{
	int fd;

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
	fuzz_feed_input(
	    &(struct fuzz_feed){ .how = how, .slow = 4096, .patience = 50, .run = run }, fd,
	    data, len);
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
	ssize_t n;
	int fd;

	if (len < 1)
		return 0;
	if (fuzz_init(&fuzz_sink))
		setup();
	how = data[0];
	fd = fuzz_start(courier_session_start, &(struct intake_place){ .listener = "fuzz" }, 0);
	if ((how & 8) != 0)
		fuzz.session->ops->drain(fuzz.session);
	if ((how & 0x20) != 0)
		feed_control(fd, data + 1, len - 1);
	else
		feed(fd, data + 1, len - 1);
	run(fd);
	n = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);
	ASSERT(n <= 0 || (memchr(reply, '\n', (size_t)n) == reply + n - 1 && n > 4));
	if ((how & 0x10) != 0)
		fuzz_close_session();
	fuzz_hang_up(&fd, run);
	ASSERT(fuzz.session == NULL && fuzz.begun == fuzz.closed);
	return 0;
}
