/* courier_session.c: a connection from Courier's submit: a list of paths comes, the files are
 * read, one reply goes out, and the connection ends.
 *
 * Every way in (loop, timer, sink) goes through session_enter() and session_leave(): inside, a
 * session only notes that it is dead; it is freed when nothing of it is on the stack. */
#include "intake/courier_session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "intake/answer_text.h"
#include "intake/courier_control.h"
#include "intake/intake_body.h"
#include "intake/intake_peer.h"
#include "intake/session_clock.h"

#define CHUNK_BYTES     (64u * 1024)
#define CHUNKS_PER_TURN 16u

enum courier_state {
	COURIER_LIST,    /* paths come in */
	COURIER_CONTROL, /* control files, one in each turn */
	COURIER_BODY,    /* the data file, a part in each turn */
	COURIER_SINK,    /* the sink owes us finish() */
	COURIER_ANSWER,  /* not all of the reply is written */
};

struct courier_session {
	struct intake_session base; /* first */
	struct loop_watch *watch;
	struct session_clock clock;
	int fd;
	int data_fd;
	enum courier_state state;
	struct buf in;         /* the list */
	struct slice controls; /* what is left of it: paths of control files */
	struct buf out;
	void *mail; /* the sink's */
	uint64_t file_bytes, read_bytes;
	uint8_t busy;        /* calls of ours on the stack: the session must outlive them */
	bool is_paused;      /* until resume() */
	bool is_dropping;    /* the sink wants no more of this mail */
	bool is_half_closed; /* the peer says no more, but may listen */
	bool is_overruled;   /* what is answered is not what the sink said */
	bool is_answered;    /* out is final */
	bool is_draining;
	bool is_dead; /* ends when the calls on the stack have returned */
};

static const struct intake_sink *
session_get_sink(const struct courier_session *s)
{
	return s->base.env->sink;
}

static void
session_end_mail(struct courier_session *s, bool delivered)
{
	void *mail = TAKE(s->mail);

	if (mail != NULL)
		session_get_sink(s)->mail_close(mail, delivered);
}

static void
session_flush(struct courier_session *s)
{
	while (s->out.len > 0 && !s->is_dead) {
		ssize_t n = intake_peer_write(s->fd, &s->out);

		if (n == -EAGAIN)
			return;
		if (n < 0)
			s->is_dead = true;
	}
	if (s->is_answered && s->out.len == 0) {
		session_end_mail(s, !s->is_overruled);
		s->is_dead = true;
	}
}

/* code, enhanced code and text, and the end. */
static void
session_answer(struct courier_session *s, const char *line)
{
	s->state = COURIER_ANSWER;
	s->is_answered = true;
	if (buf_printf(&s->out, "%s\n", line) < 0)
		s->is_dead = true; /* submit takes that for a try-again */
	session_flush(s);
}

/* Not the mail's fault: submit is to try again. */
static void session_fail(struct courier_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void
session_fail(struct courier_session *s, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (s->is_dead || s->is_answered)
		return;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_warn(NULL, "courier listener=%s error=\"%s\": the mail gets 451",
	    s->base.client.listener, text);
	s->is_overruled = true;
	session_end_mail(s, false);
	session_answer(s, "451 4.3.0 Mail filter could not look, try again later");
}

/* A regular file, opened without following a link or waiting. -1: answered. */
static int
session_open(struct courier_session *s, struct slice path, struct stat *ret_stat)
{
	CLEANUP(fd_close) int fd = -1;
	char name[COURIER_PATH_MAX_BYTES + 1], shown[LOG_QUOTE_SIZE(128)];

	(void)log_quote(path, 128, shown, sizeof(shown));
	if (!courier_path_is_good(path)) {
		session_fail(s, "submit sent %s, which is no absolute path", shown);
		return -1;
	}
	memcpy(name, path.ptr, path.len);
	name[path.len] = '\0';
	fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, ret_stat) < 0) {
		session_fail(s, "cannot open %s: %s%s", shown, strerror(errno),
		    errno == EACCES ? " (is the user of cordond in Courier's group?)" : "");
		return -1;
	}
	if (!S_ISREG(ret_stat->st_mode)) {
		session_fail(s, "%s is no regular file", shown);
		return -1;
	}
	return TAKE_FD(fd);
}

