/* opener_table.c: who opens what. One format, one row; asked in this order. */
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/opener_rows.h"

const struct opener openers[] = {
#define OPENER(name) { #name, name##_claims, name##_open },
	OPENER_ROWS
#undef OPENER
};
const size_t opener_count = ARRAY_LEN(openers);

_Static_assert(ARRAY_LEN(openers) <= 32, "an object keeps one bit for each opener");
