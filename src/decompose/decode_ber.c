/* decode_ber.c: see decode_ber.h. */
#include "decompose/decode_ber.h"

#include "decompose/budget.h"

bool
ber_enter(struct slice *in, struct ber *ret_e)
{
	struct slice s = *in;
	size_t len, n;

	if (s.len < 2 || (s.ptr[0] == 0 && s.ptr[1] == 0) || (s.ptr[0] & 0x1f) == 0x1f)
		return false;
	ret_e->tag = s.ptr[0];
	ret_e->constructed = (s.ptr[0] & 0x20) != 0;
	ret_e->indefinite = false;
	len = s.ptr[1];
	s = slice_from(s, 2);
	if (len == 0x80) {
		if (!ret_e->constructed)
			return false;
		ret_e->indefinite = true;
		len = s.len;
	} else if (len > 0x80) {
		n = len & 0x7f;
		if (n > 8 || n > s.len)
			return false;
		for (len = 0; n > 0; n--) {
			len = len << 8 | s.ptr[0];
			s = slice_from(s, 1);
		}
	}
	ret_e->inside = slice_sub(s, 0, len);
	*in = ret_e->inside;
	return true;
}

/* Moves *in to the end mark of the indefinite element it is inside of. */
static bool
end_mark_find(struct slice *in, struct budget *b)
{
	size_t depth = 0;
	unsigned steps = 0;

	while (in->len > 0) {
		struct slice at = *in;
		struct ber e;

		if (at.len >= 2 && at.ptr[0] == 0 && at.ptr[1] == 0) {
			if (depth == 0)
				return true;
			depth--;
			*in = slice_from(at, 2);
			continue;
		}
		if ((++steps & 63) == 0 && b != NULL && !budget_has_time(b))
			return false;
		if (!ber_enter(&at, &e))
			return false;
		if (e.indefinite) {
			depth++;
			*in = at;
		} else {
			*in = slice_from(*in, (size_t)(e.inside.ptr - in->ptr) + e.inside.len);
		}
	}
	return true; /* cut off: the end is the end mark */
}

bool
ber_next(struct slice *in, struct ber *ret_e, struct budget *b)
{
	struct slice inside = *in;

	if (!ber_enter(&inside, ret_e))
		return false;
	if (ret_e->indefinite) {
		struct slice end = inside;

		if (!end_mark_find(&end, b))
			return false;
		ret_e->inside = slice_sub(inside, 0, (size_t)(end.ptr - inside.ptr));
		*in = slice_from(end, 2);
		return true;
	}
	*in = slice_from(*in, (size_t)(inside.ptr - in->ptr) + inside.len);
	return true;
}
