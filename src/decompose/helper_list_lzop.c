/* helper_list_lzop.c: the listing of lzop ("-lN"), a line for each file in the stream:
 *   METHOD  PACKED  SIZE  RATIO%  NAME
 * below a heading, above a sum when there are several. The name is in the folder of the
 * archive, and may hold line feeds: what makes no line is told as damage. */
#include "base/macros.h"
#include "decompose/helper_list.h"
#include "decompose/object.h"

#define FOLDER    "/proc/self/fd/" /* of the archive, where it would write to */
#define HEADING   "method      compressed  uncompr. ratio uncompressed_name"
#define NO_METHOD "            "

static bool
line_read(struct slice line, struct helper_member *m)
{
	struct slice method, packed_word, size, ratio;
	uint64_t packed;

	if (!helper_word_next(&line, &method) || !slice_starts_with(method, SLICE_LIT("LZO")) ||
	    !helper_word_next(&line, &packed_word) ||
	    !slice_parse_uint(packed_word, UINT64_MAX - 1, &packed) ||
	    !helper_word_next(&line, &size) ||
	    !slice_parse_uint(size, UINT64_MAX - 1, &m->size) ||
	    !helper_word_next(&line, &ratio) || ratio.ptr[ratio.len - 1] != '%')
		return false;
	m->path = slice_from(line, MIN_OF(line.len, (size_t)1));
	if (slice_starts_with(m->path, SLICE_LIT(FOLDER)))
		m->path = slice_from(m->path, sizeof(FOLDER) - 1);
	return true;
}

/* The heading, or the sum. */
static bool
line_is_around(struct slice line)
{
	return slice_eq_str(line, HEADING) ||
	       (slice_starts_with(line, SLICE_LIT(NO_METHOD)) &&
		   slice_ends_with_nocase(line, SLICE_LIT(" files)")));
}

bool
helper_list_lzop_next(struct slice *rest, struct helper_member *ret)
{
	struct helper_member m = { .size = UINT64_MAX };
	struct slice line;

	do {
		if (!helper_line_next(rest, &line))
			return false;
	} while (line_is_around(line));
	m.damaged = !line_read(line, &m);
	if (m.damaged)
		m.size = UINT64_MAX;
	*ret = m;
	return true;
}

uint64_t
helper_list_lzop_get_facts(struct slice messages)
{
	static const struct helper_complaint complaints[] = {
		{ "unexpected end of file", FACT_TRUNCATED },
		{ "you need a newer version", FACT_UNSUPPORTED },
		{ "get a newer version", FACT_UNSUPPORTED },
		{ "not supported", FACT_UNSUPPORTED },
		{ "block size too small", FACT_UNSUPPORTED },
		{ "split lzop file", FACT_UNSUPPORTED }, { "out of memory", FACT_LIMIT_BYTES },
		{ "ignoring trailing garbage", FACT_CORRUPT }, /* that was not looked at */
	};

	return helper_complaints_get_facts(messages, complaints, ARRAY_LEN(complaints));
}
