/* config_check.h: what values must be beyond their type, and what must fit together. For the
 * files of src/config only. */
#ifndef CORDON_CONFIG_CONFIG_CHECK_H
#define CORDON_CONFIG_CONFIG_CHECK_H

#include "config/config_value.h"

/* One text of a STRING, or one item of a LIST, against row->check. Without looks_up, users,
 * groups and files are not looked up. */
enum config_value_result config_check_text(const struct config_row *row, const char *text,
    bool looks_up, struct config_value_message *ret_message);

/* Called for every mistake; line 0 when it belongs to no line. */
typedef void (*config_report_fn)(void *context, unsigned line, bool is_warning,
    const char *text);

/* What no single value shows: sizes and times that contradict each other, no scanner, the
 * same address twice. lines[row] is where an option was last given, 0 when it was not. */
void config_check_whole(const struct config *c, const unsigned lines[CONFIG_ROW_COUNT],
    config_report_fn report, void *context);

#endif
