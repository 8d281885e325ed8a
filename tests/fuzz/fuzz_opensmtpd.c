/* fuzz_opensmtpd.c: OpenSMTPD's filter protocol fed with anything: the session, over a socket
 * pair, and behind it the relay, which gets what the session wrote. Checked: every mail_begin
 * has exactly one mail_close, no call comes after it, nothing is committed beyond what was
 * reserved, the session ends once, it writes whole lines of the protocol, "proceed" only when
 * the sink accepted so many mails, and the relay answers smtpd no question twice.
 *
 * Input: 3 bytes of behaviour, then smtpd's bytes.
 *   byte 0  bits 0-1 piece size (all, 1, 13, 4096), bit 2 finish later, bit 3 refuse mails,
 *           bit 4 pause now and then, bit 5 resume from inside, bit 6 drop mails, bit 7 small
 * rooms byte 1  bits 0-2 action, bit 3 edits, bit 4 end by close(), bit 5 drain in the middle,
 *           bit 6 close() from inside a call, bit 7 the relay loses its daemon in the middle
 *   byte 2  at which call bit 6 happens */
#include "fuzz_session.h"
#include "intake/opensmtpd_line.h"
#include "intake/opensmtpd_relay.h"
#include "intake/opensmtpd_session.h"

struct fuzz_mail {
	struct fuzz_mail *next;
	struct intake_session *session;
	struct buf body;
	struct slice pieces[2];
	struct fuzz_room room;
	bool is_ended, is_finished, is_dropping;
};

static struct {
	struct fuzz_mail *mails;
	uint8_t how, how2;
	unsigned accepted, proceeded, reserves;
	struct buf lines; /* what the session wrote */
} f;

static void
called(void *mail)
{
	bool is_open = mail == NULL;

	for (struct fuzz_mail *m = f.mails; m != NULL; m = m->next)
		is_open |= m == mail;
	ASSERT(is_open);
	fuzz_called();
}

static void *
fuzz_begin(
    void *ctx UNUSED, struct intake_session *s, struct slice sender, struct slice args UNUSED)
{
	struct fuzz_mail *m;

	ASSERT(s != fuzz.session && strcmp(s->client.listener, "fuzz") == 0);
	ASSERT(slice_find_byte(sender, '\n', 0) == SIZE_MAX);
	for (m = f.mails; m != NULL; m = m->next)
		ASSERT(m->session != s);
	if ((f.how & 8) != 0 && fuzz.begun++ % 2 == 0) {
		fuzz.closed++;
		return NULL;
	}
	fuzz.begun += (f.how & 8) == 0;
	m = calloc(1, sizeof(*m));
	ASSERT(m != NULL);
	m->session = s;
	m->next = f.mails;
	buf_init(&m->body, 1 << 24);
	f.mails = m;
	called(m);
	return m;
}

static void
fuzz_recipient(void *mail, struct slice recipient)
{
	called(mail);
	ASSERT(!((struct fuzz_mail *)mail)->is_ended);
	ASSERT(slice_find_byte(recipient, '\n', 0) == SIZE_MAX);
}

static void
fuzz_queue_id(void *mail, struct slice id)
{
	called(mail);
	ASSERT(id.len > 0);
}

