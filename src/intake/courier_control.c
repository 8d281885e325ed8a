/* courier_control.c: see courier_control.h. */
#include "intake/courier_control.h"

bool
courier_list_is_whole(struct slice in, size_t *ret_len)
{
	size_t end = in.len > 0 && in.ptr[0] == '\n' ? 0 : slice_find(in, SLICE_LIT("\n\n"), 0);

	if (end == SIZE_MAX || in.len == 0)
		return false;
	*ret_len = end + (in.ptr[0] == '\n' ? 1 : 2);
	return true;
}

static bool
line_next(struct slice *rest, struct slice *ret_line)
{
	size_t end = slice_find_byte(*rest, '\n', 0);

	if (rest->len == 0)
		return false;
	*ret_line = end == SIZE_MAX ? *rest : slice_sub(*rest, 0, end);
	*rest = end == SIZE_MAX ? SLICE_NONE : slice_from(*rest, end + 1);
	return true;
}

bool
courier_list_next(struct slice *list, struct slice *ret_path)
{
	while (line_next(list, ret_path)) {
		if (slice_trim(*ret_path).len > 0)
			return true;
	}
	return false;
}

bool
courier_path_is_good(struct slice path)
{
	for (size_t at = 0; (at = slice_find(path, SLICE_LIT("/.."), at)) != SIZE_MAX; at++) {
		if (at + 3 == path.len || path.ptr[at + 3] == '/')
			return false;
	}
	return path.len > 0 && path.len <= COURIER_PATH_MAX_BYTES && path.ptr[0] == '/' &&
	       slice_find_byte(path, '\0', 0) == SIZE_MAX;
}

bool
courier_record_next(struct slice *file, char *ret_kind, struct slice *ret_value)
{
	struct slice line;

	while (line_next(file, &line)) {
		if (line.len == 0)
			continue;
		*ret_kind = (char)line.ptr[0];
		*ret_value = slice_from(line, 1);
		return true;
	}
	return false;
}

void
courier_from_mta_parse(struct slice value, struct slice *ret_helo, struct slice *ret_name,
    struct slice *ret_address)
{
	size_t type = slice_find_byte(value, ';', 0), open, from = SIZE_MAX, to;
	struct slice inner;

	*ret_name = *ret_address = SLICE_NONE;
	if (type != SIZE_MAX)
		value = slice_from(value, type + 1);
	open = slice_find_byte(value, '(', 0);
	*ret_helo = slice_trim(slice_sub(value, 0, open == SIZE_MAX ? value.len : open));
	if (open == SIZE_MAX)
		return;
	inner = slice_from(value, open + 1);
	/* The last bracket: the client chose its HELO, and perhaps its name. */
	for (size_t at = 0; (at = slice_find_byte(inner, '[', at)) != SIZE_MAX; at++)
		from = at;
	if (from == SIZE_MAX)
		return;
	to = slice_find_byte(inner, ']', from);
	*ret_name = slice_trim(slice_sub(inner, 0, from));
	if (to == SIZE_MAX)
		return;
	*ret_address = slice_sub(inner, from + 1, to - from - 1);
	if (slice_starts_with_nocase(*ret_address, SLICE_LIT("::ffff:")))
		*ret_address = slice_from(*ret_address, 7);
	else if (slice_starts_with_nocase(*ret_address, SLICE_LIT("IPv6:")))
		*ret_address = slice_from(*ret_address, 5);
}
