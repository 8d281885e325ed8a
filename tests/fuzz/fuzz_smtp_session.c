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
#include "config/config.h"
#include "fuzz_hop.h"
#include "fuzz_session.h"
#include "intake/next_hop.h"
#include "intake/smtp_session.h"

struct fuzz_mail {
	bool is_over, has_recipient;
	struct buf body;
	struct slice piece;
	struct fuzz_room room;
};

static struct {
	struct fuzz_mail *mail;
	struct intake_reply reply;
	uint8_t how, how2;
	unsigned accepts;
	bool paused_once, owes_finish;
} f;

static struct hop hop;
static struct config *configs[8];

static void
called(void *mail)
{
	ASSERT(mail == NULL || mail == f.mail);
	fuzz_called();
}

static void *
fuzz_begin(void *ctx UNUSED, struct intake_session *s, struct slice sender, struct slice args)
{
	ASSERT(s == fuzz.session && f.mail == NULL);
	ASSERT(sender.len <= 1024 && args.len < 4096);
	fuzz.begun++;
	if ((f.how & 8) != 0 && fuzz.begun % 2 == 0) {
		fuzz.closed++;
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

static void
fuzz_answer(void *mail, unsigned code)
{
	called(mail);
	ASSERT(code >= 200 && code < 600);
}

static uint8_t *
fuzz_reserve(void *mail, size_t want, size_t *ret_room)
{
	struct fuzz_mail *m = mail;

	called(mail);
	ASSERT(!m->is_over && want > 0 && m->has_recipient);
	fuzz_room_free(&m->room);
	if ((f.how & 0x10) != 0 && !f.paused_once) {
		f.paused_once = true;
		*ret_room = 0;
		return NULL;
	}
	if ((f.how & 0x40) != 0 && m->body.len > 100) {
		*ret_room = SIZE_MAX;
		return NULL;
	}
	return fuzz_room_make(&m->room, MIN_OF(want, (size_t)1000), ret_room);
}

static void
fuzz_commit(void *mail, size_t n)
{
	struct fuzz_mail *m = mail;

	called(mail);
	fuzz_room_check(&m->room, n);
	(void)buf_append(&m->body, m->room.bytes, n);
	fuzz_room_free(&m->room);
}

static void
finish(void)
{
	f.owes_finish = false;
	f.mail->piece = buf_get(&f.mail->body);
	f.reply.pieces = (f.how2 & 8) != 0 ? NULL : &f.mail->piece;
	f.reply.piece_count = (f.how2 & 8) != 0 ? 0 : 1;
	f.accepts += f.reply.action == INTAKE_ACCEPT;
	fuzz.session->ops->finish(fuzz.session, &f.reply);
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
	fuzz_room_free(&m->room);
	buf_done(&m->body);
	free(m);
	f.mail = NULL;
	f.owes_finish = false;
	fuzz.closed++;
	called(NULL);
}

static const struct intake_sink fuzz_sink = {
	.mail_begin = fuzz_begin,
	.mail_recipient = fuzz_recipient,
	.mail_set_queue_id = fuzz_queue_id,
	.mail_set_next_hop = fuzz_next_hop,
	.mail_set_answer = fuzz_answer,
	.mail_body_reserve = fuzz_reserve,
	.mail_body_commit = fuzz_commit,
	.mail_end = fuzz_end,
	.mail_close = fuzz_close,
	.session_closed = fuzz_session_closed,
};

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
	for (unsigned i = 0; i < 12 && fuzz.session != NULL; i++) {
		fuzz_turn();
		check_replies(fd);
		if (fuzz.session != NULL && f.owes_finish)
			finish();
		if (fuzz.session != NULL && f.paused_once)
			fuzz.session->ops->resume(fuzz.session);
	}
}

static void
set_up(void)
{
	fuzz.env.hostname = "fuzz.example";
	hop_init(&hop, fuzz.loop, "fuzz-smtp");
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
	int fd;

	if (len < 4)
		return 0;
	if (fuzz_init(&fuzz_sink))
		set_up();
	memset(&f, 0, sizeof(f));
	f.how = data[0];
	f.how2 = data[1];
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
	fd = fuzz_start((f.how & 0x20) != 0 ? lmtp_session_start : smtp_session_start,
	    &(struct intake_place){ .listener = "a", .config = c, .options = &c->listeners[0] },
	    (f.how2 & 0x40) != 0 ? data[2] & 0x7f : 0);
	check_replies(-1);
	run(fd);
	fuzz_feed_input(&(struct fuzz_feed){ .how = f.how,
			    .drains = (f.how2 & 0x20) != 0,
			    .slow = 1024,
			    .patience = 20,
			    .run = run },
	    fd, data + 4 + script, len - 4 - script);
	run(fd);
	if ((f.how2 & 0x10) == 0) {
		(void)shutdown(fd, SHUT_RDWR);
		for (unsigned i = 0; i < 10 && fuzz.session != NULL; i++)
			run(-1);
	}
	fuzz_close_session();
	ASSERT(f.mail == NULL && fuzz.begun == fuzz.closed);
	ASSERT(hop.mails <= f.accepts);
	next_hop_places_free();
	close(fd);
	return 0;
}
