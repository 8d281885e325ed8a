/* config_check.c: checks of single texts, and of the configuration as a whole. Unknown users
 * and files that only root may read are warnings: whoever checks may not be who runs it. */
#include "config/config_check.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/config_address.h"
#include "config/config_template.h"
#include "config/limits.h"

#define MTA_CONTENT_TIMEOUT_MS 300000 /* Postfix: milter_content_timeout */

static enum config_value_result PRINTF_LIKE(4, 5) text_is(enum config_value_result r,
    struct config_value_message *m, const char *expected, const char *what, ...)
{
	va_list ap;

	va_start(ap, what);
	vsnprintf(m->what, sizeof(m->what), what, ap);
	va_end(ap);
	snprintf(m->expected, sizeof(m->expected), "%s", expected);
	return r;
}

static enum config_value_result
check_user(const char *text, struct config_value_message *m)
{
	if (*text == '\0' || getpwnam(text) != NULL)
		return CONFIG_VALUE_OK;
	return text_is(
	    CONFIG_VALUE_WARNING, m, "the name of a user", "is no user of this system");
}

static enum config_value_result
check_group(const char *text, struct config_value_message *m)
{
	if (*text == '\0' || getgrnam(text) != NULL)
		return CONFIG_VALUE_OK;
	return text_is(
	    CONFIG_VALUE_WARNING, m, "the name of a group", "is no group of this system");
}

static enum config_value_result
check_path(const char *text, struct config_value_message *m)
{
	if (*text == '\0' || *text == '/')
		return CONFIG_VALUE_OK;
	return text_is(CONFIG_VALUE_BAD, m, "a path that begins with /", "is not absolute");
}

static enum config_value_result
check_log(const char *text, struct config_value_message *m)
{
	if (strcmp(text, "stderr") == 0 || strcmp(text, "syslog") == 0 || *text == '/')
		return CONFIG_VALUE_OK;
	return text_is(CONFIG_VALUE_BAD, m, "stderr, syslog or the path of a file",
	    "is no place for a log");
}

static enum config_value_result
check_program(const char *text, bool looks_up, struct config_value_message *m)
{
	static const char expected[] = "auto, off, or the path of a program";

	if (strcmp(text, "auto") == 0 || strcmp(text, "off") == 0)
		return CONFIG_VALUE_OK;
	if (*text != '/')
		return text_is(CONFIG_VALUE_BAD, m, expected, "is none of these");
	if (!looks_up || access(text, X_OK) == 0)
		return CONFIG_VALUE_OK;
	return text_is(CONFIG_VALUE_BAD, m, expected, "cannot be run: %s", strerror(errno));
}

static enum config_value_result
check_readable(const char *text, bool looks_up, struct config_value_message *m)
{
	static const char expected[] = "the path of a file or folder that can be read";

	if (*text != '/')
		return text_is(CONFIG_VALUE_BAD, m, expected, "is not absolute");
	if (!looks_up || access(text, R_OK) == 0)
		return CONFIG_VALUE_OK;
	return text_is(errno == EACCES ? CONFIG_VALUE_WARNING : CONFIG_VALUE_BAD, m, expected,
	    "cannot be read: %s", strerror(errno));
}

static enum config_value_result
check_address(const char *text, bool is_listener, struct config_value_message *m)
{
	struct config_address a;
	const char *expected;
	bool good = is_listener ? config_address_parse_listen(text, &a, &expected)
				: config_address_parse_server(text, &a, &expected);

	return good ? CONFIG_VALUE_OK : text_is(CONFIG_VALUE_BAD, m, expected, "is no address");
}

static enum config_value_result
check_network(const char *text, struct config_value_message *m)
{
	struct config_network n;

	if (config_network_parse(text, &n))
		return CONFIG_VALUE_OK;
	return text_is(CONFIG_VALUE_BAD, m, "an address, or a network such as 192.0.2.0/24",
	    "is no network");
}

