/* fuzz_blocklist.c: any bytes as a list of hashes. Promises: a refused list is explained with
 * name and line, every entry is found again, what is no entry is not. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "scan/blocklist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sha256 other = sha256_of(slice_of(data, len));
	struct blocklist b;
	struct err e = { 0 };
	bool is_there = false;
	int r;

	blocklist_init(&b);
	r = blocklist_parse(&b, "fuzz", slice_of(data, len), &e);
	ASSERT(r == 0 || r == -EINVAL);
	ASSERT(r == 0 || strncmp(e.text, "fuzz:", 5) == 0);
	ASSERT(b.count <= len / 64);
	blocklist_sort(&b);
	for (size_t i = 0; i < b.count; i++) {
		const char *name = blocklist_find(&b, &b.items[i].hash);

		ASSERT(name != NULL && strlen(name) <= 128);
		ASSERT(i == 0 || memcmp(&b.items[i - 1].hash, &b.items[i].hash, sizeof(other)) <= 0);
		is_there = is_there || memcmp(&other, &b.items[i].hash, sizeof(other)) == 0;
	}
	ASSERT((blocklist_find(&b, &other) != NULL) == is_there);
	blocklist_done(&b);
	return 0;
}
