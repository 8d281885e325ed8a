/* helper_opener.h: formats that only 7zz, nomarch or lzop read, through proc/helper.h; and
 * archives of other openers that need 7zz: methods libarchive lacks, passwords. */
#ifndef CORDON_DECOMPOSE_HELPER_OPENER_H
#define CORDON_DECOMPOSE_HELPER_OPENER_H

#include <stdbool.h>
#include <stdint.h>

#include "proc/helper_type.h"

struct decompose;
struct helper;
struct object;

/* What runs them from now on: borrowed; NULL: nobody does, and what needs it is UNSUPPORTED. */
void helper_opener_use(struct helper *h);
/* True while archives of that type can be given to it. */
bool helper_opener_reads(enum helper_type type);

/* Emits every member of o that has content, as the program of its type reads it, paying the
 * budget. format   how the trail names it returns  0: listed and read to the last byte; else
 * facts, which are not added to o: UNSUPPORTED (also: no such program), ENCRYPTED, CORRUPT,
 * TRUNCATED, LIMIT_*, DISAGREEMENT; PASSWORD_FOUND stands beside the others or alone Members
 * that a password opened carry PASSWORD_FOUND, and their trail says so. */
uint64_t helper_unpack(
    struct decompose *d, struct object *o, enum helper_type type, const char *format);

/* Claims leaves with the mark of WIM, CHM, ARC, lzop, disk images and file systems. */
bool helper_opener_claims(const struct object *o);
void helper_opener_open(struct decompose *d, struct object *o);

#endif
