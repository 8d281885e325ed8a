/* html_opener.h: files inside pages and scripts: data: links (RFC 2397), strings of base64,
 * arrays of bytes. HTML, SVG, scripts, also in UTF-16 and UTF-7. */
#ifndef CORDON_DECOMPOSE_HTML_OPENER_H
#define CORDON_DECOMPOSE_HTML_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

bool html_claims(const struct object *o);
void html_open(struct decompose *d, struct object *o);

#endif
