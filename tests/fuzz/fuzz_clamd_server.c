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
#include "config/config.h"
#include "fuzz_session.h"
#include "intake/clamd_session.h"

#define MAILS_MAX 8

struct fuzz_mail {
	struct intake_session *session;
	struct fuzz_room room;
	bool is_named, is_dropping, has_ended, is_paused;
};

static struct {
	struct fuzz_mail *mails[MAILS_MAX];
	uint8_t how, how2;
	bool paused_once, has_path, owes_descriptor;
} f;

static struct fuzz_mail *
mail_of(void *mail)
{
	ASSERT(fuzz.session != NULL);
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
	ASSERT(fuzz.session != NULL && s != fuzz.session);
	if ((f.how & 8) != 0)
		return NULL;
	fuzz.begun++;
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
	fuzz_room_free(&m->room);
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
	return fuzz_room_make(
	    &m->room, (f.how & 0x80) != 0 ? MIN_OF(want, (size_t)3) : want, ret_room);
}

static void
fuzz_commit(void *mail, size_t n)
{
	struct fuzz_mail *m = mail_of(mail);

	fuzz_room_check(&m->room, n);
	fuzz_room_free(&m->room);
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
	fuzz_room_free(&m->room);
	free(m);
	fuzz.closed++;
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
	for (unsigned i = 0; i < 3 && fuzz.session != NULL; i++) {
		fuzz_turn();
		check_answers(fd);
		for (size_t k = 0; k < MAILS_MAX && fuzz.session != NULL; k++) {
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
send_piece(int fd, const uint8_t *data, size_t len)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (f.owes_descriptor) {
		struct cmsghdr *h;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	f.owes_descriptor = f.owes_descriptor && n <= 0;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct config_listener options = { .paths = CONFIG_PATHS_NEVER,
		.command_timeout_ms = 60000 };
	int fd;

	if (len < 2)
		return 0;
	(void)fuzz_init(&fuzz_sink);
	memset(&f, 0, sizeof(f));
	f.how = data[0];
	f.how2 = data[1];
	f.owes_descriptor = (f.how & 0x20) != 0;
	f.has_path = slice_find(slice_of(data, len), SLICE_LIT("SCAN"), 0) != SIZE_MAX;
	fd = fuzz_start(clamd_session_start,
	    &(struct intake_place){ .listener = "fuzz", .options = &options }, 0);
	fuzz_feed_input(&(struct fuzz_feed){ .how = f.how,
			    .drains = (f.how2 & 0x40) != 0,
			    .slow = 4096,
			    .patience = 50,
			    .run = run,
			    .send = send_piece },
	    fd, data + 2, len - 2);
	run(fd);
	if ((f.how2 & 0x20) != 0)
		fuzz_close_session();
	fuzz_hang_up(&fd, run);
	ASSERT(fuzz.session == NULL); /* a client that is gone leaves nothing */
	ASSERT(fuzz.begun == fuzz.closed);
	return 0;
}
