/* helper_list.c: see helper_list.h. The text comes from a program that a stranger's archive may
 * have taken over: nothing in it is believed beyond that archive. */
#include "decompose/helper_list.h"

#include "base/macros.h"
#include "decompose/object.h"

#define INPUT_NAME "/proc/self/fd/"

bool
helper_line_next(struct slice *rest, struct slice *ret)
{
	size_t end;

	if (rest->len == 0)
		return false;
	end = slice_find_byte(*rest, '\n', 0);
	*ret = slice_sub(*rest, 0, end == SIZE_MAX ? rest->len : end);
	*rest = slice_from(*rest, end == SIZE_MAX ? rest->len : end + 1);
	if (ret->len > 0 && ret->ptr[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

bool
helper_word_next(struct slice *rest, struct slice *ret)
{
	size_t from = 0, end;

	while (from < rest->len && rest->ptr[from] == ' ')
		from++;
	*rest = slice_from(*rest, from);
	if (rest->len == 0)
		return false;
	end = slice_find_byte(*rest, ' ', 0);
	*ret = slice_sub(*rest, 0, end == SIZE_MAX ? rest->len : end);
	*rest = slice_from(*rest, ret->len);
	return true;
}

/* "KEY = value" */
static bool
line_has(struct slice line, const char *key, struct slice *ret_value)
{
	struct slice k = slice_of_str(key);

	if (!slice_starts_with(line, k))
		return false;
	line = slice_from(line, k.len);
	if (!slice_starts_with(line, SLICE_LIT(" =")))
		return false;
	*ret_value = slice_trim(slice_from(line, 2));
	return true;
}

/* "D drwxr-xr-x", "RHSD": letters before the first space. */
static bool
attributes_say_folder(struct slice value)
{
	size_t end = slice_find_byte(value, ' ', 0);

	return slice_find_byte(
		   slice_sub(value, 0, end == SIZE_MAX ? value.len : end), 'D', 0) != SIZE_MAX;
}

static void
member_take_line(struct helper_member *m, struct slice line)
{
	struct slice value;

	if (line_has(line, "Size", &value)) {
		if (!slice_parse_uint(value, UINT64_MAX - 1, &m->size))
			m->size = UINT64_MAX;
	} else if (line_has(line, "Folder", &value)) {
		m->folder = m->folder || slice_eq_str(value, "+");
	} else if (line_has(line, "Attributes", &value)) {
		m->folder = m->folder || attributes_say_folder(value);
	} else if (line_has(line, "Encrypted", &value)) {
		m->encrypted = slice_eq_str(value, "+");
	}
}

bool
helper_list_next(struct slice *rest, struct helper_member *ret)
{
	struct helper_member m = { .size = UINT64_MAX };
	struct slice line, before;
	bool found = false;

	for (before = *rest; helper_line_next(rest, &line); before = *rest) {
		struct slice path;

		if (line_has(line, "Path", &path)) {
			if (found) { /* no empty line between them: the next call's */
				*rest = before;
				break;
			}
			found = true;
			/* Spaces around a name are part of it. */
			m.path = slice_from(line, MIN_OF(line.len, sizeof("Path = ") - 1));
		} else if (found && line.len == 0) {
			break;
		} else if (found) {
			member_take_line(&m, line);
		}
	}
	if (found)
		*ret = m;
	return found;
}

bool
helper_list_next_name(struct slice *rest, struct slice *ret_name)
{
	struct slice line;

	while (helper_line_next(rest, &line)) {
		if (!slice_starts_with(line, SLICE_LIT("- ")) || line.ptr[line.len - 1] == '/')
			continue;
		*ret_name = slice_from(line, 2);
		return true;
	}
	return false;
}

static const struct helper_complaint complaints[] = {
	{ "encrypted", FACT_ENCRYPTED },
	{ "wrong password", FACT_ENCRYPTED },
	{ "break signaled", FACT_ENCRYPTED }, /* it asked for a password, and there was none */
	{ "unsupported", FACT_UNSUPPORTED },
	{ "not implemented", FACT_UNSUPPORTED },
	{ "unexpected end", FACT_TRUNCATED },
	{ "can't allocate", FACT_LIMIT_BYTES },
	{ "not enough memory", FACT_LIMIT_BYTES },
	{ "memory allocation", FACT_LIMIT_BYTES },
	{ "error", FACT_CORRUPT },
};

/* The fact of the first that is in the line; 0: none is. */
static uint64_t
line_get_fact(struct slice line, const struct helper_complaint *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_find_nocase(line, slice_of_str(rows[i].text), 0) != SIZE_MAX)
			return FACT_BIT(rows[i].fact);
	}
	return 0;
}

uint64_t
helper_complaints_get_facts(
    struct slice messages, const struct helper_complaint *rows, size_t count)
{
	uint64_t facts = 0;
	struct slice line;

	while (helper_line_next(&messages, &line))
		facts |= line_get_fact(line, rows, count);
	return facts;
}

uint64_t
helper_list_get_facts(struct slice messages)
{
	uint64_t facts = 0;
	struct slice line;

	while (helper_line_next(&messages, &line)) {
		/* "ERROR: Data Error : NAME", but "ERROR: /proc/self/fd/3 : Cannot open ..." */
		size_t cut = slice_find(line, SLICE_LIT(INPUT_NAME), 0) == SIZE_MAX
				 ? slice_find(line, SLICE_LIT(" : "), 0)
				 : SIZE_MAX;

		if (slice_starts_with(line, SLICE_LIT("- ")) ||
		    slice_starts_with(line, SLICE_LIT("Path =")))
			continue;
		line = slice_sub(line, 0, cut == SIZE_MAX ? line.len : cut);
		facts |= line_get_fact(line, complaints, ARRAY_LEN(complaints));
	}
	/* "Errors:" and the like stand beside the reason. */
	if ((facts & ~FACT_BIT(FACT_CORRUPT)) != 0)
		facts &= ~FACT_BIT(FACT_CORRUPT);
	return facts;
}
