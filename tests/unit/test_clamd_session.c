/* test_clamd_session.c: a clamd session over a socket pair: answers, order, limits, and clients
 * that go away at every point. */
#include "unit/test_clamd_client.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.h"

#define CHUNK(len_byte, text) "\0\0\0" len_byte text
#define OVER                  "\0\0\0\0"
#define EXCHANGE                                                                               \
	"zIDSESSION\0zPING\0zINSTREAM\0" CHUNK("\5", "hello") CHUNK("\3", "you") OVER          \
	    "nINSTREAM\n" CHUNK("\3", "bad") OVER "zSCAN /nowhere\0zVERSION\0zEND\0"
#define EXCHANGE_ANSWER "1: PONG\0002: stream: OK\0003: stream: Bad.One FOUND\n"

static const size_t steps[] = { 0, 1, 2, 3, 7, 50 };

static void
test_single_commands(void **state UNUSED)
{
	static const struct {
		const char *send;
		size_t send_len;
		const char *want;
		size_t want_len;
	} cases[] = {
#define CASE(send, want) { send, sizeof(send) - 1, want, sizeof(want) - 1 }
		CASE("zPING\0", "PONG\0"),
		CASE("nPING\n", "PONG\n"),
		CASE("PING", "PONG\n"),
		CASE("zFOO\0", "UNKNOWN COMMAND\0"),
		CASE("zEND\0", "UNKNOWN COMMAND\0"),
		CASE("zSHUTDOWN\0", "COMMAND UNAVAILABLE\0"),
		CASE("zDETSTATS\0", ""),
		CASE("nRELOAD\n", "RELOADING\n"),
		CASE("zVERSION\0", "ClamAV 1.4 (Cordon 9.9)/12/Thu Jan  1 00:00:00 2026\0"),
		CASE("nSTATS\n",
		    "POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live 4  idle 1 max 4 "
		    "idle-timeout 300\nQUEUE: 7 items\n\tSTATS 0.000000 \n\nMEMSTATS: heap N/A "
		    "mmap N/A used N/A free N/A releasable N/A pools 1 pools_used 1.000M "
		    "pools_total 8.000M\nEND\n"),
		CASE("zINSTREAM\0" CHUNK("\2", "hi") OVER "garbage", "stream: OK\0"),
		CASE("nINSTREAM\n" CHUNK("\3", "bad") OVER, "stream: Bad.One FOUND\n"),
		CASE("zINSTREAM\0" OVER, "stream: OK\0"),
		CASE("zINSTREAM\0\xff\xff\xff\xff", "INSTREAM size limit exceeded. ERROR\0"),
		CASE("nFILDES\nx", "No file descriptor received. ERROR\n"),
		CASE("zSCAN relative\0",
		    "relative: File path check failure: No such file or directory. ERROR\0"),
		CASE("zIDSESSION\0nCONTSCAN /\n",
		    "1: Command invalid inside IDSESSION. ERROR\n"),
#undef CASE
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sink_state k;
		struct client c;

		sink_init(&k);
		client_start(&c, &k);
		client_send(&c, cases[i].send, cases[i].send_len, 0);
		client_expect(&c, cases[i].want, cases[i].want_len);
		assert_true(c.has_ended);
		assert_int_equal(k.reloads, cases[i].send[1] == 'R');
		client_done(&c);
		sink_done(&k);
	}
}

static void
test_session_in_pieces(void **state UNUSED)
{
	static const char answer[] =
	    EXCHANGE_ANSWER "4: /nowhere: File path check failure: No such file or directory. "
			    "ERROR\0005: ClamAV 1.4 (Cordon 9.9)/12/Thu Jan  1 00:00:00 2026\0";

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct sink_state k;
		struct client c;

		sink_init(&k);
		client_start(&c, &k);
		client_send(&c, EXCHANGE, sizeof(EXCHANGE) - 1, steps[i]);
		/* When one read brings both, VERSION is answered before the file is opened. */
		if (steps[i] != 0 && steps[i] < 7)
			client_expect(&c, answer, sizeof(answer) - 1);
		assert_null(c.session);
		assert_int_equal(k.delivered, 2);
		client_done(&c);
		sink_done(&k);
	}
}

