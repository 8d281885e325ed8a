/* bench_clamd_stub.c: a clamd that costs next to nothing, so that what is measured is the
 * filter that asks it. One thread, one epoll loop; a connection is read while its scan lasts.
 *   bench_clamd_stub [--find-eicar] unix:PATH|inet:HOST:PORT
 * Knows PING, VERSION, VERSIONCOMMANDS, STATS, RELOAD, INSTREAM, FILDES, SCAN, CONTSCAN,
 * MULTISCAN, IDSESSION and END, with the prefixes z and n. Every answer is OK; with
 * --find-eicar the EICAR text, as it is and not inside an encoding or archive, is answered
 * FOUND; of a folder the first file that holds it is named. Source: clamd(8), clamd/session.c.
 */
#include "bench_net.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES   (256 * 1024)
#define COMMAND_MAX  1024
#define EICAR_BYTES  68
#define FOLDER_DEPTH 8

struct client {
	int fd;
	int passed_fd; /* from SCM_RIGHTS; -1: none */
	char command[COMMAND_MAX];
	size_t command_len;
	char end;        /* '\0' or '\n', as the last command was sent */
	bool session;    /* IDSESSION: answers are numbered, the connection stays */
	unsigned number; /* of the command in its session */
	bool wants_fd;   /* FILDES came, its descriptor not yet */
	bool streaming;  /* inside INSTREAM */
	unsigned char length[4];
	size_t length_len;
	uint32_t chunk_left;
	char tail[EICAR_BYTES - 1]; /* the end of what is already looked at */
	size_t tail_len;
	bool found;
};

static bool stub_finds_eicar;
static char eicar[EICAR_BYTES + 1];
static char read_buffer[READ_BYTES];

static bool
eicar_is_in(const char *data, size_t len)
{
	return stub_finds_eicar && memmem(data, len, eicar, EICAR_BYTES) != NULL;
}

/* Look at the next bytes of a stream, also across the seam with those before. */
static void
stream_look(struct client *c, const char *data, size_t len)
{
	char seam[2 * (EICAR_BYTES - 1)];
	size_t keep = EICAR_BYTES - 1, head = len < keep ? len : keep;

	if (!stub_finds_eicar || c->found)
		return;
	memcpy(seam, c->tail, c->tail_len);
	memcpy(seam + c->tail_len, data, head);
	size_t seam_len = c->tail_len + head;
	c->found = eicar_is_in(seam, seam_len) || eicar_is_in(data, len);
	if (len >= keep) {
		memcpy(c->tail, data + len - keep, keep);
		c->tail_len = keep;
	} else {
		size_t from = seam_len > keep ? seam_len - keep : 0;
		memcpy(c->tail, seam + from, seam_len - from);
		c->tail_len = seam_len - from;
	}
}

/* False: the client is to be closed, as clamd does after each answer outside a session. */
static bool
client_answer(struct client *c, const char *text)
{
	char line[3 * COMMAND_MAX];
	int n = c->session ? snprintf(line, sizeof(line), "%u: %s", c->number, text)
			   : snprintf(line, sizeof(line), "%s", text);

	line[n] = c->end;
	return send(c->fd, line, (size_t)n + 1, MSG_NOSIGNAL) == n + 1 && c->session;
}

static bool
client_answer_scan(struct client *c, const char *name, bool found)
{
	char text[2 * COMMAND_MAX + 32];

	snprintf(text, sizeof(text), "%s: %s", name, found ? "Eicar-Stub FOUND" : "OK");
	return client_answer(c, text);
}

static bool
eicar_is_in_fd(int fd)
{
	struct stat st;
	bool found = false;

	if (!stub_finds_eicar || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size <= 0)
		return false;
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p != MAP_FAILED) {
		found = eicar_is_in(p, (size_t)st.st_size);
		munmap(p, (size_t)st.st_size);
	}
	return found;
}

static bool eicar_is_in_folder(int fd, unsigned depth, char *ret_name, size_t name_bytes);

/* Look into a file, or into a folder and its folders. ret_name: where it was found, added to
 * what is there. -1: it cannot be opened. Takes over nothing. */
