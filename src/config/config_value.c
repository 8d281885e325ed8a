/* config_value.c: values between text and field, by type. What a text must be beyond its type
 * is config_check.c. */
#include "config/config_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "config/config_check.h"
#include "config/limits.h"

#define LIST_FIRST_ROOM 8

static const char *const action_names[ACTION_COUNT] = {
	[ACTION_TEMPFAIL] = "tempfail",
	[ACTION_REJECT] = "reject",
	[ACTION_HOLD] = "hold",
	[ACTION_DISCARD] = "discard",
	[ACTION_ACCEPT] = "accept",
};

#define ACTION_WORDS "accept reject tempfail hold discard"

bool
action_parse(struct slice text, enum action *ret_action)
{
	for (unsigned i = 0; i < ACTION_COUNT; i++) {
		if (!slice_eq_str(text, action_names[i]))
			continue;
		*ret_action = (enum action)i;
		return true;
	}
	return false;
}

const char *
action_get_name(enum action a)
{
	ASSERT((unsigned)a < ACTION_COUNT);
	return action_names[a];
}

const char *
config_protocol_get_name(enum config_protocol p)
{
	static const char *const names[] = {
		[CONFIG_PROTOCOL_MILTER] = "milter",
		[CONFIG_PROTOCOL_SMTP] = "smtp",
		[CONFIG_PROTOCOL_LMTP] = "lmtp",
		[CONFIG_PROTOCOL_CLAMD] = "clamd",
		[CONFIG_PROTOCOL_OPENSMTPD] = "opensmtpd",
		[CONFIG_PROTOCOL_COURIER] = "courier",
	};

	ASSERT((unsigned)p < ARRAY_LEN(names));
	return names[p];
}

const char *
config_ambiguity_get_name(enum config_ambiguity a)
{
	static const char *const names[CONFIG_AMBIGUITY_COUNT] = {
		[CONFIG_AMBIGUITY_TEMPFAIL] = "tempfail",
		[CONFIG_AMBIGUITY_REJECT] = "reject",
		[CONFIG_AMBIGUITY_FLAG] = "flag",
		[CONFIG_AMBIGUITY_ACCEPT] = "accept",
	};

	ASSERT((unsigned)a < CONFIG_AMBIGUITY_COUNT);
	return names[a];
}

bool
config_size_parse(struct slice text, uint64_t *ret_bytes)
{
	static const char units[] = "kmgt";
	unsigned shift = 0;
	uint64_t number;

	if (text.len > 0) {
		const char *unit = strchr(units, ascii_lower(text.ptr[text.len - 1]));

		if (unit != NULL && *unit != '\0') {
			shift = 10 * (unsigned)(unit - units + 1);
			text.len--;
		}
	}
	if (text.len == 0 || !slice_parse_uint(text, UINT64_MAX >> shift, &number))
		return false;
	*ret_bytes = number << shift;
	return true;
}

int
config_size_format(uint64_t bytes, struct buf *out)
{
	static const char units[] = "TGMK";

	for (unsigned i = 0; i < 4 && bytes > 0; i++) {
		unsigned shift = 10 * (4 - i);

		if ((bytes & ((UINT64_C(1) << shift) - 1)) == 0)
			return buf_printf(out, "%" PRIu64 "%c", bytes >> shift, units[i]);
	}
	return buf_printf(out, "%" PRIu64, bytes);
}

int
config_string_format(const char *text, struct buf *out)
{
	int r = buf_append_byte(out, '"');

	for (; *text != '\0' && r == 0; text++) {
		if (*text == '"' || *text == '\\')
			r = buf_append_byte(out, '\\');
		if (r == 0)
			r = buf_append_byte(out, (uint8_t)*text);
	}
	return r < 0 ? r : buf_append_byte(out, '"');
}

static enum config_value_result
value_is_bad(struct config_value_message *m, const char *what, const char *expected)
{
	snprintf(m->what, sizeof(m->what), "%s", what);
	snprintf(m->expected, sizeof(m->expected), "%s", expected);
	return CONFIG_VALUE_BAD;
}

/* UINT and SIZE. A number too large for any type is out of range, not misspelt. */
static enum config_value_result
value_parse_number(const struct config_row *row, const char *text, uint64_t *ret_number,
    struct config_value_message *m)
{
	struct slice s = slice_of_str(text);
	uint64_t min = 0, max = 0;
	bool is_size = row->type == CONFIG_SIZE;
	bool is_number = is_size ? config_size_parse(s, ret_number)
				 : slice_parse_uint(s, UINT32_MAX, ret_number);
	bool digits_only = s.len > 0 && strspn(text, "0123456789") == s.len;

