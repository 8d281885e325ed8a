/* helper_list_arc.c: the listing of nomarch ("-lvU"), a line for each member:
 *   NAME, filled up with blanks to 13 <TAB> METHOD (ITS NAME) <TAB> PACKED SIZE DATE TIME [CRC]
 * A name may hold any byte below 128 but NUL, also tabs and line feeds: a line is read from its
 * end, and what makes none is told as damage. */
#include "base/macros.h"
#include "decompose/helper_list.h"
#include "decompose/object.h"

#define NAME_MAX_BYTES 13
#define WORDS_MIN      4 /* packed, size, date, time */

static size_t
find_last(struct slice s, uint8_t c)
{
	for (size_t i = s.len; i > 0; i--) {
		if (s.ptr[i - 1] == c)
			return i - 1;
	}
	return SIZE_MAX;
}

/* Packed size, size, date, time and what may follow. False: not those. */
static bool
numbers_read(struct slice text, uint64_t *ret_packed, uint64_t *ret_size)
{
	struct slice word;

	for (unsigned n = 0; n < WORDS_MIN; n++) {
		if (!helper_word_next(&text, &word) ||
		    (n == 0 && !slice_parse_uint(word, UINT32_MAX, ret_packed)) ||
		    (n == 1 && !slice_parse_uint(word, UINT32_MAX, ret_size)))
			return false;
	}
	return true;
}

/* Bytes that no member has: other readers go by the packed size, and get more. */
static bool
sizes_differ(struct slice method, uint64_t packed, uint64_t size)
{
	bool stored = slice_starts_with(method, SLICE_LIT("1 ")) ||
		      slice_starts_with(method, SLICE_LIT("2 "));

	return (stored && packed != size) || (packed > 0 && size == 0);
}

bool
helper_list_arc_next(struct slice *rest, struct helper_member *ret)
{
	struct helper_member m = { .size = UINT64_MAX };
	struct slice line;
	size_t numbers, method;
	uint64_t packed, size;

	if (!helper_line_next(rest, &line))
		return false;
	numbers = find_last(line, '\t');
	method = numbers == SIZE_MAX ? SIZE_MAX : find_last(slice_sub(line, 0, numbers), '\t');
	if (method != SIZE_MAX) {
		m.path = slice_sub(line, 0, method);
		while (m.path.len > 0 && m.path.ptr[m.path.len - 1] == ' ')
			m.path.len--;
	}
	if (method == SIZE_MAX || m.path.len > NAME_MAX_BYTES ||
	    !numbers_read(slice_from(line, numbers + 1), &packed, &size)) {
		m.damaged = true;
	} else {
		m.size = size;
		m.damaged = sizes_differ(slice_from(line, method + 1), packed, size);
	}
	*ret = m;
	return true;
}

uint64_t
helper_list_arc_get_facts(struct slice messages)
{
	static const struct helper_complaint complaints[] = {
		{ "unsupported compression method", FACT_UNSUPPORTED },
		{ "out of memory", FACT_LIMIT_BYTES },
		{ "error reading", FACT_TRUNCATED },
		{ "bad crc", FACT_CORRUPT }, /* also what a password does */
		{ "bad first header", FACT_CORRUPT },
		{ "error", FACT_CORRUPT },
	};

	return helper_complaints_get_facts(messages, complaints, ARRAY_LEN(complaints));
}
