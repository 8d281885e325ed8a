/* ole_storage.h: OLE2 compound files (MS-CFB) as a list of entries and their bytes. Reads
 * leniently: what Office repairs is read. What the streams mean is left to ole_opener.c. */
#ifndef CORDON_DECOMPOSE_OLE_STORAGE_H
#define CORDON_DECOMPOSE_OLE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct decompose;

#define OLE_NONE UINT32_MAX

enum ole_type { OLE_EMPTY = 0, OLE_STORAGE = 1, OLE_STREAM = 2, OLE_ROOT = 5 };

struct ole_entry {
	struct slice name; /* UTF-8, in the arena */
	uint32_t parent;   /* index of its storage; OLE_NONE for the root and for orphans */
	uint32_t left, right, child; /* as found */
	enum ole_type type;
	uint32_t start;    /* first sector */
	uint64_t size;
	bool placed;       /* reached from the root */
};

struct ole_storage {
	struct decompose *d;
	struct slice file;
	unsigned shift, mini_shift; /* sector sizes, as powers of two */
	uint32_t mini_cutoff;       /* streams below this many bytes are in the mini stream */
	uint32_t *fat, *mini_fat;   /* owned */
	uint32_t fat_count, mini_fat_count;
	struct buf mini;            /* the mini stream, when it is in pieces */
	struct slice mini_bytes;
	struct ole_entry *entries;  /* in the arena; 0 is the root */
	uint32_t count;
	uint64_t left_bytes; /* that may still be read: sectors shared by streams are an attack */
	bool installer;      /* a Windows Installer file: its stream names are packed */
	bool lost;           /* sectors lie past the end of the file */
	bool limited;        /* left_bytes or the number of entries was used up */
};

/* Reads tables and directory. False: no directory can be found. Call done in both cases. */
bool ole_storage_init(struct ole_storage *s, struct decompose *d, struct slice file);
void ole_storage_done(struct ole_storage *s);
/* The bytes of stream e: a piece of the file when they lie together, else put together in
 * scratch (cleared first; its max bounds them). */
struct slice ole_storage_read(struct ole_storage *s, const struct ole_entry *e,
    struct buf *scratch);
/* "Macros/VBA/ThisDocument"; in the arena. */
struct slice ole_storage_get_path(struct ole_storage *s, uint32_t index);

#endif
