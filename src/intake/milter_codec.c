/* milter_codec.c: packets apart and together, see milter_codec.h. Lengths are checked before
 * anything is read; strings are slices, never C strings of the peer. */
#include "intake/milter_codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"

static const struct {
	uint8_t command;
	const char *name;
	size_t max;
} commands[] = {
	{ MILTER_ABORT, "ABORT", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_BODY, "BODY", MILTER_BODY_MAX_BYTES },
	{ MILTER_CONNECT, "CONNECT", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_MACRO, "MACRO", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_BODYEOB, "BODYEOB", MILTER_BODY_MAX_BYTES },
	{ MILTER_HELO, "HELO", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_QUIT_NC, "QUIT_NC", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_HEADER, "HEADER", MILTER_FIELD_MAX_BYTES },
	{ MILTER_MAIL, "MAIL", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_EOH, "EOH", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_OPTNEG, "OPTNEG", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_QUIT, "QUIT", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_RCPT, "RCPT", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_DATA, "DATA", MILTER_COMMAND_MAX_BYTES },
	{ MILTER_UNKNOWN, "UNKNOWN", MILTER_COMMAND_MAX_BYTES },
};

int
milter_packet_check(uint32_t packet_bytes, int command, struct err *e)
{
	if (packet_bytes == 0)
		return err_set(e, EINVAL, "packet of length 0");
	if (command < 0) {
		if (packet_bytes - 1 <= MILTER_BODY_MAX_BYTES)
			return 0;
		return err_set(e, EINVAL, "packet of %u bytes, at most %u are allowed",
		    packet_bytes, MILTER_BODY_MAX_BYTES + 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (commands[i].command != command)
			continue;
		if (packet_bytes - 1 <= commands[i].max)
			return 0;
		return err_set(e, EINVAL, "%s with %u bytes, at most %zu are allowed",
		    commands[i].name, packet_bytes - 1, commands[i].max);
	}
	return err_set(e, EINVAL, "unknown command 0x%02x", (unsigned)command);
}

const char *
milter_command_name(uint8_t command)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (commands[i].command == command)
			return commands[i].name;
	}
	return "?";
}

int
milter_string_next(struct slice *rest, struct slice *ret_string)
{
	size_t end;

	if (rest->len == 0)
		return 0;
	end = slice_find_byte(*rest, '\0', 0);
	if (end == SIZE_MAX)
		return -EINVAL;
	*ret_string = slice_sub(*rest, 0, end);
	*rest = slice_from(*rest, end + 1);
	return 1;
}

int
milter_connect_parse(struct slice data, struct milter_connect *ret, struct err *e)
{
	struct milter_connect c = { .family = 'U' };

	if (milter_string_next(&data, &c.name) != 1)
		return err_set(e, EINVAL, "CONNECT: the host name has no end");
	if (data.len == 0)
		return err_set(e, EINVAL, "CONNECT: no address family");
	c.family = data.ptr[0];
	data = slice_from(data, 1);
	if (c.family == 'U') {
		*ret = c;
		return 0;
	}
	if (c.family != 'L' && c.family != '4' && c.family != '6')
		return err_set(e, EINVAL, "CONNECT: unknown address family 0x%02x", c.family);
	if (data.len < 2)
		return err_set(e, EINVAL, "CONNECT: no port");
	c.port = (uint16_t)(data.ptr[0] << 8 | data.ptr[1]);
	data = slice_from(data, 2);
	if (milter_string_next(&data, &c.address) != 1)
		return err_set(e, EINVAL, "CONNECT: the address has no end");
	if (c.family == '6' && slice_starts_with_nocase(c.address, SLICE_LIT("IPv6:")))
		c.address = slice_from(c.address, 5);
	*ret = c;
	return 0;
}

