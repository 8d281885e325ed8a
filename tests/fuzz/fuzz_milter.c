/* fuzz_milter.c: a milter session fed with anything, over a socket pair. Checked: every
 * mail_begin has exactly one mail_close, the sink hears a mail in its one order, nothing is
 * committed beyond what was reserved, no call comes after mail_close, the session ends once,
 * and what it writes is whole packets.
 *
 * Input: 3 bytes of behaviour, then the MTA's bytes.
 *   byte 0  bits 0-1 piece size (all, 1, 13, 4096), bit 2 finish later, bit 3 refuse mails,
 *           bit 4 pause once, bit 5 resume from inside, bit 6 drop the body, bit 7 small rooms
 *   byte 1  bits 0-2 action, bit 3 edits, bit 4 end by close(), bit 5 drain in the middle,
 *           bit 6 close() from inside a call, bit 7 stop reading replies
 *   byte 2  at which call bit 6 happens */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "intake/milter_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum part { PART_ENVELOPE, PART_HEADER, PART_BODY, PART_END };

struct fuzz_mail {
	enum part part;
	uint8_t *room;
	size_t room_len;
	bool is_dropping;
};

static struct {
	struct intake_session *session;
	struct fuzz_mail *mail;
	struct intake_reply reply;
	uint8_t how, how2;
	unsigned begun, closed, calls_left;
	bool paused_once, owes_finish, reading_stopped;
} f;

static const struct intake_header_edit edits[] = { { "X-Virus-Scanned", NULL, 2 },
	{ "X-Virus-Scanned", NULL, 1 }, { "X-Virus-Scanned", "yes\r\n\tand more", 0 },
	{ "", "x", 0 } };

/* Every call of the sink passes here. */
static void
called(void *mail)
{
	ASSERT(f.session != NULL);
	ASSERT(mail == NULL || mail == f.mail);
	if ((f.how2 & 0x40) != 0 && f.calls_left > 0 && --f.calls_left == 0)
		f.session->ops->close(f.session);
}

static void *
fuzz_begin(void *ctx UNUSED, struct intake_session *s, struct slice sender, struct slice args)
{
	ASSERT(s == f.session && f.mail == NULL);
	ASSERT(sender.len + args.len < 1024 * 1024);
	if ((f.how & 8) != 0 && f.begun % 2 == 0) {
		f.begun++;
		f.closed++;
		called(NULL);
		return NULL;
	}
	f.begun++;
	f.mail = calloc(1, sizeof(*f.mail));
	ASSERT(f.mail != NULL);
	called(f.mail);
	return f.mail;
}

static void
fuzz_recipient(void *mail, struct slice recipient)
{
	called(mail);
	ASSERT(f.mail->part == PART_ENVELOPE);
	ASSERT(slice_find_byte(recipient, '\0', 0) == SIZE_MAX);
}

static void
fuzz_queue_id(void *mail, struct slice id)
{
	called(mail);
	ASSERT(id.len > 0 && slice_find_byte(id, '\0', 0) == SIZE_MAX);
	ASSERT(f.mail->part != PART_END);
}

static void
fuzz_header(void *mail, struct slice name, struct slice value, bool raw UNUSED)
{
	static volatile uint8_t sum;

	called(mail);
	ASSERT(f.mail->part <= PART_HEADER);
	f.mail->part = PART_HEADER;
	ASSERT(slice_find_byte(name, '\0', 0) == SIZE_MAX);
	for (size_t i = 0; i < value.len; i++) /* all of it may be read */
		sum = (uint8_t)(sum + value.ptr[i]);
}

static void
fuzz_header_end(void *mail)
{
	called(mail);
	ASSERT(f.mail->part <= PART_HEADER);
	f.mail->part = PART_BODY;
}

static uint8_t *
fuzz_reserve(void *mail, size_t want, size_t *ret_room)
{
	struct fuzz_mail *m = mail;

	called(mail);
	ASSERT(m->part == PART_BODY && want > 0 && !m->is_dropping);
	free(m->room);
	m->room = NULL;
	m->room_len = 0;
	if ((f.how & 0x10) != 0 && !f.paused_once) {
		f.paused_once = true;
		*ret_room = 0;
		if ((f.how & 0x20) != 0)
			f.session->ops->resume(f.session);
		return NULL;
	}
	if ((f.how & 0x40) != 0) {
		m->is_dropping = true;
		*ret_room = SIZE_MAX;
		return NULL;
	}
	m->room_len = (f.how & 0x80) != 0 ? MIN_OF(want, (size_t)100) : want;
	m->room = malloc(m->room_len);
	ASSERT(m->room != NULL);
	*ret_room = m->room_len;
	return m->room;
}

static void
fuzz_commit(void *mail, size_t n)
{
	struct fuzz_mail *m = mail;

	called(mail);
	ASSERT(n > 0 && n <= m->room_len);
	free(m->room);
	m->room = NULL;
	m->room_len = 0;
}

