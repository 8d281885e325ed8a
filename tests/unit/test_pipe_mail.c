/* test_pipe_mail.c: a mail in a pipe: read, a line of mbox kept apart, the gate's answer taken
 * or not, the changed mail written. What is no clear answer never lets it pass. */
#include "test_common.h"

#include <fcntl.h>
#include <signal.h>

#include "cmd/pipe_gate.c" /* programs are no library */
#include "cmd/pipe_mail.c"
#include "cmd/submit_request.c"

static struct config *config;

/* What other files of the program give. */
int
daemon_connect(const char *path UNUSED, struct err *e)
{
	return err_set(e, ECONNREFUSED, "no daemon here");
}

int
daemon_send(int fd UNUSED, struct slice line UNUSED, const int *fds UNUSED, size_t count UNUSED,
    struct err *e)
{
	return err_set(e, EPIPE, "no daemon here");
}

int
daemon_receive(int fd UNUSED, int64_t timeout_ms UNUSED, struct buf *out UNUSED, struct err *e)
{
	return err_set(e, EPIPE, "no daemon here");
}

int
gate_local_start(struct config *c UNUSED, int *pid UNUSED, int *log_fd UNUSED, struct err *e)
{
	return err_set(e, ENOMEM, "no gate here");
}

struct config *
cordon_load_config(const struct cordon_options *o UNUSED)
{
	return NULL;
}

static int
file_with(struct slice text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void
mail_begin(struct pipe_mail *m, struct slice text)
{
	struct err e;

	assert_int_equal(pipe_mail_read(m, config, file_with(text), &e), 0);
}

static void
mail_end(struct pipe_mail *m)
{
	close(m->fd);
	pipe_mail_done(m);
}

static int
answer(struct pipe_mail *m, const char *json)
{
	struct err e = { 0 };
	int r = pipe_mail_take_answer(m, slice_of_str(json), &e);

	assert_true((r < 0) == (e.text[0] != '\0'));
	return r;
}

static void
expect_written(const struct pipe_mail *m, const char *want)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	char got[512] = "";

	assert_int_equal(pipe_mail_write(m, fd), 0);
	assert_true(pread(fd, got, sizeof(got) - 1, 0) >= 0);
	assert_string_equal(got, want);
	close(fd);
}

#define ACCEPT                                                                                 \
	"{\"verdict\":\"clean\",\"action\":\"accept\",\"code\":250,\"enhanced\":\"2.0.0\","    \
	"\"text\":\"ok\",\"edits\":"
#define ACCEPT_UNSCANNED                                                                       \
	"{\"verdict\":\"unscanned\",\"action\":\"accept\",\"code\":250,\"enhanced\":\"2.0."    \
	"0\","                                                                                 \
	"\"text\":\"ok\",\"edits\":"

static void
test_from_line(void **state UNUSED)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{ "From a@b Mon Jan  5 10:00:00 2026\nSubject: x\n\ny\n",
		    "From a@b Mon Jan  5 10:00:00 2026\n" },
		{ "From a@b Mon Jan  5 10:00:00 2026\r\nSubject: x\r\n\r\ny\r\n",
		    "From a@b Mon Jan  5 10:00:00 2026\r\n" },
		{ "From a\nFrom b\n\n", "From a\n" }, /* one */
		{ "From a", "" },                     /* no line */
		{ "From a\001\nSubject: x\n\n", "" },
		{ "From a\rb\nSubject: x\n\n", "" },
		{ "From: a\n\n", "" },
		{ ">From a\n\n", "" },
		{ "", "" },
	};
	char text[700], want[800];
	struct pipe_mail m;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		mail_begin(&m, slice_of_str(rows[i].text));
		assert_slice(m.from_line, rows[i].line);
		assert_slice(message_get_bytes(m.message), rows[i].text + strlen(rows[i].line));
		/* Unchanged, and with a field: behind the line. */
		assert_int_equal(answer(&m, ACCEPT "[]}"), 0);
		expect_written(&m, rows[i].text);
		assert_int_equal(
		    answer(&m, ACCEPT "[{\"name\":\"X\",\"value\":\"y\",\"index\":0}]}"), 0);
		snprintf(want, sizeof(want), "%sX: y%s%s", rows[i].line,
		    slice_has(slice_of_str(rows[i].text + strlen(rows[i].line)), "\n") &&
			    !slice_has(slice_of_str(rows[i].text), "\r\n")
			? "\n"
			: "\r\n",
		    rows[i].text + strlen(rows[i].line));
		expect_written(&m, want);
		mail_end(&m);
	}
	/* Too long for an envelope. */
	snprintf(text, sizeof(text), "From %0600d\nSubject: x\n\n", 7);
	mail_begin(&m, slice_of_str(text));
	assert_int_equal(m.from_line.len, 0);
	mail_end(&m);
}

