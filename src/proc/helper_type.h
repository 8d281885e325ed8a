/* helper_type.h: the formats that 7zz is told an archive is of. */
#ifndef CORDON_PROC_HELPER_TYPE_H
#define CORDON_PROC_HELPER_TYPE_H

/* TYPE(enumerator, name as 7zz knows it; "": it finds out, and looks through the layers of a
 * disk image by itself) */
#define HELPER_TYPES(TYPE)                                                                     \
	TYPE(ANY, "")                                                                          \
	TYPE(7Z, "7z")                                                                         \
	TYPE(WIM, "wim")                                                                       \
	TYPE(CHM, "chm")                                                                       \
	TYPE(NSIS, "nsis")                                                                     \
	TYPE(SQUASHFS, "squashfs")                                                             \
	TYPE(CRAMFS, "cramfs")                                                                 \
	TYPE(CAB, "cab")                                                                       \
	TYPE(LZH, "lzh")                                                                       \
	TYPE(ARJ, "arj")                                                                       \
	TYPE(UDF, "udf")                                                                       \
	TYPE(ISO, "iso")                                                                       \
	TYPE(XAR, "xar")

enum helper_type {
#define TYPE(id, name) HELPER_TYPE_##id,
	HELPER_TYPES(TYPE)
#undef TYPE
	    HELPER_TYPE_COUNT
};

#endif
