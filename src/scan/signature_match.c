/* signature_match.c: libhs in block mode. A mail lies in one piece of memory, so there is no
 * chunk boundary that a signature could stand across. */
#include "scan/signature_match.h"

#include <errno.h>
#include <hs.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "scan/signature_set.h"

#define BLOCK_MAX_BYTES (UINT32_C(1) << 30) /* libhs takes 32-bit lengths */

struct signature_match {
	struct signature_set set;
	hs_database_t *database;
	hs_scratch_t *scratch;
};

void
signature_match_free(struct signature_match **address)
{
	struct signature_match *m = *address;

	if (m == NULL)
		return;
	hs_free_scratch(m->scratch);
	hs_free_database(m->database);
	signature_set_done(&m->set);
	free(m);
	*address = NULL;
}

/* \xNN for every byte: no character means anything, and NUL is allowed. */
static char *
pattern_format(struct slice text)
{
	char *pattern = mem_new(text.len * 4 + 1);
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < text.len; i++) {
		pattern[4 * i] = '\\';
		pattern[4 * i + 1] = 'x';
		pattern[4 * i + 2] = digits[text.ptr[i] >> 4];
		pattern[4 * i + 3] = digits[text.ptr[i] & 15];
	}
	return pattern;
}

static int
database_compile(struct signature_match *m, char **patterns, unsigned *flags, unsigned *ids,
    struct err *e)
{
	hs_compile_error_t *error = NULL;
	hs_error_t r;
	int status = 0;

	for (size_t i = 0; i < m->set.count; i++) {
		patterns[i] = pattern_format(m->set.items[i].text);
		flags[i] = HS_FLAG_SINGLEMATCH | HS_FLAG_DOTALL;
		ids[i] = (unsigned)i;
	}
	r = hs_compile_multi((const char *const *)patterns, flags, ids, (unsigned)m->set.count,
	    HS_MODE_BLOCK, NULL, &m->database, &error);
	if (r != HS_SUCCESS) {
		bool known = error != NULL && error->expression >= 0 &&
		    (size_t)error->expression < m->set.count;

		status = err_set(e, EINVAL, "cannot compile signatures: %s%s%s",
		    error == NULL ? "libhs failed" : error->message, known ? ", at " : "",
		    known ? (const char *)m->set.items[error->expression].name.ptr : "");
		hs_free_compile_error(error);
	} else if (hs_alloc_scratch(m->database, &m->scratch) != HS_SUCCESS) {
		status = err_set(e, ENOMEM, "cannot allocate memory for signatures");
	}
	for (size_t i = 0; i < m->set.count; i++)
		free(patterns[i]);
	return status;
}

struct signature_match *
signature_match_new(struct signature_set *s, struct err *e)
{
	CLEANUP(signature_match_free) struct signature_match *m = mem_new(sizeof(*m));
	size_t count = s->count;
	char **patterns = mem_new((count + 1) * sizeof(*patterns));
	unsigned *flags = mem_new((count + 1) * sizeof(*flags));
	unsigned *ids = mem_new((count + 1) * sizeof(*ids));
	int r = 0;

	m->set = *s;
	signature_set_init(s);
	if (hs_valid_platform() != HS_SUCCESS)
		r = err_set(e, ENOTSUP, "libhs does not run on this processor (SSSE3 is needed)");
	if (r == 0 && count > 0)
		r = database_compile(m, patterns, flags, ids, e);
	free(patterns);
	free(flags);
	free(ids);
	return r < 0 ? NULL : TAKE(m);
}

size_t
signature_match_get_count(const struct signature_match *m)
{
	return m->set.count;
}

struct run {
	struct signature_match *m;
	void (*hit)(void *ctx, const char *name);
	void *ctx;
	unsigned hits;
};

static int
on_match(unsigned id, unsigned long long from UNUSED, unsigned long long to UNUSED,
    unsigned flags UNUSED, void *ctx)
{
	struct run *r = ctx;

	r->hit(r->ctx, (const char *)r->m->set.items[id].name.ptr);
	return ++r->hits >= SIGNATURE_HITS_MAX;
}

int
signature_match_run(struct signature_match *m, struct slice bytes,
    void (*hit)(void *ctx, const char *name), void *ctx)
{
	struct run run = { m, hit, ctx, 0 };

	if (m->database == NULL)
		return 0;
	while (bytes.len > 0 && run.hits < SIGNATURE_HITS_MAX) {
		size_t len = MIN_OF(bytes.len, (size_t)BLOCK_MAX_BYTES);
		size_t step = len == bytes.len ? len : len - SIGNATURE_TEXT_MAX_BYTES;
		hs_error_t r = hs_scan(m->database, (const char *)bytes.ptr, (unsigned)len, 0,
		    m->scratch, on_match, &run);

		if (r != HS_SUCCESS && r != HS_SCAN_TERMINATED)
			return -EIO;
		bytes = slice_from(bytes, step);
	}
	return 0;
}
