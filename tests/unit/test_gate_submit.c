/* test_gate_submit.c: a mail that comes by the control socket: every byte reaches the sink
 * once, pauses and limits are the sink's, the answer is told whole, and each way to end closes
 * the mail once. */
#include "test_common.h"

#include <jansson.h>
#include <sys/mman.h>

#include "base/loop.h"
#include "cmd/gate_submit.c" /* programs are no library */
#include "cmd/submit_request.c"

static struct {
	struct gate gate;
	struct buf heard, body, answer;
	struct intake_session *session;
	unsigned sessions, closed, delivered, dones, pauses;
	size_t pause_at, drop_at;
	bool refuse, full;
	const struct intake_reply *reply; /* given at mail_end; NULL: later */
	struct submission *submission;
} t;

static void
heard(const char *what, struct slice s)
{
	assert_int_equal(buf_append_str(&t.heard, what), 0);
	assert_int_equal(buf_append_slice(&t.heard, s), 0);
	assert_int_equal(buf_append_byte(&t.heard, '\n'), 0);
}

static void *
sink_begin(void *ctx, struct intake_session *s, struct slice sender, struct slice args)
{
	assert_ptr_equal(ctx, &t.gate);
	assert_int_equal(args.len, 0);
	t.session = s;
	heard("from ", sender);
	return t.refuse ? NULL : &t;
}

static void
sink_recipient(void *mail UNUSED, struct slice s)
{
	heard("to ", s);
}

static void
sink_queue_id(void *mail UNUSED, struct slice s)
{
	heard("queue ", s);
}

static uint8_t room[100];

static uint8_t *
sink_reserve(void *mail UNUSED, size_t want, size_t *ret_room)
{
	assert_true(want > 0);
	if (t.pause_at != 0 && t.body.len >= t.pause_at) {
		t.pause_at = 0;
		t.pauses++;
		*ret_room = 0;
		return NULL;
	}
	if (t.drop_at != 0 && t.body.len >= t.drop_at) {
		*ret_room = SIZE_MAX;
		return NULL;
	}
	*ret_room = MIN_OF(want, sizeof(room));
	return room;
}

static void
sink_commit(void *mail UNUSED, size_t len)
{
	assert_true(len <= sizeof(room));
	assert_int_equal(buf_append(&t.body, room, len), 0);
}

static void
sink_end(void *mail UNUSED)
{
	heard("end", SLICE_NONE);
	if (t.reply != NULL)
		t.session->ops->finish(t.session, t.reply);
}

static void
sink_close(void *mail UNUSED, bool delivered)
{
	t.closed++;
	t.delivered += delivered;
}

static void
sink_session_closed(void *ctx UNUSED, struct intake_session *s UNUSED)
{
	t.sessions--;
}

const struct intake_sink gate_sink = { .mail_begin = sink_begin,
	.mail_recipient = sink_recipient,
	.mail_set_queue_id = sink_queue_id,
	.mail_body_reserve = sink_reserve,
	.mail_body_commit = sink_commit,
	.mail_end = sink_end,
	.mail_close = sink_close,
	.session_closed = sink_session_closed };

bool
gate_is_full(const struct gate *g UNUSED)
{
	return t.full;
}

void
gate_add_session(struct gate *g UNUSED, struct intake_session *s UNUSED)
{
	t.sessions++;
}

static struct {
	const struct intake_protocol *protocol;
	char listener[64], address[64];
	uint16_t port;
	bool has_options, has_address;
	unsigned count;
} begun;

void
gate_begin_session(struct gate *g UNUSED, const struct intake_protocol *p,
    const struct intake_place *place, int *fd)
{
	begun.count++;
	begun.protocol = p;
	snprintf(begun.listener, sizeof(begun.listener), "%s", place->listener);
	begun.has_options = place->options != NULL;
	begun.has_address = place->peer_address != NULL;
	snprintf(begun.address, sizeof(begun.address), "%s",
	    place->peer_address == NULL ? "" : place->peer_address);
	begun.port = place->peer_port;
	assert_true((fcntl(*fd, F_GETFL) & O_NONBLOCK) != 0);
	fd_close(fd);
}

