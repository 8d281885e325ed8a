/* clamd_command.c: see clamd_command.h. */
#include "intake/clamd_command.h"

#include <string.h>

#include "base/macros.h"

/* In the order of VERSIONCOMMANDS. A name that begins another one stands behind it: the first
 * row that fits is taken. */
static const struct clamd_row {
	const char *name;
	enum clamd_verb verb;
	bool has_argument;
	bool has_old_form;
} rows[] = {
	{ "SCAN", CLAMD_VERB_SCAN, true, true },
	{ "QUIT", CLAMD_VERB_SHUTDOWN, false, true },
	{ "RELOAD", CLAMD_VERB_RELOAD, false, true },
	{ "PING", CLAMD_VERB_PING, false, true },
	{ "CONTSCAN", CLAMD_VERB_CONTSCAN, true, true },
	{ "VERSIONCOMMANDS", CLAMD_VERB_COMMANDS, false, false },
	{ "VERSION", CLAMD_VERB_VERSION, false, true },
	{ "END", CLAMD_VERB_END, false, false },
	{ "SHUTDOWN", CLAMD_VERB_SHUTDOWN, false, true },
	{ "MULTISCAN", CLAMD_VERB_MULTISCAN, true, true },
	{ "FILDES", CLAMD_VERB_FILDES, false, true },
	{ "STATS", CLAMD_VERB_STATS, false, false },
	{ "IDSESSION", CLAMD_VERB_IDSESSION, false, false },
	{ "INSTREAM", CLAMD_VERB_INSTREAM, false, false },
	{ "DETSTATSCLEAR", CLAMD_VERB_DETSTATS, false, true },
	{ "DETSTATS", CLAMD_VERB_DETSTATS, false, true },
	{ "ALLMATCHSCAN", CLAMD_VERB_ALLMATCHSCAN, true, false },
};

const char *
clamd_command_get_name(size_t index)
{
	return index < ARRAY_LEN(rows) ? rows[index].name : NULL;
}

static enum clamd_verb
verb_parse(struct slice text, bool is_old, struct slice *ret_argument)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice name = slice_of_str(rows[i].name), rest;

		if (!slice_starts_with(text, name))
			continue;
		rest = slice_from(text, name.len);
		if ((rest.len > 0) != rows[i].has_argument || (is_old && !rows[i].has_old_form))
			return CLAMD_VERB_UNKNOWN;
		*ret_argument = slice_from(rest, 1);
		return rows[i].verb;
	}
	return CLAMD_VERB_UNKNOWN;
}

static struct slice
text_chomp(struct slice text)
{
	while (
	    text.len > 0 && (text.ptr[text.len - 1] == '\r' || text.ptr[text.len - 1] == '\n'))
		text.len--;
	return text;
}

bool
clamd_command_next(struct slice in, bool may_be_old, struct clamd_command *ret)
{
	struct clamd_command c = { .end = '\n' };
	struct slice text;
	size_t mark, end;

	if (in.len == 0)
		return false;
	c.is_old = in.ptr[0] != 'z' && in.ptr[0] != 'n';
	if (c.is_old && !may_be_old)
		return false;
	if (in.ptr[0] == 'z')
		c.end = '\0';
	mark = c.is_old ? 0 : 1;
	end = slice_find_byte(in, (uint8_t)c.end, 0);
	if (end == SIZE_MAX && !c.is_old)
		return false;
	if (end == SIZE_MAX)
		end = in.len;
	text = slice_sub(in, mark, end - mark);
	text.len = MIN_OF(text.len, slice_find_byte(text, '\0', 0));
	if (c.end == '\n')
		text = text_chomp(text);
	c.used = MIN_OF(end + 1, in.len);
	c.verb = verb_parse(text, c.is_old, &c.argument);
	if (c.verb == CLAMD_VERB_FILDES) {
		c.used = mark + strlen("FILDES") + 2;
		c.wants_more = in.len < c.used;
	}
	*ret = c;
	return true;
}
