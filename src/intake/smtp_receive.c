/* smtp_receive.c: bytes from the client: into command lines, or into the sink's memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "intake/intake_body.h"
#include "intake/proxy_protocol.h"
#include "intake/smtp_session_private.h"

#define READ_CHUNK     (64u * 1024)
#define READS_PER_TURN 16u /* then other sessions get their turn */
#define DECODE_CHUNK   (32u * 1024)
#define MOVED_ENOUGH   4096u /* bytes of a mail that count as progress */

/* Gives decoded bytes to the sink; what it has no room for now waits in carry. */
static void
sink_put(struct smtp_session *s, struct slice bytes)
{
	struct intake_body body = { .sink = smtp_session_get_sink(s),
		.mail = s->mail,
		.is_paused = &s->is_paused,
		.is_dropping = &s->is_dropping,
		.is_dead = &s->is_dead };

	if (s->is_dropping || s->mail == NULL)
		return;
	bytes = slice_from(bytes, intake_body_put(&body, bytes));
	if (s->is_paused && buf_append_slice(&s->carry, bytes) < 0)
		smtp_session_fail(s, "no memory");
}

static void
carry_put(struct smtp_session *s)
{
	struct buf carry = s->carry;

	if (carry.len == 0 || s->is_paused)
		return;
	s->carry = (struct buf){ .max = carry.max };
	sink_put(s, buf_get(&carry));
	buf_done(&carry);
}

static void
note_moved(struct smtp_session *s, size_t len)
{
	s->moved += (unsigned)MIN_OF(len, (size_t)READ_CHUNK);
	if (s->moved >= MOVED_ENOUGH)
		s->has_moved = true;
	if (s->mail_due_ms != 0 && clock_now_ms() > s->mail_due_ms)
		smtp_session_quit(s, "4.4.2 The mail takes too long, closing");
}

/* Bytes of in that were used. */
static size_t
receive_body(struct smtp_session *s, struct slice in)
{
	static uint8_t decoded[DECODE_CHUNK];
	size_t total = 0;

	while (total < in.len && !s->is_paused && !s->decoder.is_over && !s->is_dead) {
		struct slice rest = slice_from(in, total);
		size_t used = 0, made = 0;

		if (s->state == SMTP_STATE_CHUNK) {
			if (s->chunk_left == 0)
				break;
			rest = slice_sub(
			    rest, 0, (size_t)MIN_OF(s->chunk_left, (uint64_t)rest.len));
		}
		if (s->is_chunk_ignored)
			used = rest.len;
		else
			smtp_dot_decode(
			    &s->decoder, rest, decoded, sizeof(decoded), &used, &made);
		total += used;
		if (s->state == SMTP_STATE_CHUNK)
			s->chunk_left -= used;
		sink_put(s, slice_of(decoded, made));
	}
	note_moved(s, total);
	return total;
}

/* All bytes of the mail or chunk are with the sink. */
static void
body_check_end(struct smtp_session *s)
{
	uint8_t last[2];

	if (s->is_paused || s->is_dead || s->carry.len > 0)
		return;
	if (s->state == SMTP_STATE_DATA && s->decoder.is_over) {
		smtp_dialogue_end_data(s);
	} else if (s->state == SMTP_STATE_CHUNK && s->chunk_left == 0) {
		if (s->is_chunk_last && !s->is_chunk_ignored) {
			sink_put(s, slice_of(last, smtp_dot_decode_end(&s->decoder, last)));
			if (s->is_paused || s->is_dead)
				return;
		}
		smtp_dialogue_end_chunk(s);
	}
}

static size_t
receive_proxy_header(struct smtp_session *s, struct slice in)
{
	struct proxy_protocol header;
	size_t used = 0;
	int r = s->is_trusted ? proxy_protocol_parse(in, &header, &used) : -EPROTO;

	if (r == 0)
		return 0;
	if (r < 0) {
		smtp_session_fail(s, s->is_trusted
					 ? "no header of the PROXY protocol"
					 : "PROXY protocol, but the peer is not trusted");
		return 0;
	}
	if (!header.is_local && header.address[0] != '\0') {
		snprintf(s->base.client.address, sizeof(s->base.client.address), "%s",
		    header.address);
		s->base.client.port = header.port;
		s->is_trusted = smtp_session_trusts(s->options, header.address);
		snprintf(s->peer, sizeof(s->peer), "%s", header.address);
		if (!s->is_trusted)
			s->is_counted =
			    smtp_client_count_enter(s->peer, s->options->client_connections);
		if (!s->is_trusted && !s->is_counted) {
			smtp_session_quit(s, "4.7.0 Too many connections from your address");
			return used;
		}
	}
	smtp_session_greet(s);
	return used;
}

