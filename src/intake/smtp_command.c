/* smtp_command.c: takes a command line apart. Where readers of addresses disagree (quotes
 * inside a word, a backslash outside of quotes) the line is refused: the next hop would take
 * another address out of it than we wrote into the log. */
#include "intake/smtp_command.h"

#include <errno.h>

#define ADDRESS_MAX_BYTES 1024u

static const struct {
	const char *name;
	enum smtp_verb verb;
} verbs[] = {
	{ "HELO", SMTP_VERB_HELO },
	{ "EHLO", SMTP_VERB_EHLO },
	{ "LHLO", SMTP_VERB_LHLO },
	{ "MAIL", SMTP_VERB_MAIL },
	{ "RCPT", SMTP_VERB_RCPT },
	{ "DATA", SMTP_VERB_DATA },
	{ "BDAT", SMTP_VERB_BDAT },
	{ "RSET", SMTP_VERB_RSET },
	{ "NOOP", SMTP_VERB_NOOP },
	{ "QUIT", SMTP_VERB_QUIT },
	{ "STARTTLS", SMTP_VERB_STARTTLS },
	{ "XFORWARD", SMTP_VERB_XFORWARD },
	{ "XCLIENT", SMTP_VERB_XCLIENT },
	{ "VRFY", SMTP_VERB_VRFY },
	{ "HELP", SMTP_VERB_HELP },
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool
is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

static size_t
find_blank(struct slice s)
{
	size_t i = 0;

	while (i < s.len && !is_blank(s.ptr[i]))
		i++;
	return i;
}

static bool
ends_a_line(struct slice s)
{
	return slice_find_byte(s, '\0', 0) != SIZE_MAX ||
	       slice_find_byte(s, '\r', 0) != SIZE_MAX ||
	       slice_find_byte(s, '\n', 0) != SIZE_MAX;
}

struct smtp_command
smtp_command_parse(struct slice line)
{
	struct smtp_command c = { SMTP_VERB_UNKNOWN, SLICE_NONE };
	struct slice word;

	if (ends_a_line(line))
		return c;
	word = slice_sub(line, 0, find_blank(line));
	c.args = slice_trim(slice_from(line, word.len));
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (slice_eq_str_nocase(word, verbs[i].name))
			c.verb = verbs[i].verb;
	}
	return c;
}

/* The length of a quoted string at the start of s with its quotes, or 0: it does not end. */
static size_t
skip_quoted(struct slice s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (is_control(s.ptr[i]))
			return 0;
		if (s.ptr[i] == '"')
			return i + 1;
		if (s.ptr[i] == '\\' && (++i == s.len || is_control(s.ptr[i])))
			return 0;
	}
	return 0;
}

/* The length of a source route ("@a,@b:") at the start of s, with its colon; 0 there is none;
 * SIZE_MAX it is broken. */
static size_t
skip_route(struct slice s)
{
	bool in_literal = false;

	if (s.len == 0 || s.ptr[0] != '@')
		return 0;
	for (size_t i = 1; i < s.len; i++) {
		uint8_t c = s.ptr[i];

		if (c == '[' || c == ']') {
			in_literal = c == '[';
		} else if (c == '"' || c == '<' || c == '>' || c == '\\' || is_blank(c) ||
			   is_control(c)) {
			break;
		} else if (!in_literal && c == ':') {
			return i + 1;
		} else if (!in_literal && c == ',') {
			if (++i == s.len || s.ptr[i] != '@')
				break;
		} else if (!in_literal && c == '@') {
			break;
		}
	}
	return SIZE_MAX;
}

/* May a quoted string end here: what follows it in a local part? */
static bool
is_word_end(struct slice rest)
{
	return rest.len > 0 && (rest.ptr[0] == '.' || rest.ptr[0] == '@' || rest.ptr[0] == '>');
}

/* One step through an address that does not stand in quotes. Returns bytes, or 0: refused. */
static size_t
skip_plain(struct slice rest)
{
	uint8_t c = rest.ptr[0];
	uint8_t next = rest.len > 1 ? rest.ptr[1] : '\0';

	if (is_control(c) || is_blank(c) || c == '<')
		return 0;
	if (c == '\\' && (next == '>' || next == '"' || next == '\\'))
		return 0;
	return 1;
}

