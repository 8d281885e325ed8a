/* err.h: the world's failures: a negative errno and a text that says what to do. */
#ifndef CORDON_BASE_ERR_H
#define CORDON_BASE_ERR_H

#include "base/macros.h"

struct err {
	int code;       /* 0 or a positive errno */
	char text[512]; /* without newline; cut when longer */
};

/* Fills *e (may be NULL) with "formatted text: strerror(code)" (no suffix when code is 0 or
 * EINVAL) and returns -code, or -EINVAL when code is 0. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same, for functions that return a pointer. */
void *err_null(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