static void
on_done(void *owner)
{
	assert_ptr_equal(owner, &t);
	t.dones++;
}

static int
file_with(struct slice text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
	return fd;
}

#define ENVELOPE "Fa@b\0A192.0.2.7\0Nname\0Hhelo\0Uuser\0Q4F\0Idiscard\0Tc@d\0T\0"

static const char *
begin(const char *arguments, struct slice mail, struct slice envelope)
{
	int mail_fd = file_with(mail), envelope_fd = file_with(envelope);
	const char *why = NULL;

	t.submission = submission_new(&t.gate, slice_of_str(arguments), &mail_fd, &envelope_fd,
	    &t.answer, on_done, &t, &why);
	assert_int_equal(mail_fd, -1);
	assert_int_equal(envelope_fd, -1);
	assert_true((t.submission == NULL) == (why != NULL));
	return why;
}

static int
setup(void **state UNUSED)
{
	struct buf messages;

	memset(&t, 0, sizeof(t));
	memset(&begun, 0, sizeof(begun));
	t.gate.loop = loop_new();
	buf_init(&messages, 4096);
	t.gate.config = config_parse("test",
	    SLICE_LIT("listener in { address = \"inet:127.0.0.1:2525\" }\n"
		      "listener relay { protocol = \"smtp\" address = \"inet:127.0.0.1:2526\" "
		      "next_hop = \"inet:127.0.0.1:2527\" }\n"),
	    &messages);
	if (t.gate.config == NULL)
		print_error("%s\n", buf_get_str(&messages));
	buf_done(&messages);
	assert_non_null(t.gate.config);
	buf_init(&t.heard, 1 << 20);
	buf_init(&t.body, 16 << 20);
	buf_init(&t.answer, 1 << 20);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	submission_end(&t.submission, false);
	assert_int_equal(t.sessions, 0);
	loop_free(&t.gate.loop);
	config_unref(&t.gate.config);
	buf_done(&t.heard);
	buf_done(&t.body);
	buf_done(&t.answer);
	return 0;
}

static const struct slice names[] = { { (const uint8_t *)"Eicar", 5 },
	{ (const uint8_t *)"a\"b", 3 } };
static const struct intake_header_edit edits[] = { { "X-Gone", NULL, 2 }, { "X-New", "v", 0 } };
static const struct intake_reply reply = { .action = INTAKE_ACCEPT,
	.code = 250,
	.enhanced = "2.0.0",
	.text = "fine",
	.id = "ID1",
	.verdict = INTAKE_CLEAN,
	.reason = "why",
	.names = names,
	.name_count = 2,
	.edits = edits,
	.edit_count = 2 };

static void
test_answer(void **state UNUSED)
{
	json_t *got, *want;

	t.reply = &reply;
	assert_null(begin("filter 11", SLICE_LIT("hello world"), SLICE_LIT(ENVELOPE)));
	assert_int_equal(t.sessions, 1);
	assert_int_equal(t.dones, 0); /* never from inside */
	while (t.dones == 0)
		loop_run_once(t.gate.loop);
	assert_slice(buf_get(&t.heard), "from a@b\nqueue 4F\nto c@d\nto \nend\n");
	assert_slice(buf_get(&t.body), "hello world");
	assert_string_equal(t.session->client.listener, "filter");
	assert_string_equal(t.session->client.address, "192.0.2.7");
	assert_string_equal(t.session->client.name, "name");
	assert_string_equal(t.session->client.helo, "helo");
	assert_string_equal(t.session->client.user, "user");
	assert_string_equal(t.session->infected, "discard");
	got = json_loadb((const char *)t.answer.data, t.answer.len, 0, NULL);
	want = json_pack("{ssssss si ssss s[ss] s[{ssso?si}{ssss si}]}", "verdict", "clean",
	    "action", "accept", "id", "ID1", "code", 250, "enhanced", "2.0.0", "text", "fine",
	    "names", "Eicar", "a\"b", "edits", "name", "X-Gone", "value", json_null(), "index",
	    2, "name", "X-New", "value", "v", "index", 0);
	assert_non_null(got);
	assert_non_null(want);
	json_object_set_new(want, "reason", json_string("why"));
	if (!json_equal(got, want))
		fail_msg("%.*s", SLICE_FMT(buf_get(&t.answer)));
	json_decref(got);
	json_decref(want);
	assert_true(submission_is_answered(t.submission));
	assert_int_equal(t.closed, 0);
	submission_end(&t.submission, true);
	assert_int_equal(t.closed, 1);
	assert_int_equal(t.delivered, 1);
}

