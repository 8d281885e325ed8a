/* next_hop.c: one connection to the next hop: its name, connect, greeting, EHLO, STARTTLS,
 * XFORWARD, then commands and replies in order. A connection that was kept may have been closed
 * by the other side meanwhile: what was said on it and not answered is said again on a new one,
 * once. */
#include "intake/next_hop.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macros.h"
#include "config/config.h"
#include "intake/intake.h"
#include "intake/next_hop_private.h"

#define READ_CHUNK     16384u
#define READS_PER_TURN 32u
#define OUT_MAX_BYTES  (4u << 20)
#define HELD_MAX_BYTES (4u << 20)
#define SEND_CHUNK     (256u * 1024)
/* Below the five minutes that a server waits (RFC 5321 section 4.5.3.2.7). */
#define KEEPALIVE_MS 60000u
#define IDLE_MS      30000u
#define CONNECT_MS   30000u /* for each address but the last */
#define SILENT_MS    60000  /* one that let that go by is tried after the others */
#define MAILS_MAX    1000u  /* on one connection */

static void hop_on_io(void *ctx, unsigned events);
static void hop_on_timer(void *ctx);

/* While it connects: whether this address is not the last. */
static bool
hop_has_more_addresses(const struct next_hop *h)
{
	return h->state == NEXT_HOP_CONNECTING && h->address_at + 1 < h->addresses->count;
}

static const struct resolve_address *
hop_get_address(const struct next_hop *h)
{
	return &h->addresses->items[(h->address_first + h->address_at) % h->addresses->count];
}

/* Takes over *found. */
static void
hop_set_addresses(struct next_hop *h, struct host_addresses **found)
{
	const struct next_hop_place *p = h->place;

	host_addresses_unref(&h->addresses);
	h->addresses = TAKE(*found);
	h->address_first = h->address_at = 0;
	if (clock_now_ms() < p->silent_until_ms &&
	    resolve_address_eq(hop_get_address(h), &p->silent))
		h->address_first = 1;
}

static bool
hop_is_waiting(const struct next_hop *h)
{
	return h->state != NEXT_HOP_READY || h->expected > 0 || h->skipped > 0 ||
	       h->out.len > 0 || h->is_sending;
}

/* Any progress starts the time anew. */
static void
hop_set_timer(struct next_hop *h)
{
	/* Who gives the next hop little time is likely to be given little by it. */
	unsigned ms = h->events == NULL ? IDLE_MS : MIN_OF(KEEPALIVE_MS, h->timeout_ms / 5 + 1);

	if (hop_is_waiting(h))
		ms = h->is_mail_sent ? 2 * h->timeout_ms : h->timeout_ms;
	if (hop_has_more_addresses(h))
		ms = MIN_OF(ms, CONNECT_MS);
	if (h->why[0] != '\0' || h->must_tell_ready)
		ms = 0;
	h->deadline_ms = clock_now_ms() + ms;
	loop_timer_set_ms(h->timer, ms);
}

static void
hop_set_watch(struct next_hop *h)
{
	unsigned want = LOOP_READ;

	if (h->watch == NULL)
		return;
	if (h->state == NEXT_HOP_CONNECTING)
		want = LOOP_WRITE;
	else if (h->out.len > 0 || h->is_sending)
		want |= LOOP_WRITE;
	loop_watch_set(h->watch,
	    h->state == NEXT_HOP_CONNECTING ? want : stream_get_events(h->stream, want));
}

static void
hop_disconnect(struct next_hop *h)
{
	host_waiter_cancel(&h->waiter);
	loop_watch_free(&h->watch);
	stream_free(&h->stream);
	smtp_reply_clear(&h->reply);
	buf_done(&h->out);
}

/* The session is told from the timer, so that nobody is called back from his own call. */
void
next_hop_fail(struct next_hop *h, const char *why)
{
	if (h->state == NEXT_HOP_FAILED)
		return;
	h->state = NEXT_HOP_FAILED;
	hop_disconnect(h);
	host_addresses_unref(&h->addresses);
	snprintf(h->why, sizeof(h->why), "%s", why);
	hop_set_timer(h);
}