static enum config_value_result
check_template(const char *text, const char *names, struct config_value_message *m)
{
	char expected[200];
	struct slice bad;

	if (config_template_check(text, names, &bad))
		return CONFIG_VALUE_OK;
	snprintf(expected, sizeof(expected), "printable ASCII and these in braces: %s", names);
	if (bad.ptr[0] < 0x20 || bad.ptr[0] > 0x7e)
		return text_is(CONFIG_VALUE_BAD, m, expected, "has a byte 0x%02x", bad.ptr[0]);
	return text_is(CONFIG_VALUE_BAD, m, expected, "has \"%.*s\"", SLICE_FMT(bad));
}

static enum config_value_result
check_reply(const struct config_row *row, const char *text, struct config_value_message *m)
{
	const char *names = strcmp(row->name, "reply_infected") == 0 ? "names id host" :
	    strcmp(row->name, "reply_ambiguous") == 0 ? "classes id host" : "cause id host";
	size_t code_len = config_template_get_code_len(text);

	if (code_len == 0 || text[code_len] == '\0')
		return text_is(CONFIG_VALUE_BAD, m,
		    "a status code and a text: 5.7.1 Message refused",
		    "does not begin with an enhanced status code");
	if (strlen(text) > 400)
		return text_is(CONFIG_VALUE_BAD, m, "at most 400 bytes", "is too long");
	return check_template(text, names, m);
}

/* RFC 5322 2.2: printable ASCII but the colon. */
static enum config_value_result
check_header_name(const char *text, struct config_value_message *m)
{
	static const char expected[] = "a header name, such as X-Virus-Scanned";

	for (const char *p = text; *p != '\0'; p++)
		if (*p <= 0x20 || *p >= 0x7f || *p == ':')
			return text_is(CONFIG_VALUE_BAD, m, expected, "is no header name");
	if (*text == '\0' || strlen(text) > 70)
		return text_is(CONFIG_VALUE_BAD, m, expected, "is empty or too long");
	return CONFIG_VALUE_OK;
}

static enum config_value_result
check_hostname(const char *text, struct config_value_message *m)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

	if (strspn(text, allowed) == strlen(text) && strlen(text) <= 253 && *text != '.' &&
	    *text != '-')
		return CONFIG_VALUE_OK;
	return text_is(CONFIG_VALUE_BAD, m, "a name such as mx.example.com", "is no host name");
}

enum config_value_result
config_check_text(const struct config_row *row, const char *text, bool looks_up,
    struct config_value_message *m)
{
	enum action action;

	if (strlen(text) > CONFIG_VALUE_MAX_BYTES)
		return text_is(CONFIG_VALUE_BAD, m, "at most 4096 bytes", "is too long");
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return text_is(
			    CONFIG_VALUE_BAD, m, "text on one line", "has a control character");
	switch (row->check) {
	case CONFIG_CHECK_NONE:
		break;
	case CONFIG_CHECK_USER:
		return looks_up ? check_user(text, m) : CONFIG_VALUE_OK;
	case CONFIG_CHECK_GROUP:
		return looks_up ? check_group(text, m) : CONFIG_VALUE_OK;
	case CONFIG_CHECK_PATH:
		return check_path(text, m);
	case CONFIG_CHECK_LOG:
		return check_log(text, m);
	case CONFIG_CHECK_READABLE:
		return check_readable(text, looks_up, m);
	case CONFIG_CHECK_LISTEN_ADDRESS:
		return check_address(text, true, m);
	case CONFIG_CHECK_LISTEN_ADDRESS_OR_EMPTY:
		return *text == '\0' ? CONFIG_VALUE_OK : check_address(text, true, m);
	case CONFIG_CHECK_SERVER_ADDRESS:
		return check_address(text, false, m);
	case CONFIG_CHECK_NETWORK:
		return check_network(text, m);
	case CONFIG_CHECK_ACTION_OR_EMPTY:
		return *text == '\0' || action_parse(slice_of_str(text), &action)
			   ? CONFIG_VALUE_OK
			   : text_is(CONFIG_VALUE_BAD, m,
				 "accept, reject, tempfail, discard or hold", "is no action");
	case CONFIG_CHECK_REPLY:
		return check_reply(row, text, m);
	case CONFIG_CHECK_HEADER_NAME:
		return check_header_name(text, m);
	case CONFIG_CHECK_HEADER_VALUE:
		return check_template(text, "host id", m);
	case CONFIG_CHECK_HOSTNAME:
		return check_hostname(text, m);
	case CONFIG_CHECK_PROGRAM:
		return check_program(text, looks_up, m);
	}
	return CONFIG_VALUE_OK;
}

