/* gate_control.c: the control socket: requests of the cordon command, one line each, answered
 * by one line of JSON. `scan` brings the file as a descriptor. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/macros.h"
#include "cmd/gate.h"
#include "cmd/lookup.h"
#include "config/config.h"
#include "decide/policy.h"
#include "record/counters.h"
#include "record/json_text.h"
#include "record/result_json.h"
#include "scan/pipeline.h"

#define REQUEST_MAX_BYTES  8192u
#define DESCRIPTORS_MAX    8u
#define READ_CHUNK         (1u << 20)

struct control_client {
	struct gate *gate;
	struct control_client *next, *prev;
	int fd;
	struct loop_watch *watch;
	struct buf in, out;
	size_t out_sent;
	int fds[DESCRIPTORS_MAX];
	unsigned fd_count;
	struct spool spool;
	struct scan_job job;
	struct buf path;
	bool scanning, closing;
};

static void client_next_request(struct control_client *c);

static void
client_close(struct control_client *c)
{
	struct gate *g = c->gate;

	if (c->scanning)
		pipeline_cancel(&c->job);
	spool_done(&c->spool);
	if (c->prev == NULL)
		g->clients = c->next;
	else
		c->prev->next = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	loop_watch_free(&c->watch);
	fd_close(&c->fd);
	for (unsigned i = 0; i < c->fd_count; i++)
		fd_close(&c->fds[i]);
	buf_done(&c->in);
	buf_done(&c->out);
	buf_done(&c->path);
	free(c);
}

void
gate_control_close_all(struct gate *g)
{
	while (g->clients != NULL)
		client_close(g->clients);
}

static void
client_watch(struct control_client *c)
{
	unsigned events = c->out.len > c->out_sent ? LOOP_WRITE : 0;

	if (!c->scanning && c->out.len == c->out_sent)
		events |= LOOP_READ;
	loop_watch_set(c->watch, events);
}

static void
answer_line(struct control_client *c)
{
	if (buf_append_byte(&c->out, '\n') < 0)
		c->closing = true;
}

static void
answer_error(struct control_client *c, const char *text)
{
	(void)buf_append_str(&c->out, "{\"error\":");
	(void)json_text_append(&c->out, slice_of_str(text));
	(void)buf_append_byte(&c->out, '}');
	answer_line(c);
}

static void
scan_answer_result(struct control_client *c)
{
	struct gate *g = c->gate;
	struct evidence ev;
	struct decision d = { 0 };
	size_t before = c->out.len;

	evidence_from_job("scan", &c->job, &ev);
	if (!c->job.list_only)
		policy_decide(g->config, g->hostname, &ev, &d);
	if (result_json_format(buf_get(&c->path), &c->job, &d, &c->out) < 0) {
		c->out.len = before;
		(void)result_json_format_error(buf_get(&c->path), "error",
		    "the result is too long to be told", &c->out);
	}
	answer_line(c);
}

static void
on_scanned(struct scan_job *j)
{
	struct control_client *c = j->owner;

	c->scanning = false;
	scan_answer_result(c);
	scan_job_done(j);
	spool_done(&c->spool);
	client_next_request(c);
}

/* Reads the descriptor whole into the spool. The cause it could not, or CAUSE_NONE. */
static enum cause
scan_read(struct control_client *c, int fd)
{
	struct stat st;
	uint64_t at = 0;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return CAUSE_ERROR;
	if ((uint64_t)st.st_size > c->gate->config->max_message_size)
		return CAUSE_TOO_BIG;
	for (;;) {
		size_t room;
		int error = 0;
		uint8_t *to = spool_reserve(&c->spool, READ_CHUNK, &room, &error);
		ssize_t n = to == NULL ? -1 : pread(fd, to, room, (off_t)at);

		if (n < 0)
			return CAUSE_ERROR;
		if (n == 0)
			return CAUSE_NONE;
		spool_commit(&c->spool, (size_t)n);
		at += (uint64_t)n;
		if (at > c->gate->config->max_message_size)
			return CAUSE_TOO_BIG;
	}
}

/* "\\n" is a newline, a doubled backslash one backslash. */
static void
path_unescape(struct slice escaped, struct buf *out)
{
	buf_clear(out);
	for (size_t i = 0; i < escaped.len; i++) {
		uint8_t byte = escaped.ptr[i];

		if (byte == '\\' && i + 1 < escaped.len)
			byte = escaped.ptr[++i] == 'n' ? '\n' : escaped.ptr[i];
		(void)buf_append_byte(out, byte);
	}
}

