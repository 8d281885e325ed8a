/* test_listen.c: listening sockets on loopback and in a folder of the test; what systemd hands
 * over; its notification socket. */
#include "test_common.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "proc/listen.h"

static char folder[64];

static int
connect_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
test_unix(void **state UNUSED)
{
	char address[128], path[100];
	struct err e = { 0 };
	struct stat st;
	int fd, again, client;

	(void)snprintf(path, sizeof(path), "%s/sock", folder);
	(void)snprintf(address, sizeof(address), "unix:%s", path);
	fd = listen_open(address, 0640, NULL, &e);
	if (fd < 0)
		fail_msg("%s", e.text);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	client = connect_unix(path);
	assert_true(client >= 0);
	again = accept(fd, NULL, NULL);
	assert_true(again >= 0);
	close(again);
	close(client);
	/* One that answers is left alone. */
	assert_int_equal(listen_open(address, 0600, NULL, &e), -1);
	assert_non_null(strstr(e.text, "in use"));
	client = connect_unix(path);
	assert_true(client >= 0);
	close(client);
	close(fd);
	/* A stale file is replaced. */
	assert_int_equal(stat(path, &st), 0);
	fd = listen_open(address, 0600, "", &e);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	close(fd);
	listen_remove(address);
	assert_int_equal(access(path, F_OK), -1);
}

static void
test_unix_refused(void **state UNUSED)
{
	char address[300], longest[150];
	struct err e = { 0 };

	file_write(folder, "file", "precious");
	(void)snprintf(address, sizeof(address), "unix:%s/file", folder);
	assert_int_equal(listen_open(address, 0600, NULL, &e), -1);
	assert_non_null(strstr(e.text, "no socket"));
	(void)snprintf(address, sizeof(address), "%s/file", folder);
	assert_int_equal(access(address, R_OK), 0); /* it is still there */
	(void)snprintf(address, sizeof(address), "unix:%s/no/sock", folder);
	assert_int_equal(listen_open(address, 0600, NULL, &e), -1);
	assert_non_null(strstr(e.text, "folder"));
	memset(longest, 'n', sizeof(longest));
	(void)snprintf(address, sizeof(address), "unix:%s/%.*s", folder, 120, longest);
	assert_int_equal(listen_open(address, 0600, NULL, &e), -1);
	(void)snprintf(address, sizeof(address), "unix:%s/group", folder);
	assert_int_equal(listen_open(address, 0600, "no-such-group-here", &e), -1);
	assert_non_null(strstr(e.text, "no-such-group-here"));
	assert_int_equal(listen_open("nonsense", 0600, NULL, &e), -1);
	assert_non_null(strstr(e.text, "expected"));
	assert_int_equal(listen_open("", 0600, NULL, &e), -1);
}

static void
test_inet(void **state UNUSED)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	struct err e = { 0 };
	char address[64];
	int fd, probe = socket(AF_INET, SOCK_STREAM, 0), client;

	/* A port that is free: the system chooses one, we give it back. */
	assert_int_equal(bind(probe, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(getsockname(probe, (struct sockaddr *)&addr, &len), 0);
	close(probe);
	(void)snprintf(address, sizeof(address), "inet:127.0.0.1:%u", ntohs(addr.sin_port));
	fd = listen_open(address, 0600, NULL, &e);
	if (fd < 0)
		fail_msg("%s", e.text);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen_open(address, 0600, NULL, &e), -1);
	assert_true(strstr(e.text, "127.0.0.1") != NULL);
	close(client);
	close(fd);
	listen_remove(address); /* nothing to remove */
}

/* In a child: descriptors from 3 on are what the test makes of them. */
static int
inherited_child(void)
{
	char pid[16];
	int fds[3];

	for (int i = 0; i < 3; i++)
		fds[i] = open("/dev/null", O_RDONLY);
	for (int i = 0; i < 3; i++)
		(void)fcntl(fds[i], F_DUPFD, 20);
	for (int i = 0; i < 3; i++)
		(void)dup2(20 + i, 3 + i);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_FDNAMES", "one:two:one", 1);
	if (listen_take_inherited("one") != -1)
		return 1; /* they were for another process */
	setenv("LISTEN_PID", pid, 1);
	if (listen_take_inherited("three") != -1 || listen_take_inherited("two") != 4)
		return 2;
	if ((fcntl(4, F_GETFD) & FD_CLOEXEC) == 0 || (fcntl(4, F_GETFL) & O_NONBLOCK) == 0)
		return 3;
	if (listen_take_inherited("two") != -1)
		return 4; /* once */
	if (listen_take_inherited("one") != 3 || listen_take_inherited("one") != 5 ||
	    listen_take_inherited("one") != -1)
		return 5;
	setenv("LISTEN_FDS", "9999", 1);
	return listen_take_inherited("") == -1 ? 0 : 6;
}

static void
test_inherited(void **state UNUSED)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(inherited_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)unsetenv("LISTEN_PID");
	assert_int_equal(listen_take_inherited("x"), -1);
}

static void
test_notify(void **state UNUSED)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char got[64] = "";

	(void)unsetenv("NOTIFY_SOCKET");
	notify_manager("READY=1"); /* nobody to tell */
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", addr.sun_path, 1), 0);
	notify_manager("READY=1");
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 7);
	assert_string_equal(got, "READY=1");
	close(fd);
	/* An abstract name, as systemd uses in containers. */
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	memset(addr.sun_path, 0, sizeof(addr.sun_path));
	(void)snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "cordon-unit-%d", (int)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&addr,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(addr.sun_path + 1))), 0);
	addr.sun_path[0] = '@';
	assert_int_equal(setenv("NOTIFY_SOCKET", addr.sun_path, 1), 0);
	notify_manager("STOPPING=1");
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 10);
	close(fd);
	(void)unsetenv("NOTIFY_SOCKET");
}

static int
group_setup(void **state UNUSED)
{
	folder_make(folder);
	return 0;
}

static int
group_teardown(void **state UNUSED)
{
	folder_remove(folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_unix),
		cmocka_unit_test(test_unix_refused), cmocka_unit_test(test_inet),
		cmocka_unit_test(test_inherited), cmocka_unit_test(test_notify) };

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
