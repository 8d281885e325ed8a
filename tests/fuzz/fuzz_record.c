/* fuzz_record.c: any bytes as a record, and its two lines. Promises: what decodes can be written;
 * the text line is printable ASCII, the JSON line has no control characters and ends. */
#include <stdint.h>
#include <stdlib.h>

#include "base/macros.h"
#include "record/counters.h"
#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_text(struct slice line, struct slice id)
{
	ASSERT(slice_starts_with(line, SLICE_LIT("id=")));
	line = slice_from(line, 3 + id.len); /* our own id stands bare */
	for (size_t i = 0; i < line.len; i++)
		ASSERT(line.ptr[i] >= 0x20 && line.ptr[i] < 0x7f);
}

/* Outside of strings only what JSON knows, every string closed, braces even. */
static void
check_json(struct slice line)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.ptr[i];

		ASSERT(c >= 0x20 && c != 0x7f);
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']'))
			ASSERT(--depth >= 0 && (depth > 0 || i + 1 == line.len));
	}
	ASSERT(!in_string && depth == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct counters counters, before;
	CLEANUP(buf_done) struct buf out = { .max = 1 << 20 }, again = { .max = 1 << 20 };
	struct record r, second;

	if (len > 48 * 1024 || !record_decode(slice_of(data, len), &r))
		return 0;
	ASSERT(r.recipients_shown <= RECORD_RECIPIENTS_MAX);
	ASSERT(record_format_text(&r, &out) == 0);
	check_text(buf_get(&out), r.id);
	buf_clear(&out);
	ASSERT(record_format_json(&r, &out) == 0);
	check_json(buf_get(&out));
	counters_add(&counters, &r);
	buf_clear(&out);
	ASSERT(counters_format_summary(&counters, &before, &out) == 0);
	buf_clear(&out);
	ASSERT(buf_append_byte(&out, '{') == 0 && counters_format_json(&counters, &out) == 0);
	ASSERT(buf_append_byte(&out, '}') == 0);
	check_json(buf_get(&out));
	buf_clear(&out);
	ASSERT(record_encode(&r, &out) == 0 && record_decode(buf_get(&out), &second));
	ASSERT(record_encode(&second, &again) == 0);
	ASSERT(slice_eq(buf_get(&out), buf_get(&again)));
	return 0;
}
