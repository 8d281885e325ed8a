/* ole_vba.h: VBA projects (MS-OVBA): compressed containers and the list of modules. */
#ifndef CORDON_DECOMPOSE_OLE_VBA_H
#define CORDON_DECOMPOSE_OLE_VBA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct buf;
struct decompose;

/* Unfolds a compressed container (MS-OVBA 2.4.1) to the end of out.
 * returns  true when it has the signature byte and at least one byte came of it; what a broken
 *          chunk leaves is kept. out's max bounds it. */
bool ole_vba_decompress(struct decompose *d, struct slice in, struct buf *out);

struct ole_vba_module {
	struct slice stream; /* name of the module's stream, in the project's codepage */
	struct slice wide;   /* the same in UTF-16LE, or empty */
	size_t offset;       /* of the source in it */
};

/* Modules of a "dir" stream that is unfolded already, at most max of them. */
size_t ole_vba_parse_dir(struct slice dir, struct ole_vba_module *modules, size_t max);
/* Where compressed source stands in a module's stream whose offset nobody tells: the first
 * chunk that begins with "Attribute VB_". SIZE_MAX: nowhere. */
size_t ole_vba_find_source(struct slice stream);

#endif
