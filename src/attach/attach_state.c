/* attach_state.c: the folder STATE/MTA: "manifest", and N.before, N.after for each file. The
 * manifest is written last and renamed into place: without one, nothing was applied yet. */
#include "attach/attach_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "attach/attach_text.h"
#include "base/sha256.h"

#define MANIFEST_HEAD "cordon-attach 1"
#define STATE_MODE    0600

/* Names of the manifest that stand for fields of the job. */
static const struct {
	const char *key;
	size_t offset;
} places[] = {
	{ "config-dir", offsetof(struct attach_job, config_dir) },
	{ "config-file", offsetof(struct attach_job, config_file) },
	{ "source-file", offsetof(struct attach_job, source_file) },
	{ "program", offsetof(struct attach_job, program) },
	{ "reload-command", offsetof(struct attach_job, reload_command) },
};

static const char **
place_of(struct attach_job *j, size_t i)
{
	return (const char **)(void *)((char *)j + places[i].offset);
}

/* The usual configuration has the MTA's name; another one a mark of its path behind it. */
static const char *
state_folder(struct attach_job *j)
{
	const char *root = j->o->state_dir != NULL ? j->o->state_dir : ATTACH_STATE_DIR;
	const char *place = j->o->config_dir != NULL ? j->o->config_dir : j->o->config_file;
	char hex[SHA256_HEX_SIZE], *real;
	struct sha256 hash;

	if (place == NULL)
		return job_text(j, "%s/%s", root, j->mta->name);
	real = realpath(place, NULL);
	hash = sha256_of(slice_of_str(real != NULL ? real : place));
	free(real);
	sha256_format(&hash, hex);
	return job_text(j, "%s/%s-%.12s", root, j->mta->name, hex);
}

static int
folder_make(struct attach_job *j, const char *path, struct err *e)
{
	for (size_t at = 1; path[at - 1] != '\0'; at++) {
		if (path[at] != '/' && path[at] != '\0')
			continue;
		if (mkdir(job_copy(j, slice_of(path, at)), 0700) < 0 && errno != EEXIST)
			return err_set(
			    e, errno, "cannot make the folder '%.*s'", (int)at, path);
		if (path[at] == '\0')
			break;
	}
	return 0;
}

static int
file_load(
    struct attach_state *s, struct attach_job *j, size_t i, struct slice line, struct err *e)
{
	struct attach_file *f = &s->change.file[i];
	unsigned existed, after, derived, mode, uid, gid;
	long long sec, nsec;
	int used = 0, r = 0;
	const char *text = job_copy(j, line);

	if (sscanf(text, "%u %u %u %o %u %u %lld %lld %n", &existed, &after, &derived, &mode,
		&uid, &gid, &sec, &nsec, &used) != 8 ||
	    text[used] != '/')
		return err_set(e, EINVAL, "'%s/manifest' is damaged", s->folder);
	*f = (struct attach_file){ .path = mem_strdup(text + used),
		.existed = existed != 0,
		.exists_after = after != 0,
		.derived = derived != 0,
		.mode = mode,
		.uid = uid,
		.gid = gid,
		.mtime = { .tv_sec = sec, .tv_nsec = nsec } };
	buf_init(&f->before, ATTACH_FILE_MAX_BYTES + 65536);
	buf_init(&f->after, ATTACH_FILE_MAX_BYTES + 65536);
	s->change.count = i + 1;
	if (f->existed)
		r = attach_file_read(job_text(j, "%s/%zu.before", s->folder, i), &f->before, e);
	if (r == 0 && f->exists_after)
		r = attach_file_read(job_text(j, "%s/%zu.after", s->folder, i), &f->after, e);
	return r;
}

static int
manifest_line(struct attach_state *s, struct attach_job *j, struct slice line, struct err *e)
{
	size_t blank = slice_find_byte(line, ' ', 0);
	struct slice key = slice_sub(line, 0, MIN_OF(blank, line.len));
	struct slice value = slice_from(line, key.len + 1);

	if (slice_eq_str(key, "file"))
		return s->change.count < ATTACH_FILES_MAX
			   ? file_load(s, j, s->change.count, value, e)
			   : err_set(e, EINVAL, "'%s/manifest' is damaged", s->folder);
	if (slice_eq_str(key, "state"))
		s->complete = slice_eq_str(value, "attached");
	else if (slice_eq_str(key, "mode"))
		s->mode = job_copy(j, value);
	else if (slice_eq_str(key, "address"))
		s->address = job_copy(j, value);
	else if (slice_eq_str(key, "since"))
		s->since = job_copy(j, value);
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (slice_eq_str(key, places[i].key) && *place_of(j, i) == NULL)
			*place_of(j, i) = job_copy(j, value);
	return 0;
}

