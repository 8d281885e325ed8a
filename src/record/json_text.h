/* json_text.h: strings for JSON. */
#ifndef CORDON_RECORD_JSON_TEXT_H
#define CORDON_RECORD_JSON_TEXT_H

#include "base/buf.h"
#include "base/slice.h"

/* Appends s in double quotes. Broken UTF-8 becomes U+FFFD, control characters are escaped.
 * 0, or what buf_append() says. */
int json_text_append(struct buf *out, struct slice s);

#endif
