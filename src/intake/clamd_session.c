/* clamd_session.c: the life of a clamd session: start, time limits, writing, end. Reading is
 * clamd_receive.c's, what is scanned clamd_request.c's.
 *
 * As in a milter session, every way in goes through clamd_session_enter() and
 * clamd_session_leave(): inside, a session only notes that it is dead. */
#include "intake/clamd_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "intake/clamd_session_private.h"
#include "intake/intake_peer.h"

#define OUT_MAX_BYTES (4u * 1024 * 1024)
/* Answers that wait to be written: no more commands are taken then. */
#define OUT_HIGH_BYTES   (64u * 1024)
#define LINGER_MS        2000u
#define LINGER_MAX_BYTES (16u * 1024 * 1024)
#define IDLE_MS          300000u
#define STREAM_MAX_BYTES (100ull * 1024 * 1024)

const struct intake_sink *
clamd_session_get_sink(const struct clamd_session *s)
{
	return s->base.env->sink;
}

void
clamd_session_lose(struct clamd_session *s)
{
	s->is_gone = true;
}

bool
clamd_session_can_take(const struct clamd_session *s)
{
	if (s->is_dead || s->is_gone || s->out.len >= OUT_HIGH_BYTES)
		return false;
	if (s->mode == CLAMD_MODE_STREAM)
		return !s->stream->is_paused;
	return s->mode == CLAMD_MODE_COMMAND && s->request_count < CLAMD_SCANS_MAX &&
	       s->scan_count < CLAMD_SCANS_MAX;
}

static void
session_flush(struct clamd_session *s)
{
	while (s->out.len > 0 && !s->is_dead && !s->is_gone) {
		ssize_t n = intake_peer_write(s->fd, &s->out);

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			clamd_session_lose(s);
			return;
		}
		s->has_moved = s->is_relieved = true;
	}
	if (s->out.len == 0 || s->is_gone)
		buf_done(&s->out);
}

void
clamd_session_end_commands(struct clamd_session *s)
{
	s->mode = CLAMD_MODE_LAST;
	s->waits_for_fd = false;
	buf_done(&s->in);
}

/* Writes what there is; what was answered is done with then, which may be one more line. */
static void
session_settle(struct clamd_session *s)
{
	for (unsigned i = 0; i < 2 && !s->is_dead; i++) {
		session_flush(s);
		if (s->is_gone) {
			s->is_half_closed = true;
			clamd_session_end_commands(s);
			clamd_request_abandon(s);
		}
		if (!s->is_dead)
			clamd_request_reap(s);
	}
	session_flush(s);
}

static void
session_free(struct clamd_session *s)
{
	s->busy++; /* the sink may call us for the last time */
	s->is_dead = true;
	clamd_request_drop_all(s);
	loop_watch_free(&s->watch);
	session_clock_done(&s->clock);
	fd_close(&s->fd);
	fd_close(&s->received_fd);
	clamd_session_get_sink(s)->session_closed(s->base.env->ctx, &s->base);
	buf_done(&s->in);
	buf_done(&s->out);
	intake_session_done(&s->base);
	free(s);
}

/* Reads and drops what the peer still sends. Returns whether that may go on. */
static bool
session_drop_input(struct clamd_session *s)
{
	uint8_t bytes[16 * 1024];

	for (unsigned i = 0; i < 8; i++) {
		ssize_t n = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			return true;
		if (n <= 0)
			return false;
		s->must_linger = true; /* more may be on its way */
		s->lingered += (size_t)n;
	}
	return s->lingered < LINGER_MAX_BYTES;
}

/* Everything is answered and written. */
static void
session_finish(struct clamd_session *s)
{
	if (s->is_half_closed || !session_drop_input(s) || !s->must_linger) {
		s->is_dead = true;
		return;
	}
	(void)shutdown(s->fd, SHUT_WR);
	s->mode = CLAMD_MODE_LINGER;
}

