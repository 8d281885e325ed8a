/* smtp_xforward.c: attributes of XFORWARD and XCLIENT, in and out. Who may give them at all is
 * the session's to know. SOURCE is taken but never sent on: whether a client counts as local is
 * for the next hop's own tables. */
#include "intake/smtp_xforward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intake/intake.h"

#define UNAVAILABLE    "[UNAVAILABLE]"
#define LINE_MAX_BYTES 510u /* without CRLF: RFC 5321 section 4.5.3.1.4 */
#define OUT_MAX_BYTES  4096u

static const struct {
	const char *name;
	bool in_xforward, in_xclient;
} attributes[SMTP_XATTR_COUNT] = {
	[SMTP_XATTR_NAME] = { "NAME", true, true },
	[SMTP_XATTR_ADDR] = { "ADDR", true, true },
	[SMTP_XATTR_PORT] = { "PORT", true, true },
	[SMTP_XATTR_PROTO] = { "PROTO", true, true },
	[SMTP_XATTR_HELO] = { "HELO", true, true },
	[SMTP_XATTR_LOGIN] = { "LOGIN", false, true },
	[SMTP_XATTR_IDENT] = { "IDENT", true, false },
	[SMTP_XATTR_SOURCE] = { "SOURCE", true, false },
	[SMTP_XATTR_DESTADDR] = { "DESTADDR", false, true },
	[SMTP_XATTR_DESTPORT] = { "DESTPORT", false, true },
	[SMTP_XATTR_REVERSE_NAME] = { "REVERSE_NAME", false, true },
};

void
smtp_xforward_done(struct smtp_xforward *x)
{
	for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++)
		mem_free(&x->values[i]);
	x->given = 0;
}

/* ---- in ---- */

/* SMTP_XATTR_COUNT: there is none of this name. */
static unsigned
find_attribute(struct slice name)
{
	unsigned i = 0;

	while (i < SMTP_XATTR_COUNT && !slice_eq_str_nocase(name, attributes[i].name))
		i++;
	return i;
}

/* -1: it is no hexadecimal digit. */
static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of xtext at the front of *s; -EINVAL. "=" passes: Postfix does not encode it. */
static int
take_xtext_byte(struct slice *s)
{
	int c = s->ptr[0];

	if (c != '+') {
		*s = slice_from(*s, 1);
	} else {
		int high = s->len >= 3 ? hex_value(s->ptr[1]) : -1;
		int low = s->len >= 3 ? hex_value(s->ptr[2]) : -1;

		if (high < 0 || low < 0)
			return -EINVAL;
		c = high * 16 + low;
		*s = slice_from(*s, 3);
	}
	return c < 0x20 || c == 0x7f ? -EINVAL : c;
}

/* Decodes into out, NUL-terminated. */
static int
decode_xtext(struct slice in, char out[SMTP_XFORWARD_VALUE_MAX_BYTES + 1])
{
	size_t len = 0;

	while (in.len > 0) {
		int c = take_xtext_byte(&in);

		if (c < 0 || len == SMTP_XFORWARD_VALUE_MAX_BYTES)
			return -EINVAL;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return len > 0 ? 0 : -EINVAL;
}

/* Puts an address into its one usual form. */
static bool
normalise_address(char value[SMTP_XFORWARD_VALUE_MAX_BYTES + 1])
{
	static const char prefix[] = "IPV6:";
	bool has_prefix = slice_starts_with_nocase(slice_of_str(value), slice_of_str(prefix));
	const char *text = has_prefix ? value + strlen(prefix) : value;
	uint8_t bytes[16];
	char out[INET6_ADDRSTRLEN];
	int family = AF_INET6;

	if (!has_prefix && inet_pton(AF_INET, text, bytes) == 1)
		family = AF_INET;
	else if (inet_pton(AF_INET6, text, bytes) != 1)
		return false;
	if (inet_ntop(family, bytes, out, sizeof(out)) == NULL)
		return false;
	memcpy(value, out, strlen(out) + 1);
	return true;
}

static bool
check_value(unsigned attribute, char value[SMTP_XFORWARD_VALUE_MAX_BYTES + 1])
{
	struct slice s = slice_of_str(value);
	uint64_t port;

	switch (attribute) {
	case SMTP_XATTR_ADDR:
	case SMTP_XATTR_DESTADDR:
		return normalise_address(value);
	case SMTP_XATTR_PORT:
	case SMTP_XATTR_DESTPORT:
		return slice_parse_uint(s, UINT16_MAX, &port);
	case SMTP_XATTR_SOURCE:
		return slice_eq_str_nocase(s, "LOCAL") || slice_eq_str_nocase(s, "REMOTE");
	default:
		return true;
	}
}

static int
parse_one(struct smtp_xforward *x, struct slice name, struct slice raw, bool is_xclient)
{
	unsigned i = find_attribute(name);
	char value[SMTP_XFORWARD_VALUE_MAX_BYTES + 1];
	char *copy;
	int err;

	if (i == SMTP_XATTR_COUNT)
		return -EINVAL;
	if (!(is_xclient ? attributes[i].in_xclient : attributes[i].in_xforward))
		return -EINVAL;
	err = decode_xtext(raw, value);
	if (err < 0)
		return err;
	if (slice_eq_str_nocase(slice_of_str(value), UNAVAILABLE) ||
	    slice_eq_str_nocase(slice_of_str(value), "[TEMPUNAVAIL]"))
		value[0] = '\0';
	else if (!check_value(i, value))
		return -EINVAL;
	copy = strdup(value);
	if (copy == NULL)
		return -ENOMEM;
	free(x->values[i]);
	x->values[i] = copy;
	x->given |= 1u << i;
	return 0;
}

static void
move_values(struct smtp_xforward *to, struct smtp_xforward *from)
{
	for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++) {
		if (from->values[i] == NULL)
			continue;
		free(to->values[i]);
		to->values[i] = TAKE(from->values[i]);
	}
	to->given |= from->given;
}

