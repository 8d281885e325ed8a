/* config_parse.c: text to struct config. libconfuse knows the grammar; its option arrays are
 * built from the table, and every value passes through reader_take_value() with its line. It
 * stops at an unknown option: that statement is then blanked and the text read once more, so
 * that one run names every mistake. */
#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "config/config_check.h"
#include "config/config_private.h"
#include "config/config_text.h"
#include "config/limits.h"

struct mistake {
	unsigned line;
	bool is_warning;
	bool stays; /* found outside of the reading that is repeated */
	char text[CONFIG_MISTAKE_BYTES];
};

struct reader {
	struct config *config;
	struct mistake mistakes[CONFIG_MISTAKES_MAX];
	size_t mistake_count;
	bool looks_up, too_many, failed;
	bool stopped;                     /* libconfuse gave up before the end */
	bool stays;                       /* for mistakes that are reported now */
	unsigned lines[CONFIG_ROW_COUNT]; /* where an option was last given */
	unsigned seen[CONFIG_ROW_COUNT];  /* the same within the open section */
	unsigned section_seen[CONFIG_SECTION_COUNT];
	unsigned section_count[CONFIG_SECTION_COUNT];
	void *open[CONFIG_SECTION_COUNT]; /* the instance that is being filled */
	char unknown_name[CONFIG_NAME_MAX_BYTES + 1];
	unsigned unknown_line; /* 0: libconfuse stopped at nothing unknown */
};

/* libconfuse hands no pointer of ours to its callbacks, and keeps globals of its own. */
static struct reader *reader_now;

static void
reader_report(void *context, unsigned line, bool is_warning, const char *text)
{
	struct reader *r = context;
	struct mistake *m;

	if (!is_warning)
		r->failed = true;
	for (size_t i = 0; i < r->mistake_count; i++)
		if (r->mistakes[i].line == line && strcmp(r->mistakes[i].text, text) == 0)
			return;
	if (r->mistake_count == CONFIG_MISTAKES_MAX) {
		r->too_many = true;
		return;
	}
	m = &r->mistakes[r->mistake_count++];
	m->line = line;
	m->is_warning = is_warning;
	m->stays = r->stays;
	snprintf(m->text, sizeof(m->text), "%s", text);
}

static void PRINTF_LIKE(4, 5)
reader_report_f(struct reader *r, unsigned line, bool is_warning, const char *fmt, ...)
{
	char text[CONFIG_MISTAKE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reader_report(r, line, is_warning, text);
}

/* At most 60 bytes of foreign text, without what a terminal would obey. */
static const char *
text_quote(const char *text, char out[64 + 4])
{
	size_t n = 0;

	for (; text[n] != '\0' && n < 60; n++)
		out[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? '?' : text[n];
	snprintf(out + n, 4, "%s", text[n] != '\0' ? "..." : "");
	return out;
}

static unsigned
cfg_get_line(const cfg_t *cfg)
{
	return cfg != NULL && cfg->line > 0 ? (unsigned)cfg->line : 1;
}

/* The instance that values of this section go to now; begun at its first value or its end. */
static void *
reader_open_section(struct reader *r, enum config_section_id section, const cfg_t *cfg)
{
	char quoted[68];

	if (r->open[section] != NULL)
		return r->open[section];
	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++)
		if (config_rows[i].section == section)
			r->seen[i] = 0;
	if (!config_sections[section].many) {
		r->open[section] = config_section_get(r->config, section, 0);
		return r->open[section];
	}
	r->open[section] = config_section_add(r->config, section, cfg->title);
	if (r->open[section] == NULL)
		reader_report_f(r, cfg_get_line(cfg), false,
		    "%s %s does not fit, expected at most %u of them",
		    config_sections[section].name, text_quote(cfg->title, quoted),
		    CONFIG_SECTIONS_MAX);
	return r->open[section];
}

static void
reader_take_value(struct reader *r, cfg_t *cfg, const cfg_opt_t *opt, const char *text)
{
	enum config_section_id section = config_section_find(cfg->name);
	const struct config_row *row = config_row_find(section, opt->name);
	size_t n = row == NULL ? 0 : (size_t)(row - config_rows);
	const char *dot = section == CONFIG_SECTION_top ? "" : ".";
	const char *where = section == CONFIG_SECTION_top ? "" : cfg->name;
	unsigned line = cfg_get_line(cfg);
	void *base;
	bool first;
	struct config_value_message m;
	enum config_value_result result;
	char quoted[68];

	if (row == NULL) { /* libconfuse takes "limits|depth" for depth in limits */
		reader_report_f(r, line, false,
		    "%s stands outside of its section, expected it inside", opt->name);
		return;
	}
	first = row->type != CONFIG_LIST || opt->nvalues == 1;
	base = reader_open_section(r, section, cfg);
	if (base == NULL)
		return;
	if (first && r->seen[n] != 0)
		reader_report_f(r, line, true,
		    "%s%s%s was given in line %u already; this one counts", where, dot,
		    row->name, r->seen[n]);
	r->lines[n] = r->seen[n] = line;
	result = config_value_set(r->config, row, base, text, first, &m);
	if (result != CONFIG_VALUE_OK)
		reader_report_f(r, line, result == CONFIG_VALUE_WARNING,
		    "%s%s%s: \"%s\" %s, expected %s", where, dot, row->name,
		    text_quote(text, quoted), m.what, m.expected);
}

static int
on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	reader_take_value(reader_now, cfg, opt, value);
	*(const char **)result = value;
	return 0;
}

