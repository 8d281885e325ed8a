/* macros.c: the functions behind macros.h. */
#include "base/macros.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void
assert_failed(const char *what, const char *file, int line)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "cordon: broken invariant at %s:%d: %s\n", file,
	    line, what);

	if (n > 0 && write(STDERR_FILENO, text, MIN_OF((size_t)n, sizeof(text) - 1)) < 0)
		abort();
	abort();
}

void
fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
mem_free(void *address_of_pointer)
{
	void *p;

	memcpy(&p, address_of_pointer, sizeof(p));
	free(p);
	p = NULL;
	memcpy(address_of_pointer, &p, sizeof(p));
}

void *
mem_new(size_t size)
{
	void *p = calloc(1, size);

	ASSERT(p != NULL);
	return p;
}

char *
mem_strdup(const char *s)
{
	char *p = strdup(s);

	ASSERT(p != NULL);
	return p;
}
