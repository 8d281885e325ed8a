/* clamd_request.c: the commands of a clamd session that scan: which files, their bytes to the
 * sink, and when the command is answered. Files are opened and read a little at a time, so that
 * a large one or a large folder holds nobody up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "intake/clamd_session_private.h"
#include "intake/clamd_walk.h"

/* Of one file, and steps of one walk, before the loop has its turn. */
#define READ_BYTES     (128u * 1024)
#define STEPS_PER_TURN 8u
/* Answers that wait to be written: nothing more is opened then. */
#define OUT_HIGH_BYTES (64u * 1024)
#define NAME_MAX_BYTES (16u * 1024)

static const struct intake_session_ops scan_ops;

static struct clamd_request *
request_new(struct clamd_session *s, enum clamd_verb verb)
{
	struct clamd_request *q = mem_new(sizeof(*q)), **end = &s->requests;

	q->session = s;
	q->verb = verb;
	q->id = s->id;
	q->end = s->end;
	while (*end != NULL)
		end = &(*end)->next;
	*end = q;
	s->request_count++;
	return q;
}

static void
request_free(struct clamd_request *q)
{
	struct clamd_session *s = q->session;
	struct clamd_request **at = &s->requests;

	ASSERT(q->scan_count == 0);
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	s->request_count--;
	clamd_walk_free(&q->walk);
	free(q);
}

static void
scan_free(struct clamd_scan *scan, bool delivered)
{
	struct clamd_session *s = scan->session;
	struct clamd_scan **at = &s->scans;
	void *mail = TAKE(scan->mail);

	while (*at != scan)
		at = &(*at)->next;
	*at = scan->next;
	s->scan_count--;
	scan->request->scan_count--;
	if (mail != NULL)
		clamd_session_get_sink(s)->mail_close(mail, delivered);
	fd_close(&scan->fd);
	buf_done(&scan->name);
	free(scan);
}

/* Answered by ourselves: it stays unscanned. */
static void
scan_fail(struct clamd_scan *scan, const char *text)
{
	struct clamd_request *q = scan->request;
	struct slice path = buf_get(&scan->name);
	void *mail = TAKE(scan->mail);

	q->errors++;
	scan->state = CLAMD_SCAN_ANSWERED;
	fd_close(&scan->fd);
	clamd_answer_line(q->session, q->id, q->end, &path, slice_of_str(text), " ERROR");
	if (mail != NULL)
		clamd_session_get_sink(q->session)->mail_close(mail, false);
}

/* name: as the answer calls it; label: as the record does. Takes over *fd. NULL: there is no
 * room, which is answered. */
static struct clamd_scan *
scan_new(struct clamd_request *q, struct slice name, struct slice label, int *fd, uint64_t size)
{
	struct clamd_session *s = q->session;
	const struct intake_sink *sink = clamd_session_get_sink(s);
	struct clamd_scan *scan = mem_new(sizeof(*scan));

	scan->base.ops = &scan_ops;
	scan->base.env = s->base.env;
	scan->base.client = s->base.client;
	scan->session = s;
	scan->request = q;
	scan->fd = TAKE_FD(*fd);
	scan->size = size;
	buf_init(&scan->name, NAME_MAX_BYTES);
	scan->next = s->scans;
	s->scans = scan;
	s->scan_count++;
	q->scan_count++;
	if (buf_append_slice(&scan->name, name) == 0)
		scan->mail =
		    sink->mail_begin(s->base.env->ctx, &scan->base, SLICE_NONE, SLICE_NONE);
	if (scan->mail == NULL) {
		scan_fail(scan, "No room for another file, try again.");
		return NULL;
	}
	sink->mail_set_file(scan->mail, label);
	return scan;
}

struct intake_body
clamd_scan_get_body(struct clamd_scan *scan)
{
	return (struct intake_body){ .sink = clamd_session_get_sink(scan->session),
		.mail = scan->mail,
		.is_paused = &scan->is_paused,
		.is_dropping = &scan->is_dropping,
		.is_dead = &scan->session->is_dead };
}

void
clamd_scan_end(struct clamd_scan *scan)
{
	fd_close(&scan->fd);
	scan->state = CLAMD_SCAN_SINK;
	clamd_session_get_sink(scan->session)->mail_end(scan->mail);
}

/* Bytes behind the size that the file had: it grew, or its size cannot be known. A look with no
 * room reserved, since a file of exactly the largest size must not ask for more. */
static ssize_t
scan_read_more(struct clamd_scan *scan)
{
	struct intake_body body = clamd_scan_get_body(scan);
	uint8_t bytes[4096], *to;
	ssize_t n = pread(scan->fd, bytes, sizeof(bytes), (off_t)scan->at);
	size_t room = 0;

	if (n <= 0)
		return n;
	to = intake_body_reserve(&body, (size_t)n, &room);
	if (to == NULL)
		return -1;
	memcpy(to, bytes, room);
	return (ssize_t)room;
}

