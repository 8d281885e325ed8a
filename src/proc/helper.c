/* helper.c: the inspector's end; see helper.h. Runs inside the cage: reads and writes of
 * descriptors that are open or were received, and one mapping. */
#include "proc/helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/macros.h"
#include "proc/cage.h"
#include "proc/frame.h"
#include "proc/helper_private.h"
#include "proc/wire.h"

#define ANSWER_WAIT_MS 10000 /* beyond what a run may take: then the companion is given up */
#define RUN_MAX_BYTES  (2 * HELPER_TEXT_MAX + 64)
#define READ_CHUNK     ((size_t)64 << 10)

struct helper {
	int sock;
	pid_t pid;
	bool has[HELPER_PROGRAM_COUNT];
};

_Noreturn static void
companion_main(int sock, struct helper_cage *cage, int keep_fd, pid_t parent)
{
	const int keep[] = { sock, keep_fd, cage->landlock_fd };
	struct err e;

	process_set_name("cordon-helper");
	process_tie_to_parent(parent);
	(void)signal(SIGPIPE, SIG_IGN);
	for (int fd = 3; fd < 1024; fd++) {
		bool kept = helper_cage_has(cage, fd);

		for (size_t i = 0; i < ARRAY_LEN(keep); i++)
			kept = kept || keep[i] == fd;
		if (!kept)
			(void)close(fd);
	}
	if (helper_cage_enter_companion(cage, &e) < 0) {
		(void)frame_send(sock, FRAME_HELP_STOP, slice_of_str(e.text), NULL, 0);
		_exit(2);
	}
	(void)frame_send(sock, FRAME_READY, SLICE_NONE, NULL, 0);
	helper_process_run(sock, cage);
	_exit(0);
}

/* It is closed in and serves, or says why not. */
static bool
companion_is_ready(struct helper *h, struct err *e)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct pollfd p = { h->sock, POLLIN, 0 };
	struct frame f = { 0 };
	int r;

	do {
		r = poll(&p, 1, ANSWER_WAIT_MS);
	} while (r < 0 && errno == EINTR);
	if (r > 0 && frame_recv(h->sock, buffer, &f) == 1 && f.type == FRAME_READY)
		return true;
	frame_close_fds(&f);
	err_set(e, 0, "%.*s",
	    SLICE_FMT(f.body.len > 0
			  ? f.body
			  : SLICE_LIT("the companion that opens archives does not start")));
	return false;
}

struct helper *
helper_start(
    const struct helper_paths *paths, uint64_t memory_bytes, int keep_fd, struct err *e)
{
	struct helper_cage cage;
	struct helper *h;
	pid_t parent = getpid(), pid;
	int pair[2];

	if (helper_cage_init(&cage, paths, memory_bytes, e) < 0)
		return NULL;
	if (frame_pair(pair) < 0) {
		helper_cage_done(&cage);
		return err_null(e, errno, "cannot make a socket to the companion");
	}
	pid = fork();
	if (pid == 0)
		companion_main(pair[1], &cage, keep_fd, parent);
	close(pair[1]);
	if (pid < 0) {
		err_set(e, errno, "cannot start the companion that opens archives");
		close(pair[0]);
		helper_cage_done(&cage);
		return NULL;
	}
	h = mem_new(sizeof(*h));
	h->sock = pair[0];
	h->pid = pid;
	for (size_t i = 0; i < HELPER_PROGRAM_COUNT; i++)
		h->has[i] = cage.program_fds[i] >= 0;
	helper_cage_done(&cage);
	if (!companion_is_ready(h, e))
		helper_free(&h);
	return h;
}

static void
helper_lose(struct helper *h)
{
	fd_close(&h->sock);
}

void
helper_free(struct helper **address)
{
	struct helper *h = *address;

	if (h == NULL)
		return;
	helper_lose(h);
	(void)waitpid(h->pid, NULL, 0);
	free(h);
	*address = NULL;
}

bool
helper_is_there(const struct helper *h)
{
	return h != NULL && h->sock >= 0;
}

bool
helper_has(const struct helper *h, enum helper_program program)
{
	return helper_is_there(h) && h->has[program];
}

/* The companion's next message, of this type. False: there is none, and it is given up. */
static bool
answer_get(struct helper *h, enum frame_type type, size_t fd_count, int wait_ms,
    struct frame *ret, uint8_t *buffer)
{
	struct pollfd p = { h->sock, POLLIN, 0 };
	int r;

	do {
		r = poll(&p, 1, wait_ms);
	} while (r < 0 && errno == EINTR);
	if (r > 0 && frame_recv(h->sock, buffer, ret) == 1) {
		if (ret->type == type && ret->fd_count == fd_count)
			return true;
		frame_close_fds(ret);
	}
	helper_lose(h);
	return false;
}

bool
helper_set_input(struct helper *h, struct slice bytes)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	uint64_t size = bytes.len;
	struct frame f;
	void *map;

	if (!helper_is_there(h) || bytes.len == 0 || bytes.len > HELPER_INPUT_MAX)
		return false;
	if (frame_send(h->sock, FRAME_HELP_INPUT, slice_of(&size, sizeof(size)), NULL, 0) < 0) {
		helper_lose(h);
		return false;
	}
	if (!answer_get(h, FRAME_HELP_REGION, 1, ANSWER_WAIT_MS, &f, buffer))
		return false;
	map = mmap(NULL, bytes.len, PROT_READ | PROT_WRITE, MAP_SHARED, f.fds[0], 0);
	frame_close_fds(&f);
	if (map == MAP_FAILED)
		return false;
	memcpy(map, bytes.ptr, bytes.len);
	(void)munmap(map, bytes.len);
	return true;
}

