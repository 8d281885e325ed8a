/* spool.c: growing regions, a list of idle ones, and the budget. */
#include "message/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "proc/region.h"

#define FIRST_BYTES (256u * 1024)
#define GROW_LINEAR_BYTES (4u << 20) /* from here on by half, not double */
#define IDLE_KEEP_BYTES (256u * 1024)   /* memory every idle region may hold ... */
#define IDLE_ALL_BYTES  (32u << 20)     /* ... and more as long as all hold less than this: fresh
                                         * pages cost more than filling them */
#define IDLE_MAX 64

struct spool_pool {
	uint64_t budget, used; /* bytes of regions in use */
	uint64_t idle_bytes;   /* memory that idle regions may hold */
	struct region *idle;
	unsigned idle_count;
};

struct spool_pool *
spool_pool_new(uint64_t budget_bytes)
{
	struct spool_pool *p = mem_new(sizeof(*p));

	p->budget = budget_bytes;
	return p;
}

static void
idle_drop(struct spool_pool *p)
{
	while (p->idle != NULL) {
		struct region *r = p->idle;

		p->idle = r->next;
		region_free(&r);
	}
	p->idle_count = 0;
	p->idle_bytes = 0;
}

void
spool_pool_free(struct spool_pool **p)
{
	if (*p == NULL)
		return;
	idle_drop(*p);
	free(*p);
	*p = NULL;
}

void
spool_pool_set_budget(struct spool_pool *p, uint64_t budget_bytes)
{
	p->budget = budget_bytes;
}

uint64_t
spool_pool_get_used(const struct spool_pool *p)
{
	return p->used;
}

void
spool_pool_trim(struct spool_pool *p)
{
	for (struct region *r = p->idle; r != NULL; r = r->next)
		region_trim(r, 0);
	p->idle_bytes = 0;
}

void
spool_init(struct spool *s, struct spool_pool *p)
{
	*s = (struct spool){ .pool = p };
}

static int
spool_first_region(struct spool *s)
{
	struct spool_pool *p = s->pool;
	struct region *r = p->idle;

	if (r != NULL) {
		if (p->used + r->size > p->budget && p->used > 0)
			return -EAGAIN;
		p->idle = r->next;
		p->idle_count--;
		p->idle_bytes -= MIN_OF(p->idle_bytes, (uint64_t)r->touched);
	} else {
		if (p->used + FIRST_BYTES > p->budget && p->used > 0)
			return -EAGAIN;
		r = region_new("cordon-spool", FIRST_BYTES, NULL);
		if (r == NULL)
			return -ENOMEM;
	}
	r->next = NULL;
	p->used += r->size;
	s->region = r;
	return 0;
}

static int
spool_grow(struct spool *s)
{
	struct region *r = s->region;
	size_t size = r->size < GROW_LINEAR_BYTES ? r->size * 2 : r->size + r->size / 2;
	int status;

	size = (size + 4095) & ~(size_t)4095;
	/* A lone mail may pass the budget: max_message_size bounds it. */
	if (s->pool->used + (size - r->size) > s->pool->budget && s->pool->used > r->size)
		return -EAGAIN;
	s->pool->used += size - r->size;
	status = region_grow(r, size);
	if (status < 0) {
		s->pool->used -= size - r->size;
		return -ENOMEM;
	}
	return 0;
}

uint8_t *
spool_reserve(struct spool *s, size_t want, size_t *ret_room, int *ret_error)
{
	int r = 0;

	ASSERT(want > 0);
	if (s->region == NULL)
		r = spool_first_region(s);
	else if (s->len == s->region->size)
		r = spool_grow(s);
	if (r < 0) {
		*ret_error = r;
		return NULL;
	}
	*ret_room = MIN_OF(want, s->region->size - s->len);
	return s->region->ptr + s->len;
}

void
spool_commit(struct spool *s, size_t len)
{
	ASSERT(s->region != NULL && len <= s->region->size - s->len);
	s->len += len;
	s->region->touched = MAX_OF(s->region->touched, s->len);
}

int
spool_append(struct spool *s, struct slice bytes)
{
	size_t before = s->len;

	while (bytes.len > 0) {
		size_t room;
		int error = 0;
		uint8_t *to = spool_reserve(s, bytes.len, &room, &error);

		if (to == NULL) {
			s->len = before;
			return error;
		}
		memcpy(to, bytes.ptr, room);
		spool_commit(s, room);
		bytes = slice_from(bytes, room);
	}
	return 0;
}

struct slice
spool_get(const struct spool *s)
{
	return s->region == NULL ? SLICE_NONE : slice_of(s->region->ptr, s->len);
}

void
spool_done(struct spool *s)
{
	struct region *r = s->region;

	if (r == NULL)
		return;
	s->region = NULL;
	s->len = 0;
	s->pool->used -= r->size;
	if (s->pool->idle_count >= IDLE_MAX) {
		region_free(&r);
		return;
	}
	if (s->pool->idle_bytes + r->touched > IDLE_ALL_BYTES)
		region_trim(r, IDLE_KEEP_BYTES);
	s->pool->idle_bytes += r->touched;
	r->next = s->pool->idle;
	s->pool->idle = r;
	s->pool->idle_count++;
}
