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
#include "fuzz_session.h"
#include "intake/milter_session.h"

enum part { PART_ENVELOPE, PART_HEADER, PART_BODY, PART_END };

struct fuzz_mail {
	enum part part;
	struct fuzz_room room;
	bool is_dropping;
};

static struct {
	struct fuzz_mail *mail;
	struct intake_reply reply;
	uint8_t how, how2;
	bool paused_once, owes_finish;
} f;

static const struct intake_header_edit edits[] = { { "X-Virus-Scanned", NULL, 2 },
	{ "X-Virus-Scanned", NULL, 1 }, { "X-Virus-Scanned", "yes\r\n\tand more", 0 },
	{ "", "x", 0 } };

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
	ASSERT(sender.len + args.len < 1024 * 1024);
	if ((f.how & 8) != 0 && fuzz.begun % 2 == 0) {
		fuzz.begun++;
		fuzz.closed++;
		called(NULL);
		return NULL;
	}
	fuzz.begun++;
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
	fuzz_room_free(&m->room);
	if ((f.how & 0x10) != 0 && !f.paused_once) {
		f.paused_once = true;
		*ret_room = 0;
		if ((f.how & 0x20) != 0)
			fuzz.session->ops->resume(fuzz.session);
		return NULL;
	}
	if ((f.how & 0x40) != 0) {
		m->is_dropping = true;
		*ret_room = SIZE_MAX;
		return NULL;
	}
	return fuzz_room_make(
	    &m->room, (f.how & 0x80) != 0 ? MIN_OF(want, (size_t)100) : want, ret_room);
}

static void
fuzz_commit(void *mail, size_t n)
{
	struct fuzz_mail *m = mail;

	called(mail);
	fuzz_room_check(&m->room, n);
	fuzz_room_free(&m->room);
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
		fuzz.session->ops->finish(fuzz.session, &f.reply);
}

static void
fuzz_close(void *mail, bool delivered)
{
	struct fuzz_mail *m = mail;

	ASSERT(m == f.mail);
	ASSERT(!delivered || m->part == PART_END);
	fuzz_room_free(&m->room);
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
	.mail_header = fuzz_header,
	.mail_header_end = fuzz_header_end,
	.mail_body_reserve = fuzz_reserve,
	.mail_body_commit = fuzz_commit,
	.mail_end = fuzz_end,
	.mail_close = fuzz_close,
	.session_closed = fuzz_session_closed,
};

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
	for (unsigned i = 0; i < 3 && fuzz.session != NULL; i++) {
		fuzz_turn();
		if ((f.how2 & 0x80) == 0)
			check_replies(fd);
		if (fuzz.session == NULL)
			break;
		if (f.owes_finish) {
			f.owes_finish = false;
			fuzz.session->ops->finish(fuzz.session, &f.reply);
		}
		if (f.paused_once)
			fuzz.session->ops->resume(fuzz.session);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fd;

	if (len < 3)
		return 0;
	(void)fuzz_init(&fuzz_sink);
	memset(&f, 0, sizeof(f));
	f.how = data[0];
	f.how2 = data[1];
	f.reply = (struct intake_reply){ .action = (enum intake_action)((data[1] & 7) % 5),
		.code = 550,
		.enhanced = "5.7.1",
		.text = "100% no\r\n",
		.edits = edits,
		.edit_count = (data[1] & 8) != 0 ? ARRAY_LEN(edits) : 0 };
	fd = fuzz_start(milter_session_start, &(struct intake_place){ .listener = "fuzz" },
	    (f.how2 & 0x40) != 0 ? data[2] : 0);
	check_replies(-1);
	fuzz_feed_input(&(struct fuzz_feed){ .how = f.how,
			    .drains = (f.how2 & 0x20) != 0,
			    .slow = 4096,
			    .patience = 50,
			    .run = run },
	    fd, data + 3, len - 3);
	run(fd);
	if ((f.how2 & 0x10) != 0)
		fuzz_close_session();
	fuzz_hang_up(&fd, run);
	fuzz_close_session(); /* it may wait for a resume() that it had */
	ASSERT(f.mail == NULL && fuzz.begun == fuzz.closed);
	return 0;
}