static void
hop_fail_name(struct next_hop *h, const char *error)
{
	char why[sizeof(h->why)];

	snprintf(why, sizeof(why), "its name cannot be looked up: %s", error);
	next_hop_fail(h, why);
}

/* Begins to connect to this address. False: that failed at once. */
static bool
hop_connect_to(struct next_hop *h, const struct resolve_address *address)
{
	const struct sockaddr *to = (const struct sockaddr *)&address->storage;
	CLEANUP(fd_close)
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd >= 0 && to->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fd < 0 || (connect(fd, to, address->len) < 0 && errno != EINPROGRESS)) {
		h->connect_error = errno;
		return false;
	}
	h->watch = loop_watch_new(h->place->loop, fd, LOOP_WRITE, hop_on_io, h);
	h->stream = stream_new(&fd);
	return true;
}

static void hop_on_looked_up(void *ctx);

/* The next of its addresses that takes a connection. When none does it may have moved: its name
 * is looked up once more. */
static void
hop_connect_next(struct next_hop *h)
{
	hop_disconnect(h);
	h->state = NEXT_HOP_CONNECTING;
	for (; h->address_at < h->addresses->count; h->address_at++) {
		if (hop_connect_to(h, hop_get_address(h))) {
			hop_set_timer(h);
			return;
		}
	}
	if (!h->has_looked_again &&
	    host_wait(h->place->host, &h->waiter, hop_on_looked_up, h)) {
		h->has_looked_again = true;
		h->state = NEXT_HOP_RESOLVING;
		hop_set_timer(h);
		return;
	}
	next_hop_fail(h, strerror(h->connect_error));
}

static void
hop_connect(struct next_hop *h)
{
	struct host *host = h->place->host;
	struct host_addresses *known = host_take_addresses(host);

	hop_disconnect(h);
	if (known != NULL) {
		hop_set_addresses(h, &known);
		hop_connect_next(h);
		return;
	}
	host_addresses_unref(&h->addresses);
	h->state = NEXT_HOP_RESOLVING;
	if (host_wait(host, &h->waiter, hop_on_looked_up, h))
		hop_set_timer(h);
	else
		hop_fail_name(h, host_get_error(host));
}

/* It had been closed, or closed while we spoke: once more on a new connection. */
void
next_hop_lost(struct next_hop *h, const char *why)
{
	if (!h->is_reused || h->events == NULL) {
		next_hop_fail(h, why);
		return;
	}
	h->is_reused = false;
	h->skipped = 0;
	h->offer = (struct next_hop_offer){ .is_known = false };
	h->mails = 0;
	hop_connect(h);
}

static void
hop_encode(struct next_hop *h)
{
	while (h->is_sending && h->out.len < SEND_CHUNK) {
		struct slice piece;
		ssize_t n;

		if (h->piece_at == h->piece_count) {
			if (smtp_dot_encode_end(&h->encoder, &h->out) < 0) {
				next_hop_fail(h, "no memory");
				return;
			}
			h->is_sending = false;
			h->is_mail_sent = true;
			return;
		}
		piece = slice_from(h->pieces[h->piece_at], h->piece_from);
		n = smtp_dot_encode(&h->encoder, piece, SEND_CHUNK, &h->out);
		if (n < 0) {
			next_hop_fail(h, "no memory");
			return;
		}
		h->piece_from += (size_t)n;
		if (h->piece_from == h->pieces[h->piece_at].len) {
			h->piece_at++;
			h->piece_from = 0;
		}
	}
}

static void
hop_flush(struct next_hop *h)
{
	for (unsigned turn = 0; turn < READS_PER_TURN && h->state > NEXT_HOP_CONNECTING;
	     turn++) {
		ssize_t n;

		hop_encode(h);
		if (h->state == NEXT_HOP_FAILED || h->out.len == 0)
			break;
		n = stream_write(h->stream, h->out.data, h->out.len);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			next_hop_lost(h, "the connection broke");
			return;
		}
		buf_consume(&h->out, (size_t)n);
	}
	if (h->state != NEXT_HOP_FAILED && h->out.len == 0)
		buf_done(&h->out);
}

