/* fault_preload.c: a library for LD_PRELOAD that refuses chosen calls of chosen processes of
 * cordond. run_faults.py says which through a page of shared memory, and reads there how often
 * it happened. It decides nothing else, and makes no system call of its own once it is loaded,
 * because inspectors are forked from a root that loaded it and are caged afterwards. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE_VARIABLE "CORDON_FAULT_PAGE"
#define PAGE_MAGIC    0x43464c54u
#define WHERE_SIZE    96

/* The same numbers stand in run_faults.py. */
enum role {
	ROLE_NONE = 0,
	ROLE_SUPERVISOR,
	ROLE_GATE,
	ROLE_RECORDER,
	ROLE_INSPECTOR_ROOT,
	ROLE_INSPECTOR,
	ROLE_ENGINE_ROOT,
	ROLE_ENGINE,
	ROLE_COMMAND,
	ROLE_LOCAL, /* what a command forks: the gate of its own that it has without a daemon */
};

enum kind {
	KIND_NONE = 0,
	KIND_MEMORY,  /* malloc and its kin: ENOMEM */
	KIND_READ,    /* read, recv and their kin: EIO */
	KIND_WRITE,   /* write: ENOSPC, send and its kin: EIO */
	KIND_FORK,    /* fork, posix_spawn: EAGAIN */
	KIND_MAP,     /* mmap, mremap, ftruncate, memfd_create: ENOMEM */
	KIND_OPEN,    /* open, socket, socketpair: EMFILE */
	KIND_ACCEPT,  /* EMFILE */
	KIND_CONNECT, /* ECONNREFUSED */
	KIND_SHORT,   /* nothing is refused: one byte is read or written, where more might be */
};

/* Written by the driver while armed is 0; the last three are written here. */
struct fault_page {
	uint32_t magic, role, kind;
	uint32_t first,
	    length; /* calls first ... first + length - 1 are refused; 0: only counted */
	_Atomic uint32_t armed, count, refused;
	char where[WHERE_SIZE]; /* who made the first call that was refused */
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
ssize_t __read_chk(int fd, void *to, size_t len, size_t room);
ssize_t __pread_chk(int fd, void *to, size_t len, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *to, size_t len, off64_t at, size_t room);
ssize_t __recv_chk(int fd, void *to, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *to, size_t len, size_t room, int flags,
    struct sockaddr *addr, socklen_t *addr_len);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

static struct fault_page *page;
static struct {
	uintptr_t from, to;
} event_library;
static enum role role;
typedef int spawn_function(pid_t *, const char *, const posix_spawn_file_actions_t *,
    const posix_spawnattr_t *, char *const *, char *const *);
static struct {
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*pread)(int, void *, size_t, off_t);
	ssize_t (*readv)(int, const struct iovec *, int);
	ssize_t (*recv)(int, void *, size_t, int);
	ssize_t (*recvfrom)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t (*recvmsg)(int, struct msghdr *, int);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pwrite)(int, const void *, size_t, off_t);
	ssize_t (*writev)(int, const struct iovec *, int);
	ssize_t (*send)(int, const void *, size_t, int);
	ssize_t (*sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	ssize_t (*sendmsg)(int, const struct msghdr *, int);
	pid_t (*fork)(void);
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	void *(*mremap)(void *, size_t, size_t, int, ...);
	int (*ftruncate)(int, off_t);
	int (*memfd_create)(const char *, unsigned);
	int (*open)(const char *, int, ...);
	int (*openat)(int, const char *, int, ...);
	FILE *(*fopen)(const char *, const char *);
	int (*socketpair)(int, int, int, int[2]);
	int (*socket)(int, int, int);
	int (*connect)(int, const struct sockaddr *, socklen_t);
	int (*accept4)(int, struct sockaddr *, socklen_t *, int);
	spawn_function *posix_spawn, *posix_spawnp;
	int (*prctl)(int, ...);
} real;