	ASSERT(config_size_parse(slice_of_str(row->min), &min));
	ASSERT(config_size_parse(slice_of_str(row->max), &max));
	if (is_number && *ret_number >= min && *ret_number <= max)
		return CONFIG_VALUE_OK;
	snprintf(m->what, sizeof(m->what), "is %s",
	    is_number || digits_only ? "out of range"
	    : is_size                ? "not a size"
				     : "not a number");
	if (is_size)
		snprintf(m->expected, sizeof(m->expected),
		    "a size from %s to %s, such as 64K, 100M or 1G", row->min, row->max);
	else
		snprintf(m->expected, sizeof(m->expected), "a whole number from %s to %s (%s)",
		    row->min, row->max, row->unit);
	return CONFIG_VALUE_BAD;
}

/* The words that libconfuse's own boolean options take. */
static enum config_value_result
value_parse_bool(const char *text, bool *ret_bool, struct config_value_message *m)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!slice_eq_str_nocase(slice_of_str(text), words[i]))
			continue;
		*ret_bool = i % 2 == 1;
		return CONFIG_VALUE_OK;
	}
	return value_is_bad(m, "is neither true nor false", "true or false");
}

static enum config_value_result
value_parse_mode(const char *text, unsigned *ret_mode, struct config_value_message *m)
{
	unsigned mode = 0;
	size_t len = strlen(text);

	if (len < 3 || len > 4 || strspn(text, "01234567") != len || (len == 4 && *text != '0'))
		return value_is_bad(m, "is not a mode", "three octal digits, such as 0660");
	for (; *text != '\0'; text++)
		mode = mode * 8 + (unsigned)(*text - '0');
	*ret_mode = mode;
	return CONFIG_VALUE_OK;
}

/* "expected accept, reject or tempfail; did you mean ..." for a list of words. */
static enum config_value_result
value_is_no_word(const char *words, const char *text, struct config_value_message *m)
{
	struct slice near = config_word_nearest(words, text), left = slice_of_str(words);
	size_t used = 0;

	if (near.ptr != NULL)
		snprintf(m->what, sizeof(m->what), "is not known (did you mean \"%.*s\"?)",
		    SLICE_FMT(near));
	else
		snprintf(m->what, sizeof(m->what), "is not known");
	while (left.len > 0) {
		size_t end = MIN_OF(slice_find_byte(left, ' ', 0), left.len);
		bool last = end == left.len;
		const char *between = used == 0 ? "" : last ? " or " : ", ";

		snprintf(m->expected + used, sizeof(m->expected) - used, "%s%.*s", between,
		    SLICE_FMT(slice_sub(left, 0, end)));
		used = strlen(m->expected);
		left = slice_from(left, end + 1);
	}
	return CONFIG_VALUE_BAD;
}

/* Empty: as policy.unscanned. It is stored as ACTION_COUNT until the whole file is read. */
static enum config_value_result
value_parse_action(const struct config_row *row, const char *text, enum action *ret_action,
    struct config_value_message *m)
{
	bool may_be_empty = row->def[0] == '\0' || strncmp(row->name, "unscanned_", 10) == 0;

	if (*text == '\0' && may_be_empty) {
		*ret_action = ACTION_COUNT;
		return CONFIG_VALUE_OK;
	}
	return action_parse(slice_of_str(text), ret_action)
		   ? CONFIG_VALUE_OK
		   : value_is_no_word(ACTION_WORDS, text, m);
}

static enum config_value_result
value_parse_choice(const struct config_row *row, const char *text, int *ret_choice,
    struct config_value_message *m)
{
	struct slice left = slice_of_str(row->choices);

	for (int i = 0; left.len > 0; i++) {
		size_t end = MIN_OF(slice_find_byte(left, ' ', 0), left.len);

		if (slice_eq_str(slice_sub(left, 0, end), text)) {
			*ret_choice = i;
			return CONFIG_VALUE_OK;
		}
		left = slice_from(left, end + 1);
	}
	return value_is_no_word(row->choices, text, m);
}

/* The array is moved to one of twice the size when it is full: at 8, 16, 32 ... items. */
static bool
list_add(struct arena *a, struct config_list *list, const char *item)
{
	size_t n = list->count;
	bool full = n == 0 || (n >= LIST_FIRST_ROOM && (n & (n - 1)) == 0);

	if (full) {
		size_t room = n == 0 ? LIST_FIRST_ROOM : 2 * n;
		const char **grown = arena_alloc(a, room * sizeof(*grown));

		if (grown == NULL)
			return false;
		if (n > 0)
			memcpy(grown, list->items, n * sizeof(*grown));
		list->items = grown;
	}
	list->items[list->count++] = item;
	return true;
}

