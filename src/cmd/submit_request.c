/* submit_request.c: see submit_request.h. */
#include "cmd/submit_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "config/config.h"

static bool
name_is_good(struct slice name)
{
	if (name.len == 0 || name.len > SUBMIT_NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = ascii_lower(name.ptr[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			c == '_' || c == '.'))
			return false;
	}
	return true;
}

static bool
address_is_good(struct slice address)
{
	char text[64];
	uint8_t bytes[16];

	if (address.len >= sizeof(text) || slice_find_byte(address, '\0', 0) != SIZE_MAX)
		return false;
	snprintf(text, sizeof(text), "%.*s", SLICE_FMT(address));
	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* The next word of a line whose words stand one blank apart. */
static struct slice
word_take(struct slice *line)
{
	size_t end = slice_find_byte(*line, ' ', 0);
	struct slice word = slice_sub(*line, 0, MIN_OF(end, line->len));

	*line = end == SIZE_MAX ? SLICE_NONE : slice_from(*line, end + 1);
	return word;
}

int
submit_request_format(const struct submit_request *r, struct buf *out)
{
	if (!name_is_good(r->way))
		return -EINVAL;
	return buf_printf(
	    out, "submit %.*s %llu\n", SLICE_FMT(r->way), (unsigned long long)r->length);
}

bool
submit_request_parse(struct slice arguments, struct submit_request *ret_request)
{
	struct submit_request r = { .way = word_take(&arguments) };

	if (!name_is_good(r.way) || !slice_parse_uint(arguments, UINT64_MAX >> 2, &r.length))
		return false;
	*ret_request = r;
	return true;
}

static struct slice
or_dash(struct slice s)
{
	return s.len == 0 ? SLICE_LIT("-") : s;
}

int
session_request_format(const struct session_request *r, struct buf *out)
{
	if (!name_is_good(r->protocol) || (r->listener.len > 0 && !name_is_good(r->listener)) ||
	    slice_eq_str(r->listener, "-") ||
	    (r->address.len > 0 && !address_is_good(r->address)))
		return -EINVAL;
	return buf_printf(out, "session %.*s %.*s %.*s %u\n", SLICE_FMT(r->protocol),
	    SLICE_FMT(or_dash(r->listener)), SLICE_FMT(or_dash(r->address)), r->port);
}

bool
session_request_parse(struct slice arguments, struct session_request *ret_request)
{
	struct session_request r = { .protocol = word_take(&arguments) };
	uint64_t port;

	r.listener = word_take(&arguments);
	r.address = word_take(&arguments);
	if (!name_is_good(r.protocol) || !name_is_good(r.listener) ||
	    !slice_parse_uint(arguments, UINT16_MAX, &port))
		return false;
	if (slice_eq_str(r.listener, "-"))
		r.listener = SLICE_NONE;
	if (slice_eq_str(r.address, "-"))
		r.address = SLICE_NONE;
	else if (!address_is_good(r.address))
		return false;
	r.port = (uint16_t)port;
	*ret_request = r;
	return true;
}

int
submit_envelope_put(struct buf *out, enum submit_field f, struct slice value)
{
	size_t before = out->len;

	if (slice_find_byte(value, '\0', 0) != SIZE_MAX)
		return -EINVAL;
	if (value.len == 0 && f != SUBMIT_SENDER && f != SUBMIT_RECIPIENT)
		return 0;
	if (buf_append_byte(out, (uint8_t)f) < 0 || buf_append_slice(out, value) < 0 ||
	    buf_append_byte(out, '\0') < 0) {
		out->len = before;
		return -ENOBUFS;
	}
	return 0;
}

/* One field off the front of *text. */
static bool
field_take(struct slice *text, uint8_t *ret_letter, struct slice *ret_value)
{
	size_t end = slice_find_byte(*text, '\0', 0);

	if (end == SIZE_MAX || end == 0)
		return false;
	*ret_letter = text->ptr[0];
	*ret_value = slice_sub(*text, 1, end - 1);
	*text = slice_from(*text, end + 1);
	return true;
}

/* Nobody may say that infected mail is to pass. */
static const char *
infected_find(struct slice word)
{
	static const enum action allowed[] = { ACTION_REJECT, ACTION_DISCARD, ACTION_TEMPFAIL };

	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		if (slice_eq_str(word, action_get_name(allowed[i])))
			return action_get_name(allowed[i]);
	}
	return NULL;
}

static struct slice *
field_find(struct submit_envelope *e, uint8_t letter)
{
	switch (letter) {
	case SUBMIT_CLIENT_ADDRESS:
		return &e->client_address;
	case SUBMIT_CLIENT_NAME:
		return &e->client_name;
	case SUBMIT_HELO:
		return &e->helo;
	case SUBMIT_USER:
		return &e->user;
	case SUBMIT_QUEUE_ID:
		return &e->queue_id;
	default:
		return NULL;
	}
}

static bool
field_set(struct submit_envelope *e, uint8_t letter, struct slice value)
{
	struct slice *field = field_find(e, letter);

	if (letter == SUBMIT_INFECTED && e->infected == NULL) {
		e->infected = infected_find(value);
		return e->infected != NULL;
	}
	if (field == NULL || field->len > 0 || value.len == 0 ||
	    (letter == SUBMIT_CLIENT_ADDRESS && !address_is_good(value)))
		return false;
	*field = value;
	return true;
}

bool
submit_envelope_parse(struct slice text, struct submit_envelope *ret_envelope)
{
	struct submit_envelope e = { 0 };
	struct slice value;
	uint8_t letter;

	if (!field_take(&text, &letter, &e.sender) || letter != SUBMIT_SENDER)
		return false;
	while (text.len > 0 && text.ptr[0] != SUBMIT_RECIPIENT) {
		if (!field_take(&text, &letter, &value) || !field_set(&e, letter, value))
			return false;
	}
	e.recipients = text;
	while (text.len > 0) {
		if (!field_take(&text, &letter, &value) || letter != SUBMIT_RECIPIENT)
			return false;
	}
	*ret_envelope = e;
	return true;
}

bool
submit_envelope_next(struct submit_envelope *e, struct slice *ret_recipient)
{
	uint8_t letter;

	return field_take(&e->recipients, &letter, ret_recipient);
}