int
milter_address_parse(
    uint8_t *data, size_t len, struct slice *ret_address, struct slice *ret_args, struct err *e)
{
	struct slice rest = slice_of(data, len), address;

	if (len == 0)
		return err_set(e, EINVAL, "no address");
	if (data[len - 1] != '\0')
		return err_set(e, EINVAL, "the last argument has no end");
	(void)milter_string_next(&rest, &address); /* there is a NUL */
	if (rest.len > 0) {
		uint8_t *args = data + (len - rest.len);

		for (size_t i = 0; i + 1 < rest.len; i++)
			args[i] = args[i] == '\0' ? ' ' : args[i];
		rest.len--;
	}
	if (address.len >= 2 && address.ptr[0] == '<' && address.ptr[address.len - 1] == '>')
		address = slice_sub(address, 1, address.len - 2);
	*ret_address = address;
	*ret_args = rest;
	return 0;
}

int
milter_field_parse(
    struct slice data, struct slice *ret_name, struct slice *ret_value, struct err *e)
{
	struct slice name;

	if (milter_string_next(&data, &name) != 1)
		return err_set(e, EINVAL, "HEADER: the name has no end");
	if (data.len == 0 || data.ptr[data.len - 1] != '\0')
		return err_set(e, EINVAL, "HEADER: the value has no end");
	*ret_name = name;
	*ret_value = slice_sub(data, 0, data.len - 1);
	return 0;
}

/* The header of a packet whose arguments have data_len bytes; room for them is kept, so that
 * the appends which follow cannot fail. */
static int
put_begin(struct buf *out, uint8_t command, size_t data_len)
{
	uint32_t len = (uint32_t)data_len + 1;
	uint8_t header[MILTER_HEADER_BYTES] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16),
		(uint8_t)(len >> 8), (uint8_t)len, command };
	int r = buf_reserve(out, data_len + sizeof(header));

	return r < 0 ? r : buf_append(out, header, sizeof(header));
}

int
milter_put_packet(struct buf *out, uint8_t command, struct slice data)
{
	int r = put_begin(out, command, data.len);

	return r < 0 ? r : buf_append_slice(out, data);
}

static bool
field_name_is_good(const char *name)
{
	size_t n = 0;

	for (; name[n] != '\0'; n++) {
		if (name[n] <= ' ' || name[n] > '~' || name[n] == ':')
			return false;
	}
	return n > 0 && n <= 200;
}

/* value into text, made safe: a line end stays only before a blank (RFC 5322 2.2.3), as LF,
 * which both MTAs turn into their own. Returns its length. */
static size_t
field_value_clean(const char *value, char text[MILTER_VALUE_MAX_BYTES])
{
	size_t n = 0;

	for (const char *p = value; *p != '\0' && n < MILTER_VALUE_MAX_BYTES - 1; p++) {
		uint8_t c = (uint8_t)*p;

		if (c == '\r' && p[1] == '\n')
			continue;
		if (c == '\n')
			text[n++] = p[1] == ' ' || p[1] == '\t' ? '\n' : ' ';
		else
			text[n++] = c == '\t' || (c >= ' ' && c <= '~') ? (char)c : '?';
	}
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	return n;
}

int
milter_put_header(
    struct buf *out, const char *name, const char *value, bool insert, bool leading_space)
{
	static const uint8_t index_top[4] = { 0, 0, 0, 0 };
	char text[MILTER_VALUE_MAX_BYTES];
	size_t name_len = strlen(name), value_len, index_len = insert ? sizeof(index_top) : 0;
	int r;

	if (!field_name_is_good(name))
		return -EINVAL;
	value_len = field_value_clean(value, text);
	leading_space = leading_space && (value_len == 0 || text[0] != ' ');
	r = put_begin(out, insert ? MILTER_REPLY_INSHEADER : MILTER_REPLY_ADDHEADER,
	    index_len + name_len + 1 + (leading_space ? 1 : 0) + value_len + 1);
	if (r < 0)
		return r;
	(void)buf_append(out, index_top, index_len);
	(void)buf_append(out, name, name_len + 1);
	if (leading_space)
		(void)buf_append_byte(out, ' ');
	(void)buf_append(out, text, value_len);
	return buf_append_byte(out, '\0');
}

