/* scan_clamd_reply.c: reads clamd's answers. Whoever answers there may be broken or somebody
 * else: what is not to the letter an answer to our one question is garbage, never clean. */
#include "scan/scan_clamd_reply.h"

#include <string.h>

#include "base/macros.h"

#define FD_DIGITS_MAX 10

static bool
is_printable(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e)
			return false;
	}
	return true;
}

/* Cuts the one end mark off. False: none, or another one inside, or too long. */
static bool
line_take(struct slice bytes, struct slice *ret_line)
{
	struct slice line;

	if (bytes.len < 2 || bytes.len > CLAMD_REPLY_MAX_BYTES ||
	    (bytes.ptr[bytes.len - 1] != '\0' && bytes.ptr[bytes.len - 1] != '\n'))
		return false;
	line = slice_sub(bytes, 0, bytes.len - 1);
	if (slice_find_byte(line, '\0', 0) != SIZE_MAX ||
	    slice_find_byte(line, '\n', 0) != SIZE_MAX)
		return false;
	*ret_line = line;
	return true;
}

static bool
line_take_suffix(struct slice *line, struct slice suffix)
{
	if (line->len <= suffix.len ||
	    !slice_eq(slice_from(*line, line->len - suffix.len), suffix))
		return false;
	*line = slice_sub(*line, 0, line->len - suffix.len);
	return true;
}

static size_t
count_digits(struct slice s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
		n++;
	return n;
}

/* Length of "stream: " or "fd[N]: " at the front; 0: there is none. */
static size_t
subject_length(struct slice line, bool *ret_is_fd)
{
	struct slice stream = SLICE_LIT("stream: "), fd = SLICE_LIT("fd["),
		     end = SLICE_LIT("]: ");
	size_t digits;

	*ret_is_fd = false;
	if (slice_starts_with(line, stream))
		return stream.len;
	if (!slice_starts_with(line, fd))
		return 0;
	digits = count_digits(slice_from(line, fd.len));
	if (digits == 0 || digits > FD_DIGITS_MAX ||
	    !slice_starts_with(slice_from(line, fd.len + digits), end))
		return 0;
	*ret_is_fd = true;
	return fd.len + digits + end.len;
}

static void
reply_set_text(struct clamd_reply *r, struct slice text)
{
	r->text_len = MIN_OF(text.len, sizeof(r->text));
	for (size_t i = 0; i < r->text_len; i++) {
		uint8_t c = text.ptr[i];

		r->text[i] = c >= 0x20 && c <= 0x7e ? (char)c : '?';
	}
}

static struct clamd_reply
reply_of(enum clamd_reply_kind kind, enum cause cause, struct slice text)
{
	struct clamd_reply r = { .kind = kind, .cause = cause };

	reply_set_text(&r, text);
	return r;
}

static struct clamd_reply
reply_of_found(struct slice name)
{
	name = slice_trim(name);
	if (name.len == 0)
		return reply_of(CLAMD_REPLY_GARBAGE, CAUSE_NONE, SLICE_NONE);
	if (slice_starts_with(name, SLICE_LIT("Heuristics.Limits.Exceeded")))
		return reply_of(CLAMD_REPLY_UNSCANNED, CAUSE_EXPANSION, name);
	if (slice_starts_with(name, SLICE_LIT("Heuristics.Encrypted.")))
		return reply_of(CLAMD_REPLY_UNSCANNED, CAUSE_ENCRYPTED, name);
	return reply_of(CLAMD_REPLY_INFECTED, CAUSE_NONE, name);
}

/* clamd knows no FILDES, got no descriptor (a security module may take it away), or may not
 * read what it got. The bytes themselves it would take. */
static bool
is_fd_trouble(struct slice text)
{
	static const char *const signs[] = { "FILDES", "file descriptor", "UNKNOWN COMMAND",
		"COMMAND UNAVAILABLE", "Not a regular file", "Can't open file",
		"Can't access file", "Can't read file", "Can't get file status",
		"Access denied" };

	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		if (slice_find(text, slice_of_str(signs[i]), 0) != SIZE_MAX)
			return true;
	}
	return false;
}

static struct clamd_reply
reply_of_error(struct slice text, bool by_fildes)
{
	text = slice_trim(text);
	if (slice_starts_with(text, SLICE_LIT("INSTREAM size limit exceeded")))
		return reply_of(CLAMD_REPLY_UNSCANNED, CAUSE_TOO_BIG, text);
	if (by_fildes && is_fd_trouble(text))
		return reply_of(CLAMD_REPLY_NO_FD, CAUSE_ERROR, text);
	return reply_of(CLAMD_REPLY_UNSCANNED, CAUSE_ERROR, text);
}

/* Complaints that are not about an object have no subject. A number and a colon there is the
 * id of a session, which we never open: such an answer belongs to somebody else. */
static bool
is_bare_error(struct slice *line)
{
	size_t digits = count_digits(*line);

	if (!is_printable(*line) ||
	    (digits > 0 && slice_starts_with(slice_from(*line, digits), SLICE_LIT(":"))))
		return false;
	return slice_eq_str(*line, "UNKNOWN COMMAND") ||
	       slice_eq_str(*line, "COMMAND UNAVAILABLE") ||
	       line_take_suffix(line, SLICE_LIT(" ERROR"));
}

struct clamd_reply
clamd_reply_parse(struct slice bytes, bool by_fildes)
{
	struct clamd_reply garbage = { .kind = CLAMD_REPLY_GARBAGE };
	struct slice line, rest;
	bool is_fd;
	size_t subject;

	if (!line_take(bytes, &line))
		return garbage;
	subject = subject_length(line, &is_fd);
	if (subject == 0)
		return is_bare_error(&line) ? reply_of_error(line, by_fildes) : garbage;
	if (is_fd != by_fildes)
		return garbage;
	rest = slice_from(line, subject);
	if (slice_eq_str(rest, "OK"))
		return reply_of(CLAMD_REPLY_CLEAN, CAUSE_NONE, SLICE_NONE);
	if (line_take_suffix(&rest, SLICE_LIT(" FOUND")))
		return reply_of_found(rest);
	if (line_take_suffix(&rest, SLICE_LIT(" ERROR")))
		return reply_of_error(rest, by_fildes);
	return garbage;
}

bool
clamd_reply_parse_version(struct slice bytes, struct slice *ret_version)
{
	struct slice line;

	if (!line_take(bytes, &line) || line.len > CLAMD_VERSION_MAX_BYTES ||
	    !is_printable(line))
		return false;
	*ret_version = line;
	return true;
}
