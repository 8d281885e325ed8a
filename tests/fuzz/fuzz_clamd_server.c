/* fuzz_clamd_server.c: a clamd session fed with anything, over a socket pair. Checked: every
 * mail_begin has exactly one mail_close, nothing is committed beyond what was reserved, no call
 * comes after mail_close, no more mails are open than allowed, the session ends once, and every
 * answer is a line of clamd's.
 *
 * Input: 2 bytes of behaviour, then the client's bytes.
 *   byte 0  bits 0-1 piece size (all, 1, 13, 4096), bit 2 finish later, bit 3 refuse mails, bit
 * 4 pause once, bit 5 a descriptor with the first piece, bit 6 drop, bit 7 small rooms byte 1
 * bits 0-1 verdict, bits 2-4 action, bit 5 end by close(), bit 6 drain in the middle, bit 7
 *           close our end without reading */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "config/config.h"
#include "intake/clamd_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MAILS_MAX 8

struct fuzz_mail {
	struct intake_session *session;
	uint8_t *room;
	size_t room_len;
	bool is_named, is_dropping, has_ended, is_paused;
};

static struct {
	struct intake_session *session;
	struct fuzz_mail *mails[MAILS_MAX];
	uint8_t how, how2;
	unsigned begun, closed;
	bool paused_once, has_path;
} f;

static struct loop *loop;
static struct loop_timer *timer;
static struct intake_env env;

static struct fuzz_mail *
mail_of(void *mail)
{
	ASSERT(f.session != NULL);
	for (size_t i = 0; i < MAILS_MAX; i++) {
		if (f.mails[i] == mail)
			return mail;
	}
	ASSERT(!"a call after mail_close");
}

static void *
fuzz_begin(void *ctx UNUSED, struct intake_session *s, struct slice sender UNUSED,
    struct slice args UNUSED)
{
	ASSERT(f.session != NULL && s != f.session);
	if ((f.how & 8) != 0)
		return NULL;
	f.begun++;
	for (size_t i = 0; i < MAILS_MAX; i++) {
		if (f.mails[i] == NULL) {
			f.mails[i] = calloc(1, sizeof(*f.mails[i]));
			ASSERT(f.mails[i] != NULL);
			f.mails[i]->session = s;
			return f.mails[i];
		}
	}
	ASSERT(!"more mails open than allowed");
}

static void
fuzz_set_file(void *mail, struct slice name)
{
	struct fuzz_mail *m = mail_of(mail);

	ASSERT(!m->is_named && name.len > 0);
	m->is_named = true;
}

static uint8_t *
fuzz_reserve(void *mail, size_t want, size_t *ret_room)
{
	struct fuzz_mail *m = mail_of(mail);

	ASSERT(m->is_named && want > 0 && !m->is_dropping && !m->has_ended);
	free(m->room);
	m->room = NULL;
	m->room_len = 0;
	if ((f.how & 0x10) != 0 && !f.paused_once) {
		f.paused_once = m->is_paused = true;
		*ret_room = 0;
		return NULL;
	}
	if ((f.how & 0x40) != 0) {
		m->is_dropping = true;
		*ret_room = SIZE_MAX;
		return NULL;
	}
	m->room_len = (f.how & 0x80) != 0 ? MIN_OF(want, (size_t)3) : want;
	m->room = malloc(m->room_len);
	ASSERT(m->room != NULL);
	*ret_room = m->room_len;
	return m->room;
}

static void
fuzz_commit(void *mail, size_t n)
{
	struct fuzz_mail *m = mail_of(mail);

	ASSERT(n > 0 && n <= m->room_len);
	free(m->room);
	m->room = NULL;
	m->room_len = 0;
}

static void
answer(struct fuzz_mail *m)
{
	static const struct slice names[] = { { (const uint8_t *)"A\nB", 3 },
		{ (const uint8_t *)"C\0D", 3 } };
	struct intake_reply r = { .action = (enum intake_action)(((f.how2 >> 2) & 7) % 5),
		.verdict = (enum intake_verdict)(f.how2 & 3),
		.reason = "unscanned:\nwhy",
		.names = names,
		.name_count = (f.how2 & 3) == INTAKE_INFECTED ? ARRAY_LEN(names) : 0 };

	m->session->ops->finish(m->session, &r);
}