static enum clamd_wait
session_get_wait(const struct clamd_session *s)
{
	if (s->mode == CLAMD_MODE_LINGER)
		return CLAMD_WAIT_LINGER;
	if (s->out.len > 0)
		return CLAMD_WAIT_WRITE;
	if (s->mode == CLAMD_MODE_STREAM)
		return s->stream->is_paused ? CLAMD_WAIT_WORK : CLAMD_WAIT_STREAM;
	if (s->mode == CLAMD_MODE_LAST || s->requests != NULL)
		return CLAMD_WAIT_WORK;
	return s->in_session && s->in.len == 0 ? CLAMD_WAIT_IDLE : CLAMD_WAIT_COMMAND;
}

static unsigned
session_get_limit_ms(const struct clamd_session *s)
{
	switch (s->wait) {
	case CLAMD_WAIT_COMMAND:
	case CLAMD_WAIT_STREAM:
	case CLAMD_WAIT_WRITE:
		return s->base.env->io_timeout_ms;
	case CLAMD_WAIT_IDLE:
		return s->idle_ms;
	case CLAMD_WAIT_WORK:
		return s->base.env->progress_ms;
	case CLAMD_WAIT_LINGER:
		return LINGER_MS;
	case CLAMD_WAIT_NOTHING:
		break;
	}
	return 0;
}

static void
session_set_limit(struct clamd_session *s)
{
	enum clamd_wait wait = session_get_wait(s);

	if (wait == s->wait && !s->has_moved)
		return;
	s->wait = wait;
	s->has_moved = false;
	session_clock_set_limit_ms(&s->clock, session_get_limit_ms(s));
}

void
clamd_session_enter(struct clamd_session *s)
{
	ASSERT(s->busy < 200);
	s->busy++;
}

/* While files are scanned reading goes on to see the peer leave; a byte of the next command, or
 * the end of its words, stops that. */
static unsigned
session_get_events(const struct clamd_session *s)
{
	if (s->is_dead || s->is_gone)
		return 0;
	if (s->mode == CLAMD_MODE_LINGER || clamd_session_can_take(s))
		return s->out.len > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ;
	if (s->out.len > 0)
		return LOOP_WRITE;
	return s->is_half_closed || s->peer_spoke || s->mode == CLAMD_MODE_STREAM ? 0
										  : LOOP_READ;
}

void
clamd_session_leave(struct clamd_session *s, bool from_loop)
{
	if (s->busy > 1) {
		s->busy--;
		return;
	}
	session_settle(s);
	if (s->is_draining && s->mode == CLAMD_MODE_COMMAND)
		clamd_session_end_commands(s);
	if (!s->is_dead && s->mode == CLAMD_MODE_LAST && s->requests == NULL && s->out.len == 0)
		session_finish(s);
	s->busy--;
	if (s->is_dead && from_loop) {
		session_free(s);
		return;
	}
	if (clamd_session_can_take(s))
		s->peer_spoke = false;
	loop_watch_set(s->watch, session_get_events(s));
	session_set_limit(s);
	if (s->is_dead || (s->is_relieved && (s->in.len > 0 || s->requests != NULL)))
		session_clock_kick(&s->clock);
	s->is_relieved = false;
}

void
clamd_session_end_input(struct clamd_session *s)
{
	s->is_half_closed = true;
	clamd_request_drop_stream(s);
	clamd_session_end_commands(s);
	if (intake_peer_is_gone(s->fd))
		clamd_session_lose(s);
}

static void
session_peek(struct clamd_session *s)
{
	switch (intake_peer_peek(s->fd)) {
	case INTAKE_PEER_SPOKE:
		s->peer_spoke = true;
		break;
	case INTAKE_PEER_CLOSED:
		clamd_session_end_input(s);
		break;
	case INTAKE_PEER_LOST:
		clamd_session_lose(s);
		break;
	case INTAKE_PEER_SILENT:
		break;
	}
}

/* All that can be done now, a bounded lot. */
static void
session_work(struct clamd_session *s)
{
	clamd_receive_pending(s);
	clamd_request_work(s);
}

