/* config.h: the configuration as plain fields. The fields come from options.def; reading a
 * file is config_parse.c, the dump and the man page text are config_format.c. */
#ifndef CORDON_CONFIG_CONFIG_H
#define CORDON_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* What is done with a mail. The zero is the careful one: zeroed memory passes no mail. */
enum action {
	ACTION_TEMPFAIL = 0, /* 451: the sending host tries again */
	ACTION_REJECT,       /* 550 */
	ACTION_HOLD,         /* into the MTA's own hold queue, where the protocol can say so */
	ACTION_DISCARD,      /* 250, and the mail is gone */
	ACTION_ACCEPT,
	ACTION_COUNT,
};

/* The order of each of these is the order of .choices in options.def. */
enum config_log_format { CONFIG_LOG_TEXT, CONFIG_LOG_JSON };
enum config_protocol {
	CONFIG_PROTOCOL_MILTER,
	CONFIG_PROTOCOL_SMTP,
	CONFIG_PROTOCOL_LMTP,
	CONFIG_PROTOCOL_CLAMD,
	CONFIG_PROTOCOL_OPENSMTPD,
	CONFIG_PROTOCOL_COURIER,
};
enum config_way { CONFIG_WAY_PROXY, CONFIG_WAY_FILTER };
enum config_next_hop_protocol {
	CONFIG_NEXT_HOP_SAME,
	CONFIG_NEXT_HOP_SMTP,
	CONFIG_NEXT_HOP_LMTP,
};
enum config_next_hop_tls { CONFIG_TLS_NONE, CONFIG_TLS_MAY, CONFIG_TLS_MUST, CONFIG_TLS_VERIFY };
enum config_bare_line_end { CONFIG_BARE_NORMALISE, CONFIG_BARE_REFUSE };
enum config_paths { CONFIG_PATHS_LOCAL, CONFIG_PATHS_ALWAYS, CONFIG_PATHS_NEVER };
enum config_transfer {
	CONFIG_TRANSFER_AUTO,
	CONFIG_TRANSFER_FILDES,
	CONFIG_TRANSFER_INSTREAM,
};

/* What is done with a mail whose readings differ, by class. The zero is the careful one. */
enum config_ambiguity {
	CONFIG_AMBIGUITY_TEMPFAIL,
	CONFIG_AMBIGUITY_REJECT,
	CONFIG_AMBIGUITY_FLAG,   /* passes, marked where marks are wanted */
	CONFIG_AMBIGUITY_ACCEPT,
	CONFIG_AMBIGUITY_COUNT,
};

struct config_list {
	const char **items; /* count strings; NULL when count is 0 */
	size_t count;
};

/* Types of options as struct fields. Sizes are bytes; times carry their unit in the name. */
#define CONFIG_FIELD_STRING const char * /* never NULL, "" when not given */
#define CONFIG_FIELD_LIST struct config_list
#define CONFIG_FIELD_UINT unsigned
#define CONFIG_FIELD_SIZE uint64_t
#define CONFIG_FIELD_BOOL bool
#define CONFIG_FIELD_MODE unsigned /* permission bits */
#define CONFIG_FIELD_ACTION enum action
#define CONFIG_FIELD_CHOICE int /* one of the enums above */

#define CONFIG_HEAD_ONE
#define CONFIG_HEAD_MANY \
	const char *name; /* as the configuration calls it */ \
	unsigned line;    /* where its section ends in the file; 0: not from a file */

/* struct config_listener, config_limits, config_signatures, config_clamav, config_clamd,
 * config_policy, config_ambiguous: one field per row of options.def, of the same name. */
#define TOP_OPTION(option, type, ...)
#define SECTION_BEGIN(section, kind, ...) struct config_##section { CONFIG_HEAD_##kind
#define OPTION(section, option, type, ...) CONFIG_FIELD_##type option;
#define SECTION_END(section) };
#include "config/options.def"

/* What is done when an object stayed unscanned, for one cause (text of decompose/cause.def). */
struct config_cause_action {
	const char *cause_name;
	enum action action;
};

struct arena;

/* c->user, c->limits.depth, c->listeners[i].address with i < c->listener_count,
 * c->clamds[i].servers.items[j] with j < c->clamds[i].servers.count. Read-only for all. */
#define CONFIG_MEMBER_ONE(section) struct config_##section section;
#define CONFIG_MEMBER_MANY(section) \
	struct config_##section *section##s; \
	size_t section##_count;
#define TOP_OPTION(option, type, ...) CONFIG_FIELD_##type option;
#define SECTION_BEGIN(section, kind, ...) CONFIG_MEMBER_##kind(section)
#define OPTION(section, option, type, ...)
#define SECTION_END(section)
struct config {
#include "config/options.def"
	/* Every policy.unscanned_<cause>, in the order of options.def. */
	struct config_cause_action *cause_actions;
	size_t cause_action_count;
	const char *path;     /* the file it was read from, "" for the defaults */
	bool looks_up;        /* parsing asked the system for users and files */
	struct arena *arena;  /* owns every string and array above */
	unsigned references;  /* config_ref(), config_unref(): one thread */
};

/* What an empty file means. The caller owns the reference. Ends the process without memory. */
struct config *config_new_default(void);

/* Parses text (borrowed) as the file called name. The caller owns the reference. NULL on any
 * mistake. All mistakes go to *ret_messages (appended), in the order of their lines, one per
 * line of text: "name:line: what, what was expected". Warnings go there too, after
 * "name:line: warning: "; they do not make it fail. Looks at the text alone: files and users
 * that it names are not looked up. Not for use by two threads at once. */
struct config *config_parse(const char *name, struct slice text, struct buf *ret_messages);

/* The same for the file at path; also, signature files must exist, and unknown users and groups
 * are warnings. NULL and *e also when it cannot be read (nothing is added to
 * *ret_messages then); a mistake inside gives an *e that counts the mistakes. */
struct config *config_load(const char *path, struct buf *ret_messages, struct err *e);

struct config *config_ref(struct config *c);
void config_unref(struct config **c);

/* The listener of this name, or NULL. */
const struct config_listener *config_find_listener(const struct config *c, const char *name);
const struct config_listener *config_find_listener_slice(const struct config *c,
    struct slice name);

/* The action for an object that stayed unscanned for this cause ("timeout"); unknown causes
 * get policy.unscanned. */
enum action config_get_unscanned_action(const struct config *c, const char *cause_name);

/* The word for a class of ambiguity by its flag name ("dup-cte", decompose/ambiguity.def);
 * unknown classes get CONFIG_AMBIGUITY_FLAG. */
enum config_ambiguity config_get_ambiguity(const struct config *c, const char *class_name);
/* "flag": the word as it stands in the file. */
const char *config_ambiguity_get_name(enum config_ambiguity a);

/* "accept", "reject", "tempfail", "discard", "hold"; false when it is none of these. */
bool action_parse(struct slice text, enum action *ret_action);
const char *action_get_name(enum action a);

/* "milter": the word as it stands in the file. */
const char *config_protocol_get_name(enum config_protocol p);

/* All of these append to *out: 0, or a negative code when it is full.
 * The configuration as a file that config_parse() reads back to the same values. */
int config_format(const struct config *c, struct buf *out);
/* The defaults as a documented file; sections that need a name stand there as comments. */
int config_format_defaults(struct buf *out);
/* Every option as text for scdoc(5): the middle of cordon.conf(5). */
int config_format_scdoc(struct buf *out);

#endif