static void
test_sender(void **state UNUSED)
{
	struct cordon_options given = { .sender = "<c@d>" }, null = { .sender = "" },
			      none = { 0 };
	struct pipe_mail m;

	mail_begin(&m, SLICE_LIT("From a@b Mon Jan  5 10:00:00 2026\nSubject: x\n\n"));
	assert_slice(pipe_mail_get_sender(&m, &none), "a@b");
	assert_slice(pipe_mail_get_sender(&m, &given), "c@d");
	assert_slice(pipe_mail_get_sender(&m, &null), "");
	mail_end(&m);
	mail_begin(&m, SLICE_LIT("From a@b\r\nSubject: x\n\n"));
	assert_slice(pipe_mail_get_sender(&m, &none), "a@b");
	mail_end(&m);
	mail_begin(&m, SLICE_LIT("Subject: x\n\n"));
	assert_slice(pipe_mail_get_sender(&m, &none), "");
	mail_end(&m);
}

static void
test_answers(void **state UNUSED)
{
	static const struct {
		const char *json;
		enum intake_action action;
		bool good;
	} rows[] = {
		{ ACCEPT "[]}", INTAKE_ACCEPT, true },
		{ "", INTAKE_TEMPFAIL, false },
		{ "{}", INTAKE_TEMPFAIL, false },
		{ "[]", INTAKE_TEMPFAIL, false },
		{ ACCEPT "[]", INTAKE_TEMPFAIL, false },
		{ ACCEPT "null}", INTAKE_TEMPFAIL, false },
		{ ACCEPT "[{}]}", INTAKE_TEMPFAIL, false },
		{ ACCEPT "[{\"name\":\"X\"}]}", INTAKE_TEMPFAIL, false },
		{ ACCEPT "[{\"name\":\"X\",\"value\":null,\"index\":0}]}", INTAKE_TEMPFAIL,
		    false },
		{ ACCEPT "[{\"name\":\"X\",\"value\":null,\"index\":-1}]}", INTAKE_TEMPFAIL,
		    false },
		{ ACCEPT "[{\"name\":\"X\",\"value\":null,\"index\":99999999999}]}",
		    INTAKE_TEMPFAIL, false },
		{ ACCEPT "[{\"name\":\"X\\n\",\"value\":\"y\",\"index\":1}]}", INTAKE_TEMPFAIL,
		    false },
		{ ACCEPT "[],\"action\":\"reject\"}", INTAKE_TEMPFAIL, false }, /* twice */
		{ ACCEPT "[],\"error\":\"full\"}", INTAKE_TEMPFAIL, false },
		{ "{\"error\":\"full\"}", INTAKE_TEMPFAIL, false },
		{ "{\"action\":\"accept\",\"enhanced\":\"2.0.0\",\"text\":\"ok\",\"edits\":[]}",
		    INTAKE_TEMPFAIL, false }, /* no verdict */
		{ "{\"verdict\":\"clean\",\"action\":\"pass\",\"enhanced\":\"\",\"text\":\"\"}",
		    INTAKE_TEMPFAIL, false },
		{ "{\"verdict\":\"infected\",\"action\":\"reject\",\"enhanced\":\"\",\"text\":"
		  "\"\"}",
		    INTAKE_REJECT, true },
		{ "{\"verdict\":\"infected\",\"action\":\"discard\",\"enhanced\":\"\",\"text\":"
		  "\"\"}",
		    INTAKE_DISCARD, true },
		{ "{\"verdict\":\"infected\",\"action\":\"hold\",\"enhanced\":\"\",\"text\":"
		  "\"\"}",
		    INTAKE_HOLD, true },
		{ "{\"verdict\":\"unscanned\",\"action\":\"tempfail\",\"enhanced\":\"\","
		  "\"text\":\"\"}",
		    INTAKE_TEMPFAIL, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pipe_mail m;

		mail_begin(&m, SLICE_LIT("Subject: x\r\n\r\ny\r\n"));
		if ((answer(&m, rows[i].json) == 0) != rows[i].good ||
		    m.action != rows[i].action)
			fail_msg("%s", rows[i].json);
		mail_end(&m);
	}
}

static void
test_text(void **state UNUSED)
{
	struct pipe_mail m;

	mail_begin(&m, SLICE_LIT("Subject: x\r\n\r\ny\r\n"));
	assert_int_equal(
	    answer(&m, "{\"verdict\":\"infected\",\"action\":\"reject\",\"code\":550,"
		       "\"enhanced\":\"5.7.1\",\"text\":\"a\\nb\\u00e9\"}"),
	    0);
	assert_string_equal(m.text, "5.7.1 a?b??");
	assert_int_equal(m.code, 550);
	mail_end(&m);
}

static void
test_edits(void **state UNUSED)
{
	struct pipe_mail m;

	mail_begin(&m, SLICE_LIT("X-A: 1\nSubject: x\nx-a: 2\n folded\n\nX-A: body\n"));
	assert_int_equal(
	    answer(&m, ACCEPT "[{\"name\":\"X-A\",\"value\":null,\"index\":2},"
			      "{\"name\":\"X-A\",\"value\":null,\"index\":1},"
			      "{\"name\":\"X-New\",\"value\":\"v\",\"index\":0}]}"),
	    0);
	expect_written(&m, "X-New: v\nSubject: x\n\nX-A: body\n");
	mail_end(&m);
	/* More names than an honest gate removes. */
	mail_begin(&m, SLICE_LIT("Subject: x\n\n"));
	{
		struct buf json;

		buf_init(&json, 4096);
		(void)buf_append_str(&json, ACCEPT "[");
		for (int i = 0; i < 9; i++)
			(void)buf_printf(&json,
			    "%s{\"name\":\"X%d\",\"value\":null,\"index\":1}", i > 0 ? "," : "",
			    i);
		(void)buf_append_str(&json, "]}");
		assert_true(answer(&m, buf_get_str(&json)) < 0);
		buf_done(&json);
	}
	assert_int_equal(m.action, INTAKE_TEMPFAIL);
	mail_end(&m);
}

/* Above max_message_size: the gate learns that it is, and what it lets pass passes whole. */
static void
test_cut(void **state UNUSED)
{
	uint64_t max = config->max_message_size;
	size_t len = 5000;
	uint8_t *text = malloc(len), *got = malloc(2 * len);
	struct pipe_mail m;
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(text != NULL && got != NULL);
	memset(text, 'x', len);
	memcpy(text, "A: 1\r\n\r\n", 8);
	config->max_message_size = 1024;
	mail_begin(&m, slice_of(text, len));
	assert_true(m.is_cut);
	assert_true(m.message->spool.len > 1024 && m.message->spool.len < len);
	/* Clean is the begin that the gate saw, not what would pass. */
	assert_true(answer(&m, ACCEPT "[]}") < 0);
	assert_int_equal(m.action, INTAKE_TEMPFAIL);
	assert_int_equal(
	    answer(&m, ACCEPT_UNSCANNED "[{\"name\":\"A\",\"value\":null,\"index\":1}]}"), 0);
	assert_int_equal(pipe_mail_write(&m, fd), 0);
	assert_int_equal(pread(fd, got, 2 * len, 0), (ssize_t)(len - 6));
	assert_memory_equal(got, text + 6, len - 6);
	mail_end(&m);
	/* At the limit it is whole. */
	mail_begin(&m, slice_of(text, 1024));
	assert_false(m.is_cut);
	assert_int_equal(m.message->spool.len, 1024);
	mail_end(&m);
	mail_begin(&m, slice_of(text, len));
	assert_int_equal(pipe_mail_drop_rest(&m), 0);
	assert_int_equal(read(m.fd, got, 1), 0);
	mail_end(&m);
	config->max_message_size = max;
	close(fd);
	free(text);
	free(got);
}

static void
test_trouble(void **state UNUSED)
{
	struct cordon_options o = { .no_local = true };
	struct pipe_mail m;
	struct err e = { 0 };
	int ends[2];

	/* Nobody to ask, with and without a gate of our own. */
	for (int i = 0; i < 2; i++) {
		mail_begin(&m, SLICE_LIT("Subject: x\n\n"));
		m.action = INTAKE_ACCEPT; /* must not stay */
		o.no_local = i == 0;
		assert_true(pipe_mail_ask(&m, &o, config, "filter", SLICE_LIT("F\0"), &e) < 0);
		assert_int_equal(m.action, INTAKE_TEMPFAIL);
		mail_end(&m);
	}
	/* A mail that cannot be read. */
	assert_int_equal(
	    pipe_mail_read(&m, config, open("/", O_RDONLY | O_CLOEXEC), &e), -EISDIR);
	mail_end(&m);
	/* A reader that is gone, and a full disk. */
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	mail_begin(&m, SLICE_LIT("Subject: x\n\n"));
	assert_int_equal(answer(&m, ACCEPT "[]}"), 0);
	assert_int_equal(pipe_mail_write(&m, ends[1]), -EPIPE);
	close(ends[1]);
	ends[0] = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pipe_mail_write(&m, ends[0]), -ENOSPC);
	close(ends[0]);
	mail_end(&m);
}