int
smtp_xforward_parse(struct smtp_xforward *x, struct slice args, bool is_xclient)
{
	CLEANUP(smtp_xforward_done) struct smtp_xforward fresh = { 0 };
	struct slice name, value;
	int err = -EINVAL; /* no attribute at all */

	args = slice_trim(args);
	while (args.len > 0) {
		size_t end = 0, mark;

		while (end < args.len && args.ptr[end] != ' ' && args.ptr[end] != '\t')
			end++;
		mark = slice_find_byte(slice_sub(args, 0, end), '=', 0);
		if (mark == SIZE_MAX)
			return -EINVAL;
		name = slice_sub(args, 0, mark);
		value = slice_sub(args, mark + 1, end - mark - 1);
		err = parse_one(&fresh, name, value, is_xclient);
		if (err < 0)
			return err;
		args = slice_trim(slice_from(args, end));
	}
	if (err == 0)
		move_values(x, &fresh);
	return err;
}

void
smtp_xforward_apply(const struct smtp_xforward *x, struct intake_client *client)
{
	const char *address = x->values[SMTP_XATTR_ADDR], *port = x->values[SMTP_XATTR_PORT];
	uint64_t number = 0;

	if (address != NULL && strlen(address) < sizeof(client->address))
		memcpy(client->address, address, strlen(address) + 1);
	if (port != NULL) {
		(void)slice_parse_uint(slice_of_str(port), UINT16_MAX, &number);
		client->port = (uint16_t)number;
	}
	if (x->values[SMTP_XATTR_NAME] != NULL)
		intake_client_set(&client->name, slice_of_str(x->values[SMTP_XATTR_NAME]));
	if (x->values[SMTP_XATTR_HELO] != NULL)
		intake_client_set(&client->helo, slice_of_str(x->values[SMTP_XATTR_HELO]));
	if (x->values[SMTP_XATTR_LOGIN] != NULL)
		intake_client_set(&client->user, slice_of_str(x->values[SMTP_XATTR_LOGIN]));
}

unsigned
smtp_xforward_parse_offer(struct slice words)
{
	unsigned offered = 0;

	words = slice_trim(words);
	while (words.len > 0) {
		size_t end = 0;
		unsigned i;

		while (end < words.len && words.ptr[end] != ' ' && words.ptr[end] != '\t')
			end++;
		i = find_attribute(slice_sub(words, 0, end));
		if (i < SMTP_XATTR_COUNT)
			offered |= 1u << i;
		words = slice_trim(slice_from(words, end));
	}
	return offered;
}

/* ---- out ---- */

/* Appends value as xtext, cut to at most room bytes. Controls become "?": a next hop would
 * decode them. */
static int
format_xtext(struct slice value, size_t room, struct buf *out)
{
	value = slice_sub(value, 0, SMTP_XFORWARD_VALUE_MAX_BYTES);
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];
		bool is_plain, fits;
		int err;

		if (c < 0x20 || c == 0x7f)
			c = '?';
		is_plain = c > 0x20 && c < 0x7f && c != '+' && c != '=';
		fits = room >= (is_plain ? 1u : 3u);
		if (!fits)
			break;
		err = is_plain ? buf_append_byte(out, c) : buf_printf(out, "+%02X", c);
		if (err < 0)
			return err;
		room -= is_plain ? 1 : 3;
	}
	return 0;
}

