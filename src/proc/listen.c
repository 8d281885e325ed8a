/* listen.c: socket(2), bind(2), listen(2); LISTEN_FDS and NOTIFY_SOCKET of systemd. */
#include "proc/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/slice.h"
#include "config/config_address.h"

#define BACKLOG 1024
#define FIRST_INHERITED_FD 3

static bool
unix_path(const char *path, struct sockaddr_un *ret_addr)
{
	size_t len = strlen(path);

	*ret_addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len >= sizeof(ret_addr->sun_path))
		return false;
	memcpy(ret_addr->sun_path, path, len + 1);
	return true;
}

/* True when somebody answers there. */
static bool
unix_is_alive(const struct sockaddr_un *addr)
{
	CLEANUP(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;
}

static int
unix_set_owner(const char *path, unsigned mode, const char *group, struct err *e)
{
	struct group *gr;

	if (group != NULL && group[0] != '\0') {
		gr = getgrnam(group);
		if (gr == NULL)
			return err_set(e, EINVAL, "there is no group '%s' for socket '%s'", group, path);
		if (chown(path, (uid_t)-1, gr->gr_gid) < 0)
			return err_set(e, errno, "cannot give socket '%s' to group '%s'", path, group);
	}
	if (chmod(path, mode) < 0)
		return err_set(e, errno, "cannot set the mode of socket '%s'", path);
	return 0;
}

/* Where a socket is made that takes the place of a stale one, so that there is always one: ".NAME"
 * beside it. False: no room for the dot. */
static bool
unix_path_beside(const char *path, struct sockaddr_un *ret_addr)
{
	size_t folder_len = (size_t)(path_get_base(slice_of_str(path)).ptr - (const uint8_t *)path);
	char text[sizeof(ret_addr->sun_path) + 2];

	snprintf(text, sizeof(text), "%.*s.%s", (int)folder_len, path, path + folder_len);
	return unix_path(text, ret_addr);
}

/* bind() for us alone; owner and mode come before anybody can connect. */
static int
unix_bind(int fd, const struct sockaddr_un *addr, unsigned mode, const char *group, struct err *e)
{
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

	umask(before);
	if (r < 0)
		return err_set(e, errno, "cannot make socket '%s' (does its folder exist?)",
		    addr->sun_path);
	r = unix_set_owner(addr->sun_path, mode, group, e);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = err_set(e, errno, "cannot listen on '%s'", addr->sun_path);
	if (r < 0)
		(void)unlink(addr->sun_path);
	return r;
}

static int
listen_unix(const char *path, unsigned mode, const char *group, struct err *e)
{
	CLEANUP(fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr, beside;
	struct stat st;

	if (!unix_path(path, &addr))
		return err_set(e, EINVAL, "socket path '%s' is too long", path), -1;
	beside = addr;
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return err_set(e, EINVAL, "'%s' is there and is no socket: remove it", path), -1;
		if (unix_is_alive(&addr))
			return err_set(e, EINVAL, "'%s' is in use: is another cordond running?", path), -1;
		(void)unlink(unix_path_beside(path, &beside) ? beside.sun_path : path);
	}
	if (unix_bind(fd, &beside, mode, group, e) < 0)
		return -1;
	if (strcmp(beside.sun_path, path) != 0 && rename(beside.sun_path, path) < 0) {
		(void)unlink(beside.sun_path);
		return err_set(e, errno, "cannot replace socket '%s'", path), -1;
	}
	return TAKE_FD(fd);
}

static int
listen_inet(const struct config_address *a, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE,
		.ai_family = a->family == CONFIG_FAMILY_INET6 ? AF_INET6 : AF_INET };
	struct addrinfo *found = NULL;
	CLEANUP(fd_close) int fd = -1;
	char port[8];
	int on = 1, r;

	snprintf(port, sizeof(port), "%u", a->port);
	r = getaddrinfo(a->host, port, &hints, &found);
	if (r != 0)
		return err_set(e, EINVAL, "cannot resolve '%s': %s", a->host, gai_strerror(r)), -1;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -1 : 0;
	if (r == 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (found->ai_family == AF_INET6)
			(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		r = bind(fd, found->ai_addr, found->ai_addrlen);
	}
	freeaddrinfo(found);
	if (r < 0 || listen(fd, BACKLOG) < 0)
		return err_set(e, errno, "cannot listen on %s port %u", a->host, a->port), -1;
	return TAKE_FD(fd);
}

int
listen_open(const char *address, unsigned mode, const char *group, struct err *e)
{
	struct config_address a;
	const char *expected;

	if (!config_address_parse_listen(address, &a, &expected))
		return err_set(e, EINVAL, "bad address '%s', expected %s", address, expected), -1;
	if (a.family == CONFIG_FAMILY_UNIX)
		return listen_unix(a.host, mode, group, e);
	return listen_inet(&a, e);
}

void
listen_remove(const char *address)
{
	struct config_address a;
	const char *expected;

	if (config_address_parse_listen(address, &a, &expected) && a.family == CONFIG_FAMILY_UNIX)
		(void)unlink(a.host);
}

int
listen_take_inherited(const char *name)
{
	static bool taken[64];
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	struct slice names = slice_of_str(getenv("LISTEN_FDNAMES"));
	uint64_t n, owner;

	if (!slice_parse_uint(slice_of_str(pid), INT32_MAX, &owner) ||
	    owner != (uint64_t)getpid() || !slice_parse_uint(slice_of_str(count), 64, &n))
		return -1;
	for (uint64_t i = 0; i < n; i++) {
		size_t colon = slice_find_byte(names, ':', 0);
		struct slice one = slice_sub(names, 0, MIN_OF(colon, names.len));
		int fd = FIRST_INHERITED_FD + (int)i;

		names = colon == SIZE_MAX ? SLICE_NONE : slice_from(names, colon + 1);
		if (taken[i] || !slice_eq_str(one, name))
			continue;
		taken[i] = true;
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
		return fd;
	}
	return -1;
}

void
notify_manager(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr;
	CLEANUP(fd_close) int fd = -1;
	socklen_t len;

	if (path == NULL || !unix_path(path, &addr))
		return;
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (addr.sun_path[0] == '@')
		addr.sun_path[0] = '\0';
	else
		len++;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr, len);
}