static void
client_set(struct courier_session *s, struct slice from_mta)
{
	struct intake_client *c = &s->base.client;
	struct slice helo, name, address;

	courier_from_mta_parse(from_mta, &helo, &name, &address);
	intake_client_set(&c->helo, helo);
	intake_client_set(&c->name, name);
	if (address.len > 0)
		(void)intake_client_set_address(c, address);
}

/* The first control file: everything that mail_begin() wants to know. */
static void
session_begin_mail(struct courier_session *s, struct slice file)
{
	struct slice value, sender = SLICE_NONE, id = SLICE_NONE;
	char kind;

	while (courier_record_next(&file, &kind, &value)) {
		if (kind == COURIER_SENDER)
			sender = value;
		else if (kind == COURIER_FROM_MTA)
			client_set(s, value);
		else if (kind == COURIER_USER)
			intake_client_set(&s->base.client.user, value);
		else if (kind == COURIER_ID)
			id = value;
	}
	s->mail =
	    session_get_sink(s)->mail_begin(s->base.env->ctx, &s->base, sender, SLICE_NONE);
	if (s->mail == NULL) {
		s->is_overruled = true;
		session_answer(s, "451 4.3.2 Too busy, try again later");
		return;
	}
	if (id.len > 0)
		session_get_sink(s)->mail_set_queue_id(s->mail, id);
}

static void
session_take_control(struct courier_session *s, struct slice file)
{
	struct slice value;
	char kind;

	if (s->mail == NULL)
		session_begin_mail(s, file);
	while (s->mail != NULL && courier_record_next(&file, &kind, &value)) {
		if (kind == COURIER_RECIPIENT)
			session_get_sink(s)->mail_recipient(s->mail, value);
	}
}

/* One control file, whole. */
static void
session_read_control(struct courier_session *s, struct slice path)
{
	CLEANUP(buf_done) struct buf file;
	struct stat st;
	CLEANUP(fd_close) int fd = session_open(s, path, &st);
	ssize_t n = 1;

	buf_init(&file, COURIER_CONTROL_MAX_BYTES);
	while (fd >= 0 && n > 0) {
		n = buf_reserve(&file, CHUNK_BYTES) < 0
			? -1
			: read(fd, file.data + file.len, CHUNK_BYTES);
		if (n > 0)
			file.len += (size_t)n;
	}
	if (fd < 0)
		return;
	if (n < 0)
		session_fail(s, "cannot read a control file whole");
	else
		session_take_control(s, buf_get(&file));
}

static void
session_step_control(struct courier_session *s)
{
	struct slice path;

	if (courier_list_next(&s->controls, &path)) {
		session_read_control(s, path);
		return;
	}
	if (s->mail == NULL)
		session_take_control(
		    s, SLICE_NONE); /* submit made none: who sent it stays unknown */
	if (s->state == COURIER_CONTROL)
		s->state = COURIER_BODY;
}

static void
session_end_body(struct courier_session *s)
{
	uint8_t more;

	if (!s->is_dropping && read(s->data_fd, &more, 1) != 0) {
		session_fail(s, "the file of a mail grew while it was read");
		return;
	}
	fd_close(&s->data_fd);
	s->state = COURIER_SINK;
	session_get_sink(s)->mail_end(s->mail);
}

