/* clamd_fake.h: a clamd for unit tests, on the test's own loop: answers, or goes wrong in one
 * way. Include in one file only. */
#ifndef CORDON_TESTS_CLAMD_FAKE_H
#define CORDON_TESTS_CLAMD_FAKE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/macros.h"
#include "base/sha256.h"

#define FAKE_VERSION "ClamAV 1.4.3/27500/Mon Jan  5 10:00:00 2026"

struct fake {
	struct loop *loop;
	char address[128]; /* as in the configuration */
	struct sockaddr_storage name;
	socklen_t name_len;
	int fd;
	struct loop_watch *watch;
	struct fake_client *clients;
	/* How it behaves. */
	const char *text; /* behind "stream: " or "fd[10]: " */
	const char *raw;  /* instead of all this; raw_len bytes */
	size_t raw_len;
	const char *version;
	bool hangs, closes, closes_at_once, drips, says_no_fildes, loses_fd, hides_version;
	unsigned delay_ms;  /* before the answer to a scan */
	size_t early_bytes; /* answers raw after so many bytes of the object */
	/* What it saw. */
	unsigned scans, fildes, versions, open_scans, most_open_scans;
	struct sha256 hash; /* of the last object */
	size_t size;
};

struct fake_client {
	struct fake *fake;
	struct fake_client *next;
	int fd, object_fd;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct buf in, object, out;
	size_t out_at;
	const char *subject;
	enum { FAKE_COMMAND, FAKE_STREAM, FAKE_FILE, FAKE_DEAF } state;
	bool is_scan;
};

static void
fake_client_end(struct fake_client *c)
{
	struct fake_client **place = &c->fake->clients;

	while (*place != c)
		place = &(*place)->next;
	*place = c->next;
	c->fake->open_scans -= c->is_scan;
	loop_watch_free(&c->watch);
	loop_timer_free(&c->timer);
	fd_close(&c->fd);
	fd_close(&c->object_fd);
	buf_done(&c->in);
	buf_done(&c->object);
	buf_done(&c->out);
	free(c);
}

/* One byte, then the next a little later. */
static void
fake_client_drip(void *ctx)
{
	struct fake_client *c = ctx;

	if (c->out_at == c->out.len ||
	    send(c->fd, c->out.data + c->out_at, 1, MSG_NOSIGNAL) != 1) {
		fake_client_end(c);
		return;
	}
	c->out_at++;
	loop_timer_set_ms(c->timer, 1);
}

static void
fake_client_say(struct fake_client *c, const void *bytes, size_t len)
{
	if (c->fake->drips) {
		ASSERT(buf_append(&c->out, bytes, len) == 0);
		c->state = FAKE_DEAF;
		loop_watch_set(c->watch, 0);
		c->timer = loop_timer_new(c->fake->loop, fake_client_drip, c);
		loop_timer_set_ms(c->timer, 1);
		return;
	}
	(void)!send(c->fd, bytes, len, MSG_NOSIGNAL);
	fake_client_end(c);
}

static void
fake_client_answer_now(void *ctx)
{
	struct fake_client *c = ctx;
	struct fake *f = c->fake;
	char line[512];
	int n = snprintf(line, sizeof(line), "%s: %s", c->subject, f->text);

	loop_timer_free(&c->timer);
	if (f->closes)
		fake_client_end(c);
	else if (f->raw != NULL)
		fake_client_say(c, f->raw, f->raw_len);
	else
		fake_client_say(c, line, (size_t)n + 1);
}

static void
fake_client_answer(struct fake_client *c, const char *subject, struct slice object)
{
	struct fake *f = c->fake;

	f->hash = sha256_of(object);
	f->size = object.len;
	c->subject = subject;
	if (f->hangs || f->delay_ms > 0)
		c->state = FAKE_DEAF;
	if (f->hangs)
		return;
	if (f->delay_ms == 0) {
		fake_client_answer_now(c);
		return;
	}
	c->timer = loop_timer_new(f->loop, fake_client_answer_now, c);
	loop_timer_set_ms(c->timer, f->delay_ms);
}

static void
fake_client_answer_file(struct fake_client *c)
{
	CLEANUP(buf_done) struct buf object = { .max = 64u << 20 };
	struct stat st;

	if (c->object_fd < 0) {
		static const char text[] = "No file descriptor received. ERROR";

		fake_client_say(c, text, sizeof(text));
		return;
	}
	ASSERT(fstat(c->object_fd, &st) == 0 && S_ISREG(st.st_mode));
	ASSERT(lseek(c->object_fd, 0, SEEK_CUR) == 0);
	ASSERT(buf_reserve(&object, (size_t)st.st_size) == 0);
	ASSERT(pread(c->object_fd, object.data, (size_t)st.st_size, 0) == st.st_size);
	object.len = (size_t)st.st_size;
	fake_client_answer(c, "fd[10]", buf_get(&object));
}

