/* bench_clamd_stub.c: a clamd that costs next to nothing, so that what is measured is the
 * filter that asks it. One thread, one epoll loop; a connection is read while its scan lasts.
 *   bench_clamd_stub [--find-eicar] unix:PATH|tcp:PORT
 * Knows PING, VERSION, VERSIONCOMMANDS, STATS, RELOAD, INSTREAM, FILDES, SCAN, IDSESSION and
 * END, with the prefixes z and n. Every answer is OK; with --find-eicar the EICAR text, as it
 * is and not inside an encoding or archive, is answered FOUND. Source: clamd(8),
 * clamd/session.c. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES  (256 * 1024)
#define COMMAND_MAX 1024
#define EICAR_BYTES 68

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
	char line[256];
	int n = c->session ? snprintf(line, sizeof(line), "%u: %s", c->number, text)
			   : snprintf(line, sizeof(line), "%s", text);

	line[n] = c->end;
	return send(c->fd, line, (size_t)n + 1, MSG_NOSIGNAL) == n + 1 && c->session;
}

static bool
client_answer_scan(struct client *c, const char *name, bool found)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", name, found ? "Eicar-Stub FOUND" : "OK");
	return client_answer(c, text);
}

static bool
client_scan_fd(struct client *c)
{
	struct stat st;
	bool found = false;

	c->wants_fd = false;
	if (stub_finds_eicar && fstat(c->passed_fd, &st) == 0 && st.st_size > 0) {
		void *p =
		    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, c->passed_fd, 0);
		if (p != MAP_FAILED) {
			found = eicar_is_in(p, (size_t)st.st_size);
			munmap(p, (size_t)st.st_size);
		}
	}
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
		return client_answer_scan(c, name + 5, false);
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

static int
stub_listen_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		errx(2, "socket path too long: %s", path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	unlink(path);
	umask(0111);
	if (fd == -1 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) == -1)
		err(1, "cannot listen on '%s'", path);
	return fd;
}

static int
stub_listen(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd;

	if (strncmp(address, "unix:", 5) == 0) {
		fd = stub_listen_unix(address + 5);
	} else if (strncmp(address, "tcp:", 4) == 0) {
		a.sin_port = htons((uint16_t)strtoul(address + 4, NULL, 10));
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd == -1 ||
		    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == -1 ||
		    bind(fd, (const struct sockaddr *)&a, sizeof(a)) == -1)
			err(1, "cannot listen on '%s'", address);
	} else {
		errx(2, "expected unix:PATH or tcp:PORT, not '%s'", address);
	}
	if (listen(fd, SOMAXCONN) == -1)
		err(1, "listen");
	return fd;
}

static void
stub_accept(int epoll_fd, int listen_fd)
{
	for (;;) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
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
	struct rlimit files;

	stub_finds_eicar = argc == 3 && strcmp(argv[1], "--find-eicar") == 0;
	if (argc != 2 && !stub_finds_eicar)
		errx(2, "usage: bench_clamd_stub [--find-eicar] unix:PATH|tcp:PORT");
	snprintf(eicar, sizeof(eicar), "%s%s%s", "X5O!P%@AP[4\\PZX54(P^)7CC)7}$",
	    "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*");
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	stub_run(stub_listen(argv[argc - 1]));
}
