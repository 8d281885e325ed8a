/* archive_opener.h: tar, cpio, ar, 7z, cab, lha, ISO 9660, xar, warc, rpm, through libarchive;
 * UDF and ARJ; and archives that stand behind the code of a self-extracting program. */
#ifndef CORDON_DECOMPOSE_ARCHIVE_OPENER_H
#define CORDON_DECOMPOSE_ARCHIVE_OPENER_H

#include <stdbool.h>

struct decompose;
struct object;

/* Claims leaves with the mark of such a format, also where another format's mark comes first
 * (tar has its mark at 257, ISO 9660 at 32 KB: what stands before is free). */
bool archive_opener_claims(const struct object *o);
/* Emits every member with content.
 * facts    ENCRYPTED, CORRUPT, TRUNCATED, UNSUPPORTED, limits; DISAGREEMENT when the trees of
 *          one disk image do not hold the same */
void archive_opener_open(struct decompose *d, struct object *o);

/* What archive_opener has of its own: disk images with a UDF tree, alone or beside an ISO 9660
 * one (archive_udf.c), and ARJ (archive_arj.c). It asks and calls them itself. */
bool archive_udf_claims(const struct object *o);
void archive_udf_open(struct decompose *d, struct object *o);
bool archive_arj_claims(const struct object *o);
void archive_arj_open(struct decompose *d, struct object *o);

/* Programs (PE, ELF, Mach-O) in which a 7z, RAR, ZIP or cabinet begins: it is emitted, from its
 * first byte to the end of the program, as a child; fact SELF_EXTRACTING. NSIS installers go to
 * 7zz (helper_opener.h). */
bool sfx_opener_claims(const struct object *o);
void sfx_opener_open(struct decompose *d, struct object *o);

#endif