/* Each with its own status; what cannot be run or dies is for later. */
static void
test_hand_over(void **state UNUSED)
{
	static const struct {
		const char *script;
		int want;
	} rows[] = {
		{ "exit 67", 67 },
		{ "cat >/dev/null", 0 },
		{ "head -c 5 >/dev/null", 0 },
		{ "kill -9 $$", PIPE_EXIT_TEMPFAIL },
		{ "test \"$(cat)\" = \"$(printf 'X: y\\nSubject: x\\n\\nz')\"", 0 },
		{ "trap - PIPE; kill -PIPE $$; exit 3", PIPE_EXIT_TEMPFAIL },
	};
	struct pipe_mail m;

	for (size_t i = 0; i <= ARRAY_LEN(rows); i++) {
		bool missing = i == ARRAY_LEN(rows);
		char *argv[] = { missing ? (char *)"/nonesuch/program" : (char *)"sh",
			(char *)"-c", missing ? NULL : (char *)(uintptr_t)rows[i].script,
			NULL };

		mail_begin(&m, SLICE_LIT("Subject: x\n\nz\n"));
		assert_int_equal(
		    answer(&m, ACCEPT "[{\"name\":\"X\",\"value\":\"y\",\"index\":0}]}"), 0);
		assert_int_equal(
		    pipe_mail_hand_over(&m, argv), missing ? PIPE_EXIT_TEMPFAIL : rows[i].want);
		mail_end(&m);
	}
}