/* The functions behind ours. Storing through a void pointer is what POSIX allows dlsym for. */
#define FIND(name) (*(void **)(void *)&real.name = dlsym(RTLD_NEXT, #name))

static void
functions_find(void)
{
	FIND(read);
	FIND(pread);
	FIND(readv);
	FIND(recv);
	FIND(recvfrom);
	FIND(recvmsg);
	FIND(write);
	FIND(pwrite);
	FIND(writev);
	FIND(send);
	FIND(sendto);
	FIND(sendmsg);
	FIND(fork);
	FIND(mmap);
	FIND(mremap);
	FIND(ftruncate);
	FIND(memfd_create);
	FIND(open);
	FIND(openat);
	FIND(fopen);
	FIND(socketpair);
	FIND(socket);
	FIND(connect);
	FIND(accept4);
	FIND(posix_spawn);
	FIND(posix_spawnp);
	FIND(prctl);
}

/* Other libraries' constructors may come before ours. */
#define REAL(name) (real.name == NULL ? (functions_find(), real.name) : real.name)

/* cordond starts its parts as `PROGRAM --role NAME ...`; without that it is the supervisor, and
 * cordon the command line. */
static enum role
role_from_arguments(int argc, char **argv)
{
	static const struct {
		const char *name;
		enum role role;
	} roles[] = {
		{ "gate", ROLE_GATE },
		{ "recorder", ROLE_RECORDER },
		{ "inspector", ROLE_INSPECTOR_ROOT },
		{ "engine", ROLE_ENGINE_ROOT },
	};
	const char *slash = strrchr(argv[0], '/');

	if (argc < 3 || strcmp(argv[1], "--role") != 0) {
		const char *name = slash == NULL ? argv[0] : slash + 1;

		return strcmp(name, "cordond") == 0  ? ROLE_SUPERVISOR
		       : strcmp(name, "cordon") == 0 ? ROLE_COMMAND
						     : ROLE_NONE;
	}
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(argv[2], roles[i].name) == 0)
			return roles[i].role;
	}
	return ROLE_NONE;
}

/* libevent takes a signal through a pair of sockets of its own, which cannot fail the way files
 * and peers do; it ends the process when they do. Those calls are left alone. */
static int
event_library_find(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	if (strstr(info->dlpi_name, "libevent_core") == NULL)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
			event_library.from = from;
			event_library.to = from + p->p_memsz;
		}
	}
	return 1;
}

static bool
is_signal_pipe(enum kind kind, const void *caller)
{
	return (kind == KIND_READ || kind == KIND_WRITE) &&
	       (uintptr_t)caller >= event_library.from && (uintptr_t)caller < event_library.to;
}

