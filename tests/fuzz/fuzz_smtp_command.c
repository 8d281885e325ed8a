/* fuzz_smtp_command.c: any bytes as a command line. Promises: a known verb has a line without
 * NUL, CR and LF; an address is bounded, without controls, and written in brackets is read back
 * as the same address; parameters come to an end and lie inside the line. */
#include <errno.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "intake/smtp_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_inside(struct slice s, struct slice whole)
{
	if (s.len > 0)
		ASSERT(s.ptr >= whole.ptr && s.ptr + s.len <= whole.ptr + whole.len);
}

static void
check_params(struct slice params)
{
	struct slice rest = params, name, value;
	size_t before = rest.len;

	while (smtp_param_next(&rest, &name, &value) == 1) {
		ASSERT(rest.len < before && name.len > 0);
		before = rest.len;
		check_inside(name, params);
		check_inside(value, params);
		ASSERT(slice_find_byte(name, '=', 0) == SIZE_MAX);
		for (size_t i = 0; i < value.len; i++)
			ASSERT(value.ptr[i] > 0x20 && value.ptr[i] != 0x7f);
	}
}

static void
check_path(struct slice args, const char *keyword)
{
	CLEANUP(buf_done) struct buf again = { .max = 4096 };
	struct smtp_path path, path2;

	if (smtp_path_parse(args, keyword, &path) < 0)
		return;
	ASSERT(path.address.len <= 1024);
	check_inside(path.address, args);
	check_inside(path.params, args);
	for (size_t i = 0; i < path.address.len; i++)
		ASSERT(path.address.ptr[i] >= 0x20 && path.address.ptr[i] != 0x7f);
	check_params(path.params);
	ASSERT(buf_printf(&again, "%s<%.*s>", keyword, SLICE_FMT(path.address)) == 0);
	ASSERT(smtp_path_parse(buf_get(&again), keyword, &path2) == 0);
	ASSERT(slice_eq(path.address, path2.address) && path2.params.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice line = slice_of(data, len);
	struct smtp_command c = smtp_command_parse(line);
	uint64_t size;
	bool is_last;

	check_inside(c.args, line);
	if (c.verb != SMTP_VERB_UNKNOWN) {
		for (size_t i = 0; i < len; i++)
			ASSERT(data[i] != '\0' && data[i] != '\r' && data[i] != '\n');
	}
	/* Each of them of the line itself too: its bytes are not bound to a verb. */
	check_path(c.args, "FROM:");
	check_path(c.args, "TO:");
	check_path(line, "FROM:");
	check_params(line);
	if (smtp_bdat_parse(c.args, &size, &is_last) == 0)
		ASSERT(size <= INT64_MAX && c.args.len > 0);
	return 0;
}
