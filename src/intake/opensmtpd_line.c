/* opensmtpd_line.c: see opensmtpd_line.h. */
#include "intake/opensmtpd_line.h"

#include <errno.h>
#include <inttypes.h>

#include "base/macros.h"

#define MINOR_MIN 5u
#define MINOR_MAX 7u

struct slice
opensmtpd_field_take(struct slice *rest)
{
	size_t bar = slice_find_byte(*rest, '|', 0);
	struct slice field = bar == SIZE_MAX ? *rest : slice_sub(*rest, 0, bar);

	*rest = bar == SIZE_MAX ? SLICE_NONE : slice_from(*rest, bar + 1);
	return field;
}

static bool
hex_parse(struct slice s, uint64_t *ret)
{
	uint64_t value = 0;

	if (s.len == 0 || s.len > 16)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = ascii_lower(s.ptr[i]);

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = value;
	return true;
}

static int
version_parse(struct slice s, unsigned *ret_minor, struct err *e)
{
	uint64_t minor;

	if (!slice_starts_with(s, SLICE_LIT("0.")) ||
	    !slice_parse_uint(slice_from(s, 2), 1000, &minor) || minor < MINOR_MIN ||
	    minor > MINOR_MAX)
		return err_set(e, EINVAL,
		    "protocol version '%.*s' is not spoken here, 0.%u to "
		    "0.%u are",
		    SLICE_FMT(slice_sub(s, 0, 16)), MINOR_MIN, MINOR_MAX);
	*ret_minor = (unsigned)minor;
	return 0;
}

static int
event_parse(struct slice rest, struct opensmtpd_line *line, struct err *e)
{
	struct slice version = opensmtpd_field_take(&rest);
	int failed = version_parse(version, &line->minor, e);

	if (failed < 0)
		return failed;
	(void)opensmtpd_field_take(&rest); /* the time */
	if (!slice_eq_str(opensmtpd_field_take(&rest), "smtp-in")) {
		line->kind = OPENSMTPD_OTHER;
		return 0;
	}
	line->name = opensmtpd_field_take(&rest);
	if (!hex_parse(opensmtpd_field_take(&rest), &line->id))
		return err_set(e, EINVAL, "no session id in a line");
	if (line->kind == OPENSMTPD_FILTER &&
	    !hex_parse(opensmtpd_field_take(&rest), &line->token))
		return err_set(e, EINVAL, "no token in a filter request");
	line->parameters = rest;
	return 0;
}

int
opensmtpd_line_parse(struct slice in, struct opensmtpd_line *ret_line, struct err *e)
{
	struct opensmtpd_line line = { 0 };
	struct slice rest = in, stream;
	int failed = 0;

	/* smtpd handles lines as C strings: what lay behind a NUL would be lost there. */
	if (slice_find_byte(in, '\0', 0) != SIZE_MAX)
		return err_set(e, EINVAL, "a NUL in a line");
	stream = opensmtpd_field_take(&rest);
	if (slice_eq_str(stream, "config")) {
		line.kind = OPENSMTPD_CONFIG;
		line.name = opensmtpd_field_take(&rest);
		line.parameters = rest;
	} else if (slice_eq_str(stream, "report") || slice_eq_str(stream, "filter")) {
		line.kind = stream.ptr[0] == 'r' ? OPENSMTPD_REPORT : OPENSMTPD_FILTER;
		failed = event_parse(rest, &line, e);
	} else {
		failed = err_set(e, EINVAL, "a line of no known kind");
	}
	if (failed == 0)
		*ret_line = line;
	return failed;
}

int
opensmtpd_response_parse(
    struct slice line, struct opensmtpd_response *ret_response, struct err *e)
{
	struct opensmtpd_response r = { 0 };
	struct slice kind = opensmtpd_field_take(&line);

	r.is_result = slice_eq_str(kind, "filter-result");
	if ((!r.is_result && !slice_eq_str(kind, "filter-dataline")) ||
	    !hex_parse(opensmtpd_field_take(&line), &r.id) ||
	    !hex_parse(opensmtpd_field_take(&line), &r.token))
		return err_set(e, EINVAL, "not a line of a filter");
	r.text = line;
	*ret_response = r;
	return 0;
}

