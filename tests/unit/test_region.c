/* test_region.c: shared memory: what the owner writes others read, and only read. */
#include "test_common.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "proc/region.h"

static void
test_owner_and_reader(void **state UNUSED)
{
	static struct region_views views;
	unsigned before = fds_count();
	struct region *r = region_new("cordon-test", 8192, NULL), *other;
	uint8_t *there;

	assert_non_null(r);
	assert_true(r->id != 0);
	assert_int_equal(r->size, 8192);
	assert_int_equal(r->touched, 0);
	memcpy(r->ptr, "hello", 6);
	there = region_views_get(&views, r->id, r->read_fd, 8192, false);
	assert_non_null(there);
	assert_true(there != r->ptr);
	assert_string_equal((const char *)there, "hello");
	r->ptr[0] = 'j';
	assert_string_equal((const char *)there, "jello");
	/* The descriptor for others cannot be written through. */
	assert_null(region_views_get(&views, r->id + 1000, r->read_fd, 8192, true));
	assert_int_equal(pwrite(r->read_fd, "x", 1, 0), -1);
	assert_int_equal(errno, EBADF);
	assert_true(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, r->read_fd, 0) == MAP_FAILED);
	assert_int_equal(ftruncate(r->read_fd, 0), -1);
	assert_true((fcntl(r->fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_true((fcntl(r->read_fd, F_GETFD) & FD_CLOEXEC) != 0);
	other = region_new("cordon-test", 4096, NULL);
	assert_non_null(other);
	assert_true(other->id != r->id);
	region_free(&other);
	region_free(&r);
	region_free(&r);
	assert_null(r);
	assert_int_equal(fds_count(), before);
}

static void
test_writable_view(void **state UNUSED)
{
	static struct region_views views;
	struct region *r = region_new("cordon-test", 8192, NULL);
	uint8_t *there;

	assert_non_null(r);
	there = region_views_get(&views, r->id, r->fd, 4096, true);
	assert_non_null(there);
	there[5] = 77;
	assert_int_equal(r->ptr[5], 77);
	region_free(&r);
}

static void
test_grow(void **state UNUSED)
{
	static struct region_views views;
	struct region *r = region_new("cordon-test", 4096, NULL);
	uint8_t *there;

	assert_non_null(r);
	r->ptr[100] = 1;
	assert_int_equal(region_grow(r, 1000), 0); /* smaller: nothing */
	assert_int_equal(r->size, 4096);
	assert_non_null(region_views_get(&views, r->id, r->read_fd, 4096, false));
	assert_int_equal(region_grow(r, 1 << 20), 0);
	assert_int_equal(r->size, 1 << 20);
	assert_int_equal(r->ptr[100], 1);
	r->ptr[(1 << 20) - 1] = 2;
	there = region_views_get(&views, r->id, r->read_fd, 1 << 20, false);
	assert_non_null(there);
	assert_int_equal(there[100], 1);
	assert_int_equal(there[(1 << 20) - 1], 2);
	region_free(&r);
}

/* A request may claim more than there is: no mapping then, no SIGBUS later. */
static void
test_sizes_that_lie(void **state UNUSED)
{
	static struct region_views views;
	struct region *r = region_new("cordon-test", 4096, NULL);

	assert_non_null(r);
	assert_null(region_views_get(&views, r->id, r->read_fd, 4097, false));
	assert_null(region_views_get(&views, r->id, r->read_fd, (size_t)1 << 40, false));
	assert_null(region_views_get(&views, r->id, r->read_fd, SIZE_MAX, false));
	assert_null(region_views_get(&views, r->id, r->read_fd, 0, false));
	assert_null(region_views_get(&views, r->id, -1, 4096, false));
	assert_non_null(region_views_get(&views, r->id, r->read_fd, 4096, false));
	region_free(&r);
}

static void
test_trim(void **state UNUSED)
{
	struct region *r = region_new("cordon-test", 1 << 20, NULL);
	struct stat st;

	assert_non_null(r);
	memset(r->ptr, 9, 1 << 20);
	r->touched = 1 << 20;
	region_trim(r, 65536);
	assert_int_equal(r->touched, 65536);
	assert_int_equal(r->size, 1 << 20);
	assert_int_equal(r->ptr[65535], 9);
	assert_int_equal(r->ptr[65536], 0);
	assert_int_equal(r->ptr[(1 << 20) - 1], 0);
	assert_int_equal(fstat(r->fd, &st), 0);
	assert_true(st.st_blocks * 512 <= 128 * 1024);
	assert_true(st.st_size == 1 << 20);
	region_free(&r);
}

/* More regions than views: the oldest makes room, each still shows its own bytes. */
static void
test_many_views(void **state UNUSED)
{
	static struct region_views views;
	struct region *r[REGION_VIEWS_MAX + 6];
	size_t mapped = 0;

	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		r[i] = region_new("cordon-test", 4096, NULL);
		assert_non_null(r[i]);
		r[i]->ptr[0] = (uint8_t)(i + 1);
	}
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(r); i++) {
			const uint8_t *v = region_views_get(&views, r[i]->id, r[i]->read_fd, 4096, false);

			assert_non_null(v);
			assert_int_equal(v[0], i + 1);
			assert_ptr_equal(v, region_views_get(&views, r[i]->id, -1, 4096, false));
		}
	}
	for (size_t i = 0; i < REGION_VIEWS_MAX; i++)
		mapped += views.views[i].ptr != NULL;
	assert_int_equal(mapped, REGION_VIEWS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		region_free(&r[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_owner_and_reader),
		cmocka_unit_test(test_writable_view), cmocka_unit_test(test_grow),
		cmocka_unit_test(test_sizes_that_lie), cmocka_unit_test(test_trim),
		cmocka_unit_test(test_many_views) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