static ssize_t
scan_read_known(struct clamd_scan *scan)
{
	struct intake_body body = clamd_scan_get_body(scan);
	size_t want = (size_t)MIN_OF(scan->size - scan->at, (uint64_t)READ_BYTES), room = 0;
	uint8_t *to;

	/* Too large: asks for all of it at once, so that the sink knows without our reading. */
	if (scan->size > scan->session->stream_max)
		want = (size_t)MIN_OF(scan->size, (uint64_t)SIZE_MAX / 2);
	to = intake_body_reserve(&body, want, &room);
	return to == NULL
		   ? -1
		   : pread(scan->fd, to, MIN_OF(room, (size_t)READ_BYTES), (off_t)scan->at);
}

/* One piece of a file. */
static void
scan_read(struct clamd_scan *scan)
{
	ssize_t n;

	errno = 0;
	n = scan->at < scan->size ? scan_read_known(scan) : scan_read_more(scan);
	if (scan->session->is_dead || scan->is_paused)
		return;
	if (scan->is_dropping || n == 0) {
		clamd_scan_end(scan);
	} else if (n > 0) {
		clamd_session_get_sink(scan->session)->mail_body_commit(scan->mail, (size_t)n);
		scan->at += (uint64_t)n;
		scan->session->has_moved = true;
	} else if (errno != EINTR && errno != EAGAIN) {
		scan_fail(scan, "Can't read file");
	}
}

static bool
scan_can_read(const struct clamd_scan *scan)
{
	return scan->state == CLAMD_SCAN_READING && scan->fd >= 0 && !scan->is_paused &&
	       !scan->session->is_dead && !scan->session->is_gone;
}

void
clamd_request_begin_path(struct clamd_session *s, const struct clamd_command *c)
{
	struct clamd_request *q;

	if (!s->has_paths) {
		clamd_answer_line(
		    s, s->id, s->end, &c->argument, SLICE_LIT("Access denied."), " ERROR");
		return;
	}
	q = request_new(s, c->verb);
	q->walk = clamd_walk_new(c->argument);
}

