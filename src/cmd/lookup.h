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

/* The numbers go over the control socket. */
enum lookup_extent {
	LOOKUP_SHORT, /* as mail that arrives: the first finding ends it */
	LOOKUP_FULL,  /* everything there is to be found */
	LOOKUP_LIST,  /* everything is taken apart and no scanner outside is asked: the verdict
	               * is unscanned and means nothing */
	LOOKUP_EXTENT_COUNT,
};

struct lookup_ops {
	/* fd: a regular file or memfd, borrowed, read from its start. Appends one JSON object
	 * to out. 0, or a negative errno with *e: nobody can look any more. */
	int (*look)(struct lookup *l, struct slice path, int fd, uint32_t roles,
	    enum lookup_extent extent, struct buf *out, struct err *e);
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

/* One request line to the daemon and its answer; for `status`, `reload`, `purge`. */
int daemon_request(const char *socket_path, const char *request, struct buf *out,
    struct err *e);

#endif