/* The client goes after each byte, with the sink fast, or with every answer still owed. */
static void
test_vanish_everywhere(void **state UNUSED)
{
	for (size_t n = 0; n <= 2 * (sizeof(EXCHANGE) - 1); n++) {
		struct sink_state k;
		struct client c;

		sink_init(&k);
		k.finish_at_once = n % 2 == 0;
		client_start(&c, &k);
		client_send(&c, EXCHANGE, n / 2, 0);
		fd_close(&c.fd);
		sink_run(&k);
		sink_answer_all(&k); /* what it has whole it keeps */
		assert_null(c.session);
		client_done(&c);
		sink_done(&k);
	}
}

/* Half closed: a client such as `nc -N` still wants its answers. */
static void
test_half_close(void **state UNUSED)
{
	struct sink_state k;
	struct client c;

	sink_init(&k);
	k.finish_at_once = false;
	client_start(&c, &k);
	SEND(&c,
	    "zIDSESSION\0zINSTREAM\0" CHUNK("\2", "hi") OVER "zINSTREAM\0" CHUNK("\2", "h"));
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	sink_run(&k);
	assert_int_equal(k.closed, 1); /* the stream that was not whole */
	assert_non_null(c.session);
	sink_answer(k.mails);
	sink_run(&k);
	EXPECT(&c, "1: stream: OK\0");
	assert_null(c.session);
	client_done(&c);
	sink_done(&k);
}

/* Two clients, the answers in the wrong order, and one of the clients gone and its descriptor's
 * number given to a third: everybody gets his own. */
static void
test_answers_by_session(void **state UNUSED)
{
	struct sink_state k;
	struct client a, b, c, d;
	struct sink_mail *of_b;

	sink_init(&k);
	k.finish_at_once = false;
	client_start(&a, &k);
	client_start(&b, &k);
	SEND(&a, "zINSTREAM\0" CHUNK("\3", "bad") OVER);
	SEND(&b, "zINSTREAM\0" CHUNK("\4", "good") OVER);
	of_b = k.mails->next;
	fd_close(&a.fd);
	sink_run(&k);
	client_start(&c, &k);
	SEND(&c, "zINSTREAM\0" CHUNK("\4", "nice") OVER);
	sink_answer(k.mails); /* a's, who is gone */
	sink_run(&k);
	assert_null(a.session);
	assert_ptr_equal(k.mails, of_b);
	EXPECT(&c, "");
	client_start(&d, &k); /* has the descriptors of a's connection */
	SEND(&d, "zINSTREAM\0" CHUNK("\3", "bad") OVER);
	sink_answer(of_b->next->next);
	sink_run(&k);
	EXPECT(&d, "stream: Bad.One FOUND\0");
	sink_answer(of_b->next);
	sink_run(&k);
	EXPECT(&c, "stream: OK\0");
	EXPECT(&b, "");
	sink_answer(of_b);
	sink_run(&k);
	EXPECT(&b, "stream: OK\0");
	assert_int_equal(k.delivered, 3);
	client_done(&d);
	client_done(&a);
	client_done(&b);
	client_done(&c);
	sink_done(&k);
}

/* Within a session answers come as they are ready, under their numbers; not more files at one
 * time than allowed. */
static void
test_session_order_and_bound(void **state UNUSED)
{
	struct sink_state k;
	struct client c;

	sink_init(&k);
	k.finish_at_once = false;
	client_start(&c, &k);
	SEND(&c, "zIDSESSION\0zINSTREAM\0" CHUNK("\1", "1") OVER
	    "nINSTREAM\n" CHUNK("\3", "bad") OVER "zPING\0");
	EXPECT(&c, "3: PONG\0");
	sink_answer(k.mails->next);
	sink_run(&k);
	EXPECT(&c, "2: stream: Bad.One FOUND\n");
	sink_answer(k.mails);
	sink_run(&k);
	EXPECT(&c, "1: stream: OK\0");
	for (unsigned i = 0; i < 40; i++)
		SEND(&c, "zINSTREAM\0" CHUNK("\1", "x") OVER);
	SEND(&c, "zEND\0");
	for (unsigned i = 0; i < 40; i++) {
		assert_non_null(k.mails);
		sink_answer(k.mails);
		sink_run(&k);
	}
	assert_true(k.open_max <= 8);
	assert_int_equal(k.delivered, 42);
	assert_null(c.session);
	client_done(&c);
	sink_done(&k);
}

