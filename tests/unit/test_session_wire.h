/* test_session_wire.h: for the tests of sessions: a peer's end of a socket pair, bytes through
 * it, and for each reserve memory of its own, so that AddressSanitizer sees a write beyond it.
 * The sinks, and what they write down, are the headers' that include this. */
#ifndef CORDON_TEST_SESSION_WIRE_H
#define CORDON_TEST_SESSION_WIRE_H

#include <sys/socket.h>

#include "base/loop.h"
#include "intake/intake.h"
#include "unit/test_common.h"

struct room {
	uint8_t *bytes;
	size_t len;
};

static inline void
room_free(struct room *r)
{
	free(r->bytes);
	*r = (struct room){ 0 };
}

/* most: 0: as wanted */
static inline uint8_t *
room_make(struct room *r, size_t want, size_t most, size_t *ret_room)
{
	r->len = most == 0 ? want : MIN_OF(want, most);
	r->bytes = malloc(r->len);
	assert_non_null(r->bytes);
	*ret_room = r->len;
	return r->bytes;
}

/* What is committed goes to the end of body; the rest is forgotten. */
static inline void
room_commit(struct room *r, size_t len, struct buf *body)
{
	assert_true(len > 0 && len <= r->len);
	assert_int_equal(buf_append(body, r->bytes, len), 0);
	room_free(r);
}

static inline void
wire_nothing(void *ctx UNUSED)
{
}

/* For wire_turn(). */
static inline struct loop_timer *
wire_timer_new(struct loop *l)
{
	return loop_timer_new(l, wire_nothing, NULL);
}

/* Lets the loop handle what is ready. */
static inline void
wire_turn(struct loop *l, struct loop_timer *timer)
{
	loop_timer_set_ms(timer, 0); /* or loop_run_once() would wait */
	loop_run_once(l);
}

/* A new session; *ret_fd is the peer's end. */
static inline struct intake_session *
wire_start(struct intake_env *env, intake_start_fn start, const char *listener, int *ret_fd)
{
	struct intake_session *s;
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	s = start(env, &fds[1], &(struct intake_place){ .listener = listener });
	assert_non_null(s);
	assert_int_equal(fds[1], -1);
	*ret_fd = fds[0];
	return s;
}

/* What the session wrote, to the end of got. Returns whether there was anything. ret_has_ended
 * may be NULL. */
static inline bool
wire_read(int fd, struct buf *got, bool *ret_has_ended)
{
	size_t before = got->len;
	uint8_t data[65536];
	ssize_t n = -1;

	while (fd != -1 && (n = read(fd, data, sizeof(data))) > 0)
		assert_int_equal(buf_append(got, data, (size_t)n), 0);
	if (ret_has_ended != NULL && fd != -1)
		*ret_has_ended = n == 0;
	return got->len > before;
}

struct wire_bytes {
	const uint8_t *at;
	size_t len;
	unsigned idle; /* steps in which nothing went */
};

/* Sends at most step bytes (0: as much as goes). False: all is sent, nothing goes any more, or
 * the session ended, which the test looks at. */
static inline bool
wire_send_step(int fd, struct wire_bytes *b, size_t step)
{
	ssize_t n;

	if (b->len == 0 || b->idle >= 1000)
		return false;
	n = send(fd, b->at, step == 0 ? b->len : MIN_OF(step, b->len), MSG_NOSIGNAL);
	if (n < 0 && errno == EPIPE)
		return false;
	b->at += n > 0 ? n : 0;
	b->len -= n > 0 ? (size_t)n : 0;
	b->idle = n > 0 ? 0 : b->idle + 1;
	return true;
}

#endif
