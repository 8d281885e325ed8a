/* message.c: building a mail from what the intake tells. */
#include "message/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/macros.h"
#include "intake/intake.h"

#define ARENA_MAX_BYTES (16u << 20)
#define HEADER_FIELDS_MAX 200000u
#define HELO_MAX_BYTES 1024u

/* Base 32 without vowels and look-alikes: seconds, microseconds, counter. */
static void
message_make_id(char id[MESSAGE_ID_SIZE])
{
	static const char digits[] = "0123456789BCDFGHJKLMNPQRSTVWXYZb";
	static unsigned counter;
	struct timespec now = { 0 };
	uint64_t value;

	clock_gettime(CLOCK_REALTIME, &now);
	value = ((uint64_t)now.tv_sec << 20 | (uint64_t)now.tv_nsec / 1000) << 8 | (counter++ & 255);
	id[13] = '\0';
	for (int i = 12; i >= 0; i--, value >>= 5)
		id[i] = digits[value & 31];
}

static struct slice
keep(struct message *m, struct slice s, size_t max)
{
	return arena_copy(m->arena, slice_sub(s, 0, max));
}

struct message *
message_new(const struct message_limits *l, struct spool_pool *pool,
    const struct intake_client *client, struct slice sender, struct slice args)
{
	struct message *m = mem_new(sizeof(*m));

	message_make_id(m->id);
	m->arena = arena_new(ARENA_MAX_BYTES);
	m->limits = *l;
	m->begun_us = clock_now_us();
	spool_init(&m->spool, pool);
	m->sender = keep(m, sender, INTAKE_STRING_MAX_BYTES);
	m->sender_args = keep(m, args, INTAKE_STRING_MAX_BYTES);
	if (client != NULL) {
		m->client_address = keep(m, slice_of_str(client->address), HELO_MAX_BYTES);
		m->client_name = keep(m, slice_of_str(client->name), HELO_MAX_BYTES);
		m->helo = keep(m, slice_of_str(client->helo), HELO_MAX_BYTES);
		m->user = keep(m, slice_of_str(client->user), HELO_MAX_BYTES);
		m->tls = keep(m, slice_of_str(client->tls), HELO_MAX_BYTES);
		m->listener = keep(m, slice_of_str(client->listener), HELO_MAX_BYTES);
	}
	return m;
}

void
message_free(struct message **address)
{
	struct message *m = *address;

	if (m == NULL)
		return;
	spool_done(&m->spool);
	arena_free(&m->arena);
	free(m->recipients);
	free(m->headers);
	free(m);
	*address = NULL;
}

void
message_add_recipient(struct message *m, struct slice recipient)
{
	m->recipients_seen++;
	if (m->recipient_count == m->recipient_cap) {
		uint32_t cap = MIN_OF(MAX_OF(m->recipient_cap * 2, 4u), m->limits.recipients);
		struct slice *bigger = cap == m->recipient_cap ? NULL :
		    realloc(m->recipients, cap * sizeof(*bigger));

		if (bigger == NULL) {
			m->flags |= MESSAGE_RCPT_LIMIT;
			return;
		}
		m->recipients = bigger;
		m->recipient_cap = cap;
	}
	m->recipients[m->recipient_count++] = keep(m, recipient, INTAKE_STRING_MAX_BYTES);
}

void
message_set_queue_id(struct message *m, struct slice queue_id)
{
	if (!slice_eq(m->queue_id, queue_id))
		m->queue_id = keep(m, queue_id, 128);
}

void
message_set_file(struct message *m, struct slice name)
{
	m->is_file = true;
	m->file_name = keep(m, name, INTAKE_STRING_MAX_BYTES);
}

void
message_set_next_hop(struct message *m, unsigned code, struct slice text)
{
	m->next_hop_code = code;
	m->next_hop_text = keep(m, slice_trim(text), 256);
}

/* The MTA's buffers are small: when the budget is spent header bytes are dropped, and the mail
 * is unscanned for that. */
static void
append(struct message *m, struct slice bytes)
{
	m->size_bytes += bytes.len;
	if ((m->flags & (MESSAGE_TOO_BIG | MESSAGE_NO_MEMORY)) != 0)
		return;
	if (m->size_bytes > m->limits.max_bytes)
		m->flags |= MESSAGE_TOO_BIG;
	else if (spool_append(&m->spool, bytes) < 0)
		m->flags |= MESSAGE_NO_MEMORY;
}

/* Folded values come with LF or CRLF; in the mail they stand with CRLF. */
static void
append_value(struct message *m, struct slice value)
{
	size_t from = 0, at;

	while ((at = slice_find_byte(value, '\n', from)) != SIZE_MAX) {
		size_t end = at > from && value.ptr[at - 1] == '\r' ? at - 1 : at;

		append(m, slice_sub(value, from, end - from));
		append(m, SLICE_LIT("\r\n"));
		from = at + 1;
	}
	append(m, slice_from(value, from));
}

static struct header_field *
header_new(struct message *m)
{
	if (m->header_count == m->header_cap) {
		uint32_t cap = MAX_OF(m->header_cap * 2, 32u);
		struct header_field *bigger;

		if (cap > HEADER_FIELDS_MAX || m->spool.len > m->limits.header_bytes)
			return NULL;
		bigger = realloc(m->headers, cap * sizeof(*bigger));
		if (bigger == NULL)
			return NULL;
		m->headers = bigger;
		m->header_cap = cap;
	}
	return &m->headers[m->header_count++];
}