void
next_hop_say(struct next_hop *h, const char *line)
{
	if (buf_append_str(&h->out, line) < 0 || buf_append_str(&h->out, "\r\n") < 0)
		next_hop_fail(h, "no memory");
}

/* A whole reply lies in h->reply. */
static void
handle_reply(struct next_hop *h)
{
	unsigned code = h->reply.code;

	if (h->state != NEXT_HOP_READY) {
		next_hop_greeting_reply(h);
		return;
	}
	if (h->skipped > 0 && code != 421) {
		h->skipped--;
		if (h->events == NULL && code / 100 != 2)
			next_hop_fail(h, "RSET failed");
		return;
	}
	if (h->expected == 0 || h->skipped > 0) {
		if (code == 421)
			next_hop_lost(h, "it closes the connection");
		else
			next_hop_fail(h, "it speaks out of turn");
		return;
	}
	if (code == 421 && h->is_reused) {
		next_hop_lost(h, "it closes the connection");
		return;
	}
	h->expected--;
	if (h->is_reused) {
		h->is_reused = false;
		buf_done(&h->held);
		next_hop_client_forget(h);
	}
	h->events->reply(h->ctx, &h->reply);
}

static void
hop_feed(struct next_hop *h, struct slice in)
{
	while (in.len > 0 && !h->is_dead && h->state != NEXT_HOP_FAILED) {
		size_t used = 0;
		unsigned mails;
		int r = smtp_reply_feed(&h->reply, in, &used);

		in = slice_from(in, used);
		if (r < 0) {
			next_hop_fail(h, "its reply is not SMTP");
			return;
		}
		if (r == 0)
			return;
		/* What came in plain behind its answer was put there by somebody. */
		if (h->state == NEXT_HOP_STARTTLS_SENT && h->reply.code == 220 && in.len > 0) {
			next_hop_fail(h, "it speaks before TLS begins");
			return;
		}
		mails = h->mails;
		handle_reply(h);
		if (!h->is_dead)
			smtp_reply_clear(&h->reply);
		if (h->state <= NEXT_HOP_CONNECTING)
			return; /* once more, on another connection */
		/* What came in behind its 354 was said before there was a mail to speak of. */
		if (!h->is_dead && h->mails > mails && in.len > 0)
			next_hop_fail(h, "it speaks before it has the mail");
	}
}

static void
hop_read(struct next_hop *h)
{
	static uint8_t buffer[READ_CHUNK];

	for (unsigned turn = 0; turn < READS_PER_TURN; turn++) {
		ssize_t n;

		if (h->is_dead || h->state == NEXT_HOP_FAILED ||
		    h->state <= NEXT_HOP_CONNECTING || h->state == NEXT_HOP_HANDSHAKE)
			return;
		n = stream_read(h->stream, buffer, sizeof(buffer));
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			next_hop_lost(
			    h, n == 0 ? "it closed the connection" : "the connection broke");
			return;
		}
		hop_feed(h, slice_of(buffer, (size_t)n));
	}
}

static void
hop_handshake(struct next_hop *h)
{
	struct err e = { 0 };
	int r = stream_handshake(h->stream, &e);

	if (r < 0)
		next_hop_fail(h, "the TLS handshake failed");
	else if (r == 1)
		next_hop_say_hello(h, NEXT_HOP_EHLO);
}

static void
hop_connected(struct next_hop *h)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(stream_get_fd(h->stream), SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0) {
		h->state = NEXT_HOP_BANNER;
		host_addresses_unref(&h->addresses);
		return;
	}
	h->connect_error = error;
	h->address_at++;
	hop_connect_next(h);
}

static void
hop_enter(struct next_hop *h)
{
	ASSERT(h->busy < 100);
	h->busy++;
}

static void
hop_leave(struct next_hop *h)
{
	if (--h->busy > 0)
		return;
	if (h->is_dead) {
		next_hop_free(h);
		return;
	}
	hop_set_watch(h);
	hop_set_timer(h);
}

