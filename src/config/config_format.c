/* config_format.c: the table and a configuration as text: the dump, the documented defaults,
 * the middle of the man page. */
#include <string.h>

#include "config/config_private.h"
#include "config/config_value.h"
#include "config/limits.h"

#define COMMENT_WIDTH 78

/* Rows of one section, one per line. prefix stands before each line. */
static int
section_format(
    enum config_section_id section, const void *base, const char *prefix, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < CONFIG_ROW_COUNT && r == 0; i++) {
		if (config_rows[i].section != section)
			continue;
		r = buf_printf(out, "%s%s = ", prefix, config_rows[i].name);
		if (r == 0)
			r = config_value_format(&config_rows[i], base, out);
		if (r == 0)
			r = buf_append_byte(out, '\n');
	}
	return r;
}

int
config_format(const struct config *c, struct buf *out)
{
	int r = section_format(CONFIG_SECTION_top, c, "", out);

	for (unsigned i = 1; i < CONFIG_SECTION_COUNT && r == 0; i++) {
		enum config_section_id section = (enum config_section_id)i;
		size_t count = config_section_get_count(c, section);

		for (size_t j = 0; j < count && r == 0; j++) {
			const void *base = config_section_get(c, section, j);
			const char *title = "";

			if (config_sections[i].many)
				memcpy(&title, base, sizeof(title));
			r = buf_printf(out, "\n%s%s%s {\n", config_sections[i].name,
			    *title == '\0' ? "" : " ", title);
			if (r == 0)
				r = section_format(section, base, "\t", out);
			if (r == 0)
				r = buf_append_str(out, "}\n");
		}
	}
	return r;
}

/* Text as comment lines of at most COMMENT_WIDTH columns; backquotes are left out. */
static int
comment_format(const char *text, const char *prefix, struct buf *out)
{
	size_t column = 0;
	int r = 0;

	while (*text != '\0' && r == 0) {
		size_t word = strcspn(text, " ");

		if (column > 0 && column + 1 + word > COMMENT_WIDTH) {
			r = buf_append_byte(out, '\n');
			column = 0;
		}
		if (r == 0)
			r = column == 0 ? buf_append_str(out, prefix)
					: buf_append_byte(out, ' ');
		column += column == 0 ? strlen(prefix) + 8 * (*prefix == '\t') : 1;
		for (size_t i = 0; i < word && r == 0; i++)
			if (text[i] != '`')
				r = buf_append_byte(out, (uint8_t)text[i]);
		column += word;
		text += word + (text[word] == ' ');
	}
	return r == 0 ? buf_append_byte(out, '\n') : r;
}

/* "0 to 1024 processes", "text or json", nothing for plain texts. */
static int
range_format(const struct config_row *row, struct buf *out)
{
	switch (row->type) {
	case CONFIG_UINT:
	case CONFIG_SIZE:
		return buf_printf(out, "%s to %s %s", row->min, row->max, row->unit);
	case CONFIG_BOOL:
		return buf_append_str(out, "true or false");
	case CONFIG_MODE:
		return buf_append_str(out, "octal mode");
	case CONFIG_ACTION:
		return buf_append_str(out, "action");
	case CONFIG_CHOICE:
		return buf_printf(out, "one of: %s", row->choices);
	case CONFIG_LIST:
		return buf_append_str(out, "list of texts");
	case CONFIG_STRING:
		return buf_append_str(out, "text");
	}
	return 0;
}

/* The default as it would stand in the file. */
static int
default_format(const struct config_row *row, struct buf *out)
{
	switch (row->type) {
	case CONFIG_LIST:
		return buf_append_str(out, "{}");
	case CONFIG_UINT:
	case CONFIG_SIZE:
	case CONFIG_BOOL:
		return buf_append_str(out, row->def);
	default:
		return config_string_format(row->def, out);
	}
}

