/* region.h: memory shared between our processes: a memfd, mapped once and used for many mails.
 * The owner maps it for writing; others get a descriptor that only reads, or, for memory a
 * cage fills, one that writes. */
#ifndef CORDON_PROC_REGION_H
#define CORDON_PROC_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct region {
	uint32_t id;     /* never 0, never reused in this process */
	int fd;          /* read and write */
	int read_fd;     /* read only, for others */
	uint8_t *ptr;    /* mapped read-write */
	size_t size;     /* mapped bytes; memory is taken only where it was touched */
	size_t touched;  /* the owner's note: bytes that may hold memory */
	struct region *next; /* for the owner's list */
};

/* name shows in /proc. NULL and *e when the system refuses. */
struct region *region_new(const char *name, size_t size, struct err *e);
void region_free(struct region **r);
/* Makes it larger; the mapping may move. 0 or a negative errno (then nothing changed). */
int region_grow(struct region *r, size_t size);
/* Gives memory back to the system behind the first keep bytes. */
void region_trim(struct region *r, size_t keep);

/* Regions of somebody else, mapped here by their id. */
#define REGION_VIEWS_MAX 24
struct region_view {
	uint32_t id;
	uint8_t *ptr;
	size_t size;
	bool writable;
	uint64_t used; /* for throwing out the oldest */
};
struct region_views {
	struct region_view views[REGION_VIEWS_MAX];
	uint64_t clock;
};
/* The mapping of region id, made from fd (borrowed) when it is not there yet or too small.
 * NULL when the system refuses, or fd is smaller than size. Stays until thrown out. */
uint8_t *region_views_get(struct region_views *v, uint32_t id, int fd, size_t size,
    bool writable);

#endif
