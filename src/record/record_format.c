/* record_format.c: the log line of a mail. Adding a field: one row here. */
#include "record/record.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/macros.h"
#include "config/config.h"
#include "decide/policy.h"
#include "record/json_text.h"

#define SHOWN_MAX 256u
#define LOG_PREFIX_ROOM 128u /* what log.c puts before a line */

static int
text_field(struct buf *out, const char *key, struct slice value)
{
	char quoted[LOG_QUOTE_SIZE(SHOWN_MAX)];

	return buf_printf(out, " %s=%s", key, log_quote(value, SHOWN_MAX, quoted, sizeof(quoted)));
}

static int
text_field_if_any(struct buf *out, const char *key, struct slice value)
{
	return value.len == 0 ? 0 : text_field(out, key, value);
}

static int
text_ms(struct buf *out, const char *key, uint32_t us)
{
	return buf_printf(out, " %s=%" PRIu32 ".%" PRIu32, key, us / 1000, us % 1000 / 100);
}

/* What we say ourselves stands first: a long foreign text can only cut foreign text. */
int
record_format_text(const struct record *r, struct buf *out)
{
	int s = buf_printf(out, "id=%.*s event=%s verdict=%s action=%s code=%" PRIu32 "%s",
	    SLICE_FMT(r->id), r->is_file ? "file" : "mail", mail_verdict_get_text((enum mail_verdict)r->verdict),
	    action_get_name((enum action)r->action), r->code, r->delivered ? "" : " answer=lost");

	s |= buf_printf(out, " size=%" PRIu64 " objects=%" PRIu32 " recipients=%" PRIu32,
	    r->size_bytes, r->objects, r->recipient_count);
	s |= text_ms(out, "receive_ms", r->receive_us);
	s |= text_ms(out, "wait_ms", r->wait_us);
	s |= text_ms(out, "decompose_ms", r->decompose_us);
	s |= text_ms(out, "match_ms", r->match_us);
	s |= text_ms(out, "engines_ms", r->engines_us);
	s |= text_ms(out, "total_ms", r->total_us);
	s |= buf_printf(out, " cache=%" PRIu32 "/%" PRIu32, r->cache_hits,
	    r->cache_hits + r->cache_misses);
	s |= text_field_if_any(out, "cause", r->causes);
	s |= text_field_if_any(out, "scanner", r->scanners);
	s |= text_field_if_any(out, "names", r->names);
	s |= text_field_if_any(out, "ambiguous", r->classes);
	s |= text_field_if_any(out, "file", r->file_name);
	if (r->next_hop_code != 0)
		s |= buf_printf(out, " next_hop_code=%" PRIu32, r->next_hop_code);
	s |= text_field_if_any(out, "next_hop", r->next_hop);
	s |= text_field_if_any(out, "queue_id", r->queue_id);
	s |= text_field_if_any(out, "listener", r->listener);
	s |= text_field(out, "client", r->client_address);
	s |= text_field_if_any(out, "client_name", r->client_name);
	s |= text_field_if_any(out, "helo", r->helo);
	s |= text_field_if_any(out, "user", r->user);
	s |= text_field_if_any(out, "tls", r->tls);
	s |= text_field(out, "from", r->sender);
	for (uint32_t i = 0; i < r->recipients_shown; i++)
		s |= text_field(out, "to", r->recipients[i]);
	s |= text_field_if_any(out, "trail", r->trail);
	return s < 0 ? -1 : 0;
}

/* Room that a value may need when all of it is escaped. */
static bool
json_fits(const struct buf *out, struct slice value)
{
	return out->len + value.len * 6 + 64 < LOG_LINE_MAX_BYTES - LOG_PREFIX_ROOM;
}

/* A foreign text that does not fit the line is left out: the line stays JSON. */
static int
json_field(struct buf *out, const char *key, struct slice value)
{
	int s;

	if (!json_fits(out, value))
		return 0;
	s = buf_printf(out, ",\"%s\":", key);
	return s < 0 ? s : json_text_append(out, value);
}

static int
json_recipients(const struct record *r, struct buf *out)
{
	int s = buf_append_str(out, ",\"to\":[");

	for (uint32_t i = 0; i < r->recipients_shown && json_fits(out, r->recipients[i]); i++) {
		s |= i > 0 ? buf_append_byte(out, ',') : 0;
		s |= json_text_append(out, r->recipients[i]);
	}
	return s | buf_append_byte(out, ']');
}

int
record_format_json(const struct record *r, struct buf *out)
{
	const struct {
		const char *key;
		struct slice value;
	} texts[] = { { "cause", r->causes }, { "scanner", r->scanners }, { "names", r->names },
		{ "ambiguous", r->classes }, { "file", r->file_name },
		{ "next_hop", r->next_hop }, { "queue_id", r->queue_id },
		{ "listener", r->listener }, { "client", r->client_address },
		{ "client_name", r->client_name }, { "user", r->user }, { "tls", r->tls },
		{ "from", r->sender }, { "trail", r->trail }, { "helo", r->helo } };
	const struct {
		const char *key;
		uint32_t us;
	} times[] = { { "receive_ms", r->receive_us }, { "wait_ms", r->wait_us },
		{ "decompose_ms", r->decompose_us }, { "match_ms", r->match_us },
		{ "engines_ms", r->engines_us }, { "total_ms", r->total_us } };
	int s = buf_printf(out, "{\"event\":\"%s\",\"id\":", r->is_file ? "file" : "mail");

	s |= json_text_append(out, r->id);
	s |= buf_printf(out, ",\"verdict\":\"%s\",\"action\":\"%s\",\"code\":%" PRIu32
	    ",\"delivered\":%s,\"size\":%" PRIu64 ",\"objects\":%" PRIu32 ",\"recipients\":%" PRIu32,
	    mail_verdict_get_text((enum mail_verdict)r->verdict),
	    action_get_name((enum action)r->action), r->code, r->delivered ? "true" : "false",
	    r->size_bytes, r->objects, r->recipient_count);
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		s |= buf_printf(out, ",\"%s\":%" PRIu32 ".%03" PRIu32, times[i].key,
		    times[i].us / 1000, times[i].us % 1000);
	s |= buf_printf(out, ",\"cache_hits\":%" PRIu32 ",\"cache_misses\":%" PRIu32, r->cache_hits,
	    r->cache_misses);
	if (r->next_hop_code != 0)
		s |= buf_printf(out, ",\"next_hop_code\":%" PRIu32, r->next_hop_code);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		s |= json_field(out, texts[i].key, texts[i].value);
	s |= json_recipients(r, out) | buf_append_byte(out, '}');
	return s < 0 ? -1 : 0;
}
