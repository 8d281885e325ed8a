/* bench_mails.c: read a corpus into memory before the clock starts (bench_mails.h), so that the
 * load generator pays neither for the disk nor for parsing while it measures. */
#include "bench_mails.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 4096

static void *
get_memory(size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);

	if (!p)
		err(1, "cannot get %zu bytes", bytes);
	return p;
}

/* The whole file with CRLF ends of line. Owned by the caller. */
static char *
mail_read(const char *path, size_t bytes, size_t *ret_bytes)
{
	char *raw = get_memory(bytes), *text = get_memory(bytes * 2 + 1);
	size_t n = 0;
	FILE *f = fopen(path, "r");

	if (!f || fread(raw, 1, bytes, f) != bytes)
		err(1, "cannot read %zu bytes of '%s'", bytes, path);
	fclose(f);
	for (size_t i = 0; i < bytes; i++) {
		if (raw[i] == '\n' && (i == 0 || raw[i - 1] != '\r'))
			text[n++] = '\r';
		text[n++] = raw[i];
	}
	free(raw);
	text[n] = '\0';
	*ret_bytes = n;
	text = realloc(text, n + 1);
	if (!text)
		err(1, "cannot get %zu bytes", n);
	return text;
}

/* The bytes of the header that starts at p, with its continuation lines and last CRLF. */
static size_t
header_measure(const char *p, const char *end)
{
	const char *at = p;

	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		at = eol ? eol + 1 : end;
		if (at >= end || (*at != ' ' && *at != '\t'))
			break;
	}
	return (size_t)(at - p);
}

/* Cut one header out of p..p+len into a memory of its own. */
static void
header_cut(struct mail_header *h, const char *p, size_t len)
{
	char *text = get_memory(len + 2);
	const char *colon = memchr(p, ':', len);
	size_t n = colon ? (size_t)(colon - p) : len;

	memcpy(text, p, n);
	text[n] = '\0';
	h->name = text;
	h->name_bytes = n + 1;
	text += n + 1;
	h->value = text;
	for (size_t i = n + 1; i < len; i++)
		if (p[i] != '\r')
			*text++ = p[i];
	while (text > h->value && text[-1] == '\n')
		text--;
	*text = '\0';
	h->value_bytes = (size_t)(text - h->value) + 1;
}

static void
mail_cut(struct mail *m, const char *text, size_t bytes)
{
	const char *p = text, *end = text + bytes;
	size_t cap = 0;

	while (p < end && *p != '\r') {
		size_t len = header_measure(p, end);
		if (m->header_count == cap) {
			cap = cap ? cap * 2 : 32;
			m->headers = reallocarray(m->headers, cap, sizeof(*m->headers));
			if (!m->headers)
				err(1, "cannot get %zu headers", cap);
		}
		header_cut(&m->headers[m->header_count++], p, len);
		p += len;
	}
	if (end - p >= 2)
		p += 2;
	m->body = p;
	m->body_bytes = (size_t)(end - p);
	m->bytes = bytes;
	m->text = text;
}

/* How many bytes the wire has more than the text: doubled dots, a missing last CRLF. */
static size_t
mail_count_stuffing(const struct mail *m)
{
	const char *p = m->text, *end = m->text + m->bytes;
	size_t more = m->bytes > 0 && *p == '.';

	while ((p = memmem(p, (size_t)(end - p), "\n.", 2)) != NULL) {
		more++;
		p += 2;
	}
	return more + (m->bytes > 0 && end[-1] == '\n' ? 0 : 2);
}

static void
mail_make_wire(struct mail *m)
{
	size_t more = mail_count_stuffing(m), n = 0;

	m->wire = m->text;
	m->wire_bytes = m->bytes;
	m->wire_body_bytes = m->body_bytes;
	if (more == 0)
		return;
	char *wire = get_memory(m->bytes + more);
	for (size_t i = 0; i < m->bytes; i++) {
		if (m->text[i] == '.' && (i == 0 || m->text[i - 1] == '\n'))
			wire[n++] = '.';
		wire[n++] = m->text[i];
	}
	if (n < m->bytes + more) {
		memcpy(wire + n, "\r\n", 2);
		m->wire_body_bytes += 2;
	}
	m->wire = wire;
	m->wire_bytes = m->bytes + more;
}

void
mails_make_wire(struct mails *m)
{
	for (size_t i = 0; i < m->count; i++)
		mail_make_wire(&m->list[i]);
}

void
mails_load(struct mails *m, const char *folder, size_t limit)
{
	char path[PATH_BYTES], name[128], class[32], verdict[32];
	size_t bytes, cap = 0;

	snprintf(path, sizeof(path), "%s/list", folder);
	FILE *list = fopen(path, "r");
	if (!list)
		err(1, "cannot read '%s'", path);
	*m = (struct mails){ 0 };
	while ((limit == 0 || m->count < limit) &&
	       fscanf(list, "%127s %zu %31s %31s", name, &bytes, class, verdict) == 4) {
		if (m->count == cap) {
			cap = cap ? cap * 2 : 1024;
			m->list = reallocarray(m->list, cap, sizeof(*m->list));
			if (!m->list)
				err(1, "cannot get %zu mails", cap);
		}
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
			errx(1, "path too long: %s", folder);
		struct mail *mail = &m->list[m->count++];
		*mail = (struct mail){ .infected = strcmp(verdict, "infected") == 0 };
		size_t text_bytes;
		const char *text = mail_read(path, bytes, &text_bytes);
		mail_cut(mail, text, text_bytes);
	}
	fclose(list);
	if (m->count == 0)
		errx(1, "no mail in '%s'", folder);
}
