/* json_text.c: RFC 8259 section 7. */
#include "record/json_text.h"

#include "decompose/trail.h"

int
json_text_append(struct buf *out, struct slice s)
{
	int r = buf_append_byte(out, '"');

	while (s.len > 0 && r == 0) {
		size_t len = utf8_printable_len(s);
		uint8_t c = s.ptr[0];

		if (c == '"' || c == '\\')
			r = buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			r = buf_printf(out, "\\u%04x", c);
		else if (len == 0)
			r = buf_append_str(out, "\xef\xbf\xbd");
		else
			r = buf_append(out, s.ptr, len);
		s = slice_from(s, len == 0 ? 1 : len);
	}
	return r < 0 ? r : buf_append_byte(out, '"');
}