/* The length of the mailbox at the start of s, up to its ">"; SIZE_MAX: it is none. */
static size_t
skip_mailbox(struct slice s)
{
	bool word_begins = true, in_domain = false;
	size_t i = 0;

	while (i < s.len && s.ptr[i] != '>') {
		size_t n;

		if (s.ptr[i] == '"') {
			n = word_begins && !in_domain ? skip_quoted(slice_from(s, i)) : 0;
			if (n == 0 || !is_word_end(slice_from(s, i + n)))
				return SIZE_MAX;
			word_begins = false;
		} else {
			n = skip_plain(slice_from(s, i));
			if (n == 0)
				return SIZE_MAX;
			in_domain = in_domain || s.ptr[i] == '@';
			word_begins = s.ptr[i] == '.';
		}
		i += n;
	}
	return i < s.len ? i : SIZE_MAX;
}

/* s begins with "<". */
static int
parse_bracketed(struct slice s, struct smtp_path *ret_path)
{
	size_t route, len;

	s = slice_from(s, 1);
	route = skip_route(s);
	if (route == SIZE_MAX)
		return -EINVAL;
	s = slice_from(s, route);
	len = skip_mailbox(s);
	if (len == SIZE_MAX || len > ADDRESS_MAX_BYTES ||
	    (route > 0 && (len == 0 || s.ptr[0] == '@')))
		return -EINVAL;
	if (len + 1 < s.len && !is_blank(s.ptr[len + 1]))
		return -EINVAL;
	ret_path->address = slice_sub(s, 0, len);
	ret_path->params = slice_trim(slice_from(s, len + 1));
	return 0;
}

static int
parse_bare(struct slice s, struct smtp_path *ret_path)
{
	struct slice address = slice_sub(s, 0, find_blank(s));
	size_t route = skip_route(address);

	if (route == SIZE_MAX || address.len == route ||
	    address.len - route > ADDRESS_MAX_BYTES)
		return -EINVAL;
	address = slice_from(address, route);
	if (address.ptr[0] == '@')
		return -EINVAL;
	for (size_t i = 0; i < address.len; i++) {
		uint8_t c = address.ptr[i];

		if (is_control(c) || c == '<' || c == '>' || c == '"' || c == '\\')
			return -EINVAL;
	}
	ret_path->address = address;
	ret_path->params = slice_trim(slice_from(s, route + address.len));
	return 0;
}

int
smtp_path_parse(struct slice args, const char *keyword, struct smtp_path *ret_path)
{
	struct slice word = slice_of_str(keyword);

	if (!slice_starts_with_nocase(args, word))
		return -EINVAL;
	args = slice_from(args, word.len);
	while (args.len > 0 && is_blank(args.ptr[0]))
		args = slice_from(args, 1);
	if (args.len > 0 && args.ptr[0] == '<')
		return parse_bracketed(args, ret_path);
	return parse_bare(args, ret_path);
}

static bool
is_param_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = ascii_lower(s.ptr[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c == '-' && i > 0))
			return false;
	}
	return s.len > 0;
}

static bool
is_param_value(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (is_control(s.ptr[i]))
			return false;
	}
	return s.len > 0;
}

int
smtp_param_next(struct slice *params, struct slice *ret_name, struct slice *ret_value)
{
	struct slice rest = *params, word, name, value = SLICE_NONE;

	while (rest.len > 0 && is_blank(rest.ptr[0]))
		rest = slice_from(rest, 1);
	if (rest.len == 0)
		return 0;
	word = slice_sub(rest, 0, find_blank(rest));
	name = slice_sub(word, 0, slice_find_byte(word, '=', 0));
	if (!is_param_name(name))
		return -EINVAL;
	if (name.len < word.len) {
		value = slice_from(word, name.len + 1);
		if (!is_param_value(value))
			return -EINVAL;
	}
	*params = slice_from(rest, word.len);
	*ret_name = name;
	*ret_value = value;
	return 1;
}

int
smtp_bdat_parse(struct slice args, uint64_t *ret_size, bool *ret_is_last)
{
	size_t len = find_blank(args);
	struct slice rest = slice_trim(slice_from(args, len));
	uint64_t size;

	if (!slice_parse_uint(slice_sub(args, 0, len), INT64_MAX, &size))
		return -EINVAL;
	if (rest.len > 0 && !slice_eq_str_nocase(rest, "LAST"))
		return -EINVAL;
	*ret_size = size;
	*ret_is_last = rest.len > 0;
	return 0;
}