/* True: c is gone, or waits for more. */
static bool
fake_client_take_command(struct fake_client *c)
{
	struct fake *f = c->fake;
	size_t end = slice_find_byte(buf_get(&c->in), '\0', 0);
	static const char unknown[] = "UNKNOWN COMMAND", hidden[] = "COMMAND UNAVAILABLE";
	char command[32];

	if (end == SIZE_MAX)
		return true;
	snprintf(command, sizeof(command), "%s", (const char *)c->in.data);
	buf_consume(&c->in, end + 1);
	if (strcmp(command, "zVERSION") == 0) {
		f->versions++;
		if (f->hides_version)
			fake_client_say(c, hidden, sizeof(hidden));
		else
			fake_client_say(c, f->version, strlen(f->version) + 1);
		return true;
	}
	f->scans++;
	c->is_scan = true;
	f->open_scans++;
	f->most_open_scans = MAX_OF(f->most_open_scans, f->open_scans);
	if (strcmp(command, "zFILDES") == 0) {
		f->fildes++;
		c->state = FAKE_FILE;
		if (f->says_no_fildes)
			fake_client_say(c, unknown, sizeof(unknown));
		return f->says_no_fildes;
	}
	ASSERT(strcmp(command, "zINSTREAM") == 0);
	c->state = FAKE_STREAM;
	if (f->closes_at_once)
		fake_client_end(c);
	return f->closes_at_once;
}

static void
fake_client_take_stream(struct fake_client *c)
{
	struct fake *f = c->fake;
	uint32_t length;

	while (c->in.len >= sizeof(length)) {
		memcpy(&length, c->in.data, sizeof(length));
		length = ntohl(length);
		ASSERT(length <= 256u * 1024);
		if (length == 0) {
			ASSERT(c->in.len == sizeof(length));
			fake_client_answer(c, "stream", buf_get(&c->object));
			return;
		}
		if (c->in.len < sizeof(length) + length)
			return;
		ASSERT(buf_append(&c->object, c->in.data + sizeof(length), length) == 0);
		buf_consume(&c->in, sizeof(length) + length);
		if (f->early_bytes > 0 && c->object.len >= f->early_bytes) {
			fake_client_say(c, f->raw, f->raw_len);
			return;
		}
	}
}

static void
fake_client_take_fd(struct fake_client *c, struct msghdr *msg)
{
	for (struct cmsghdr *i = CMSG_FIRSTHDR(msg); i != NULL; i = CMSG_NXTHDR(msg, i)) {
		ASSERT(i->cmsg_level == SOL_SOCKET && i->cmsg_type == SCM_RIGHTS);
		ASSERT(i->cmsg_len == CMSG_LEN(sizeof(int)) && c->object_fd < 0);
		memcpy(&c->object_fd, CMSG_DATA(i), sizeof(int));
		if (c->fake->loses_fd)
			fd_close(&c->object_fd);
	}
}

static void
fake_client_read(void *ctx, unsigned events UNUSED)
{
	struct fake_client *c = ctx;
	static uint8_t bytes[65536];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { bytes, sizeof(bytes) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fake_client_end(c);
		return;
	}
	fake_client_take_fd(c, &msg);
	if (c->state == FAKE_DEAF)
		return;
	ASSERT(buf_append(&c->in, bytes, (size_t)n) == 0);
	if (c->state == FAKE_COMMAND && fake_client_take_command(c))
		return;
	if (c->state == FAKE_STREAM) {
		fake_client_take_stream(c);
	} else if (c->in.len > 0) { /* the byte that comes with the descriptor */
		ASSERT(c->in.len == 1);
		fake_client_answer_file(c);
	}
}

static void
fake_accept(void *ctx, unsigned events UNUSED)
{
	struct fake *f = ctx;
	struct fake_client *c;
	int fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	c = mem_new(sizeof(*c));
	c->fake = f;
	c->next = f->clients;
	f->clients = c;
	c->fd = fd;
	c->object_fd = -1;
	buf_init(&c->in, 64u << 20);
	buf_init(&c->object, 64u << 20);
	buf_init(&c->out, 65536);
	c->watch = loop_watch_new(f->loop, fd, LOOP_READ, fake_client_read, c);
}

/* Begins to listen where it was before, or anew. */
static void
fake_listen(struct fake *f, int backlog, bool accepts)
{
	int one = 1;

	f->fd = socket(f->name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ASSERT(f->fd >= 0);
	ASSERT(setsockopt(f->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	if (f->name.ss_family == AF_UNIX)
		unlink(((struct sockaddr_un *)&f->name)->sun_path);
	ASSERT(bind(f->fd, (struct sockaddr *)&f->name, f->name_len) == 0);
	ASSERT(listen(f->fd, backlog) == 0);
	if (accepts)
		f->watch = loop_watch_new(f->loop, f->fd, LOOP_READ, fake_accept, f);
}

static void
fake_init_unix(struct fake *f, struct loop *l, const char *folder, const char *name)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&f->name;

	*f = (struct fake){ .loop = l, .fd = -1, .text = "OK", .version = FAKE_VERSION };
	sun->sun_family = AF_UNIX;
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/%s", folder, name);
	f->name_len = sizeof(*sun);
	snprintf(f->address, sizeof(f->address), "unix:%s/%s", folder, name);
}

/* host: "localhost" stands in the address; the server listens on 127.0.0.1 in any case. */
static void
fake_start_tcp(struct fake *f, struct loop *l, const char *host)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&f->name;

	*f = (struct fake){ .loop = l, .fd = -1, .text = "OK", .version = FAKE_VERSION };
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->name_len = sizeof(*sin);
	fake_listen(f, 512, true);
	ASSERT(getsockname(f->fd, (struct sockaddr *)&f->name, &f->name_len) == 0);
	snprintf(f->address, sizeof(f->address), "tcp:%s:%u", host, ntohs(sin->sin_port));
}

static void
fake_stop(struct fake *f)
{
	while (f->clients != NULL)
		fake_client_end(f->clients);
	loop_watch_free(&f->watch);
	fd_close(&f->fd);
	if (f->name.ss_family == AF_UNIX)
		unlink(((struct sockaddr_un *)&f->name)->sun_path);
}

#endif
