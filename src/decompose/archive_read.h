/* archive_read.h: libarchive with one format at a time, from memory into objects. What may be
 * opened with which format is said by archive_opener.c and rar_opener.c. */
#ifndef CORDON_DECOMPOSE_ARCHIVE_READ_H
#define CORDON_DECOMPOSE_ARCHIVE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "decompose/object.h"

struct decompose;

enum archive_format {
	ARCHIVE_READ_TAR,
	ARCHIVE_READ_CPIO,
	ARCHIVE_READ_AR,
	ARCHIVE_READ_7ZIP,
	ARCHIVE_READ_CAB,
	ARCHIVE_READ_LHA,
	ARCHIVE_READ_ISO9660,
	ARCHIVE_READ_XAR,
	ARCHIVE_READ_WARC,
	ARCHIVE_READ_RPM,
	ARCHIVE_READ_RAR4,
	ARCHIVE_READ_RAR5,
	ARCHIVE_READ_ZIP,
};

/* One reading. All but bytes and format may be zero. */
struct archive_job {
	enum archive_format format;
	struct slice bytes;     /* from the archive's first byte */
	struct slice parts[4];  /* or, when bytes is empty: the archive in pieces */
	const char *options;    /* libarchive's, "!joliet"; NULL: none */
	const char *passphrase; /* NULL: none */
	uint64_t child_facts;   /* for every member emitted */
	struct packing packing; /* of the one member that the bytes are; zeros: find out */
	bool caller_lists;      /* members that give no bytes: the caller emits them */
	/* Called for each member with its name and declared size (UINT64_MAX: not told) and the
	 * bytes got, after its data was read. */
	void (*member)(void *ctx, struct slice name, uint64_t declared, uint64_t got);
	void *ctx;
};

struct archive_report {
	uint64_t facts;   /* what went wrong: ENCRYPTED, CORRUPT, TRUNCATED, UNSUPPORTED, LIMIT_* */
	uint32_t members; /* that have content and were emitted */
	uint32_t entries; /* of any kind that were met */
	uint64_t bytes;   /* of content that were read */
};

/* Emits every member with content as a child of o; one that gives no bytes as unopened, with
 * the reason. The facts are not added to o: the caller may know better. Bounded by the budget;
 * memory that libarchive asks for comes from malloc. */
struct archive_report archive_read_members(
    struct decompose *d, struct object *o, const struct archive_job *job);

/* Must be called once before a cage is closed: loads the UTF-8 locale and the converters that
 * names in archives need. Without it such names are kept as they are found. */
void archive_preload(void);

#endif
