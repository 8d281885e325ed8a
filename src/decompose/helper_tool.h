/* helper_tool.h: what the words and exit statuses of a program that reads archives mean. One
 * program of proc/helper_program.h, one row of helper_tool.c; listings that differ have a
 * parser each: helper_list.c (7zz), helper_list_arc.c (nomarch), helper_list_lzop.c. */
#ifndef CORDON_DECOMPOSE_HELPER_TOOL_H
#define CORDON_DECOMPOSE_HELPER_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/helper_list.h"
#include "proc/helper_program.h"

struct helper_tool {
	bool (*list_next)(struct slice *rest, struct helper_member *ret);
	/* What its messages complain of, in facts; 0: of nothing. */
	uint64_t (*get_facts)(struct slice messages);
	/* Exit statuses beside 0, all others being failures: it went on, and said why; it did
	 * not understand us; no memory. 0: it has none for that. */
	uint32_t status_warning, status_usage, status_no_memory;
	bool says_names;       /* with all data, on the messages: see helper_list_next_name() */
	bool can_ask;          /* it gives one member by itself */
	bool one_stream;       /* there may be data although it could not be listed */
	const char *wildcards; /* a name with one of these cannot be asked for */
};

const struct helper_tool *helper_tool_get(enum helper_program program);

#endif
