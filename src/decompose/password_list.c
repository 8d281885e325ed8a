/* password_list.c: see password_list.h. Trying the words is zip_crypt.c's,
 * helper_unpack.c's and pdf_unlock.c's. */
#include "decompose/password_list.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define LINE_MAX_BYTES 512

static void
file_close(FILE **f)
{
	if (*f != NULL)
		(void)fclose(*f);
}

void
password_list_add(struct password_list *l, struct slice word)
{
	uint8_t *copy;

	if (word.len == 0 || l->count == PASSWORD_LIST_MAX)
		return;
	if (l->count == l->cap) {
		size_t cap = MAX_OF(l->cap * 2, (size_t)16);
		struct slice *bigger = mem_new(cap * sizeof(*bigger));

		if (l->count > 0)
			memcpy(bigger, l->words, l->count * sizeof(*bigger));
		free(l->words);
		l->words = bigger;
		l->cap = cap;
	}
	copy = mem_new(word.len);
	memcpy(copy, word.ptr, word.len);
	l->words[l->count++] = slice_of(copy, word.len);
}

int
password_list_load(struct password_list *l, const char *path, struct err *e)
{
	CLEANUP(file_close) FILE *f = fopen(path, "re");
	char line[LINE_MAX_BYTES];

	if (f == NULL)
		return err_set(e, errno, "cannot read '%s'", path);
	while (fgets(line, sizeof(line), f) != NULL)
		password_list_add(l, slice_of(line, strcspn(line, "\r\n")));
	if (ferror(f))
		return err_set(e, errno, "cannot read '%s'", path);
	return 0;
}

void
password_list_done(struct password_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free((void *)(uintptr_t)l->words[i].ptr);
	free(l->words);
	*l = (struct password_list){ 0 };
}
