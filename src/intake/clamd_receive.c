/* clamd_receive.c: bytes from the socket to commands and streams. Commands go through one small
 * buffer, as they do in clamd: what one read brings decides how a command without a mark ends.
 * The bytes of a stream are read straight into the sink's memory. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "intake/clamd_session_private.h"

/* Reads before other sessions have their turn. */
#define READS_PER_EVENT 8
/* Of one stream in one read. */
#define STREAM_READ_BYTES (256u * 1024)
/* Read behind a chunk in the same call: the next chunk's length, or the end. */
#define TAIL_BYTES 512u
/* Descriptors taken from one message, to close those that nobody asked for. */
#define DESCRIPTORS_MAX 8u

static uint8_t shared[64 * 1024];

/* Said, and the session ends; what else is asked for is still answered. */
static void
refuse(struct clamd_session *s, const char *text)
{
	clamd_request_drop_stream(s);
	clamd_answer_text(s, text);
	s->must_linger = true;
	clamd_session_end_commands(s);
}

static void
begin_stream(struct clamd_session *s)
{
	s->stream_left = s->stream_max;
	s->chunk_left = 0;
	s->stream = clamd_request_begin_stream(s);
	if (s->stream != NULL) {
		s->mode = CLAMD_MODE_STREAM;
		return;
	}
	s->must_linger = true;
	clamd_session_end_commands(s);
}

/* FILDES, with the byte that brings the descriptor. */
static void
begin_fd(struct clamd_session *s)
{
	if (s->received_fd != -1)
		clamd_request_begin_fd(s, &s->received_fd);
	else
		refuse(s, "No file descriptor received. ERROR");
}

static bool
is_known_in_session(enum clamd_verb verb)
{
	switch (verb) {
	case CLAMD_VERB_FILDES:
	case CLAMD_VERB_SCAN:
	case CLAMD_VERB_END:
	case CLAMD_VERB_INSTREAM:
	case CLAMD_VERB_VERSION:
	case CLAMD_VERB_PING:
	case CLAMD_VERB_STATS:
	case CLAMD_VERB_COMMANDS:
		return true;
	default:
		return false;
	}
}

static void
reload(struct clamd_session *s)
{
	if (s->base.env->ask_reload != NULL)
		s->base.env->ask_reload(s->base.env->ctx);
	clamd_answer_text(s, "RELOADING");
}

static void
command_run(struct clamd_session *s, const struct clamd_command *c)
{
	switch (c->verb) {
	case CLAMD_VERB_PING:
		clamd_answer_text(s, "PONG");
		break;
	case CLAMD_VERB_VERSION:
		clamd_answer_version(s);
		break;
	case CLAMD_VERB_COMMANDS:
		clamd_answer_commands(s);
		break;
	case CLAMD_VERB_STATS:
		clamd_answer_stats(s);
		break;
	case CLAMD_VERB_RELOAD:
		reload(s);
		break;
	case CLAMD_VERB_SHUTDOWN: /* what clamd says where its administrator forbade it */
		clamd_answer_text(s, "COMMAND UNAVAILABLE");
		break;
	case CLAMD_VERB_DETSTATS: /* clamd answers nothing since 1.0 */
		break;
	case CLAMD_VERB_IDSESSION:
		s->in_session = true;
		break;
	case CLAMD_VERB_INSTREAM:
		begin_stream(s);
		break;
	case CLAMD_VERB_FILDES:
		begin_fd(s);
		break;
	case CLAMD_VERB_SCAN:
	case CLAMD_VERB_CONTSCAN:
	case CLAMD_VERB_MULTISCAN:
	case CLAMD_VERB_ALLMATCHSCAN:
		clamd_request_begin_path(s, c);
		break;
	case CLAMD_VERB_END:
		if (s->in_session) {
			clamd_session_end_commands(s);
			break;
		}
		clamd_answer_text(s, "UNKNOWN COMMAND");
		break;
	case CLAMD_VERB_UNKNOWN:
		clamd_answer_text(s, "UNKNOWN COMMAND");
		break;
	}
}

