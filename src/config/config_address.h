/* config_address.h: addresses of listeners and servers, from text to parts. */
#ifndef CORDON_CONFIG_CONFIG_ADDRESS_H
#define CORDON_CONFIG_CONFIG_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

enum config_family {
	CONFIG_FAMILY_UNIX,
	CONFIG_FAMILY_INET,
	CONFIG_FAMILY_INET6,
	CONFIG_FAMILY_ANY, /* tcp: with a name, which may be either */
};

#define CONFIG_UNIX_PATH_MAX 107 /* sun_path of Linux without the NUL */

struct config_address {
	enum config_family family;
	char host[256]; /* path of a unix socket; else name or address, without brackets */
	uint16_t port;  /* 0 for unix */
};

/* unix:/path  inet:HOST:PORT  inet6:[ADDRESS]:PORT. inet takes an IPv4 address or a name, inet6
 * an IPv6 address. False: *ret_expected (static text) says what was expected, and *ret_address
 * is untouched. */
bool config_address_parse_listen(const char *text, struct config_address *ret_address,
    const char **ret_expected);
/* unix:/path  tcp:HOST:PORT  tcp:[ADDRESS]:PORT */
bool config_address_parse_server(const char *text, struct config_address *ret_address,
    const char **ret_expected);
/* Two listeners on these cannot both work: same path, or same port on the same host text. */
bool config_address_eq(const struct config_address *a, const struct config_address *b);

/* A network, or one host. */
struct config_network {
	uint8_t bytes[16]; /* in network order; IPv4 in the first four */
	uint8_t bits;      /* that count */
	bool is_inet6;
};

/* ADDRESS or ADDRESS/BITS, IPv4 or IPv6. False: it is none; *ret_network is untouched. */
bool config_network_parse(const char *text, struct config_network *ret_network);
/* Whether address (text, IPv4 or IPv6; an IPv4-mapped IPv6 address counts as IPv4) is inside. */
bool config_network_has(const struct config_network *n, const char *address);

#endif
