/* proxy_protocol.h: the header by which a load balancer tells who connected: HAProxy's PROXY
 * protocol, versions 1 (text) and 2 (binary). Source: proxy-protocol.txt of HAProxy 2.x. */
#ifndef CORDON_INTAKE_PROXY_PROTOCOL_H
#define CORDON_INTAKE_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define PROXY_PROTOCOL_MAX_BYTES (16u + 2048u) /* version 2 with TLVs; longer is refused */

struct proxy_protocol {
	bool is_local;    /* LOCAL, UNKNOWN or unspecified: the balancer itself, e.g. a health
			     check; the connection's own address counts */
	char address[64]; /* of the client as inet_ntop(3) writes it, "" when local or not IP */
	uint16_t port;
};

/* in: what came on the connection so far; it never waits for more than it needs to tell.
 * 1: whole, *ret_used bytes of in are the header; 0: more is needed; -EPROTO: it is none,
 * nothing is written. A connection that ends while more is needed had no header. */
int proxy_protocol_parse(struct slice in, struct proxy_protocol *ret_header, size_t *ret_used);

#endif
