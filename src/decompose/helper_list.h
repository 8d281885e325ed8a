/* helper_list.h: the technical listing of 7zz ("l -slt -ba"), member by member. */
#ifndef CORDON_DECOMPOSE_HELPER_LIST_H
#define CORDON_DECOMPOSE_HELPER_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct helper_member {
	struct slice path; /* in the listing; control characters were made "_" */
	uint64_t size;     /* UINT64_MAX: not told */
	bool folder, encrypted;
};

/* The next member of *rest, which moves on behind it. Blocks without a path (what 7zz asks for
 * on the way, headings) are passed over. False: none left. */
bool helper_list_next(struct slice *rest, struct helper_member *ret);

/* The next name of the messages of "x -so -bb1 -bso2": lines "- NAME", in the order in which
 * the data comes. Folders (a "/" behind them) are passed over. */
bool helper_list_next_name(struct slice *rest, struct slice *ret_name);

/* What the messages complain of, in facts: ENCRYPTED, UNSUPPORTED, TRUNCATED, CORRUPT or
 * LIMIT_BYTES; 0: of nothing. Names of members are not taken for complaints. */
uint64_t helper_list_get_facts(struct slice messages);

#endif
