/* milter_macro.c: see milter_macro.h. The block of a stage is replaced as a whole, so that a
 * value of the mail before never stands for one that this mail has not. */
#include "intake/milter_macro.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "intake/milter_codec.h"

/* Without the braces that longer names have on the wire. */
static const char *const macro_names[MILTER_MACRO_COUNT] = {
	[MILTER_MACRO_QUEUE_ID] = "i",
	[MILTER_MACRO_AUTH_USER] = "auth_authen",
	[MILTER_MACRO_TLS_VERSION] = "tls_version",
	[MILTER_MACRO_TLS_CIPHER] = "cipher",
	[MILTER_MACRO_CLIENT_ADDRESS] = "client_addr",
	[MILTER_MACRO_CLIENT_PORT] = "client_port",
	[MILTER_MACRO_CLIENT_NAME] = "client_name",
	[MILTER_MACRO_CLIENT_PEER] = "_",
};

/* Most bytes of one stage: every known name once. */
#define BLOCK_MAX_BYTES (MILTER_MACRO_COUNT * (MILTER_MACRO_VALUE_MAX_BYTES + 2))
_Static_assert(BLOCK_MAX_BYTES <= UINT16_MAX, "lengths are 16 bits");

void
milter_macros_clear(struct milter_macros *m, enum milter_stage from)
{
	for (unsigned i = from; i < MILTER_STAGE_COUNT; i++) {
		free(m->blocks[i]);
		m->blocks[i] = NULL;
		m->lengths[i] = 0;
	}
}

void
milter_macros_done(struct milter_macros *m)
{
	milter_macros_clear(m, MILTER_STAGE_CONNECT);
}

static int
stage_of_command(uint8_t command)
{
	switch (command) {
	case MILTER_CONNECT:
		return MILTER_STAGE_CONNECT;
	case MILTER_HELO:
		return MILTER_STAGE_HELO;
	case MILTER_MAIL:
		return MILTER_STAGE_MAIL;
	case MILTER_RCPT:
		return MILTER_STAGE_RCPT;
	case MILTER_DATA:
		return MILTER_STAGE_DATA;
	case MILTER_HEADER:
	case MILTER_EOH:
	case MILTER_BODY:
	case MILTER_BODYEOB:
		return MILTER_STAGE_BODY;
	default:
		return -1;
	}
}

static int
id_of_name(struct slice name)
{
	if (name.len > 2 && name.ptr[0] == '{' && name.ptr[name.len - 1] == '}')
		name = slice_sub(name, 1, name.len - 2);
	for (int i = 0; i < MILTER_MACRO_COUNT; i++) {
		if (slice_eq_str(name, macro_names[i]))
			return i;
	}
	return -1;
}

/* The known macros of a packet, packed as a stage keeps them. Returns the bytes written. */
static size_t
block_build(struct slice rest, uint8_t block[BLOCK_MAX_BYTES])
{
	bool seen[MILTER_MACRO_COUNT] = { false };
	struct slice name, value;
	size_t n = 0;

	while (
	    milter_string_next(&rest, &name) == 1 && milter_string_next(&rest, &value) == 1) {
		int id = id_of_name(name);

		if (id < 0 || seen[id])
			continue;
		seen[id] = true;
		value = slice_sub(value, 0, MILTER_MACRO_VALUE_MAX_BYTES);
		block[n++] = (uint8_t)id;
		if (value.len > 0)
			memcpy(block + n, value.ptr, value.len);
		n += value.len;
		block[n++] = '\0';
	}
	return n;
}

static struct slice
block_get(struct slice rest, unsigned id)
{
	struct slice value;

	while (rest.len > 0) {
		unsigned have = rest.ptr[0];

		rest = slice_from(rest, 1);
		ASSERT(milter_string_next(&rest, &value) == 1);
		if (have == id)
			return value;
	}
	return SLICE_NONE;
}

int
milter_macros_set(
    struct milter_macros *m, struct slice data, bool *ret_new_queue_id, struct err *e)
{
	static uint8_t block[BLOCK_MAX_BYTES]; /* one thread */
	struct slice rest = slice_from(data, 1), id;
	uint8_t *copy;
	size_t n;
	int stage;

	if (data.len == 0)
		return err_set(e, EINVAL, "MACRO without a command");
	if (rest.len > 0 && rest.ptr[rest.len - 1] != '\0')
		return err_set(e, EINVAL, "MACRO: the last string has no end");
	*ret_new_queue_id = false;
	stage = stage_of_command(data.ptr[0]);
	if (stage < 0)
		return 0;
	n = block_build(rest, block);
	id = block_get(slice_of(block, n), MILTER_MACRO_QUEUE_ID);
	*ret_new_queue_id =
	    id.len > 0 && !slice_eq(id, milter_macros_get(m, MILTER_MACRO_QUEUE_ID));
	milter_macros_clear(m, (enum milter_stage)(stage + 1));
	if (slice_eq(slice_of(block, n), slice_of(m->blocks[stage], m->lengths[stage])))
		return 0; /* Postfix repeats them with every header field */
	milter_macros_clear(m, (enum milter_stage)stage);
	if (n == 0)
		return 0;
	copy = malloc(n);
	if (copy == NULL)
		return err_set(e, ENOMEM, "cannot keep macros of %zu bytes", n);
	memcpy(copy, block, n);
	m->blocks[stage] = copy;
	m->lengths[stage] = (uint16_t)n;
	return 0;
}

struct slice
milter_macros_get(const struct milter_macros *m, enum milter_macro_id id)
{
	for (unsigned stage = MILTER_STAGE_COUNT; stage-- > 0;) {
		struct slice value =
		    block_get(slice_of(m->blocks[stage], m->lengths[stage]), id);

		if (value.ptr != NULL)
			return value;
	}
	return SLICE_NONE;
}
