/* config_value.h: one value between its text and its field. For the files of src/config. */
#ifndef CORDON_CONFIG_CONFIG_VALUE_H
#define CORDON_CONFIG_CONFIG_VALUE_H

#include "config/config_table.h"

enum config_value_result {
	CONFIG_VALUE_OK = 0,
	CONFIG_VALUE_BAD,     /* nothing was stored */
	CONFIG_VALUE_WARNING, /* stored; the text says what is odd */
};

struct config_value_message {
	char what[200];     /* "is out of range"; without the value itself */
	char expected[200]; /* "expected 1 to 100 levels" */
};

/* Stores text as the value of the row at base (the section's struct). For a LIST, first says
 * that the list starts anew, else the text is added. Strings are copied into c's arena. */
enum config_value_result config_value_set(struct config *c, const struct config_row *row,
    void *base, const char *text, bool first, struct config_value_message *ret_message);

/* Sets every field of one section to its default. -ENOMEM when the arena is full. */
int config_section_set_defaults(struct config *c, enum config_section_id section, void *base);

/* Appends the value as it would stand in the file. 0 or a negative code. */
int config_value_format(const struct config_row *row, const void *base, struct buf *out);

/* "64K", "100M", "1G", "1T", "4096": bytes. False when it is none of these. */
bool config_size_parse(struct slice text, uint64_t *ret_bytes);
int config_size_format(uint64_t bytes, struct buf *out);
/* Text in double quotes, safe to stand in the file. */
int config_string_format(const char *text, struct buf *out);

#endif
