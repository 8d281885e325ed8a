/* attach_change.h: a set of files that change together or not at all. */
#ifndef CORDON_ATTACH_ATTACH_CHANGE_H
#define CORDON_ATTACH_ATTACH_CHANGE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "config/limits.h"

struct attach_file {
	char *path;        /* owned; links are resolved */
	bool existed;      /* there was such a file; before holds it */
	bool exists_after; /* false: the change removes it */
	bool derived;      /* made by a program of the MTA: kept for rollback, not shown */
	bool touched;      /* apply may have changed it; rollback puts it back */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	struct buf before, after;
};

struct attach_change {
	struct attach_file file[ATTACH_FILES_MAX];
	size_t count;
};

void attach_change_done(struct attach_change *c);

/* Reads a regular file of at most ATTACH_FILE_MAX_BYTES; appends to *ret_text. 0, or a negative
 * code with *e: -ENOENT there is none, -EFBIG. */
int attach_file_read(const char *path, struct buf *ret_text, struct err *e);
/* Makes or replaces a file: written beside it, synced, renamed over it. 0 or negative with *e;
 * the old file is whole then. A NULL mtime means now. */
int attach_file_write(const char *path, struct slice text, mode_t mode, uid_t uid, gid_t gid,
    const struct timespec *mtime, struct err *e);

/* Sets the time of the last change. */
void attach_file_keep_time(const char *path, const struct timespec *mtime);

/* The file at path (present or not) shall become `after`; reads what it is now. Equal texts are
 * left out of the change. Negative with *e when it cannot be read, or the change is full. */
int attach_change_add(
    struct attach_change *c, const char *path, struct slice after, struct err *e);
/* The file at path shall be gone. */
int attach_change_add_removal(struct attach_change *c, const char *path, struct err *e);
/* A program will write this file when the change is in place. */
int attach_change_add_derived(struct attach_change *c, const char *path, struct err *e);
/* The file of this path in the change, or NULL. */
struct attach_file *attach_change_find(struct attach_change *c, const char *path);
/* Nothing to do but derived files. */
bool attach_change_is_empty(const struct attach_change *c);

/* Prints the change as unified diffs. 0 or a negative code. */
int attach_change_show(const struct attach_change *c, FILE *out);

/* Puts every file in place. Before the first is touched, all must be as they were read: else
 * -EBUSY. On a negative code some may have changed: attach_change_rollback() mends that. */
int attach_change_apply(struct attach_change *c, struct err *e);
/* Puts every touched file back: bytes, owner, mode and time as they were. Goes on after a
 * failure; then negative, with *e naming the first file that could not be put back. */
int attach_change_rollback(struct attach_change *c, struct err *e);

#endif