static void
test_verdicts(void **state UNUSED)
{
	static const struct {
		enum intake_verdict verdict;
		enum intake_action action;
		const char *want;
	} cases[] = {
		{ INTAKE_CLEAN, INTAKE_ACCEPT, "stream: OK\n" },
		{ INTAKE_UNSCANNED, INTAKE_ACCEPT, "stream: OK\n" },
		{ INTAKE_UNSCANNED, INTAKE_TEMPFAIL, "stream: unscanned: timeout ERROR\n" },
		{ INTAKE_UNSCANNED, INTAKE_REJECT, "stream: unscanned: timeout ERROR\n" },
		{ INTAKE_UNSCANNED, INTAKE_DISCARD, "stream: unscanned: timeout ERROR\n" },
		{ INTAKE_UNSCANNED, INTAKE_HOLD, "stream: unscanned: timeout ERROR\n" },
		{ INTAKE_CLEAN, INTAKE_TEMPFAIL, "stream: unscanned ERROR\n" },
		{ INTAKE_INFECTED, INTAKE_ACCEPT, "stream: Unnamed FOUND\n" },
		{ INTAKE_BANNED, INTAKE_REJECT, "stream: Heuristics.Ambiguous FOUND\n" },
		{ INTAKE_BANNED, INTAKE_TEMPFAIL, "stream: unscanned: timeout ERROR\n" },
		{ INTAKE_BANNED, INTAKE_ACCEPT, "stream: OK\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sink_state k;
		struct client c;

		sink_init(&k);
		k.verdict = cases[i].verdict;
		k.action = cases[i].action;
		client_start(&c, &k);
		SEND(&c, "nINSTREAM\n" CHUNK("\1", "x") OVER);
		client_expect(&c, cases[i].want, strlen(cases[i].want));
		client_done(&c);
		sink_done(&k);
	}
}

static void
test_sink_without_room(void **state UNUSED)
{
	struct sink_state k;
	struct client c;

	sink_init(&k);
	k.refuse = true;
	client_start(&c, &k);
	SEND(&c, "zINSTREAM\0" CHUNK("\1", "x") OVER);
	EXPECT(&c, "stream: No room for another file, try again. ERROR\0");
	client_done(&c);
	k.refuse = false;
	k.drop_at = 4; /* the sink says what it makes of half a file */
	k.verdict = INTAKE_UNSCANNED;
	k.action = INTAKE_TEMPFAIL;
	client_start(&c, &k);
	SEND(&c,
	    "zIDSESSION\0zINSTREAM\0" CHUNK("\3", "abc") CHUNK("\5", "defgh") OVER "zPING\0");
	EXPECT(&c, "1: stream: unscanned: timeout ERROR\0002: PONG\0");
	client_done(&c);
	sink_done(&k);
}

static void
test_pause(void **state UNUSED)
{
	struct sink_state k;
	struct client c;

	sink_init(&k);
	k.pause_at = 3;
	k.room_max = 2;
	client_start(&c, &k);
	SEND(&c, "zINSTREAM\0" CHUNK("\3", "one"));
	SEND(&c, CHUNK("\3", "two") OVER);
	EXPECT(&c, "");
	assert_int_equal(k.mails->body.len, 3);
	k.mails->session->ops->resume(k.mails->session);
	sink_run(&k);
	EXPECT(&c, "stream: OK\0");
	client_done(&c);
	sink_done(&k);
}

struct folder {
	char path[64];
};

static void
folder_add(const struct folder *f, const char *name, const char *content)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
}

static void
folder_init(struct folder *f)
{
	char path[128];

	snprintf(f->path, sizeof(f->path), "/tmp/test_clamd_session.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(path, sizeof(path), "%s/sub", f->path);
	assert_int_equal(mkdir(path, 0700), 0);
	folder_add(f, "a", "one");
	folder_add(f, "b", "bad");
	folder_add(f, "sub/c", "bad too");
	folder_add(f, "sub/d", "");
	snprintf(path, sizeof(path), "%s/sub/fifo", f->path);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/sub/loop", f->path);
	assert_int_equal(symlink("..", path), 0);
}

static void
folder_done(struct folder *f)
{
	static const char *const names[] = { "a", "b", "sub/c", "sub/d", "sub/fifo",
		"sub/loop" };
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->path, names[i]);
		(void)unlink(path);
	}
	snprintf(path, sizeof(path), "%s/sub", f->path);
	(void)rmdir(path);
	(void)rmdir(f->path);
}

