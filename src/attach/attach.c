/* attach.c: the steps of attach and detach, the same for every MTA: plan, show, ask, keep,
 * apply, check, reload, test; and everything back when one of them fails. What is written into
 * whose configuration is in attach_NAME.c. */
#include "attach/attach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach_command.h"
#include "attach/attach_mta.h"
#include "attach/attach_probe.h"
#include "attach/attach_state.h"
#include "attach/attach_text.h"
#include "base/arena.h"
#include "base/clock.h"

#define PROBE_TRIES_MS    15000 /* a reload takes effect within this */
#define PROBE_PAUSE_MS    500
#define AFTER_QUEUE_MS    15000 /* for a mail to pass the queue */
#define AFTER_QUEUE_TRIES 2     /* the first may have met the configuration of before */
#define REPLY_MS          60000 /* for an answer to a step before the end of a mail */

static void
scratch_remove(struct attach_job *j)
{
	DIR *folder = j->scratch == NULL ? NULL : opendir(j->scratch);
	struct dirent *one;

	if (folder == NULL)
		return;
	while ((one = readdir(folder)) != NULL)
		if (one->d_name[0] != '.')
			unlinkat(dirfd(folder), one->d_name, 0);
	closedir(folder);
	rmdir(j->scratch);
}

static void
job_done(struct attach_job *j)
{
	scratch_remove(j);
	attach_change_done(&j->change);
	arena_free(&j->arena);
}