/* Appends " NAME=value". */
static int
format_one(unsigned attribute, struct slice value, struct buf *out)
{
	size_t room =
	    LINE_MAX_BYTES - strlen("XFORWARD =") - strlen(attributes[attribute].name);
	int err = buf_printf(out, " %s=", attributes[attribute].name);

	if (err < 0)
		return err;
	if (value.len == 0)
		return buf_append_str(out, UNAVAILABLE);
	return format_xtext(value, room, out);
}

/* The value of an attribute, in text of 80 bytes or elsewhere; false: it is not ours to send.
 */
static bool
get_value(const struct intake_client *c, const char *proto, struct slice ident,
    unsigned attribute, char text[80], struct slice *ret_value)
{
	int n = 0;

	switch (attribute) {
	case SMTP_XATTR_NAME:
		*ret_value = slice_of_str(c->name);
		return true;
	case SMTP_XATTR_ADDR:
		n = snprintf(text, 80, "%s%s", strchr(c->address, ':') != NULL ? "IPV6:" : "",
		    c->address);
		break;
	case SMTP_XATTR_PORT:
		n = c->port == 0 ? 0 : snprintf(text, 80, "%u", c->port);
		break;
	case SMTP_XATTR_PROTO:
		*ret_value = slice_of_str(proto);
		return true;
	case SMTP_XATTR_HELO:
		*ret_value = slice_of_str(c->helo);
		return true;
	case SMTP_XATTR_IDENT:
		*ret_value = ident;
		return true;
	case SMTP_XATTR_LOGIN:
		*ret_value = slice_of_str(c->user);
		return true;
	default:
		return false;
	}
	*ret_value = slice_of(text, (size_t)n);
	return true;
}

/* Adds one attribute to the line that is being made, or ends that line and begins another. */
static int
add_attribute(struct buf *lines, const char *command, size_t *line_begin, int *count,
    struct slice attribute)
{
	int err;

	if (*count > 0 && lines->len - *line_begin + attribute.len <= LINE_MAX_BYTES)
		return buf_append_slice(lines, attribute);
	err = *count > 0 ? buf_append_str(lines, "\r\n") : 0;
	if (err < 0)
		return err;
	*line_begin = lines->len;
	(*count)++;
	err = buf_append_str(lines, command);
	return err < 0 ? err : buf_append_slice(lines, attribute);
}

static int
commands_format(const char *command, const struct intake_client *client, const char *proto,
    struct slice ident, unsigned offered, struct buf *out)
{
	CLEANUP(buf_done) struct buf lines = { .max = OUT_MAX_BYTES };
	CLEANUP(buf_done) struct buf one = { .max = LINE_MAX_BYTES };
	size_t line_begin = 0;
	int count = 0, err;

	for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++) {
		struct slice value;
		char text[80];

		if ((offered & 1u << i) == 0 ||
		    !get_value(client, proto, ident, i, text, &value))
			continue;
		buf_clear(&one);
		err = format_one(i, value, &one);
		if (err == 0)
			err =
			    add_attribute(&lines, command, &line_begin, &count, buf_get(&one));
		if (err < 0)
			return err;
	}
	if (count == 0)
		return 0;
	err = buf_append_str(&lines, "\r\n");
	if (err == 0)
		err = buf_append_slice(out, buf_get(&lines));
	return err < 0 ? err : count;
}

static unsigned
attributes_of(bool is_xclient)
{
	unsigned set = 0;

	for (unsigned i = 0; i < SMTP_XATTR_COUNT; i++) {
		if (is_xclient ? attributes[i].in_xclient : attributes[i].in_xforward)
			set |= 1u << i;
	}
	return set;
}

int
smtp_xforward_format(const struct intake_client *client, const char *proto, struct slice ident,
    unsigned offered, struct buf *out)
{
	return commands_format(
	    "XFORWARD", client, proto, ident, offered & attributes_of(false), out);
}

int
smtp_xclient_format(
    const struct intake_client *client, const char *proto, unsigned offered, struct buf *out)
{
	size_t before = out->len;
	int n;

	offered &= attributes_of(true);
	n = commands_format("XCLIENT", client, proto, SLICE_NONE, offered, out);
	if (n <= 1)
		return n;
	out->len = before;
	return commands_format(
	    "XCLIENT", client, proto, SLICE_NONE, offered & ~(1u << SMTP_XATTR_HELO), out);
}
