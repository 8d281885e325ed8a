/* err.c: filling struct err. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static int
err_fill(struct err *e, int code, const char *fmt, va_list ap)
{
	if (e != NULL) {
		int n = vsnprintf(e->text, sizeof(e->text), fmt, ap);

		e->code = code;
		if (n < 0)
			n = 0;
		if (code != 0 && code != EINVAL && (size_t)n < sizeof(e->text))
			snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %s", strerror(code));
	}
	return code == 0 ? -EINVAL : -code;
}

int
err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = err_fill(e, code, fmt, ap);
	va_end(ap);
	return r;
}

void *
err_null(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)err_fill(e, code, fmt, ap);
	va_end(ap);
	return NULL;
}