static const struct attach_mode *
mode_find(const struct attach_mta *mta, const char *name)
{
	for (const struct attach_mode *m = mta->modes; m->name != NULL; m++)
		if (name == NULL || strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

static int
job_open(
    struct attach_job *j, const struct attach_options *o, const struct config *c, struct err *e)
{
	char *folder;

	*j = (struct attach_job){ .o = o,
		.config = c,
		.config_dir = o->config_dir,
		.config_file = o->config_file,
		.program = o->program,
		.listener = "",
		.reload_command = o->reload_command,
		.out = o->out };
	j->arena = arena_new(ATTACH_ARENA_MAX_BYTES);
	j->mta = attach_mta_find(o->mta);
	if (j->mta == NULL)
		return err_set(e, EINVAL,
		    "there is no MTA '%s' to attach to; expected postfix, "
		    "sendmail, exim or opensmtpd",
		    o->mta);
	j->mode = mode_find(j->mta, o->mode);
	if (j->mode == NULL)
		return err_set(e, EINVAL, "%s has no mode '%s'", o->mta, o->mode);
	folder = mem_strdup("/tmp/cordon-attach-XXXXXX");
	if (mkdtemp(folder) != NULL)
		j->scratch = job_text(j, "%s", folder);
	free(folder);
	return j->scratch == NULL ? err_set(e, errno, "cannot make a folder in /tmp") : 0;
}

static int
address_take(const char *text, struct config_address *ret_address, struct err *e)
{
	const char *expected = "";

	if (config_address_parse_listen(text, ret_address, &expected))
		return 0;
	return err_set(e, EINVAL, "'%s' is no address, expected %s", text, expected);
}

/* The listener to use: the one named, or the first that fits. NULL: there is none. */
static const struct config_listener *
listener_find(struct attach_job *j)
{
	for (size_t i = 0; i < j->config->listener_count; i++) {
		const struct config_listener *l = &j->config->listeners[i];

		if (l->protocol == (int)j->mode->protocol &&
		    (!j->mode->relays || l->way == (int)j->mode->way) &&
		    (j->o->listener == NULL || strcmp(l->name, j->o->listener) == 0))
			return l;
	}
	return NULL;
}

/* Says exactly which lines are missing. */
static int
listener_missing(struct attach_job *j, struct err *e)
{
	const struct attach_mode *m = j->mode;
	const char *name = j->o->listener != NULL ? j->o->listener : j->mta->name;
	const char *protocol = config_protocol_get_name(m->protocol);
	const char *port = m->relays                               ? "inet:127.0.0.1:10025"
			   : m->protocol == CONFIG_PROTOCOL_MILTER ? "inet:127.0.0.1:8899"
			   : m->protocol == CONFIG_PROTOCOL_CLAMD
			       ? "inet:127.0.0.1:3311"
			       : "unix:/run/cordon/opensmtpd.sock";
	const char *relay =
	    m->relays ? job_text(j, "\tway = \"%s\"\n\tnext_hop = \"inet:127.0.0.1:10026\"\n",
			    m->way == CONFIG_WAY_PROXY ? "proxy" : "filter")
	    : m->protocol == CONFIG_PROTOCOL_OPENSMTPD ? "\tgroup = \"opensmtpd\"\n"
						       : "";

	return err_set(e, EINVAL,
	    "no listener%s%s in %s fits; add these lines, start cordond anew, "
	    "and try again:\n\nlistener %s {\n\tprotocol = \"%s\"\n\taddress = \"%s\"\n%s}\n",
	    j->o->listener != NULL ? " " : "", j->o->listener != NULL ? name : "",
	    *j->config->path != '\0' ? j->config->path : "the configuration", name, protocol,
	    port, relay);
}

static int
job_find_addresses(struct attach_job *j, struct err *e)
{
	const char *next_hop = j->o->next_hop, *address = j->o->address;
	int r;

	if (address == NULL) {
		const struct config_listener *l = listener_find(j);

		if (l == NULL)
			return listener_missing(j, e);
		j->listener = l->name;
		address = l->address;
		if (next_hop == NULL)
			next_hop = l->next_hop;
	}
	r = address_take(address, &j->address, e);
	if (r < 0 || !j->mode->relays)
		return r;
	if (next_hop == NULL)
		return err_set(e, EINVAL,
		    "with --address, this mode needs --next-hop too: where Cordon "
		    "hands mail back");
	r = address_take(next_hop, &j->next_hop, e);
	if (r == 0 && j->next_hop.family == CONFIG_FAMILY_UNIX)
		r = err_set(e, EINVAL,
		    "next_hop is a unix socket; %s takes mail back over TCP only",
		    j->mta->name);
	return r;
}

static int
job_read_limits(struct attach_job *j, struct attach_limits *ret_limits, struct err *e)
{
	*ret_limits = (struct attach_limits){ 0 };
	return j->mta->read_limits(j, ret_limits, e);
}

/* After what is planned would be in place; a failure to read them is told and ends nothing. */
static void
job_tell_limits(struct attach_job *j)
{
	struct attach_limits l;
	struct err e = { 0 };

	if (job_read_limits(j, &l, &e) < 0)
		job_note(j, "limits: not compared: %s", e.text);
	else if (attach_limits_compare(&l, j->config, j->out) == 0)
		job_note(j, "limits: MTA, Cordon and scanners agree");
}

/* ---- the test mails ---- */

static bool
reply_is_final(bool infected, const struct probe_reply *reply, bool after_queue)
{
	if (infected && !after_queue)
		return reply->at_end && reply->code >= 500;
	return reply->at_end && reply->code < 400;
}

/* Waiting does not change it. */
static bool
reply_is_hopeless(bool infected, const struct probe_reply *reply)
{
	return reply->code >= 500 && (!infected || !reply->at_end);
}

/* Sends one mail until it is answered as wanted, or time is over: for some seconds after a
 * reload the MTA may not listen, or still work as before. */
static int
probe_until(struct attach_job *j, const struct probe *p, bool infected, struct err *e)
{
	int64_t end = clock_now_ms() + PROBE_TRIES_MS;
	struct probe_reply reply = { 0 };
	struct err failure = { 0 };
	const char *what = infected ? "EICAR" : "the clean mail";

	for (;;) {
		int r = probe_send(p, infected, &reply, &failure);

		if (r == -EINTR)
			return attach_interrupt_tell(e);
		if (r == 0 && reply_is_final(infected, &reply, j->mode->after_queue)) {
			job_note(j, "test: %s: %s", what, reply.text);
			return 0;
		}
		if (clock_now_ms() >= end || (r == 0 && reply_is_hopeless(infected, &reply))) {
			if (r < 0)
				return err_set(e, -r, "test: %s could not be sent: %s", what,
				    failure.text);
			return err_set(e, EINVAL, "test: %s was answered '%s', expected %s",
			    what, reply.text,
			    infected && !j->mode->after_queue ? "a refusal (5xx) of the mail"
							      : "that it is taken");
		}
		if (!attach_sleep_ms(PROBE_PAUSE_MS))
			return attach_interrupt_tell(e);
	}
}

/* In modes where the MTA has answered first: the daemon tells whether it found something. */
static int
wait_for_infected(struct attach_job *j, int64_t before, struct err *e)
{
	int64_t end = clock_now_ms() + AFTER_QUEUE_MS;

	while (clock_now_ms() < end) {
		if (j->o->count_infected(j->o->context) > before) {
			job_note(j, "test: EICAR: found by the daemon behind the queue");
			return 0;
		}
		if (!attach_sleep_ms(PROBE_PAUSE_MS))
			return attach_interrupt_tell(e);
	}
	return err_set(e, EINVAL, "test: EICAR was taken by %s, and never reached the daemon",
	    j->mta->name);
}

static int
port_parse(const char *text, struct config_address *ret_address, struct err *e)
{
	const char *port = strrchr(text, ':');
	uint64_t number;

	if (!slice_parse_uint(slice_of_str(port != NULL ? port + 1 : text), 65535, &number) ||
	    number == 0)
		return err_set(e, EINVAL, "'%s' is no port, expected PORT or HOST:PORT", text);
	*ret_address =
	    (struct config_address){ .family = CONFIG_FAMILY_ANY, .port = (uint16_t)number };
	snprintf(ret_address->host, sizeof(ret_address->host), "%.*s",
	    port != NULL ? (int)(port - text) : 9, port != NULL ? text : "127.0.0.1");
	return 0;
}

static int
job_test(struct attach_job *j, struct err *e)
{
	struct probe p = { .sender = j->o->sender != NULL ? j->o->sender : "",
		.recipient = j->o->recipient,
		.timeout_ms = REPLY_MS,
		.end_timeout_ms = j->config->message_timeout_ms + REPLY_MS };
	int64_t before = -1;
	int r = j->o->port != NULL ? port_parse(j->o->port, &p.address, e)
				   : j->mta->find_port(j, &p.address, e);

	if (r < 0)
		return r;
	if (j->mode->after_queue && j->o->count_infected != NULL)
		before = j->o->count_infected(j->o->context);
	if (j->mode->after_queue && before < 0)
		return err_set(e, EINVAL,
		    "the daemon does not answer at control_socket, so nobody can "
		    "tell whether it found EICAR; start it, or give --no-test");
	/* EICAR first: when it is refused, the new configuration is in force. */
	for (int tries = j->mode->after_queue ? AFTER_QUEUE_TRIES : 1; tries > 0; tries--) {
		r = probe_until(j, &p, true, e);
		if (r == 0 && j->mode->after_queue)
			r = wait_for_infected(j, before, e);
		if (r == 0 || r == -EINTR)
			break;
	}
	return r == 0 ? probe_until(j, &p, false, e) : r;
}

/* ---- apply, and back ---- */

static int
job_reload(struct attach_job *j, struct err *e)
{
	int r = 0;

	if (j->o->no_reload)
		return 0;
	if (!job_reload_by_command(j, &r, e))
		r = j->mta->reload(j, e);
	if (r == 0)
		job_note(j, "%s: reloaded", j->mta->name);
	return r;
}

/* *ret_reloaded: the MTA may have read the new configuration. */
static int
job_apply(struct attach_job *j, bool test, bool *ret_reloaded, struct err *e)
{
	int r = attach_change_apply(&j->change, e);

	*ret_reloaded = false;
	if (r == 0 && j->mta->rebuild != NULL)
		r = j->mta->rebuild(j, e);
	if (r == 0)
		r = j->mta->check(j, e);
	if (r == 0) {
		job_note(j, "%s: applied, and its own check has no objection", j->mta->name);
		*ret_reloaded = true;
		r = job_reload(j, e);
	}
	if (r == 0 && test && !j->o->no_test && !j->o->no_reload)
		r = job_test(j, e);
	if (r == 0 && attach_interrupt_is_set())
		r = attach_interrupt_tell(e);
	return r;
}

/* Postfix writes the filter's name into each mail as it comes in. */
static void
tell_of_queue(struct attach_job *j)
{
	if (j->mode->after_queue)
		job_note(j, "note: mail that waits in the queue still names the filter; "
			    "'postsuper -r ALL' "
			    "takes it out");
}

/* Puts everything back after a failure and adds to *e how that went. 0: all is as before. */
static int
job_roll_back(struct attach_job *j, bool reloaded, struct err *e)
{
	struct err second = { 0 };
	size_t len = strlen(e->text);
	int r;

	attach_interrupt_hold(true);
	job_note(j, "%s: rolling back: %s", j->mta->name, e->text);
	r = attach_change_rollback(&j->change, &second);
	if (r < 0) {
		snprintf(e->text + len, sizeof(e->text) - len,
		    "; NOT EVERYTHING WAS PUT BACK: %s", second.text);
	} else if (reloaded && job_reload(j, &second) < 0) {
		snprintf(e->text + len, sizeof(e->text) - len,
		    "; the files are as before, but the MTA "
		    "could not be told: %s",
		    second.text);
	} else {
		snprintf(
		    e->text + len, sizeof(e->text) - len, "; everything is as it was before");
	}
	if (reloaded)
		tell_of_queue(j);
	attach_interrupt_hold(false);
	return r;
}

static bool
job_confirm(struct attach_job *j, const char *verb)
{
	const char *question = job_text(j, "%s %s with this change?", verb, j->mta->name);

	return j->o->confirm == NULL || j->o->confirm(j->o->context, question);
}

static int
attach_carry_out(struct attach_job *j, struct attach_state *s, struct err *e)
{
	struct err ignored = { 0 };
	bool reloaded = false;
	int r, back;

	attach_interrupt_catch();
	r = attach_state_save(s, j, e);
	if (r == 0)
		r = job_apply(j, true, &reloaded, e);
	if (r == 0)
		r = attach_state_complete(s, j, e);
	if (r == 0) {
		job_note(j, "%s is attached; 'cordon detach %s' undoes it", j->mta->name,
		    j->mta->name);
		return 0;
	}
	back = job_roll_back(j, reloaded, e);
	/* What could not be put back stays kept for cordon detach. */
	if (back == 0)
		attach_state_remove(s, &ignored);
	return r;
}

static int
attach_told_already(struct attach_job *j, const struct attach_state *s, struct err *e)
{
	if (!s->complete)
		return err_set(e, EINVAL,
		    "an earlier attach of %s was ended in the middle (%s); run "
		    "'cordon detach %s' to undo what it did",
		    j->mta->name, s->since, j->mta->name);
	job_note(j, "%s is attached already (%s, since %s); 'cordon detach %s' undoes it",
	    j->mta->name, s->mode, s->since, j->mta->name);
	return 0;
}

static int
attach_with_state(struct attach_job *j, struct attach_state *s, struct err *e)
{
	int r = attach_state_open(j, !j->o->dry_run, s, e);

	if (r == 0 && s->exists)
		return attach_told_already(j, s, e);
	if (r == 0)
		r = j->mta->plan(j, e);
	if (r == 0 && attach_change_is_empty(&j->change)) {
		job_note(j,
		    "%s passes its mail through this listener already; nothing to change",
		    j->mta->name);
		job_tell_limits(j);
		return 0;
	}
	if (r == 0)
		r = attach_change_show(&j->change, j->out);
	if (r < 0)
		return r;
	job_tell_limits(j);
	if (j->o->dry_run)
		return 0;
	return job_confirm(j, "Attach to") ? attach_carry_out(j, s, e) : 1;
}

/* An attach that came to nothing leaves no empty folder. */
static void
state_forget_empty(const struct attach_state *s)
{
	if (s->lock_fd >= 0)
		rmdir(s->folder);
}

int
attach_attach(const struct attach_options *o, const struct config *c, struct err *e)
{
	CLEANUP(job_done) struct attach_job j;
	struct attach_state s = { .lock_fd = -1 };
	int r = job_open(&j, o, c, e);

	if (r == 0)
		r = job_find_addresses(&j, e);
	if (r == 0)
		r = j.mta->locate(&j, e);
	if (r == 0) {
		r = attach_with_state(&j, &s, e);
		state_forget_empty(&s);
		attach_state_close(&s);
	}
	return r;
}

int
attach_check(const struct attach_options *o, const struct config *c, struct err *e)
{
	CLEANUP(job_done) struct attach_job j;
	struct attach_limits l;
	int r = job_open(&j, o, c, e);

	/* Without a listener the limits can be compared all the same. */
	if (r == 0)
		r = j.mta->locate(&j, e);
	if (r == 0)
		r = job_read_limits(&j, &l, e);
	if (r < 0)
		return r;
	if (attach_limits_compare(&l, c, o->out) > 0)
		return 1;
	job_note(&j, "limits: MTA, Cordon and scanners agree");
	return 0;
}

/* ---- detach ---- */

/* The text of one kept file without our change. Negative with *e when both changed the same. */
static int
detach_text(struct attach_job *j, const struct attach_file *kept, struct slice current,
    struct buf *ret_text, struct err *e)
{
	size_t line = 0;
	int r =
	    text_undo(buf_get(&kept->before), buf_get(&kept->after), current, ret_text, &line);

	if (r == -EEXIST && j->mta->undo != NULL)
		return j->mta->undo(j, kept, current, ret_text, e);
	if (r == -EEXIST)
		return err_set(e, EINVAL,
		    "'%s' was edited at line %zu, where cordon attach had changed "
		    "it: take Cordon out there by hand, then detach again",
		    kept->path, line);
	return r < 0 ? err_set(e, -r, "cannot tell what changed in '%s'", kept->path) : 0;
}

static int
detach_plan_file(struct attach_job *j, const struct attach_file *kept, struct err *e)
{
	struct buf current, text;
	int r;

	if (kept->derived)
		return attach_change_add_derived(&j->change, kept->path, e);
	buf_init(&current, ATTACH_FILE_MAX_BYTES + 65536);
	buf_init(&text, ATTACH_FILE_MAX_BYTES + 65536);
	r = attach_file_read(kept->path, &current, e);
	if (r == 0) {
		r = detach_text(j, kept, buf_get(&current), &text, e);
		if (r == 0 && !kept->existed && text.len == 0)
			r = attach_change_add_removal(&j->change, kept->path, e);
		else if (r == 0)
			r = attach_change_add(&j->change, kept->path, buf_get(&text), e);
	} else if (r == -ENOENT && !kept->existed) {
		r = 0; /* a file of ours that is gone */
	}
	buf_done(&current);
	buf_done(&text);
	return r;
}

/* A file that has the bytes of before gets its time of before, too. */
static void
detach_keep_times(const struct attach_state *s)
{
	for (size_t i = 0; i < s->change.count; i++) {
		const struct attach_file *kept = &s->change.file[i];
		struct buf now;

		buf_init(&now, ATTACH_FILE_MAX_BYTES + 65536);
		if (kept->existed && attach_file_read(kept->path, &now, NULL) == 0 &&
		    slice_eq(buf_get(&now), buf_get(&kept->before)))
			attach_file_keep_time(kept->path, &kept->mtime);
		buf_done(&now);
	}
}

static int
detach_carry_out(struct attach_job *j, struct attach_state *s, struct err *e)
{
	bool reloaded = false;
	int r;

	attach_interrupt_catch();
	r = job_apply(j, false, &reloaded, e);
	if (r < 0) {
		job_roll_back(j, reloaded, e);
		return r;
	}
	attach_interrupt_hold(true);
	detach_keep_times(s);
	r = attach_state_remove(s, e);
	if (r == 0) {
		job_note(j, "%s is detached", j->mta->name);
		tell_of_queue(j);
	}
	return r;
}

static int
detach_with_state(struct attach_job *j, struct attach_state *s, struct err *e)
{
	int r = attach_state_open(j, !j->o->dry_run, s, e);

	if (r == 0 && !s->exists) {
		job_note(
		    j, "%s is not attached, as far as '%s' knows", j->mta->name, s->folder);
		return 0;
	}
	if (r == 0 && (j->mode = mode_find(j->mta, s->mode)) == NULL)
		r = err_set(e, EINVAL, "'%s/manifest' is damaged", s->folder);
	if (r == 0)
		r = j->mta->locate(j, e);
	for (size_t i = 0; i < s->change.count && r == 0; i++)
		r = detach_plan_file(j, &s->change.file[i], e);
	if (r < 0)
		return r;
	if (attach_change_is_empty(&j->change)) {
		job_note(j, "nothing of it is left in the configuration of %s", j->mta->name);
		return j->o->dry_run ? 0 : attach_state_remove(s, e);
	}
	r = attach_change_show(&j->change, j->out);
	if (r < 0 || j->o->dry_run)
		return r;
	return job_confirm(j, "Detach from") ? detach_carry_out(j, s, e) : 1;
}

int
attach_detach(const struct attach_options *o, struct err *e)
{
	CLEANUP(job_done) struct attach_job j;
	struct attach_state s = { .lock_fd = -1 };
	int r = job_open(&j, o, NULL, e);

	if (r == 0) {
		r = detach_with_state(&j, &s, e);
		state_forget_empty(&s);
		attach_state_close(&s);
	}
	return r;
}
