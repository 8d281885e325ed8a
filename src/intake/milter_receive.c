/* milter_receive.c: bytes from the socket to packets. Commands go through one buffer that all
 * sessions share (one thread), so an idle session owns none. Body bytes are read straight into
 * the sink's memory, except those that came in one read with the packet's header. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "intake/intake_body.h"
#include "intake/milter_codec.h"
#include "intake/milter_session_private.h"

/* First read of a turn: a small mail comes in one. */
#define READ_BYTES (16u * 1024)
/* Read behind a body chunk in the same call: the next packet's header, or the mail's end. */
#define TAIL_BYTES 1024
#define DROP_BYTES sizeof(shared)
/* Reads before other sessions have their turn. */
#define READS_PER_EVENT 8
/* So many body bytes count as progress inside one packet. */
#define PROGRESS_BYTES (64u * 1024)

/* Nothing here is kept between two calls of the loop. The sink cannot make us read again from
 * inside a call: resume() and finish() go on from the loop. */
static uint8_t shared[64 * 1024];

static uint32_t
length_get(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct intake_body
body_of(struct milter_session *s)
{
	return (struct intake_body){ .sink = milter_session_get_sink(s),
		.mail = s->mail,
		.is_paused = &s->is_paused,
		.is_dropping = &s->is_dropping,
		.is_dead = &s->is_dead };
}

static void
body_take(struct milter_session *s, size_t len)
{
	ASSERT(len <= s->body_left);
	s->body_left -= len;
	s->body_moved += len;
	if (s->body_moved >= PROGRESS_BYTES)
		s->has_moved = true;
}

/* Body bytes that are here already. Returns how many were used. */
static size_t
feed_body(struct milter_session *s, const uint8_t *data, size_t len)
{
	size_t n = MIN_OF(len, s->body_left);

	if (!s->is_dropping && s->mail != NULL) {
		struct intake_body body = body_of(s);

		n = intake_body_put(&body, slice_of(data, n));
	}
	body_take(s, n);
	return n;
}

/* One packet at the front of data, or its header when it is a body. Returns the bytes used, 0
 * when more are needed. */
static size_t
feed_packet(struct milter_session *s, uint8_t *data, size_t len)
{
	uint32_t packet_bytes;
	struct err e;

	if (len < MILTER_HEADER_BYTES - 1)
		return 0;
	packet_bytes = length_get(data);
	if (milter_packet_check(packet_bytes, len < MILTER_HEADER_BYTES ? -1 : data[4], &e) <
	    0) {
		milter_session_fail(s, "%s", e.text);
		return 0;
	}
	if (len < MILTER_HEADER_BYTES)
		return 0;
	if (data[4] == MILTER_BODY || data[4] == MILTER_BODYEOB) {
		s->has_moved = true;
		s->body_left = packet_bytes - 1;
		milter_command_begin_body(s, data[4]);
		return MILTER_HEADER_BYTES;
	}
	if (len - 4 < packet_bytes)
		return 0;
	s->has_moved = true;
	milter_command_run(s, data[4], data + MILTER_HEADER_BYTES, packet_bytes - 1);
	return 4 + (size_t)packet_bytes;
}

/* Acts on data until it is used up or something has to be waited for. Returns what was used. */
static size_t
feed(struct milter_session *s, uint8_t *data, size_t len)
{
	size_t used = 0;

	while (milter_session_can_go(s)) {
		size_t n;

		if (s->body_command != 0 && s->body_left == 0) {
			milter_command_end_body(s);
			continue;
		}
		if (used == len)
			break;
		if (s->body_command != 0) {
			n = feed_body(s, data + used, len - used);
			if (n == 0 && !s->is_dropping)
				break;
		} else {
			n = feed_packet(s, data + used, len - used);
			if (n == 0)
				break;
		}
		used += n;
	}
	return used;
}

void
milter_receive_pending(struct milter_session *s)
{
	size_t used;

	if (s->in.len == 0 || !milter_session_can_go(s)) {
		(void)feed(s, NULL, 0); /* a body packet whose last byte is here */
		return;
	}
	used = feed(s, s->in.data, s->in.len);
	buf_consume(&s->in, used);
	if (s->in.len == 0)
		buf_done(&s->in);
}

/* Acts on bytes of the shared buffer and keeps what cannot be used yet. */
static void
take(struct milter_session *s, uint8_t *data, size_t len)
{
	size_t used = 0;

	if (s->in.len == 0)
		used = feed(s, data, len);
	if (s->is_dead)
		return;
	if (used < len && buf_append(&s->in, data + used, len - used) < 0) {
		milter_session_fail(
		    s, "no memory for a packet of %zu bytes", s->in.len + len - used);
		return;
	}
	if (used == 0)
		milter_receive_pending(s);
}

/* The result of a read: false when nothing came, for whatever reason. */
static bool
check_read(struct milter_session *s, ssize_t n)
{
	if (n > 0)
		return true;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	if (s->state > MILTER_STATE_IDLE || s->in.len > 0)
		milter_session_fail(s, "the MTA closed the connection %s%s%s",
		    s->body_command != 0 || s->in.len > 0 ? "inside a packet" : "inside a mail",
		    n < 0 ? ": " : "", n < 0 ? strerror(errno) : "");
	s->is_dead = true;
	return false;
}

/* Reads a body's bytes to where they stay. Returns whether more may be there. */
static bool
read_body(struct milter_session *s)
{
	bool is_kept = !s->is_dropping && s->mail != NULL;
	struct iovec to[2];
	size_t room, direct;
	int count = 1;
	ssize_t n;

	if (is_kept) {
		struct intake_body body = body_of(s);

		to[0].iov_base = intake_body_reserve(&body, s->body_left, &room);
		if (to[0].iov_base == NULL)
			return s->is_dropping;
	} else {
		to[0].iov_base = shared;
		room = MIN_OF(s->body_left, DROP_BYTES);
	}
	to[0].iov_len = room;
	if (is_kept && room == s->body_left)
		to[count++] = (struct iovec){ .iov_base = shared, .iov_len = TAIL_BYTES };
	n = readv(s->fd, to, count);
	if (!check_read(s, n))
		return false;
	direct = MIN_OF((size_t)n, room);
	if (is_kept)
		milter_session_get_sink(s)->mail_body_commit(s->mail, direct);
	body_take(s, direct);
	take(s, shared, (size_t)n - direct);
	return direct == room;
}

static bool
read_commands(struct milter_session *s)
{
	ssize_t n = read(s->fd, shared, READ_BYTES);

	if (!check_read(s, n))
		return false;
	take(s, shared, (size_t)n);
	return (size_t)n == READ_BYTES;
}

void
milter_receive(struct milter_session *s)
{
	bool more = true;

	for (unsigned i = 0; i < READS_PER_EVENT && more && milter_session_can_go(s); i++) {
		if (s->in.len > 0 && s->body_command != 0) { /* left from a pause */
			milter_receive_pending(s);
			continue;
		}
		more = s->body_command != 0 ? read_body(s) : read_commands(s);
	}
}