/* For the first time, or because no address took a connection: the same ones are not tried a
 * second time then. */
static void
hop_on_looked_up(void *ctx)
{
	struct next_hop *h = ctx;
	struct host_addresses *found = host_take_addresses(h->place->host);

	hop_enter(h);
	if (found == NULL) {
		hop_fail_name(h, host_get_error(h->place->host));
	} else if (h->addresses != NULL && host_addresses_eq(h->addresses, found)) {
		host_addresses_unref(&found);
		next_hop_fail(h, strerror(h->connect_error));
	} else {
		hop_set_addresses(h, &found);
		hop_connect_next(h);
	}
	hop_leave(h);
}

static void
hop_on_io(void *ctx, unsigned events UNUSED)
{
	struct next_hop *h = ctx;

	hop_enter(h);
	if (h->state == NEXT_HOP_CONNECTING)
		hop_connected(h);
	if (h->state == NEXT_HOP_HANDSHAKE)
		hop_handshake(h);
	hop_flush(h);
	hop_read(h);
	if (!h->is_dead && h->state != NEXT_HOP_FAILED)
		hop_flush(h);
	hop_leave(h);
}

static void
hop_tell_failure(struct next_hop *h)
{
	const struct next_hop_events *events = h->events;

	if (events == NULL) {
		next_hop_place_forget(h);
		h->is_dead = true;
		return;
	}
	h->why[sizeof(h->why) - 1] = '\0';
	events->failed(h->ctx, h->why);
}

/* What was waited for did not come. */
static void
hop_is_late(struct next_hop *h)
{
	if (h->state == NEXT_HOP_RESOLVING) {
		hop_fail_name(h, "no answer in time");
		return;
	}
	if (hop_has_more_addresses(h)) {
		h->place->silent = *hop_get_address(h);
		h->place->silent_until_ms = clock_now_ms() + SILENT_MS;
		h->address_at++;
		hop_connect_next(h);
		return;
	}
	if (h->state == NEXT_HOP_CONNECTING)
		host_look_again(h->place->host);
	next_hop_fail(h, "it does not answer in time");
}

static void
hop_on_timer(void *ctx)
{
	struct next_hop *h = ctx;
	int64_t left_ms = h->deadline_ms - clock_now_ms();

	/* The loop's clock is a coarse one: some milliseconds early is no reason to begin anew.
	 */
	if (left_ms > 0) {
		loop_timer_set_ms(h->timer, (unsigned)left_ms);
		return;
	}
	hop_enter(h);
	if (h->must_tell_ready && h->state == NEXT_HOP_READY) {
		h->must_tell_ready = false;
		if (h->events != NULL)
			h->events->ready(h->ctx);
		if (!h->is_dead)
			hop_flush(h);
	} else if (h->state == NEXT_HOP_FAILED) {
		hop_tell_failure(h);
	} else if (hop_is_waiting(h)) {
		hop_is_late(h);
	} else if (h->events == NULL) {
		next_hop_fail(h, "idle");
	} else {
		next_hop_say(h, "NOOP");
		h->skipped++;
		hop_flush(h);
	}
	hop_leave(h);
}

struct next_hop *
next_hop_new(struct next_hop_place *p)
{
	struct next_hop *h = mem_new(sizeof(*h));

	h->place = p;
	h->timer = loop_timer_new(p->loop, hop_on_timer, h);
	smtp_reply_init(&h->reply);
	buf_init(&h->out, OUT_MAX_BYTES);
	buf_init(&h->held, HELD_MAX_BYTES);
	return h;
}

void
next_hop_free(struct next_hop *h)
{
	hop_disconnect(h);
	host_addresses_unref(&h->addresses);
	loop_timer_free(&h->timer);
	smtp_reply_done(&h->reply);
	next_hop_client_forget(h);
	buf_done(&h->held);
	free(h);
}

