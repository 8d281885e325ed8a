/* arena.c: bump allocation in doubling blocks. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SINGLE_PIECES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SINGLE_PIECES 1
#endif
#endif
#ifndef ARENA_SINGLE_PIECES
#define ARENA_SINGLE_PIECES 0
#endif

#define ARENA_FIRST_BLOCK_BYTES (16u * 1024)
#define ARENA_LARGEST_BLOCK_BYTES (1024u * 1024)

struct block {
	struct block *next;
	size_t size, used;
	alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct block *blocks; /* newest first */
	size_t used, max;
};

struct arena *
arena_new(size_t max)
{
	struct arena *a = mem_new(sizeof(*a));

	a->max = max;
	return a;
}

static void
arena_drop_blocks(struct arena *a, bool keep_one)
{
	while (a->blocks != NULL && !(keep_one && a->blocks->next == NULL)) {
		struct block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
}

void
arena_free(struct arena **a)
{
	if (*a == NULL)
		return;
	arena_drop_blocks(*a, false);
	free(*a);
	*a = NULL;
}

void
arena_clear(struct arena *a)
{
	arena_drop_blocks(a, !ARENA_SINGLE_PIECES);
	if (a->blocks != NULL)
		a->blocks->used = 0;
	a->used = 0;
}

static struct block *
arena_add_block(struct arena *a, size_t want)
{
	size_t size = want;
	struct block *b;

	if (!ARENA_SINGLE_PIECES) {
		size_t grow = a->blocks == NULL ? ARENA_FIRST_BLOCK_BYTES : a->blocks->size * 2;

		size = MAX_OF(want, MIN_OF(grow, (size_t)ARENA_LARGEST_BLOCK_BYTES));
	}
	b = malloc(sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	*b = (struct block){ .next = a->blocks, .size = size };
	a->blocks = b;
	return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	size_t want = size;
	struct block *b = a->blocks;
	void *p;

	if (!ARENA_SINGLE_PIECES) {
		if (size > SIZE_MAX - alignof(max_align_t))
			return NULL;
		want = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	}
	if (want > a->max - a->used)
		return NULL;
	if (b == NULL || ARENA_SINGLE_PIECES || want > b->size - b->used) {
		b = arena_add_block(a, want);
		if (b == NULL)
			return NULL;
	}
	p = b->data + b->used;
	b->used += want;
	a->used += want;
	return memset(p, 0, size);
}

struct slice
arena_copy(struct arena *a, struct slice s)
{
	uint8_t *p = s.len == SIZE_MAX ? NULL : arena_alloc(a, s.len + 1);

	if (p == NULL)
		return SLICE_NONE;
	if (s.len > 0)
		memcpy(p, s.ptr, s.len);
	return slice_of(p, s.len);
}

size_t
arena_get_used(const struct arena *a)
{
	return a->used;
}
