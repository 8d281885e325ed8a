/* ole_office.h: the few structures of Word, Excel and PowerPoint files that tell what a scanner
 * cannot see: encryption, Excel 4 macros, objects that are compressed once more. */
#ifndef CORDON_DECOMPOSE_OLE_OFFICE_H
#define CORDON_DECOMPOSE_OLE_OFFICE_H

#include <stdint.h>

#include "base/slice.h"

struct decompose;
struct object;

/* FACT_BIT()s that the stream of that name gives its document: ENCRYPTED (MS-DOC 2.5.2,
 * MS-XLS 2.4.117, MS-PPT 2.3.2, MS-OFFCRYPTO 2.3), MACRO and AUTO_MACRO (Excel 4 macro sheets,
 * MS-XLS 2.4.28 and 2.4.150). */
uint64_t ole_office_judge(struct decompose *d, struct slice name, struct slice bytes);
/* Emits the objects inside a "PowerPoint Document" stream (MS-PPT 2.10.34), which are packed
 * with zlib, as children of o. step names the stream. */
void ole_office_open_slides(struct decompose *d, struct object *o, struct slice step,
    struct slice bytes);

#endif