int
helper_run_encode(const struct helper_job *job, struct buf *b)
{
	int r = wire_put_u8(b, (uint8_t)job->mode);

	if (r == 0)
		r = wire_put_u8(b, (uint8_t)job->type);
	if (r == 0)
		r = wire_put_u32(b, job->wall_ms);
	if (r == 0)
		r = wire_put_u32(b, job->cpu_ms);
	if (r == 0)
		r = wire_put_slice(b, job->password);
	return r == 0 ? wire_put_slice(b, job->member) : r;
}

bool
helper_run_decode(struct slice body, struct helper_job *ret)
{
	struct wire_reader r = wire_read(body);
	struct helper_job job = { 0 };
	uint8_t mode = wire_get_u8(&r), type = wire_get_u8(&r);

	job.wall_ms = wire_get_u32(&r);
	job.cpu_ms = wire_get_u32(&r);
	job.password = wire_get_slice(&r);
	job.member = wire_get_slice(&r);
	if (!wire_is_done(&r) || mode >= HELPER_MODE_COUNT || type >= HELPER_TYPE_COUNT ||
	    job.wall_ms == 0 || job.wall_ms > INT32_MAX || job.cpu_ms == 0 ||
	    job.password.len > HELPER_TEXT_MAX || job.member.len > HELPER_TEXT_MAX)
		return false;
	job.mode = (enum helper_mode)mode;
	job.type = (enum helper_type)type;
	*ret = job;
	return true;
}

int
helper_ended_encode(const struct helper_result *result, struct buf *b)
{
	int r = wire_put_u8(b, (uint8_t)result->end);

	if (r == 0)
		r = wire_put_u32(b, result->status);
	return r == 0 ? wire_put_u64(b, result->cpu_us) : r;
}

bool
helper_ended_decode(struct slice body, struct helper_result *ret)
{
	struct wire_reader r = wire_read(body);
	uint8_t end = wire_get_u8(&r);
	struct helper_result result = { .status = wire_get_u32(&r),
		.cpu_us = wire_get_u64(&r) };

	if (!wire_is_done(&r) || end >= HELPER_END_COUNT)
		return false;
	result.end = (enum helper_end)end;
	*ret = result;
	return true;
}

/* Reads once from a pipe. False: its end; *ret_stop tells whether the sink has enough. */
static bool
pipe_read(int fd, bool (*sink)(void *, struct slice), void *ctx, bool *ret_stop)
{
	static uint8_t chunk[READ_CHUNK];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	*ret_stop = !sink(ctx, slice_of(chunk, (size_t)n));
	return true;
}

/* Both pipes to their ends. False: the sinks have enough, or it takes too long. */
static bool
pipes_drain(const struct helper_job *job, int *fds, int64_t due_ms)
{
	bool stop = false;

	while (!stop && (fds[0] >= 0 || fds[1] >= 0)) {
		struct pollfd p[2] = { { fds[0], POLLIN, 0 }, { fds[1], POLLIN, 0 } };
		int64_t left = due_ms - clock_now_ms();

		if (left <= 0)
			return false;
		if (poll(p, 2, (int)left) < 0)
			continue;
		if (p[0].revents != 0 && !pipe_read(fds[0], job->output, job->ctx, &stop))
			fd_close(&fds[0]);
		if (!stop && p[1].revents != 0 &&
		    !pipe_read(fds[1], job->message, job->ctx, &stop))
			fd_close(&fds[1]);
	}
	return !stop;
}

/* The run's message, then whatever it says until it ended. */
static struct helper_result
run_talk(struct helper *h, const struct helper_job *job)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct helper_result result = { 0 };
	int64_t due_ms = clock_now_ms() + job->wall_ms + ANSWER_WAIT_MS;
	int fds[2] = { -1, -1 };
	struct frame f;
	bool whole;
	int r;

	do {
		struct pollfd p = { h->sock, POLLIN, 0 };

		r = poll(&p, 1, ANSWER_WAIT_MS);
	} while (r < 0 && errno == EINTR);
	if (r <= 0 || frame_recv(h->sock, buffer, &f) != 1) {
		helper_lose(h);
		return result;
	}
	if (f.type == FRAME_HELP_ENDED && f.fd_count == 0) { /* could not be started */
		if (!helper_ended_decode(f.body, &result))
			helper_lose(h);
		return result;
	}
	if (f.type != FRAME_HELP_STARTED || f.fd_count != 2) {
		frame_close_fds(&f);
		helper_lose(h);
		return result;
	}
	fds[0] = frame_take_fd(&f, 0);
	fds[1] = frame_take_fd(&f, 1);
	whole = pipes_drain(job, fds, due_ms);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	if (!whole)
		(void)frame_send(h->sock, FRAME_HELP_STOP, SLICE_NONE, NULL, 0);
	if (!answer_get(h, FRAME_HELP_ENDED, 0, ANSWER_WAIT_MS + (int)job->wall_ms, &f, buffer))
		return result;
	if (!helper_ended_decode(f.body, &result)) {
		helper_lose(h);
		return (struct helper_result){ 0 };
	}
	if (!whole)
		result.end = HELPER_STOPPED;
	return result;
}

struct helper_result
helper_run(struct helper *h, const struct helper_job *job)
{
	CLEANUP(buf_done) struct buf b = { .max = RUN_MAX_BYTES };
	int64_t begun_us = clock_now_us();
	struct helper_result result = { 0 };

	if (!helper_is_there(h) || helper_run_encode(job, &b) < 0)
		return result;
	if (frame_send(h->sock, FRAME_HELP_RUN, buf_get(&b), NULL, 0) < 0)
		helper_lose(h);
	else
		result = run_talk(h, job);
	result.wall_us = (uint64_t)(clock_now_us() - begun_us);
	return result;
}
