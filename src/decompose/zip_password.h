/* zip_password.h: words that may open an encrypted archive or document: from the mail it came with
 * and from a configured list. Finds words; trying them is zip_crypt.c's and pdf_key.c's. */
#ifndef CORDON_DECOMPOSE_ZIP_PASSWORD_H
#define CORDON_DECOMPOSE_ZIP_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct decompose;

#define ZIP_PASSWORDS_MAX 400

struct zip_passwords {
	struct slice words[ZIP_PASSWORDS_MAX]; /* in the order in which to try them */
	size_t count;
	size_t configured_at, configured_count; /* which of them are of the configured list */
	bool collected;
	size_t found;       /* index of the one that opened something, or SIZE_MAX */
	unsigned left_runs; /* through the whole list, before it is given up */
};

void zip_passwords_init(struct zip_passwords *p);
/* Fills the list, once: words near "password" and the like in the text objects of this mail that
 * still have their bytes, then its subject, then the configured ones, then the other words
 * of the texts. Words are copied into the decomposer's arena. */
void zip_passwords_collect(struct zip_passwords *p, struct decompose *d);
/* Which word to try as the n-th of so many tries (n < tries <= p->count): half of them are for
 * what the mail suggests most, then the configured words come, then the mail's other words. */
size_t zip_passwords_get(const struct zip_passwords *p, size_t n, size_t tries);

/* The configured list: borrowed, until it is set again. Call before a run. */
void zip_password_set_list(const struct slice *words, size_t count);

#endif