static enum config_value_result
value_set_text(struct config *c, const struct config_row *row, void *field, const char *text,
    bool first, struct config_value_message *m)
{
	enum config_value_result r = config_check_text(row, text, c->looks_up, m);
	struct slice copy;

	if (r == CONFIG_VALUE_BAD)
		return r;
	copy = arena_copy(c->arena, slice_of_str(text));
	if (copy.ptr == NULL)
		return value_is_bad(m, "does not fit", "less text in all options together");
	if (row->type == CONFIG_STRING) {
		memcpy(field, &copy.ptr, sizeof(copy.ptr));
		return r;
	}
	if (first)
		*(struct config_list *)field = (struct config_list){ NULL, 0 };
	if (!list_add(c->arena, field, (const char *)copy.ptr))
		return value_is_bad(m, "does not fit", "fewer items");
	return r;
}

enum config_value_result
config_value_set(struct config *c, const struct config_row *row, void *base, const char *text,
    bool first, struct config_value_message *m)
{
	void *field = (char *)base + row->offset;
	enum config_value_result r = CONFIG_VALUE_BAD;
	uint64_t number = 0;

	switch (row->type) {
	case CONFIG_STRING:
	case CONFIG_LIST:
		return value_set_text(c, row, field, text, first, m);
	case CONFIG_UINT:
		r = value_parse_number(row, text, &number, m);
		if (r == CONFIG_VALUE_OK)
			*(unsigned *)field = (unsigned)number;
		return r;
	case CONFIG_SIZE:
		r = value_parse_number(row, text, &number, m);
		if (r == CONFIG_VALUE_OK)
			*(uint64_t *)field = number;
		return r;
	case CONFIG_BOOL:
		return value_parse_bool(text, field, m);
	case CONFIG_MODE:
		return value_parse_mode(text, field, m);
	case CONFIG_ACTION:
		return value_parse_action(row, text, field, m);
	case CONFIG_CHOICE:
		return value_parse_choice(row, text, field, m);
	}
	return r;
}

/* An empty default of a string needs no check: it means "not given". */
int
config_section_set_defaults(struct config *c, enum config_section_id section, void *base)
{
	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
		const struct config_row *row = &config_rows[i];
		struct config_value_message m;

		if (row->section != section || row->type == CONFIG_LIST)
			continue; /* lists are empty by default, and the memory is zeroed */
		if (row->type == CONFIG_STRING) {
			struct slice copy = arena_copy(c->arena, slice_of_str(row->def));

			if (copy.ptr == NULL)
				return -ENOMEM;
			memcpy((char *)base + row->offset, &copy.ptr, sizeof(copy.ptr));
			continue;
		}
		ASSERT(config_value_set(c, row, base, row->def, true, &m) == CONFIG_VALUE_OK);
	}
	return 0;
}

static int
list_format(const struct config_list *list, struct buf *out)
{
	int r = buf_append_byte(out, '{');

	for (size_t i = 0; i < list->count && r == 0; i++) {
		if (i > 0)
			r = buf_append_str(out, ", ");
		if (r == 0)
			r = config_string_format(list->items[i], out);
	}
	return r < 0 ? r : buf_append_byte(out, '}');
}

static int
choice_format(const struct config_row *row, int choice, struct buf *out)
{
	struct slice left = slice_of_str(row->choices);

	for (; choice > 0 && left.len > 0; choice--)
		left = slice_from(left, MIN_OF(slice_find_byte(left, ' ', 0), left.len) + 1);
	return buf_printf(out, "\"%.*s\"",
	    SLICE_FMT(slice_sub(left, 0, MIN_OF(slice_find_byte(left, ' ', 0), left.len))));
}

int
config_value_format(const struct config_row *row, const void *base, struct buf *out)
{
	const void *field = (const char *)base + row->offset;
	enum action a;

	switch (row->type) {
	case CONFIG_STRING:
		return config_string_format(*(const char *const *)field, out);
	case CONFIG_LIST:
		return list_format(field, out);
	case CONFIG_UINT:
		return buf_printf(out, "%u", *(const unsigned *)field);
	case CONFIG_SIZE:
		return config_size_format(*(const uint64_t *)field, out);
	case CONFIG_BOOL:
		return buf_append_str(out, *(const bool *)field ? "true" : "false");
	case CONFIG_MODE:
		return buf_printf(out, "\"%04o\"", *(const unsigned *)field);
	case CONFIG_ACTION:
		a = *(const enum action *)field;
		return buf_printf(out, "\"%s\"", a == ACTION_COUNT ? "" : action_get_name(a));
	case CONFIG_CHOICE:
		return choice_format(row, *(const int *)field, out);
	}
	return -EINVAL;
}
