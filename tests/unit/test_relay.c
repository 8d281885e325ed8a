/* test_relay.c: bytes between a pair of descriptors and a socket: all arrive, a half-close is
 * passed on, slow readers hold up the writer, broken ends are told apart. */
#include "test_common.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "cmd/relay.c" /* programs are no library */

struct ends {
	int input, output; /* ours, of what the relay calls its input and output */
	int peer;          /* the other end of its socket */
	int relay[3];
	bool pass_end;
	pthread_t thread;
	int result;
};

static void *
relay_thread(void *ctx)
{
	struct ends *e = ctx;

	e->result = relay_run(e->relay[0], e->relay[1], e->relay[2], e->pass_end);
	return NULL;
}

static void
ends_open(struct ends *e, bool pass_end)
{
	int in[2], out[2], pair[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	*e = (struct ends){ .input = in[1],
		.output = out[0],
		.peer = pair[0],
		.relay = { in[0], out[1], pair[1] },
		.pass_end = pass_end,
		.result = 99 };
	assert_int_equal(pthread_create(&e->thread, NULL, relay_thread, e), 0);
}

static int
ends_close(struct ends *e)
{
	assert_int_equal(pthread_join(e->thread, NULL), 0);
	for (int i = 0; i < 3; i++)
		close(e->relay[i]);
	fd_close(&e->input);
	fd_close(&e->output);
	fd_close(&e->peer);
	return e->result;
}

static void
expect_text(int fd, const char *want)
{
	char got[64] = "";
	size_t n = 0;

	while (n < strlen(want)) {
		ssize_t r = read(fd, got + n, strlen(want) - n);

		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_string_equal(got, want);
}

static void
put_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void
test_both_ways(void **state UNUSED)
{
	struct ends e;
	char byte;

	ends_open(&e, true);
	put_text(e.peer, "220 ready\r\n");
	expect_text(e.output, "220 ready\r\n");
	put_text(e.input, "QUIT\r\n");
	expect_text(e.peer, "QUIT\r\n");
	put_text(e.peer, "221 bye\r\n");
	fd_close(&e.peer);
	expect_text(e.output, "221 bye\r\n");
	assert_int_equal(ends_close(&e), 0);
	/* The end of the input reaches the peer, which may still answer. */
	ends_open(&e, true);
	put_text(e.input, "last");
	fd_close(&e.input);
	expect_text(e.peer, "last");
	assert_int_equal(read(e.peer, &byte, 1), 0);
	put_text(e.peer, "answer");
	fd_close(&e.peer);
	expect_text(e.output, "answer");
	assert_int_equal(ends_close(&e), 0);
	/* Or it does not: what was asked is still answered, and the peer says when it is over.
	 */
	ends_open(&e, false);
	put_text(e.input, "last");
	fd_close(&e.input);
	expect_text(e.peer, "last");
	assert_int_equal(recv(e.peer, &byte, 1, MSG_DONTWAIT), -1);
	put_text(e.peer, "answer");
	expect_text(e.output, "answer");
	assert_int_equal(recv(e.peer, &byte, 1, MSG_DONTWAIT), -1);
	fd_close(&e.peer);
	assert_int_equal(ends_close(&e), 0);
}

/* Much more than all buffers hold, both ways at once, read late. */
static void
test_much(void **state UNUSED)
{
	static uint8_t block[1 << 16];
	struct ends e;
	size_t in = 0, out = 0, got_in = 0, got_out = 0;
	const size_t all = 64 * sizeof(block);

	ends_open(&e, true);
	fcntl(e.input, F_SETFL, O_NONBLOCK);
	fcntl(e.output, F_SETFL, O_NONBLOCK);
	fcntl(e.peer, F_SETFL, O_NONBLOCK);
	while (got_in < all || got_out < all) {
		ssize_t n;

		n = in < all ? write(e.input, block, MIN_OF(sizeof(block), all - in)) : 0;
		in += n > 0 ? (size_t)n : 0;
		n = out < all ? write(e.peer, block, MIN_OF(sizeof(block), all - out)) : 0;
		out += n > 0 ? (size_t)n : 0;
		n = read(e.peer, block, 3000);
		got_in += n > 0 ? (size_t)n : 0;
		n = read(e.output, block, 5000);
		got_out += n > 0 ? (size_t)n : 0;
	}
	fd_close(&e.peer);
	assert_int_equal(ends_close(&e), 0);
	assert_int_equal(got_in, all);
	assert_int_equal(got_out, all);
}

/* Answers that nobody reads yet do not keep questions from getting through. */
static void
test_slow_reader(void **state UNUSED)
{
	static uint8_t more[100000];
	struct ends e;
	size_t got = 0;

	ends_open(&e, true);
	assert_int_equal(write(e.peer, more, sizeof(more)), sizeof(more));
	put_text(e.input, "question");
	expect_text(e.peer, "question");
	fd_close(&e.peer);
	while (got < sizeof(more)) {
		ssize_t n = read(e.output, more, sizeof(more));

		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_int_equal(ends_close(&e), 0);
}

static void
test_broken(void **state UNUSED)
{
	static const uint8_t more[100000]; /* than a pipe holds */
	struct ends e;

	/* A peer that dies with our bytes unread. */
	ends_open(&e, true);
	put_text(e.input, "unread");
	while (recv(e.peer, (char[1]){ 0 }, 1, MSG_PEEK) != 1)
		continue;
	fd_close(&e.peer);
	assert_int_equal(ends_close(&e), -ECONNRESET);
	/* A reader of the output that is gone. */
	ends_open(&e, true);
	fd_close(&e.output);
	assert_int_equal(ends_close(&e), 0);
	/* With an answer that waits. */
	ends_open(&e, true);
	put_text(e.peer, "first");
	expect_text(e.output, "first");
	assert_int_equal(write(e.peer, more, sizeof(more)), sizeof(more));
	fd_close(&e.output);
	assert_int_equal(ends_close(&e), -EPIPE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_much),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_broken),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
