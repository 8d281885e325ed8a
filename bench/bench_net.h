/* bench_net.h: what every network program of the benchmark needs: addresses, sockets, the
 * clock. Any error ends the program: without them there is nothing to measure. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdint.h>
#include <sys/socket.h>

struct net_address {
	struct sockaddr_storage address;
	socklen_t len;
};

/* unix:PATH, inet:HOST:PORT or inet6:HOST:PORT, HOST in brackets or not. */
void net_address_parse(struct net_address *a, const char *text);
/* A listening socket, non-blocking; a file in the way of a unix socket is removed. Prints
 * "listening PORT" when the kernel was asked to choose the port. */
int net_listen(const char *text);
/* One connection of a listening socket, non-blocking; -1 when there is none. */
int net_accept(int listen_fd);
/* Start to connect, non-blocking; *ret_fd is set unless an error is returned.
 * source_host  0, or the last byte of the 127.0.0.x to come from (IPv4 only)
 * returns      0; -EAGAIN the listener's queue is full, try later; other negative: error */
int net_connect(const struct net_address *a, unsigned source_host, int *ret_fd);
/* Small writes leave at once, as every MTA wants it. No error on unix sockets. */
void net_set_nodelay(int fd);
/* As many descriptors as the machine allows. */
void net_raise_files(void);
uint64_t net_now_ns(void);
/* CPU seconds of this process so far. */
double net_own_cpu_seconds(void);

#endif
