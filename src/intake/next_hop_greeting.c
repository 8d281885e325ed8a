/* next_hop_greeting.c: the begin of a connection to the next hop, and of each mail on it:
 * greeting, EHLO and what is offered, STARTTLS, who the client is. What follows is
 * next_hop.c's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/macros.h"
#include "config/config.h"
#include "intake/intake.h"
#include "intake/next_hop_private.h"
#include "intake/smtp_xforward.h"

enum client_name { CLIENT_NAME, CLIENT_HELO, CLIENT_ADDRESS, CLIENT_USER };

void
next_hop_client_forget(struct next_hop *h)
{
	for (size_t i = 0; i < ARRAY_LEN(h->names); i++) {
		free(h->names[i]);
		h->names[i] = NULL;
	}
	h->wants_xforward = h->wants_xclient = false;
}

void
next_hop_client_set(struct next_hop *h, const struct config_listener *options,
    const struct intake_client *client, const char *proto, struct slice ident)
{
	h->wants_xforward = options->xforward;
	h->wants_xclient = options->xclient;
	h->names[CLIENT_USER] = mem_strdup(client->user);
	h->names[CLIENT_NAME] = mem_strdup(client->name);
	h->names[CLIENT_HELO] = mem_strdup(client->helo);
	h->names[CLIENT_ADDRESS] = mem_strdup(client->address);
	h->port = client->port;
	snprintf(h->proto, sizeof(h->proto), "%s", proto);
	snprintf(h->ident, sizeof(h->ident), "%.*s", SLICE_FMT(slice_sub(ident, 0, 63)));
}

void
next_hop_say_hello(struct next_hop *h, enum next_hop_state state)
{
	char host[256], line[300];

	if (gethostname(host, sizeof(host) - 1) < 0)
		snprintf(host, sizeof(host), "localhost");
	host[sizeof(host) - 1] = '\0';
	snprintf(line, sizeof(line), "%s %s", h->place->is_lmtp ? "LHLO" : "EHLO", host);
	h->state = state;
	next_hop_say(h, line);
}

static const struct {
	const char *keyword;
	unsigned can;
} keywords[] = {
	{ "PIPELINING", NEXT_HOP_PIPELINING },
	{ "8BITMIME", NEXT_HOP_8BITMIME },
	{ "SMTPUTF8", NEXT_HOP_SMTPUTF8 },
	{ "DSN", NEXT_HOP_DSN },
	{ "ENHANCEDSTATUSCODES", NEXT_HOP_ENHANCED },
	{ "STARTTLS", NEXT_HOP_STARTTLS },
	{ "SIZE", NEXT_HOP_SIZE },
};

/* The first line is the greeting; each further line a keyword and its words. */
static void
offer_read(struct next_hop *h)
{
	struct next_hop_offer o = { .is_known = true };

	for (unsigned i = 1; i < h->reply.lines; i++) {
		struct slice line = slice_trim(smtp_reply_get_line(&h->reply, i));
		size_t blank = MIN_OF(slice_find_byte(line, ' ', 0), line.len);
		struct slice word = slice_sub(line, 0, blank);
		struct slice rest = slice_trim(slice_from(line, blank));

		for (size_t k = 0; k < ARRAY_LEN(keywords); k++) {
			if (slice_eq_str_nocase(word, keywords[k].keyword))
				o.can |= keywords[k].can;
		}
		if (slice_eq_str_nocase(word, "SIZE"))
			(void)slice_parse_uint(rest, UINT64_MAX, &o.size_bytes);
		if (slice_eq_str_nocase(word, "XFORWARD"))
			o.xforward = smtp_xforward_parse_offer(rest);
		if (slice_eq_str_nocase(word, "XCLIENT"))
			o.xclient = smtp_xforward_parse_offer(rest);
	}
	h->offer = o;
}

static struct intake_client
client_get(const struct next_hop *h)
{
	struct intake_client client = { .port = h->port,
		.name = h->names[CLIENT_NAME],
		.helo = h->names[CLIENT_HELO],
		.user = h->names[CLIENT_USER] };

	snprintf(client.address, sizeof(client.address), "%s", h->names[CLIENT_ADDRESS]);
	return client;
}

