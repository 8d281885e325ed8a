/* rar_header.h: the headers of RAR 1.5 to 4 and of RAR 5 archives: what is in them and how it is
 * packed. Data is rar_opener.c's. Format: technote.txt of WinRAR 4 and rarlab.com/technote.htm. */
#ifndef CORDON_DECOMPOSE_RAR_HEADER_H
#define CORDON_DECOMPOSE_RAR_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct arena;

enum rar_block_kind { RAR_BLOCK_OTHER, RAR_BLOCK_MAIN, RAR_BLOCK_FILE, RAR_BLOCK_CRYPT,
	RAR_BLOCK_END };

struct rar_block {
	enum rar_block_kind kind;
	struct slice header; /* the block without its data */
	struct slice data;   /* cut where the file ends: then cut is set */
	bool cut;
	/* main */
	bool volume, solid, headers_encrypted;
	/* file */
	struct slice name;   /* UTF-8 or bytes as found */
	uint64_t plain_bytes;
	bool link; /* RAR 5: it has no data of its own */
	bool folder, encrypted, split_before, split_after, stored, file_solid, size_unknown;
	uint8_t level;         /* of packing: 0 stored, to 5 best */
	uint64_t packed_bytes; /* of data, when it is not cut */
	uint32_t crc;          /* RAR 4: of the plain bytes */
	uint8_t version;       /* RAR 4: of the unpacker needed, 15 to 36; RAR 5: 50 or 70 */
	bool more_volumes;     /* end */
};

struct rar_reader {
	struct slice file;
	size_t at;      /* of the next block */
	bool rar5;
	struct arena *arena; /* names made from UTF-16 live there; may be NULL (raw names) */
};

/* False: no RAR signature at the start of file. */
bool rar_reader_init(struct rar_reader *r, struct slice file, struct arena *arena);
/* 1: *ret_block; 0: the file ends between two blocks; -1: inside one (truncated);
 * -2: something that is no block. */
int rar_reader_next(struct rar_reader *r, struct rar_block *ret_block);

#endif