struct whole_check {
	const struct config *c;
	const unsigned *lines;
	config_report_fn report;
	void *context;
};

/* The line of the option that was given; of several, the last one in the file. */
static unsigned
whole_get_line(const struct whole_check *w, enum config_row_id a, enum config_row_id b)
{
	return MAX_OF(w->lines[a], w->lines[b]);
}

/* left must not be above right; values that cannot both be meant. */
static void
whole_check_order(const struct whole_check *w, enum config_row_id a, uint64_t left,
    enum config_row_id b, uint64_t right, bool is_warning)
{
	const struct config_row *rows[] = { &config_rows[a], &config_rows[b] };
	char names[2][100], text[CONFIG_MISTAKE_BYTES];

	if (left <= right)
		return;
	for (size_t i = 0; i < 2; i++) {
		bool top = rows[i]->section == CONFIG_SECTION_top;

		snprintf(names[i], sizeof(names[i]), "%s%s%s",
		    top ? "" : config_sections[rows[i]->section].name, top ? "" : ".",
		    rows[i]->name);
	}
	snprintf(text, sizeof(text), "%s is above %s, expected it to be no more", names[0],
	    names[1]);
	w->report(w->context, whole_get_line(w, a, b), is_warning, text);
}

static void
whole_check_sizes(const struct whole_check *w)
{
	const struct config *c = w->c;

	whole_check_order(w, CONFIG_ROW_top_max_message_size, c->max_message_size,
	    CONFIG_ROW_top_memory_budget, c->memory_budget, false);
	whole_check_order(w, CONFIG_ROW_limits_header_bytes, c->limits.header_bytes,
	    CONFIG_ROW_top_memory_budget, c->memory_budget, false);
	whole_check_order(w, CONFIG_ROW_top_large_mail_size, c->large_mail_size,
	    CONFIG_ROW_top_max_message_size, c->max_message_size, true);
	whole_check_order(w, CONFIG_ROW_limits_held_bytes, c->limits.held_bytes,
	    CONFIG_ROW_limits_memory, c->limits.memory, false);
	whole_check_order(w, CONFIG_ROW_limits_held_bytes, c->limits.held_bytes,
	    CONFIG_ROW_limits_output_bytes, c->limits.output_bytes, true);
	whole_check_order(w, CONFIG_ROW_limits_quota_min_factor, c->limits.quota_min_factor,
	    CONFIG_ROW_limits_quota_max_factor, c->limits.quota_max_factor, true);
}

static void
whole_check_times(const struct whole_check *w)
{
	const struct config *c = w->c;
	unsigned own = w->lines[CONFIG_ROW_top_message_timeout_ms];

	whole_check_order(w, CONFIG_ROW_limits_wall_ms, c->limits.wall_ms,
	    CONFIG_ROW_top_message_timeout_ms, c->message_timeout_ms, true);
	whole_check_order(w, CONFIG_ROW_clamav_timeout_ms, c->clamav.timeout_ms,
	    CONFIG_ROW_top_message_timeout_ms, c->message_timeout_ms, true);
	for (size_t i = 0; i < c->clamd_count; i++)
		whole_check_order(w, CONFIG_ROW_clamd_timeout_ms, c->clamds[i].timeout_ms,
		    CONFIG_ROW_top_message_timeout_ms, c->message_timeout_ms, true);
	if (c->message_timeout_ms >= MTA_CONTENT_TIMEOUT_MS)
		w->report(w->context, own, true,
		    "message_timeout_ms is as long as the MTA waits, "
		    "expected less than 300000 (Postfix: milter_content_timeout)");
}

