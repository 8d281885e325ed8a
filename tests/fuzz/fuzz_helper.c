/* fuzz_helper.c: what the companion of an inspector says, what it is asked, and what the programs
 * print: 7zz, nomarch, lzop.
 * Promises: what decodes encodes to the same; a listing ends, and its texts lie inside it. */
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "decompose/helper_tool.h"
#include "decompose/object.h"
#include "proc/helper_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool
lies_inside(struct slice part, struct slice whole)
{
	return part.len == 0 ||
	    (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void
try_tool(const struct helper_tool *tool, struct slice text)
{
	struct slice rest = text;
	struct helper_member m;
	size_t left = rest.len;

	while (tool->list_next(&rest, &m)) {
		ASSERT(lies_inside(m.path, text) && rest.len < left);
		left = rest.len;
	}
	ASSERT(rest.len == 0);
	ASSERT((tool->get_facts(text) &
		   ~(FACT_BIT(FACT_ENCRYPTED) | FACT_BIT(FACT_CORRUPT) | FACT_BIT(FACT_TRUNCATED) |
		       FACT_BIT(FACT_UNSUPPORTED) | FACT_BIT(FACT_LIMIT_BYTES))) == 0);
}

static void
try_names(struct slice text)
{
	struct slice rest = text, name;
	size_t left;

	for (left = rest.len; helper_list_next_name(&rest, &name); left = rest.len)
		ASSERT(lies_inside(name, text) && rest.len < left);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(buf_done) struct buf b = { .max = 1 << 20 };
	struct slice body = slice_of(data, len);
	struct helper_result result;
	struct helper_job job;

	if (helper_run_decode(body, &job)) {
		ASSERT(job.mode < HELPER_MODE_COUNT && job.type < HELPER_TYPE_COUNT);
		ASSERT(job.password.len <= HELPER_TEXT_MAX && job.member.len <= HELPER_TEXT_MAX);
		ASSERT(helper_run_encode(&job, &b) == 0 && slice_eq(buf_get(&b), body));
		buf_clear(&b);
	}
	if (helper_ended_decode(body, &result)) {
		ASSERT(result.end < HELPER_END_COUNT);
		ASSERT(helper_ended_encode(&result, &b) == 0 && slice_eq(buf_get(&b), body));
	}
	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++)
		try_tool(helper_tool_get(i), body);
	try_names(body);
	return 0;
}
