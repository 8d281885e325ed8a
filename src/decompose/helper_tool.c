/* helper_tool.c: see helper_tool.h. */
#include "decompose/helper_tool.h"

static const struct helper_tool tools[] = {
	[HELPER_PROGRAM_7ZZ] = { .list_next = helper_list_next,
	    .get_facts = helper_list_get_facts,
	    .status_warning = 1,
	    .status_usage = 7,
	    .status_no_memory = 8,
	    .says_names = true,
	    .can_ask = true,
	    .wildcards = "" }, /* it was told to know none */
	[HELPER_PROGRAM_NOMARCH] = { .list_next = helper_list_arc_next,
	    .get_facts = helper_list_arc_get_facts,
	    .can_ask = true,
	    .wildcards = "*?" },
	[HELPER_PROGRAM_LZOP] = { .list_next = helper_list_lzop_next,
	    .get_facts = helper_list_lzop_get_facts,
	    .status_warning = 2,
	    .one_stream = true,
	    .wildcards = "" },
};

const struct helper_tool *
helper_tool_get(enum helper_program program)
{
	return &tools[program];
}
