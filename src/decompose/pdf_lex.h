/* pdf_lex.h: tokens of PDF (ISO 32000-1, 7.2 and 7.3). Reads on whatever comes. */
#ifndef CORDON_DECOMPOSE_PDF_LEX_H
#define CORDON_DECOMPOSE_PDF_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf;

enum pdf_token_kind {
	PDF_END = 0,
	PDF_NUMBER,     /* integers; value is 0 for others */
	PDF_NAME,       /* text: undone, cut at PDF_NAME_MAX */
	PDF_STRING,     /* text: between the parentheses, as it stands */
	PDF_HEX_STRING, /* text: between the brackets, as it stands */
	PDF_DICT_OPEN,
	PDF_DICT_CLOSE,
	PDF_ARRAY_OPEN,
	PDF_ARRAY_CLOSE,
	PDF_KEYWORD, /* obj, stream, R, true ... */
};
#define PDF_NAME_MAX 64

struct pdf_token {
	enum pdf_token_kind kind;
	struct slice text; /* borrowed; of a name: until the next token */
	uint32_t value;
};

struct pdf_lexer {
	struct slice in;
	size_t at;
	uint64_t left_rescan; /* bytes that may be read in vain for ends that do not come */
	uint8_t name[PDF_NAME_MAX];
};

void pdf_lexer_init(struct pdf_lexer *l, struct slice in);
struct pdf_token pdf_lexer_next(struct pdf_lexer *l);
/* Appends the bytes that a string token stands for, as far as out has room. */
void pdf_string_get_bytes(const struct pdf_token *t, struct buf *out);
/* Appends the bytes of a string, as UTF-8 when they say they are UTF-16. */
void pdf_text_decode(struct slice bytes, struct buf *out);

#endif
