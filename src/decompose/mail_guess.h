/* mail_guess.h: whether a file given by hand is a mail. */
#ifndef CORDON_DECOMPOSE_MAIL_GUESS_H
#define CORDON_DECOMPOSE_MAIL_GUESS_H

#include <stdint.h>

#include "base/slice.h"

/* ROLE_ENTITY for a mail (by its name, .eml, or by known header fields among its first lines),
 * else ROLE_LEAF, with ROLE_TEXT for text. */
uint32_t mail_guess_roles(struct slice bytes, struct slice name);

#endif