static int
row_format_default(const struct config_row *row, const char *comment_prefix,
    const char *value_prefix, struct buf *out)
{
	int r = comment_format(row->doc, comment_prefix, out);

	if (r == 0)
		r = buf_printf(out, "%s(", comment_prefix);
	if (r == 0)
		r = range_format(row, out);
	if (r == 0)
		r = buf_printf(out, ")\n%s%s = ", value_prefix, row->name);
	if (r == 0)
		r = default_format(row, out);
	return r == 0 ? buf_append_str(out, "\n\n") : r;
}

static int
section_format_defaults(enum config_section_id section, struct buf *out)
{
	const struct config_section *s = &config_sections[section];
	bool top = section == CONFIG_SECTION_top;
	const char *comment_prefix = top ? "# " : s->many ? "#\t# " : "\t# ";
	const char *value_prefix = top ? "" : s->many ? "#\t" : "\t";
	int r = comment_format(s->doc, "# ", out);

	if (r == 0 && top)
		r = buf_append_byte(out, '\n');
	else if (r == 0)
		r = buf_printf(
		    out, "%s%s %s{\n", s->many ? "#" : "", s->name, s->many ? "NAME " : "");
	for (size_t i = 0; i < CONFIG_ROW_COUNT && r == 0; i++)
		if (config_rows[i].section == section)
			r = row_format_default(
			    &config_rows[i], comment_prefix, value_prefix, out);
	if (r == 0 && !top) {
		out->len -= 1; /* one of the two newlines */
		r = buf_append_str(out, s->many ? "#}\n\n" : "}\n\n");
	}
	return r;
}

int
config_format_defaults(struct buf *out)
{
	int r = 0;

	for (unsigned i = 0; i < CONFIG_SECTION_COUNT && r == 0; i++)
		r = section_format_defaults((enum config_section_id)i, out);
	return r;
}

/* Text for scdoc(5): its marks escaped, `word` in bold. */
static int
scdoc_format_text(const char *text, struct buf *out)
{
	int r = 0;

	for (; *text != '\0' && r == 0; text++) {
		if (*text == '`')
			r = buf_append_byte(out, '*');
		else if (strchr("*_\\#[]<>|~", *text) != NULL)
			r = buf_printf(out, "\\%c", *text);
		else
			r = buf_append_byte(out, (uint8_t)*text);
	}
	return r;
}

static int
row_format_scdoc(const struct config_row *row, struct buf *out)
{
	CLEANUP(buf_done) struct buf value = { .max = CONFIG_OUTPUT_MAX_BYTES };
	int r = buf_append_byte(out, '*');

	if (r == 0)
		r = scdoc_format_text(row->name, out);
	if (r == 0)
		r = buf_append_str(out, "* = ");
	if (r == 0)
		r = default_format(row, &value);
	if (r == 0)
		r = buf_append_str(&value, " (");
	if (r == 0)
		r = range_format(row, &value);
	if (r == 0)
		r = buf_printf(
		    &value, "%s; since %s)", row->required ? "; required" : "", row->since);
	if (r == 0)
		r = scdoc_format_text(buf_get_str(&value), out);
	if (r == 0)
		r = buf_append_str(out, "\n\t");
	if (r == 0)
		r = scdoc_format_text(row->doc, out);
	return r == 0 ? buf_append_str(out, "\n\n") : r;
}

int
config_format_scdoc(struct buf *out)
{
	int r = 0;

	for (unsigned i = 0; i < CONFIG_SECTION_COUNT && r == 0; i++) {
		const struct config_section *s = &config_sections[i];

		if (i == 0)
			r = buf_append_str(out, "# OPTIONS OUTSIDE OF SECTIONS\n\n");
		else
			r = buf_printf(
			    out, "# SECTION %s%s\n\n", s->name, s->many ? " NAME" : "");
		if (r == 0)
			r = scdoc_format_text(s->doc, out);
		if (r == 0)
			r = buf_append_str(out, "\n\n");
		for (size_t j = 0; j < CONFIG_ROW_COUNT && r == 0; j++)
			if (config_rows[j].section == (enum config_section_id)i)
				r = row_format_scdoc(&config_rows[j], out);
	}
	return r;
}