/* scan ROLES EXTENT PATH: roles as a number, EXTENT one of enum lookup_extent. */
static void
request_scan(struct control_client *c, struct slice args)
{
	size_t first = slice_find_byte(args, ' ', 0), second;
	uint64_t roles, extent;
	enum cause cause;
	int fd;

	second = first == SIZE_MAX ? SIZE_MAX : slice_find_byte(args, ' ', first + 1);
	if (second == SIZE_MAX || c->fd_count == 0 ||
	    !slice_parse_uint(slice_sub(args, 0, first), 7, &roles) ||
	    !slice_parse_uint(slice_sub(args, first + 1, second - first - 1),
		LOOKUP_EXTENT_COUNT - 1, &extent)) {
		answer_error(c, "scan wants ROLES, EXTENT, PATH and a descriptor");
		return;
	}
	fd = c->fds[0];
	c->fd_count--;
	memmove(c->fds, c->fds + 1, c->fd_count * sizeof(int));
	path_unescape(slice_from(args, second + 1), &c->path);
	cause = scan_read(c, fd);
	close(fd);
	if (cause != CAUSE_NONE) {
		spool_done(&c->spool);
		(void)result_json_format_error(buf_get(&c->path), cause_get_text(cause),
		    cause == CAUSE_TOO_BIG ? "larger than max_message_size" : "cannot be read", &c->out);
		answer_line(c);
		return;
	}
	c->job = (struct scan_job){ .input = c->spool.region,
		.input_len = c->spool.len,
		.roles = (uint32_t)roles,
		.name = path_get_base(buf_get(&c->path)),
		.full = extent != LOOKUP_SHORT,
		.list_only = extent == LOOKUP_LIST,
		.timeout_ms = c->gate->config->message_timeout_ms,
		.done = on_scanned,
		.owner = c };
	c->scanning = true;
	pipeline_start(c->gate->pipeline, &c->job);
}

static void
request_run(struct control_client *c, struct slice line)
{
	struct slice scan = SLICE_LIT("scan ");

	if (slice_starts_with(line, scan)) {
		request_scan(c, slice_from(line, scan.len));
	} else if (slice_eq_str(line, "status")) {
		if (gate_format_status(c->gate, &c->out) < 0)
			c->closing = true;
		answer_line(c);
	} else if (slice_eq_str(line, "reload")) {
		gate_ask_reload(c->gate);
		(void)buf_append_str(&c->out, "{\"ok\":true}");
		answer_line(c);
	} else if (slice_eq_str(line, "purge")) {
		pipeline_purge(c->gate->pipeline);
		(void)buf_append_str(&c->out, "{\"ok\":true}");
		answer_line(c);
	} else {
		answer_error(c, "unknown request");
	}
}

/* Runs what is there, one at a time; writes what came of it. */
static void
client_next_request(struct control_client *c)
{
	size_t end;

	while (!c->scanning && !c->closing &&
	    (end = slice_find_byte(buf_get(&c->in), '\n', 0)) != SIZE_MAX) {
		struct buf line;

		buf_init(&line, REQUEST_MAX_BYTES);
		if (buf_append(&line, c->in.data, end) < 0)
			c->closing = true;
		buf_consume(&c->in, end + 1);
		if (!c->closing)
			request_run(c, buf_get(&line));
		buf_done(&line);
	}
	client_watch(c);
}

static bool
client_write(struct control_client *c)
{
	while (c->out_sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->out_sent, c->out.len - c->out_sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_sent += (size_t)n;
	}
	buf_done(&c->out);
	c->out_sent = 0;
	return true;
}

