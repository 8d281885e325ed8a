/* config_table.h: options.def as rows to walk over. For the files of src/config only. */
#ifndef CORDON_CONFIG_CONFIG_TABLE_H
#define CORDON_CONFIG_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

enum config_type {
	CONFIG_STRING,
	CONFIG_LIST,
	CONFIG_UINT,
	CONFIG_SIZE,
	CONFIG_BOOL,
	CONFIG_MODE,
	CONFIG_ACTION,
	CONFIG_CHOICE,
};

/* What a STRING, or each item of a LIST, must be beyond text. */
enum config_check {
	CONFIG_CHECK_NONE = 0,
	CONFIG_CHECK_USER,           /* a user of this system; unknown is a warning */
	CONFIG_CHECK_GROUP,
	CONFIG_CHECK_PATH,           /* absolute, or empty */
	CONFIG_CHECK_LOG,            /* stderr, syslog or an absolute path */
	CONFIG_CHECK_READABLE,       /* absolute path of something that exists */
	CONFIG_CHECK_LISTEN_ADDRESS, /* unix: inet: inet6: */
	CONFIG_CHECK_LISTEN_ADDRESS_OR_EMPTY,
	CONFIG_CHECK_SERVER_ADDRESS, /* unix: tcp: */
	CONFIG_CHECK_NETWORK,        /* ADDRESS or ADDRESS/BITS */
	CONFIG_CHECK_ACTION_OR_EMPTY,
	CONFIG_CHECK_REPLY,          /* template that begins with an enhanced status code */
	CONFIG_CHECK_HEADER_NAME,
	CONFIG_CHECK_HEADER_VALUE,
	CONFIG_CHECK_HOSTNAME,       /* a domain name, or empty */
	CONFIG_CHECK_PROGRAM,        /* auto, off, or an absolute path */
};

enum config_section_id {
	CONFIG_SECTION_top = 0,
#define TOP_OPTION(option, type, ...)
#define SECTION_BEGIN(section, kind, ...) CONFIG_SECTION_##section,
#define OPTION(section, option, type, ...)
#define SECTION_END(section)
#include "config/options.def"
	CONFIG_SECTION_COUNT,
};

/* The number of one row: CONFIG_ROW_top_user, CONFIG_ROW_limits_depth ... */
enum config_row_id {
#define TOP_OPTION(option, type, ...) CONFIG_ROW_top_##option,
#define SECTION_BEGIN(section, kind, ...)
#define OPTION(section, option, type, ...) CONFIG_ROW_##section##_##option,
#define SECTION_END(section)
#include "config/options.def"
	CONFIG_ROW_COUNT,
};

struct config_row {
	enum config_section_id section;
	const char *name;
	enum config_type type;
	size_t offset; /* in struct config, or in the struct of the section */
	const char *def, *min, *max, *choices, *unit, *since, *doc;
	enum config_check check;
	bool required;
};

struct config_section {
	const char *name;
	bool many;          /* has a title, may stand there several times */
	size_t offset;      /* in struct config: the section, or for many the array pointer */
	size_t count_offset; /* many: the count behind it */
	size_t size;        /* of the section's struct */
	const char *doc;
};

extern const struct config_row config_rows[CONFIG_ROW_COUNT];
extern const struct config_section config_sections[CONFIG_SECTION_COUNT];

/* The row of this name in this section, or NULL. */
const struct config_row *config_row_find(enum config_section_id section, const char *name);
/* The section of this name, or CONFIG_SECTION_COUNT. The top has no name: "root". */
enum config_section_id config_section_find(const char *name);
/* The name in this section (options; in the top also sections) that is most like it, or NULL
 * when none is much like it. */
const char *config_name_nearest(enum config_section_id section, const char *name);
/* The word in a list of words separated by blanks that is most like it, or SLICE_NONE. */
struct slice config_word_nearest(const char *words, const char *name);

/* Where the values of a section lie: index counts the instances of a section that is many. */
void *config_section_get(const struct config *c, enum config_section_id section, size_t index);
size_t config_section_get_count(const struct config *c, enum config_section_id section);
/* Adds an instance with default values at the end. NULL when the arena is full. */
void *config_section_add(struct config *c, enum config_section_id section, const char *name);

#endif
