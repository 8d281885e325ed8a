/* sheet_text.c: see sheet_text.h. */
#include "decompose/sheet_text.h"

#include "base/macros.h"
#include "decompose/decode_sink.h"
#include "decompose/decompose.h"
#include "decompose/magic.h"

#define PROGRAM_MAX_BYTES 260u
#define FORMULA_MAX_BYTES 2048u

bool
sheet_text_claims(const struct object *o)
{
	static const char *const endings[] = { ".csv", ".tsv", ".slk", ".sylk" };
	static const char *const types[] = { "text/csv", "text/tab-separated-values",
		"application/csv", "text/spreadsheet" };

	if ((o->roles & ROLE_LEAF) == 0 || o->detected == NULL ||
	    (o->detected->kind & KIND_TEXT) == 0)
		return false;
	if (slice_starts_with(o->bytes, SLICE_LIT("ID;P")))
		return true;
	for (uint32_t i = 0; i < o->name_count; i++) {
		for (size_t k = 0; k < ARRAY_LEN(endings); k++) {
			if (slice_ends_with_nocase(o->names[i], slice_of_str(endings[k])))
				return true;
		}
	}
	for (size_t k = 0; k < ARRAY_LEN(types); k++) {
		if (slice_eq_str(o->declared, types[k]))
			return true;
	}
	return false;
}

static bool
is_of_program(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '_' || c == '.' || c == '\\' || c == '/' || c == ':' || c == '-' || c == '(' ||
	    c == '\'' || c == ' ' || c == '+' || c == '=' || c == '@';
}

bool
sheet_text_is_dde(struct slice formula)
{
	size_t bar = 0, end = MIN_OF(formula.len, (size_t)FORMULA_MAX_BYTES);

	while (bar < end && bar < PROGRAM_MAX_BYTES && is_of_program(formula.ptr[bar]))
		bar++;
	if (bar == 0 || bar >= end || formula.ptr[bar] != '|')
		return false;
	for (size_t i = bar + 1; i < end && formula.ptr[i] != '\n' && formula.ptr[i] != '\r'; i++) {
		if (formula.ptr[i] == '!')
			return true;
	}
	return false;
}

/* Cells begin at the line, and behind separators and quotes. */
static bool
line_has_dde(struct slice line)
{
	bool begins = true;

	if (slice_find_byte(line, '|', 0) == SIZE_MAX)
		return false; /* as nearly every line: a file of numbers is large */
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.ptr[i];

		if (begins && (c == '=' || c == '+' || c == '-' || c == '@') &&
		    sheet_text_is_dde(slice_from(line, i + 1)))
			return true;
		begins = c == ',' || c == ';' || c == '\t' || c == '"' || (begins && c == ' ');
	}
	return false;
}

/* "O;L;E;D": options of the sheet; E makes it one of macros. */
static bool
has_field(struct slice line, uint8_t field)
{
	for (size_t i = 0; i + 1 < line.len; i++) {
		if (line.ptr[i] == ';' && line.ptr[i + 1] == field &&
		    (i + 2 == line.len || line.ptr[i + 2] == ';'))
			return true;
	}
	return false;
}

static uint64_t
sylk_line_facts(struct slice line)
{
	if (slice_starts_with(line, SLICE_LIT("O;")) && has_field(line, 'E'))
		return FACT_BIT(FACT_MACRO);
	if (slice_starts_with(line, SLICE_LIT("NN;")) &&
	    slice_find_nocase(line, SLICE_LIT(";NAuto_"), 0) != SIZE_MAX)
		return FACT_BIT(FACT_AUTO_MACRO);
	if (slice_starts_with(line, SLICE_LIT("C;"))) {
		size_t at = slice_find(line, SLICE_LIT(";E"), 0);

		if (at != SIZE_MAX && sheet_text_is_dde(slice_from(line, at + 2)))
			return FACT_BIT(FACT_ACTIVE_CONTENT);
	}
	return 0;
}

void
sheet_text_open(struct decompose *d, struct object *o)
{
	bool sylk = slice_starts_with(o->bytes, SLICE_LIT("ID;P"));
	struct slice line;
	size_t at = 0;

	while (text_next_line(o->bytes, &at, &line)) {
		budget_add_work(decompose_get_budget(d), line.len);
		if (!budget_has_time(decompose_get_budget(d))) {
			object_add_facts(o, budget_get_time_facts(decompose_get_budget(d)));
			return;
		}
		if (sylk)
			object_add_facts(o, sylk_line_facts(line));
		else if (line_has_dde(line))
			object_add_facts(o, FACT_BIT(FACT_ACTIVE_CONTENT));
	}
}
