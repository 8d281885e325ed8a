/* fuzz_smtp_session.c: an SMTP or LMTP session fed with anything, in front of a next hop that answers by
 * script. Checked: the sink hears a mail in its one order and closes each once; what goes on is one
 * mail with CRLF line ends; a mail counts as delivered only when it was decided so or the next hop
 * had the last word; the session writes whole reply lines, and ends once.
 *
 * Input: 4 bytes of behaviour, then the script (its length in byte 3), then the client's bytes.
 *   byte 0  bits 0-1 piece size (all, 1, 13, 4096), bit 2 finish later, bit 3 refuse mails,
 *           bit 4 pause once, bit 5 LMTP in, bit 6 drop the body, bit 7 LMTP out
 *   byte 1  bits 0-2 action, bit 3 no pieces, bit 4 end by close(), bit 5 drain in the middle,
 *           bit 6 close() from inside a call, bit 7 PROXY protocol
 *   byte 2  at which call bit 6 happens; bit 7 the next hop offers XCLIENT */
#include "base/log.h"
#include "config/config.h"
#include "fuzz_hop.h"
#include "intake/next_hop.h"
#include "intake/smtp_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct fuzz_mail {
	bool is_over, has_recipient;
	struct buf body;
	struct slice piece;
	uint8_t *room;
	size_t room_len;
};

static struct {
	struct intake_session *session;
	struct fuzz_mail *mail;
	struct intake_reply reply;
	uint8_t how, how2;
	unsigned begun, closed, calls_left, accepts;
	bool paused_once, owes_finish;
} f;

static struct loop *loop;
static struct loop_timer *timer;
static struct intake_env env;
static struct hop hop;
static struct config *configs[8];

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
	ASSERT(sender.len <= 1024 && args.len < 4096);
	f.begun++;
	if ((f.how & 8) != 0 && f.begun % 2 == 0) {
		f.closed++;
		return NULL;
	}
	f.mail = calloc(1, sizeof(*f.mail));
	ASSERT(f.mail != NULL);
	buf_init(&f.mail->body, 8u << 20);
	called(f.mail);
	return f.mail;
}

static void
fuzz_recipient(void *mail, struct slice recipient)
{
	called(mail);
	ASSERT(!f.mail->is_over && recipient.len > 0);
	ASSERT(slice_find_byte(recipient, '\0', 0) == SIZE_MAX);
	f.mail->has_recipient = true;
}

static void
fuzz_queue_id(void *mail, struct slice id)
{
	called(mail);
	ASSERT(id.len > 0);
}

static void
fuzz_next_hop(void *mail, unsigned code, struct slice text)
{
	called(mail);
	ASSERT(f.mail->is_over && code >= 200 && code < 600 && text.len < 70000);
}

static uint8_t *
fuzz_reserve(void *mail, size_t want, size_t *ret_room)
{
	struct fuzz_mail *m = mail;

	called(mail);
	ASSERT(!m->is_over && want > 0 && m->has_recipient);
	free(m->room);
	m->room = NULL;
	if ((f.how & 0x10) != 0 && !f.paused_once) {
		f.paused_once = true;
		*ret_room = 0;
		return NULL;
	}
	if ((f.how & 0x40) != 0 && m->body.len > 100) {
		*ret_room = SIZE_MAX;
		return NULL;
	}
	m->room_len = MIN_OF(want, (size_t)1000);
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
	(void)buf_append(&m->body, m->room, n);
	free(m->room);
	m->room = NULL;
	m->room_len = 0;
}

static void
finish(void)
{
	f.owes_finish = false;
	f.mail->piece = buf_get(&f.mail->body);
	f.reply.pieces = (f.how2 & 8) != 0 ? NULL : &f.mail->piece;
	f.reply.piece_count = (f.how2 & 8) != 0 ? 0 : 1;
	f.accepts += f.reply.action == INTAKE_ACCEPT;
	f.session->ops->finish(f.session, &f.reply);
}

static void
fuzz_end(void *mail)
{
	called(mail);
	ASSERT(!f.mail->is_over && f.mail->has_recipient);
	f.mail->is_over = true;
	if ((f.how & 4) != 0)
		f.owes_finish = true;
	else
		finish();
}

static void
fuzz_close(void *mail, bool delivered)
{
	struct fuzz_mail *m = mail;

	ASSERT(m == f.mail);
	ASSERT(!delivered || m->is_over);
	free(m->room);
	buf_done(&m->body);
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
	.mail_set_next_hop = fuzz_next_hop,
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

/* Replies are lines of three digits, whatever the next hop said. */
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
		struct slice all = slice_of(data, have + (size_t)n);
		size_t end;

		while ((end = slice_find_byte(all, '\n', 0)) != SIZE_MAX) {
			ASSERT(end >= 4 && all.ptr[end - 1] == '\r');
			ASSERT(all.ptr[0] >= '2' && all.ptr[0] <= '5');
			ASSERT(all.ptr[3] == ' ' || all.ptr[3] == '-' || end == 4);
			all = slice_from(all, end + 1);
		}
		memmove(data, all.ptr, all.len);
		have = all.len;
		ASSERT(have < sizeof(data));
	}
}

