/* pdf_crypt.h: the encryption dictionary of the standard security handler (ISO 32000-1, 7.6; V
 * 5 as in Adobe's extension level 3 and ISO 32000-2), and undoing it once a key is there. Keys
 * are pdf_key.c's. */
#ifndef CORDON_DECOMPOSE_PDF_CRYPT_H
#define CORDON_DECOMPOSE_PDF_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "decompose/pdf_lex.h"

#define PDF_CRYPT_FILTERS_MAX 8
#define PDF_SECRET_MAX        127
#define PDF_KEY_MAX           32

enum pdf_method {
	PDF_METHOD_UNKNOWN = 0, /* stays closed */
	PDF_METHOD_IDENTITY,
	PDF_METHOD_RC4,
	PDF_METHOD_AES128,
	PDF_METHOD_AES256,
};

struct pdf_crypt_filter {
	char name[PDF_NAME_MAX + 1];
	enum pdf_method method;
	uint32_t length; /* bits, or bytes: writers differ */
};

/* O, U, OE, UE */
struct pdf_secret {
	uint8_t bytes[PDF_SECRET_MAX];
	size_t len;
};

struct pdf_crypt {
	uint32_t version, revision; /* V 1, 2, 4, 5; R 2 to 6 */
	uint32_t length;            /* bits, 0: not told */
	uint32_t permissions;
	bool metadata_is_plain;
	struct pdf_secret owner, user, owner_key, user_key;
	struct pdf_crypt_filter filters[PDF_CRYPT_FILTERS_MAX];
	size_t filter_count;
	enum pdf_method streams, strings, files; /* none of them is UNKNOWN */
	uint8_t key[PDF_KEY_MAX];                /* once pdf_key.c has found it */
	size_t key_len;
};

/* Reads the dictionary at the front of in, or from behind its "<<".
 * returns  false for what is not the standard handler in a version that is known here, lacks a
 *          part, holds a reference, or says something twice: readers differ there */
bool pdf_crypt_parse(struct pdf_crypt *c, struct slice in);
/* The crypt filter of that name; UNKNOWN: there is none. */
enum pdf_method pdf_crypt_find_method(const struct pdf_crypt *c, struct slice name);
/* Appends what in stands for, the bytes of a string or stream of that object.
 * returns  true: it makes sense as far as can be told, which for RC4 is always;
 *          false: not a whole number of blocks, no padding, no memory; out may hold some */
bool pdf_crypt_undo(const struct pdf_crypt *c, enum pdf_method method, uint32_t number,
    uint32_t generation, struct slice in, struct buf *out);

#endif