struct next_hop *
next_hop_take(struct next_hop_place *p, const struct config_listener *options,
    const struct intake_client *client, const char *proto, struct slice ident,
    const struct next_hop_events *events, void *ctx)
{
	struct next_hop *h = p->idle;

	while (h != NULL && (h->skipped > 0 || h->state != NEXT_HOP_READY))
		h = h->next;
	if (h != NULL)
		next_hop_place_forget(h);
	else
		h = next_hop_new(p);
	hop_enter(h);
	h->events = events;
	h->ctx = ctx;
	h->timeout_ms = options->next_hop_timeout_ms;
	h->keep_most = options->next_hop_connections;
	h->is_mail_sent = h->is_sending = h->has_looked_again = false;
	next_hop_client_forget(h);
	if (client != NULL && (options->xforward || options->xclient))
		next_hop_client_set(h, options, client, proto, ident);
	h->is_reused = h->stream != NULL;
	if (h->is_reused)
		next_hop_tell_client(h);
	else
		hop_connect(h);
	hop_leave(h);
	return h;
}

int
next_hop_command(struct next_hop *h, struct slice line)
{
	int r = 0;

	hop_enter(h);
	if (h->state != NEXT_HOP_READY || h->is_reused) {
		size_t len = h->held.len;

		r = buf_append_slice(&h->held, line);
		if (r == 0)
			r = buf_append_str(&h->held, "\r\n");
		if (r < 0)
			h->held.len = len;
	}
	if (r == 0 && h->state == NEXT_HOP_READY) {
		size_t len = h->out.len;

		r = buf_append_slice(&h->out, line);
		if (r == 0)
			r = buf_append_str(&h->out, "\r\n");
		if (r < 0)
			h->out.len = len;
	}
	if (r == 0)
		h->expected++;
	hop_leave(h);
	return r;
}

void
next_hop_push(struct next_hop *h)
{
	/* Nothing to send is no progress: a mail that comes in slowly must not put NOOP off. */
	if (h->state < NEXT_HOP_XCLIENT_SENT || (h->out.len == 0 && !h->is_sending))
		return;
	hop_enter(h);
	hop_flush(h);
	hop_leave(h);
}

void
next_hop_send_mail(
    struct next_hop *h, const struct slice *pieces, size_t count, unsigned replies)
{
	hop_enter(h);
	h->pieces = pieces;
	h->piece_count = count;
	h->piece_at = h->piece_from = 0;
	h->encoder = (struct smtp_dot_encoder){ 0 };
	h->is_sending = true;
	h->is_reused = false;
	h->expected += replies;
	h->mails++;
	if (h->state == NEXT_HOP_READY)
		hop_flush(h);
	hop_leave(h);
}

bool
next_hop_mail_is_sent(const struct next_hop *h)
{
	return h->is_mail_sent;
}

bool
next_hop_mail_is_written(const struct next_hop *h)
{
	return h->is_mail_sent && h->out.len == 0;
}

bool
next_hop_can_pipeline(const struct next_hop *h)
{
	return h->state == NEXT_HOP_READY && (h->offer.can & NEXT_HOP_PIPELINING) != 0;
}

static void
hop_end(struct next_hop *h)
{
	h->events = NULL;
	h->is_dead = true;
	if (h->busy == 0)
		next_hop_free(h);
}

void
next_hop_drop(struct next_hop **address)
{
	struct next_hop *h = TAKE(*address);

	if (h != NULL)
		hop_end(h);
}

void
next_hop_release(struct next_hop **address, bool in_transaction)
{
	struct next_hop *h = TAKE(*address);

	if (h == NULL)
		return;
	h->pieces = NULL;
	h->must_tell_ready = false;
	if (h->state != NEXT_HOP_READY || h->expected > 0 || h->is_sending || h->out.len > 0 ||
	    h->mails >= MAILS_MAX || h->place->idle_count >= h->keep_most) {
		hop_end(h);
		return;
	}
	hop_enter(h);
	h->events = NULL;
	h->ctx = NULL;
	h->is_mail_sent = h->is_reused = false;
	buf_done(&h->held);
	next_hop_client_forget(h);
	next_hop_place_keep(h);
	if (in_transaction) {
		next_hop_say(h, "RSET");
		h->skipped++;
		hop_flush(h);
	}
	hop_leave(h);
}
