/* record.c: making, sending and reading records. */
#include "record/record.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"
#include "decide/policy.h"
#include "message/message.h"
#include "proc/wire.h"
#include "scan/pipeline.h"

#define SHOWN_MAX_BYTES 320u /* of one string of the envelope */
#define LIST_MAX_BYTES  512u

static bool
list_has(struct slice list, struct slice item)
{
	while (list.len > 0) {
		size_t comma = MIN_OF(slice_find_byte(list, ',', 0), list.len);

		if (slice_eq(slice_sub(list, 0, comma), item))
			return true;
		list = slice_from(list, comma + 1);
	}
	return false;
}

/* Appends item to the list that began at `from`, unless it stands there. */
static void
list_add(struct buf *text, size_t from, struct slice item)
{
	struct slice list = slice_from(buf_get(text), from);

	item = slice_sub(item, 0, 128);
	if (list.len > LIST_MAX_BYTES || item.len == 0 || list_has(list, item))
		return;
	if (list.len > 0)
		(void)buf_append_byte(text, ',');
	(void)buf_append_slice(text, item);
}

static void
make_lists(struct record *r, const struct scan_job *j, const struct decision *d,
    struct buf *text)
{
	size_t at[5] = { 0 };
	uint64_t classes = 0;

	buf_clear(text);
	if (buf_reserve(text, 5 * (LIST_MAX_BYTES + 160)) < 0)
		return;
	for (uint32_t i = 0; i < j->finding_count; i++)
		list_add(text, 0, j->findings[i].name);
	at[1] = text->len;
	for (uint32_t i = 0; i < j->finding_count; i++)
		list_add(text, at[1], j->findings[i].scanner);
	at[2] = text->len;
	if (d->cause != CAUSE_NONE)
		list_add(text, at[2], slice_of_str(cause_get_text(d->cause)));
	for (uint32_t i = 0; i < j->unscanned_count; i++)
		list_add(text, at[2], slice_of_str(cause_get_text(j->unscanned[i].cause)));
	at[3] = text->len;
	for (uint32_t i = 0; i < j->report.object_count; i++)
		classes |= j->report.objects[i].ambiguities;
	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		char class[8];

		if ((classes & AMBIGUITY_BIT(n)) == 0)
			continue;
		snprintf(class, sizeof(class), "A%02u", n);
		list_add(text, at[3], slice_of_str(class));
	}
	at[4] = text->len;
	r->names = slice_sub(buf_get(text), 0, at[1]);
	r->scanners = slice_sub(buf_get(text), at[1], at[2] - at[1]);
	r->causes = slice_sub(buf_get(text), at[2], at[3] - at[2]);
	r->classes = slice_sub(buf_get(text), at[3], at[4] - at[3]);
}

void
record_make(struct record *r, const struct message *m, const struct scan_job *j,
    const struct decision *d, bool delivered, struct buf *text)
{
	int64_t now = clock_now_us();

	*r = (struct record){ .id = slice_of_str(m->id), .queue_id = m->queue_id,
		.listener = m->listener, .client_address = m->client_address,
		.client_name = m->client_name, .helo = m->helo, .user = m->user, .tls = m->tls,
		.sender = m->sender, .recipient_count = m->recipients_seen,
		.size_bytes = m->size_bytes, .verdict = (uint8_t)d->verdict,
		.action = (uint8_t)d->action, .delivered = delivered,
		.code = m->answer_code != 0 ? m->answer_code : d->code,
		.is_file = m->is_file, .file_name = m->file_name, .next_hop_code = m->next_hop_code,
		.next_hop = m->next_hop_text,
		.receive_us = (uint32_t)((m->ended_us ? m->ended_us : now) - m->begun_us),
		.total_us = (uint32_t)(now - m->begun_us) };
	r->recipients_shown = MIN_OF(m->recipient_count, RECORD_RECIPIENTS_MAX);
	for (uint32_t i = 0; i < r->recipients_shown; i++)
		r->recipients[i] = m->recipients[i];
	if (j == NULL) {
		r->causes = d->cause == CAUSE_NONE ? SLICE_NONE :
		    slice_of_str(cause_get_text(d->cause));
		return;
	}
	make_lists(r, j, d, text);
	r->objects = j->report.object_count;
	r->wait_us = j->wait_us;
	r->decompose_us = j->report.decompose_us;
	r->match_us = j->report.match_us;
	r->inspect_us = j->inspect_us;
	r->engines_us = j->engines_us;
	r->cache_hits = j->cache_hits;
	r->cache_misses = j->cache_misses;
	for (uint32_t i = 0; i < j->finding_count && r->trail.len == 0; i++)
		r->trail = j->report.objects[j->findings[i].object - 1].trail;
}

