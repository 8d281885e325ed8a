/* spool.h: where the bytes of mails lie: shared memory regions out of one global budget. The
 * gate fills them straight from the socket; inspectors get them read-only. */
#ifndef CORDON_MESSAGE_SPOOL_H
#define CORDON_MESSAGE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct region;
struct spool_pool;

/* Bytes of one mail. */
struct spool {
	struct spool_pool *pool;
	struct region *region; /* NULL until the first byte */
	size_t len;
};

/* budget_bytes: memory of all mails in flight together. */
struct spool_pool *spool_pool_new(uint64_t budget_bytes);
/* No spool may be in use any more. */
void spool_pool_free(struct spool_pool **p);
void spool_pool_set_budget(struct spool_pool *p, uint64_t budget_bytes);
uint64_t spool_pool_get_used(const struct spool_pool *p);
/* Gives idle memory back to the system. */
void spool_pool_trim(struct spool_pool *p);

void spool_init(struct spool *s, struct spool_pool *p);
/* Room for at least 1 and at most want (> 0) more bytes. NULL and *ret_error: -EAGAIN the
 * budget is spent for now, -ENOMEM the system refuses. */
uint8_t *spool_reserve(struct spool *s, size_t want, size_t *ret_room, int *ret_error);
void spool_commit(struct spool *s, size_t len);
/* Copies; 0 or the errors of spool_reserve(): then nothing was added. */
int spool_append(struct spool *s, struct slice bytes);
struct slice spool_get(const struct spool *s);
/* Gives the memory back to the pool. */
void spool_done(struct spool *s);

#endif
