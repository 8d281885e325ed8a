/* bench_net.c: addresses, sockets and the clock for the benchmark programs (bench_net.h). What
 * is said over the sockets is their own affair. */
#include "bench_net.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void
address_parse_unix(struct net_address *out, const char *path)
{
	struct sockaddr_un *a = (struct sockaddr_un *)&out->address;

	if (strlen(path) >= sizeof(a->sun_path))
		errx(2, "socket path too long: %s", path);
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path, strlen(path) + 1);
	out->len = sizeof(*a);
}

void
net_address_parse(struct net_address *a, const char *text)
{
	const char *host = strchr(text, ':'), *port = strrchr(text, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	char name[256];

	*a = (struct net_address){ 0 };
	if (strncmp(text, "unix:", 5) == 0) {
		address_parse_unix(a, text + 5);
		return;
	}
	if (strncmp(text, "inet", 4) != 0 || host == port)
		errx(
		    2, "expected unix:PATH, inet:HOST:PORT or inet6:HOST:PORT, not '%s'", text);
	hints.ai_family = text[4] == '6' ? AF_INET6 : AF_INET;
	host += host[1] == '[' ? 2 : 1;
	size_t len = (size_t)(port - host) - (port[-1] == ']');
	if (len >= sizeof(name))
		errx(2, "host name too long in '%s'", text);
	memcpy(name, host, len);
	name[len] = '\0';
	int e = getaddrinfo(name, port + 1, &hints, &found);
	if (e != 0)
		errx(2, "cannot find '%s': %s", text, gai_strerror(e));
	memcpy(&a->address, found->ai_addr, found->ai_addrlen);
	a->len = found->ai_addrlen;
	freeaddrinfo(found);
}

static void
listen_tell_port(int fd)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t len = sizeof(bound);
	uint16_t port;

	if (getsockname(fd, (struct sockaddr *)&bound, &len) == -1)
		err(1, "getsockname");
	port = bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
					   : ((struct sockaddr_in *)&bound)->sin_port;
	printf("listening %u\n", ntohs(port));
	fflush(stdout);
}

int
net_listen(const char *text)
{
	struct net_address a;

	net_address_parse(&a, text);
	int fd = socket(a.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		err(1, "socket");
	if (a.address.ss_family == AF_UNIX) {
		unlink(((struct sockaddr_un *)&a.address)->sun_path);
		umask(0111);
	} else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == -1) {
		err(1, "SO_REUSEADDR");
	}
	if (bind(fd, (const struct sockaddr *)&a.address, a.len) == -1 ||
	    listen(fd, SOMAXCONN) == -1)
		err(1, "cannot listen on '%s'", text);
	if (a.address.ss_family != AF_UNIX && strcmp(strrchr(text, ':'), ":0") == 0)
		listen_tell_port(fd);
	return fd;
}

int
net_accept(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd != -1)
		net_set_nodelay(fd);
	return fd;
}

/* Come from 127.0.0.source_host; the port is chosen when connecting. */
static int
socket_bind_source(int fd, unsigned source_host)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + source_host) };

	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int)) == -1)
		return -1;
	return bind(fd, (const struct sockaddr *)&a, sizeof(a));
}

int
net_connect(const struct net_address *a, unsigned source_host, int *ret_fd)
{
	int fd = socket(a->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -errno;
	if ((source_host > 0 && a->address.ss_family == AF_INET &&
		socket_bind_source(fd, source_host) == -1) ||
	    (connect(fd, (const struct sockaddr *)&a->address, a->len) == -1 &&
		errno != EINPROGRESS)) {
		int e = errno;
		close(fd);
		return -e;
	}
	net_set_nodelay(fd);
	*ret_fd = fd;
	return 0;
}

void
net_set_nodelay(int fd)
{
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

void
net_raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

uint64_t
net_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double
net_own_cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
