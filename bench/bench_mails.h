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
	const char *text; /* the whole mail; lines end in CRLF */
	/* after mails_make_wire(): the mail as SMTP sends it after 354, dots doubled, the last
	 * line ended, the dot that ends it not included */
	const char *wire;
	size_t wire_bytes;
	size_t wire_body_bytes; /* of what the receiver has after the empty line, dots undone */
};

struct mails {
	struct mail *list;
	size_t count;
};

/* Read FOLDER/list and the mails it names, at most limit of them (0: all). Ends the program on
 * any error. The memory lives until the program ends. */
void mails_load(struct mails *m, const char *folder, size_t limit);
/* Set wire of every mail. The text is used as it is where that is the same. */
void mails_make_wire(struct mails *m);

#endif
