/* attach_change.c: files that change together or not at all. Each is replaced by rename, so
 * that a reader, or a power failure, sees the old or the new one. What the change is for is
 * left to attach.c, what it says to the file of each MTA. */
#include "attach/attach_change.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/attach_text.h"

void
attach_change_done(struct attach_change *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->file[i].path);
		buf_done(&c->file[i].before);
		buf_done(&c->file[i].after);
	}
	*c = (struct attach_change){ 0 };
}

static int
fd_read(int fd, const char *path, struct buf *ret_text, struct err *e)
{
	ssize_t n;
	int r = 0;

	do {
		r = buf_reserve(ret_text, 65536);
		if (r < 0)
			return err_set(e, -r, "cannot read '%s'", path);
		n = read(fd, ret_text->data + ret_text->len, 65536);
		if (n > 0)
			ret_text->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? err_set(e, errno, "cannot read '%s'", path) : 0;
}

static int
file_read_stat(const char *path, struct buf *ret_text, struct stat *ret_st, struct err *e)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_set(e, errno, "cannot open '%s'", path);
	if (fstat(fd, ret_st) < 0)
		return err_set(e, errno, "cannot read '%s'", path);
	if (!S_ISREG(ret_st->st_mode))
		return err_set(e, EINVAL, "'%s' is not a regular file", path);
	if (ret_st->st_size > (off_t)ATTACH_FILE_MAX_BYTES)
		return err_set(e, EINVAL, "'%s' is too large for a configuration", path);
	return fd_read(fd, path, ret_text, e);
}

int
attach_file_read(const char *path, struct buf *ret_text, struct err *e)
{
	struct stat st;

	return file_read_stat(path, ret_text, &st, e);
}

static int
fd_write(int fd, struct slice text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);

		if (n < 0 && errno != EINTR)
			return -errno;
		text = slice_from(text, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

/* Makes a rename or an unlink in the folder of path last. */
static void
folder_sync(const char *path)
{
	struct slice s = slice_of_str(path), base = path_get_base(s);
	char folder[PATH_MAX];
	int fd;

	if (snprintf(folder, sizeof(folder), "%.*s", (int)(s.len - base.len), path) >=
	    (int)sizeof(folder))
		return;
	fd = open(*folder == '\0' ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

static int
fd_fill(
    int fd, struct slice text, mode_t mode, uid_t uid, gid_t gid, const struct timespec *mtime)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
		return -errno;
	if (fchmod(fd, mode) < 0)
		return -errno;
	r = fd_write(fd, text);
	if (r == 0 && mtime != NULL) {
		const struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, *mtime };

		if (futimens(fd, times) < 0)
			r = -errno;
	}
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

int
attach_file_write(const char *path, struct slice text, mode_t mode, uid_t uid, gid_t gid,
    const struct timespec *mtime, struct err *e)
{
	char beside[PATH_MAX];
	int fd, r;

	if (snprintf(beside, sizeof(beside), "%s.cordon-%ld", path, (long)getpid()) >=
	    (int)sizeof(beside))
		return err_set(e, ENAMETOOLONG, "cannot write '%s'", path);
	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(e, errno, "cannot write '%s'", beside);
	r = fd_fill(fd, text, mode, uid, gid, mtime);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(beside);
		return err_set(e, -r, "cannot write '%s'", path);
	}
	folder_sync(path);
	return 0;
}

void
attach_file_keep_time(const char *path, const struct timespec *mtime)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, *mtime };

	utimensat(AT_FDCWD, path, times, 0);
}

/* What a link leads to, so that a rename replaces the file and not the link; a path that is not
 * there stays as it is. */
static char *
path_resolve(const char *path)
{
	char *real = realpath(path, NULL);

	return real != NULL ? real : mem_strdup(path);
}

static struct attach_file *
change_next(struct attach_change *c, const char *path, struct err *e)
{
	struct attach_file *f;
	struct stat st;
	int r;

	if (c->count == ATTACH_FILES_MAX)
		return err_null(e, EINVAL, "more than %d files would change", ATTACH_FILES_MAX);
	if (strchr(path, '\n') != NULL)
		return err_null(
		    e, EINVAL, "a path with a line end in it cannot be kept track of");
	f = &c->file[c->count];
	*f = (struct attach_file){ .path = path_resolve(path),
		.mode = 0644,
		.uid = geteuid(),
		.gid = getegid(),
		.exists_after = true };
	buf_init(&f->before, ATTACH_FILE_MAX_BYTES + 65536);
	buf_init(&f->after, ATTACH_FILE_MAX_BYTES + 65536);
	c->count++;
	r = file_read_stat(f->path, &f->before, &st, e);
	if (r == -ENOENT)
		return f;
	if (r < 0)
		return NULL;
	f->existed = true;
	f->mode = st.st_mode & 07777;
	f->uid = st.st_uid;
	f->gid = st.st_gid;
	f->mtime = st.st_mtim;
	return f;
}