int
milter_put_header_removal(struct buf *out, const char *name, unsigned index)
{
	uint8_t number[4] = { (uint8_t)(index >> 24), (uint8_t)(index >> 16),
		(uint8_t)(index >> 8), (uint8_t)index };
	size_t name_len = strlen(name);
	int r;

	if (!field_name_is_good(name) || index == 0 || index > INT32_MAX)
		return -EINVAL;
	r = put_begin(out, MILTER_REPLY_CHGHEADER, sizeof(number) + name_len + 2);
	if (r < 0)
		return r;
	(void)buf_append(out, number, sizeof(number));
	(void)buf_append(out, name, name_len + 1);
	return buf_append_byte(out, '\0');
}

/* One line of text that an MTA may print. double_percent as milter_codec.h says.
 * Returns its length; fallback is taken when nothing visible is left. */
static size_t
text_clean(const char *text, const char *fallback, bool double_percent,
    char ret[2 * MILTER_TEXT_MAX_BYTES])
{
	size_t n = 0, taken = 0;
	const char *p = text == NULL ? "" : text;

	while (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')
		p++;
	for (; *p != '\0' && taken < MILTER_TEXT_MAX_BYTES; p++, taken++) {
		uint8_t c = (uint8_t)*p;

		if (c == '%' && double_percent)
			ret[n++] = '%';
		ret[n++] = (char)(c < ' ' || c == 0x7f ? ' ' : c > '~' ? '?' : c);
	}
	while (n > 0 && ret[n - 1] == ' ')
		n--;
	if (n == 0 && fallback != NULL)
		return text_clean(fallback, NULL, double_percent, ret);
	return n;
}

int
milter_put_quarantine(struct buf *out, const char *reason)
{
	char text[2 * MILTER_TEXT_MAX_BYTES];
	size_t len = text_clean(reason, "held by policy", false, text);
	int r = put_begin(out, MILTER_REPLY_QUARANTINE, len + 1);

	if (r < 0)
		return r;
	(void)buf_append(out, text, len);
	return buf_append_byte(out, '\0');
}

/* "5.7.1": class, subject of 1 to 3 digits, detail of 1 to 3 digits (RFC 3463 section 2). */
static bool
enhanced_is_good(const char *s, char class)
{
	if (s == NULL || s[0] != class)
		return false;
	s++;
	for (int part = 0; part < 2; part++) {
		int digits = 0;

		if (*s++ != '.')
			return false;
		while (digits < 3 && *s >= '0' && *s <= '9') {
			s++;
			digits++;
		}
		if (digits == 0)
			return false;
	}
	return *s == '\0';
}

int
milter_put_reply(
    struct buf *out, bool permanent, unsigned code, const char *enhanced, const char *text)
{
	char clean[2 * MILTER_TEXT_MAX_BYTES], head[32];
	unsigned class = permanent ? 5 : 4;
	size_t len = text_clean(
	    text, permanent ? "Message refused" : "Please try again later", true, clean);
	int head_len, r;

	if (code / 100 != class)
		code = permanent ? 550 : 451;
	if (!enhanced_is_good(enhanced, (char)('0' + class)))
		enhanced = permanent ? "5.7.1" : "4.7.1";
	head_len = snprintf(head, sizeof(head), "%u %s ", code, enhanced);
	ASSERT(head_len > 0 && (size_t)head_len < sizeof(head));
	r = put_begin(out, MILTER_REPLY_REPLYCODE, (size_t)head_len + len + 1);
	if (r < 0)
		return r;
	(void)buf_append(out, head, (size_t)head_len);
	(void)buf_append(out, clean, len);
	return buf_append_byte(out, '\0');
}
