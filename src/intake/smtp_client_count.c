/* smtp_client_count.c: how many connections each client address has, over all listeners. */
#include <stdlib.h>
#include <string.h>

#include "intake/smtp_session_private.h"

#define BUCKETS 1024u

struct client_count {
	struct client_count *next;
	unsigned connections;
	char address[64];
};

static struct client_count *buckets[BUCKETS];

static struct client_count **
place_of(const char *address)
{
	uint32_t hash =
	    2166136261u; /* FNV-1a; a few thousand addresses at most, of live peers */
	struct client_count **place;

	for (const char *p = address; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	place = &buckets[hash % BUCKETS];
	while (*place != NULL && strcmp((*place)->address, address) != 0)
		place = &(*place)->next;
	return place;
}

bool
smtp_client_count_enter(const char *address, unsigned most)
{
	struct client_count **place = place_of(address), *c = *place;

	if (most != 0 && c != NULL && c->connections >= most)
		return false;
	if (c == NULL) {
		c = mem_new(sizeof(*c));
		memcpy(c->address, address, strnlen(address, sizeof(c->address) - 1));
		*place = c;
	}
	c->connections++;
	return true;
}

void
smtp_client_count_leave(const char *address)
{
	struct client_count **place = place_of(address), *c = *place;

	ASSERT(c != NULL && c->connections > 0);
	if (--c->connections > 0)
		return;
	*place = c->next;
	free(c);
}