static void
change_drop_last(struct attach_change *c)
{
	struct attach_file *f = &c->file[--c->count];

	free(f->path);
	buf_done(&f->before);
	buf_done(&f->after);
}

int
attach_change_add(struct attach_change *c, const char *path, struct slice after, struct err *e)
{
	struct attach_file *f = change_next(c, path, e);
	int r;

	if (f == NULL)
		return -EIO;
	if (f->existed && slice_eq(buf_get(&f->before), after)) {
		change_drop_last(c);
		return 0;
	}
	r = buf_append_slice(&f->after, after);
	return r < 0 ? err_set(e, -r, "cannot keep '%s'", path) : 0;
}

int
attach_change_add_removal(struct attach_change *c, const char *path, struct err *e)
{
	struct attach_file *f = change_next(c, path, e);

	if (f == NULL)
		return -EIO;
	f->exists_after = false;
	if (!f->existed)
		change_drop_last(c);
	return 0;
}

int
attach_change_add_derived(struct attach_change *c, const char *path, struct err *e)
{
	struct attach_file *f = change_next(c, path, e);

	if (f == NULL)
		return -EIO;
	f->derived = true;
	return 0;
}

struct attach_file *
attach_change_find(struct attach_change *c, const char *path)
{
	char *real = path_resolve(path);
	struct attach_file *found = NULL;

	for (size_t i = 0; i < c->count && found == NULL; i++)
		if (strcmp(c->file[i].path, real) == 0)
			found = &c->file[i];
	free(real);
	return found;
}

bool
attach_change_is_empty(const struct attach_change *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (!c->file[i].derived)
			return false;
	return true;
}

int
attach_change_show(const struct attach_change *c, FILE *out)
{
	int r = 0;

	for (size_t i = 0; i < c->count && r == 0; i++) {
		const struct attach_file *f = &c->file[i];

		if (!f->derived)
			r = text_diff_print(out, f->existed ? f->path : "/dev/null",
			    f->exists_after ? f->path : "/dev/null", buf_get(&f->before),
			    buf_get(&f->after));
	}
	return r;
}

/* 0 when the file is as it was read. */
static int
file_check_unchanged(const struct attach_file *f, struct err *e)
{
	struct buf now;
	struct stat st;
	bool same;
	int r;

	buf_init(&now, ATTACH_FILE_MAX_BYTES + 65536);
	r = file_read_stat(f->path, &now, &st, e);
	same = r == 0 && slice_eq(buf_get(&now), buf_get(&f->before));
	buf_done(&now);
	if (r == -ENOENT && !f->existed)
		return 0;
	if (r < 0 && r != -ENOENT)
		return r;
	return same && f->existed
		   ? 0
		   : (err_set(e, 0, "'%s' was changed by somebody else meanwhile", f->path),
			 -EBUSY);
}

static int
file_remove(const char *path, struct err *e)
{
	if (unlink(path) < 0 && errno != ENOENT)
		return err_set(e, errno, "cannot remove '%s'", path);
	folder_sync(path);
	return 0;
}

int
attach_change_apply(struct attach_change *c, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < c->count && r == 0; i++)
		r = file_check_unchanged(&c->file[i], e);
	for (size_t i = 0; i < c->count && r == 0; i++) {
		struct attach_file *f = &c->file[i];

		f->touched = true;
		if (f->derived)
			continue;
		r = f->exists_after ? attach_file_write(f->path, buf_get(&f->after), f->mode,
					  f->uid, f->gid, NULL, e)
				    : file_remove(f->path, e);
	}
	return r;
}

static int
file_put_back(const struct attach_file *f, struct err *e)
{
	if (!f->existed)
		return file_remove(f->path, e);
	return attach_file_write(
	    f->path, buf_get(&f->before), f->mode, f->uid, f->gid, &f->mtime, e);
}

int
attach_change_rollback(struct attach_change *c, struct err *e)
{
	struct err ignored;
	int r = 0;

	for (size_t i = c->count; i > 0; i--) {
		struct attach_file *f = &c->file[i - 1];
		int one = f->touched ? file_put_back(f, r == 0 ? e : &ignored) : 0;

		if (one == 0)
			f->touched = false;
		r = r == 0 ? one : r;
	}
	return r;
}
