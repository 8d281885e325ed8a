/* fuzz_mime_header.c: the parsers of headers and values. Promised: offsets inside the input,
 * counts below their limits, results inside arena or input, decoded text well-formed. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/macros.h"
#include "decompose/budget.h"
#include "decompose/charset.h"
#include "decompose/mime_encoding.h"
#include "decompose/mime_header.h"
#include "decompose/mime_line.h"
#include "decompose/mime_type.h"
#include "decompose/name_form.h"
#include "decompose/name_set.h"
#include "decompose/rfc2047.h"

#define ARENA_BYTES ((size_t)4 << 20)

static void
check_header(struct slice in, bool cr, struct budget *b)
{
	struct mime_header h;

	mime_header_parse(&h, in, cr, b);
	ASSERT(h.count <= MIME_FIELDS_MAX && h.end_count >= 1 && h.end_count <= MIME_ENDS_MAX);
	for (size_t i = 0; i < h.end_count; i++)
		ASSERT(h.ends[i].at <= h.ends[i].body && h.ends[i].body <= in.len);
	for (size_t i = 0; i < h.count; i++) {
		struct slice v = h.fields[i].value;

		ASSERT(h.fields[i].at < in.len);
		ASSERT(v.len == 0 || (v.ptr >= in.ptr && v.ptr + v.len <= in.ptr + in.len));
	}
	(void)mime_header_is_mail(in);
	(void)mime_header_is_field(in);
}

static void
check_values(struct arena *a, struct slice in)
{
	struct mime_type t;
	struct mime_encodings e = { .count = 0 };
	struct name_set s = { .count = 0 };

	mime_type_read(a, in, &t);
	ASSERT(t.boundary_count <= MIME_BOUNDARIES_MAX);
	for (size_t i = 0; i < t.boundary_count; i++) {
		for (size_t k = 0; k < i; k++)
			ASSERT(!slice_eq(t.boundaries[i].value, t.boundaries[k].value));
	}
	mime_encodings_read(a, in, 0, 0, &e);
	ASSERT(e.count >= 1 && e.count <= DECODER_COUNT);
	name_set_read(a, in, "filename", &s);
	name_set_read(a, in, "name", &s);
	name_set_finish(a, &s);
	ASSERT(s.count <= OBJECT_NAMES_MAX);
	for (size_t i = 0; i < s.count; i++) {
		struct slice shown = name_form_get_display(a, s.names[i]);

		ASSERT(s.names[i].len > 0 && s.names[i].len <= NAME_BYTES_MAX * 4);
		ASSERT(shown.len > 0 && shown.len <= 128 && utf8_is_valid(shown));
		ASSERT(slice_find_byte(shown, '/', 0) == SIZE_MAX);
	}
}

static void
check_words(struct slice in)
{
	CLEANUP(buf_done) struct buf out = { .len = 0 };
	struct rfc2047_facts f;

	buf_init(&out, in.len * 8 + 64);
	if (rfc2047_decode(in, &out, &f) == 0)
		ASSERT(utf8_is_valid(buf_get(&out)));
	ASSERT(out.len <= out.max);
}

static void
check_lines(struct slice in, struct budget *b)
{
	struct mime_lines l = { .all = NULL };

	mime_lines_build(&l, in, b);
	for (size_t i = 0; i < l.count; i++) {
		struct slice text = mime_line_get_text(in, &l.all[i]);
		size_t start = mime_line_get_start(in, &l.all[i], 0);
		size_t cursor = 0;
		uint32_t index;

		ASSERT(l.all[i].at + 2 <= in.len && start <= l.all[i].at);
		ASSERT(i == 0 || l.all[i - 1].at <= l.all[i].at);
		ASSERT(mime_line_get_end(in, &l.all[i]) <= in.len);
		ASSERT(mime_line_hash(text) == l.all[i].hash);
		ASSERT(mime_lines_next(
		    &l, l.all[i].hash, l.all[i].at, l.all[i].at + 1, &cursor, &index));
	}
	mime_lines_done(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice in = slice_of(data, len);
	struct arena *a = arena_new(ARENA_BYTES);
	struct limits l = limits_get_default();
	struct budget b;

	budget_init(&b, &l, 0);
	check_header(in, false, &b);
	check_header(in, true, &b);
	check_values(a, in);
	check_words(in);
	check_lines(in, &b);
	arena_free(&a);
	return 0;
}