static int
eicar_is_in_path(
    int folder_fd, const char *path, unsigned depth, char *ret_name, size_t name_bytes)
{
	int fd = openat(folder_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	bool found = false;
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (depth < FOLDER_DEPTH)
			return eicar_is_in_folder(fd, depth + 1, ret_name, name_bytes);
	} else {
		found = eicar_is_in_fd(fd);
	}
	close(fd);
	return found;
}

/* Takes over fd. */
static bool
eicar_is_in_folder(int fd, unsigned depth, char *ret_name, size_t name_bytes)
{
	DIR *folder = fdopendir(fd);
	struct dirent *e;
	bool found = false;

	if (!folder) {
		close(fd);
		return false;
	}
	size_t len = strlen(ret_name);
	while (!found && (e = readdir(folder)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(ret_name + len, name_bytes - len, "/%s", e->d_name);
		found =
		    eicar_is_in_path(dirfd(folder), e->d_name, depth, ret_name, name_bytes) > 0;
	}
	if (!found)
		ret_name[len] = '\0';
	closedir(folder);
	return found;
}

static bool
client_scan_path(struct client *c, const char *path)
{
	char name[2 * COMMAND_MAX], text[2 * COMMAND_MAX];

	snprintf(name, sizeof(name), "%s", path);
	int r = stub_finds_eicar ? eicar_is_in_path(AT_FDCWD, path, 0, name, sizeof(name))
				 : access(path, R_OK);
	if (r >= 0)
		return client_answer_scan(c, name, r > 0);
	snprintf(text, sizeof(text), "%s: File path check failure: %s. ERROR", path,
	    strerror(errno));
	return client_answer(c, text);
}

static bool
client_scan_fd(struct client *c)
{
	c->wants_fd = false;
	bool found = eicar_is_in_fd(c->passed_fd);
	close(c->passed_fd);
	c->passed_fd = -1;
	return client_answer_scan(c, "fd[10]", found);
}

static bool
client_answer_version(struct client *c, bool commands)
{
	char text[200], date[64];
	time_t now = time(NULL);

	strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", gmtime(&now));
	snprintf(text, sizeof(text), "ClamAV 1.4.3/27500/%s%s", date,
	    commands ? "| COMMANDS: SCAN PING VERSION STATS FILDES INSTREAM IDSESSION END"
		     : "");
	return client_answer(c, text);
}

/* Do one command. False: close. */
static bool
client_do_command(struct client *c)
{
	const char *name = c->command;

	if (strcmp(name, "IDSESSION") == 0) {
		c->session = true;
		return true;
	}
	c->number++;
	if (strcmp(name, "PING") == 0)
		return client_answer(c, "PONG");
	if (strcmp(name, "VERSION") == 0 || strcmp(name, "VERSIONCOMMANDS") == 0)
		return client_answer_version(c, name[7] != '\0');
	if (strcmp(name, "STATS") == 0)
		return client_answer(c,
		    "POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live 1  idle 0 max "
		    "10 idle-timeout 30\nQUEUE: 0 items\nMEMSTATS: heap N/A\nEND");
	if (strcmp(name, "RELOAD") == 0)
		return client_answer(c, "RELOADING");
	if (strcmp(name, "FILDES") == 0) {
		c->wants_fd = c->passed_fd == -1;
		return c->wants_fd || client_scan_fd(c);
	}
	if (strncmp(name, "SCAN ", 5) == 0)
		return client_scan_path(c, name + 5);
	if (strncmp(name, "CONTSCAN ", 9) == 0)
		return client_scan_path(c, name + 9);
	if (strncmp(name, "MULTISCAN ", 10) == 0)
		return client_scan_path(c, name + 10);
	if (strcmp(name, "INSTREAM") == 0) {
		c->streaming = true;
		c->length_len = c->tail_len = 0;
		c->chunk_left = 0;
		c->found = false;
		return true;
	}
	if (strcmp(name, "END") != 0)
		client_answer(c, "UNKNOWN COMMAND");
	return false;
}

/* Take one byte of a command line. False: close. */
static bool
client_take_command_byte(struct client *c, char byte)
{
	bool prefixed = c->command_len > 0 && (c->command[0] == 'z' || c->command[0] == 'n');

	/* clients send a descriptor along with one such byte */
	if (c->command_len == 0 && byte == '\0')
		return true;
	if (byte != '\n' && byte != '\0') {
		if (c->command_len + 1 >= COMMAND_MAX)
			return false;
		c->command[c->command_len++] = byte;
		return true;
	}
	c->command[c->command_len] = '\0';
	c->end = prefixed ? (c->command[0] == 'z' ? '\0' : '\n') : '\n';
	if (prefixed)
		memmove(c->command, c->command + 1, c->command_len);
	c->command_len = 0;
	return client_do_command(c);
}

/* Take bytes of a stream; the number used. *ret_open false: close. */
static size_t
client_take_stream(struct client *c, const char *data, size_t len, bool *ret_open)
{
	size_t used = 0;

	*ret_open = true;
	while (used < len) {
		if (c->chunk_left > 0) {
			size_t n = len - used < c->chunk_left ? len - used : c->chunk_left;
			stream_look(c, data + used, n);
			c->chunk_left -= (uint32_t)n;
			used += n;
			continue;
		}
		c->length[c->length_len++] = (unsigned char)data[used++];
		if (c->length_len < 4)
			continue;
		c->length_len = 0;
		c->chunk_left = (uint32_t)c->length[0] << 24 | (uint32_t)c->length[1] << 16 |
				(uint32_t)c->length[2] << 8 | c->length[3];
		if (c->chunk_left == 0) {
			c->streaming = false;
			*ret_open = client_answer_scan(c, "stream", c->found);
			return used;
		}
	}
	return used;
}

/* Receive once; a descriptor that comes along is kept. */
static ssize_t
client_receive(struct client *c)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec v = { .iov_base = read_buffer, .iov_len = sizeof(read_buffer) };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return n;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		if (c->passed_fd != -1)
			close(c->passed_fd);
		memcpy(&c->passed_fd, CMSG_DATA(h), sizeof(int));
	}
	return n;
}

