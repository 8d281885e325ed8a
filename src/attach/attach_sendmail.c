/* attach_sendmail.c: Sendmail, mode milter. Where sendmail.mc and m4 are there and m4 makes the
 * sendmail.cf that is in use, the .mc is edited (INPUT_MAIL_FILTER) and the .cf made anew; else
 * the .cf itself gets its X line (Sendmail's Installation and Operation Guide, section 5.11).
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach_command.h"
#include "attach/attach_mta.h"
#include "attach/attach_text.h"

#define CF_DIRS "/usr/share/sendmail/cf", "/usr/share/sendmail-cf", "/usr/lib/mail"

static const struct attach_mode modes[] = {
	{ .name = "milter", .protocol = CONFIG_PROTOCOL_MILTER },
	{ .name = NULL },
};

static int
sendmail_locate(struct attach_job *j, struct err *e)
{
	if (j->config_dir == NULL)
		j->config_dir = "/etc/mail";
	if (j->config_file == NULL)
		j->config_file = job_text(j, "%s/sendmail.cf", j->config_dir);
	j->program = job_find_program(j,
	    j->program != NULL ? (const char *)path_get_base(slice_of_str(j->program)).ptr
			       : "sendmail",
	    e);
	return j->program == NULL ? -ENOENT : 0;
}

static int
read_into(struct attach_job *j, const char *path, struct slice *ret_text, struct err *e)
{
	struct buf text;
	int r;

	buf_init(&text, ATTACH_FILE_MAX_BYTES + 65536);
	r = attach_file_read(path, &text, e);
	if (r == 0)
		*ret_text = slice_of(job_copy(j, buf_get(&text)), text.len);
	buf_done(&text);
	return r;
}

/* "inet:8899@127.0.0.1", "inet6:8899@::1", "local:/path" in Sendmail's notation. */
static const char *
sendmail_address(struct attach_job *j)
{
	const char *host = address_get_host(&j->address);

	if (j->address.family == CONFIG_FAMILY_UNIX)
		return job_text(j, "local:%s", host);
	return job_text(
	    j, "%s:%u@%s", strchr(host, ':') != NULL ? "inet6" : "inet", j->address.port, host);
}

/* What stands behind the name: flags T (tempfail when Cordon is not there), times that let
 * Cordon use its own to the end. */
static const char *
sendmail_equates(struct attach_job *j)
{
	return job_text(j, "S=%s, F=T, T=C:30s;S:60s;R:60s;E:%us", sendmail_address(j),
	    j->config->message_timeout_ms / 1000 + 60);
}

/* ---- the .cf ---- */

/* A name that no filter of this .cf has. */
static const char *
filter_name(struct attach_job *j, struct slice cf)
{
	const char *name = "cordon";

	for (unsigned i = 2;
	     slice_find(cf, slice_of_str(job_text(j, "\nX%s,", name)), 0) != SIZE_MAX; i++)
		name = job_text(j, "cordon%u", i);
	return name;
}

static bool
is_filter_option(struct slice line)
{
	return slice_starts_with(line, SLICE_LIT("O InputMailFilters"));
}

/* What Sendmail tells a filter besides, as its m4 files have it. */
static int
cf_append_macros(struct buf *out)
{
	return buf_append_str(out,
	    "O Milter.macros.connect=j, _, {daemon_name}, {if_name}, {if_addr}\n"
	    "O Milter.macros.helo={tls_version}, {cipher}, {cipher_bits}, {cert_subject}, "
	    "{cert_issuer}\n"
	    "O Milter.macros.envfrom=i, {auth_type}, {auth_authen}, {auth_ssf}, {auth_author}, "
	    "{mail_mailer}, {mail_host}, {mail_addr}\n"
	    "O Milter.macros.envrcpt={rcpt_mailer}, {rcpt_host}, {rcpt_addr}\n"
	    "O Milter.macros.eom={msg_id}\n");
}

/* The option that lists the filters, and what goes with it when there is none yet. */
static int
cf_append_option(struct buf *out, const char *name, bool macros)
{
	int r = buf_printf(out, "O InputMailFilters=%s\n", name);

	return r == 0 && macros ? cf_append_macros(out) : r;
}

/* One line of the option, with our name behind those that are there. */
static int
cf_extend_option(struct buf *out, struct slice line, const char *name)
{
	size_t equals = slice_find_byte(line, '=', 0);
	bool others = equals != SIZE_MAX && slice_trim(slice_from(line, equals + 1)).len > 0;

	return buf_printf(out, "%.*s%s%s\n", SLICE_FMT(line),
	    others               ? ", "
	    : equals == SIZE_MAX ? "="
				 : "",
	    name);
}

