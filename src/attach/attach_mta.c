/* attach_mta.c: the table of MTAs, and what their files share: texts, programs, signals. */
#include "attach/attach_mta.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/attach_command.h"
#include "attach/attach_text.h"
#include "base/arena.h"

#define ARGUMENTS_MAX  24
#define HUP_POLL_MS    20
#define HUP_RESTART_MS 5000  /* from SIGHUP until a daemon runs itself anew */
#define HUP_WAIT_MS    90000 /* Sendmail may look for its host's name for a minute */

static const struct attach_mta *const mtas[] = {
	&attach_postfix,
	&attach_sendmail,
	&attach_exim,
	&attach_opensmtpd,
};

const struct attach_mta *
attach_mta_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(mtas); i++)
		if (strcmp(mtas[i]->name, name) == 0)
			return mtas[i];
	return NULL;
}

void
attach_print_mtas(FILE *out)
{
	for (size_t i = 0; i < ARRAY_LEN(mtas); i++) {
		fprintf(out, "  %-10s", mtas[i]->name);
		for (const struct attach_mode *m = mtas[i]->modes; m->name != NULL; m++)
			fprintf(out, "%s%s", m == mtas[i]->modes ? "--mode " : "|", m->name);
		fputc('\n', out);
	}
}

const char *
job_copy(struct attach_job *j, struct slice s)
{
	struct slice copy = arena_copy(j->arena, s);

	ASSERT(copy.ptr != NULL); /* names and values of one run: far below the arena's size */
	return (const char *)copy.ptr;
}

const char *
job_text(struct attach_job *j, const char *fmt, ...)
{
	char *text = NULL;
	const char *copy;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	ASSERT(len >= 0);
	copy = job_copy(j, slice_of(text, (size_t)len));
	free(text);
	return copy;
}

void
job_note(struct attach_job *j, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(j->out, fmt, args);
	va_end(args);
	fputc('\n', j->out);
	fflush(j->out);
}

const char *
job_find_program(struct attach_job *j, const char *name, struct err *e)
{
	char path[PATH_MAX];
	const char *given = j->o->program != NULL ? j->o->program : j->program;

	if (given != NULL) {
		struct slice s = slice_of_str(given), base = path_get_base(s);

		if (snprintf(path, sizeof(path), "%.*s%s", (int)(s.len - base.len), given,
			name) < (int)sizeof(path) &&
		    access(path, X_OK) == 0)
			return job_text(j, "%s", path);
	}
	if (attach_program_find(name, path, sizeof(path)))
		return job_text(j, "%s", path);
	return err_null(
	    e, EINVAL, "there is no program '%s'; --program names the MTA's own", name);
}

const char *
job_run(struct attach_job *j, struct err *e, const char *program, ...)
{
	const char *argv[ARGUMENTS_MAX] = { program };
	const char *text = NULL;
	struct buf out;
	va_list args;
	size_t n = 1;

	va_start(args, program);
	do {
		ASSERT(n < ARGUMENTS_MAX);
		argv[n] = va_arg(args, const char *);
	} while (argv[n++] != NULL);
	va_end(args);
	buf_init(&out, ATTACH_OUTPUT_MAX_BYTES);
	if (attach_command_run(argv, &out, e) == 0)
		text = job_copy(j, slice_trim(buf_get(&out)));
	buf_done(&out);
	return text;
}

bool
job_reload_by_command(struct attach_job *j, int *ret, struct err *e)
{
	const char *argv[] = { "/bin/sh", "-c", j->reload_command, NULL };

	if (j->reload_command == NULL)
		return false;
	*ret = attach_command_run(argv, NULL, e);
	return true;
}

/* 1: the process catches SIGHUP; 0: it does not (it would be killed); -ESRCH: it is gone. */
static int
process_catches_hup(struct attach_job *j, unsigned pid)
{
	struct buf text;
	struct slice s;
	size_t at;
	int r;

	buf_init(&text, ATTACH_FILE_MAX_BYTES);
	r = attach_file_read(job_text(j, "/proc/%u/status", pid), &text, NULL);
	s = buf_get(&text);
	at = slice_find(s, SLICE_LIT("\nSigCgt:"), 0);
	if (r < 0 || at == SIZE_MAX || slice_find(s, SLICE_LIT("\nState:\tZ"), 0) != SIZE_MAX)
		r = -ESRCH;
	else
		r = (int)(strtoull(buf_get_str(&text) + at + 8, NULL, 16) >> (SIGHUP - 1)) & 1;
	buf_done(&text);
	return r;
}

/* Waits until the process catches SIGHUP; a daemon that runs itself anew does not for a moment,
 * and a second signal then would end it. */
static int
process_wait_for_hup(struct attach_job *j, unsigned pid)
{
	int r;

	for (unsigned waited_ms = 0; (r = process_catches_hup(j, pid)) == 0;
	     waited_ms += HUP_POLL_MS)
		if (waited_ms >= HUP_WAIT_MS || !attach_sleep_ms(HUP_POLL_MS))
			return 0;
	return r;
}

