/* verdict_cache.c: a table of sets of eight; the one unused longest makes room. */
#include "scan/verdict_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macros.h"

#define WAYS 8u

struct entry {
	struct verdict_key key;
	uint32_t used;     /* 0: empty */
	uint32_t stored_s; /* monotonic seconds */
	enum verdict verdict;
	char name[VERDICT_NAME_SIZE];
};

struct verdict_cache {
	struct entry *entries;
	uint32_t count, ttl_s, clock;
	uint64_t hits, misses, stored, stored_at_purge;
};

struct verdict_cache *
verdict_cache_new(uint32_t entries, uint32_t ttl_s)
{
	struct verdict_cache *c = mem_new(sizeof(*c));

	c->ttl_s = ttl_s;
	if (entries > 0) {
		for (c->count = WAYS; c->count < entries && c->count < (1u << 24);)
			c->count *= 2;
		c->entries = mem_new(c->count * sizeof(*c->entries));
	}
	return c;
}

void
verdict_cache_free(struct verdict_cache **c)
{
	if (*c == NULL)
		return;
	free((*c)->entries);
	free(*c);
	*c = NULL;
}

static struct entry *
set_of(struct verdict_cache *c, const struct verdict_key *key)
{
	uint32_t v;

	memcpy(&v, key->hash.bytes, sizeof(v));
	v ^= key->scanner * 0x9e3779b1u;
	return &c->entries[v & (c->count - 1) & ~(WAYS - 1)];
}

static bool
is_same(const struct verdict_key *a, const struct verdict_key *b)
{
	return memcmp(&a->hash, &b->hash, sizeof(a->hash)) == 0 && a->scanner == b->scanner &&
	    a->flags == b->flags && a->version == b->version;
}

static uint32_t
now_s(void)
{
	return (uint32_t)(clock_now_ms() / 1000);
}

enum verdict
verdict_cache_find(struct verdict_cache *c, const struct verdict_key *key,
    char ret_name[VERDICT_NAME_SIZE])
{
	struct entry *set = c->count == 0 ? NULL : set_of(c, key);

	for (uint32_t i = 0; set != NULL && i < WAYS; i++) {
		struct entry *e = &set[i];

		if (e->used == 0 || !is_same(&e->key, key) || now_s() - e->stored_s > c->ttl_s)
			continue;
		e->used = ++c->clock;
		c->hits++;
		memcpy(ret_name, e->name, VERDICT_NAME_SIZE);
		return e->verdict;
	}
	c->misses++;
	return VERDICT_UNKNOWN;
}

void
verdict_cache_put(struct verdict_cache *c, const struct verdict_key *key, enum verdict verdict,
    struct slice name)
{
	struct entry *set = c->count == 0 ? NULL : set_of(c, key), *place = set;

	if (set == NULL || verdict == VERDICT_UNKNOWN)
		return;
	for (uint32_t i = 0; i < WAYS; i++) {
		if (set[i].used != 0 && is_same(&set[i].key, key)) {
			place = &set[i];
			break;
		}
		if (set[i].used < place->used)
			place = &set[i];
	}
	*place = (struct entry){ .key = *key, .used = ++c->clock, .stored_s = now_s(),
		.verdict = verdict };
	name = slice_sub(name, 0, VERDICT_NAME_SIZE - 1);
	if (name.len > 0)
		memcpy(place->name, name.ptr, name.len);
	c->stored++;
}

void
verdict_cache_purge(struct verdict_cache *c)
{
	if (c->count == 0 || c->stored == c->stored_at_purge)
		return;
	c->stored_at_purge = c->stored;
	/* Fresh memory is zero and costs nothing until it is used; clearing would touch it all. */
	free(c->entries);
	c->entries = mem_new(c->count * sizeof(*c->entries));
}

struct verdict_cache_status
verdict_cache_get_status(const struct verdict_cache *c)
{
	return (struct verdict_cache_status){ c->hits, c->misses, c->stored, c->count };
}
