/* attach_text.h: configuration files as lines: what differs between two texts, shown as a
 * unified diff, and one change taken out of a text that went on changing. */
#ifndef CORDON_ATTACH_ATTACH_TEXT_H
#define CORDON_ATTACH_ATTACH_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* The lines of a text, each with its newline (the last may have none). Borrows the text. */
struct text_lines {
	struct slice *line; /* owned */
	size_t count;
};

/* 0, or -ENOMEM, or -EFBIG: more than ATTACH_LINES_MAX lines. */
int text_lines_split(struct slice text, struct text_lines *ret_lines);
void text_lines_done(struct text_lines *l);

/* Lines from .. from + len of the old text became lines of the new one. */
struct text_hunk {
	size_t old_from, old_len, new_from, new_len;
};

struct text_hunks {
	struct text_hunk
	    *hunk; /* owned, in the order of the text, never touching one another */
	size_t count;
};

/* The differences, few where few are enough. 0, or -ENOMEM, or -EFBIG: the texts differ in more
 * than ATTACH_DIFFERENCES_MAX lines. */
int text_hunks_find(const struct text_lines *old, const struct text_lines *new_lines,
    struct text_hunks *ret_hunks);
void text_hunks_done(struct text_hunks *h);

/* Prints a unified diff with three lines of context; nothing when the texts are equal. The
 * names stand in its head; "/dev/null" is the usual name of nothing. 0 or a negative code. */
int text_diff_print(FILE *out, const char *old_name, const char *new_name, struct slice old,
    struct slice new_text);

/* Takes the change from before to after out of current, which came from after by other changes.
 * ret_text	appended: current without the change
 * returns	0; -EEXIST when both changed the same lines (*ret_line: such a line of current,
 *		from 1; nothing is appended then); -ENOMEM, -EFBIG, -ENOBUFS
 * A change that is no longer there is no conflict: those lines stay as they are. */
int text_undo(struct slice before, struct slice after, struct slice current,
    struct buf *ret_text, size_t *ret_line);

/* The next line of *rest, without its newline, removed from it. False at the end. */
bool attach_text_next_line(struct slice *rest, struct slice *ret_line);
/* The next word of *rest (blanks and commas divide; {...} is one word). False: no more. */
bool text_next_word(struct slice *rest, struct slice *ret_word);

#endif