static void
path_ask(struct client *c, const char *command, const struct folder *f, const char *name)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "n%s %s%s\n", command, f->path, name);

	client_send(c, text, (size_t)n, 0);
}

static void
test_paths(void **state UNUSED)
{
	static const struct {
		const char *command, *name;
		unsigned files, found;
		const char *last; /* behind the folder's name; NULL: any */
	} cases[] = {
		{ "SCAN", "/a", 1, 0, "/a: OK\n" },
		{ "SCAN", "/b", 1, 1, "/b: Bad.One FOUND\n" },
		{ "SCAN", "/sub/", 1, 1, NULL },
		{ "CONTSCAN", "", 4, 2, NULL },
		{ "MULTISCAN", "", 4, 2, NULL },
		{ "ALLMATCHSCAN", "/b", 1, 2, "/b: Bad?2 FOUND\n" },
		{ "CONTSCAN", "/sub/fifo", 0, 0, "/sub/fifo: Not supported file type ERROR\n" },
		{ "CONTSCAN", "/sub/loop", 4, 2, NULL },
		{ "CONTSCAN", "/x", 0, 0,
		    "/x: File path check failure: No such file or directory. ERROR\n" },
	};
	struct folder f;

	folder_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sink_state k;
		struct client c;
		struct slice found = SLICE_LIT(" FOUND\n"), got;
		unsigned count = 0;

		sink_init(&k);
		client_start(&c, &k);
		path_ask(&c, cases[i].command, &f, cases[i].name);
		assert_null(c.session);
		got = buf_get(&c.got);
		for (size_t at = 0; (at = slice_find(got, found, at)) != SIZE_MAX; at++)
			count++;
		assert_int_equal(count, cases[i].found);
		if (strcmp(cases[i].command, "SCAN") != 0 || cases[i].found == 0)
			assert_int_equal(k.delivered, cases[i].files);
		if (cases[i].last != NULL) {
			size_t len = strlen(cases[i].last);

			assert_true(got.len >= len);
			assert_memory_equal(got.ptr + got.len - len, cases[i].last, len);
		}
		if (cases[i].found > 0)
			assert_int_equal(slice_find(got, SLICE_LIT(": OK"), 0), SIZE_MAX);
		client_done(&c);
		sink_done(&k);
	}
	folder_done(&f);
}

/* The client goes while a folder is walked, with files in every state. */
static void
test_vanish_in_folder(void **state UNUSED)
{
	struct folder f;

	folder_init(&f);
	for (unsigned turns = 0; turns < 12; turns++) {
		struct sink_state k;
		struct client c;

		sink_init(&k);
		k.finish_at_once = false;
		client_start(&c, &k);
		path_ask(&c, "MULTISCAN", &f, "");
		for (unsigned i = 0; i < turns && k.mails != NULL; i++) {
			sink_answer(k.mails);
			loop_timer_set_ms(k.timer, 0);
			loop_run_once(k.loop);
		}
		fd_close(&c.fd);
		sink_run(&k);
		sink_answer_all(&k);
		client_done(&c);
		sink_done(&k);
	}
	folder_done(&f);
}

