/* fuzz_session.h: for the fuzz targets of sessions: one session on a socket pair, its input in
 * pieces, and for each reserve memory of its own, so that AddressSanitizer sees a write beyond
 * it. What the sink checks is the target's. */
#ifndef CORDON_FUZZ_SESSION_H
#define CORDON_FUZZ_SESSION_H

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "intake/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct {
	struct intake_session *session; /* NULL once session_closed was heard */
	unsigned begun, closed;         /* mails, counted by the target */
	unsigned calls_left; /* after so many calls close() comes from inside; 0: never */
	struct loop *loop;
	struct loop_timer *timer;
	struct intake_env env;
} fuzz;

struct fuzz_room {
	uint8_t *bytes;
	size_t len;
};

static inline void
fuzz_room_free(struct fuzz_room *r)
{
	free(r->bytes);
	*r = (struct fuzz_room){ 0 };
}

static inline uint8_t *
fuzz_room_make(struct fuzz_room *r, size_t len, size_t *ret_room)
{
	*r = (struct fuzz_room){ .bytes = malloc(len), .len = len };
	ASSERT(r->bytes != NULL);
	*ret_room = len;
	return r->bytes;
}

/* What is committed was reserved. */
static inline void
fuzz_room_check(const struct fuzz_room *r, size_t n)
{
	ASSERT(n > 0 && n <= r->len);
}

/* Every call of the sink passes here. */
static inline void
fuzz_called(void)
{
	ASSERT(fuzz.session != NULL);
	if (fuzz.calls_left > 0 && --fuzz.calls_left == 0)
		fuzz.session->ops->close(fuzz.session);
}

static inline void
fuzz_session_closed(void *ctx UNUSED, struct intake_session *s)
{
	ASSERT(s == fuzz.session && fuzz.begun == fuzz.closed);
	fuzz.session = NULL;
}

static inline void
fuzz_nothing(void *ctx UNUSED)
{
}

/* Makes the loop, with the first input. True: it was this call. */
static inline bool
fuzz_init(const struct intake_sink *sink)
{
	if (fuzz.loop != NULL)
		return false;
	fuzz.loop = loop_new();
	fuzz.timer = loop_timer_new(fuzz.loop, fuzz_nothing, NULL);
	log_set_level(LOG_LEVEL_ERROR);
	fuzz.env = (struct intake_env){ .loop = fuzz.loop, .sink = sink };
	return true;
}

/* A new session. Returns the peer's end. */
static inline int
fuzz_start(intake_start_fn start, const struct intake_place *place, unsigned calls_left)
{
	int fds[2];

	fuzz.begun = fuzz.closed = 0;
	fuzz.calls_left = calls_left;
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	fuzz.session = start(&fuzz.env, &fds[1], place);
	ASSERT(fuzz.session != NULL && fds[1] == -1);
	return fds[0];
}

/* Lets the loop handle what is ready. */
static inline void
fuzz_turn(void)
{
	loop_timer_set_ms(fuzz.timer, 0); /* or loop_run_once() would wait */
	loop_run_once(fuzz.loop);
}

struct fuzz_feed {
	uint8_t how;       /* bits 0-1: piece size (all, 1, 13, 4096) */
	bool drains;       /* in the middle */
	size_t slow;       /* longer inputs come in pieces of so many bytes at least */
	unsigned patience; /* runs in which the session takes nothing */
	void (*run)(int fd);
	ssize_t (*send)(int fd, const uint8_t *data, size_t len); /* NULL: plainly */
};

static inline void
fuzz_feed_input(const struct fuzz_feed *f, int fd, const uint8_t *data, size_t len)
{
	static const size_t pieces[] = { SIZE_MAX, 1, 13, 4096 };
	size_t step = pieces[f->how & 3], half = len / 2;
	unsigned stuck = 0;

	if (len > f->slow) /* else it takes too long */
		step = MAX_OF(step, f->slow);
	while (len > 0 && stuck < f->patience && fuzz.session != NULL) {
		size_t want = MIN_OF(step, len);
		ssize_t n = f->send != NULL ? f->send(fd, data, want)
					    : send(fd, data, want, MSG_NOSIGNAL);

		stuck = n > 0 ? 0 : stuck + 1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		if (f->drains && len <= half && fuzz.session != NULL)
			fuzz.session->ops->drain(fuzz.session);
		f->run(fd);
	}
}

/* Ends the session from our side when it is there. */
static inline void
fuzz_close_session(void)
{
	if (fuzz.session == NULL)
		return;
	fuzz.session->ops->close(fuzz.session);
	ASSERT(fuzz.session == NULL && fuzz.begun == fuzz.closed);
}

/* The peer goes; run(-1) lets the session see it. */
static inline void
fuzz_hang_up(int *fd, void (*run)(int fd))
{
	fd_close(fd);
	for (unsigned i = 0; i < 100 && fuzz.session != NULL; i++)
		run(-1);
}

#endif
