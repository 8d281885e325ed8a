/* input_files.c: walking folders, splitting mboxes. Bytes are copied, never interpreted beyond
 * "From " lines: parsing happens in cages. */
#include "cmd/input_files.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "decompose/object.h"

static int
compare_names(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* A memfd with these bytes, or -1. */
static int
bytes_to_fd(struct slice bytes)
{
	CLEANUP(fd_close) int fd = memfd_create("cordon-input", MFD_CLOEXEC);

	while (fd >= 0 && bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);

		if (n <= 0)
			return -1;
		bytes = slice_from(bytes, (size_t)n);
	}
	return TAKE_FD(fd);
}

/* Offset of the next "From " line behind an empty line, or the length. */
static size_t
mbox_next(struct slice text, size_t from)
{
	for (;;) {
		size_t at = slice_find(text, SLICE_LIT("\nFrom "), from);

		if (at == SIZE_MAX)
			return text.len;
		if (at > 0 && (text.ptr[at - 1] == '\n' ||
		    (at > 1 && text.ptr[at - 1] == '\r' && text.ptr[at - 2] == '\n')))
			return at + 1;
		from = at + 1;
	}
}

static bool
is_mbox(struct slice text, const char *path)
{
	return slice_starts_with(text, SLICE_LIT("From ")) &&
	    !slice_ends_with_nocase(slice_of_str(path), SLICE_LIT(".eml")) &&
	    mbox_next(text, 0) < text.len;
}

static void
mbox_visit(struct slice text, const char *shown, const struct input_visitor *v)
{
	unsigned number = 0;

	for (size_t at = 0; at < text.len;) {
		size_t end = mbox_next(text, at), line = slice_find_byte(text, '\n', at);
		struct slice mail = slice_sub(text, line + 1, line < end ? end - line - 1 : 0);
		CLEANUP(fd_close) int fd = bytes_to_fd(mail);
		char name[4200];
		int n = snprintf(name, sizeof(name), "%s#%u", shown, ++number);

		if (fd >= 0)
			v->visit(v->ctx, slice_of(name, MIN_OF((size_t)n, sizeof(name) - 1)), fd,
			    ROLE_ENTITY);
		else
			v->fail(v->ctx, slice_of_str(name), "no memory for one mail");
		at = end;
	}
}

static void
file_visit(const char *path, const char *shown, uint32_t roles, const struct input_visitor *v)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		v->fail(v->ctx, slice_of_str(shown), fd < 0 ? strerror(errno) : "not a regular file");
		return;
	}
	map = st.st_size == 0 || roles != 0 ? MAP_FAILED :
	    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map != MAP_FAILED && is_mbox(slice_of(map, (size_t)st.st_size), path))
		mbox_visit(slice_of(map, (size_t)st.st_size), shown, v);
	else
		v->visit(v->ctx, slice_of_str(shown), fd, roles);
	if (map != MAP_FAILED)
		munmap(map, (size_t)st.st_size);
}

static void
stdin_visit(const struct input_visitor *v)
{
	CLEANUP(fd_close) int fd = memfd_create("cordon-input", MFD_CLOEXEC);
	char chunk[65536];
	ssize_t n = 0;

	while (fd >= 0 && (n = read(STDIN_FILENO, chunk, sizeof(chunk))) > 0) {
		if (write(fd, chunk, (size_t)n) != n)
			n = -1;
		if (n < 0)
			break;
	}
	if (fd < 0 || n < 0)
		v->fail(v->ctx, SLICE_LIT("-"), strerror(errno));
	else
		v->visit(v->ctx, SLICE_LIT("-"), fd, 0);
}

/* Mails of a Maildir lie in cur and new. */
static bool
is_in_maildir(const FTSENT *entry)
{
	const FTSENT *folder = entry->fts_parent;

	return folder != NULL && folder->fts_level >= FTS_ROOTLEVEL &&
	    (strcmp(folder->fts_name, "cur") == 0 || strcmp(folder->fts_name, "new") == 0);
}

static void
folder_visit(const char *path, const struct input_visitor *v)
{
	char *paths[] = { (char *)(uintptr_t)path, NULL };
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, compare_names);
	size_t skip = strlen(path);
	FTSENT *entry;

	if (walk == NULL) {
		v->fail(v->ctx, slice_of_str(path), strerror(errno));
		return;
	}
	while (skip > 0 && path[skip - 1] == '/')
		skip--;
	while ((entry = fts_read(walk)) != NULL) {
		const char *shown = entry->fts_path + skip;

		while (*shown == '/')
			shown++;
		if (entry->fts_info == FTS_F)
			file_visit(entry->fts_path, shown, is_in_maildir(entry) ? ROLE_ENTITY : 0, v);
		else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
			v->fail(v->ctx, slice_of_str(shown), strerror(entry->fts_errno));
	}
	fts_close(walk);
}

void
input_files_visit(const char *path, const struct input_visitor *v)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		stdin_visit(v);
	else if (stat(path, &st) < 0)
		v->fail(v->ctx, slice_of_str(path), strerror(errno));
	else if (S_ISDIR(st.st_mode))
		folder_visit(path, v);
	else
		file_visit(path, path, 0, v);
}
