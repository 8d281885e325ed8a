/* smtp_client_count.c: how many connections each client has, over all listeners. A client is an
 * IPv4 address, or the /64 network of an IPv6 address: whoever has one of these has all of it.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intake/smtp_session_private.h"

#define BUCKETS 1024u

struct client_count {
	struct client_count *next;
	unsigned connections;
	char client[INET6_ADDRSTRLEN];
};

static struct client_count *buckets[BUCKETS];

static void
client_of(const char *address, char ret_client[INET6_ADDRSTRLEN])
{
	struct in6_addr six;
	bool is_network =
	    inet_pton(AF_INET6, address, &six) == 1 && !IN6_IS_ADDR_V4MAPPED(&six);

	if (is_network)
		memset(six.s6_addr + 8, 0, 8);
	if (!is_network || inet_ntop(AF_INET6, &six, ret_client, INET6_ADDRSTRLEN) == NULL)
		snprintf(ret_client, INET6_ADDRSTRLEN, "%s", address);
}

static struct client_count **
place_of(const char *client)
{
	uint32_t hash =
	    2166136261u; /* FNV-1a; a few thousand addresses at most, of live peers */
	struct client_count **place;

	for (const char *p = client; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	place = &buckets[hash % BUCKETS];
	while (*place != NULL && strcmp((*place)->client, client) != 0)
		place = &(*place)->next;
	return place;
}

bool
smtp_client_count_enter(const char *address, unsigned most)
{
	char client[INET6_ADDRSTRLEN];
	struct client_count **place, *c;

	client_of(address, client);
	place = place_of(client);
	c = *place;
	if (most != 0 && c != NULL && c->connections >= most)
		return false;
	if (c == NULL) {
		c = mem_new(sizeof(*c));
		memcpy(c->client, client, sizeof(c->client));
		*place = c;
	}
	c->connections++;
	return true;
}

void
smtp_client_count_leave(const char *address)
{
	char client[INET6_ADDRSTRLEN];
	struct client_count **place, *c;

	client_of(address, client);
	place = place_of(client);
	c = *place;
	ASSERT(c != NULL && c->connections > 0);
	if (--c->connections > 0)
		return;
	*place = c->next;
	free(c);
}