/* Where the stack of the process begins: another place after it ran itself anew (field 28 of
 * proc(5)'s stat). 0: it is gone, or we may not know. */
static uint64_t
process_stack_start(struct attach_job *j, unsigned pid)
{
	struct buf text;
	struct slice rest, word = SLICE_NONE;
	const char *name_end;
	uint64_t start = 0;

	buf_init(&text, ATTACH_FILE_MAX_BYTES);
	if (attach_file_read(job_text(j, "/proc/%u/stat", pid), &text, NULL) == 0 &&
	    (name_end = strrchr(buf_get_str(&text), ')')) != NULL) {
		rest = slice_of_str(name_end + 1);
		for (unsigned field = 3; field <= 28; field++)
			text_next_word(&rest, &word);
		slice_parse_uint(word, UINT64_MAX, &start);
	}
	buf_done(&text);
	return start;
}

/* Waits until the process runs itself anew, or is gone; where that cannot be seen, a while. */
static bool
process_wait_for_restart(struct attach_job *j, unsigned pid, uint64_t stack_start)
{
	for (unsigned waited_ms = 0; waited_ms < HUP_RESTART_MS; waited_ms += HUP_POLL_MS) {
		if (process_stack_start(j, pid) != stack_start)
			return true;
		if (!attach_sleep_ms(HUP_POLL_MS))
			return false;
	}
	return true;
}

/* The process that a file names, when its name begins with `name`. */
static int
pid_file_read(struct attach_job *j, const char *pid_file, const char *name, unsigned *ret_pid,
    struct err *e)
{
	struct buf text, comm;
	struct slice rest, line = SLICE_NONE;
	uint64_t pid = 0;
	int r;

	buf_init(&text, ATTACH_FILE_MAX_BYTES);
	buf_init(&comm, ATTACH_FILE_MAX_BYTES);
	r = attach_file_read(pid_file, &text, e);
	rest = buf_get(&text);
	if (r == 0 && (!attach_text_next_line(&rest, &line) ||
			  !slice_parse_uint(slice_trim(line), INT_MAX, &pid) || pid < 2))
		r = err_set(e, EINVAL, "'%s' holds no process id", pid_file);
	if (r == 0 &&
	    (attach_file_read(job_text(j, "/proc/%u/comm", (unsigned)pid), &comm, NULL) < 0 ||
		!slice_starts_with(buf_get(&comm), slice_of_str(name))))
		r = err_set(e, EINVAL, "process %u of '%s' is no %s: is it running?",
		    (unsigned)pid, pid_file, name);
	buf_done(&comm);
	buf_done(&text);
	*ret_pid = (unsigned)pid;
	return r;
}

int
job_hang_up(struct attach_job *j, const char *pid_file, const char *name, struct err *e)
{
	unsigned pid;
	uint64_t stack_start;
	int r = pid_file_read(j, pid_file, name, &pid, e);

	if (r < 0)
		return r;
	if (process_wait_for_hup(j, pid) <= 0)
		return err_set(
		    e, EINVAL, "process %u of '%s' does not take SIGHUP", pid, pid_file);
	stack_start = process_stack_start(j, pid);
	if (kill((pid_t)pid, SIGHUP) < 0)
		return err_set(e, errno, "cannot send SIGHUP to process %u", pid);
	/* Gone is fine: a Sendmail in the background goes on under another number. */
	if (!process_wait_for_restart(j, pid, stack_start) || process_wait_for_hup(j, pid) == 0)
		return err_set(e, EINVAL, "process %u of '%s' did not come back after SIGHUP",
		    pid, pid_file);
	return 0;
}

const char *
address_get_host(const struct config_address *a)
{
	if (strcmp(a->host, "0.0.0.0") == 0)
		return "127.0.0.1";
	return strcmp(a->host, "::") == 0 ? "::1" : a->host;
}

uint64_t
duration_parse_ms(struct slice text, uint64_t unit_ms)
{
	static const struct {
		char letter;
		uint64_t ms;
	} units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 },
		{ 'w', 604800000 } };
	uint64_t total = 0, n;

	text = slice_trim(text);
	if (slice_parse_uint(text, UINT32_MAX, &n))
		return n * unit_ms;
	while (text.len > 0) { /* "4m30s" */
		size_t digits = 0, i;

		while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
			digits++;
		if (digits == text.len ||
		    !slice_parse_uint(slice_sub(text, 0, digits), UINT32_MAX, &n))
			return UINT64_MAX;
		for (i = 0;
		     i < ARRAY_LEN(units) && units[i].letter != ascii_lower(text.ptr[digits]);)
			i++;
		if (i == ARRAY_LEN(units))
			return UINT64_MAX;
		total += n * units[i].ms;
		text = slice_from(text, digits + 1);
	}
	return total;
}
