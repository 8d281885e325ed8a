/* region.c: memfd_create(2), mmap(2); see region.h. */
#include "proc/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"

static uint32_t last_id;

struct region *
region_new(const char *name, size_t size, struct err *e)
{
	CLEANUP(region_free) struct region *r = mem_new(sizeof(*r));
	char path[64];

	r->fd = r->read_fd = -1;
	r->id = ++last_id;
	r->fd = memfd_create(name, MFD_CLOEXEC);
	if (r->fd < 0 || ftruncate(r->fd, (off_t)size) < 0)
		return err_null(e, errno, "cannot make shared memory of %zu bytes", size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->fd);
	r->read_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (r->read_fd < 0)
		return err_null(e, errno, "cannot open %s (is /proc mounted?)", path);
	r->ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->ptr == MAP_FAILED) {
		r->ptr = NULL;
		return err_null(e, errno, "cannot map shared memory of %zu bytes", size);
	}
	r->size = size;
	return TAKE(r);
}

void
region_free(struct region **address)
{
	struct region *r = *address;

	if (r == NULL)
		return;
	if (r->ptr != NULL)
		munmap(r->ptr, r->size);
	fd_close(&r->fd);
	fd_close(&r->read_fd);
	free(r);
	*address = NULL;
}

int
region_grow(struct region *r, size_t size)
{
	void *moved;

	if (size <= r->size)
		return 0;
	if (ftruncate(r->fd, (off_t)size) < 0)
		return -errno;
	moved = mremap(r->ptr, r->size, size, MREMAP_MAYMOVE);
	if (moved == MAP_FAILED)
		return -errno;
	r->ptr = moved;
	r->size = size;
	return 0;
}

void
region_trim(struct region *r, size_t keep)
{
	if (r->touched <= keep)
		return;
	(void)fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)keep,
	    (off_t)(r->size - keep));
	r->touched = keep;
}

static void
view_drop(struct region_view *v)
{
	if (v->ptr != NULL)
		munmap(v->ptr, v->size);
	*v = (struct region_view){ 0 };
}

uint8_t *
region_views_get(struct region_views *views, uint32_t id, int fd, size_t size, bool writable)
{
	struct region_view *v = &views->views[0];
	struct stat st;
	void *ptr;

	for (size_t i = 0; i < REGION_VIEWS_MAX; i++) {
		struct region_view *candidate = &views->views[i];

		if (candidate->id == id && candidate->ptr != NULL) {
			v = candidate;
			break;
		}
		if (candidate->used < v->used)
			v = candidate;
	}
	if (v->id == id && v->ptr != NULL && v->size >= size && v->writable == writable) {
		v->used = ++views->clock;
		return v->ptr;
	}
	view_drop(v);
	if (size == 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size < size)
		return NULL;
	ptr = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (ptr == MAP_FAILED)
		return NULL;
	*v = (struct region_view){ id, ptr, size, writable, ++views->clock };
	return v->ptr;
}