static void
reader_check_name(
    struct reader *r, enum config_section_id section, const char *name, unsigned line)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t count = config_section_get_count(r->config, section);
	char quoted[68];

	if (*name == '\0' || strlen(name) > CONFIG_NAME_MAX_BYTES ||
	    strspn(name, allowed) != strlen(name))
		reader_report_f(r, line, false,
		    "%s \"%s\" has a bad name, expected letters, digits, "
		    "dots, hyphens and underscores, at most %u",
		    config_sections[section].name, text_quote(name, quoted),
		    CONFIG_NAME_MAX_BYTES);
	for (size_t i = 0; i + 1 < count; i++) {
		const char *other;

		memcpy(&other, config_section_get(r->config, section, i), sizeof(other));
		if (strcmp(other, name) != 0)
			continue;
		reader_report_f(r, line, false,
		    "a second %s with the name %s, expected another name",
		    config_sections[section].name, text_quote(name, quoted));
		return;
	}
}

/* The section that was closed just now: the newest one, but one whose title was there before
 * took the place of that older one. libconfuse gives no other sign of it than its line. */
static cfg_t *
reader_get_closed(
    struct reader *r, enum config_section_id section, const cfg_t *parent, cfg_opt_t *opt)
{
	unsigned count = cfg_opt_size(opt);

	if (count == r->section_count[section]) {
		for (unsigned i = 0; i < count; i++)
			if (cfg_opt_getnsec(opt, i)->line == parent->line)
				return cfg_opt_getnsec(opt, i);
	}
	r->section_count[section] = count;
	return cfg_opt_getnsec(opt, count - 1);
}

/* Called at the closing brace of a section. */
static int
on_section_end(cfg_t *parent, cfg_opt_t *opt)
{
	struct reader *r = reader_now;
	enum config_section_id section = config_section_find(opt->name);
	const struct config_section *s = &config_sections[section];
	cfg_t *cfg = reader_get_closed(r, section, parent, opt);
	unsigned line = cfg_get_line(parent);
	void *base = reader_open_section(r, section, cfg);
	char quoted[68];

	r->open[section] = NULL;
	if (base == NULL)
		return 0;
	if (!s->many && r->section_seen[section] != 0)
		reader_report_f(r, line, true,
		    "section %s was given in line %u already; both count", s->name,
		    r->section_seen[section]);
	r->section_seen[section] = line;
	if (!s->many)
		return 0;
	memcpy((char *)base + offsetof(struct config_listener, line), &line, sizeof(line));
	reader_check_name(r, section, cfg->title, line);
	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++)
		if (config_rows[i].section == section && config_rows[i].required &&
		    r->seen[i] == 0)
			reader_report_f(r, line, false, "%s %s has no %s, expected %s = ...",
			    s->name, text_quote(cfg->title, quoted), config_rows[i].name,
			    config_rows[i].name);
	return 0;
}

/* The name belongs elsewhere, or looks like a known one. */
static void
reader_report_unknown(
    struct reader *r, enum config_section_id section, const char *name, unsigned line)
{
	bool top = section == CONFIG_SECTION_top;
	const char *near = config_name_nearest(section, name);
	const char *here = top ? "outside of sections" : config_sections[section].name;
	char quoted[68], where[80];