static void
session_on_io(void *ctx, unsigned events)
{
	struct clamd_session *s = ctx;

	clamd_session_enter(s);
	if ((events & LOOP_WRITE) != 0)
		session_settle(s);
	if ((events & LOOP_READ) != 0 && !s->is_dead) {
		if (s->mode == CLAMD_MODE_LINGER)
			s->is_dead = !session_drop_input(s);
		else if (clamd_session_can_take(s))
			clamd_receive(s);
		else
			session_peek(s);
	}
	session_work(s);
	clamd_session_leave(s, true);
}

static void
session_expire(struct clamd_session *s)
{
	s->has_moved = true; /* where it goes on, for another while */
	switch (s->wait) {
	case CLAMD_WAIT_COMMAND:
	case CLAMD_WAIT_IDLE:
	case CLAMD_WAIT_STREAM:
		clamd_request_drop_stream(s);
		clamd_session_end_commands(s);
		if (buf_append_str(&s->out, "COMMAND READ TIMED OUT\n") < 0)
			s->is_dead = true;
		break;
	case CLAMD_WAIT_WRITE:
		clamd_session_lose(s);
		break;
	case CLAMD_WAIT_WORK:
		if (intake_peer_is_gone(s->fd))
			clamd_session_lose(s);
		break;
	case CLAMD_WAIT_LINGER:
		s->is_dead = true;
		break;
	case CLAMD_WAIT_NOTHING:
		break;
	}
}

static void
session_on_timer(void *ctx)
{
	struct clamd_session *s = ctx;

	clamd_session_enter(s);
	if (session_clock_take(&s->clock) == SESSION_CLOCK_EXPIRED && !s->is_dead)
		session_expire(s);
	if (!s->is_dead)
		session_work(s);
	clamd_session_leave(s, true);
}

static struct clamd_session *
session_of(struct intake_session *base)
{
	return (struct clamd_session *)base; /* its first member */
}

/* The sink has these of our scans only, each a session of its own: see clamd_request.c. */
static void
session_finish_none(struct intake_session *base UNUSED, const struct intake_reply *r UNUSED)
{
	ASSERT(!"a clamd session has no mail of its own");
}

static void
session_resume(struct intake_session *base UNUSED)
{
}

static void
session_close(struct intake_session *base)
{
	struct clamd_session *s = session_of(base);

	clamd_session_enter(s);
	s->is_dead = true;
	clamd_session_leave(s, true);
}

static void
session_drain(struct intake_session *base)
{
	struct clamd_session *s = session_of(base);

	clamd_session_enter(s);
	s->is_draining = true;
	clamd_session_leave(s, false);
}

static const struct intake_session_ops session_ops = {
	.finish = session_finish_none,
	.resume = session_resume,
	.close = session_close,
	.drain = session_drain,
};

static void
session_set_options(struct clamd_session *s, const struct intake_place *place)
{
	int paths = place->options == NULL ? CONFIG_PATHS_LOCAL : place->options->paths;

	s->has_paths =
	    paths == CONFIG_PATHS_ALWAYS || (paths == CONFIG_PATHS_LOCAL && s->is_local);
	s->idle_ms = place->options == NULL ? IDLE_MS : place->options->command_timeout_ms;
	s->stream_max =
	    place->config == NULL ? STREAM_MAX_BYTES : place->config->max_message_size;
}

struct intake_session *
clamd_session_start(struct intake_env *env, int *fd, const struct intake_place *place)
{
	struct clamd_session *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		fd_close(fd);
		return NULL;
	}
	intake_session_init(&s->base, &session_ops, env, place->listener);
	buf_init(&s->in, CLAMD_COMMAND_MAX_BYTES);
	buf_init(&s->out, OUT_MAX_BYTES);
	s->received_fd = -1;
	s->fd = TAKE_FD(*fd);
	s->is_local = intake_client_set_peer(&s->base.client, s->fd) == AF_UNIX;
	session_set_options(s, place);
	s->watch = loop_watch_new(env->loop, s->fd, LOOP_READ, session_on_io, s);
	session_clock_init(&s->clock, env->loop, session_on_timer, s);
	session_set_limit(s);
	return &s->base;
}