/* Longer than one turn; the sink pauses in the middle and is given the rest later. */
static void
test_turns_and_pause(void **state UNUSED)
{
	size_t len = 9u << 20;
	uint8_t *text = calloc(1, len);
	char arguments[40];

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = (uint8_t)(i * 7 + i / 251);
	t.reply = &reply;
	t.pause_at = 5u << 20;
	snprintf(arguments, sizeof(arguments), "filter %zu", len);
	assert_null(begin(arguments, slice_of(text, len), SLICE_LIT(ENVELOPE)));
	while (t.pauses == 0)
		loop_run_once(t.gate.loop);
	assert_true(t.body.len >= 5u << 20 && t.body.len < len);
	t.session->ops->resume(t.session);
	while (t.dones == 0)
		loop_run_once(t.gate.loop);
	assert_true(slice_eq(buf_get(&t.body), slice_of(text, len)));
	t.session->ops->resume(t.session); /* too late, and harmless */
	assert_int_equal(t.dones, 1);
	free(text);
}

/* What the sink does not want is not read, and it decides all the same. */
static void
test_drop(void **state UNUSED)
{
	t.reply = &reply;
	t.drop_at = 4;
	assert_null(begin("filter 200", slice_of((uint8_t[200]){ 0 }, 200), SLICE_LIT("F\0")));
	while (t.dones == 0)
		loop_run_once(t.gate.loop);
	assert_int_equal(t.body.len, 100);
	assert_slice(buf_get(&t.heard), "from \nend\n");
	assert_null(t.session->infected);
}

static void
test_refused(void **state UNUSED)
{
	static const struct {
		const char *name, *arguments;
		struct slice envelope;
		bool refuse, full, draining;
	} rows[] = {
		{ "no way", "5", { (const uint8_t *)"F", 2 }, false, false, false },
		{ "longer than the file", "x 6", { (const uint8_t *)"F", 2 }, false, false,
		    false },
		{ "no envelope", "x 5", { NULL, 0 }, false, false, false },
		{ "the sink is full", "x 5", { (const uint8_t *)"F", 2 }, true, false, false },
		{ "too many sessions", "x 5", { (const uint8_t *)"F", 2 }, false, true, false },
		{ "we end", "x 5", { (const uint8_t *)"F", 2 }, false, false, true },
	};
	int ends[2], file;
	const char *why = NULL;
	unsigned before = fds_count();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t.refuse = rows[i].refuse;
		t.full = rows[i].full;
		t.gate.draining = rows[i].draining;
		if (begin(rows[i].arguments, SLICE_LIT("hello"), rows[i].envelope) == NULL)
			fail_msg("%s", rows[i].name);
	}
	t.refuse = t.full = t.gate.draining = false;
	/* Not files, or not there. */
	assert_int_equal(pipe(ends), 0);
	file = file_with(SLICE_LIT("F\0"));
	assert_null(submission_new(
	    &t.gate, SLICE_LIT("x 0"), &ends[0], &file, &t.answer, on_done, &t, &why));
	file = file_with(SLICE_LIT("F\0"));
	assert_null(submission_new(
	    &t.gate, SLICE_LIT("x 0"), &file, &ends[1], &t.answer, on_done, &t, &why));
	assert_null(submission_new(
	    &t.gate, SLICE_LIT("x 0"), &file, &ends[1], &t.answer, on_done, &t, &why));
	assert_int_equal(t.closed + t.dones + t.sessions, 0);
	assert_int_equal(fds_count(), before);
}