static void
test_descriptors(void **state UNUSED)
{
	struct folder f;
	struct sink_state k;
	struct client c;
	char path[128], want[64];
	int fd;

	folder_init(&f);
	snprintf(path, sizeof(path), "%s/b", f.path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	sink_init(&k);
	client_start(&c, &k);
	client_send_fd(&c, "zFILDES\0", 9, fd);
	assert_int_equal(sscanf(buf_get_str(&c.got), "fd[%63[0-9]]: Bad.One FOUND", want), 1);
	assert_null(c.session);
	client_done(&c);
	client_start(&c, &k);
	SEND(&c, "zFILDES\0");
	client_send_fd(&c, "x", 1, fd);
	assert_int_equal(sscanf(buf_get_str(&c.got), "fd[%63[0-9]]: Bad.One FOUND", want), 1);
	client_done(&c);
	client_start(&c, &k);
	client_send_fd(&c, "zFIL", 4, fd);
	EXPECT(&c, "PROTOCOL ERROR: ancillary data sent without FILDES. ERROR\0");
	client_done(&c);
	client_start(&c, &k);
	client_send_fd(&c, "nFILDES\n", 8, fd);
	EXPECT(&c, "PROTOCOL ERROR: ancillary data sent without FILDES. ERROR\0"
		   "Error processing command. ERROR\0");
	client_done(&c);
	close(fd);
	sink_done(&k);
	folder_done(&f);
}

static void
test_time_limits(void **state UNUSED)
{
	static const struct {
		const char *send;
		size_t len;
	} cases[] = {
		{ "", 0 },
		{ "zPIN", 4 },
		{ "zINSTREAM\0\0\0", 12 },
		{ "zINSTREAM\0\0\0\0\5ab", 16 },
		{ "zIDSESSION\0zPI", 14 },
		{ "zFILDES\0", 8 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sink_state k;
		struct client c;

		sink_init(&k);
		k.env.io_timeout_ms = 30;
		client_start(&c, &k);
		client_send(&c, cases[i].send, cases[i].len, 0);
		sink_run_ms(&k, 100);
		EXPECT(&c, "COMMAND READ TIMED OUT\n");
		assert_true(c.has_ended);
		client_done(&c);
		sink_done(&k);
	}
}

/* What comes in time moves the limit on, but does not take it away. */
static void
test_timeout_moves(void **state UNUSED)
{
	struct sink_state k;
	struct client c;

	sink_init(&k);
	k.env.io_timeout_ms = 60;
	client_start(&c, &k);
	SEND(&c, "zINSTREAM\0");
	for (unsigned i = 0; i < 3; i++) {
		SEND(&c, "\0\0\0\2ab");
		sink_run_ms(&k, 20);
	}
	sink_run_ms(&k, 300);
	EXPECT(&c, "COMMAND READ TIMED OUT\n");
	client_done(&c);
	sink_done(&k);
}

/* A client that never reads costs a bounded buffer and its time, and scans end as undelivered.
 */
static void
test_unread_answers(void **state UNUSED)
{
	struct sink_state k;
	struct client c;
	int fd;

	sink_init(&k);
	k.env.io_timeout_ms = 50;
	client_start(&c, &k);
	fd = TAKE_FD(c.fd); /* the test reads nothing */
	assert_int_equal(send(fd, "zIDSESSION\0", 11, MSG_NOSIGNAL), 11);
	for (unsigned i = 0; i < 200000 && c.session != NULL; i++) {
		if (send(fd, "zVERSIONCOMMANDS\0", 17, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			break;
		loop_timer_set_ms(k.timer, 0);
		loop_run_once(k.loop);
	}
	sink_run_ms(&k, 300);
	assert_null(c.session);
	close(fd);
	client_done(&c);
	sink_done(&k);
}

static void
test_drain(void **state UNUSED)
{
	struct sink_state k;
	struct client idle, busy;

	sink_init(&k);
	k.finish_at_once = false;
	client_start(&idle, &k);
	client_start(&busy, &k);
	SEND(&idle, "zIDSESSION\0");
	SEND(&busy, "zIDSESSION\0zINSTREAM\0" CHUNK("\2", "hi"));
	idle.session->ops->drain(idle.session);
	busy.session->ops->drain(busy.session);
	sink_run(&k);
	assert_null(idle.session);
	assert_non_null(busy.session);
	SEND(&busy, OVER "zPING\0");
	sink_answer(k.mails);
	sink_run(&k);
	EXPECT(&busy, "1: stream: OK\0");
	assert_null(busy.session);
	client_done(&idle);
	client_done(&busy);
	sink_done(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_commands),
		cmocka_unit_test(test_session_in_pieces),
		cmocka_unit_test(test_vanish_everywhere),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_answers_by_session),
		cmocka_unit_test(test_session_order_and_bound),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_sink_without_room),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_vanish_in_folder),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_time_limits),
		cmocka_unit_test(test_timeout_moves),
		cmocka_unit_test(test_unread_answers),
		cmocka_unit_test(test_drain),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