	text_quote(name, quoted);
	snprintf(where, sizeof(where), "%s%s", top ? "" : "in section ", here);
	for (size_t i = 0; i < CONFIG_ROW_COUNT && near == NULL; i++) {
		if (strcmp(config_rows[i].name, name) != 0)
			continue;
		reader_report_f(r, line, false, "unknown option \"%s\" %s, expected it %s%s",
		    quoted, where,
		    config_rows[i].section == CONFIG_SECTION_top ? "outside of sections"
								 : "in section ",
		    config_rows[i].section == CONFIG_SECTION_top
			? ""
			: config_sections[config_rows[i].section].name);
		return;
	}
	if (near != NULL)
		reader_report_f(r, line, false,
		    "unknown option \"%s\" %s, expected perhaps \"%s\"", quoted, where, near);
	else
		reader_report_f(r, line, false,
		    "unknown option \"%s\" %s, expected one of cordon.conf(5)", quoted, where);
}

/* What libconfuse says, in the words that the rest uses. rewrites[] is matched in order. */
static void
reader_report_syntax(struct reader *r, unsigned line, const char *text)
{
	static const struct {
		const char *begin, *expected;
	} rewrites[] = {
		{ "missing equal sign after option", "NAME = VALUE" },
		{ "missing opening brace for section",
		    "{ (and a name before it only for listener and "
		    "clamd)" },
		{ "missing title for section",
		    "a name: listener NAME { ... }, clamd NAME { ... }" },
		{ "premature end of file", "a value or a closing brace" },
		{ "unexpected closing brace", "an option or a section" },
		{ "attempt to append to non-list option", "= (+= is for lists only)" },
		{ "unexpected token", "NAME = VALUE, NAME = {VALUE, VALUE} or NAME { ... }" },
	};
	char quoted[CONFIG_MISTAKE_BYTES / 2];
	size_t n = 0;

	for (; text[n] != '\0' && n + 1 < sizeof(quoted); n++)
		quoted[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? '?' : text[n];
	quoted[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(rewrites); i++) {
		if (strncmp(text, rewrites[i].begin, strlen(rewrites[i].begin)) != 0)
			continue;
		reader_report_f(
		    r, line, false, "%s, expected %s", quoted, rewrites[i].expected);
		return;
	}
	reader_report_f(r, line, false, "%s, expected NAME = VALUE", quoted);
}

#define UNKNOWN_PREFIX "no such option '"

static void __attribute__((format(printf, 2, 0)))
on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct reader *r = reader_now;
	CLEANUP(buf_done) struct buf text = { .max = CONFIG_FILE_MAX_BYTES + 1000 };
	va_list again;
	const char *name;
	int need;

	va_copy(again, ap);
	need = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (need < 0 || buf_reserve(&text, (size_t)need) < 0) {
		reader_report(
		    r, cfg_get_line(cfg), false, "broken statement, expected NAME = VALUE");
		return;
	}
	vsnprintf((char *)text.data, (size_t)need + 1, fmt, ap);
	text.len = (size_t)need;
	name = buf_get_str(&text);
	if (strncmp(name, UNKNOWN_PREFIX, sizeof(UNKNOWN_PREFIX) - 1) != 0) {
		reader_report_syntax(r, cfg_get_line(cfg), name);
		return;
	}
	name += sizeof(UNKNOWN_PREFIX) - 1;
	text.data[text.len - 1] = '\0'; /* the closing quote */
	r->stays = true;
	reader_report_unknown(r, config_section_find(cfg->name), name, cfg_get_line(cfg));
	r->stays = false;
	r->unknown_line = cfg_get_line(cfg);
	snprintf(r->unknown_name, sizeof(r->unknown_name), "%s", name);
}

/* One array per section, all in one block: the rows of section s begin at arrays[s]. */
struct option_arrays {
	cfg_opt_t options[CONFIG_ROW_COUNT + 2 * CONFIG_SECTION_COUNT];
	cfg_opt_t *arrays[CONFIG_SECTION_COUNT];
};

static cfg_opt_t
option_of_row(const struct config_row *row)
{
	cfg_opt_t one = CFG_STR_CB(row->name, NULL, CFGF_NODEFAULT, on_value);
	cfg_opt_t list = CFG_STR_LIST_CB(row->name, NULL, CFGF_NODEFAULT, on_value);

	return row->type == CONFIG_LIST ? list : one;
}

/* Sections first, so that the top can point to them. */
static void
option_arrays_init(struct option_arrays *a)
{
	size_t n = 0;
	cfg_opt_t end = CFG_END();

	for (unsigned i = CONFIG_SECTION_COUNT; i-- > 0;) {
		a->arrays[i] = &a->options[n];
		for (size_t j = 0; j < CONFIG_ROW_COUNT; j++)
			if (config_rows[j].section == (enum config_section_id)i)
				a->options[n++] = option_of_row(&config_rows[j]);
		for (unsigned j = 1; i == 0 && j < CONFIG_SECTION_COUNT; j++) {
			cfg_flag_t flags =
			    config_sections[j].many ? CFGF_MULTI | CFGF_TITLE : CFGF_NONE;
			cfg_opt_t section =
			    CFG_SEC(config_sections[j].name, a->arrays[j], flags);

			section.validcb = on_section_end;
			a->options[n++] = section;
		}
		a->options[n++] = end;
	}
}

