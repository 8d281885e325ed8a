/* attach_postfix.c: Postfix, by its own postconf(1): it edits a copy of main.cf and master.cf,
 * and what it made of them is the change. Modes: milter (smtpd_milters), proxy
 * (smtpd_proxy_filter, see Postfix's SMTPD_PROXY_README) and filter (content_filter,
 * FILTER_README). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach_mta.h"
#include "attach/attach_text.h"

static const struct attach_mode modes[] = {
	{ .name = "milter", .protocol = CONFIG_PROTOCOL_MILTER },
	{ .name = "proxy",
	    .protocol = CONFIG_PROTOCOL_SMTP,
	    .relays = true,
	    .way = CONFIG_WAY_PROXY },
	{ .name = "filter",
	    .protocol = CONFIG_PROTOCOL_SMTP,
	    .relays = true,
	    .way = CONFIG_WAY_FILTER,
	    .after_queue = true },
	{ .name = NULL },
};

/* One line of master.cf, as postconf -M prints it. */
struct service {
	const char *name, *type, *chroot, *command;
	struct slice options; /* behind the command */
};

static int
postfix_locate(struct attach_job *j, struct err *e)
{
	const char *postconf = job_find_program(j, "postconf", e);

	if (postconf == NULL)
		return -ENOENT;
	j->program = job_find_program(j, "postfix", e);
	if (j->program == NULL)
		return -ENOENT;
	if (j->config_dir == NULL) {
		j->config_dir = job_run(j, e, postconf, "-dh", "config_directory", NULL);
		if (j->config_dir == NULL)
			return -EIO;
	}
	j->config_file = job_text(j, "%s/main.cf", j->config_dir);
	return 0;
}

/* postconf on a folder: the value of a parameter, or NULL and *e. */
static const char *
postconf_get(struct attach_job *j, const char *folder, const char *name, struct err *e)
{
	const char *postconf = job_find_program(j, "postconf", e);

	return postconf == NULL ? NULL
				: job_run(j, e, postconf, "-c", folder, "-x", "-h", name, NULL);
}

/* postconf with one word that edits the copy. */
static int
postconf_edit(struct attach_job *j, const char *option, const char *word, struct err *e)
{
	const char *postconf = job_find_program(j, "postconf", e);

	if (postconf == NULL ||
	    job_run(j, e, postconf, "-c", j->scratch, option, word, NULL) == NULL)
		return -EIO;
	return 0;
}

static bool
service_next(struct attach_job *j, struct slice *rest, struct service *ret_service)
{
	struct slice line, word[8];
	size_t n;

	while (attach_text_next_line(rest, &line)) {
		for (n = 0; n < ARRAY_LEN(word) && text_next_word(&line, &word[n]); n++)
			;
		if (n < ARRAY_LEN(word))
			continue;
		*ret_service = (struct service){ job_copy(j, word[0]), job_copy(j, word[1]),
			job_copy(j, word[4]), job_copy(j, word[7]), line };
		return true;
	}
	return false;
}

/* The service that takes mail from outside: the first smtpd that is not told to let its mail
 * pass unfiltered. */
static int
service_find(struct attach_job *j, struct service *ret_service, struct err *e)
{
	const char *postconf = job_find_program(j, "postconf", e);
	const char *text =
	    postconf == NULL ? NULL : job_run(j, e, postconf, "-c", j->config_dir, "-M", NULL);
	struct slice rest = slice_of_str(text);

	if (text == NULL)
		return -EIO;
	while (service_next(j, &rest, ret_service))
		if (strcmp(ret_service->command, "smtpd") == 0 &&
		    (strcmp(ret_service->type, "inet") == 0 ||
			strcmp(ret_service->type, "pass") == 0))
			return 0;
	return err_set(
	    e, EINVAL, "no smtpd in '%s/master.cf' takes mail over the network", j->config_dir);
}