/* The .cf with our filter. */
static int
cf_edit(struct attach_job *j, struct slice cf, struct buf *ret_text)
{
	const char *name = filter_name(j, cf);
	const char *define = job_text(j, "X%s, %s\n", name, sendmail_equates(j));
	bool macros = slice_find(cf, SLICE_LIT("\nO Milter.macros."), 0) == SIZE_MAX;
	struct slice rest = cf, line;
	bool named = slice_find(cf, SLICE_LIT("\nO InputMailFilters"), 0) != SIZE_MAX;
	bool defined = false;
	int r = 0;

	while (r == 0 && attach_text_next_line(&rest, &line)) {
		/* Before the first mailer, with what else is defined. */
		if (line.len > 1 && line.ptr[0] == 'M' && !defined) {
			if (!named)
				r = cf_append_option(ret_text, name, macros);
			if (r == 0)
				r = buf_append_str(ret_text, define);
			named = defined = true;
		}
		if (r == 0 && is_filter_option(line))
			r = cf_extend_option(ret_text, line, name);
		else if (r == 0)
			r = buf_printf(ret_text, "%.*s\n", SLICE_FMT(line));
		/* Where m4 would have put it. */
		if (r == 0 && !named &&
		    slice_starts_with(line, SLICE_LIT("#O InputMailFilters"))) {
			r = cf_append_option(ret_text, name, macros);
			named = true;
		}
	}
	return r == 0 && !defined ? -ENOENT : r; /* no mailer: this is no .cf */
}

/* ---- the .mc ---- */

/* m4 on a .mc: the .cf it makes, or SLICE_NONE and *e. */
static struct slice
mc_run(struct attach_job *j, const char *mc, struct err *e)
{
	static const char *const folders[] = { CF_DIRS };
	/* m4 writes its working folder into a comment: the one that a `make` there would give.
	 */
	const char *argv[10] = { "/bin/sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh",
		j->config_dir };
	const char *m4 = job_find_program(j, "m4", e), *cf_dir = NULL;
	struct slice text = SLICE_NONE, result = SLICE_NONE;
	struct buf out;
	size_t n = 5;

	for (size_t i = 0; i < ARRAY_LEN(folders) && cf_dir == NULL; i++)
		if (access(job_text(j, "%s/m4/cf.m4", folders[i]), R_OK) == 0)
			cf_dir = folders[i];
	if (j->o->program !=
	    NULL) { /* .../usr/sbin/sendmail has its .../usr/share/sendmail/cf */
		struct slice p = slice_of_str(j->o->program);
		size_t at = slice_find(p, SLICE_LIT("/usr/"), 0);
		const char *beside = at == SIZE_MAX ? ""
						    : job_text(j, "%.*s/usr/share/sendmail/cf",
							  (int)at, j->o->program);

		if (access(job_text(j, "%s/m4/cf.m4", beside), R_OK) == 0)
			cf_dir = beside;
	}
	if (m4 == NULL || cf_dir == NULL || read_into(j, mc, &text, e) < 0) {
		err_set(e, EINVAL, "m4, or the files it needs, are not there");
		return result;
	}
	argv[n++] = m4;
	argv[n++] = job_text(j, "-D_CF_DIR_=%s/", cf_dir);
	/* Debian's own .mc includes cf.m4 itself. */
	if (slice_find(text, SLICE_LIT("m4/cf.m4"), 0) == SIZE_MAX)
		argv[n++] = job_text(j, "%s/m4/cf.m4", cf_dir);
	argv[n++] = mc;
	buf_init(&out, ATTACH_OUTPUT_MAX_BYTES);
	if (attach_command_run(argv, &out, e) == 0)
		result = slice_of(job_copy(j, buf_get(&out)), out.len);
	buf_done(&out);
	return result;
}

/* Equal but for comments and blank lines, in which m4 writes dates and paths. */
static bool
cf_is_same(struct slice a, struct slice b)
{
	for (;;) {
		struct slice x = SLICE_NONE, y = SLICE_NONE;
		bool more_x, more_y;

		while ((more_x = attach_text_next_line(&a, &x)) &&
		       (slice_trim(x).len == 0 || x.ptr[0] == '#'))
			;
		while ((more_y = attach_text_next_line(&b, &y)) &&
		       (slice_trim(y).len == 0 || y.ptr[0] == '#'))
			;
		if (!more_x || !more_y)
			return more_x == more_y;
		if (!slice_eq(x, y))
			return false;
	}
}

