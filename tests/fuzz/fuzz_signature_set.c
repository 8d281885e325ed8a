/* fuzz_signature_set.c: any bytes as a signature file. Promises: sizes stay in their bounds, a
 * refused file is explained with name and line, what was read is found again by the matcher. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "scan/signature_match.h"
#include "scan/signature_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
hit(void *ctx, const char *name)
{
	unsigned *hits = ctx;

	ASSERT(strlen(name) >= 1 && strlen(name) <= SIGNATURE_NAME_MAX_BYTES);
	(*hits)++;
}

/* Each signature matches its own text. */
static void
check_match(struct signature_set *s)
{
	uint8_t *texts[4];
	size_t lens[4], count = MIN_OF(s->count, (size_t)4);
	struct signature_match *m;
	struct err e = { 0 };

	for (size_t i = 0; i < count; i++) {
		lens[i] = s->items[i].text.len;
		texts[i] = malloc(lens[i]);
		ASSERT(texts[i] != NULL);
		memcpy(texts[i], s->items[i].text.ptr, lens[i]);
	}
	m = signature_match_new(s, &e);
	ASSERT(m != NULL);
	for (size_t i = 0; i < count; i++) {
		unsigned hits = 0;

		ASSERT(signature_match_run(m, slice_of(texts[i], lens[i]), hit, &hits) == 0);
		ASSERT(hits >= 1 && hits <= SIGNATURE_HITS_MAX);
		free(texts[i]);
	}
	signature_match_free(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct signature_set s;
	struct err e = { 0 };
	int r;

	if (len > 8192)
		return 0;
	signature_set_init(&s);
	r = signature_set_parse(&s, "fuzz", slice_of(data, len), &e);
	ASSERT(r == 0 || r == -EINVAL);
	ASSERT(r == 0 || strncmp(e.text, "fuzz:", 5) == 0);
	ASSERT(r == 0 || strstr(e.text, "expected") != NULL);
	for (size_t i = 0; i < s.count; i++) {
		ASSERT(s.items[i].text.len >= SIGNATURE_TEXT_MIN_BYTES &&
		    s.items[i].text.len <= SIGNATURE_TEXT_MAX_BYTES);
		ASSERT(s.items[i].name.len >= 1 && s.items[i].name.len <= SIGNATURE_NAME_MAX_BYTES);
		ASSERT(s.items[i].name.ptr[s.items[i].name.len] == '\0');
		for (size_t k = 0; k < s.items[i].name.len; k++)
			ASSERT(s.items[i].name.ptr[k] > ' ' && s.items[i].name.ptr[k] < 0x7f);
	}
	if (r == 0 && s.count > 0 && s.count < 20)
		check_match(&s);
	signature_set_done(&s);
	return 0;
}
