/* pipe_gate.c: finding a gate, and asking it about a mail. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "act/rewrite.h"
#include "base/arena.h"
#include "base/macros.h"
#include "cmd/cordon.h"
#include "cmd/gate.h"
#include "cmd/lookup.h"
#include "cmd/pipe_mail.h"
#include "cmd/submit_request.h"
#include "config/config.h"
#include "message/message.h"
#include "proc/region.h"
#include "record/result_json.h"

#define ANSWER_SLACK_MS 60000  /* for a gate whose memory is spent */
#define LOAD_MS         300000 /* for a database */
#define EDIT_NAMES_MAX  8u

int
pipe_gate_open(
    struct pipe_gate *g, const struct cordon_options *o, struct config *c, struct err *e)
{
	*g = (struct pipe_gate){ .fd = -1,
		.log_fd = -1,
		.timeout_ms = (int64_t)c->message_timeout_ms + ANSWER_SLACK_MS };
	if (!o->local)
		g->fd = daemon_connect(c->control_socket, e);
	if (g->fd >= 0)
		return 0;
	if (o->no_local)
		return o->local
			   ? err_set(e, EINVAL, "--local and --no-local leave nobody to ask")
			   : -ECONNREFUSED;
	g->timeout_ms += LOAD_MS;
	g->fd = gate_local_start(c, &g->pid, &g->log_fd, e);
	return g->fd < 0 ? g->fd : 0;
}

void
pipe_gate_close(struct pipe_gate *g)
{
	fd_close(&g->fd);
	if (g->pid > 0)
		(void)waitpid(g->pid, NULL, 0);
	g->pid = 0;
}

void
pipe_log_print(int *log_fd)
{
	char text[4096];
	ssize_t n;

	for (off_t at = 0; *log_fd >= 0 && (n = pread(*log_fd, text, sizeof(text), at)) > 0;
	     at += n)
		fwrite(text, 1, (size_t)n, stderr);
	fd_close(log_fd);
}

/* One line of printable ASCII. */
static const char *
text_clean(struct message *m, const char *enhanced, const char *text)
{
	size_t enhanced_len = strlen(enhanced), len = enhanced_len + 1 + strlen(text);
	char *out = arena_alloc(m->arena, len + 1);

	if (out == NULL)
		return "";
	snprintf(out, len + 1, "%s%s%s", enhanced, enhanced_len > 0 ? " " : "", text);
	for (char *p = out; *p != '\0'; p++) {
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	}
	return out;
}

static const char *
arena_string(struct message *m, const json_t *value)
{
	const char *s = json_string_value(value);
	struct slice copy;

	if (s == NULL)
		return NULL;
	copy = arena_copy(m->arena, slice_of(s, strlen(s) + 1));
	return copy.len == 0 ? NULL : (const char *)copy.ptr;
}

/* Whether name stands among the names, which rewrite_make() bounds. */
static bool
name_is_allowed(const char **names, size_t *count, const char *name)
{
	for (size_t i = 0; i < *count; i++) {
		if (slice_eq_str_nocase(slice_of_str(names[i]), name))
			return true;
	}
	if (*count == EDIT_NAMES_MAX)
		return false;
	names[(*count)++] = name;
	return true;
}

static int
edits_take(struct message *m, const json_t *list, struct intake_header_edit *edits)
{
	const char *names[EDIT_NAMES_MAX];
	size_t i, name_count = 0;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		const json_t *value = json_object_get(item, "value");
		json_int_t index = json_integer_value(json_object_get(item, "index"));

		edits[i] = (struct intake_header_edit){
			.name = arena_string(m, json_object_get(item, "name")),
			.value = arena_string(m, value),
		};
		if (edits[i].name == NULL || strpbrk(edits[i].name, ": \t\r\n") != NULL ||
		    index < 0 || index > UINT32_MAX)
			return -EPROTO;
		edits[i].index = (unsigned)index;
		if (edits[i].value == NULL &&
		    (!json_is_null(value) || index == 0 ||
			!name_is_allowed(names, &name_count, edits[i].name)))
			return -EPROTO;
	}
	return 0;
}

static int
pieces_make(struct pipe_mail *m, const json_t *list)
{
	size_t count = json_array_size(list);
	struct intake_header_edit *edits;

	if (!json_is_array(list))
		return -EPROTO;
	edits = arena_alloc(m->message->arena, (count + 1) * sizeof(*edits));
	if (edits == NULL || edits_take(m->message, list, edits) < 0)
		return -EPROTO;
	return rewrite_make(m->message, edits, count, &m->pieces, &m->piece_count);
}

