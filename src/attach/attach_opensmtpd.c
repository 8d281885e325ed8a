/* attach_opensmtpd.c: OpenSMTPD, mode filter: smtpd.conf(5) gets `filter "cordon" proc-exec`
 * and its `listen on` lines use it. smtpd itself starts `cordon opensmtpd`. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach_mta.h"
#include "attach/attach_text.h"

static const struct attach_mode modes[] = {
	{ .name = "filter", .protocol = CONFIG_PROTOCOL_OPENSMTPD },
	{ .name = NULL },
};

static int
opensmtpd_locate(struct attach_job *j, struct err *e)
{
	if (j->config_file == NULL)
		j->config_file =
		    j->config_dir != NULL ? job_text(j, "%s/smtpd.conf", j->config_dir)
		    : access("/etc/smtpd.conf", F_OK) == 0      ? "/etc/smtpd.conf"
		    : access("/etc/mail/smtpd.conf", F_OK) == 0 ? "/etc/mail/smtpd.conf"
								: "/etc/smtpd.conf";
	j->program = job_find_program(j, "smtpd", e);
	return j->program == NULL ? -ENOENT : 0;
}

/* The listener in Cordon's own notation. */
static const char *
cordon_address(struct attach_job *j)
{
	const char *host = address_get_host(&j->address);

	if (j->address.family == CONFIG_FAMILY_UNIX)
		return job_text(j, "unix:%s", host);
	return job_text(j, strchr(host, ':') != NULL ? "inet6:[%s]:%u" : "inet:%s:%u", host,
	    j->address.port);
}

/* With the address the filter need not read cordon.conf, which smtpd's user may not. */
static const char *
filter_line(struct attach_job *j)
{
	const char *cordon = j->o->cordon_program != NULL ? j->o->cordon_program : "cordon";

	return job_text(
	    j, "filter \"cordon\" proc-exec \"%s opensmtpd %s\"\n", cordon, cordon_address(j));
}

static bool
word_is(struct slice line, size_t n, const char *text)
{
	struct slice word = SLICE_NONE;

	for (size_t i = 0; i <= n; i++)
		if (!text_next_word(&line, &word))
			return false;
	return slice_eq_str(word, text);
}

/* Where a comment begins in the line, outside of quotes; its length when there is none. */
static size_t
comment_find(struct slice line)
{
	bool quoted = false;

	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == '"')
			quoted = !quoted;
		if (line.ptr[i] == '#' && !quoted)
			return i;
	}
	return line.len;
}

/* What follows the word `filter` in a statement: a name, or {...}. False: it has none. */
static bool
filter_find(struct slice statement, struct slice *ret_word, struct slice *ret_value)
{
	while (text_next_word(&statement, ret_word))
		if (slice_eq_str(*ret_word, "filter"))
			return text_next_word(&statement, ret_value);
	return false;
}

/* One `listen on` line (all of it, joined lines too) with our filter behind its own. */
static int
listen_edit(struct slice line, struct buf *out)
{
	size_t end = comment_find(line), at;
	struct slice word, value;
	int r;

	while (end > 0 && strchr(" \t\r\n\\", line.ptr[end - 1]) != NULL)
		end--;
	if (!filter_find(slice_sub(line, 0, end), &word, &value)) {
		at = end;
		r = buf_printf(
		    out, "%.*s filter \"cordon\"", SLICE_FMT(slice_sub(line, 0, end)));
	} else if (value.ptr[0] == '{') { /* filter { "a", "b" } */
		for (at = (size_t)(value.ptr - line.ptr) + value.len - 1;
		     line.ptr[at - 1] == ' '; at--)
			;
		r = buf_printf(out, "%.*s, \"cordon\"", SLICE_FMT(slice_sub(line, 0, at)));
	} else { /* filter "a" */
		at = (size_t)(value.ptr - line.ptr) + value.len;
		r = buf_printf(out, "%.*s { %.*s, \"cordon\" }",
		    SLICE_FMT(slice_sub(line, 0, (size_t)(word.ptr - line.ptr) + word.len)),
		    SLICE_FMT(value));
	}
	return r == 0 ? buf_append_slice(out, slice_from(line, at)) : r;
}

/* The next statement of *rest: a line, with those that a backslash joins to it. */
static bool
statement_next(struct slice *rest, struct slice *ret_statement)
{
	const uint8_t *start = rest->ptr;
	struct slice line;
	bool any = false;

	while (attach_text_next_line(rest, &line)) {
		any = true;
		if (line.len == 0 || line.ptr[line.len - 1] != '\\')
			break;
	}
	if (any)
		*ret_statement = slice_of(start,
		    (size_t)(rest->len > 0 ? rest->ptr - start : line.ptr + line.len - start));
	return any;
}

static bool
is_listen(struct slice statement)
{
	/* Mail of local users (`listen on socket`) does not come from outside. */
	return word_is(statement, 0, "listen") && !word_is(statement, 2, "socket");
}

static int
conf_edit(struct attach_job *j, struct slice conf, struct buf *out, struct err *e)
{
	struct slice rest = conf, statement;
	unsigned listens = 0;
	int r = 0;

	while (r == 0 && statement_next(&rest, &statement)) {
		bool ends = statement.len > 0 && statement.ptr[statement.len - 1] == '\n';

		if (!is_listen(statement)) {
			r = buf_append_slice(out, statement);
		} else {
			if (listens++ == 0)
				r = buf_append_str(out, filter_line(j));
			if (r == 0)
				r = listen_edit(statement, out);
		}
		if (r == 0 && !ends && (rest.len > 0 || conf.ptr[conf.len - 1] == '\n'))
			r = buf_append_byte(out, '\n');
	}
	if (r < 0)
		return err_set(e, -r, "cannot edit '%s'", j->config_file);
	return listens > 0 ? 0
			   : err_set(e, EINVAL,
				 "'%s' has no 'listen on' line; one in an included "
				 "file must be given `filter \"cordon\"` by hand",
				 j->config_file);
}

