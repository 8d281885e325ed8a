/* html_scan.h: one quick pass over a page that tells whether files may hide in it. */
#ifndef CORDON_DECOMPOSE_HTML_SCAN_H
#define CORDON_DECOMPOSE_HTML_SCAN_H

#include "base/slice.h"

#define HTML_DATA   1u  /* "data:", perhaps with tabs or line ends in it */
#define HTML_SCRIPT 2u  /* words of scripts that build files: atob, Blob, Uint8Array ... */
#define HTML_BLOB   4u  /* of these, the ones that offer the file: Blob, msSaveBlob */
#define HTML_LONG   8u  /* a quoted string of base64, 200 letters or more */
#define HTML_ENTITY 16u /* character references that spell what readers look for */
#define HTML_UTF7   32u /* "+ADw-": a tag in UTF-7 */

/* What is there. Looks no further once one of enough is found. */
unsigned html_scan(struct slice page, unsigned enough);
/* For tests: the same (enough: 0) without the vectors of newer processors. */
unsigned html_scan_portable(struct slice page);
/* Whether "data:" ends with the colon at place at, in any case, with tabs and line ends between
 * its letters, as browsers allow; *ret_start is its first letter. */
bool html_is_data_colon(struct slice page, size_t at, size_t *ret_start);
/* The colon of the next "data:" at or after from, or SIZE_MAX. */
size_t html_data_find(struct slice page, size_t from, size_t *ret_start);

#endif