/* glibc hands main()'s arguments to constructors. */
__attribute__((constructor)) static void
fault_preload_init(int argc, char **argv)
{
	const char *path = getenv(PAGE_VARIABLE);
	void *map;
	int fd;

	functions_find();
	(void)dl_iterate_phdr(event_library_find, NULL);
	fd = path == NULL ? -1 : REAL(open)(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	map = REAL(mmap)(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED || ((struct fault_page *)map)->magic != PAGE_MAGIC)
		return;
	role = role_from_arguments(argc, argv);
	page = map;
}

/* The child of a root is a worker. The supervisor's child is nobody until it has called exec.
 */
static void
role_becomes_child(void)
{
	role = role == ROLE_INSPECTOR_ROOT ? ROLE_INSPECTOR
	       : role == ROLE_ENGINE_ROOT  ? ROLE_ENGINE
	       : role == ROLE_COMMAND      ? ROLE_LOCAL
					   : ROLE_NONE;
}

/* "program+0x1234", for addr2line. Nothing here calls the system. */
static void
where_note(const void *address)
{
	Dl_info info;
	const char *name;

	if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
		return;
	name = strrchr(info.dli_fname, '/');
	(void)snprintf(page->where, sizeof(page->where), "%s+0x%llx",
	    name == NULL ? info.dli_fname : name + 1,
	    (unsigned long long)((uintptr_t)address - (uintptr_t)info.dli_fbase));
}

/* Counts a call. True: it is to be refused, and errno says so. */
static bool
refuse(enum kind kind, int error, const void *caller)
{
	uint32_t n;

	if (page == NULL || role == ROLE_NONE || atomic_load(&page->armed) == 0 ||
	    page->role != (uint32_t)role || page->kind != (uint32_t)kind ||
	    is_signal_pipe(kind, caller))
		return false;
	n = atomic_fetch_add(&page->count, 1) + 1;
	if (page->first == 0 || n < page->first || n - page->first >= page->length)
		return false;
	if (atomic_fetch_add(&page->refused, 1) == 0)
		where_note(caller);
	errno = error;
	return true;
}
#define REFUSE(kind, error) refuse((kind), (error), __builtin_return_address(0))

void *
malloc(size_t size)
{
	return REFUSE(KIND_MEMORY, ENOMEM) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return REFUSE(KIND_MEMORY, ENOMEM) ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *p, size_t size)
{
	return REFUSE(KIND_MEMORY, ENOMEM) ? NULL : __libc_realloc(p, size);
}

void *
reallocarray(void *p, size_t count, size_t size)
{
	size_t all;

	if (REFUSE(KIND_MEMORY, ENOMEM))
		return NULL;
	if (__builtin_mul_overflow(count, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(p, all);
}

void *
aligned_alloc(size_t align, size_t size)
{
	return REFUSE(KIND_MEMORY, ENOMEM) ? NULL : __libc_memalign(align, size);
}

int
posix_memalign(void **ret, size_t align, size_t size)
{
	void *p = REFUSE(KIND_MEMORY, ENOMEM) ? NULL : __libc_memalign(align, size);

	if (p == NULL)
		return ENOMEM;
	*ret = p;
	return 0;
}

/* Of len bytes, how many are to be moved now. Datagrams are left whole. Only processes outside
 * of cages are asked to be short: this calls the system. */
static size_t
shortened(int fd, size_t len, const void *caller)
{
	int type = SOCK_STREAM;
	socklen_t type_len = sizeof(type);

	if (page == NULL || len < 2 || page->kind != KIND_SHORT ||
	    is_signal_pipe(KIND_READ, caller))
		return len;
	(void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len);
	return type == SOCK_STREAM && refuse(KIND_SHORT, errno, caller) ? 1 : len;
}
#define SHORTENED(fd, len) shortened((fd), (len), __builtin_return_address(0))

/* The same for messages. A command's socket waits until all of a message is sent. */
static bool
is_msg_shortened(int fd, const struct msghdr *msg, const void *caller)
{
	return role == ROLE_GATE && msg->msg_iovlen > 0 && msg->msg_iov->iov_len > 0 &&
	       shortened(fd, msg->msg_iov->iov_len + 1, caller) == 1;
}

ssize_t
read(int fd, void *to, size_t len)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(read)(fd, to, len);
}

ssize_t
__read_chk(int fd, void *to, size_t len, size_t room)
{
	if (len > room)
		abort();
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(read)(fd, to, len);
}

ssize_t
pread(int fd, void *to, size_t len, off_t at)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(pread)(fd, to, len, at);
}

ssize_t
pread64(int fd, void *to, size_t len, off64_t at)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(pread)(fd, to, len, at);
}

ssize_t
__pread_chk(int fd, void *to, size_t len, off_t at, size_t room)
{
	if (len > room)
		abort();
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(pread)(fd, to, len, at);
}

ssize_t
__pread64_chk(int fd, void *to, size_t len, off64_t at, size_t room)
{
	if (len > room)
		abort();
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(pread)(fd, to, len, at);
}

ssize_t
readv(int fd, const struct iovec *iov, int count)
{
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(readv)(fd, iov, count);
}

