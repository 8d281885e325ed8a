/* cordon_session.c: `cordon smtp`: a protocol on standard input and output, spoken by the gate
 * at the other end of a socket; here bytes are only passed on. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/lookup.h"
#include "cmd/pipe_mail.h"
#include "cmd/relay.h"
#include "cmd/submit_request.h"
#include "config/config.h"
#include "intake/intake.h"

#define ANSWER_MAX_BYTES 65536u
#define ENDED_WAIT_MS    50

/* Gives one end of a socket to the gate. The other end, or a negative errno with *e. */
static int
session_open(
    struct pipe_gate *g, const struct cordon_options *o, const char *protocol, struct err *e)
{
	struct session_request request = { .protocol = slice_of_str(protocol),
		.listener = slice_of_str(o->listener) };
	struct intake_client peer = {
		0
	}; /* empty when there is no connection over a network */
	struct buf text;
	int pair[2], r;

	(void)intake_client_set_peer(&peer, STDIN_FILENO);
	request.port = peer.port;
	request.address = slice_of_str(peer.address);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, errno, "cannot make a socket");
	buf_init(&text, ANSWER_MAX_BYTES);
	r = session_request_format(&request, &text);
	r = r < 0 ? err_set(e, EINVAL, "'%s' is no name of a listener", o->listener)
		  : daemon_send(g->fd, buf_get(&text), &pair[1], 1, e);
	close(pair[1]);
	buf_clear(&text);
	if (r == 0)
		r = daemon_receive(g->fd, g->timeout_ms, &text, e);
	if (r == 0 && !slice_eq_str(buf_get(&text), "{\"ok\":true}"))
		r = err_set(e, EPROTO, "cordond says: %.200s", buf_get_str(&text));
	buf_done(&text);
	if (r < 0)
		close(pair[0]);
	return r < 0 ? r : pair[0];
}

/* Whether the end of standard input is the client's: a pipe may end behind its last command,
 * and the replies to all of them are still wanted. */
static bool
input_is_client(const char *protocol)
{
	struct stat st;

	return strcmp(protocol, "smtp") != 0 ||
	       (fstat(STDIN_FILENO, &st) == 0 && S_ISSOCK(st.st_mode));
}

/* A gate that was killed took the control connection along. */
static bool
gate_is_gone(const struct pipe_gate *g)
{
	struct pollfd p = { g->fd, POLLIN, 0 };

	return poll(&p, 1, ENDED_WAIT_MS) > 0;
}

static void
session_close(struct pipe_gate *g)
{
	pipe_gate_close(g);
	pipe_log_print(&g->log_fd);
}

static int
session_run(
    const struct cordon_options *o, const char *protocol, struct config *c, struct err *e)
{
	CLEANUP(session_close) struct pipe_gate g = { .fd = -1, .log_fd = -1 };
	CLEANUP(fd_close) int fd = -1;
	int r = pipe_gate_open(&g, o, c, e);

	if (r == 0)
		fd = session_open(&g, o, protocol, e);
	if (r < 0 || fd < 0)
		return r < 0 ? r : fd;
	r = relay_run(STDIN_FILENO, STDOUT_FILENO, fd, input_is_client(protocol));
	if (r < 0) {
		(void)err_set(e, -r, "the connection broke");
		return 1;
	}
	/* The peer need not wait for us to make sure. */
	(void)shutdown(STDOUT_FILENO, SHUT_WR);
	close(STDOUT_FILENO);
	if (gate_is_gone(&g)) {
		(void)err_set(e, EPIPE, "cordond ended in the middle of a session");
		return 1;
	}
	return 0;
}

/* What is said when nobody can serve. */
static int
session_main(const struct cordon_options *o, const char *protocol, const char *refusal)
{
	struct config *c = cordon_load_config(o);
	struct err e = { 0 };
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	r = c == NULL ? -EINVAL : session_run(o, protocol, c, &e);
	config_unref(&c);
	if (r == 0)
		return 0;
	if (e.text[0] != '\0')
		fprintf(stderr, "cordon: %s\n", e.text);
	if (r < 0)
		(void)!write(STDOUT_FILENO, refusal, strlen(refusal));
	return PIPE_EXIT_TEMPFAIL;
}

int
cordon_smtp(const struct cordon_options *o)
{
	return session_main(o, "smtp", "421 4.3.0 Service not available, try again later\r\n");
}