/* "inet:127.0.0.1:8899", "inet:[::1]:8899", "unix:cordon/milter.sock" in Postfix's notation. */
static const char *
postfix_address(struct attach_job *j, struct err *e)
{
	const struct config_address *a = &j->address;
	const char *host = address_get_host(a), *queue;
	size_t len;

	if (a->family != CONFIG_FAMILY_UNIX)
		return job_text(j, strchr(host, ':') != NULL ? "inet:[%s]:%u" : "inet:%s:%u",
		    host, a->port);
	queue = postconf_get(j, j->config_dir, "queue_directory", e);
	if (queue == NULL)
		return NULL;
	len = strlen(queue);
	/* Relative to the queue it is right inside a chroot and outside. */
	if (strncmp(host, queue, len) == 0 && host[len] == '/')
		return job_text(j, "unix:%s", host + len + 1);
	return job_text(j, "unix:%s", host);
}

static bool
list_has(const char *list, const char *address)
{
	struct slice rest = slice_of_str(list), word;

	while (text_next_word(&rest, &word)) {
		struct slice inner = word, first = word;

		if (word.ptr[0] == '{') { /* { ADDRESS, option=value ... } */
			inner = slice_sub(word, 1, word.len - 2);
			if (!text_next_word(&inner, &first))
				continue;
		}
		if (slice_eq_str(first, address))
			return true;
	}
	return false;
}

static int
check_chroot(const struct service *s, const char *address, struct err *e)
{
	/* The default of the column is no since Postfix 3.0. */
	if (strncmp(address, "unix:/", 6) != 0 || strcmp(s->chroot, "y") != 0)
		return 0;
	return err_set(e, EINVAL,
	    "smtpd runs in a chroot and cannot reach '%s': put the socket below "
	    "queue_directory, or use inet:127.0.0.1:PORT",
	    address + 5);
}

static int
plan_milter(struct attach_job *j, struct err *e)
{
	const char *postconf = job_find_program(j, "postconf", e), *list, *action;
	const char *address = postfix_address(j, e);
	struct service s;
	int r;

	if (postconf == NULL || address == NULL || service_find(j, &s, e) < 0)
		return -EIO;
	list = job_run(j, e, postconf, "-c", j->config_dir, "-h", "smtpd_milters", NULL);
	action = postconf_get(j, j->config_dir, "milter_default_action", e);
	if (list == NULL || action == NULL)
		return -EIO;
	r = check_chroot(&s, address, e);
	if (r < 0 || list_has(list, address))
		return r;
	if (slice_find(s.options, SLICE_LIT("smtpd_milters="), 0) != SIZE_MAX)
		job_note(j,
		    "note: service %s in master.cf sets smtpd_milters of its own, which stays",
		    s.name);
	if (*list == '\0') {
		r = postconf_edit(j, "-e", job_text(j, "smtpd_milters=%s", address), e);
		if (r == 0 && strcmp(action, "tempfail") != 0)
			r = postconf_edit(j, "-e", "milter_default_action=tempfail", e);
		return r;
	}
	/* What happens when another milter is down is that one's matter. */
	return postconf_edit(j, "-e",
	    strcmp(action, "tempfail") == 0
		? job_text(j, "smtpd_milters=%s, %s", list, address)
		: job_text(
		      j, "smtpd_milters=%s, { %s, default_action=tempfail }", list, address),
	    e);
}

/* The smtpd that takes mail back from Cordon: on loopback, asking nothing a second time. */
static int
plan_reinjection(struct attach_job *j, const char *receive_options, struct err *e)
{
	const char *host = address_get_host(&j->next_hop);
	const char *name = job_text(
	    j, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, j->next_hop.port);
	int r = postconf_edit(j, "-M",
	    job_text(j,
		"%s/inet=%s inet n - n - - smtpd"
		" -o content_filter= -o smtpd_proxy_filter= -o smtpd_milters="
		" -o smtpd_authorized_xforward_hosts=127.0.0.0/8,[::1]/128"
		" -o smtpd_client_restrictions= -o smtpd_helo_restrictions="
		" -o smtpd_sender_restrictions= -o smtpd_data_restrictions="
		" -o smtpd_end_of_data_restrictions= -o smtpd_etrn_restrictions="
		" -o smtpd_relay_restrictions=permit_mynetworks,reject"
		" -o smtpd_recipient_restrictions=permit_mynetworks,reject"
		" -o mynetworks=127.0.0.0/8,[::1]/128 -o smtpd_tls_security_level=none"
		" -o smtpd_client_connection_count_limit=0 -o "
		"smtpd_client_connection_rate_limit=0"
		" -o smtpd_error_sleep_time=0 -o smtpd_soft_error_limit=1001"
		" -o smtpd_hard_error_limit=1000 -o receive_override_options=%s",
		name, name, receive_options),
	    e);

	return r;
}

