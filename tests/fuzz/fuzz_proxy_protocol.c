/* fuzz_proxy_protocol.c: any bytes at the begin of a connection. Promises: whole and byte by
 * byte give the same; it never waits for more than its largest size, eats the header and
 * nothing behind it; an address is one that inet_pton() takes, or there is none. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "intake/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_header(const struct proxy_protocol *h)
{
	uint8_t bytes[16];

	ASSERT(memchr(h->address, '\0', sizeof(h->address)) != NULL);
	if (h->address[0] == '\0') {
		ASSERT(h->port == 0);
		return;
	}
	ASSERT(!h->is_local);
	ASSERT(inet_pton(AF_INET, h->address, bytes) == 1 ||
	       inet_pton(AF_INET6, h->address, bytes) == 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proxy_protocol whole, bytes;
	size_t used, used_bytes, at = 0;
	int ret = proxy_protocol_parse(slice_of(data, len), &whole, &used), ret_bytes = 0;

	for (at = 0; at <= len && ret_bytes == 0; at++)
		ret_bytes = proxy_protocol_parse(slice_of(data, at), &bytes, &used_bytes);
	ASSERT(ret == ret_bytes);
	ASSERT(ret == 1 || ret == 0 || ret == -EPROTO);
	if (ret == 0)
		ASSERT(len < PROXY_PROTOCOL_MAX_BYTES);
	if (ret != 1)
		return 0;
	ASSERT(used == used_bytes && used <= len && used == at - 1);
	ASSERT(used > 0 && used <= PROXY_PROTOCOL_MAX_BYTES);
	ASSERT(whole.is_local == bytes.is_local && whole.port == bytes.port);
	ASSERT(strcmp(whole.address, bytes.address) == 0);
	check_header(&whole);
	return 0;
}