static bool can_restart(struct attach_job *j);

static int
opensmtpd_plan(struct attach_job *j, struct err *e)
{
	struct buf conf, edited;
	struct slice rest, line;
	int r;

	buf_init(&conf, ATTACH_FILE_MAX_BYTES + 65536);
	buf_init(&edited, ATTACH_FILE_MAX_BYTES + 65536);
	r = attach_file_read(j->config_file, &conf, e);
	rest = buf_get(&conf);
	while (r == 0 && attach_text_next_line(&rest, &line))
		if (word_is(line, 0, "filter") && word_is(line, 1, "\"cordon\""))
			goto done; /* it is there already */
	if (r == 0 && !can_restart(j) && !j->o->dry_run)
		r = err_set(e, EINVAL,
		    "OpenSMTPD must be started anew to take a changed configuration: "
		    "give --reload-command, or --no-reload");
	if (r == 0)
		r = conf_edit(j, buf_get(&conf), &edited, e);
	if (r == 0)
		r = attach_change_add(&j->change, j->config_file, buf_get(&edited), e);
done:
	buf_done(&conf);
	buf_done(&edited);
	return r;
}

static int
opensmtpd_check(struct attach_job *j, struct err *e)
{
	return job_run(j, e, j->program, "-n", "-f", j->config_file, NULL) == NULL ? -EINVAL
										   : 0;
}

/* It takes a changed configuration only when it is started anew. */
static bool
can_restart(struct attach_job *j)
{
	return j->reload_command != NULL || j->o->no_reload ||
	       (j->o->config_file == NULL && j->o->config_dir == NULL &&
		   access("/run/systemd/system", F_OK) == 0);
}

static int
opensmtpd_reload(struct attach_job *j, struct err *e)
{
	const char *systemctl;

	if (!can_restart(j))
		return err_set(e, EINVAL,
		    "OpenSMTPD must be started anew to take a changed "
		    "configuration: give --reload-command");
	systemctl = job_find_program(j, "systemctl", e);
	if (systemctl == NULL)
		return -ENOENT;
	return job_run(j, e, systemctl, "restart", "opensmtpd.service", NULL) == NULL ? -EINVAL
										      : 0;
}

/* "listen on lo port 2525": the first one. */
static int
opensmtpd_find_port(struct attach_job *j, struct config_address *ret_address, struct err *e)
{
	struct buf conf;
	struct slice rest, statement, word;
	int r;

	*ret_address = (struct config_address){
		.family = CONFIG_FAMILY_ANY, .host = "127.0.0.1", .port = 25
	};
	buf_init(&conf, ATTACH_FILE_MAX_BYTES + 65536);
	r = attach_file_read(j->config_file, &conf, e);
	rest = buf_get(&conf);
	while (r == 0 && statement_next(&rest, &statement)) {
		uint64_t port;

		if (!is_listen(statement))
			continue;
		while (text_next_word(&statement, &word))
			if (slice_eq_str(word, "port") && text_next_word(&statement, &word) &&
			    slice_parse_uint(word, 65535, &port))
				ret_address->port = (uint16_t)port;
		break;
	}
	buf_done(&conf);
	return r;
}

/* smtp max-message-size "35M", the default of smtpd.conf(5). */
static int
opensmtpd_read_limits(struct attach_job *j, struct attach_limits *l, struct err *e)
{
	struct buf conf;
	struct slice rest, line, word;
	int r;

	l->size_name = "smtp max-message-size";
	l->size_bytes = 35u << 20;
	buf_init(&conf, ATTACH_FILE_MAX_BYTES + 65536);
	r = attach_file_read(j->config_file, &conf, e);
	rest = buf_get(&conf);
	while (r == 0 && attach_text_next_line(&rest, &line)) {
		uint64_t n, unit = 1;

		if (!word_is(line, 0, "smtp") || !word_is(line, 1, "max-message-size"))
			continue;
		for (int i = 0; i < 3; i++)
			text_next_word(&line, &word);
		if (word.len > 1 && word.ptr[0] == '"')
			word = slice_sub(word, 1, word.len - 2);
		if (word.len > 0 && strchr("kKmMgG", word.ptr[word.len - 1]) != NULL) {
			uint8_t letter = ascii_lower(word.ptr[word.len - 1]);

			unit = letter == 'k' ? 1u << 10 : letter == 'm' ? 1u << 20 : 1u << 30;
			word = slice_sub(word, 0, word.len - 1);
		}
		if (slice_parse_uint(word, UINT32_MAX, &n))
			l->size_bytes = n * unit;
	}
	buf_done(&conf);
	return r; /* smtpd waits for a filter without end, its clients 5 minutes at least */
}

const struct attach_mta attach_opensmtpd = {
	.name = "opensmtpd",
	.modes = modes,
	.locate = opensmtpd_locate,
	.plan = opensmtpd_plan,
	.check = opensmtpd_check,
	.reload = opensmtpd_reload,
	.find_port = opensmtpd_find_port,
	.read_limits = opensmtpd_read_limits,
};