ssize_t
recv(int fd, void *to, size_t len, int flags)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(recv)(fd, to, len, flags);
}

ssize_t
__recv_chk(int fd, void *to, size_t len, size_t room, int flags)
{
	if (len > room)
		abort();
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(recv)(fd, to, len, flags);
}

ssize_t
recvfrom(int fd, void *to, size_t len, int flags, struct sockaddr *addr, socklen_t *addr_len)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(recvfrom)(fd, to, len, flags, addr, addr_len);
}

ssize_t
__recvfrom_chk(int fd, void *to, size_t len, size_t room, int flags, struct sockaddr *addr,
    socklen_t *addr_len)
{
	if (len > room)
		abort();
	len = SHORTENED(fd, len);
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(recvfrom)(fd, to, len, flags, addr, addr_len);
}

ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
	if (is_msg_shortened(fd, msg, __builtin_return_address(0))) {
		struct iovec *iov = msg->msg_iov;
		size_t count = msg->msg_iovlen, len = iov->iov_len;
		ssize_t n;

		iov->iov_len = msg->msg_iovlen = 1;
		n = REAL(recvmsg)(fd, msg, flags);
		msg->msg_iovlen = count;
		iov->iov_len = len;
		return n;
	}
	return REFUSE(KIND_READ, EIO) ? -1 : REAL(recvmsg)(fd, msg, flags);
}

ssize_t
write(int fd, const void *from, size_t len)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_WRITE, ENOSPC) ? -1 : REAL(write)(fd, from, len);
}

ssize_t
pwrite(int fd, const void *from, size_t len, off_t at)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_WRITE, ENOSPC) ? -1 : REAL(pwrite)(fd, from, len, at);
}

ssize_t
pwrite64(int fd, const void *from, size_t len, off64_t at)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_WRITE, ENOSPC) ? -1 : REAL(pwrite)(fd, from, len, at);
}

ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	if (count > 0 && iov->iov_len > 0 && SHORTENED(fd, iov->iov_len + 1) == 1)
		return REAL(write)(fd, iov->iov_base, 1);
	return REFUSE(KIND_WRITE, EIO) ? -1 : REAL(writev)(fd, iov, count);
}

ssize_t
send(int fd, const void *from, size_t len, int flags)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_WRITE, EIO) ? -1 : REAL(send)(fd, from, len, flags);
}

ssize_t
sendto(int fd, const void *from, size_t len, int flags, const struct sockaddr *addr,
    socklen_t addr_len)
{
	len = SHORTENED(fd, len);
	return REFUSE(KIND_WRITE, EIO) ? -1
				       : REAL(sendto)(fd, from, len, flags, addr, addr_len);
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (is_msg_shortened(fd, msg, __builtin_return_address(0))) {
		struct msghdr one = *msg;
		struct iovec iov = { msg->msg_iov->iov_base, 1 };

		one.msg_iov = &iov;
		one.msg_iovlen = 1;
		return REAL(sendmsg)(fd, &one, flags);
	}
	return REFUSE(KIND_WRITE, EIO) ? -1 : REAL(sendmsg)(fd, msg, flags);
}

pid_t
fork(void)
{
	pid_t pid;

	if (REFUSE(KIND_FORK, EAGAIN))
		return -1;
	pid = REAL(fork)();
	if (pid == 0)
		role_becomes_child();
	return pid;
}

void *
mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
	return REFUSE(KIND_MAP, ENOMEM) ? MAP_FAILED
					: REAL(mmap)(at, len, protection, flags, fd, offset);
}

void *
mmap64(void *at, size_t len, int protection, int flags, int fd, off64_t offset)
{
	return REFUSE(KIND_MAP, ENOMEM) ? MAP_FAILED
					: REAL(mmap)(at, len, protection, flags, fd, offset);
}

