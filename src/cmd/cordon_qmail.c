/* cordon_qmail.c: `cordon qmail-queue`: stands in the place of qmail-queue(8), by the variable
 * QMAILQUEUE, and gives what may pass to the real one. Mail comes on descriptor 0, its envelope
 * on 1; a pipe on 6 takes the text of a refusal (the "custom error" of netqmail and notqmail:
 * "D" and the text, exit status 82). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/pipe_mail.h"
#include "cmd/qmail_envelope.h"
#include "cmd/submit_request.h"
#include "config/config.h"

/* Exit statuses of qmail-queue(8): 11 to 40 are permanent. */
enum {
	QMAIL_EXIT_ADDRESS_TOO_LONG = 11,
	QMAIL_EXIT_REJECTED = 31,
	QMAIL_EXIT_NO_MEMORY = 51,
	QMAIL_EXIT_READ = 54,
	QMAIL_EXIT_TEMPFAIL = 71,
	QMAIL_EXIT_CUSTOM = 82,
	QMAIL_EXIT_ENVELOPE = 91,
};

#define ENVELOPE_FD 1
#define CUSTOM_FD   6
#define READ_CHUNK  65536u

/* 0 or an exit status. */
static int
envelope_read(struct buf *out)
{
	for (;;) {
		ssize_t n;

		if (buf_reserve(out, READ_CHUNK) < 0)
			return QMAIL_EXIT_NO_MEMORY;
		n = read(ENVELOPE_FD, out->data + out->len, READ_CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? QMAIL_EXIT_READ : 0;
		out->len += (size_t)n;
	}
}

/* From qmail's envelope and tcpserver's environment to ours. 0 or an exit status. */
static int
envelope_convert(const struct cordon_options *o, struct buf *text, struct buf *out)
{
	static const int statuses[] = {
		[QMAIL_ENVELOPE_GOOD] = 0,
		[QMAIL_ENVELOPE_CUT] = QMAIL_EXIT_READ,
		[QMAIL_ENVELOPE_BAD] = QMAIL_EXIT_ENVELOPE,
		[QMAIL_ENVELOPE_TOO_LONG] = QMAIL_EXIT_ADDRESS_TOO_LONG,
	};
	struct cordon_options client = *o;
	char *none[] = { NULL };
	struct qmail_envelope e;
	struct slice recipient;
	CLEANUP(mem_free) char *sender = NULL;
	size_t len = 0;
	int r = statuses[qmail_envelope_parse(buf_get(text), &e, &len)];

	if (r != 0)
		return r;
	text->len = len;
	sender = mem_new(e.sender.len + 1);
	if (e.sender.len > 0)
		memcpy(sender, e.sender.ptr, e.sender.len);
	client.sender = sender;
	if (client.client == NULL)
		client.client = getenv("TCPREMOTEIP");
	if (client.client_name == NULL)
		client.client_name = getenv("TCPREMOTEHOST");
	if (pipe_envelope_make(&client, none, out, NULL) < 0)
		return QMAIL_EXIT_NO_MEMORY;
	while (qmail_envelope_next(&e, &recipient)) {
		if (submit_envelope_put(out, SUBMIT_RECIPIENT, recipient) < 0)
			return QMAIL_EXIT_NO_MEMORY;
	}
	return 0;
}

/* The envelope again, on descriptor 1 of the real program. */
static int
envelope_restore(struct slice text)
{
	CLEANUP(fd_close) int fd = memfd_create("cordon-envelope", MFD_CLOEXEC);

	while (fd >= 0 && text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);

		if (n <= 0)
			return -1;
		text = slice_from(text, (size_t)n);
	}
	return fd < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -1 : dup2(fd, ENVELOPE_FD);
}

static int
pass_on(const struct cordon_options *o, struct pipe_mail *m, struct slice envelope)
{
	const char *program = o->qmail_queue;
	char *argv[2] = { NULL, NULL };
	int status;

	if (program == NULL)
		program = getenv("CORDON_QMAIL_QUEUE");
	if (program == NULL || program[0] == '\0')
		program = "/var/qmail/bin/qmail-queue";
	if (envelope_restore(envelope) < 0)
		return QMAIL_EXIT_NO_MEMORY;
	argv[0] = (char *)(uintptr_t)program;
	status = pipe_mail_hand_over(m, argv);
	return status == PIPE_EXIT_TEMPFAIL ? QMAIL_EXIT_TEMPFAIL : status;
}

static int
refuse(const struct pipe_mail *m, bool has_custom)
{
	char line[1200];
	int n = snprintf(line, sizeof(line), "D%s", m->text);

	if (!has_custom || n <= 0 || (size_t)n >= sizeof(line) ||
	    write(CUSTOM_FD, line, (size_t)n) != n)
		return QMAIL_EXIT_REJECTED;
	return QMAIL_EXIT_CUSTOM;
}

static int
qmail_run(
    const struct cordon_options *o, struct config *c, struct pipe_mail *m, bool has_custom)
{
	struct buf qmail, envelope;
	struct err e = { 0 };
	int status = 0;

	buf_init(&qmail, QMAIL_ENVELOPE_MAX_BYTES + READ_CHUNK);
	buf_init(&envelope, SUBMIT_ENVELOPE_MAX_BYTES);
	if (pipe_mail_read(m, c, STDIN_FILENO, &e) < 0)
		status = QMAIL_EXIT_READ;
	/* The envelope comes when the mail was read to its end. */
	if (status == 0 && m->is_cut && pipe_mail_drop_rest(m) < 0)
		status = QMAIL_EXIT_READ;
	if (status == 0)
		status = envelope_read(&qmail);
	if (status == 0)
		status = envelope_convert(o, &qmail, &envelope);
	if (status == 0 && pipe_mail_ask(m, o, c, "qmail", buf_get(&envelope), &e) < 0)
		status = QMAIL_EXIT_TEMPFAIL;
	buf_done(&envelope);
	if (e.text[0] != '\0')
		fprintf(stderr, "cordon: %s\n", e.text);
	if (status == 0 && m->action == INTAKE_ACCEPT && m->is_cut)
		status = QMAIL_EXIT_TEMPFAIL; /* the rest of it is gone */
	if (status == 0 && m->action == INTAKE_ACCEPT)
		status = pass_on(o, m, buf_get(&qmail));
	else if (status == 0 && m->action == INTAKE_REJECT)
		status = refuse(m, has_custom);
	else if (status == 0 && m->action != INTAKE_DISCARD)
		status = QMAIL_EXIT_TEMPFAIL;
	buf_done(&qmail);
	return status;
}

int
cordon_qmail_queue(const struct cordon_options *o)
{
	struct pipe_mail m = { .fd = -1, .log_fd = -1, .text = "" };
	struct stat st;
	bool has_custom = fstat(CUSTOM_FD, &st) == 0 && S_ISFIFO(st.st_mode);
	struct config *c;
	int status = QMAIL_EXIT_TEMPFAIL;

	(void)signal(SIGPIPE, SIG_IGN);
	c = cordon_load_config(o);
	if (c != NULL)
		status = qmail_run(o, c, &m, has_custom);
	pipe_mail_done(&m);
	config_unref(&c);
	return status;
}