void
clamd_request_begin_fd(struct clamd_session *s, int *fd)
{
	struct clamd_request *q = request_new(s, CLAMD_VERB_FILDES);
	char name[32], link[64], path[1024];
	struct slice label;
	const char *refused;
	uint64_t size = 0;
	ssize_t n;

	q->is_walked = true;
	snprintf(name, sizeof(name), "fd[%d]", *fd);
	label = slice_of_str(name);
	refused = clamd_file_check(*fd, &size);
	if (refused != NULL) {
		fd_close(fd);
		clamd_answer_line(s, q->id, q->end, &label, slice_of_str(refused), " ERROR");
		return;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", *fd);
	n = readlink(link, path, sizeof(path));
	if (n > 0)
		label = slice_of(path, (size_t)n);
	(void)scan_new(q, slice_of_str(name), label, fd, size);
}

struct clamd_scan *
clamd_request_begin_stream(struct clamd_session *s)
{
	struct clamd_request *q = request_new(s, CLAMD_VERB_INSTREAM);
	struct slice name = SLICE_LIT("stream");
	int none = -1;

	q->is_walked = true;
	return scan_new(q, name, name, &none, 0);
}

static unsigned
request_get_width(const struct clamd_request *q)
{
	return q->verb == CLAMD_VERB_MULTISCAN ? CLAMD_SCANS_MAX : 1;
}

static bool
request_can_step(const struct clamd_request *q)
{
	const struct clamd_session *s = q->session;

	return !q->is_walked && !s->is_dead && !s->is_gone &&
	       q->scan_count < request_get_width(q) && s->scan_count < CLAMD_SCANS_MAX &&
	       s->out.len < OUT_HIGH_BYTES;
}

static void
request_step(struct clamd_request *q)
{
	struct clamd_walk_item item;

	clamd_walk_next(q->walk, &item);
	switch (item.kind) {
	case CLAMD_WALK_DONE:
		q->is_walked = true;
		break;
	case CLAMD_WALK_MORE:
		break;
	case CLAMD_WALK_ERROR:
		q->errors++;
		clamd_answer_line(
		    q->session, q->id, q->end, &item.path, slice_of_str(item.text), " ERROR");
		break;
	case CLAMD_WALK_FILE:
		q->files++;
		(void)scan_new(q, item.path, item.path, &item.fd, item.size);
		break;
	}
}

void
clamd_request_work(struct clamd_session *s)
{
	bool is_more = false;

	/* Calls of the sink below may answer a scan; none is freed before clamd_request_reap().
	 */
	for (struct clamd_request *q = s->requests; q != NULL; q = q->next) {
		for (unsigned i = 0; i < STEPS_PER_TURN && request_can_step(q); i++)
			request_step(q);
		is_more = is_more || request_can_step(q);
	}
	for (struct clamd_scan *scan = s->scans; scan != NULL; scan = scan->next) {
		if (scan_can_read(scan))
			scan_read(scan);
		is_more = is_more || scan_can_read(scan);
	}
	if (is_more)
		session_clock_kick(&s->clock);
}

/* As clamd: nothing when something was found; for MULTISCAN of a folder only when a file was
 * there. Unlike clamd, nothing either when something could not be looked at: the last line is
 * all that some programs read. */
static void
request_answer_ok(struct clamd_request *q)
{
	struct slice top = clamd_walk_get_top(q->walk);
	bool is_empty =
	    q->verb == CLAMD_VERB_MULTISCAN && clamd_walk_is_folder(q->walk) && q->files == 0;

	if (q->infected == 0 && q->errors == 0 && !is_empty)
		clamd_answer_line(q->session, q->id, q->end, &top, SLICE_LIT("OK"), "");
}

void
clamd_request_reap(struct clamd_session *s)
{
	struct clamd_scan *next_scan;
	struct clamd_request *next;

	if (s->out.len > 0)
		return;
	for (struct clamd_scan *scan = s->scans; scan != NULL; scan = next_scan) {
		next_scan = scan->next;
		if (scan->state != CLAMD_SCAN_ANSWERED)
			continue;
		scan_free(scan, !s->is_gone);
		s->is_relieved = true;
	}
	for (struct clamd_request *q = s->requests; q != NULL; q = next) {
		next = q->next;
		if (!q->is_walked || q->scan_count > 0)
			continue;
		if (q->walk != NULL)
			request_answer_ok(q);
		request_free(q);
		s->has_moved = s->is_relieved = true;
	}
}

void
clamd_request_drop_stream(struct clamd_session *s)
{
	struct clamd_scan *scan = TAKE(s->stream);
	struct clamd_request *q;

	if (scan == NULL)
		return;
	q = scan->request;
	scan_free(scan, false);
	request_free(q);
}

void
clamd_request_abandon(struct clamd_session *s)
{
	struct clamd_scan *next;

	s->stream = NULL;
	for (struct clamd_scan *scan = s->scans; scan != NULL; scan = next) {
		next = scan->next;
		if (scan->state == CLAMD_SCAN_READING)
			scan_free(scan, false);
	}
	for (struct clamd_request *q = s->requests; q != NULL; q = q->next)
		q->is_walked = true;
}

void
clamd_request_drop_all(struct clamd_session *s)
{
	s->stream = NULL;
	while (s->scans != NULL)
		scan_free(s->scans, false);
	while (s->requests != NULL)
		request_free(s->requests);
}

static struct clamd_scan *
scan_of(struct intake_session *base)
{
	return (struct clamd_scan *)base; /* its first member */
}

static void
scan_finish(struct intake_session *base, const struct intake_reply *r)
{
	struct clamd_scan *scan = scan_of(base);
	struct clamd_request *q = scan->request;
	struct clamd_session *s = scan->session;
	unsigned before = q->infected + q->errors;

	if (s->is_dead) /* mail_close is on its way */
		return;
	ASSERT(scan->state == CLAMD_SCAN_SINK && scan->mail != NULL);
	clamd_session_enter(s);
	scan->state = CLAMD_SCAN_ANSWERED;
	clamd_answer_scan(scan, r);
	/* SCAN and ALLMATCHSCAN end with the first file that is not clean. */
	if (q->infected + q->errors > before &&
	    (q->verb == CLAMD_VERB_SCAN || q->verb == CLAMD_VERB_ALLMATCHSCAN))
		q->is_walked = true;
	clamd_session_leave(s, false);
}

static void
scan_resume(struct intake_session *base)
{
	struct clamd_scan *scan = scan_of(base);

	clamd_session_enter(scan->session);
	scan->is_paused = false;
	session_clock_kick(&scan->session->clock);
	clamd_session_leave(scan->session, false);
}

static void
scan_close(struct intake_session *base)
{
	struct intake_session *session = &scan_of(base)->session->base;

	session->ops->close(session);
}

static void
scan_drain(struct intake_session *base)
{
	struct intake_session *session = &scan_of(base)->session->base;

	session->ops->drain(session);
}

static const struct intake_session_ops scan_ops = {
	.finish = scan_finish,
	.resume = scan_resume,
	.close = scan_close,
	.drain = scan_drain,
};