bool
opensmtpd_address_parse(struct slice text, struct slice *ret_address, uint16_t *ret_port)
{
	size_t colon = SIZE_MAX;
	uint64_t port;

	if (slice_starts_with(text, SLICE_LIT("unix:")))
		return false;
	for (size_t at = 0; (at = slice_find_byte(text, ':', at)) != SIZE_MAX; at++)
		colon = at;
	if (colon == SIZE_MAX || !slice_parse_uint(slice_from(text, colon + 1), 65535, &port))
		return false;
	text = slice_sub(text, 0, colon);
	if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
		text = slice_sub(text, 1, text.len - 2);
	if (slice_starts_with_nocase(text, SLICE_LIT("IPv6:")))
		text = slice_from(text, 5);
	*ret_address = text;
	*ret_port = (uint16_t)port;
	return true;
}

/* What stands in front of the last bar, and what behind it. */
static void
last_bar_split(struct slice s, struct slice *ret_front, struct slice *ret_last)
{
	size_t bar = s.len;

	while (bar > 0 && s.ptr[bar - 1] != '|')
		bar--;
	*ret_last = slice_from(s, bar);
	*ret_front = slice_sub(s, 0, bar > 0 ? bar - 1 : 0);
}

bool
opensmtpd_envelope_parse(const struct opensmtpd_line *line, struct slice *ret_address)
{
	struct slice rest = line->parameters, result;

	(void)opensmtpd_field_take(&rest); /* id of the transaction */
	if (line->minor < 6)
		last_bar_split(rest, &rest, &result);
	else
		result = opensmtpd_field_take(&rest);
	*ret_address = rest;
	return slice_eq_str(result, "ok");
}

bool
opensmtpd_auth_parse(const struct opensmtpd_line *line, struct slice *ret_user)
{
	struct slice rest = line->parameters, result;

	if (line->minor < 7)
		last_bar_split(rest, &rest, &result);
	else
		result = opensmtpd_field_take(&rest);
	*ret_user = rest;
	return slice_eq_str(result, "pass");
}

size_t
opensmtpd_get_line_limit(struct slice version)
{
	const size_t prefix = sizeof("filter-dataline|0123456789abcdef|0123456789abcdef|") - 1;
	size_t dot = slice_find_byte(version, '.', 0), second;
	uint64_t major, minor;

	second = dot == SIZE_MAX ? SIZE_MAX : slice_find_byte(version, '.', dot + 1);
	if (second != SIZE_MAX && slice_parse_uint(slice_sub(version, 0, dot), 1000, &major) &&
	    slice_parse_uint(slice_sub(version, dot + 1, second - dot - 1), 1000, &minor) &&
	    (major > 7 || (major == 7 && minor >= 4)))
		return SIZE_MAX;
	return 2048 - 1 - prefix;
}

int
opensmtpd_put_data_prefix(struct buf *out, uint64_t id, uint64_t token)
{
	return buf_printf(out, "filter-dataline|%016" PRIx64 "|%016" PRIx64 "|", id, token);
}

int
opensmtpd_put_data_end(struct buf *out, uint64_t id, uint64_t token)
{
	return buf_printf(out, "filter-dataline|%016" PRIx64 "|%016" PRIx64 "|.\n", id, token);
}

int
opensmtpd_put_result(struct buf *out, uint64_t id, uint64_t token, const char *answer)
{
	return buf_printf(
	    out, "filter-result|%016" PRIx64 "|%016" PRIx64 "|%s\n", id, token, answer);
}

int
opensmtpd_put_registration(struct buf *out)
{
	static const char *const wanted[] = { "report|smtp-in|link-connect",
		"report|smtp-in|link-disconnect", "report|smtp-in|link-identify",
		"report|smtp-in|link-tls", "report|smtp-in|link-auth", "report|smtp-in|tx-mail",
		"report|smtp-in|tx-rcpt", "report|smtp-in|tx-reset",
		"report|smtp-in|tx-rollback", "filter|smtp-in|data-line",
		"filter|smtp-in|commit", "ready" };
	int failed = 0;

	for (size_t i = 0; i < ARRAY_LEN(wanted) && failed == 0; i++)
		failed = buf_printf(out, "register|%s\n", wanted[i]);
	return failed;
}