void *
mremap(void *from, size_t from_len, size_t len, int flags, ...)
{
	void *to = NULL;
	va_list ap;

	if ((flags & MREMAP_FIXED) != 0) {
		va_start(ap, flags);
		to = va_arg(ap, void *);
		va_end(ap);
	}
	return REFUSE(KIND_MAP, ENOMEM) ? MAP_FAILED
					: REAL(mremap)(from, from_len, len, flags, to);
}

int
ftruncate(int fd, off_t len)
{
	return REFUSE(KIND_MAP, ENOMEM) ? -1 : REAL(ftruncate)(fd, len);
}

int
ftruncate64(int fd, off64_t len)
{
	return REFUSE(KIND_MAP, ENOMEM) ? -1 : REAL(ftruncate)(fd, len);
}

int
memfd_create(const char *name, unsigned flags)
{
	return REFUSE(KIND_MAP, ENOMEM) ? -1 : REAL(memfd_create)(name, flags);
}

/* The mode, which is there only when a file may be made. */
#define MODE_OF(flags, last, mode)                                                             \
	do {                                                                                   \
		va_list ap_;                                                                   \
                                                                                               \
		if (((flags) & (O_CREAT | __O_TMPFILE)) != 0) {                                \
			va_start(ap_, last);                                                   \
			mode = va_arg(ap_, mode_t);                                            \
			va_end(ap_);                                                           \
		}                                                                              \
	} while (0)

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, flags, mode);
	return REFUSE(KIND_OPEN, EMFILE) ? -1 : REAL(open)(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, flags, mode);
	return REFUSE(KIND_OPEN, EMFILE) ? -1 : REAL(open)(path, flags, mode);
}

int
__open_2(const char *path, int flags)
{
	return REFUSE(KIND_OPEN, EMFILE) ? -1 : REAL(open)(path, flags);
}

int
__open64_2(const char *path, int flags)
{
	return REFUSE(KIND_OPEN, EMFILE) ? -1 : REAL(open)(path, flags);
}

int
openat(int folder, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, flags, mode);
	return REFUSE(KIND_OPEN, EMFILE) ? -1 : REAL(openat)(folder, path, flags, mode);
}

int
openat64(int folder, const char *path, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, flags, mode);
	return REFUSE(KIND_OPEN, EMFILE) ? -1 : REAL(openat)(folder, path, flags, mode);
}

FILE *
fopen(const char *path, const char *mode)
{
	return REFUSE(KIND_OPEN, EMFILE) ? NULL : REAL(fopen)(path, mode);
}

FILE *
fopen64(const char *path, const char *mode)
{
	return REFUSE(KIND_OPEN, EMFILE) ? NULL : REAL(fopen)(path, mode);
}

int
socketpair(int domain, int type, int protocol, int fds[2])
{
	return REFUSE(KIND_OPEN, EMFILE) ? -1 : REAL(socketpair)(domain, type, protocol, fds);
}

int
socket(int domain, int type, int protocol)
{
	return REFUSE(KIND_OPEN, EMFILE) ? -1 : REAL(socket)(domain, type, protocol);
}

int
connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return REFUSE(KIND_CONNECT, ECONNREFUSED) ? -1 : REAL(connect)(fd, addr, len);
}

int
posix_spawn(pid_t *ret_pid, const char *path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attributes, char *const *argv, char *const *env)
{
	return REFUSE(KIND_FORK, EAGAIN)
		   ? EAGAIN
		   : REAL(posix_spawn)(ret_pid, path, actions, attributes, argv, env);
}

int
posix_spawnp(pid_t *ret_pid, const char *file, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attributes, char *const *argv, char *const *env)
{
	return REFUSE(KIND_FORK, EAGAIN)
		   ? EAGAIN
		   : REAL(posix_spawnp)(ret_pid, file, actions, attributes, argv, env);
}

int
accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return REFUSE(KIND_ACCEPT, EMFILE) ? -1 : REAL(accept4)(fd, addr, len, flags);
}