static int
mc_edit(struct attach_job *j, struct slice mc, struct slice cf, struct buf *ret_text)
{
	const char *end = mc.len > 0 && mc.ptr[mc.len - 1] != '\n' ? "\n" : "";

	/* At the end: behind every other INPUT_MAIL_FILTER, and behind a define of their list.
	 */
	return buf_printf(ret_text, "%.*s%sINPUT_MAIL_FILTER(`%s', `%s')dnl\n", SLICE_FMT(mc),
	    end, filter_name(j, cf), sendmail_equates(j));
}

/* Tries the .mc. 1 planned; 0 it cannot be used (a note says why); negative with *e. */
static int
plan_mc(struct attach_job *j, struct slice cf, struct err *e)
{
	const char *mc = job_text(j, "%s/sendmail.mc", j->config_dir);
	const char *copy = job_text(j, "%s/sendmail.mc", j->scratch);
	struct err why = { 0 };
	struct slice made, text;
	struct buf edited;
	int r;

	if (access(mc, R_OK) < 0)
		return 0;
	made = mc_run(j, mc, &why);
	if (made.ptr == NULL || !cf_is_same(made, cf)) {
		job_note(j, "note: '%s' %s; only '%s' is changed", mc,
		    made.ptr == NULL ? why.text : "is not what the .cf was made from",
		    j->config_file);
		return 0;
	}
	r = read_into(j, mc, &text, e);
	buf_init(&edited, ATTACH_FILE_MAX_BYTES + 65536);
	if (r == 0 && mc_edit(j, text, cf, &edited) < 0)
		r = err_set(e, ENOMEM, "cannot edit '%s'", mc);
	if (r == 0)
		r = attach_file_write(
		    copy, buf_get(&edited), 0600, geteuid(), getegid(), NULL, e);
	if (r == 0) {
		made = mc_run(j, copy, e);
		r = made.ptr == NULL ? -EINVAL
				     : attach_change_add(&j->change, mc, buf_get(&edited), e);
	}
	if (r == 0 && slice_find(made, slice_of_str(sendmail_address(j)), 0) == SIZE_MAX)
		r = err_set(e, EINVAL, "m4 made no filter of the line added to '%s'", mc);
	if (r == 0)
		r = attach_change_add(&j->change, j->config_file, made, e);
	buf_done(&edited);
	return r == 0 ? 1 : r;
}

static bool
cf_has_filter(struct attach_job *j, struct slice cf)
{
	const char *want = job_text(j, "S=%s", sendmail_address(j));
	struct slice line;

	while (attach_text_next_line(&cf, &line)) {
		size_t at = line.len > 0 && line.ptr[0] == 'X'
				? slice_find(line, slice_of_str(want), 0)
				: SIZE_MAX;
		size_t end = at == SIZE_MAX ? 0 : at + strlen(want);

		if (at != SIZE_MAX &&
		    (end == line.len || line.ptr[end] == ',' || line.ptr[end] == ' '))
			return true;
	}
	return false;
}

static int
sendmail_plan(struct attach_job *j, struct err *e)
{
	struct slice cf;
	struct buf edited;
	int r = read_into(j, j->config_file, &cf, e);

	if (r < 0 || cf_has_filter(j, cf))
		return r;
	r = plan_mc(j, cf, e);
	if (r != 0)
		return MIN_OF(r, 0);
	buf_init(&edited, ATTACH_FILE_MAX_BYTES + 65536);
	if (cf_edit(j, cf, &edited) < 0)
		r = err_set(e, EINVAL,
		    "cannot edit '%s': is it the configuration of a Sendmail?", j->config_file);
	if (r == 0)
		r = attach_change_add(&j->change, j->config_file, buf_get(&edited), e);
	buf_done(&edited);
	return r;
}

/* Address test mode reads the whole .cf; what it does not understand it prints, and ends with a
 * status only when nothing is left to read. */
static int
sendmail_check(struct attach_job *j, struct err *e)
{
	const char *text = job_run(j, e, j->program, "-bt", "-C", j->config_file, NULL);
	struct slice rest = slice_of_str(text), line;

	if (text == NULL)
		return -EINVAL;
	while (attach_text_next_line(&rest, &line))
		if (slice_find(line, slice_of_str(j->config_file), 0) != SIZE_MAX &&
		    slice_find(line, SLICE_LIT(": line "), 0) != SIZE_MAX)
			return err_set(e, EINVAL, "sendmail: %.*s", SLICE_FMT(line));
	return 0;
}

