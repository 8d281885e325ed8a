/* config_address.c: parsing of addresses. Names are not looked up here. */
#include "config/config_address.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "base/slice.h"

static bool
address_is_ip(const char *host, int af)
{
	unsigned char bytes[16];

	return inet_pton(af, host, bytes) == 1;
}

/* Letters, digits, dots, hyphens and underscores: a name that a resolver may be asked for. */
static bool
address_is_name(const char *host)
{
	for (const char *p = host; *p != '\0'; p++) {
		uint8_t c = ascii_lower((uint8_t)*p);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
			c == '-' || c == '_'))
			return false;
	}
	return *host != '\0' && *host != '.' && *host != '-';
}

/* Four dotted numbers that are no address (1.2.3.400) would pass as a name. */
static bool
address_looks_numeric(const char *host)
{
	return host[strspn(host, "0123456789.")] == '\0';
}

static bool
address_split(struct slice rest, struct config_address *a, bool *ret_brackets)
{
	size_t colon = SIZE_MAX;
	struct slice host, port;
	uint64_t number;

	for (size_t i = 0; i < rest.len; i++)
		if (rest.ptr[i] == ':')
			colon = i;
	if (colon == SIZE_MAX)
		return false;
	host = slice_sub(rest, 0, colon);
	port = slice_from(rest, colon + 1);
	*ret_brackets = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
	if (*ret_brackets)
		host = slice_sub(host, 1, host.len - 2);
	if (host.len == 0 || host.len >= sizeof(a->host) || port.len > 5 ||
	    !slice_parse_uint(port, 65535, &number) || number == 0)
		return false;
	memcpy(a->host, host.ptr, host.len);
	a->host[host.len] = '\0';
	a->port = (uint16_t)number;
	return true;
}

static bool
address_parse_unix(struct slice path, struct config_address *a, const char **ret_expected)
{
	*ret_expected = "unix:/absolute/path of at most 107 bytes";
	if (path.len < 2 || path.len > CONFIG_UNIX_PATH_MAX || path.ptr[0] != '/' ||
	    path.ptr[path.len - 1] == '/')
		return false;
	a->family = CONFIG_FAMILY_UNIX;
	memcpy(a->host, path.ptr, path.len);
	a->host[path.len] = '\0';
	return true;
}

static bool
address_parse_inet(struct slice rest, struct config_address *a, const char **ret_expected)
{
	bool brackets = false;

	*ret_expected =
	    "inet:HOST:PORT with an IPv4 address or a name, and a port from 1 to 65535";
	a->family = CONFIG_FAMILY_INET;
	return address_split(rest, a, &brackets) && !brackets &&
	       (address_is_ip(a->host, AF_INET) ||
		   (address_is_name(a->host) && !address_looks_numeric(a->host)));
}

static bool
address_parse_inet6(struct slice rest, struct config_address *a, const char **ret_expected)
{
	bool brackets = false;

	*ret_expected = "inet6:[ADDRESS]:PORT with an IPv6 address, and a port from 1 to 65535";
	a->family = CONFIG_FAMILY_INET6;
	return address_split(rest, a, &brackets) && brackets &&
	       address_is_ip(a->host, AF_INET6);
}

static bool
address_parse_tcp(struct slice rest, struct config_address *a, const char **ret_expected)
{
	bool brackets = false;

	*ret_expected = "tcp:HOST:PORT or tcp:[IPv6 ADDRESS]:PORT, with a port from 1 to 65535";
	if (!address_split(rest, a, &brackets))
		return false;
	if (brackets) {
		a->family = CONFIG_FAMILY_INET6;
		return address_is_ip(a->host, AF_INET6);
	}
	a->family = address_is_ip(a->host, AF_INET) ? CONFIG_FAMILY_INET : CONFIG_FAMILY_ANY;
	return a->family == CONFIG_FAMILY_INET ||
	       (address_is_name(a->host) && !address_looks_numeric(a->host));
}

struct address_form {
	const char *prefix;
	bool (*parse)(struct slice, struct config_address *, const char **);
};

static bool
address_parse(const struct address_form *forms, size_t count, const char *text,
    struct config_address *ret_address, const char **ret_expected)
{
	struct slice s = slice_of_str(text);

	for (size_t i = 0; i < count; i++) {
		struct slice prefix = slice_of_str(forms[i].prefix);
		struct config_address a = { .family = CONFIG_FAMILY_UNIX };

		if (!slice_starts_with(s, prefix))
			continue;
		if (!forms[i].parse(slice_from(s, prefix.len), &a, ret_expected))
			return false;
		*ret_address = a;
		return true;
	}
	return false;
}

bool
config_address_parse_listen(
    const char *text, struct config_address *ret_address, const char **ret_expected)
{
	static const struct address_form forms[] = {
		{ "unix:", address_parse_unix },
		{ "inet:", address_parse_inet },
		{ "inet6:", address_parse_inet6 },
	};

	*ret_expected = "unix:/path, inet:HOST:PORT or inet6:[ADDRESS]:PORT";
	return address_parse(forms, ARRAY_LEN(forms), text, ret_address, ret_expected);
}

bool
config_address_parse_server(
    const char *text, struct config_address *ret_address, const char **ret_expected)
{
	static const struct address_form forms[] = {
		{ "unix:", address_parse_unix },
		{ "tcp:", address_parse_tcp },
	};

	*ret_expected = "unix:/path, tcp:HOST:PORT or tcp:[ADDRESS]:PORT";
	return address_parse(forms, ARRAY_LEN(forms), text, ret_address, ret_expected);
}

bool
config_address_eq(const struct config_address *a, const struct config_address *b)
{
	if (a->family == CONFIG_FAMILY_UNIX || b->family == CONFIG_FAMILY_UNIX)
		return a->family == b->family && strcmp(a->host, b->host) == 0;
	return a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

/* Text to bytes; an IPv4-mapped address becomes IPv4. */
static bool
network_read(const char *address, struct config_network *n)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	n->is_inet6 = false;
	n->bits = 32;
	if (inet_pton(AF_INET, address, n->bytes) == 1)
		return true;
	if (inet_pton(AF_INET6, address, n->bytes) != 1)
		return false;
	if (memcmp(n->bytes, mapped, sizeof(mapped)) == 0) {
		memmove(n->bytes, n->bytes + sizeof(mapped), 4);
		return true;
	}
	n->is_inet6 = true;
	n->bits = 128;
	return true;
}

bool
config_network_parse(const char *text, struct config_network *ret_network)
{
	struct slice s = slice_of_str(text);
	size_t slash = slice_find_byte(s, '/', 0), len = MIN_OF(slash, s.len);
	struct config_network n = { .bits = 0 };
	char address[64];
	uint64_t bits;

	if (len == 0 || len >= sizeof(address))
		return false;
	memcpy(address, s.ptr, len);
	address[len] = '\0';
	if (!network_read(address, &n))
		return false;
	if (slash != SIZE_MAX) {
		if (!slice_parse_uint(slice_from(s, slash + 1), n.bits, &bits) || slash + 1 == s.len)
			return false;
		n.bits = (uint8_t)bits;
	}
	*ret_network = n;
	return true;
}

bool
config_network_has(const struct config_network *n, const char *address)
{
	struct config_network a = { .bits = 0 };

	if (!network_read(address, &a) || a.is_inet6 != n->is_inet6)
		return false;
	for (unsigned i = 0; i < n->bits; i++) {
		uint8_t bit = (uint8_t)(0x80u >> (i % 8));

		if ((a.bytes[i / 8] & bit) != (n->bytes[i / 8] & bit))
			return false;
	}
	return true;
}
