/* verdict_cache.h: what a scanner said about an object before. Keyed by hash, scanner and the
 * version of its database, so that a new database makes old answers unreachable. Only clean
 * and infected are kept. One thread. */
#ifndef CORDON_SCAN_VERDICT_CACHE_H
#define CORDON_SCAN_VERDICT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sha256.h"
#include "scan/finding.h"

#define VERDICT_NAME_SIZE 80

struct verdict_cache;

struct verdict_key {
	struct sha256 hash;
	uint32_t scanner;  /* number of the scanner */
	uint32_t flags;    /* what was asked differently: REPORT_OPENED */
	uint64_t version;  /* of its database and limits */
};

struct verdict_cache_status {
	uint64_t hits, misses, stored;
	uint32_t entries;  /* places */
};

/* entries: rounded up to a power of two; 0 keeps nothing. */
struct verdict_cache *verdict_cache_new(uint32_t entries, uint32_t ttl_s);
void verdict_cache_free(struct verdict_cache **c);
/* VERDICT_UNKNOWN when there is no answer. name: "" or what it was infected with. */
enum verdict verdict_cache_find(struct verdict_cache *c, const struct verdict_key *key,
    char ret_name[VERDICT_NAME_SIZE]);
void verdict_cache_put(struct verdict_cache *c, const struct verdict_key *key,
    enum verdict verdict, struct slice name);
void verdict_cache_purge(struct verdict_cache *c);
struct verdict_cache_status verdict_cache_get_status(const struct verdict_cache *c);

#endif
