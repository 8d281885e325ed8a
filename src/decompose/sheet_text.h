/* sheet_text.h: spreadsheets that are text: SYLK (.slk) and tables with separators (.csv, .tsv).
 * Nothing is packed in them: facts only. */
#ifndef CORDON_DECOMPOSE_SHEET_TEXT_H
#define CORDON_DECOMPOSE_SHEET_TEXT_H

#include <stdbool.h>

#include "base/slice.h"

struct decompose;
struct object;

/* Claims leaves that begin as SYLK does, and those called or declared as such tables. */
bool sheet_text_claims(const struct object *o);
/* facts    MACRO, AUTO_MACRO: SYLK with a sheet of Excel 4 macros, with a name that runs by
 *          itself; ACTIVE_CONTENT: a formula that starts a program (DDE) */
void sheet_text_open(struct decompose *d, struct object *o);

/* Whether formula, behind its =, + or -, asks another program by DDE: PROGRAM|'TOPIC'!ITEM. */
bool sheet_text_is_dde(struct slice formula);

#endif
