/* pipe_mail.c: reading a mail from a pipe, passing it on, exit statuses. Asking is
 * pipe_gate.c's. The bytes are only copied here, and the header fields that Cordon adds or
 * removes are found in them; what a mail holds is looked at in cages. */
#include "cmd/pipe_mail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/submit_request.h"
#include "config/config.h"
#include "message/message.h"
#include "message/spool.h"
#include "proc/region.h"

#define READ_CHUNK       (1u << 20)
#define COPY_CHUNK       65536u
#define FROM_LINE_MAX    512u
#define PIECES_PER_WRITE 64

extern char **environ;

/* The line that stands before a mail of an mbox, as MTAs write it for delivery agents: it
 * belongs to the envelope. A line that is too long or odd for that stays part of the mail. */
static void
from_line_take(struct pipe_mail *m)
{
	struct slice all = message_get_bytes(m->message);
	size_t end = slice_find_byte(slice_sub(all, 0, FROM_LINE_MAX), '\n', 0);
	struct spool *s = &m->message->spool;

	if (!slice_starts_with(all, SLICE_LIT("From ")) || end == SIZE_MAX)
		return;
	for (size_t i = 0; i < end; i++) {
		uint8_t c = all.ptr[i];

		if ((c < 0x20 && c != '\t' && !(c == '\r' && i + 1 == end)) || c == 0x7f)
			return;
	}
	m->from_line = arena_copy(m->message->arena, slice_sub(all, 0, end + 1));
	if (m->from_line.len == 0)
		return;
	memmove(s->region->ptr, s->region->ptr + end + 1, s->len - (end + 1));
	s->len -= end + 1;
}

/* 1 go on, 0 the end, negative errno. */
static int
piece_read(struct pipe_mail *m, uint64_t most)
{
	struct spool *s = &m->message->spool;
	size_t room;
	int error = 0;
	uint8_t *to =
	    spool_reserve(s, MIN_OF((uint64_t)READ_CHUNK, most - s->len), &room, &error);
	ssize_t n;

	if (to == NULL)
		return error;
	n = read(m->fd, to, room);
	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	spool_commit(s, (size_t)n);
	return n > 0;
}

int
pipe_mail_read(struct pipe_mail *m, const struct config *c, int fd, struct err *e)
{
	uint64_t most = c->max_message_size + 1 + FROM_LINE_MAX;
	struct message_limits limits = {
		.max_bytes = most, .header_bytes = c->limits.header_bytes, .recipients = 1
	};
	int r = 1;

	*m = (struct pipe_mail){ .fd = fd, .log_fd = -1, .text = "" };
	m->pool = spool_pool_new(UINT64_MAX);
	m->message = message_new(&limits, m->pool, NULL, SLICE_NONE, SLICE_NONE);
	while (r == 1 && m->message->spool.len < most)
		r = piece_read(m, most);
	if (r < 0)
		return err_set(e, -r, "cannot read the mail");
	m->is_cut = r == 1;
	from_line_take(m);
	message_find_header(m->message);
	return 0;
}

void
pipe_mail_done(struct pipe_mail *m)
{
	pipe_log_print(&m->log_fd);
	message_free(&m->message);
	spool_pool_free(&m->pool);
}

