/* fuzz_config.c: any bytes as a configuration. Promises: a refused one is explained, every line
 * of messages names file and line, an accepted one reads back from its own dump unchanged. */
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "config/config.h"
#include "config/limits.h"

static void
check_messages(struct slice left, bool was_refused)
{
	bool has_mistake = false;

	ASSERT(left.len == 0 || left.ptr[left.len - 1] == '\n');
	while (left.len > 0) {
		size_t end = slice_find_byte(left, '\n', 0), colon;
		struct slice line = slice_sub(left, 0, end);
		uint64_t number;

		ASSERT(slice_starts_with(line, SLICE_LIT("fuzz:")));
		line = slice_from(line, 5);
		colon = slice_find(line, SLICE_LIT(": "), 0);
		ASSERT(colon != SIZE_MAX);
		ASSERT(slice_parse_uint(
		    slice_sub(line, 0, colon), CONFIG_FILE_MAX_BYTES, &number));
		ASSERT(number >= 1);
		line = slice_from(line, colon + 2);
		for (size_t i = 0; i < line.len; i++)
			ASSERT(line.ptr[i] >= 0x20 && line.ptr[i] != 0x7f);
		if (!slice_starts_with(line, SLICE_LIT("warning: "))) {
			has_mistake = true;
			ASSERT(slice_find(line, SLICE_LIT("expected"), 0) != SIZE_MAX);
		}
		left = slice_from(left, end + 1);
	}
	ASSERT(has_mistake == was_refused);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(buf_done) struct buf messages = { .max = CONFIG_OUTPUT_MAX_BYTES };
	CLEANUP(buf_done) struct buf dump = { .max = CONFIG_OUTPUT_MAX_BYTES };
	CLEANUP(buf_done) struct buf second = { .max = CONFIG_OUTPUT_MAX_BYTES };
	CLEANUP(config_unref) struct config *c = NULL, *again = NULL;

	if (len > 16384)
		return 0;
	c = config_parse("fuzz", slice_of(data, len), &messages);
	check_messages(buf_get(&messages), c == NULL);
	if (c == NULL)
		return 0;
	for (size_t i = 0; i < c->cause_action_count; i++)
		ASSERT((unsigned)c->cause_actions[i].action < ACTION_COUNT);
	ASSERT(c->max_message_size <= c->memory_budget);
	ASSERT(config_format(c, &dump) == 0);
	again = config_parse("fuzz", buf_get(&dump), &messages);
	ASSERT(again != NULL);
	ASSERT(config_format(again, &second) == 0);
	ASSERT(slice_eq(buf_get(&dump), buf_get(&second)));
	return 0;
}