/* What an smtp or lmtp listener needs beyond its own options. */
static void
whole_check_relay(const struct whole_check *w, const struct config_listener *l)
{
	char text[CONFIG_MISTAKE_BYTES];
	const char *what = NULL;

	if (l->protocol != CONFIG_PROTOCOL_SMTP && l->protocol != CONFIG_PROTOCOL_LMTP)
		return;
	if (l->next_hop[0] == '\0')
		what = "has no next_hop, expected next_hop = \"inet:HOST:PORT\"";
	else if (strcmp(l->next_hop, l->address) == 0)
		what = "is its own next_hop, expected another address";
	else if (l->tls_required && l->tls_certificate[0] == '\0')
		what = "has tls_required, expected tls_certificate too";
	else if (l->tls_key[0] != '\0' && l->tls_certificate[0] == '\0')
		what = "has a tls_key, expected tls_certificate too";
	if (what == NULL)
		return;
	snprintf(text, sizeof(text), "listener %s %s", l->name, what);
	w->report(w->context, l->line, false, text);
}

static void
whole_check_listeners(const struct whole_check *w)
{
	const struct config *c = w->c;
	char text[CONFIG_MISTAKE_BYTES];

	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *a = &c->listeners[i];
		struct config_address x, y;
		const char *expected;

		whole_check_relay(w, a);
		if (!config_address_parse_listen(a->address, &x, &expected))
			continue; /* has been named already */
		if (x.family == CONFIG_FAMILY_UNIX && strcmp(x.host, c->control_socket) == 0) {
			snprintf(text, sizeof(text),
			    "listener %s has the address of control_socket, "
			    "expected an address of its own",
			    a->name);
			w->report(w->context, a->line, false, text);
		}
		for (size_t j = 0; j < i; j++) {
			const struct config_listener *b = &c->listeners[j];

			if (!config_address_parse_listen(b->address, &y, &expected) ||
			    !config_address_eq(&x, &y))
				continue;
			snprintf(text, sizeof(text),
			    "listener %s has the address of listener %s, "
			    "expected an address of its own",
			    a->name, b->name);
			w->report(w->context, a->line, false, text);
		}
	}
	if (c->listener_count == 0)
		w->report(w->context, 0, true,
		    "no listener, expected a section such as listener "
		    "inbound { address = \"unix:/run/cordon/milter.sock\" }; cordond has "
		    "nothing to "
		    "do unless systemd hands it a socket");
}

static void
whole_check_scanners(const struct whole_check *w)
{
	const struct config *c = w->c;
	bool real = c->clamav.enabled || c->clamd_count > 0 || c->signatures.files.count > 0 ||
		    c->signatures.blocklists.count > 0;
	unsigned line =
	    whole_get_line(w, CONFIG_ROW_clamav_enabled, CONFIG_ROW_signatures_eicar);

	if (real)
		return;
	if (c->signatures.eicar)
		w->report(w->context, line, true,
		    "no scanner but the EICAR test signature, expected "
		    "clamav, a clamd section, or signatures with files or blocklists");
	else
		w->report(w->context, line, false,
		    "no scanner at all, expected clamav, a clamd "
		    "section, or signatures with files, blocklists or eicar");
}

static void
whole_check_policy(const struct whole_check *w)
{
	const struct config_policy *p = &w->c->policy;

	if (p->infected == ACTION_ACCEPT)
		w->report(w->context, w->lines[CONFIG_ROW_policy_infected], true,
		    "infected mail is accepted, expected reject, hold, discard or tempfail");
	if (p->unscanned == ACTION_ACCEPT)
		w->report(w->context, w->lines[CONFIG_ROW_policy_unscanned], true,
		    "mail that nobody looked at is accepted, expected tempfail");
	if (slice_eq_str_nocase(slice_of_str(p->header_name), p->header_unscanned_name))
		w->report(w->context,
		    whole_get_line(w, CONFIG_ROW_policy_header_name,
			CONFIG_ROW_policy_header_unscanned_name),
		    false,
		    "header_name and header_unscanned_name are the same, expected two names");
}

void
config_check_whole(const struct config *c, const unsigned lines[CONFIG_ROW_COUNT],
    config_report_fn report, void *context)
{
	const struct whole_check w = { c, lines, report, context };

	whole_check_sizes(&w);
	whole_check_times(&w);
	whole_check_listeners(&w);
	whole_check_scanners(&w);
	whole_check_policy(&w);
}
