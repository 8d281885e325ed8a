/* lookup.h: how the cordon command has a file looked at: by the running daemon, or by itself
 * with caged workers of its own. Both give the same line of JSON. */
#ifndef CORDON_CMD_LOOKUP_H
#define CORDON_CMD_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct config;
struct lookup;

struct lookup_ops {
	/* fd: a regular file or memfd, borrowed, read from its start. Appends one JSON object to
	 * out. 0, or a negative errno with *e: nobody can look any more. */
	int (*look)(struct lookup *l, struct slice path, int fd, uint32_t roles, bool full,
	    struct buf *out, struct err *e);
	void (*free)(struct lookup *l);
};

struct lookup {
	const struct lookup_ops *ops;
};

/* The daemon behind the control socket. NULL and *e when it does not answer. */
struct lookup *lookup_daemon_new(const char *socket_path, struct err *e);
/* Workers of our own, started with this configuration (changed: see lookup_local.c). */
struct lookup *lookup_local_new(struct config *c, struct err *e);
void lookup_free(struct lookup **l);

/* A connection to the daemon's control socket, or a negative errno with *e. */
int daemon_connect(const char *socket_path, struct err *e);
/* Sends one line, its newline included, with descriptors (borrowed) beside it. */
#define DAEMON_FDS_MAX 2u
int daemon_send(int fd, struct slice line, const int *fds, size_t fd_count, struct err *e);
/* Appends the answer, without its newline. timeout_ms 0: waits for ever. */
int daemon_receive(int fd, int64_t timeout_ms, struct buf *out, struct err *e);
/* One request line to the daemon and its answer; for `status`, `reload`, `purge`. */
int daemon_request(const char *socket_path, const char *request, struct buf *out,
    struct err *e);

#endif
