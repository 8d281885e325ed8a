/* input_files.h: what the arguments of `cordon scan` stand for: files, folders, Maildirs,
 * mboxes, standard input. */
#ifndef CORDON_CMD_INPUT_FILES_H
#define CORDON_CMD_INPUT_FILES_H

#include <stdint.h>

#include "base/slice.h"

struct input_visitor {
	/* One file or mail. shown: its name in results. fd: borrowed, from its start. */
	void (*visit)(void *ctx, struct slice shown, int fd, uint32_t roles);
	/* Something could not be read. */
	void (*fail)(void *ctx, struct slice shown, const char *why);
	void *ctx;
};

/* Visits what path stands for, in order of names. "-" is standard input. A folder is read to
 * its bottom, links are not followed; mails of a Maildir (cur, new) count as mails. */
void input_files_visit(const char *path, const struct input_visitor *v);

#endif