/* A part of the data file into the sink's memory. */
static void
session_step_body(struct courier_session *s)
{
	const struct intake_body body = { .sink = session_get_sink(s),
		.mail = s->mail,
		.is_paused = &s->is_paused,
		.is_dropping = &s->is_dropping,
		.is_dead = &s->is_dead };

	for (unsigned i = 0; i < CHUNKS_PER_TURN && s->state == COURIER_BODY && !s->is_dead;
	     i++) {
		uint64_t left = s->file_bytes - s->read_bytes;
		size_t room;
		uint8_t *to;
		ssize_t n;

		if (left == 0 || s->is_dropping) {
			session_end_body(s);
			return;
		}
		to = intake_body_reserve(
		    &body, (size_t)MIN_OF(left, (uint64_t)CHUNK_BYTES), &room);
		if (to == NULL && s->is_dropping)
			continue;
		if (to == NULL)
			return;
		n = read(s->data_fd, to, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			session_fail(s, "cannot read the file of a mail: %s",
			    n < 0 ? strerror(errno) : "it became shorter");
			return;
		}
		session_get_sink(s)->mail_body_commit(s->mail, (size_t)n);
		s->read_bytes += (uint64_t)n;
	}
}

/* The list is whole. */
static void
session_take_list(struct courier_session *s, size_t len)
{
	struct slice path;
	struct stat st;

	s->controls = slice_sub(buf_get(&s->in), 0, len);
	if (!courier_list_next(&s->controls, &path)) {
		session_fail(s, "submit sent no path");
		return;
	}
	s->data_fd = session_open(s, path, &st);
	if (s->data_fd < 0)
		return;
	s->file_bytes = (uint64_t)st.st_size;
	s->state = COURIER_CONTROL;
}

/* What comes in after the list is not looked at. */
static void
session_receive(struct courier_session *s)
{
	uint8_t bytes[8192];
	size_t len;
	ssize_t n = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		s->is_half_closed = true;
		if (n < 0 || s->state == COURIER_LIST || intake_peer_is_gone(s->fd))
			s->is_dead = true;
		return;
	}
	if (s->state != COURIER_LIST)
		return;
	if (buf_append(&s->in, bytes, (size_t)n) < 0) {
		session_fail(
		    s, "submit sent more than %u bytes of paths", COURIER_LIST_MAX_BYTES);
		return;
	}
	if (courier_list_is_whole(buf_get(&s->in), &len))
		session_take_list(s, len);
}

static void
session_free(struct courier_session *s)
{
	s->busy++; /* the sink may call us for the last time */
	s->is_dead = true;
	if (s->mail != NULL && !s->is_answered)
		log_info(NULL, "courier listener=%s: submit went away with a mail in progress",
		    s->base.client.listener);
	session_end_mail(s, false);
	loop_watch_free(&s->watch);
	session_clock_done(&s->clock);
	fd_close(&s->fd);
	fd_close(&s->data_fd);
	session_get_sink(s)->session_closed(s->base.env->ctx, &s->base);
	buf_done(&s->in);
	buf_done(&s->out);
	intake_session_done(&s->base);
	free(s);
}

static void
session_enter(struct courier_session *s)
{
	ASSERT(s->busy < 200);
	s->busy++;
}

/* from_loop: the session may be freed here. The clock: at once while there is work, else it
 * looks after the peer. */
static void
session_leave(struct courier_session *s, bool from_loop)
{
	const struct intake_env *env = s->base.env;
	bool has_work =
	    s->is_dead ||
	    (!s->is_paused && (s->state == COURIER_CONTROL || s->state == COURIER_BODY));

	if (--s->busy > 0)
		return;
	if (s->is_draining && s->state == COURIER_LIST && s->in.len == 0)
		s->is_dead = has_work = true;
	if (s->is_dead && from_loop) {
		session_free(s);
		return;
	}
	loop_watch_set(s->watch, s->is_dead ? 0
					    : (s->is_half_closed ? 0 : LOOP_READ) |
						  (s->out.len > 0 ? LOOP_WRITE : 0));
	session_clock_set_limit_ms(&s->clock,
	    s->state == COURIER_LIST || s->state == COURIER_ANSWER ? env->io_timeout_ms
								   : env->progress_ms);
	if (has_work)
		session_clock_kick(&s->clock);
}

static void
session_on_io(void *ctx, unsigned events)
{
	struct courier_session *s = ctx;

	session_enter(s);
	if ((events & LOOP_WRITE) != 0)
		session_flush(s);
	if ((events & LOOP_READ) != 0 && !s->is_dead)
		session_receive(s);
	session_leave(s, true);
}