void
message_add_header(struct message *m, struct slice name, struct slice value, bool value_is_raw)
{
	size_t name_at = m->spool.len, value_at;

	append(m, name);
	append(m, value_is_raw ? SLICE_LIT(":") : SLICE_LIT(": "));
	value_at = m->spool.len;
	append_value(m, value);
	if ((m->flags & (MESSAGE_TOO_BIG | MESSAGE_NO_MEMORY)) == 0) {
		struct header_field *h = header_new(m);

		if (h == NULL)
			m->flags |= MESSAGE_HEADER_LIMIT;
		else
			*h = (struct header_field){ (uint32_t)name_at, (uint32_t)name.len,
				(uint32_t)value_at, (uint32_t)(m->spool.len - value_at) };
	}
	append(m, SLICE_LIT("\r\n"));
}

void
message_end_header(struct message *m)
{
	append(m, SLICE_LIT("\r\n"));
	m->header_end = m->spool.len;
}

/* Length of the line at the start of s with its end. */
static size_t
line_len(struct slice s)
{
	size_t end = slice_find_byte(s, '\n', 0);

	return end == SIZE_MAX ? s.len : end + 1;
}

static bool
line_is_empty(struct slice line)
{
	return line.len == 0 || line.ptr[0] == '\n' ||
	       (line.len == 2 && line.ptr[0] == '\r' && line.ptr[1] == '\n');
}

void
message_find_header(struct message *m)
{
	struct slice all = message_get_bytes(m);
	struct header_field *last = NULL;
	size_t at = 0;

	while (at < all.len) {
		struct slice line = slice_sub(all, at, line_len(slice_from(all, at)));
		size_t colon = slice_find_byte(line, ':', 0);
		size_t end = at + line.len;

		if (line_is_empty(line)) {
			at = end;
			break;
		}
		if (line.ptr[0] != ' ' && line.ptr[0] != '\t' && colon != SIZE_MAX) {
			last = at > m->limits.header_bytes || end > UINT32_MAX ? NULL : header_new(m);
			if (last == NULL)
				m->flags |= MESSAGE_HEADER_LIMIT;
			else
				*last = (struct header_field){ (uint32_t)at, (uint32_t)colon,
					(uint32_t)(at + colon + 1), 0 };
		}
		if (last != NULL && end <= UINT32_MAX)
			last->value_len = (uint32_t)(end - last->value_at);
		at = end;
	}
	for (uint32_t i = 0; i < m->header_count; i++) {
		struct header_field *h = &m->headers[i];
		size_t end = h->value_at + h->value_len;

		if (end > h->value_at && all.ptr[end - 1] == '\n')
			h->value_len--, end--;
		if (end > h->value_at && all.ptr[end - 1] == '\r')
			h->value_len--;
	}
	m->header_end = at;
	m->is_whole = (m->flags & (MESSAGE_TOO_BIG | MESSAGE_NO_MEMORY)) == 0;
}

uint8_t *
message_reserve_body(struct message *m, size_t want, size_t *ret_room, bool *ret_drop)
{
	uint8_t *to;
	int error = 0;

	*ret_drop = true;
	if ((m->flags & (MESSAGE_TOO_BIG | MESSAGE_NO_MEMORY)) != 0)
		return NULL;
	if (m->size_bytes + want > m->limits.max_bytes) {
		m->flags |= MESSAGE_TOO_BIG;
		return NULL;
	}
	to = spool_reserve(&m->spool, want, ret_room, &error);
	if (to == NULL && error == -EAGAIN)
		*ret_drop = false;
	else if (to == NULL)
		m->flags |= MESSAGE_NO_MEMORY;
	return to;
}

void
message_commit_body(struct message *m, size_t len)
{
	spool_commit(&m->spool, len);
	m->size_bytes += len;
}

void
message_count_dropped(struct message *m, size_t len)
{
	m->size_bytes += len;
}

struct slice
message_get_bytes(const struct message *m)
{
	return spool_get(&m->spool);
}

struct slice
message_get_header_name(const struct message *m, uint32_t i)
{
	ASSERT(i < m->header_count);
	return slice_sub(message_get_bytes(m), m->headers[i].name_at, m->headers[i].name_len);
}

/* From the bytes, for a list that was cut: forged fields behind its end count too. */
static unsigned
count_header_in_bytes(const struct message *m, struct slice name)
{
	struct slice rest = slice_sub(message_get_bytes(m), 0, m->header_end);
	unsigned n = 0;

	while (rest.len > 0) {
		size_t end = slice_find_byte(rest, '\n', 0);
		struct slice line = slice_sub(rest, 0, MIN_OF(end, rest.len));
		size_t colon = slice_find_byte(line, ':', 0);

		if (line.len > 0 && line.ptr[0] != ' ' && line.ptr[0] != '\t' && colon != SIZE_MAX)
			n += slice_eq_nocase(slice_trim(slice_sub(line, 0, colon)), name);
		rest = end == SIZE_MAX ? SLICE_NONE : slice_from(rest, end + 1);
	}
	return n;
}

unsigned
message_count_header(const struct message *m, struct slice name)
{
	unsigned n = 0;

	if ((m->flags & MESSAGE_HEADER_LIMIT) != 0)
		return count_header_in_bytes(m, name);
	for (uint32_t i = 0; i < m->header_count; i++)
		n += slice_eq_nocase(slice_trim(message_get_header_name(m, i)), name);
	return n;
}