/* False: the client is done with. */
static bool
client_on_readable(struct client *c)
{
	ssize_t n = client_receive(c);
	bool open = true;

	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	for (size_t at = 0; at < (size_t)n && open;) {
		if (c->streaming)
			at += client_take_stream(c, read_buffer + at, (size_t)n - at, &open);
		else
			open = client_take_command_byte(c, read_buffer[at++]);
	}
	if (open && c->wants_fd && c->passed_fd != -1)
		open = client_scan_fd(c);
	return open;
}

static void
client_free(struct client *c)
{
	if (c->passed_fd != -1)
		close(c->passed_fd);
	close(c->fd);
	free(c);
}

static void
stub_accept(int epoll_fd, int listen_fd)
{
	for (;;) {
		int fd = net_accept(listen_fd);
		if (fd == -1)
			return;
		struct client *c = calloc(1, sizeof(*c));
		if (!c)
			err(1, "cannot get a client");
		*c = (struct client){ .fd = fd, .passed_fd = -1, .end = '\n' };
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == -1)
			err(1, "epoll_ctl");
	}
}

static void
stub_run(int listen_fd)
{
	struct epoll_event events[64], e = { .events = EPOLLIN };
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (epoll_fd == -1 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &e) == -1)
		err(1, "epoll");
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);
		if (n == -1 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;
			if (!c)
				stub_accept(epoll_fd, listen_fd);
			else if (!client_on_readable(c))
				client_free(c);
		}
	}
}

int
main(int argc, char **argv)
{
	stub_finds_eicar = argc == 3 && strcmp(argv[1], "--find-eicar") == 0;
	if (argc != 2 && !stub_finds_eicar)
		errx(2, "usage: bench_clamd_stub [--find-eicar] unix:PATH|inet:HOST:PORT");
	snprintf(eicar, sizeof(eicar), "%s%s%s", "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
	    "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*");
	net_raise_files();
	stub_run(net_listen(argv[argc - 1]));
}
