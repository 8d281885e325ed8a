/* helper_list.h: what the programs beside say of an archive, member by member: the technical
 * listing of 7zz ("l -slt -ba"), those of nomarch and lzop, and complaints. */
#ifndef CORDON_DECOMPOSE_HELPER_LIST_H
#define CORDON_DECOMPOSE_HELPER_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/object.h"

struct helper_member {
	struct slice path; /* in the listing; control characters were made "_" */
	uint64_t size;     /* UINT64_MAX: not told */
	bool folder, encrypted;
	/* This is no line of a listing (the size is not told, the name may be part of one), or
	 * one that contradicts itself. */
	bool damaged;
};

/* The next member of *rest, which moves on behind it. Blocks without a path (what 7zz asks for
 * on the way, headings) are passed over. False: none left. */
bool helper_list_next(struct slice *rest, struct helper_member *ret);
/* The same for nomarch's "-lvU" and lzop's "-lN". Lines that are none of such a listing are
 * members that are damaged. */
bool helper_list_arc_next(struct slice *rest, struct helper_member *ret);
bool helper_list_lzop_next(struct slice *rest, struct helper_member *ret);

/* The next name of the messages of "x -so -bb1 -bso2": lines "- NAME", in the order in which
 * the data comes. Folders (a "/" behind them) are passed over. */
bool helper_list_next_name(struct slice *rest, struct slice *ret_name);

/* What the messages complain of, in facts: ENCRYPTED, UNSUPPORTED, TRUNCATED, CORRUPT or
 * LIMIT_BYTES; 0: of nothing. Names of members are not taken for complaints. */
uint64_t helper_list_get_facts(struct slice messages);
uint64_t helper_list_arc_get_facts(struct slice messages);
uint64_t helper_list_lzop_get_facts(struct slice messages);

/* ---- for the parsers ---- */

struct helper_complaint {
	const char *text; /* anywhere in a line, in any case */
	enum fact fact;
};

/* The facts of all lines; in each the first row that is found counts. */
uint64_t helper_complaints_get_facts(
    struct slice messages, const struct helper_complaint *rows, size_t count);
/* The next line, without its end. False: none is left. */
bool helper_line_next(struct slice *rest, struct slice *ret);
/* The next word between blanks; *rest moves to behind it. False: none is left. */
bool helper_word_next(struct slice *rest, struct slice *ret);

#endif
