/* ole_package.h: OLE 1 objects (MS-OLEDS): what RTF holds as objdata, and the "Package" of the
 * shell that carries a file with its name. */
#ifndef CORDON_DECOMPOSE_OLE_PACKAGE_H
#define CORDON_DECOMPOSE_OLE_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

#define OLE_PACKAGE_NAMES 4

struct ole_package {
	struct slice names[OLE_PACKAGE_NAMES]; /* as found: 8-bit, base names and labels */
	size_t name_count;
	struct slice data;
	bool cut; /* the length told is more than what is there */
};

/* A package's native data, without the length in front of it. False: it is something else. */
bool ole_package_parse(struct slice native, struct ole_package *ret_package);

struct ole_object {
	struct slice class_name;
	struct slice native;
	bool link; /* a link to a file elsewhere; item names it */
	struct slice topic;
	bool cut;
};

/* An embedded object (2.2.5) or a link (2.2.6). False: it is something else. */
bool ole_object_parse(struct slice in, struct ole_object *ret_object);

#endif
