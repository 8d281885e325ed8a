/* listen.h: listening sockets, made by the supervisor while it may, or handed over by systemd. */
#ifndef CORDON_PROC_LISTEN_H
#define CORDON_PROC_LISTEN_H

#include <stddef.h>

#include "base/err.h"

/* A non-blocking listening socket on an address of the configuration ("unix:/path" ...). For
 * unix: a stale socket file is replaced, one that answers is an error; mode and group (NULL or
 * "": unchanged) are set before anybody can connect. -1 and *e when it cannot be made. */
int listen_open(const char *address, unsigned mode, const char *group, struct err *e);
/* Removes the file of a unix address that listen_open() made. */
void listen_remove(const char *address);
/* Sockets of LISTEN_FDS (sd_listen_fds(3)): the descriptor named so in LISTEN_FDNAMES, or -1.
 * Each is given out once. */
int listen_take_inherited(const char *name);

/* One datagram to the service manager (sd_notify(3)); nothing without NOTIFY_SOCKET. */
void notify_manager(const char *state);

#endif