/* One line, or nothing. */
static size_t
receive_line(struct smtp_session *s, struct slice in)
{
	size_t end = slice_find_byte(in, '\n', 0), len = end;

	if (s->is_discarding) {
		if (end == SIZE_MAX)
			return in.len;
		s->is_discarding = false;
		smtp_dialogue_line_too_long(s);
		return end + 1;
	}
	if (MIN_OF(end, in.len) >= SMTP_LINE_MAX_BYTES) {
		s->is_discarding = true;
		return MIN_OF(end, in.len);
	}
	if (end == SIZE_MAX)
		return 0;
	if (len > 0 && in.ptr[len - 1] == '\r')
		len--;
	if (!smtp_dialogue_run(s, slice_sub(in, 0, len)))
		return 0;
	s->has_moved = true;
	return end + 1;
}

/* Acts on in as far as it goes. Bytes used. STARTTLS throws away the rest itself. */
static size_t
receive_bytes(struct smtp_session *s, struct slice in)
{
	size_t total = 0;

	while (smtp_session_can_go(s)) {
		struct slice rest = slice_from(in, total);
		size_t used;

		if (s->state == SMTP_STATE_DATA || s->state == SMTP_STATE_CHUNK) {
			enum smtp_state before = s->state;

			used = receive_body(s, rest);
			body_check_end(s);
			total += used;
			if (used == 0 && s->state == before)
				return total;
			continue;
		} else if (rest.len == 0) {
			return total;
		} else if (s->state == SMTP_STATE_PROXY) {
			used = receive_proxy_header(s, rest);
		} else {
			used = receive_line(s, rest);
		}
		total += used;
		if (s->is_handshaking)
			return in.len; /* said before TLS: forgotten (RFC 3207 section 4.2) */
		if (used == 0)
			return total;
	}
	return total;
}

void
smtp_receive_pending(struct smtp_session *s)
{
	struct buf in = s->in;
	size_t used;

	carry_put(s);
	if (in.len == 0) {
		if (s->state == SMTP_STATE_DATA || s->state == SMTP_STATE_CHUNK)
			body_check_end(s);
		return;
	}
	/* A line may change s->in (STARTTLS): it is ours for now. */
	s->in = (struct buf){ .max = in.max };
	used = receive_bytes(s, buf_get(&in));
	if (s->is_handshaking)
		used = in.len;
	buf_consume(&in, used);
	if (in.len == 0)
		buf_done(&in);
	else
		s->in = in;
	s->is_in_cut = smtp_session_can_go(s) && !smtp_relay_is_waiting(s);
}

void
smtp_receive(struct smtp_session *s)
{
	static uint8_t buffer[READ_CHUNK];

	for (unsigned turn = 0; turn < READS_PER_TURN && smtp_session_can_go(s); turn++) {
		size_t used = 0;
		ssize_t n;

		if (s->in.len > 0 && smtp_relay_is_waiting(s))
			return;
		n = stream_read(s->stream, buffer, sizeof(buffer));
		if (n == -EAGAIN)
			return;
		if (n == 0 && s->state <= SMTP_STATE_IDLE) {
			s->is_dead = true; /* clients come and go */
			return;
		}
		if (n <= 0) {
			smtp_session_fail(
			    s, n == 0 ? "the client closed the connection" : "connection lost");
			return;
		}
		if (s->in.len == 0)
			used = receive_bytes(s, slice_of(buffer, (size_t)n));
		if (s->is_dead || used == (size_t)n)
			continue;
		if (buf_append(&s->in, buffer + used, (size_t)n - used) < 0) {
			smtp_session_fail(s, "too much at once");
			return;
		}
		smtp_receive_pending(s);
	}
}