static void
test_envelope(void **state UNUSED)
{
	char *recipients[] = { (char *)"<bob@test.example>", (char *)"carol", NULL };
	char *none[] = { NULL };
	static const char want[] = "F\0A2001:db8::1\0Hh\0Tbob@test.example\0Tcarol\0";
	struct cordon_options o = { .client = "IPv6:2001:db8::1", .helo = "h" };
	struct buf text;
	struct err e;

	buf_init(&text, 200);
	assert_int_equal(pipe_envelope_make(&o, SLICE_NONE, recipients, &text, &e), 0);
	assert_true(slice_eq(buf_get(&text), slice_of(want, sizeof(want) - 1)));
	buf_clear(&text);
	o = (struct cordon_options){ .client = "unknown" };
	assert_int_equal(pipe_envelope_make(&o, SLICE_NONE, none, &text, &e), 0);
	assert_true(slice_eq(buf_get(&text), slice_of("F", 2)));
	buf_done(&text);
	buf_init(&text, 10);
	assert_true(pipe_envelope_make(&o, SLICE_NONE, recipients, &text, &e) < 0);
	buf_done(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_line),
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_hand_over),
		cmocka_unit_test(test_envelope),
	};
	int failed;

	(void)signal(SIGPIPE, SIG_IGN);
	config = config_new_default();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	config_unref(&config);
	return failed;
}
