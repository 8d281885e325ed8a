/* cordon_pipe.c: `cordon filter`, `cordon deliver`, `cordon reinject`: a mail on standard
 * input, looked at, and passed on when it may be. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/pipe_mail.h"

int
cordon_filter(const struct cordon_options *o)
{
	struct pipe_mail m;
	int status = pipe_mail_run(&m, o, "filter", o->args);

	if (status == PIPE_EXIT_PASSED) {
		int r = pipe_mail_write(&m, STDOUT_FILENO);

		if (r == 0 && close(STDOUT_FILENO) < 0)
			r = -errno;
		if (r < 0) {
			fprintf(
			    stderr, "4.3.0 cordon: cannot write the mail: %s\n", strerror(-r));
			status = PIPE_EXIT_TEMPFAIL;
		}
	}
	pipe_mail_done(&m);
	return status;
}

int
cordon_deliver(const struct cordon_options *o)
{
	struct pipe_mail m;
	int status = pipe_mail_run(&m, o, "deliver", o->args);

	if (status == PIPE_EXIT_PASSED)
		status = pipe_mail_hand_over(&m, o->command);
	else if (status == PIPE_EXIT_DISCARD)
		status = 0; /* that is what the policy wants: gone, and nobody is told */
	pipe_mail_done(&m);
	return status;
}

/* sendmail -G -i -f SENDER -- RCPT... */
static char **
sendmail_arguments(const struct cordon_options *o, char *sender)
{
	char **argv = mem_new(((size_t)o->arg_count + 7) * sizeof(*argv));
	const char *program = o->sendmail == NULL ? "/usr/sbin/sendmail" : o->sendmail;
	int n = 0;

	argv[n++] = (char *)(uintptr_t)program;
	argv[n++] = (char *)(uintptr_t) "-G";
	argv[n++] = (char *)(uintptr_t) "-i";
	argv[n++] = (char *)(uintptr_t) "-f";
	argv[n++] = sender;
	argv[n++] = (char *)(uintptr_t) "--";
	for (int i = 0; i < o->arg_count; i++)
		argv[n++] = o->args[i];
	argv[n] = NULL;
	return argv;
}

int
cordon_reinject(const struct cordon_options *o)
{
	struct slice sender = pipe_address_strip(o->sender == NULL ? "" : o->sender);
	struct pipe_mail m;
	int status = pipe_mail_run(&m, o, "reinject", o->args);

	if (status == PIPE_EXIT_PASSED) {
		CLEANUP(mem_free)
		char *address = sender.len == 0 ? mem_strdup("<>") : mem_new(sender.len + 1);
		CLEANUP(mem_free) char **argv = sendmail_arguments(o, address);

		if (sender.len > 0)
			memcpy(address, sender.ptr, sender.len);
		status = pipe_mail_hand_over(&m, argv);
	} else if (status == PIPE_EXIT_DISCARD) {
		status = 0;
	}
	pipe_mail_done(&m);
	return status;
}
