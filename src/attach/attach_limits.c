/* attach_limits.c: whether the limits of MTA, Cordon and scanners fit together. Each is right
 * by itself; a mail between two of them is unscanned, or its sender gives up first. */
#include "attach/attach_limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/macros.h"
#include "config/config.h"

/* A sending host waits 10 minutes for the answer to its mail (RFC 5321 section 4.5.3.2.6). */
#define CLIENT_WAITS_MS 600000u
/* The MTA must wait longer than Cordon works: for the answer to travel, and the mail to be
 * read. */
#define MARGIN_MS 30000u
/* Steps before the end of the mail are answered at once; less than this is a loaded machine's
 * pause. */
#define COMMAND_LEAST_MS 5000u

struct report {
	FILE *out;
	unsigned count;
};

static void PRINTF_LIKE(2, 3) report_line(struct report *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("limits: ", r->out);
	vfprintf(r->out, fmt, args);
	fputc('\n', r->out);
	va_end(args);
	r->count++;
}

static uint64_t
seconds_up(uint64_t ms)
{
	return (ms + 999) / 1000;
}

static const char *
too_big_action(const struct config *c)
{
	return action_get_name(config_get_unscanned_action(c, "too_big"));
}

static void
compare_sizes(const struct attach_limits *l, const struct config *c, struct report *r)
{
	if (l->size_name == NULL)
		return;
	if (l->size_bytes == ATTACH_LIMIT_NONE)
		report_line(r,
		    "%s sets no limit, max_message_size is %" PRIu64 ": larger mails are "
		    "unscanned (%s). Set %s to %" PRIu64 " or less",
		    l->size_name, c->max_message_size, too_big_action(c), l->size_name,
		    c->max_message_size);
	else if (l->size_bytes > c->max_message_size)
		report_line(r,
		    "%s (%" PRIu64 ") is above max_message_size (%" PRIu64 "): mails "
		    "between them are unscanned (%s). Set max_message_size = \"%" PRIu64 "\"",
		    l->size_name, l->size_bytes, c->max_message_size, too_big_action(c),
		    l->size_bytes);
}

/* The largest mail that reaches a scanner. */
static uint64_t
largest_mail(const struct attach_limits *l, const struct config *c)
{
	return l->size_name == NULL ? c->max_message_size
				    : MIN_OF(l->size_bytes, c->max_message_size);
}

static void
compare_engine(const char *kind, const char *name, uint64_t max_object, uint64_t timeout_ms,
    uint64_t mail_bytes, const struct config *c, struct report *r)
{
	const char *gap = *name == '\0' ? "" : " ";

	if (max_object < mail_bytes)
		report_line(r,
		    "max_object of %s%s%s (%" PRIu64 ") is below the largest mail (%" PRIu64
		    "): larger objects are unscanned (%s). Set max_object = \"%" PRIu64 "\"%s",
		    kind, gap, name, max_object, mail_bytes, too_big_action(c), mail_bytes,
		    strcmp(kind, "clamd") == 0
			? ", and StreamMaxLength and MaxFileSize in clamd.conf to "
			  "as much"
			: "");
	if (timeout_ms > c->message_timeout_ms)
		report_line(r,
		    "timeout_ms of %s%s%s (%" PRIu64 ") is above message_timeout_ms (%u): the "
		    "mail's time is over first. Set timeout_ms = %u or less",
		    kind, gap, name, timeout_ms, c->message_timeout_ms, c->message_timeout_ms);
}

static void
compare_engines(const struct attach_limits *l, const struct config *c, struct report *r)
{
	uint64_t mail = largest_mail(l, c);

	if (c->clamav.enabled)
		compare_engine(
		    "clamav", "", c->clamav.max_object, c->clamav.timeout_ms, mail, c, r);
	for (size_t i = 0; i < c->clamd_count; i++)
		compare_engine("clamd", c->clamds[i].name, c->clamds[i].max_object,
		    c->clamds[i].timeout_ms, mail, c, r);
	if (c->limits.output_bytes < mail)
		report_line(r,
		    "output_bytes in limits (%" PRIu64 ") is below the largest mail (%" PRIu64
		    "): one that fills it is unscanned (expansion). Set output_bytes = "
		    "\"%" PRIu64 "\"",
		    c->limits.output_bytes, mail, mail);
}

static void
compare_times(const struct attach_limits *l, const struct config *c, struct report *r)
{
	uint64_t needed = (uint64_t)c->message_timeout_ms + MARGIN_MS;

	if (l->answer_name != NULL && l->answer_ms < needed) {
		report_line(r,
		    "%s (%" PRIu64 " s) leaves no time beyond message_timeout_ms (%u ms): the "
		    "MTA gives up first. Set %s to %" PRIu64
		    "s or more, or message_timeout_ms = %" PRIu64,
		    l->answer_name, l->answer_ms / 1000, c->message_timeout_ms, l->answer_name,
		    seconds_up(needed),
		    l->answer_ms > 2u * MARGIN_MS ? l->answer_ms - MARGIN_MS
						  : l->answer_ms / 2);
		if (l->answer_fix != NULL) {
			fputs("limits:     ", r->out);
			fprintf(r->out, "%s%" PRIu64 "s\n", l->answer_fix, seconds_up(needed));
		}
	}
	if (l->command_name != NULL && l->command_ms < COMMAND_LEAST_MS)
		report_line(r,
		    "%s (%" PRIu64 " ms) is too short for a machine under load. Set it to 30s",
		    l->command_name, l->command_ms);
	if (needed > CLIENT_WAITS_MS)
		report_line(r,
		    "message_timeout_ms (%u) is more than a sending host waits (600 s): it "
		    "sends the mail again. Set message_timeout_ms = %u or less",
		    c->message_timeout_ms, CLIENT_WAITS_MS - MARGIN_MS);
}

unsigned
attach_limits_compare(const struct attach_limits *l, const struct config *c, FILE *out)
{
	struct report r = { out, 0 };

	compare_sizes(l, c, &r);
	compare_engines(l, c, &r);
	compare_times(l, c, &r);
	return r.count;
}