/* One whole command. Without IDSESSION it is the only one; a stream counts when it has ended.
 */
static void
command_take(struct clamd_session *s, const struct clamd_command *c)
{
	s->has_moved = true;
	if (s->in_session && c->is_old) {
		refuse(s, "Only nCMDS\\n and zCMDS\\0 are accepted inside IDSESSION. ERROR");
		clamd_answer_text(s, "Error processing command. ERROR");
		return;
	}
	s->end = c->end;
	if (s->in_session && !is_known_in_session(c->verb)) {
		refuse(s, "Command invalid inside IDSESSION. ERROR");
		return;
	}
	command_run(s, c);
	if (s->mode != CLAMD_MODE_COMMAND)
		return;
	if (s->in_session)
		s->id++;
	else
		clamd_session_end_commands(s);
}

/* The next command of s->in. false: more is needed. */
static bool
take_command(struct clamd_session *s)
{
	uint8_t text[CLAMD_COMMAND_MAX_BYTES];
	struct clamd_command c;
	bool is_whole = clamd_command_next(buf_get(&s->in), s->may_be_old, &c);

	s->waits_for_fd = is_whole && c.wants_more;
	if (!is_whole || c.wants_more) {
		if (s->in.len < CLAMD_COMMAND_MAX_BYTES)
			return false;
		log_info(NULL, "clamd listener=%s: a command of more than %u bytes: refused",
		    s->base.client.listener, CLAMD_COMMAND_MAX_BYTES);
		s->must_linger = true;
		clamd_session_end_commands(s);
		return false;
	}
	s->may_be_old = false;
	if (c.argument.len > 0) { /* the buffer may go before the path is used */
		memcpy(text, c.argument.ptr, c.argument.len);
		c.argument.ptr = text;
	}
	buf_consume(&s->in, c.used);
	command_take(s, &c);
	return true;
}

static void
stream_done(struct clamd_session *s)
{
	struct clamd_scan *scan = TAKE(s->stream);

	s->mode = CLAMD_MODE_COMMAND;
	s->may_be_old = true;
	if (s->in_session && !s->is_draining)
		s->id++;
	else
		clamd_session_end_commands(s);
	clamd_scan_end(scan);
}

/* The length of the next chunk. false: more is needed. */
static bool
take_chunk_length(struct clamd_session *s)
{
	uint32_t raw;

	if (s->in.len < sizeof(raw))
		return false;
	memcpy(&raw, s->in.data, sizeof(raw));
	buf_consume(&s->in, sizeof(raw));
	s->chunk_left = ntohl(raw);
	s->has_moved = true;
	if (s->chunk_left == 0) {
		stream_done(s);
		return true;
	}
	if (s->chunk_left > s->stream_left) {
		log_info(NULL,
		    "clamd listener=%s: a stream larger than max_message_size: refused",
		    s->base.client.listener);
		refuse(s, "INSTREAM size limit exceeded. ERROR");
		return true;
	}
	s->stream_left -= s->chunk_left;
	return true;
}

/* Bytes of a chunk that are here already. false: paused. */
static bool
take_chunk(struct clamd_session *s)
{
	size_t n = MIN_OF(s->in.len, (size_t)s->chunk_left);

	if (!s->stream->is_dropping) {
		struct intake_body body = clamd_scan_get_body(s->stream);

		n = intake_body_put(&body, slice_of(s->in.data, n));
	}
	buf_consume(&s->in, n);
	s->chunk_left -= (uint32_t)n;
	return n > 0 || s->stream->is_dropping;
}

void
clamd_receive_pending(struct clamd_session *s)
{
	bool goes_on = true;

	while (goes_on && s->in.len > 0 && clamd_session_can_take(s)) {
		if (s->mode == CLAMD_MODE_COMMAND)
			goes_on = take_command(s);
		else if (s->chunk_left == 0)
			goes_on = take_chunk_length(s);
		else
			goes_on = take_chunk(s);
	}
	if (s->in.len == 0)
		buf_done(&s->in);
}