static void
run(int fd)
{
	for (unsigned i = 0; i < 12 && f.session != NULL; i++) {
		loop_timer_set_ms(timer, 0);
		loop_run_once(loop);
		check_replies(fd);
		if (f.session != NULL && f.owes_finish)
			finish();
		if (f.session != NULL && f.paused_once)
			f.session->ops->resume(f.session);
	}
}

static void
feed_input(int fd, const uint8_t *data, size_t len)
{
	static const size_t pieces[] = { SIZE_MAX, 1, 13, 4096 };
	size_t step = pieces[f.how & 3], half = len / 2;
	unsigned stuck = 0;

	if (len > 1024 && step < 1024) /* else it takes too long */
		step = 1024;
	while (len > 0 && stuck < 20 && f.session != NULL) {
		ssize_t n = send(fd, data, MIN_OF(step, len), MSG_NOSIGNAL);

		stuck = n > 0 ? 0 : stuck + 1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		if ((f.how2 & 0x20) != 0 && len <= half)
			f.session->ops->drain(f.session);
		run(fd);
	}
}

static void
set_up(void)
{
	loop = loop_new();
	timer = loop_timer_new(loop, nothing, NULL);
	log_set_level(LOG_LEVEL_ERROR);
	env = (struct intake_env){ .loop = loop, .sink = &fuzz_sink, .hostname = "fuzz.example" };
	hop_init(&hop, loop, "fuzz-smtp");
	for (unsigned i = 0; i < ARRAY_LEN(configs); i++) {
		CLEANUP(buf_done) struct buf text = { .max = 4096 }, messages = { .max = 4096 };

		ASSERT(buf_printf(&text,
			   "listener a { protocol = %s address = \"unix:/nowhere/x\" next_hop = "
			   "\"unix:%s\" next_hop_protocol = %s proxy_protocol = %s junk_commands = 30 "
			   "bare_line_end = %s recipients = 20 }",
			   (i & 1) != 0 ? "lmtp" : "smtp", hop.path, (i & 2) != 0 ? "lmtp" : "smtp",
			   (i & 4) != 0 ? "true" : "false", i == 3 ? "refuse" : "normalise") == 0);
		configs[i] = config_parse("fuzz", buf_get(&text), &messages);
		ASSERT(configs[i] != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config *c;
	size_t script;
	int fds[2];

	if (len < 4)
		return 0;
	if (loop == NULL)
		set_up();
	memset(&f, 0, sizeof(f));
	f.how = data[0];
	f.how2 = data[1];
	f.calls_left = data[2] & 0x7f;
	script = MIN_OF((size_t)data[3], len - 4);
	f.reply = (struct intake_reply){ .action = (enum intake_action)((data[1] & 7) % 5),
		.code = 550,
		.enhanced = "5.7.1",
		.text = "100% no\r\n" };
	if ((data[1] & 7) >= 5)
		f.reply.action = INTAKE_ACCEPT;
	hop_reset(&hop, data + 4, script);
	hop.is_lmtp = (f.how & 0x80) != 0;
	hop.offers_xclient = (data[2] & 0x80) != 0;
	c = configs[((f.how & 0x20) != 0) | ((f.how & 0x80) != 0) << 1 | ((f.how2 & 0x80) != 0) << 2];
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	f.session = ((f.how & 0x20) != 0 ? lmtp_session_start : smtp_session_start)(&env, &fds[1],
	    &(struct intake_place){ .listener = "a", .config = c, .options = &c->listeners[0] });
	ASSERT(f.session != NULL && fds[1] == -1);
	check_replies(-1);
	run(fds[0]);
	if (f.session != NULL)
		feed_input(fds[0], data + 4 + script, len - 4 - script);
	if (f.session != NULL)
		run(fds[0]);
	if (f.session != NULL && (f.how2 & 0x10) != 0) {
		f.session->ops->close(f.session);
	} else {
		(void)shutdown(fds[0], SHUT_RDWR);
		for (unsigned i = 0; i < 10 && f.session != NULL; i++)
			run(-1);
		if (f.session != NULL)
			f.session->ops->close(f.session);
	}
	ASSERT(f.session == NULL && f.mail == NULL && f.begun == f.closed);
	ASSERT(hop.mails <= f.accepts);
	next_hop_places_free();
	close(fds[0]);
	return 0;
}
