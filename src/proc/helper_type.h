/* helper_type.h: the formats that are given to a program, and to which. */
#ifndef CORDON_PROC_HELPER_TYPE_H
#define CORDON_PROC_HELPER_TYPE_H

/* TYPE(enumerator, program of helper_program.h, name as 7zz knows it; "": it finds out, and
 * looks through the layers of a disk image by itself) */
#define HELPER_TYPES(TYPE)                                                                     \
	TYPE(ANY, 7ZZ, "")                                                                     \
	TYPE(7Z, 7ZZ, "7z")                                                                    \
	TYPE(WIM, 7ZZ, "wim")                                                                  \
	TYPE(CHM, 7ZZ, "chm")                                                                  \
	TYPE(NSIS, 7ZZ, "nsis")                                                                \
	TYPE(SQUASHFS, 7ZZ, "squashfs")                                                        \
	TYPE(CRAMFS, 7ZZ, "cramfs")                                                            \
	TYPE(CAB, 7ZZ, "cab")                                                                  \
	TYPE(LZH, 7ZZ, "lzh")                                                                  \
	TYPE(ARJ, 7ZZ, "arj")                                                                  \
	TYPE(UDF, 7ZZ, "udf")                                                                  \
	TYPE(ISO, 7ZZ, "iso")                                                                  \
	TYPE(XAR, 7ZZ, "xar")                                                                  \
	TYPE(ARC, NOMARCH, "")                                                                 \
	TYPE(LZOP, LZOP, "")

enum helper_type {
#define TYPE(id, program, name) HELPER_TYPE_##id,
	HELPER_TYPES(TYPE)
#undef TYPE
	    HELPER_TYPE_COUNT
};

#endif