static int
manifest_load(struct attach_state *s, struct attach_job *j, struct err *e)
{
	struct buf text;
	struct slice rest, line;
	int r;

	buf_init(&text, ATTACH_FILE_MAX_BYTES + 65536);
	r = attach_file_read(job_text(j, "%s/manifest", s->folder), &text, e);
	rest = buf_get(&text);
	if (r == 0 && (!attach_text_next_line(&rest, &line) || !slice_eq_str(line, MANIFEST_HEAD)))
		r = err_set(e, EINVAL, "'%s/manifest' is damaged", s->folder);
	s->exists = r == 0;
	while (r == 0 && attach_text_next_line(&rest, &line))
		r = manifest_line(s, j, line, e);
	buf_done(&text);
	return r == -ENOENT && !s->exists ? 0 : r;
}

int
attach_state_open(
    struct attach_job *j, bool lock, struct attach_state *ret_state, struct err *e)
{
	int r = 0;

	*ret_state =
	    (struct attach_state){ .lock_fd = -1, .mode = "", .address = "", .since = "" };
	ret_state->folder = state_folder(j);
	if (lock) {
		r = folder_make(j, ret_state->folder, e);
		if (r < 0)
			return r;
		ret_state->lock_fd =
		    open(ret_state->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (ret_state->lock_fd < 0 || flock(ret_state->lock_fd, LOCK_EX | LOCK_NB) < 0)
			return err_set(e, errno,
			    "another attach or detach of %s is at work ('%s')", j->mta->name,
			    ret_state->folder);
	}
	return manifest_load(ret_state, j, e);
}

static int
state_write(struct attach_state *s, struct attach_job *j, const char *name, struct slice text,
    struct err *e)
{
	return attach_file_write(job_text(j, "%s/%s", s->folder, name), text, STATE_MODE,
	    geteuid(), getegid(), NULL, e);
}

static int
manifest_save(struct attach_state *s, struct attach_job *j, const char *state, struct err *e)
{
	struct buf text;
	char since[64];
	time_t now = time(NULL);
	struct tm tm;
	int r;

	localtime_r(&now, &tm);
	strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S", &tm);
	buf_init(&text, ATTACH_FILE_MAX_BYTES);
	r = buf_printf(&text, "%s\nstate %s\nmta %s\nmode %s\naddress %s:%u\nsince %s\n",
	    MANIFEST_HEAD, state, j->mta->name, j->mode->name, j->address.host, j->address.port,
	    since);
	for (size_t i = 0; i < ARRAY_LEN(places) && r == 0; i++)
		if (*place_of(j, i) != NULL && strchr(*place_of(j, i), '\n') == NULL)
			r = buf_printf(&text, "%s %s\n", places[i].key, *place_of(j, i));
	for (size_t i = 0; i < j->change.count && r == 0; i++) {
		const struct attach_file *f = &j->change.file[i];

		r = buf_printf(&text, "file %d %d %d %o %u %u %lld %lld %s\n", f->existed,
		    f->exists_after, f->derived, (unsigned)f->mode, (unsigned)f->uid,
		    (unsigned)f->gid, (long long)f->mtime.tv_sec, (long long)f->mtime.tv_nsec,
		    f->path);
	}
	r = r < 0 ? err_set(e, -r, "cannot keep the change")
		  : state_write(s, j, "manifest", buf_get(&text), e);
	buf_done(&text);
	return r;
}

int
attach_state_save(struct attach_state *s, struct attach_job *j, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < j->change.count && r == 0; i++) {
		const struct attach_file *f = &j->change.file[i];

		if (f->existed)
			r = state_write(
			    s, j, job_text(j, "%zu.before", i), buf_get(&f->before), e);
		if (r == 0 && f->exists_after)
			r = state_write(
			    s, j, job_text(j, "%zu.after", i), buf_get(&f->after), e);
	}
	if (r == 0)
		r = manifest_save(s, j, "applying", e);
	s->exists = true;
	return r;
}

int
attach_state_complete(struct attach_state *s, struct attach_job *j, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < j->change.count && r == 0; i++) {
		struct attach_file *f = &j->change.file[i];

		if (!f->derived)
			continue;
		buf_clear(&f->after);
		r = attach_file_read(f->path, &f->after, e);
		if (r == 0)
			r = state_write(
			    s, j, job_text(j, "%zu.after", i), buf_get(&f->after), e);
	}
	return r == 0 ? manifest_save(s, j, "attached", e) : r;
}

int
attach_state_remove(struct attach_state *s, struct err *e)
{
	int fd = openat(s->lock_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *one;

	if (folder == NULL)
		return err_set(e, errno, "cannot read '%s'", s->folder);
	/* The manifest first: files without one mean nothing. */
	if (unlinkat(s->lock_fd, "manifest", 0) < 0 && errno != ENOENT)
		r = err_set(e, errno, "cannot remove '%s/manifest'", s->folder);
	fsync(s->lock_fd);
	while (r == 0 && (one = readdir(folder)) != NULL)
		if (one->d_name[0] != '.')
			unlinkat(s->lock_fd, one->d_name, 0);
	closedir(folder);
	if (r == 0)
		rmdir(s->folder);
	return r;
}

void
attach_state_close(struct attach_state *s)
{
	fd_close(&s->lock_fd);
	attach_change_done(&s->change);
}
