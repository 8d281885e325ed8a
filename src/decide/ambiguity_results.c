/* ambiguity_results.c: see ambiguity_results.h. */
#include "decide/ambiguity_results.h"

#include <inttypes.h>
#include <string.h>

#include "decompose/object.h"

#define HOST_MAX_BYTES 253 /* RFC 1035 section 2.3.4, as text */

int
ambiguity_results_format(const char *host, const struct evidence *ev,
    enum config_ambiguity word, enum action action, struct buf *out)
{
	static const char host_bytes[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	const char *result = ev->finding_count > 0 ? "malicious" :
	    ev->unscanned_count > 0 || !ev->inspected ? "limit" :
	    ev->ambiguities != 0 && word != CONFIG_AMBIGUITY_ACCEPT ? "ambiguous" :
	    (ev->ambiguities | ev->notes) != 0 ? "benign" : "none";
	uint64_t classes = ev->ambiguities != 0 ? ev->ambiguities : ev->notes;
	const char *before = "; class=";
	size_t begin = out->len;
	int s = 0;

	for (size_t i = 0; host[i] != '\0' && i < HOST_MAX_BYTES; i++)
		s |= buf_append_byte(out, strchr(host_bytes, host[i]) != NULL ? (uint8_t)host[i] : '-');
	s |= buf_printf(out, "%s 1; result=%s", host[0] == '\0' ? "localhost" : "", result);
	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		if ((classes & AMBIGUITY_BIT(n)) == 0)
			continue;
		s |= buf_printf(out, "%s%s", before, ambiguity_get_name(n));
		before = ",";
	}
	s |= buf_printf(out, "; views=%" PRIu32 "; blobs=%" PRIu32 "; scanned=%" PRIu32 "; action=%s",
	    ev->views, ev->blobs, ev->scanned, action_get_name(action));
	if (ev->ambiguities != 0)
		s |= buf_printf(out, "; policy=%s", config_ambiguity_get_name(word));
	if (s < 0)
		out->len = begin;
	return s < 0 ? s : 0;
}
