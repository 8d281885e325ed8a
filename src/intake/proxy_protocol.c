/* proxy_protocol.c: reads the header of either version. Whether a peer may send one is the
 * listener's to know; a listener that expects one takes no connection without. */
#include "intake/proxy_protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/macros.h"

#define V1_MAX_BYTES 107u /* with CRLF */

/* Version 2: signature, version and command, family and transport, length of the rest. */
#define V2_HEADER_BYTES 16u
#define V2_COMMAND_AT   12u
#define V2_FAMILY_AT    13u
#define V2_INET_BYTES   12u
#define V2_INET6_BYTES  36u
#define V2_UNIX_BYTES   216u

static const struct slice v1_begin = { (const uint8_t *)"PROXY ", 6 };
static const struct slice v2_begin = { (const uint8_t *)"\r\n\r\n\0\r\nQUIT\n", 12 };

/* What has come of in is the begin of begin, or more. */
static bool
may_begin_with(struct slice in, struct slice begin)
{
	size_t len = MIN_OF(in.len, begin.len);

	return slice_eq(slice_sub(in, 0, len), slice_sub(begin, 0, len));
}

/* The word up to the next blank or the end, and that blank, off the front of *line. */
static struct slice
take_word(struct slice *line)
{
	struct slice word = slice_sub(*line, 0, slice_find_byte(*line, ' ', 0));

	*line = slice_from(*line, word.len + 1);
	return word;
}

static bool
parse_address(struct slice word, int family, char ret_text[64])
{
	char text[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	if (word.len == 0 || word.len >= sizeof(text) ||
	    memchr(word.ptr, '\0', word.len) != NULL)
		return false;
	memcpy(text, word.ptr, word.len);
	text[word.len] = '\0';
	return inet_pton(family, text, bytes) == 1 &&
	       inet_ntop(family, bytes, ret_text, 64) != NULL;
}

static bool
parse_port(struct slice word, uint16_t *ret_port)
{
	uint64_t port;

	if (word.len > 1 && word.ptr[0] == '0')
		return false;
	if (!slice_parse_uint(word, UINT16_MAX, &port))
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

/* line: behind "PROXY ", without CRLF. */
static int
parse_v1_line(struct slice line, struct proxy_protocol *h)
{
	bool has_more = slice_find_byte(line, ' ', 0) != SIZE_MAX;
	struct slice protocol = take_word(&line);
	char other[64];
	uint16_t other_port;
	int family;

	if (slice_eq_str(protocol, "UNKNOWN")) { /* what follows is to be ignored */
		h->is_local = true;
		return 1;
	}
	if (slice_eq_str(protocol, "TCP4"))
		family = AF_INET;
	else if (slice_eq_str(protocol, "TCP6"))
		family = AF_INET6;
	else
		return -EPROTO;
	if (!has_more || !parse_address(take_word(&line), family, h->address) ||
	    !parse_address(take_word(&line), family, other) ||
	    !parse_port(take_word(&line), &h->port) || !parse_port(line, &other_port))
		return -EPROTO;
	return 1;
}

static int
parse_v1(struct slice in, struct proxy_protocol *h, size_t *ret_used)
{
	struct slice line = slice_sub(in, 0, V1_MAX_BYTES);
	size_t lf = slice_find_byte(line, '\n', 0);
	size_t cr = slice_find_byte(line, '\r', 0);

	if (cr == SIZE_MAX && lf == SIZE_MAX)
		return line.len == V1_MAX_BYTES ? -EPROTO : 0;
	if (cr == line.len - 1 && lf == SIZE_MAX)
		return line.len == V1_MAX_BYTES ? -EPROTO : 0;
	if (cr == SIZE_MAX || lf != cr + 1)
		return -EPROTO;
	*ret_used = lf + 1;
	return parse_v1_line(slice_sub(line, v1_begin.len, cr - v1_begin.len), h);
}

/* The bytes of version 2 that may be checked before all are there. 0: fine so far. */
static int
check_v2(struct slice in)
{
	uint8_t command = in.len > V2_COMMAND_AT ? in.ptr[V2_COMMAND_AT] : 0x20;
	uint8_t family = in.len > V2_FAMILY_AT ? in.ptr[V2_FAMILY_AT] : 0;

	if (command != 0x20 && command != 0x21)
		return -EPROTO;
	/* LOCAL: the family is to be ignored. */
	return command == 0x21 && (family >> 4 > 3 || (family & 15) > 2) ? -EPROTO : 0;
}

static uint16_t
read_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* in: one whole header. */
static int
parse_v2_addresses(struct slice in, struct proxy_protocol *h)
{
	struct slice rest = slice_from(in, V2_HEADER_BYTES);
	bool ok = true;

	if (in.ptr[V2_COMMAND_AT] == 0x20) {
		h->is_local = true;
		return 1;
	}
	switch (in.ptr[V2_FAMILY_AT]) {
	case 0x11:
		ok = rest.len >= V2_INET_BYTES &&
		     inet_ntop(AF_INET, rest.ptr, h->address, sizeof(h->address)) != NULL;
		h->port = ok ? read_be16(rest.ptr + 8) : 0;
		break;
	case 0x21:
		ok = rest.len >= V2_INET6_BYTES &&
		     inet_ntop(AF_INET6, rest.ptr, h->address, sizeof(h->address)) != NULL;
		h->port = ok ? read_be16(rest.ptr + 32) : 0;
		break;
	case 0x31:
		ok = rest.len >= V2_UNIX_BYTES;
		break;
	default: /* unspecified, or no stream: as if unspecified */
		h->is_local = true;
		break;
	}
	return ok ? 1 : -EPROTO;
}

static int
parse_v2(struct slice in, struct proxy_protocol *h, size_t *ret_used)
{
	size_t whole;
	int err = check_v2(in);

	if (err < 0 || in.len < V2_HEADER_BYTES)
		return err;
	whole = V2_HEADER_BYTES + read_be16(in.ptr + 14);
	if (whole > PROXY_PROTOCOL_MAX_BYTES)
		return -EPROTO;
	if (in.len < whole)
		return 0;
	*ret_used = whole;
	return parse_v2_addresses(slice_sub(in, 0, whole), h);
}

int
proxy_protocol_parse(struct slice in, struct proxy_protocol *ret_header, size_t *ret_used)
{
	struct proxy_protocol header = { 0 };
	size_t used = 0;
	int r;

	if (in.len == 0)
		return 0;
	if (may_begin_with(in, v1_begin))
		r = in.len < v1_begin.len ? 0 : parse_v1(in, &header, &used);
	else if (may_begin_with(in, v2_begin))
		r = in.len < v2_begin.len ? 0 : parse_v2(in, &header, &used);
	else
		r = -EPROTO;
	if (r == 1) {
		*ret_header = header;
		*ret_used = used;
	}
	return r;
}