static void
fuzz_end(void *mail)
{
	called(mail);
	ASSERT(f.mail->part == PART_BODY);
	f.mail->part = PART_END;
	if ((f.how & 4) != 0)
		f.owes_finish = true;
	else
		f.session->ops->finish(f.session, &f.reply);
}

static void
fuzz_close(void *mail, bool delivered)
{
	struct fuzz_mail *m = mail;

	ASSERT(m == f.mail);
	ASSERT(!delivered || m->part == PART_END);
	free(m->room);
	free(m);
	f.mail = NULL;
	f.owes_finish = false;
	f.closed++;
	called(NULL);
}

static void
fuzz_session_closed(void *ctx UNUSED, struct intake_session *s)
{
	ASSERT(s == f.session && f.mail == NULL);
	f.session = NULL;
}

static const struct intake_sink fuzz_sink = {
	.mail_begin = fuzz_begin,
	.mail_recipient = fuzz_recipient,
	.mail_set_queue_id = fuzz_queue_id,
	.mail_header = fuzz_header,
	.mail_header_end = fuzz_header_end,
	.mail_body_reserve = fuzz_reserve,
	.mail_body_commit = fuzz_commit,
	.mail_end = fuzz_end,
	.mail_close = fuzz_close,
	.session_closed = fuzz_session_closed,
};

static struct loop *loop;
static struct loop_timer *timer;
static struct intake_env env;

static void
nothing(void *ctx UNUSED)
{
}

/* Reads replies and checks that they are packets; keeps a part of one for the next time. */
static void
check_replies(int fd)
{
	static uint8_t data[65536];
	static size_t have;
	ssize_t n;

	if (fd < 0) {
		have = 0;
		return;
	}
	while ((n = read(fd, data + have, sizeof(data) - have)) > 0) {
		size_t at = 0;

		have += (size_t)n;
		while (have - at >= 5) {
			size_t packet = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 |
					(size_t)data[at + 2] << 8 | data[at + 3];

			ASSERT(packet > 0 && packet < sizeof(data) - 4);
			ASSERT(strchr("Ocyhimqdp", data[at + 4]) != NULL);
			if (have - at < 4 + packet)
				break;
			at += 4 + packet;
		}
		memmove(data, data + at, have - at);
		have -= at;
	}
}

static void
run(int fd)
{
	for (unsigned i = 0; i < 3 && f.session != NULL; i++) {
		loop_timer_set_ms(timer, 0);
		loop_run_once(loop);
		if ((f.how2 & 0x80) == 0)
			check_replies(fd);
		if (f.session == NULL)
			break;
		if (f.owes_finish) {
			f.owes_finish = false;
			f.session->ops->finish(f.session, &f.reply);
		}
		if (f.paused_once)
			f.session->ops->resume(f.session);
	}
}

static void
feed_input(int fd, const uint8_t *data, size_t len)
{
	static const size_t pieces[] = { SIZE_MAX, 1, 13, 4096 };
	size_t step = pieces[f.how & 3], half = len / 2;
	unsigned stuck = 0;

	if (len > 4096 && step < 4096) /* else it takes too long */
		step = 4096;
	while (len > 0 && stuck < 50 && f.session != NULL) {
		ssize_t n = send(fd, data, MIN_OF(step, len), MSG_NOSIGNAL);

		stuck = n > 0 ? 0 : stuck + 1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		if ((f.how2 & 0x20) != 0 && len <= half)
			f.session->ops->drain(f.session);
		run(fd);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fds[2];

	if (len < 3)
		return 0;
	if (loop == NULL) {
		loop = loop_new();
		timer = loop_timer_new(loop, nothing, NULL);
		log_set_level(LOG_LEVEL_ERROR);
		env = (struct intake_env){ .loop = loop, .sink = &fuzz_sink };
	}
	memset(&f, 0, sizeof(f));
	f.how = data[0];
	f.how2 = data[1];
	f.calls_left = data[2];
	f.reply = (struct intake_reply){ .action = (enum intake_action)((data[1] & 7) % 5),
		.code = 550,
		.enhanced = "5.7.1",
		.text = "100% no\r\n",
		.edits = edits,
		.edit_count = (data[1] & 8) != 0 ? ARRAY_LEN(edits) : 0 };
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	f.session = milter_session_start(
	    &env, &fds[1], &(struct intake_place){ .listener = "fuzz" });
	ASSERT(f.session != NULL && fds[1] == -1);
	check_replies(-1);
	feed_input(fds[0], data + 3, len - 3);
	run(fds[0]);
	if (f.session != NULL && (f.how2 & 0x10) != 0) {
		f.session->ops->close(f.session);
		ASSERT(f.session == NULL);
	}
	fd_close(&fds[0]);
	for (unsigned i = 0; i < 100 && f.session != NULL; i++)
		run(-1);
	if (f.session != NULL) /* it may wait for a resume() that it had */
		f.session->ops->close(f.session);
	ASSERT(f.session == NULL && f.mail == NULL);
	ASSERT(f.begun == f.closed);
	return 0;
}
