/* magic.h: what a run of bytes is, judged by a few of them. */
#ifndef CORDON_DECOMPOSE_MAGIC_H
#define CORDON_DECOMPOSE_MAGIC_H

#include "base/slice.h"

#define KIND_ARCHIVE    (1u << 0) /* holds files: zip, tar, cab, disk images */
#define KIND_STREAM     (1u << 1) /* one file, compressed: gzip, xz */
#define KIND_EXECUTABLE (1u << 2) /* machine or byte code, shortcuts, installers */
#define KIND_DOCUMENT   (1u << 3) /* office, PDF, RTF, OneNote ... */
#define KIND_IMAGE      (1u << 4)
#define KIND_TEXT       (1u << 5)
#define KIND_OTHER      (1u << 6) /* sound, video, fonts, databases, unknown binary */

struct magic_type {
	const char *mime;   /* media type in lower case */
	const char *format; /* short name, one per format: "zip", "rar4", "rar5", "gzip" ... */
	unsigned kind;      /* KIND_* bits */
};

/* What the bytes are. Looks at the first few KB and at some fixed places (a disk image's
 * descriptor at 32 KB, a trailer in the last 512 bytes); cost does not depend on bytes.len.
 * Returns a row of a constant table, never NULL: what has no mark is text/html, text/plain or
 * application/octet-stream; no bytes at all are text/plain. */
const struct magic_type *magic_detect(struct slice bytes);

/* True when t->format is the string given. t may be NULL (false). */
bool magic_is(const struct magic_type *t, const char *format);

#endif