static const char *
smtp_destination(struct attach_job *j)
{
	const char *host = address_get_host(&j->address);

	if (j->address.family == CONFIG_FAMILY_UNIX)
		return job_text(j, "unix:%s", host);
	return job_text(j, strchr(host, ':') != NULL ? "inet:[%s]:%u" : "inet:%s:%u", host,
	    j->address.port);
}

/* Longer than Cordon may take. */
static unsigned
answer_seconds(const struct attach_job *j)
{
	return j->config->message_timeout_ms / 1000 + 60;
}

static int
plan_proxy(struct attach_job *j, struct err *e)
{
	const char *target = smtp_destination(j), *present;
	struct service s;
	int r;

	if (service_find(j, &s, e) < 0)
		return -EIO;
	if (slice_find(s.options, slice_of_str(job_text(j, "smtpd_proxy_filter=%s", target)),
		0) != SIZE_MAX)
		return 0;
	present = postconf_get(j, j->config_dir, "smtpd_proxy_filter", e);
	if (present == NULL)
		return -EIO;
	if (slice_find(s.options, SLICE_LIT("smtpd_proxy_filter="), 0) != SIZE_MAX ||
	    *present != '\0')
		return err_set(e, EINVAL,
		    "smtpd_proxy_filter is in use by another filter; take it out "
		    "first");
	r = postconf_edit(
	    j, "-P", job_text(j, "%s/%s/smtpd_proxy_filter=%s", s.name, s.type, target), e);
	if (r == 0)
		r = postconf_edit(j, "-P",
		    job_text(
			j, "%s/%s/smtpd_proxy_timeout=%us", s.name, s.type, answer_seconds(j)),
		    e);
	return r == 0 ? plan_reinjection(j, "no_unknown_recipient_checks", e) : r;
}

static int
plan_filter(struct attach_job *j, struct err *e)
{
	const char *present = postconf_get(j, j->config_dir, "content_filter", e);
	const char *host = address_get_host(&j->address);
	const char *target = job_text(j, "cordon:[%s]:%u", host, j->address.port);
	int r;

	if (present == NULL)
		return -EIO;
	if (j->address.family == CONFIG_FAMILY_UNIX)
		return err_set(e, EINVAL,
		    "Postfix hands mail to an SMTP filter over TCP only: use an "
		    "address inet:127.0.0.1:PORT");
	if (strcmp(present, target) == 0)
		return 0;
	if (*present != '\0')
		return err_set(
		    e, EINVAL, "content_filter is in use (%s); take it out first", present);
	r = postconf_edit(j, "-M",
	    "cordon/unix=cordon unix - - n - 10 smtp"
	    " -o smtp_send_xforward_command=yes -o disable_mime_output_conversion=yes"
	    " -o smtp_generic_maps= -o smtp_tls_security_level=none -o "
	    "smtp_sasl_auth_enable=no",
	    e);
	if (r == 0)
		r = postconf_edit(j, "-P",
		    job_text(j, "cordon/unix/smtp_data_done_timeout=%us",
			MAX_OF(answer_seconds(j), 600)),
		    e);
	if (r == 0)
		r = plan_reinjection(
		    j, "no_unknown_recipient_checks,no_header_body_checks,no_milters", e);
	return r == 0 ? postconf_edit(j, "-e", job_text(j, "content_filter=%s", target), e) : r;
}

static const char *const files[] = { "main.cf", "master.cf" };

/* Copies main.cf and master.cf (or a kept text instead of one of them) to the private folder.
 */
static int
scratch_fill(struct attach_job *j, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(files) && r == 0; i++) {
		struct buf text;

		buf_init(&text, ATTACH_FILE_MAX_BYTES + 65536);
		r = attach_file_read(job_text(j, "%s/%s", j->config_dir, files[i]), &text, e);
		if (r == 0)
			r = attach_file_write(job_text(j, "%s/%s", j->scratch, files[i]),
			    buf_get(&text), 0600, geteuid(), getegid(), NULL, e);
		buf_done(&text);
	}
	return r;
}