static void
session_expire(struct courier_session *s)
{
	if (s->state == COURIER_LIST)
		session_fail(s, "no whole list of paths in %u ms", s->base.env->io_timeout_ms);
	else if (s->state == COURIER_ANSWER)
		s->is_dead = true;
	else if (intake_peer_is_gone(s->fd))
		s->is_dead = true; /* while it was half closed */
}

static void
session_step(struct courier_session *s)
{
	if (s->state == COURIER_CONTROL)
		session_step_control(s);
	else if (s->state == COURIER_BODY && !s->is_paused)
		session_step_body(s);
}

static void
session_on_timer(void *ctx)
{
	struct courier_session *s = ctx;
	enum session_clock_event event = session_clock_take(&s->clock);

	if (event == SESSION_CLOCK_EARLY) /* session_leave() would set the limit anew */
		return;
	session_enter(s);
	if (!s->is_dead && event == SESSION_CLOCK_EXPIRED)
		session_expire(s);
	else if (!s->is_dead)
		session_step(s);
	session_leave(s, true);
}

static void
session_refuse(struct courier_session *s, const struct intake_reply *r, bool permanent)
{
	char text[ANSWER_TEXT_SIZE];

	answer_text_make(r, permanent, text);
	session_answer(s, text);
}

static void
session_cannot(struct courier_session *s, const char *action, bool permanent)
{
	log_warn(NULL,
	    "courier listener=%s: a filter of Courier cannot %s mail: answered with %s",
	    s->base.client.listener, action, permanent ? "550" : "451");
	s->is_overruled = true;
	session_refuse(s, &(struct intake_reply){ 0 }, permanent);
}

static void
session_finish(struct intake_session *base, const struct intake_reply *r)
{
	struct courier_session *s = (struct courier_session *)base; /* its first member */

	if (s->is_dead) /* mail_close is on its way */
		return;
	ASSERT(s->state == COURIER_SINK && s->mail != NULL);
	session_enter(s);
	switch (r->action) {
	case INTAKE_ACCEPT:
		session_answer(s, "200 Ok");
		break;
	case INTAKE_DISCARD:
		session_cannot(s, "discard", true);
		break;
	case INTAKE_HOLD:
		session_cannot(s, "hold", false);
		break;
	case INTAKE_REJECT:
	case INTAKE_TEMPFAIL:
		session_refuse(s, r, r->action == INTAKE_REJECT);
		break;
	}
	session_leave(s, false);
}

static void
session_resume(struct intake_session *base)
{
	struct courier_session *s = (struct courier_session *)base;

	session_enter(s);
	s->is_paused = false;
	session_leave(s, false);
}

static void
session_close(struct intake_session *base)
{
	struct courier_session *s = (struct courier_session *)base;

	session_enter(s);
	s->is_dead = true;
	session_leave(s, true);
}

static void
session_drain(struct intake_session *base)
{
	struct courier_session *s = (struct courier_session *)base;

	session_enter(s);
	s->is_draining = true;
	session_leave(s, false);
}

static const struct intake_session_ops session_ops = {
	.finish = session_finish,
	.resume = session_resume,
	.close = session_close,
	.drain = session_drain,
};

struct intake_session *
courier_session_start(struct intake_env *env, int *fd, const struct intake_place *place)
{
	struct courier_session *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		fd_close(fd);
		return NULL;
	}
	intake_session_init(&s->base, &session_ops, env, place->listener);
	buf_init(&s->in, COURIER_LIST_MAX_BYTES);
	buf_init(&s->out, ANSWER_TEXT_SIZE + 16);
	s->data_fd = -1;
	s->fd = TAKE_FD(*fd);
	s->watch = loop_watch_new(env->loop, s->fd, LOOP_READ, session_on_io, s);
	session_clock_init(&s->clock, env->loop, session_on_timer, s);
	session_clock_set_limit_ms(&s->clock, env->io_timeout_ms);
	return &s->base;
}
