/* fuzz_message_header.c: any header fields as a milter tells them (first byte: flags; then name
 * NUL value NUL ...). Promises: every byte is there or its loss is known, line ends are CRLF, the
 * list points at the names. */
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "message/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct slice
next_text(struct slice *rest)
{
	size_t end = MIN_OF(slice_find_byte(*rest, '\0', 0), rest->len);
	struct slice text = slice_sub(*rest, 0, end);

	*rest = slice_from(*rest, end + 1);
	return text;
}

/* A field's bytes: every LF of the value has its CR, and nothing else was changed. */
static void
check_field(struct slice field, struct slice name, struct slice value, bool raw)
{
	size_t at = name.len + (raw ? 1 : 2), k = 0;

	ASSERT(slice_starts_with(field, name) && field.len >= at + 2);
	ASSERT(field.ptr[name.len] == ':' && (raw || field.ptr[name.len + 1] == ' '));
	ASSERT(slice_eq(slice_from(field, field.len - 2), SLICE_LIT("\r\n")));
	for (size_t i = at; i < field.len - 2; i++) {
		if (field.ptr[i] == '\r' && i + 1 < field.len - 2 && field.ptr[i + 1] == '\n' &&
		    k < value.len && value.ptr[k] == '\n')
			continue; /* a CR that was added */
		ASSERT(k < value.len && field.ptr[i] == value.ptr[k]);
		ASSERT(field.ptr[i] != '\n' || field.ptr[i - 1] == '\r');
		k++;
	}
	ASSERT(k == value.len);
}

/* A whole list bounds the count; for a cut one the lines of the header are counted, and a line
 * end that a value smuggled in makes a line too. */
static void
check_count(const struct message *m)
{
	unsigned count = message_count_header(m, SLICE_LIT("X-Virus-Scanned")), lines = 0;
	struct slice bytes = message_get_bytes(m);

	for (size_t i = 0; i < bytes.len; i++)
		lines += bytes.ptr[i] == '\n';
	if ((m->flags & MESSAGE_HEADER_LIMIT) == 0)
		ASSERT(count <= m->header_count);
	ASSERT(count <= lines + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct spool_pool *pool;
	struct slice rest = slice_of(data, len);
	uint8_t flags = len > 0 ? data[0] : 0;
	bool raw = (flags & 1) != 0;
	struct message_limits l = { .max_bytes = (flags & 2) != 0 ? 200 : 1 << 24,
		.header_bytes = (flags & 4) != 0 ? 50 : 1 << 20, .recipients = 3 };
	struct message *m;
	uint64_t told = 0;
	uint32_t fields = 0;

	if (pool == NULL)
		pool = spool_pool_new(64 << 20);
	m = message_new(&l, pool, NULL, slice_sub(rest, 0, 40), rest);
	for (rest = slice_from(rest, 1); rest.len > 0; fields++) {
		struct slice name = next_text(&rest), value = next_text(&rest);
		size_t before = message_get_bytes(m).len;

		message_add_recipient(m, value);
		message_add_header(m, name, value, raw);
		told += name.len + value.len;
		if ((m->flags & (MESSAGE_TOO_BIG | MESSAGE_NO_MEMORY)) == 0)
			check_field(slice_from(message_get_bytes(m), before), name, value, raw);
		if (m->flags == 0)
			ASSERT(slice_eq(message_get_header_name(m, m->header_count - 1), name));
	}
	message_end_header(m);
	ASSERT(m->size_bytes >= told + 2);
	ASSERT(message_get_bytes(m).len <= l.max_bytes);
	ASSERT((m->flags & MESSAGE_TOO_BIG) != 0 || m->size_bytes == message_get_bytes(m).len);
	ASSERT(m->header_count <= fields && m->recipients_seen == fields);
	ASSERT((m->flags & ~(unsigned)MESSAGE_RCPT_LIMIT) != 0 || m->header_count == fields);
	check_count(m);
	message_free(&m);
	ASSERT(spool_pool_get_used(pool) == 0);
	return 0;
}
