/* pdf_unlock.c: see pdf_unlock.h. Which password makes which key is pdf_key.c's. */
#include "decompose/pdf_unlock.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "decompose/decompose.h"
#include "decompose/pdf_key.h"
#include "decompose/pdf_walk.h"
#include "decompose/zip_password.h"

#define TRIES_OLD 400
#define TRIES_NEW 100 /* one takes a millisecond or two, by intent of the format */

static bool
is_meant(const struct pdf_walk *w, const struct pdf_lock *lock)
{
	if (lock->direct)
		return true;
	for (size_t i = 0; i < w->lock_number_count; i++) {
		if (w->lock_numbers[i] == lock->number)
			return true;
	}
	return false;
}

static bool
all_are_there(const struct pdf_walk *w)
{
	for (size_t i = 0; i < w->lock_number_count; i++) {
		bool found = false;

		for (size_t k = 0; k < w->lock_count; k++)
			found |=
			    !w->locks[k].direct && w->locks[k].number == w->lock_numbers[i];
		if (!found)
			return false;
	}
	return true;
}

/* The last dictionary that can be read, as with updates. False: none. */
static bool
lock_choose(struct pdf_walk *w, struct pdf_crypt *ret)
{
	struct pdf_crypt c;
	bool found = false;

	w->unclear |= !all_are_there(w);
	for (size_t i = 0; i < w->lock_count; i++) {
		if (!is_meant(w, &w->locks[i]))
			continue;
		if (!pdf_crypt_parse(&c, w->locks[i].in)) {
			w->unclear = true;
			continue;
		}
		if (found && memcmp(&c, ret, sizeof(c)) != 0)
			w->unclear = true;
		memcpy(ret, &c, sizeof(c));
		found = true;
	}
	return found;
}

static bool
password_fits(struct pdf_walk *w, struct pdf_crypt *c, struct slice password)
{
	for (size_t i = 0; i < w->id_count; i++) {
		if (pdf_key_find(c, w->ids[i], password))
			return true;
		if (c->version == 5) /* asks for no ID */
			return false;
	}
	return pdf_key_find(c, SLICE_NONE, password);
}

static bool
candidate_fits(struct pdf_walk *w, struct pdf_crypt *c)
{
	struct budget *b = decompose_get_budget(w->d);
	CLEANUP(mem_free) struct zip_passwords *p = malloc(sizeof(*p));
	size_t tries;

	if (p == NULL)
		return false;
	zip_passwords_init(p);
	zip_passwords_collect(p, w->d);
	tries = MIN_OF(p->count, (size_t)(c->version == 5 ? TRIES_NEW : TRIES_OLD));
	for (size_t n = 0; n < tries && budget_has_time(b) && budget_take_key_try(b); n++) {
		if (password_fits(w, c, p->words[zip_passwords_get(p, n, tries)]))
			return true;
	}
	return false;
}

struct pdf_crypt *
pdf_unlock(struct pdf_walk *w)
{
	struct pdf_crypt *c = arena_alloc(decompose_get_arena(w->d), sizeof(*c));

	if (c == NULL || !lock_choose(w, c))
		return NULL;
	if (password_fits(w, c, SLICE_NONE))
		return c;
	w->password = candidate_fits(w, c);
	return w->password ? c : NULL;
}
