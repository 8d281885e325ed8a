/* zip_header.h: the records of a ZIP file (APPNOTE 6.3.10, section 4.3), one at a time. */
#ifndef CORDON_DECOMPOSE_ZIP_HEADER_H
#define CORDON_DECOMPOSE_ZIP_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define ZIP_FLAG_ENCRYPTED  (1u << 0)
#define ZIP_FLAG_DESCRIPTOR (1u << 3) /* sizes and CRC stand behind the data */
#define ZIP_FLAG_STRONG     (1u << 6)
#define ZIP_FLAG_MASKED     (1u << 13) /* the directory is encrypted, local values are blanked */

#define ZIP_STORE     0
#define ZIP_IMPLODE   6
#define ZIP_DEFLATE   8
#define ZIP_DEFLATE64 9
#define ZIP_BZIP2     12
#define ZIP_LZMA      14
#define ZIP_ZSTD_OLD  20
#define ZIP_ZSTD      93
#define ZIP_XZ        95
#define ZIP_PPMD      98
#define ZIP_AES       99

/* A local or a central header; offsets count from the first byte of the file. */
struct zip_header {
	size_t at, end;        /* the header's bytes: [at, end) */
	uint64_t packed_bytes; /* UINT64_MAX: not told here (descriptor) */
	uint64_t plain_bytes;  /* the same */
	uint64_t local_at;     /* central only: where it says the local header is */
	uint32_t crc;          /* of the plain bytes; 0 in a local header with descriptor */
	uint32_t disk;         /* central only */
	uint16_t version, method, flags, mod_time;
	uint16_t aes_method;     /* method 99: what is behind the encryption ... */
	uint8_t aes_strength;    /* ... and its key: 1 to 3; else 0 */
	struct slice name, unicode_name; /* the latter from Info-ZIP's extra field, or empty */
};

/* False: no such header at that place, or its variable part does not fit into the file. */
bool zip_header_parse_local(struct slice file, size_t at, struct zip_header *ret_header);
bool zip_header_parse_central(struct slice file, size_t at, struct zip_header *ret_header);

/* End of central directory, with the values of its ZIP64 companion where there is one. */
struct zip_end {
	size_t at, end;
	uint64_t directory_bytes, directory_at, entries;
	size_t directory_limit; /* where the directory must end: this record or the ZIP64 one */
	uint32_t disk;
};

bool zip_end_parse(struct slice file, size_t at, struct zip_end *ret_end);
/* The last such record in the last 64 KB; false: none. */
bool zip_end_find_last(struct slice file, struct zip_end *ret_end);

#endif