static uint8_t *
fuzz_reserve(void *mail, size_t want, size_t *ret_room)
{
	struct fuzz_mail *m = mail;

	called(mail);
	ASSERT(want > 0 && !m->is_ended && !m->is_dropping);
	fuzz_room_free(&m->room);
	*ret_room = 0;
	if ((f.how & 0x10) != 0 && ++f.reserves % 3 == 0) {
		if ((f.how & 0x20) != 0)
			m->session->ops->resume(m->session);
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
	struct fuzz_mail *m = mail;

	called(mail);
	fuzz_room_check(&m->room, n);
	ASSERT(buf_append(&m->body, m->room.bytes, n) == 0);
	fuzz_room_free(&m->room);
}

static void
finish(struct fuzz_mail *m)
{
	static const char added[] = "X-Virus-Scanned: yes\r\n\tand\rmore\r\n";
	struct intake_reply r = { .action = (enum intake_action)((f.how2 & 7) % 5),
		.code = 550,
		.enhanced = "5.7.1",
		.text = "no|\r\n" };

	if (r.action == INTAKE_ACCEPT && !m->is_dropping) {
		m->pieces[0] =
		    (f.how2 & 8) != 0 ? slice_of(added, sizeof(added) - 1) : SLICE_NONE;
		m->pieces[1] = buf_get(&m->body);
		r.pieces = m->pieces;
		r.piece_count = 2;
		f.accepted++;
	}
	m->is_finished = true;
	m->session->ops->finish(m->session, &r);
}

static void
fuzz_end(void *mail)
{
	struct fuzz_mail *m = mail;

	called(mail);
	ASSERT(!m->is_ended);
	ASSERT(
	    m->body.len == 0 || slice_ends_with_nocase(buf_get(&m->body), SLICE_LIT("\r\n")));
	m->is_ended = true;
	if ((f.how & 4) == 0)
		finish(m);
}

static void
fuzz_close(void *mail, bool delivered)
{
	struct fuzz_mail *m = mail, **at = &f.mails;

	while (*at != m) {
		ASSERT(*at != NULL);
		at = &(*at)->next;
	}
	ASSERT(!delivered || m->is_finished);
	*at = m->next;
	buf_done(&m->body);
	fuzz_room_free(&m->room);
	free(m);
	fuzz.closed++;
	called(NULL);
}

static const struct intake_sink fuzz_sink = {
	.mail_begin = fuzz_begin,
	.mail_recipient = fuzz_recipient,
	.mail_set_queue_id = fuzz_queue_id,
	.mail_body_reserve = fuzz_reserve,
	.mail_body_commit = fuzz_commit,
	.mail_end = fuzz_end,
	.mail_close = fuzz_close,
	.session_closed = fuzz_session_closed,
};

static void
run(int fd)
{
	for (unsigned i = 0; i < 3 && fuzz.session != NULL; i++) {
		uint8_t bytes[65536];
		ssize_t n;

		fuzz_turn();
		while (fd >= 0 && (n = read(fd, bytes, sizeof(bytes))) > 0)
			ASSERT(buf_append(&f.lines, bytes, (size_t)n) == 0);
		for (struct fuzz_mail *m = f.mails; m != NULL; m = m->next) {
			if (m->is_ended && !m->is_finished) {
				finish(m);
				break; /* the list may have changed */
			}
		}
		if (fuzz.session != NULL && (f.how & 0x10) != 0)
			fuzz.session->ops->resume(fuzz.session);
	}
}

/* Whole lines of ours; the last one may be cut when the session ended. */
static void
check_lines(void)
{
	struct slice rest = buf_get(&f.lines);
	size_t end;

	while ((end = slice_find_byte(rest, '\n', 0)) != SIZE_MAX) {
		struct slice line = slice_sub(rest, 0, end);
		struct opensmtpd_response r;
		struct err e;

		rest = slice_from(rest, end + 1);
		if (slice_starts_with(line, SLICE_LIT("register|")))
			continue;
		ASSERT(opensmtpd_response_parse(line, &r, &e) == 0);
		f.proceeded += r.is_result && slice_eq_str(r.text, "proceed");
		ASSERT(!r.is_result || slice_eq_str(r.text, "proceed") ||
		       slice_starts_with(r.text, SLICE_LIT("reject|4")) ||
		       slice_starts_with(r.text, SLICE_LIT("reject|5")));
	}
	ASSERT(f.proceeded <= f.accepted);
}

/* How many results and ends of mails smtpd asks for. */
static void
count_asked(struct slice lines, unsigned *ret_results, unsigned *ret_ends)
{
	size_t end;

	*ret_results = *ret_ends = 0;
	while ((end = slice_find_byte(lines, '\n', 0)) != SIZE_MAX) {
		struct opensmtpd_line l;

		if (opensmtpd_line_parse(slice_sub(lines, 0, end), &l, NULL) == 0 &&
		    l.kind == OPENSMTPD_FILTER) {
			*ret_results += slice_eq_str(l.name, "commit");
			*ret_ends += slice_eq_str(l.name, "data-line") &&
				     slice_eq_str(l.parameters, ".");
		}
		lines = slice_from(lines, end + 1);
	}
}

static void
count_given(struct slice lines, unsigned *ret_results, unsigned *ret_ends)
{
	size_t end;

	*ret_results = *ret_ends = 0;
	while ((end = slice_find_byte(lines, '\n', 0)) != SIZE_MAX) {
		struct slice line = slice_sub(lines, 0, end);
		struct opensmtpd_response r;

		lines = slice_from(lines, end + 1);
		if (slice_starts_with(line, SLICE_LIT("register|")))
			continue;
		ASSERT(opensmtpd_response_parse(line, &r, NULL) == 0);
		*ret_results += r.is_result;
		*ret_ends += !r.is_result && slice_eq_str(r.text, ".");
	}
	ASSERT(lines.len == 0);
}

static void
check_relay(struct slice input)
{
	unsigned asked_results, asked_ends, results, ends;
	struct opensmtpd_relay r;
	struct err e;
	size_t half = input.len / 2;

	opensmtpd_relay_init(&r);
	ASSERT(opensmtpd_relay_connect(&r) == 0);
	if (opensmtpd_relay_take_smtpd(&r, slice_sub(input, 0, half), &e) == 0 &&
	    opensmtpd_relay_take_daemon(&r, buf_get(&f.lines), &e) == 0) {
		if ((f.how2 & 0x80) != 0)
			ASSERT(opensmtpd_relay_disconnect(&r) == 0);
		(void)opensmtpd_relay_take_smtpd(&r, slice_from(input, half), &e);
	}
	count_asked(input, &asked_results, &asked_ends);
	count_given(buf_get(&r.to_smtpd), &results, &ends);
	ASSERT(results <= asked_results && ends <= asked_ends);
	opensmtpd_relay_done(&r);
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
	buf_init(&f.lines, 1 << 28);
	fd = fuzz_start(opensmtpd_session_start, &(struct intake_place){ .listener = "fuzz" },
	    (f.how2 & 0x40) != 0 ? data[2] : 0);
	fuzz_feed_input(&(struct fuzz_feed){ .how = f.how,
			    .drains = (f.how2 & 0x20) != 0,
			    .slow = 4096,
			    .patience = 50,
			    .run = run },
	    fd, data + 3, len - 3);
	run(fd);
	if ((f.how2 & 0x10) != 0)
		fuzz_close_session();
	check_lines();
	fuzz_hang_up(&fd, run);
	fuzz_close_session(); /* it may wait for a resume() that it had */
	ASSERT(f.mails == NULL && fuzz.begun == fuzz.closed);
	check_relay(slice_of(data + 3, len - 3));
	buf_done(&f.lines);
	return 0;
}
