/* config.c: life of a configuration, and loading it from a file. */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "config/config_private.h"
#include "config/config_value.h"
#include "config/limits.h"

struct config *
config_new_unresolved(void)
{
	struct config *c = mem_new(sizeof(*c));

	c->arena = arena_new(CONFIG_ARENA_MAX_BYTES);
	c->references = 1;
	c->path = "";
	for (unsigned i = 0; i < CONFIG_SECTION_COUNT; i++) {
		enum config_section_id section = (enum config_section_id)i;

		if (!config_sections[i].many)
			ASSERT(config_section_set_defaults(
				   c, section, config_section_get(c, section, 0)) == 0);
	}
	return c;
}

#define CAUSE_PREFIX "unscanned_"

static bool
row_is_cause(const struct config_row *row)
{
	return row->section == CONFIG_SECTION_policy && row->type == CONFIG_ACTION &&
	       strncmp(row->name, CAUSE_PREFIX, sizeof(CAUSE_PREFIX) - 1) == 0;
}

void
config_resolve_actions(struct config *c)
{
	size_t n = 0;

	c->cause_actions = arena_alloc(c->arena, CONFIG_ROW_COUNT * sizeof(*c->cause_actions));
	ASSERT(c->cause_actions != NULL);
	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
		const struct config_row *row = &config_rows[i];
		enum action *a = (enum action *)(void *)((char *)&c->policy + row->offset);

		if (!row_is_cause(row))
			continue;
		if (*a == ACTION_COUNT)
			*a = c->policy.unscanned;
		c->cause_actions[n++] = (struct config_cause_action){
			.cause_name = row->name + sizeof(CAUSE_PREFIX) - 1,
			.action = *a,
		};
	}
	c->cause_action_count = n;
}

struct config *
config_new_default(void)
{
	struct config *c = config_new_unresolved();

	config_resolve_actions(c);
	return c;
}

struct config *
config_ref(struct config *c)
{
	ASSERT(c->references > 0);
	c->references++;
	return c;
}

void
config_unref(struct config **c)
{
	struct config *dropped = TAKE(*c);

	if (dropped == NULL || --dropped->references > 0)
		return;
	arena_free(&dropped->arena);
	free(dropped);
}

const struct config_listener *
config_find_listener_slice(const struct config *c, struct slice name)
{
	for (size_t i = 0; i < c->listener_count; i++) {
		if (slice_eq_str(name, c->listeners[i].name))
			return &c->listeners[i];
	}
	return NULL;
}

const struct config_listener *
config_find_listener(const struct config *c, const char *name)
{
	return config_find_listener_slice(c, slice_of_str(name));
}

enum action
config_get_unscanned_action(const struct config *c, const char *cause_name)
{
	for (size_t i = 0; i < c->cause_action_count; i++)
		if (strcmp(c->cause_actions[i].cause_name, cause_name) == 0)
			return c->cause_actions[i].action;
	return c->policy.unscanned;
}

/* The option is called as the class, with _ for every -. */
static bool
name_is_class(const char *name, const char *class_name)
{
	while (*name != '\0' && (*name == *class_name || (*name == '_' && *class_name == '-'))) {
		name++;
		class_name++;
	}
	return *name == *class_name;
}

enum config_ambiguity
config_get_ambiguity(const struct config *c, const char *class_name)
{
	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
		const struct config_row *row = &config_rows[i];
		int word;

		if (row->section != CONFIG_SECTION_ambiguous || !name_is_class(row->name, class_name))
			continue;
		memcpy(&word, (const char *)&c->ambiguous + row->offset, sizeof(word));
		return (enum config_ambiguity)word;
	}
	return CONFIG_AMBIGUITY_FLAG;
}

static int
file_read_whole(const char *path, struct buf *out, struct err *e)
{
	CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, errno, "cannot read configuration '%s'", path);
	for (;;) {
		ssize_t n;

		if (buf_reserve(out, MIN_OF((size_t)16384, out->max - out->len)) < 0)
			return err_set(e, ENOMEM, "cannot read configuration '%s'", path);
		n = read(fd, out->data + out->len, MIN_OF((size_t)16384, out->max - out->len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, errno, "cannot read configuration '%s'", path);
		out->len += (size_t)n;
		if (n == 0)
			break;
	}
	if (out->len == out->max)
		return err_set(e, EFBIG, "cannot read configuration '%s'", path);
	return 0;
}

static size_t
text_count_lines(struct slice s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += s.ptr[i] == '\n';
	return count;
}

struct config *
config_load(const char *path, struct buf *ret_messages, struct err *e)
{
	CLEANUP(buf_done) struct buf text = { .max = CONFIG_FILE_MAX_BYTES + 1 };
	size_t before = ret_messages->len;
	struct config *c;

	if (file_read_whole(path, &text, e) < 0)
		return NULL;
	c = config_parse_text(path, buf_get(&text), true, ret_messages);
	if (c == NULL)
		return err_null(e, EINVAL,
		    "configuration '%s' has mistakes (%zu lines about them)", path,
		    text_count_lines(slice_from(buf_get(ret_messages), before)));
	return c;
}
