/* bench_mails.h: a corpus of bench_corpus in memory, cut into headers and body. */
#ifndef BENCH_MAILS_H
#define BENCH_MAILS_H

#include <stdbool.h>
#include <stddef.h>

/* One header as the milter protocol wants it: no CR, lines joined by LF, NUL after both. */
struct mail_header {
	const char *name;
	const char *value;  /* what follows the colon, leading space included */
	size_t name_bytes;  /* with the NUL */
	size_t value_bytes; /* with the NUL */
};

struct mail {
	struct mail_header *headers;
	size_t header_count;
	const char *body; /* lines end in CRLF */
	size_t body_bytes;
	size_t bytes; /* of the whole mail */
	bool infected;
};

struct mails {
	struct mail *list;
	size_t count;
};

/* Read FOLDER/list and the mails it names, at most limit of them (0: all). Ends the program on
 * any error. The memory lives until the program ends. */
void mails_load(struct mails *m, const char *folder, size_t limit);

#endif
