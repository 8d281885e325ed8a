/* known.c: a table with one place per hash (four tried), entries guarded by a sequence. */
#include "scan/known.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define WAYS 4u

static uint32_t
place(const struct sha256 *hash)
{
	uint32_t v;

	memcpy(&v, hash->bytes + 8, sizeof(v));
	return v & (KNOWN_ENTRIES - 1) & ~(WAYS - 1);
}

void
known_put(struct known_table *t, uint32_t epoch, const struct sha256 *hash, const char *scanner,
    const char *name)
{
	static uint32_t turn;
	struct known_entry *set = &t->entries[place(hash)], *e = &set[turn++ % WAYS];
	uint32_t sequence;

	for (uint32_t i = 0; i < WAYS; i++) {
		if (set[i].epoch == epoch && memcmp(&set[i].hash, hash, sizeof(*hash)) == 0)
			return;
		if (set[i].epoch != epoch)
			e = &set[i];
	}
	sequence = e->sequence;
	__atomic_store_n(&e->sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	e->epoch = epoch;
	e->hash = *hash;
	snprintf(e->scanner, sizeof(e->scanner), "%s", scanner);
	snprintf(e->name, sizeof(e->name), "%s", name);
	__atomic_store_n(&e->sequence, sequence + 2, __ATOMIC_RELEASE);
}

bool
known_find(const struct known_table *t, uint32_t epoch, const struct sha256 *hash,
    struct known_entry *ret_entry)
{
	const struct known_entry *set = &t->entries[place(hash)];

	for (uint32_t i = 0; i < WAYS; i++) {
		uint32_t before = __atomic_load_n(&set[i].sequence, __ATOMIC_ACQUIRE);
		struct known_entry copy;

		if ((before & 1) != 0 || set[i].epoch != epoch ||
		    memcmp(&set[i].hash, hash, sizeof(*hash)) != 0)
			continue;
		copy = set[i];
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (__atomic_load_n(&set[i].sequence, __ATOMIC_RELAXED) != before)
			continue;
		copy.scanner[KNOWN_SCANNER_SIZE - 1] = copy.name[KNOWN_NAME_SIZE - 1] = '\0';
		*ret_entry = copy;
		return true;
	}
	return false;
}