static int
postfix_plan(struct attach_job *j, struct err *e)
{
	int r = scratch_fill(j, e);

	if (r == 0)
		r = strcmp(j->mode->name, "milter") == 0  ? plan_milter(j, e)
		    : strcmp(j->mode->name, "proxy") == 0 ? plan_proxy(j, e)
							  : plan_filter(j, e);
	for (size_t i = 0; i < ARRAY_LEN(files) && r == 0; i++) {
		struct buf text;

		buf_init(&text, ATTACH_FILE_MAX_BYTES + 65536);
		r = attach_file_read(job_text(j, "%s/%s", j->scratch, files[i]), &text, e);
		if (r == 0)
			r = attach_change_add(&j->change,
			    job_text(j, "%s/%s", j->config_dir, files[i]), buf_get(&text), e);
		buf_done(&text);
	}
	return r;
}

/* ---- smtpd_milters, when its line was edited after attach ---- */

/* The words of list without the ones that the list `added` has more than `before`. */
static const char *
list_without(struct attach_job *j, const char *list, const char *before, const char *added)
{
	struct slice rest = slice_of_str(list), word;
	const char *left = "";

	while (text_next_word(&rest, &word)) {
		const char *one = job_copy(j, word);
		bool ours = slice_find(slice_of_str(added), word, 0) != SIZE_MAX &&
			    slice_find(slice_of_str(before), word, 0) == SIZE_MAX;

		if (!ours)
			left = job_text(j, "%s%s%s", left, *left == '\0' ? "" : ", ", one);
	}
	return left;
}

/* smtpd_milters of a text of main.cf, by postconf. */
static const char *
milters_of(struct attach_job *j, struct slice text, struct err *e)
{
	const char *postconf = job_find_program(j, "postconf", e);

	if (postconf == NULL || attach_file_write(job_text(j, "%s/main.cf", j->scratch), text,
				    0600, geteuid(), getegid(), NULL, e) < 0)
		return NULL;
	return job_run(j, e, postconf, "-c", j->scratch, "-h", "smtpd_milters", NULL);
}

static int
postfix_undo(struct attach_job *j, const struct attach_file *kept, struct slice current,
    struct buf *ret_text, struct err *e)
{
	const char *before, *after, *now, *left;
	struct slice base = path_get_base(slice_of_str(kept->path));
	int r;

	if (strcmp(j->mode->name, "milter") != 0 || !slice_eq_str(base, "main.cf"))
		return err_set(e, EINVAL,
		    "'%s' was edited where cordon attach had changed it: take "
		    "Cordon out there by hand, then detach again",
		    kept->path);
	before = milters_of(j, buf_get(&kept->before), e);
	after = milters_of(j, buf_get(&kept->after), e);
	now = milters_of(j, current, e);
	if (before == NULL || after == NULL || now == NULL)
		return -EIO;
	left = list_without(j, now, before, after);
	if (strcmp(left, now) != 0) {
		r = postconf_edit(j, "-e", job_text(j, "smtpd_milters=%s", left), e);
		if (r < 0)
			return r;
	}
	job_note(j, "note: smtpd_milters was edited since; only Cordon is taken out of it");
	return attach_file_read(job_text(j, "%s/main.cf", j->scratch), ret_text, e);
}

static int
postfix_check(struct attach_job *j, struct err *e)
{
	const char *postconf = job_find_program(j, "postconf", e);

	/* Each of them reads the files in its own way; `check` looks at folders and owners too.
	 */
	if (postconf == NULL ||
	    job_run(j, e, postconf, "-c", j->config_dir, "-n", NULL) == NULL ||
	    job_run(j, e, postconf, "-c", j->config_dir, "-M", NULL) == NULL ||
	    job_run(j, e, j->program, "-c", j->config_dir, "check", NULL) == NULL)
		return -EINVAL;
	return 0;
}

static int
postfix_reload(struct attach_job *j, struct err *e)
{
	return job_run(j, e, j->program, "-c", j->config_dir, "reload", NULL) == NULL ? -EINVAL
										      : 0;
}

