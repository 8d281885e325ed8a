/* pdf_filter.h: the filters of PDF streams (ISO 32000-1, 7.4) that can hide files. Filters of
 * images are left closed. */
#ifndef CORDON_DECOMPOSE_PDF_FILTER_H
#define CORDON_DECOMPOSE_PDF_FILTER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

struct decompose;

enum pdf_filter {
	PDF_FILTER_NONE = 0,
	PDF_FILTER_FLATE,
	PDF_FILTER_LZW,
	PDF_FILTER_HEX,
	PDF_FILTER_85,
	PDF_FILTER_RUNS,
	PDF_FILTER_CRYPT, /* told apart by pdf_opener.c, before filters */
	PDF_FILTER_IMAGE, /* DCT, JPX, CCITT, JBIG2 */
	PDF_FILTER_OTHER,
};
#define PDF_FILTERS_MAX 6

/* By its name, also the short ones of inline images. */
enum pdf_filter pdf_filter_find(struct slice name);
/* Undoes one filter; what was undone before trouble stays in out, whose max bounds it.
 * late_change  LZW: codes grow one step later (EarlyChange 0)
 * returns      false when the data broke off or made no sense before its end */
bool pdf_filter_undo(struct decompose *d, enum pdf_filter f, bool late_change, struct slice in,
    struct buf *out);

#endif
