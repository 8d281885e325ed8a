/* log.c: formatting and writing log lines; one write(2) or datagram per line. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG_FACILITY_MAIL (2 << 3)

static struct {
	char name[32];
	int fd;
	bool is_syslog, owned;
	enum log_level most;
} out = { .name = "cordon", .fd = STDERR_FILENO, .most = LOG_LEVEL_INFO };

static const struct {
	const char *text;
	int syslog;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

static int
syslog_connect(struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int r = err_set(e, errno, "cannot reach syslog at /dev/log");

		fd_close(&fd);
		return r;
	}
	return fd;
}

int
log_open(const char *name, const char *target, struct err *e)
{
	bool is_syslog = strcmp(target, "syslog") == 0;
	int fd = STDERR_FILENO;

	if (is_syslog) {
		fd = syslog_connect(e);
		if (fd < 0)
			return fd;
	} else if (strcmp(target, "stderr") != 0) {
		fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
		if (fd < 0)
			return err_set(e, errno, "cannot open log file '%s'", target);
	}
	log_use_fd(name, fd, is_syslog);
	out.owned = fd != STDERR_FILENO;
	return 0;
}

void
log_use_fd(const char *name, int fd, bool is_syslog)
{
	if (out.owned)
		fd_close(&out.fd);
	snprintf(out.name, sizeof(out.name), "%s", name);
	out.fd = fd;
	out.is_syslog = is_syslog;
	out.owned = false;
}

int
log_get_fd(bool *ret_is_syslog)
{
	*ret_is_syslog = out.is_syslog;
	return out.fd;
}

void
log_set_level(enum log_level most)
{
	out.most = most;
}

static int
line_prefix(char *line, size_t size, enum log_level level)
{
	time_t now = time(NULL);
	struct tm tm;
	char stamp[40];

	if (out.is_syslog)
		return snprintf(line, size, "<%d>%s[%d]: ", SYSLOG_FACILITY_MAIL | levels[level].syslog,
		    out.name, (int)getpid());
	if (getenv("JOURNAL_STREAM") != NULL)
		return snprintf(line, size, "<%d>", levels[level].syslog);
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return snprintf(line, size, "%s %s[%d] ", stamp, out.name, (int)getpid());
}

void
log_line(enum log_level level, struct slice text)
{
	char line[LOG_LINE_MAX_BYTES];
	int prefix, saved = errno;
	size_t len;

	if (level > out.most)
		return;
	prefix = line_prefix(line, sizeof(line), level);
	len = MIN_OF(text.len, sizeof(line) - (size_t)prefix - 1);
	if (len > 0)
		memcpy(line + prefix, text.ptr, len);
	len += (size_t)prefix;
	line[len++] = '\n';
	for (size_t i = 0; i + 1 < len; i++) {
		if ((unsigned char)line[i] < 0x20)
			line[i] = ' ';
	}
	if (out.is_syslog)
		(void)!send(out.fd, line, len - 1, MSG_NOSIGNAL);
	else
		(void)!write(out.fd, line, len);
	errno = saved;
}

__attribute__((format(printf, 3, 0))) static void
log_format(enum log_level level, const char *id, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX_BYTES];
	int saved = errno, head, n;

	if (level > out.most)
		return;
	head = snprintf(text, sizeof(text), "level=%s%s%s ", levels[level].text,
	    id == NULL ? "" : " id=", id == NULL ? "" : id);
	errno = saved;
	n = vsnprintf(text + head, sizeof(text) - (size_t)head, fmt, ap);
	if (n > 0)
		head += n;
	log_line(level, slice_of(text, MIN_OF((size_t)head, sizeof(text) - 1)));
	errno = saved;
}

#define LOG_FUNCTION(function, level) \
	void function(const char *id, const char *fmt, ...) \
	{ \
		va_list ap; \
\
		va_start(ap, fmt); \
		log_format(level, id, fmt, ap); \
		va_end(ap); \
	}
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

static bool
is_plain(uint8_t c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

const char *
log_quote(struct slice s, size_t max, char *ret_text, size_t ret_size)
{
	bool cut = s.len > max, plain = !cut && s.len > 0;
	size_t n = 0;

	s = slice_sub(s, 0, max);
	for (size_t i = 0; i < s.len; i++)
		plain = plain && is_plain(s.ptr[i]);
	if (!plain && n + 1 < ret_size)
		ret_text[n++] = '"';
	for (size_t i = 0; i < s.len && n + 10 < ret_size; i++) {
		uint8_t c = s.ptr[i];

		if (c == '"' || c == '\\')
			n += (size_t)snprintf(ret_text + n, ret_size - n, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			n += (size_t)snprintf(ret_text + n, ret_size - n, "\\x%02x", c);
		else
			ret_text[n++] = (char)c;
	}
	if (cut && n + 5 < ret_size)
		n += (size_t)snprintf(ret_text + n, ret_size - n, "...");
	if (!plain && n + 1 < ret_size)
		ret_text[n++] = '"';
	ret_text[MIN_OF(n, ret_size - 1)] = '\0';
	return ret_text;
}