/* "25", "smtp", "127.0.0.1:2525", "[::1]:25" of master.cf. */
static int
postfix_find_port(struct attach_job *j, struct config_address *ret_address, struct err *e)
{
	struct service s;
	const char *colon;
	uint64_t port = 25;
	size_t len;
	int r = service_find(j, &s, e);

	if (r < 0)
		return r;
	*ret_address =
	    (struct config_address){ .family = CONFIG_FAMILY_ANY, .host = "127.0.0.1" };
	colon = strrchr(s.name, ':');
	if (strcmp(s.type, "inet") == 0 && colon != NULL && colon > s.name) {
		bool bracket = s.name[0] == '[';

		len = (size_t)(colon - s.name) - (bracket ? 2 : 0);
		snprintf(ret_address->host, sizeof(ret_address->host), "%.*s", (int)len,
		    s.name + bracket);
	}
	if (!slice_parse_uint(slice_of_str(colon != NULL ? colon + 1 : s.name), 65535, &port))
		port = 25;
	ret_address->port = (uint16_t)port;
	return 0;
}

/* The value that a service of master.cf gives a parameter with -o; NULL: it gives none. */
static const char *
service_option(struct attach_job *j, const struct service *s, const char *name)
{
	struct slice rest = s->options, word, key = slice_of_str(job_text(j, "%s=", name));

	while (text_next_word(&rest, &word))
		if (slice_starts_with(word, key))
			return job_copy(j, slice_from(word, key.len));
	return NULL;
}

/* How long Postfix waits for the verdict, in the mode that is asked about. Before attach the
 * modes proxy and filter have no such time; attach gives them one that fits. */
static int
read_answer_limit(struct attach_job *j, struct attach_limits *l, struct err *e)
{
	const char *postconf = job_find_program(j, "postconf", e), *text, *value = NULL;
	struct slice rest;
	struct service s;

	if (j->mode->protocol == CONFIG_PROTOCOL_MILTER) {
		l->answer_name = "milter_content_timeout";
		l->answer_fix = "postconf -e milter_content_timeout=";
		value = postconf_get(j, j->config_dir, l->answer_name, e);
		l->answer_ms = duration_parse_ms(slice_of_str(value), 1000);
		return value == NULL ? -EIO : 0;
	}
	text =
	    postconf == NULL ? NULL : job_run(j, e, postconf, "-c", j->config_dir, "-M", NULL);
	rest = slice_of_str(text);
	while (value == NULL && service_next(j, &rest, &s)) {
		if (j->mode->way == CONFIG_WAY_PROXY)
			value = service_option(j, &s, "smtpd_proxy_timeout");
		else if (strcmp(s.name, "cordon") == 0)
			value = service_option(j, &s, "smtp_data_done_timeout");
	}
	if (value != NULL) {
		l->answer_name = j->mode->way == CONFIG_WAY_PROXY
				     ? "smtpd_proxy_timeout in master.cf"
				     : "smtp_data_done_timeout in master.cf";
		l->answer_ms = duration_parse_ms(slice_of_str(value), 1000);
	}
	return text == NULL ? -EIO : 0;
}

static int
postfix_read_limits(struct attach_job *j, struct attach_limits *l, struct err *e)
{
	const char *size = postconf_get(j, j->config_dir, "message_size_limit", e);
	const char *command = postconf_get(j, j->config_dir, "milter_command_timeout", e);

	if (size == NULL || command == NULL)
		return -EIO;
	l->size_name = "message_size_limit";
	if (!slice_parse_uint(slice_of_str(size), UINT64_MAX - 1, &l->size_bytes))
		return err_set(e, EINVAL, "message_size_limit is '%s'", size);
	if (l->size_bytes == 0)
		l->size_bytes = ATTACH_LIMIT_NONE;
	if (j->mode->protocol == CONFIG_PROTOCOL_MILTER) {
		l->command_name = "milter_command_timeout";
		l->command_ms = duration_parse_ms(slice_of_str(command), 1000);
	}
	return read_answer_limit(j, l, e);
}

const struct attach_mta attach_postfix = {
	.name = "postfix",
	.modes = modes,
	.locate = postfix_locate,
	.plan = postfix_plan,
	.undo = postfix_undo,
	.check = postfix_check,
	.reload = postfix_reload,
	.find_port = postfix_find_port,
	.read_limits = postfix_read_limits,
};
