/* config_private.h: what the files of src/config share beyond config.h. */
#ifndef CORDON_CONFIG_CONFIG_PRIVATE_H
#define CORDON_CONFIG_CONFIG_PRIVATE_H

#include "config/config.h"

/* config_parse(); with looks_up, files and users named in the text are looked up. */
struct config *config_parse_text(const char *name, struct slice text, bool looks_up,
    struct buf *ret_messages);
/* Defaults, with policy.unscanned_<cause> still ACTION_COUNT where it follows .unscanned. */
struct config *config_new_unresolved(void);
/* Gives those their action and fills cause_actions. Once, after the last option is read. */
void config_resolve_actions(struct config *c);

#endif
