/* ole_office.c: see ole_office.h. */
#include "decompose/ole_office.h"

#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/le_read.h"
#include "decompose/stream_decode.h"

enum { /* Excel's records */
	BIFF_LABEL = 0x0018,
	BIFF_FILE_PASS = 0x002f,
	BIFF_SHEET = 0x0085,
	BIFF_BOF = 0x0809,
};
#define SHEET_KIND_MACRO 1
#define NAME_AUTO_OPEN   0x01
#define NAME_AUTO_CLOSE  0x02
#define NAME_AUTO_ON     0x0a
#define NAME_AUTO_OFF    0x0b

#define WORD_ENCRYPTED   0x0100
#define SLIDE_ENCRYPTED  0xf3d1c4df
#define SLIDE_OBJECT     0x1011
#define SLIDE_HEADER     8

static uint64_t
word_judge(struct slice b)
{
	uint16_t mark = le16_read(b, 0);

	if ((mark == 0xa5ec || mark == 0xa5dc) && (le16_read(b, 10) & WORD_ENCRYPTED) != 0)
		return FACT_BIT(FACT_ENCRYPTED);
	return 0;
}

/* Names that Excel runs by itself; a built-in one is a number instead of letters. */
static bool
is_auto_label(struct slice r)
{
	bool builtin = (le16_read(r, 0) & 0x20) != 0;
	struct slice name = slice_from(r, 14);

	if (name.len == 0)
		return false;
	if (builtin) {
		uint8_t code = r.len > 15 && name.ptr[0] == 0 ? name.ptr[1] : name.ptr[0];

		return code == NAME_AUTO_OPEN || code == NAME_AUTO_CLOSE || code == NAME_AUTO_ON ||
		    code == NAME_AUTO_OFF;
	}
	if (name.ptr[0] < ' ')
		name = slice_from(name, 1);
	return slice_starts_with_nocase(name, SLICE_LIT("auto_open")) ||
	    slice_starts_with_nocase(name, SLICE_LIT("auto_close")) ||
	    slice_starts_with_nocase(name, SLICE_LIT("auto_activate"));
}

static uint64_t
excel_judge(struct decompose *d, struct slice b)
{
	bool macro = false, starts = false;
	size_t at = 0;

	if ((le16_read(b, 0) & 0xff) != (BIFF_BOF & 0xff))
		return 0;
	while (b.len - at >= 4 && budget_has_time(decompose_get_budget(d))) {
		uint16_t id = le16_read(b, at);
		struct slice r = slice_sub(b, at + 4, le16_read(b, at + 2));

		if (id == BIFF_FILE_PASS)
			return FACT_BIT(FACT_ENCRYPTED);
		if (id == BIFF_SHEET && r.len > 6 && r.ptr[5] == SHEET_KIND_MACRO)
			macro = true;
		if (id == BIFF_LABEL && is_auto_label(r))
			starts = true;
		at += 4 + r.len;
	}
	if (!macro)
		return 0;
	return FACT_BIT(FACT_MACRO) | (starts ? FACT_BIT(FACT_AUTO_MACRO) : 0);
}

uint64_t
ole_office_judge(struct decompose *d, struct slice name, struct slice b)
{
	if (slice_eq_str_nocase(name, "WordDocument"))
		return word_judge(b);
	if (slice_eq_str_nocase(name, "Workbook") || slice_eq_str_nocase(name, "Book"))
		return excel_judge(d, b);
	if (slice_eq_str_nocase(name, "Current User") && le32_read(b, 12) == SLIDE_ENCRYPTED)
		return FACT_BIT(FACT_ENCRYPTED);
	if (slice_eq_str_nocase(name, "EncryptedPackage") ||
	    slice_eq_str_nocase(name, "EncryptedSummary"))
		return FACT_BIT(FACT_ENCRYPTED);
	return 0;
}

static void
slide_object_emit(struct decompose *d, struct object *o, struct slice step, struct slice record,
    bool packed)
{
	struct child c = { .step = step };
	struct stream_sink sink = { .d = d };
	size_t used;

	if (!packed) {
		(void)decompose_emit(d, o, &c, record);
		return;
	}
	record = slice_from(record, 4); /* the size when unfolded */
	decompose_output_begin(d, o, record.len);
	if (stream_inflate(record, 15, &sink, &used) == STREAM_CORRUPT && sink.total == 0)
		decompose_output_drop(d);
	else
		(void)decompose_output_finish(d, &c);
}

void
ole_office_open_slides(struct decompose *d, struct object *o, struct slice step, struct slice b)
{
	size_t at = 0;

	while (b.len - at >= SLIDE_HEADER && budget_has_time(decompose_get_budget(d))) {
		uint16_t kind = le16_read(b, at);
		struct slice record = slice_sub(b, at + SLIDE_HEADER, le32_read(b, at + 4));

		at += SLIDE_HEADER;
		if (le16_read(b, at - 6) == SLIDE_OBJECT && record.len > 4)
			slide_object_emit(d, o, step, record, (kind >> 4) == 1);
		if ((kind & 0x0f) != 0x0f) /* else its records follow */
			at += record.len;
	}
}