static void
fuzz_end(void *mail)
{
	struct fuzz_mail *m = mail_of(mail);

	ASSERT(!m->has_ended);
	m->has_ended = true;
	if ((f.how & 4) == 0)
		answer(m);
}

static void
fuzz_close(void *mail, bool delivered)
{
	struct fuzz_mail *m = mail_of(mail);

	ASSERT(!delivered || m->has_ended);
	for (size_t i = 0; i < MAILS_MAX; i++) {
		if (f.mails[i] == m)
			f.mails[i] = NULL;
	}
	free(m->room);
	free(m);
	f.closed++;
}

static void
fuzz_session_closed(void *ctx UNUSED, struct intake_session *s)
{
	ASSERT(s == f.session && f.begun == f.closed);
	f.session = NULL;
}

static const struct intake_sink fuzz_sink = {
	.mail_begin = fuzz_begin,
	.mail_set_file = fuzz_set_file,
	.mail_body_reserve = fuzz_reserve,
	.mail_body_commit = fuzz_commit,
	.mail_end = fuzz_end,
	.mail_close = fuzz_close,
	.session_closed = fuzz_session_closed,
};

static void
nothing(void *ctx UNUSED)
{
}

/* Without paths, which come back as they were, an answer has no byte below a blank but the ends
 * of lines and STATS' tabs. */
static void
check_answers(int fd)
{
	uint8_t data[4096];
	ssize_t n;

	while (fd >= 0 && (f.how2 & 0x80) == 0 && (n = read(fd, data, sizeof(data))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			ASSERT(data[i] >= ' ' || data[i] == '\n' || data[i] == '\0' ||
			       data[i] == '\t' || f.has_path);
	}
}

static void
run(int fd)
{
	for (unsigned i = 0; i < 3 && f.session != NULL; i++) {
		loop_timer_set_ms(timer, 0);
		loop_run_once(loop);
		check_answers(fd);
		for (size_t k = 0; k < MAILS_MAX && f.session != NULL; k++) {
			struct fuzz_mail *m = f.mails[k];

			if (m != NULL && m->is_paused) {
				m->is_paused = false;
				m->session->ops->resume(m->session);
			} else if (m != NULL && m->has_ended && (f.how & 4) != 0 && i > 0) {
				answer(m); /* and perhaps closed there */
			}
		}
	}
}

static ssize_t
send_piece(int fd, const uint8_t *data, size_t len, bool with_descriptor)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (with_descriptor) {
		struct cmsghdr *h;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void
feed_input(int fd, const uint8_t *data, size_t len)
{
	static const size_t pieces[] = { SIZE_MAX, 1, 13, 4096 };
	size_t step = pieces[f.how & 3], half = len / 2;
	bool with_descriptor = (f.how & 0x20) != 0;
	unsigned stuck = 0;

	if (len > 2048 && step < 4096) /* else it takes too long */
		step = 4096;
	while (len > 0 && stuck < 50 && f.session != NULL) {
		ssize_t n = send_piece(fd, data, MIN_OF(step, len), with_descriptor);

		with_descriptor = with_descriptor && n <= 0;
		stuck = n > 0 ? 0 : stuck + 1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		if ((f.how2 & 0x40) != 0 && len <= half && f.session != NULL)
			f.session->ops->drain(f.session);
		run(fd);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct config_listener options = { .paths = CONFIG_PATHS_NEVER,
		.command_timeout_ms = 60000 };
	int fds[2];

	if (len < 2)
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
	f.has_path = slice_find(slice_of(data, len), SLICE_LIT("SCAN"), 0) != SIZE_MAX;
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	f.session = clamd_session_start(
	    &env, &fds[1], &(struct intake_place){ .listener = "fuzz", .options = &options });
	ASSERT(f.session != NULL && fds[1] == -1);
	feed_input(fds[0], data + 2, len - 2);
	run(fds[0]);
	if (f.session != NULL && (f.how2 & 0x20) != 0) {
		f.session->ops->close(f.session);
		ASSERT(f.session == NULL);
	}
	fd_close(&fds[0]);
	for (unsigned i = 0; i < 100 && f.session != NULL; i++)
		run(-1);
	ASSERT(f.session == NULL); /* a client that is gone leaves nothing */
	ASSERT(f.begun == f.closed);
	return 0;
}