static int
write_all(int fd, struct iovec *iov, int count)
{
	while (count > 0) {
		ssize_t n = writev(fd, iov, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		while (count > 0 && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			count--;
		}
		if (count > 0) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static struct iovec
iov_of(struct slice s)
{
	return (struct iovec){ (void *)(uintptr_t)s.ptr, s.len };
}

/* What is above max_message_size was not kept, and the policy lets it pass. to -1: nowhere. */
static int
rest_copy(int from, int to)
{
	uint8_t chunk[COPY_CHUNK];

	for (;;) {
		ssize_t n = read(from, chunk, sizeof(chunk));
		struct iovec iov = { chunk, (size_t)n };
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = to < 0 ? 0 : write_all(to, &iov, 1);
		if (r < 0)
			return r;
	}
}

int
pipe_mail_drop_rest(struct pipe_mail *m)
{
	return rest_copy(m->fd, -1);
}

int
pipe_mail_write(const struct pipe_mail *m, int fd)
{
	struct iovec iov[PIECES_PER_WRITE] = { iov_of(m->from_line) };
	int count = 1, r = 0;

	ASSERT(m->action == INTAKE_ACCEPT);
	for (size_t i = 0; i < m->piece_count && r == 0; i++) {
		iov[count++] = iov_of(m->pieces[i]);
		if (count == PIECES_PER_WRITE) {
			r = write_all(fd, iov, count);
			count = 0;
		}
	}
	if (r == 0)
		r = write_all(fd, iov, count);
	return r == 0 && m->is_cut ? rest_copy(m->fd, fd) : r;
}

struct slice
pipe_address_strip(const char *address)
{
	struct slice s = slice_trim(slice_of_str(address));

	if (s.len >= 2 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>')
		s = slice_sub(s, 1, s.len - 2);
	return s;
}

static bool
is_ip_address(const char *text)
{
	uint8_t bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int
pipe_envelope_make(
    const struct cordon_options *o, char *const *recipients, struct buf *out, struct err *e)
{
	const char *client = o->client == NULL ? "" : o->client;
	int r;

	if (strncmp(client, "IPv6:", 5) == 0)
		client += 5;
	r = submit_envelope_put(
	    out, SUBMIT_SENDER, pipe_address_strip(o->sender == NULL ? "" : o->sender));
	/* MTAs have words for "unknown" in the place of an address. */
	if (is_ip_address(client))
		r |= submit_envelope_put(out, SUBMIT_CLIENT_ADDRESS, slice_of_str(client));
	r |= submit_envelope_put(out, SUBMIT_CLIENT_NAME, slice_of_str(o->client_name));
	r |= submit_envelope_put(out, SUBMIT_HELO, slice_of_str(o->helo));
	r |= submit_envelope_put(out, SUBMIT_USER, slice_of_str(o->mail_user));
	r |= submit_envelope_put(out, SUBMIT_QUEUE_ID, slice_of_str(o->queue_id));
	r |= submit_envelope_put(out, SUBMIT_INFECTED, slice_of_str(o->infected));
	for (size_t i = 0; recipients[i] != NULL; i++)
		r |= submit_envelope_put(
		    out, SUBMIT_RECIPIENT, pipe_address_strip(recipients[i]));
	return r < 0 ? err_set(e, ENOBUFS, "the envelope is too long") : 0;
}

static int
answer_get_status(const struct pipe_mail *m)
{
	switch (m->action) {
	case INTAKE_ACCEPT:
		return PIPE_EXIT_PASSED;
	case INTAKE_DISCARD:
		return PIPE_EXIT_DISCARD;
	case INTAKE_REJECT:
		/* First on the line: MTAs take it for the bounce. */
		fprintf(stderr, "%s\n", m->text);
		return PIPE_EXIT_REJECTED;
	case INTAKE_HOLD:
		fprintf(stderr,
		    "4.7.1 The policy wants this mail on hold, which cannot be done here\n");
		return PIPE_EXIT_TEMPFAIL;
	case INTAKE_TEMPFAIL:
		break;
	}
	fprintf(stderr, "%s\n", m->text);
	return PIPE_EXIT_TEMPFAIL;
}

int
pipe_mail_run(struct pipe_mail *m, const struct cordon_options *o, const char *way,
    char *const *recipients)
{
	struct config *c = cordon_load_config(o);
	struct err e = { 0 };
	struct buf envelope;
	int r;

	*m = (struct pipe_mail){ .fd = -1, .log_fd = -1, .text = "" };
	if (c == NULL)
		return PIPE_EXIT_TEMPFAIL;
	/* A reader that leaves is an error of a write, not our death. */
	(void)signal(SIGPIPE, SIG_IGN);
	buf_init(&envelope, SUBMIT_ENVELOPE_MAX_BYTES);
	r = pipe_envelope_make(o, recipients, &envelope, &e);
	if (r == 0)
		r = pipe_mail_read(m, c, STDIN_FILENO, &e);
	if (r == 0)
		r = pipe_mail_ask(m, o, c, way, buf_get(&envelope), &e);
	buf_done(&envelope);
	config_unref(&c);
	if (r < 0) {
		fprintf(stderr, "4.3.0 cordon: %s\n", e.text);
		return PIPE_EXIT_TEMPFAIL;
	}
	return answer_get_status(m);
}

/* A file of the whole mail, so that what reads it gets all of it, or nothing: also when we are
 * killed meanwhile. */
static int
file_make(const struct pipe_mail *m)
{
	CLEANUP(fd_close) int fd = memfd_create("cordon-mail", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = pipe_mail_write(m, fd);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

static int
command_start(char *const *argv, int input_fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	r = posix_spawn_file_actions_adddup2(&actions, input_fd, STDIN_FILENO);
	r |= posix_spawnattr_setsigdefault(&attributes, &signals);
	r |= posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	if (r == 0)
		r = posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

int
pipe_mail_hand_over(struct pipe_mail *m, char *const *argv)
{
	CLEANUP(fd_close) int fd = file_make(m);
	pid_t pid = 0;
	int status, r;

	r = fd < 0 ? fd : command_start(argv, fd, &pid);
	if (r < 0) {
		fprintf(stderr, "4.3.0 cordon: cannot run '%s': %s\n", argv[0], strerror(-r));
		return PIPE_EXIT_TEMPFAIL;
	}
	pipe_mail_done(m); /* the command has its own copy */
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return PIPE_EXIT_TEMPFAIL;
	}
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(
	    stderr, "4.3.0 cordon: '%s' was killed by signal %d\n", argv[0], WTERMSIG(status));
	return PIPE_EXIT_TEMPFAIL;
}