static int
put(struct buf *b, struct slice s)
{
	return wire_put_slice(b, slice_sub(s, 0, SHOWN_MAX_BYTES));
}

int
record_encode(const struct record *r, struct buf *b)
{
	int s = put(b, r->id) | put(b, r->queue_id) | put(b, r->listener);

	s |= put(b, r->client_address) | put(b, r->client_name) | put(b, r->helo);
	s |= put(b, r->user) | put(b, r->tls) | put(b, r->sender);
	s |= wire_put_u32(b, r->recipients_shown) | wire_put_u32(b, r->recipient_count);
	for (uint32_t i = 0; i < r->recipients_shown; i++)
		s |= put(b, r->recipients[i]);
	s |= wire_put_u64(b, r->size_bytes) | wire_put_u32(b, r->objects);
	s |= wire_put_u8(b, r->verdict) | wire_put_u8(b, r->action);
	s |= wire_put_u8(b, r->delivered) | wire_put_u8(b, r->is_file);
	s |= wire_put_u32(b, r->code) | wire_put_u32(b, r->next_hop_code);
	s |= put(b, r->next_hop) | put(b, r->file_name);
	s |= put(b, r->names) | put(b, r->scanners) | put(b, r->causes) | put(b, r->classes);
	s |= put(b, r->trail) | wire_put_u32(b, r->receive_us) | wire_put_u32(b, r->wait_us);
	s |= wire_put_u32(b, r->decompose_us) | wire_put_u32(b, r->match_us);
	s |= wire_put_u32(b, r->inspect_us) | wire_put_u32(b, r->engines_us);
	s |= wire_put_u32(b, r->total_us) | wire_put_u32(b, r->cache_hits);
	s |= wire_put_u32(b, r->cache_misses);
	return s < 0 ? -ENOBUFS : 0;
}

bool
record_decode(struct slice body, struct record *ret_record)
{
	struct wire_reader w = wire_read(body);
	struct record r = { 0 };
	struct slice *strings[] = { &r.id, &r.queue_id, &r.listener, &r.client_address,
		&r.client_name, &r.helo, &r.user, &r.tls, &r.sender };
	struct slice *lists[] = { &r.next_hop, &r.file_name, &r.names, &r.scanners, &r.causes, &r.classes, &r.trail };
	uint32_t *numbers[] = { &r.receive_us, &r.wait_us, &r.decompose_us, &r.match_us,
		&r.inspect_us, &r.engines_us, &r.total_us, &r.cache_hits, &r.cache_misses };

	for (size_t i = 0; i < ARRAY_LEN(strings); i++)
		*strings[i] = wire_get_slice(&w);
	r.recipients_shown = wire_get_u32(&w);
	r.recipient_count = wire_get_u32(&w);
	if (r.recipients_shown > RECORD_RECIPIENTS_MAX)
		return false;
	for (uint32_t i = 0; i < r.recipients_shown; i++)
		r.recipients[i] = wire_get_slice(&w);
	r.size_bytes = wire_get_u64(&w);
	r.objects = wire_get_u32(&w);
	r.verdict = wire_get_u8(&w);
	r.action = wire_get_u8(&w);
	r.delivered = wire_get_u8(&w);
	r.is_file = wire_get_u8(&w);
	r.code = wire_get_u32(&w);
	r.next_hop_code = wire_get_u32(&w);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		*lists[i] = wire_get_slice(&w);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		*numbers[i] = wire_get_u32(&w);
	if (!wire_is_done(&w) || r.verdict >= MAIL_VERDICT_COUNT || r.action >= ACTION_COUNT)
		return false;
	*ret_record = r;
	return true;
}
