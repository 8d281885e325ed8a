/* macros.h: clean-up attributes, assertions that stay in release builds, small helpers. */
#ifndef CORDON_BASE_MACROS_H
#define CORDON_BASE_MACROS_H

#include <stddef.h>

/* Calls fn(&variable) when the variable goes out of scope. fn accepts NULL inside. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Ownership moves out: the variable becomes NULL, its clean-up does nothing. */
#define TAKE(ptr) \
	(__extension__({ \
		__typeof__(ptr) take_ = (ptr); \
		(ptr) = NULL; \
		take_; \
	}))

/* The same for a file descriptor: -1 stays behind. */
#define TAKE_FD(fd) \
	(__extension__({ \
		int take_ = (fd); \
		(fd) = -1; \
		take_; \
	}))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

/* A broken invariant of ours: say where, and die. The supervisor starts us again. */
_Noreturn void assert_failed(const char *what, const char *file, int line);
#define ASSERT(cond) ((cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__))

/* Clean-up functions for what the C library gives. */
void fd_close(int *fd);
void mem_free(void *address_of_pointer);

/* A small fixed allocation: never NULL, the process ends when memory is refused.
 * What a mail can size must not come from here. */
void *mem_new(size_t size) __attribute__((malloc, returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));

#endif
