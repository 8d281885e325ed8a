/* opener_rows.h: the rows of opener_table.c. A new format: include its header, add its row. */
#ifndef CORDON_DECOMPOSE_OPENER_ROWS_H
#define CORDON_DECOMPOSE_OPENER_ROWS_H

#include "decompose/alz_opener.h"
#include "decompose/apple_opener.h"
#include "decompose/archive_opener.h"
#include "decompose/cms_opener.h"
#include "decompose/helper_opener.h"
#include "decompose/html_opener.h"
#include "decompose/inline_opener.h"
#include "decompose/mime_opener.h"
#include "decompose/office_opener.h"
#include "decompose/ole_opener.h"
#include "decompose/onenote_opener.h"
#include "decompose/pdf_opener.h"
#include "decompose/pgp_opener.h"
#include "decompose/rar_opener.h"
#include "decompose/rtf_opener.h"
#include "decompose/sheet_text.h"
#include "decompose/shortcut_opener.h"
#include "decompose/sis_opener.h"
#include "decompose/stream_opener.h"
#include "decompose/tnef_opener.h"
#include "decompose/zip_walker.h"

/* Mail first, then text inside mail, then files. */
#define OPENER_ROWS \
	OPENER(mime) \
	OPENER(inline) \
	OPENER(html) \
	OPENER(tnef) \
	OPENER(apple) \
	OPENER(cms) \
	OPENER(pgp) \
	OPENER(ole_opener) \
	OPENER(pdf_opener) \
	OPENER(rtf_opener) \
	OPENER(onenote_opener) \
	OPENER(office_opener) \
	OPENER(sheet_text) \
	OPENER(shortcut_opener) \
	OPENER(zip_walker) \
	OPENER(rar_opener) \
	OPENER(sis_opener) \
	OPENER(stream_opener) \
	OPENER(archive_opener) \
	OPENER(alz_opener) \
	OPENER(helper_opener) \
	OPENER(sfx_opener) \
	OPENER(unsupported_opener)

#endif