static void
take_descriptors(struct control_client *c, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h != NULL; h = CMSG_NXTHDR(msg, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (c->fd_count < DESCRIPTORS_MAX)
				c->fds[c->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

static bool
client_read(struct control_client *c)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	if (buf_reserve(&c->in, REQUEST_MAX_BYTES) < 0)
		return false;
	iov = (struct iovec){ c->in.data + c->in.len, REQUEST_MAX_BYTES };
	n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	take_descriptors(c, &msg);
	c->in.len += (size_t)n;
	return n > 0 && (c->in.len < REQUEST_MAX_BYTES ||
	    slice_find_byte(buf_get(&c->in), '\n', 0) != SIZE_MAX);
}

static void
client_event(void *ctx, unsigned events)
{
	struct control_client *c = ctx;

	if ((events & LOOP_READ) != 0 && !client_read(c)) {
		client_close(c);
		return;
	}
	client_next_request(c);
	if (!client_write(c) || (c->closing && c->out.len == c->out_sent)) {
		client_close(c);
		return;
	}
	client_watch(c);
}

void
gate_control_accept(struct gate *g, int *fd)
{
	struct control_client *c = mem_new(sizeof(*c));

	c->gate = g;
	c->fd = TAKE_FD(*fd);
	buf_init(&c->in, 3 * REQUEST_MAX_BYTES);
	buf_init(&c->out, RESULT_JSON_MAX_BYTES);
	buf_init(&c->path, REQUEST_MAX_BYTES);
	spool_init(&c->spool, g->spools);
	c->next = g->clients;
	if (g->clients != NULL)
		g->clients->prev = c;
	g->clients = c;
	c->watch = loop_watch_new(g->loop, c->fd, LOOP_READ, client_event, c);
}

void
gate_get_version(void *ctx, struct buf *out)
{
	struct gate *g = ctx;
	struct pool_status inspectors = worker_pool_get_status(pipeline_get_inspectors(g->pipeline));
	struct pool_status engines = worker_pool_get_status(pipeline_get_engines(g->pipeline));
	time_t built = (time_t)MAX_OF(inspectors.built, engines.built);
	struct tm tm;
	char date[64] = "";

	if (built > 0 && gmtime_r(&built, &tm) != NULL)
		(void)strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm);
	(void)buf_printf(out, "Cordon %s/%" PRIu64 "/%s", CORDON_VERSION,
	    inspectors.signatures + engines.signatures, date);
}

int
gate_format_status(struct gate *g, struct buf *out)
{
	struct pipeline_status p = pipeline_get_status(g->pipeline);
	uint64_t asked = p.cache.hits + p.cache.misses;
	int s = buf_printf(out, "{\"version\":\"%s\",\"host\":", CORDON_VERSION);

	s |= json_text_append(out, slice_of_str(g->hostname));
	s |= buf_printf(out, ",\"now\":%" PRId64 ",\"sessions\":%u,\"sessions_total\":%" PRIu64
	    ",\"sessions_refused\":%" PRIu64 ",\"mails_in_flight\":%u,\"memory\":{\"used\":%" PRIu64
	    ",\"budget\":%" PRIu64 "}", clock_wall_s(), g->session_count, g->sessions_total,
	    g->sessions_refused, g->mail_count, spool_pool_get_used(g->spools),
	    g->config->memory_budget);
	s |= buf_printf(out, ",\"workers\":{\"inspectors\":%u,\"busy\":%u,\"died\":%" PRIu64
	    ",\"timeouts\":%" PRIu64 ",\"signatures\":%" PRIu64 "},\"queue\":{\"small\":%u,"
	    "\"large\":%u,\"memory\":%u}", p.inspectors.workers, p.inspectors.busy,
	    p.inspectors.died, p.inspectors.timeouts, p.inspectors.signatures,
	    p.inspectors.queued_small, p.inspectors.queued_large, p.waiting_for_memory);
	s |= buf_printf(out, ",\"cache\":{\"entries\":%" PRIu32 ",\"stored\":%" PRIu64 ",\"hits\":%"
	    PRIu64 ",\"misses\":%" PRIu64 ",\"hit_rate\":%.3f,\"known_infected_hits\":%" PRIu64
	    "},\"scanners\":[", p.cache.entries, p.cache.stored, p.cache.hits, p.cache.misses,
	    asked == 0 ? 0.0 : (double)p.cache.hits / (double)asked, p.known_hits);
	for (uint32_t i = 0; i < pipeline_get_scanner_count(g->pipeline); i++) {
		struct scanner *scanner = pipeline_get_scanner(g->pipeline, i);

		s |= i > 0 ? buf_append_byte(out, ',') : 0;
		s |= scanner->ops->format_status(scanner, out);
	}
	s |= buf_append_str(out, "],");
	s |= counters_format_json(g->counters, out);
	s |= buf_append_byte(out, '}');
	return s < 0 ? -1 : 0;
}
