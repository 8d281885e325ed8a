/* clamd_walk.h: the files below one path, opened one after the other, a little at a time. */
#ifndef CORDON_CLAMD_WALK_H
#define CORDON_CLAMD_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct clamd_walk;

/* Whether an open file may be read here, on the loop. NULL and *ret_size; or what is said
 * against it, in clamd's words where it has some. */
const char *clamd_file_check(int fd, uint64_t *ret_size);

enum clamd_walk_kind {
	CLAMD_WALK_DONE, /* all was there */
	CLAMD_WALK_MORE, /* enough for one turn: call again */
	CLAMD_WALK_FILE,
	CLAMD_WALK_ERROR, /* something that had to be looked at cannot be */
};

struct clamd_walk_item {
	enum clamd_walk_kind kind;
	struct slice path; /* as it was reached; until the next call */
	const char *text;  /* of an error: why, as clamd words it; until the next call */
	int fd;            /* of a file: to be read from its beginning; the caller closes it */
	uint64_t size;     /* of a file, when it was opened */
};

/* Begins at path, which a client gave. A link there is followed, so that what was asked for is
 * what is looked at; links in a folder are not (they lead out of it), and pipes, sockets and
 * devices in a folder are passed over, as clamd does by default. Nothing is opened to be read
 * before it is known to be a plain file or a folder. Keeps one descriptor open, and the names
 * of folders still to be entered, at most a megabyte of them: what does not fit is an error. */
struct clamd_walk *clamd_walk_new(struct slice path);
void clamd_walk_free(struct clamd_walk **w);
/* The path as it was given, without slashes at its end. */
struct slice clamd_walk_get_top(const struct clamd_walk *w);
/* Whether it was a folder; known after the first call of clamd_walk_next(). */
bool clamd_walk_is_folder(const struct clamd_walk *w);
void clamd_walk_next(struct clamd_walk *w, struct clamd_walk_item *ret);

#endif
