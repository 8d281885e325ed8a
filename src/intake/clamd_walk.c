/* clamd_walk.c: see clamd_walk.h. In a folder, files come before the folders in it. */
#include "intake/clamd_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macros.h"

/* Names looked at before the loop has its turn. */
#define NAMES_PER_TURN    64u
#define PENDING_MAX_BYTES (1u << 20)
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif
#define NOT_SUPPORTED_SYSTEM "Not supported file system"

struct clamd_walk {
	struct buf top;     /* with a NUL that is not counted */
	struct buf pending; /* folders still to be entered, each with a NUL behind */
	struct buf folder;  /* the one that is open */
	struct buf path;    /* of the item */
	DIR *dir;
	char text[160];
	bool has_begun, is_folder;
};

struct clamd_walk *
clamd_walk_new(struct slice path)
{
	struct clamd_walk *w = mem_new(sizeof(*w));

	buf_init(&w->top, PATH_MAX + 64);
	buf_init(&w->pending, PENDING_MAX_BYTES);
	buf_init(&w->folder, PATH_MAX + 64);
	buf_init(&w->path, 2 * PATH_MAX + 64);
	while (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	(void)buf_append_slice(&w->top, path);
	return w;
}

static void
folder_close(struct clamd_walk *w)
{
	if (w->dir != NULL)
		(void)closedir(TAKE(w->dir));
}

void
clamd_walk_free(struct clamd_walk **w)
{
	if (*w == NULL)
		return;
	folder_close(*w);
	buf_done(&(*w)->top);
	buf_done(&(*w)->pending);
	buf_done(&(*w)->folder);
	buf_done(&(*w)->path);
	free(*w);
	*w = NULL;
}

struct slice
clamd_walk_get_top(const struct clamd_walk *w)
{
	return buf_get(&w->top);
}

bool
clamd_walk_is_folder(const struct clamd_walk *w)
{
	return w->is_folder;
}

static void
path_set(struct clamd_walk *w, struct slice path)
{
	buf_clear(&w->path);
	(void)buf_append_slice(&w->path, path);
}

/* The error for w->path. */
static void
item_fail(struct clamd_walk *w, const char *text, struct clamd_walk_item *ret)
{
	*ret = (struct clamd_walk_item){ CLAMD_WALK_ERROR, buf_get(&w->path), text, -1, 0 };
}

static void
item_fail_errno(struct clamd_walk *w, int code, struct clamd_walk_item *ret)
{
	snprintf(w->text, sizeof(w->text), "File path check failure: %s.", strerror(code));
	item_fail(w, w->text, ret);
}

/* Opens the thing itself, without any effect on it. Links of /proc/PID/fd lead to our own open
 * files and are never followed. */
static int
handle_open(const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* The same thing to be read. handle is known to be a file or a folder. */
static int
handle_read(int handle, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
	return open(path, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* The files of /proc are made when they are read: no end, no size, and none of them is on a
 * disk. clamd passes over them too. */
static bool
is_proc(int handle)
{
	struct statfs fs;

	return fstatfs(handle, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* A file system that is some user's program answers a read when that user likes. */
static bool
is_of_program(int handle)
{
	struct statfs fs;

	return fstatfs(handle, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
}

const char *
clamd_file_check(int fd, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return "Not a regular file";
	if (is_proc(fd) || is_of_program(fd))
		return NOT_SUPPORTED_SYSTEM;
	*ret_size = (uint64_t)st.st_size;
	return NULL;
}

static void
file_begin(struct clamd_walk *w, int handle, const struct stat *st, struct clamd_walk_item *ret)
{
	bool is_fit = !is_of_program(handle);
	int fd = is_fit ? handle_read(handle, 0) : -1, code = errno;

	if (!is_fit)
		item_fail(w, NOT_SUPPORTED_SYSTEM, ret);
	else if (fd < 0)
		item_fail(
		    w, code == EACCES ? "Access denied." : "Can't open file or directory", ret);
	else
		*ret = (struct clamd_walk_item){ CLAMD_WALK_FILE, buf_get(&w->path), NULL, fd,
			(uint64_t)st->st_size };
}

/* Opens the folder w->path. false and *ret when it cannot be read. */
static bool
folder_open(struct clamd_walk *w, int handle, struct clamd_walk_item *ret)
{
	CLEANUP(fd_close) int fd = -1;

	folder_close(w);
	if (is_of_program(handle)) {
		item_fail(w, NOT_SUPPORTED_SYSTEM, ret);
		return false;
	}
	fd = handle_read(handle, O_DIRECTORY);
	if (fd >= 0)
		w->dir = fdopendir(fd);
	if (w->dir == NULL) {
		item_fail_errno(w, errno, ret);
		return false;
	}
	(void)TAKE_FD(fd);
	buf_clear(&w->folder);
	if (buf_append_slice(&w->folder, buf_get(&w->path)) < 0) {
		folder_close(w);
		item_fail_errno(w, ENAMETOOLONG, ret);
		return false;
	}
	return true;
}

/* What the client asked for. false: go on with the folder. */
static bool
top_begin(struct clamd_walk *w, struct clamd_walk_item *ret)
{
	const char *path = buf_get_str(&w->top);
	CLEANUP(fd_close) int handle = -1;
	struct stat st;

	while (path[0] == '/' && path[1] == '/')
		path++;
	path_set(w, slice_of_str(path));
	/* Where we stand is not where the client does. */
	if (path[0] != '/') {
		item_fail_errno(w, ENOENT, ret);
		return true;
	}
	handle = handle_open(path);
	if (handle < 0 || fstat(handle, &st) < 0) {
		item_fail_errno(w, errno, ret);
		return true;
	}
	w->is_folder = S_ISDIR(st.st_mode);
	if ((!S_ISREG(st.st_mode) && !w->is_folder) || is_proc(handle))
		item_fail(w, "Not supported file type", ret);
	else if (!w->is_folder)
		file_begin(w, handle, &st, ret);
	else
		return !folder_open(w, handle, ret);
	return true;
}

/* The next folder that waits. false: none. *ret is set when it cannot be entered. */
static bool
folder_next(struct clamd_walk *w, struct clamd_walk_item *ret)
{
	CLEANUP(fd_close) int handle = -1;
	size_t at = w->pending.len;

	if (at == 0)
		return false;
	at--;
	while (at > 0 && w->pending.data[at - 1] != '\0')
		at--;
	path_set(w, slice_of_str((const char *)w->pending.data + at));
	w->pending.len = at;
	handle = open(buf_get_str(&w->path), O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	if (handle < 0)
		item_fail_errno(w, errno, ret);
	else
		(void)folder_open(w, handle, ret);
	return true;
}

/* A name of the open folder. ret->kind stays CLAMD_WALK_MORE when there is nothing to do. */
static void
entry_take(struct clamd_walk *w, const struct dirent *entry, struct clamd_walk_item *ret)
{
	CLEANUP(fd_close) int handle = -1;
	struct stat st;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return;
	path_set(w, buf_get(&w->folder));
	if ((w->path.len > 1 && buf_append_byte(&w->path, '/') < 0) || /* not the root */
	    buf_append_str(&w->path, entry->d_name) < 0) {
		item_fail(w, "Can't allocate memory", ret);
		return;
	}
	handle = openat(dirfd(w->dir), entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (handle < 0 || fstat(handle, &st) < 0)
		item_fail_errno(w, errno, ret);
	else if ((!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) || is_proc(handle))
		return;
	else if (S_ISREG(st.st_mode))
		file_begin(w, handle, &st, ret);
	else if (w->path.len >= PATH_MAX)
		item_fail_errno(w, ENAMETOOLONG, ret);
	else if (buf_reserve(&w->pending, w->path.len + 1) < 0)
		item_fail(w, "Too many folders.", ret);
	else {
		(void)buf_append_slice(&w->pending, buf_get(&w->path));
		(void)buf_append_byte(&w->pending, '\0');
	}
}

void
clamd_walk_next(struct clamd_walk *w, struct clamd_walk_item *ret)
{
	*ret = (struct clamd_walk_item){ .kind = CLAMD_WALK_MORE, .fd = -1 };
	if (!w->has_begun) {
		w->has_begun = true;
		if (top_begin(w, ret))
			return;
	}
	for (unsigned i = 0; i < NAMES_PER_TURN && ret->kind == CLAMD_WALK_MORE; i++) {
		const struct dirent *entry;

		if (w->dir == NULL && !folder_next(w, ret)) {
			ret->kind = CLAMD_WALK_DONE;
			return;
		}
		if (w->dir == NULL)
			continue;
		errno = 0;
		entry = readdir(w->dir);
		if (entry != NULL) {
			entry_take(w, entry, ret);
			continue;
		}
		if (errno != 0) {
			path_set(w, buf_get(&w->folder));
			item_fail_errno(w, errno, ret);
		}
		folder_close(w);
	}
}
