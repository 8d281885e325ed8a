/* arena.h: memory that lives as long as one mail and is never freed singly. Bounded.
 * Under AddressSanitizer every piece comes from malloc, so that overruns are seen. */
#ifndef CORDON_BASE_ARENA_H
#define CORDON_BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"

struct arena;

/* An empty arena that hands out at most max bytes. Ends the process when out of memory. */
struct arena *arena_new(size_t max);
void arena_free(struct arena **a);
/* Gives everything back to the arena but keeps its first block for the next mail. */
void arena_clear(struct arena *a);
/* Zeroed, aligned for any type; NULL when max is reached or memory is refused. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy of the bytes (NUL-terminated behind); ptr is NULL when refused. */
struct slice arena_copy(struct arena *a, struct slice s);
size_t arena_get_used(const struct arena *a);

#endif