static int
answer_take(struct pipe_mail *m, const json_t *answer, struct err *e)
{
	static const struct {
		const char *word;
		enum intake_action action;
	} words[] = { { "accept", INTAKE_ACCEPT }, { "reject", INTAKE_REJECT },
		{ "discard", INTAKE_DISCARD }, { "hold", INTAKE_HOLD },
		{ "tempfail", INTAKE_TEMPFAIL } };
	const char *word = json_string_value(json_object_get(answer, "action"));
	const char *text = json_string_value(json_object_get(answer, "text"));
	const char *enhanced = json_string_value(json_object_get(answer, "enhanced"));
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *verdict = json_string_value(json_object_get(answer, "verdict"));
	size_t i = 0;

	if (error != NULL)
		return err_set(e, EPROTO, "cordond says: %.200s", error);
	while (word != NULL && i < ARRAY_LEN(words) && strcmp(words[i].word, word) != 0)
		i++;
	if (word == NULL || i == ARRAY_LEN(words) || text == NULL || enhanced == NULL ||
	    verdict == NULL)
		return err_set(e, EPROTO, "the answer of cordond is not understood");
	/* A gate with another configuration takes the begin of the mail for all of it. */
	if (m->is_cut && words[i].action == INTAKE_ACCEPT && strcmp(verdict, "unscanned") != 0)
		return err_set(e, EPROTO,
		    "the mail is above max_message_size here and not for cordond: it was not "
		    "looked at as a whole");
	m->code = (unsigned)json_integer_value(json_object_get(answer, "code"));
	m->text = text_clean(m->message, enhanced, text);
	if (words[i].action == INTAKE_ACCEPT) {
		int r = pieces_make(m, json_object_get(answer, "edits"));

		if (r < 0)
			return err_set(e, -r, "the mail cannot be changed as cordond wants it");
	}
	m->action = words[i].action;
	return 0;
}

int
pipe_mail_take_answer(struct pipe_mail *m, struct slice json, struct err *e)
{
	json_t *answer =
	    json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
	int r = answer_take(m, answer, e);

	json_decref(answer);
	return r;
}

/* A file for the gate, or -1. */
static int
file_of(struct slice bytes, struct err *e)
{
	CLEANUP(fd_close) int fd = memfd_create("cordon-envelope", MFD_CLOEXEC);

	while (fd >= 0 && bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);

		if (n <= 0)
			return err_set(e, errno, "no memory for the envelope");
		bytes = slice_from(bytes, (size_t)n);
	}
	return fd < 0 ? err_set(e, errno, "no memory for the envelope") : TAKE_FD(fd);
}

static int
gate_ask(struct pipe_gate *g, struct pipe_mail *m, struct slice way, int envelope_fd,
    struct buf *answer, struct err *e)
{
	struct submit_request request = { .way = way, .length = m->message->spool.len };
	int fds[2] = { m->message->spool.region->read_fd, envelope_fd };
	struct buf line;
	int r;

	buf_init(&line, 1024);
	r = submit_request_format(&request, &line);
	r = r < 0 ? err_set(e, EINVAL, "'%.*s' is no name of a listener", SLICE_FMT(way))
		  : daemon_send(g->fd, buf_get(&line), fds, 2, e);
	buf_done(&line);
	return r < 0 ? r : daemon_receive(g->fd, g->timeout_ms, answer, e);
}

int
pipe_mail_ask(struct pipe_mail *m, const struct cordon_options *o, struct config *c,
    const char *way, struct slice envelope, struct err *e)
{
	CLEANUP(fd_close) int envelope_fd = file_of(envelope, e);
	struct pipe_gate g;
	struct buf answer;
	int r;

	m->action = INTAKE_TEMPFAIL;
	if (envelope_fd < 0)
		return envelope_fd;
	buf_init(&answer, RESULT_JSON_MAX_BYTES);
	r = pipe_gate_open(&g, o, c, e);
	if (r == 0)
		r = gate_ask(&g, m, slice_of_str(o->listener == NULL ? way : o->listener),
		    envelope_fd, &answer, e);
	if (r == 0)
		r = pipe_mail_take_answer(m, buf_get(&answer), e);
	pipe_gate_close(&g);
	m->log_fd = g.log_fd;
	buf_done(&answer);
	return r;
}
