/* intake_peer.h: the other end of a session's socket: writing to it, and whether it is still
 * there while nothing is read. For sockets without TLS; base/stream.h has the others. */
#ifndef CORDON_INTAKE_PEER_H
#define CORDON_INTAKE_PEER_H

#include <stdbool.h>
#include <sys/types.h>

struct buf;

enum intake_peer_word {
	INTAKE_PEER_SILENT = 0,
	INTAKE_PEER_SPOKE,  /* bytes are there, and stay in the socket */
	INTAKE_PEER_CLOSED, /* it sends no more; it may still listen */
	INTAKE_PEER_LOST,
};
enum intake_peer_word intake_peer_peek(int fd);
/* It neither sends nor listens. A unix socket tells; of TCP we learn with the first answer. */
bool intake_peer_is_gone(int fd);
/* The same, or it only sends no more. */
bool intake_peer_has_closed(int fd);
/* Writes what it takes of out, once, and removes that. Returns the bytes, -EAGAIN when it takes
 * none now, another negative errno when the connection is lost. */
ssize_t intake_peer_write(int fd, struct buf *out);

#endif
