/* html_walk.h: what html_opener.c tells those who look for one kind of thing in a page. */
#ifndef CORDON_DECOMPOSE_HTML_WALK_H
#define CORDON_DECOMPOSE_HTML_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct decompose;
struct object;

struct html_walk {
	struct decompose *d;
	struct object *o;
	struct slice page;    /* the object's bytes, or what they spell */
	uint64_t notes;       /* for every child */
	unsigned found;       /* HTML_* */
	uint64_t built_bytes; /* found so far in strings and arrays of scripts */
	unsigned files;       /* data: links that are neither pictures nor fonts nor the like */
};

/* html_data.c: emits the content of every data: link. */
void html_data_open(struct html_walk *w);
/* html_script.c: emits what strings of base64 or hex, byte arrays and escaped text spell.
 * letters_min: shorter strings are left alone. */
void html_script_open(struct html_walk *w, uint64_t letters_min);

#endif
