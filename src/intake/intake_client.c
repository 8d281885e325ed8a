/* intake_client.c: the strings of who sends; "" costs an idle session nothing. */
#include "intake/intake.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macros.h"

static char no_text[1];

void
intake_client_set(char **string, struct slice value)
{
	char *copy;

	value = slice_sub(value, 0, INTAKE_STRING_MAX_BYTES);
	value.len = MIN_OF(value.len, slice_find_byte(value, '\0', 0));
	if (*string != NULL && slice_eq(value, slice_of_str(*string)))
		return;
	copy = value.len == 0 ? no_text : malloc(value.len + 1);
	if (copy == NULL)
		copy = no_text;
	else if (value.len > 0) {
		memcpy(copy, value.ptr, value.len);
		copy[value.len] = '\0';
	}
	if (*string != no_text)
		free(*string);
	*string = copy;
}

bool
intake_client_set_address(struct intake_client *c, struct slice address)
{
	if (address.len >= sizeof(c->address))
		return false;
	if (address.len > 0)
		memcpy(c->address, address.ptr, address.len);
	c->address[address.len] = '\0';
	return true;
}

int
intake_client_set_peer(struct intake_client *c, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage room;
	} a;
	socklen_t len = sizeof(a);

	memset(&a, 0, sizeof(a));
	c->address[0] = '\0';
	c->port = 0;
	if (getpeername(fd, &a.any, &len) < 0)
		return -1;
	if (a.any.sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &a.v4.sin_addr, c->address, sizeof(c->address));
		c->port = ntohs(a.v4.sin_port);
	} else if (a.any.sa_family == AF_INET6) {
		bool is_v4 = IN6_IS_ADDR_V4MAPPED(&a.v6.sin6_addr);

		(void)inet_ntop(is_v4 ? AF_INET : AF_INET6,
		    a.v6.sin6_addr.s6_addr + (is_v4 ? 12 : 0), c->address, sizeof(c->address));
		c->port = ntohs(a.v6.sin6_port);
	}
	return a.any.sa_family;
}

void
intake_client_done(struct intake_client *c)
{
	intake_client_set(&c->name, SLICE_NONE);
	intake_client_set(&c->helo, SLICE_NONE);
	intake_client_set(&c->user, SLICE_NONE);
	intake_client_set(&c->tls, SLICE_NONE);
	c->address[0] = '\0';
	c->port = 0;
}