/* The value of an option of the .cf, "O Name=value"; NULL when it is not set. */
static const char *
cf_option(struct attach_job *j, const char *name)
{
	struct slice cf, line, key = slice_of_str(job_text(j, "O %s=", name));
	struct err ignored;

	if (read_into(j, j->config_file, &cf, &ignored) < 0)
		return NULL;
	while (attach_text_next_line(&cf, &line))
		if (slice_starts_with_nocase(line, key))
			return job_copy(j, slice_trim(slice_from(line, key.len)));
	return NULL;
}

static int
sendmail_reload(struct attach_job *j, struct err *e)
{
	const char *pid_file = cf_option(j, "PidFile");

	return job_hang_up(j,
	    pid_file != NULL ? pid_file : "/var/run/sendmail/mta/sendmail.pid", "sendmail", e);
}

/* "Name=MTA, Addr=127.0.0.1, Port=smtp" of the first daemon. */
static int
sendmail_find_port(
    struct attach_job *j, struct config_address *ret_address, struct err *e UNUSED)
{
	const char *options = cf_option(j, "DaemonPortOptions");
	struct slice rest = slice_of_str(options), word;
	uint64_t port = 25;

	*ret_address =
	    (struct config_address){ .family = CONFIG_FAMILY_ANY, .host = "127.0.0.1" };
	while (text_next_word(&rest, &word)) {
		if (slice_starts_with_nocase(word, SLICE_LIT("Addr=")) &&
		    !slice_eq_str_nocase(word, "Addr=0.0.0.0"))
			snprintf(ret_address->host, sizeof(ret_address->host), "%.*s",
			    SLICE_FMT(slice_from(word, 5)));
		if (slice_starts_with_nocase(word, SLICE_LIT("Port=")) &&
		    !slice_parse_uint(slice_from(word, 5), 65535, &port))
			port = 25;
	}
	ret_address->port = (uint16_t)port;
	return 0;
}

/* "E:5m" of a filter's T= on its X line; the default when it is not there. */
static uint64_t
filter_time_ms(struct attach_job *j, char letter, uint64_t default_ms)
{
	struct slice cf, line, key = slice_of_str(job_text(j, "%c:", letter));
	struct err ignored;

	if (read_into(j, j->config_file, &cf, &ignored) < 0)
		return default_ms;
	while (attach_text_next_line(&cf, &line)) {
		size_t times, at, end;

		if (!slice_starts_with(line, SLICE_LIT("Xcordon")))
			continue;
		times = slice_find(line, SLICE_LIT("T="), 0);
		at = times == SIZE_MAX ? SIZE_MAX : slice_find(line, key, times);
		if (at == SIZE_MAX)
			return default_ms;
		for (end = at + 2;
		     end < line.len && line.ptr[end] != ';' && line.ptr[end] != ','; end++)
			;
		return duration_parse_ms(slice_sub(line, at + 2, end - at - 2), 1000);
	}
	/* Not attached yet: then attach gives it times that fit. */
	return ATTACH_LIMIT_NONE;
}

static int
sendmail_read_limits(struct attach_job *j, struct attach_limits *l, struct err *e)
{
	const char *size = cf_option(j, "MaxMessageSize");

	if (access(j->config_file, R_OK) < 0)
		return err_set(e, errno, "cannot read '%s'", j->config_file);
	l->size_name = "MaxMessageSize (confMAX_MESSAGE_SIZE)";
	if (size == NULL ||
	    !slice_parse_uint(slice_of_str(size), UINT64_MAX - 1, &l->size_bytes) ||
	    l->size_bytes == 0)
		l->size_bytes = ATTACH_LIMIT_NONE;
	l->answer_name = "T=E: of the filter";
	l->answer_ms = filter_time_ms(j, 'E', 300000);
	l->command_name = "T=R: of the filter";
	l->command_ms = filter_time_ms(j, 'R', 10000);
	return 0;
}

const struct attach_mta attach_sendmail = {
	.name = "sendmail",
	.modes = modes,
	.locate = sendmail_locate,
	.plan = sendmail_plan,
	.check = sendmail_check,
	.reload = sendmail_reload,
	.find_port = sendmail_find_port,
	.read_limits = sendmail_read_limits,
};