/* A descriptor that no FILDES took in the read that brought it. */
static void
refuse_descriptor(struct clamd_session *s)
{
	bool is_waiting = s->waits_for_fd || s->mode == CLAMD_MODE_STREAM ||
			  (s->mode == CLAMD_MODE_LAST && s->requests != NULL);
	bool is_over = s->mode == CLAMD_MODE_LAST && s->requests == NULL;

	if (s->received_fd == -1)
		return;
	fd_close(&s->received_fd);
	if (is_over || s->is_gone || s->is_dead)
		return;
	refuse(s, "PROTOCOL ERROR: ancillary data sent without FILDES. ERROR");
	if (is_waiting)
		clamd_answer_text(s, "Error processing command. ERROR");
}

/* Keeps the descriptor of a message that brought exactly one; closes all others. */
static void
take_descriptors(struct clamd_session *s, struct msghdr *msg)
{
	int fds[DESCRIPTORS_MAX];
	size_t count = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h != NULL; h = CMSG_NXTHDR(msg, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (count < DESCRIPTORS_MAX)
				fds[count++] = fd;
			else
				close(fd);
		}
	}
	if (count == 1 && (msg->msg_flags & MSG_CTRUNC) == 0) {
		s->received_fd = fds[0];
		return;
	}
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

/* Reads into iov. Bytes read; 0: nothing now, or the end. */
static size_t
receive(struct clamd_session *s, struct iovec *iov, size_t count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
		struct cmsghdr align;
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t n;

	if (s->is_local) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	n = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		clamd_session_lose(s);
	if (n < 0)
		return 0;
	if (s->is_local)
		take_descriptors(s, &msg);
	if (n == 0)
		clamd_session_end_input(s);
	return (size_t)n;
}

static bool
read_commands(struct clamd_session *s)
{
	size_t room = CLAMD_COMMAND_MAX_BYTES - s->in.len, n;
	struct iovec iov = { shared, room };

	if (room == 0)
		return false;
	n = receive(s, &iov, 1);
	if (n == 0)
		return false;
	if (buf_append(&s->in, shared, n) < 0) {
		clamd_session_lose(s);
		return false;
	}
	s->may_be_old = true;
	clamd_receive_pending(s);
	refuse_descriptor(s);
	return n == room;
}

/* Bytes of a chunk to where they stay, and a few of what stands behind it. */
static bool
read_chunk(struct clamd_session *s)
{
	size_t room = MIN_OF((size_t)s->chunk_left, sizeof(shared) / 2), n, direct;
	struct iovec iov[2] = { { shared + TAIL_BYTES, room }, { shared, TAIL_BYTES } };
	bool is_kept = !s->stream->is_dropping;

	if (is_kept) {
		struct intake_body body = clamd_scan_get_body(s->stream);

		iov[0].iov_base = intake_body_reserve(
		    &body, MIN_OF((size_t)s->chunk_left, (size_t)STREAM_READ_BYTES), &room);
		if (iov[0].iov_base == NULL)
			return s->stream->is_dropping;
		iov[0].iov_len = room;
	}
	n = receive(s, iov, room == s->chunk_left ? 2 : 1);
	if (n == 0)
		return false;
	s->has_moved = true;
	direct = MIN_OF(n, room);
	if (is_kept)
		clamd_session_get_sink(s)->mail_body_commit(s->stream->mail, direct);
	s->chunk_left -= (uint32_t)direct;
	if (buf_append(&s->in, shared, n - direct) < 0)
		clamd_session_lose(s);
	clamd_receive_pending(s);
	refuse_descriptor(s);
	return direct == room;
}

void
clamd_receive(struct clamd_session *s)
{
	bool more = true;

	for (unsigned i = 0; i < READS_PER_EVENT && more && clamd_session_can_take(s); i++) {
		if (s->mode == CLAMD_MODE_STREAM && s->chunk_left > 0 && s->in.len > 0) {
			clamd_receive_pending(s); /* left from a pause */
			continue;
		}
		more = s->mode == CLAMD_MODE_STREAM && s->chunk_left > 0 ? read_chunk(s)
									 : read_commands(s);
	}
}