/* XFORWARD first, then what waited. */
static void
hop_become_ready(struct next_hop *h)
{
	int n = 0;

	h->state = NEXT_HOP_READY;
	if (h->wants_xforward && h->offer.xforward != 0) {
		struct intake_client client = client_get(h);

		n = smtp_xforward_format(
		    &client, h->proto, slice_of_str(h->ident), h->offer.xforward, &h->out);
	}
	if (n < 0 || buf_append_slice(&h->out, buf_get(&h->held)) < 0) {
		next_hop_fail(h, "no memory");
		return;
	}
	h->skipped += (unsigned)MAX_OF(n, 0);
	if (!h->is_reused) {
		buf_done(&h->held);
		next_hop_client_forget(h);
	}
	h->must_tell_ready = h->events != NULL && h->events->ready != NULL;
}

/* With XCLIENT the next hop treats the client as its own: its tables of networks, hosts and
 * names hold for the client and not for us. */
void
next_hop_tell_client(struct next_hop *h)
{
	struct intake_client client;
	int n = 0;

	if (h->wants_xclient && h->offer.xclient != 0) {
		client = client_get(h);
		n = smtp_xclient_format(&client, h->proto, h->offer.xclient, &h->out);
	}
	if (n < 0)
		next_hop_fail(h, "no memory");
	else if (n > 0)
		h->state = NEXT_HOP_XCLIENT_SENT;
	else
		hop_become_ready(h);
}

/* Without it the mail would come from us, who may be allowed more than the client. */
static void
handle_xclient(struct next_hop *h)
{
	if (h->reply.code == 421 && h->is_reused) {
		next_hop_lost(h, "it closes the connection");
		return;
	}
	if (h->reply.code != 220) {
		next_hop_fail(h, "it refuses XCLIENT");
		return;
	}
	h->is_reused = false;
	next_hop_say_hello(h, NEXT_HOP_EHLO_AGAIN);
}

static void
handle_ehlo(struct next_hop *h)
{
	int tls = h->place->tls;
	bool is_offered;

	if (h->reply.code != 250) {
		next_hop_fail(h, "it refuses EHLO");
		return;
	}
	offer_read(h);
	is_offered = (h->offer.can & NEXT_HOP_STARTTLS) != 0;
	if (tls != CONFIG_TLS_NONE && !stream_is_tls(h->stream) && is_offered) {
		h->state = NEXT_HOP_STARTTLS_SENT;
		next_hop_say(h, "STARTTLS");
		return;
	}
	if (tls >= CONFIG_TLS_MUST && !stream_is_tls(h->stream)) {
		next_hop_fail(h, "it does not offer STARTTLS");
		return;
	}
	h->place->offer = h->offer;
	next_hop_tell_client(h);
}

static void
handle_starttls(struct next_hop *h)
{
	struct tls_context *t;

	if (h->reply.code != 220) {
		if (h->place->tls >= CONFIG_TLS_MUST) {
			next_hop_fail(h, "it refuses STARTTLS");
			return;
		}
		h->place->offer = h->offer;
		next_hop_tell_client(h);
		return;
	}
	t = next_hop_place_get_tls(h->place);
	if (t == NULL || stream_start_tls(h->stream, t, h->place->name) < 0) {
		next_hop_fail(h, "TLS cannot be set up");
		return;
	}
	h->state = NEXT_HOP_HANDSHAKE;
}

void
next_hop_greeting_reply(struct next_hop *h)
{
	unsigned code = h->reply.code;

	switch (h->state) {
	case NEXT_HOP_BANNER:
		if (code == 220)
			next_hop_say_hello(h, NEXT_HOP_EHLO);
		else
			next_hop_fail(h, "it does not take connections now");
		return;
	case NEXT_HOP_EHLO:
		handle_ehlo(h);
		return;
	case NEXT_HOP_STARTTLS_SENT:
		handle_starttls(h);
		return;
	case NEXT_HOP_XCLIENT_SENT:
		handle_xclient(h);
		return;
	case NEXT_HOP_EHLO_AGAIN:
		if (code == 250)
			hop_become_ready(h);
		else
			next_hop_fail(h, "it refuses EHLO");
		return;
	default:
		next_hop_fail(h, "it speaks out of turn");
	}
}
