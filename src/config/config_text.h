/* config_text.h: makes the text of a configuration fit for libconfuse. For src/config only.
 *
 * libconfuse 3.3 skips bytes it does not know without a word, treats a comment that never ends
 * as the end of the file, counts lines wrongly after C comments, accepts no comment inside a
 * list, and puts environment variables into values. So comments are blanked here, and all of
 * that is named as a mistake, before libconfuse sees the text. */
#ifndef CORDON_CONFIG_CONFIG_TEXT_H
#define CORDON_CONFIG_CONFIG_TEXT_H

#include "base/buf.h"
#include "config/config_check.h"

/* Changes *text in place: comments and bytes that mean nothing become blanks; its length and
 * lines stay. Mistakes are reported. False when the rest cannot be understood: something is
 * left open at the end. */
bool config_text_clean(struct buf *text, config_report_fn report, void *context);

/* Blanks the statement that begins with the word name on this line (`name = value`,
 * `name = {...}`, `name {...}`, `name title {...}`) in cleaned text. Returns false when there
 * is no such word, and true after at least that word was blanked. */
bool config_text_blank_statement(struct buf *text, unsigned line, const char *name);

#endif