/* One reading of the whole text into a fresh configuration. */
static void
reader_read_once(struct reader *r, struct option_arrays *arrays, struct buf *text)
{
	size_t kept = 0;
	cfg_t *cfg;

	for (size_t i = 0; i < r->mistake_count; i++)
		if (r->mistakes[i].stays)
			r->mistakes[kept++] = r->mistakes[i];
	r->mistake_count = kept;
	config_unref(&r->config);
	r->config = config_new_unresolved();
	r->config->looks_up = r->looks_up;
	memset(r->lines, 0, sizeof(r->lines));
	memset(r->seen, 0, sizeof(r->seen));
	memset(r->section_seen, 0, sizeof(r->section_seen));
	memset(r->section_count, 0, sizeof(r->section_count));
	memset(r->open, 0, sizeof(r->open));
	r->open[CONFIG_SECTION_top] = r->config;
	r->unknown_line = 0;
	cfg = cfg_init(arrays->arrays[CONFIG_SECTION_top], CFGF_NONE);
	ASSERT(cfg != NULL);
	cfg_set_error_function(cfg, on_error);
	r->stopped = cfg_parse_buf(cfg, buf_get_str(text)) != CFG_SUCCESS;
	if (r->stopped && !r->failed)
		reader_report(r, 0, false, "the text cannot be read, expected NAME = VALUE");
	cfg_free(cfg);
}

static void
reader_read(struct reader *r, struct slice input)
{
	CLEANUP(buf_done) struct buf text = { .max = CONFIG_FILE_MAX_BYTES };
	struct option_arrays *arrays;
	bool whole;

	r->stays = true;
	if (buf_append_slice(&text, input) < 0) {
		reader_report(r, 0, false, "the file is too long, expected at most 1 MB");
		return;
	}
	whole = config_text_clean(&text, reader_report, r);
	r->stays = false;
	if (!whole)
		return;
	arrays = mem_new(sizeof(*arrays));
	option_arrays_init(arrays);
	for (unsigned i = 0; i <= CONFIG_MISTAKES_MAX; i++) {
		reader_read_once(r, arrays, &text);
		if (r->unknown_line == 0 ||
		    !config_text_blank_statement(&text, r->unknown_line, r->unknown_name))
			break;
	}
	free(arrays);
}

/* Stable: mistakes of one line stay in the order in which they were found. */
static void
reader_format_messages(struct reader *r, const char *name, struct buf *out)
{
	for (size_t i = 1; i < r->mistake_count; i++) {
		for (size_t j = i; j > 0 && r->mistakes[j - 1].line > r->mistakes[j].line;
		     j--) {
			struct mistake swap = r->mistakes[j];

			r->mistakes[j] = r->mistakes[j - 1];
			r->mistakes[j - 1] = swap;
		}
	}
	for (size_t i = 0; i < r->mistake_count; i++) {
		const struct mistake *m = &r->mistakes[i];

		(void)buf_printf(out, "%s:%u: %s%s\n", name, MAX_OF(m->line, 1u),
		    m->is_warning ? "warning: " : "", m->text);
	}
	if (r->too_many)
		(void)buf_printf(out, "%s:1: more than %u mistakes, expected fewer\n", name,
		    CONFIG_MISTAKES_MAX);
}

struct config *
config_parse_text(const char *name, struct slice text, bool looks_up, struct buf *ret_messages)
{
	struct reader *r = mem_new(sizeof(*r));
	struct config *c;
	struct slice path;

	r->looks_up = looks_up;
	reader_now = r;
	reader_read(r, text);
	if (r->config != NULL && !r->stopped) {
		config_resolve_actions(r->config);
		config_check_whole(r->config, r->lines, reader_report, r);
	}
	reader_format_messages(r, name, ret_messages);
	c = r->failed ? NULL : TAKE(r->config);
	config_unref(&r->config);
	reader_now = NULL;
	free(r);
	if (c == NULL)
		return NULL;
	path = arena_copy(c->arena, slice_of_str(name));
	c->path = path.ptr == NULL ? "" : (const char *)path.ptr;
	return c;
}

struct config *
config_parse(const char *name, struct slice text, struct buf *ret_messages)
{
	return config_parse_text(name, text, false, ret_messages);
}
