/* log.h: one line per event, `key=value`, to standard error, a file or syslog. Low code
 * returns errors; the top of a stage logs, once. Foreign text goes through log_quote(). */
#ifndef CORDON_BASE_LOG_H
#define CORDON_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Most bytes of one line. */
#define LOG_LINE_MAX_BYTES 8192

/* name: of this process, for every line. target: "stderr", "syslog" or the path of a file,
 * opened for append. 0, or a negative errno with *e; the target in force stays then. */
int log_open(const char *name, const char *target, struct err *e);
/* Uses an open descriptor (borrowed) that was made by log_open() in another process. */
void log_use_fd(const char *name, int fd, bool is_syslog);
int log_get_fd(bool *ret_is_syslog);
void log_set_level(enum log_level most);

/* id: of the mail, or NULL. Never fails; keeps errno. */
void log_error(const char *id, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_warn(const char *id, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_info(const char *id, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_debug(const char *id, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A whole line made elsewhere. */
void log_line(enum log_level level, struct slice line);

/* Foreign text as a value: bare when it is plain, else in double quotes with \" \\ \xNN;
 * cut to at most max source bytes ("..." marks the cut). Returns ret_text. */
#define LOG_QUOTE_SIZE(max) ((max) * 4 + 8)
const char *log_quote(struct slice s, size_t max, char *ret_text, size_t ret_size);

#endif
