/* zip_directory.h: all central headers of a ZIP file, from however many directories. */
#ifndef CORDON_DECOMPOSE_ZIP_DIRECTORY_H
#define CORDON_DECOMPOSE_ZIP_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decompose/zip_header.h"

struct zip_central {
	struct zip_header header;
	size_t local_at; /* where its local header is, SIZE_MAX: nowhere */
	bool done;       /* its member was extracted */
};

struct zip_directory {
	struct zip_central *rows; /* owned; sorted by local_at after zip_directory_sort() */
	size_t count, cap;
	struct {
		size_t start, end;
	} read[16];               /* the directories that were read */
	size_t read_count;
	bool too_many, miscounted, multi_volume;
};

void zip_directory_done(struct zip_directory *t);
/* Reads the directory that begins at start, up to the first thing that is no central header;
 * the end record behind it tells from where offsets count. Reading one twice does nothing.
 * Returns the offset behind its last header (start when there is none). */
size_t zip_directory_read(struct zip_directory *t, struct slice file, size_t start);
/* Reads what the end record points at, directly and counted back from the record. */
void zip_directory_read_end(struct zip_directory *t, struct slice file,
    const struct zip_end *end);
void zip_directory_sort(struct zip_directory *t);
/* First row with that local_at, or count. Needs sorted rows. */
size_t zip_directory_find(const struct zip_directory *t, size_t local_at);

#endif