/* A file that shrinks after it was measured was never looked at whole. */
static void
test_shrunk(void **state UNUSED)
{
	int mail_fd = file_with(SLICE_LIT("hello")), envelope_fd = file_with(SLICE_LIT("F\0"));
	int same = dup(mail_fd);
	const char *why = NULL;

	t.reply = &reply;
	t.submission = submission_new(
	    &t.gate, SLICE_LIT("x 5"), &mail_fd, &envelope_fd, &t.answer, on_done, &t, &why);
	assert_non_null(t.submission);
	assert_int_equal(ftruncate(same, 3), 0);
	close(same);
	while (t.dones == 0)
		loop_run_once(t.gate.loop);
	assert_true(slice_starts_with(buf_get(&t.answer), SLICE_LIT("{\"error\":")));
	assert_int_equal(t.closed, 1);
	assert_int_equal(t.delivered, 0);
	submission_end(&t.submission, true);
	assert_int_equal(t.closed, 1);
}

static void
test_ends(void **state UNUSED)
{
	/* Nobody wants the answer any more. */
	assert_null(begin("x 5", SLICE_LIT("hello"), SLICE_LIT("F\0")));
	submission_end(&t.submission, false);
	assert_int_equal(t.closed, 1);
	assert_null(t.submission);
	submission_end(&t.submission, false);
	assert_int_equal(t.closed, 1);
	/* The gate ends it. */
	assert_null(begin("x 5", SLICE_LIT("hello"), SLICE_LIT("F\0")));
	t.session->ops->drain(t.session); /* the mail in progress goes on */
	assert_int_equal(t.closed, 1);
	t.session->ops->close(t.session);
	assert_int_equal(t.closed, 2);
	assert_int_equal(t.dones, 1);
	submission_end(&t.submission, true);
	assert_int_equal(t.closed, 2);
	assert_int_equal(t.delivered, 0);
}

/* An answer that has no room is an error, never half an answer. */
static void
test_no_room(void **state UNUSED)
{
	t.reply = &reply;
	buf_done(&t.answer);
	buf_init(&t.answer, 60);
	assert_null(begin("x 5", SLICE_LIT("hello"), SLICE_LIT("F\0")));
	while (t.dones == 0)
		loop_run_once(t.gate.loop);
	assert_slice(buf_get(&t.answer), "{\"error\":\"the answer is too long to be told\"}");
}

static void
test_connections(void **state UNUSED)
{
	static const struct {
		const char *arguments, *listener, *address;
		uint16_t port;
		bool good, has_options;
	} rows[] = {
		{ "milter - - 0", "in", "", 0, true, true },
		{ "milter in 192.0.2.7 40", "in", "192.0.2.7", 40, true, true },
		{ "milter relay - 0", "", "", 0, false, false }, /* of another protocol */
		{ "milter nonesuch - 0", "", "", 0, false, false },
		{ "nonesuch - - 0", "", "", 0, false, false },
		{ "lmtp - - 0", "", "", 0, false, false }, /* where to? */
		{ "milter - x 0", "", "", 0, false, false },
	};
	unsigned before = fds_count();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int pair[2];
		const char *why;

		memset(&begun, 0, sizeof(begun));
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		why = gate_take_connection(&t.gate, slice_of_str(rows[i].arguments), &pair[1]);
		assert_int_equal(pair[1], -1);
		close(pair[0]);
		if ((why == NULL) != rows[i].good || begun.count != rows[i].good)
			fail_msg("%s: %s", rows[i].arguments, why);
		assert_string_equal(begun.listener, rows[i].listener);
		assert_string_equal(begun.address, rows[i].address);
		assert_int_equal(begun.port, rows[i].port);
		assert_int_equal(begun.has_options, rows[i].has_options);
		assert_int_equal(begun.has_address, rows[i].address[0] != '\0');
	}
	/* What is no stream would break the loop. */
	for (int i = 0; i < 3; i++) {
		int fd = i == 0   ? -1
			 : i == 1 ? file_with(SLICE_LIT("x"))
				  : socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		assert_non_null(gate_take_connection(&t.gate, SLICE_LIT("milter - - 0"), &fd));
	}
	assert_int_equal(begun.count, 0);
	assert_int_equal(fds_count(), before);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answer),
		TEST(test_turns_and_pause),
		TEST(test_drop),
		TEST(test_refused),
		TEST(test_shrunk),
		TEST(test_ends),
		TEST(test_no_room),
		TEST(test_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
