/* bench_sink_mail.c: the sink's reading of one mail, and its books of what arrived
 * (bench_sink.h). */
#include "bench_sink.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define IDS_START 4096

static uint64_t
id_hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h;
}

/* The place of an id, or the free place where it belongs. */
static struct sink_id *
ids_find(struct sink_id *ids, size_t cap, const char *text)
{
	size_t i = (size_t)(id_hash(text) % cap);

	while (ids[i].text[0] && strcmp(ids[i].text, text) != 0)
		i = (i + 1) % cap;
	return &ids[i];
}

static void
ids_grow(struct sink_count *n)
{
	size_t cap = n->id_cap ? n->id_cap * 2 : IDS_START;
	struct sink_id *ids = calloc(cap, sizeof(*ids));

	if (!ids)
		err(1, "cannot keep %zu ids", cap);
	for (size_t i = 0; i < n->id_cap; i++)
		if (n->ids[i].text[0])
			*ids_find(ids, cap, n->ids[i].text) = n->ids[i];
	free(n->ids);
	n->ids = ids;
	n->id_cap = cap;
}

/* How often it has arrived, this time included. */
static unsigned
count_id(struct sink_count *n, const char *text)
{
	if (n->id_count * 2 >= n->id_cap)
		ids_grow(n);
	struct sink_id *id = ids_find(n->ids, n->id_cap, text);
	if (id->count == 0) {
		memcpy(id->text, text, sizeof(id->text));
		n->id_count++;
	}
	return ++id->count;
}

void
sink_count_print_json(const struct sink_count *n, FILE *out)
{
	fprintf(out,
	    "{\"connections\":%llu,\"mails\":%llu,\"bytes\":%llu,\"recipients\":%llu,"
	    "\"ids\":%zu,\"doubled\":%llu,\"infected\":%llu,\"without_id\":%llu,"
	    "\"damaged\":%llu,\"bare_lf\":%llu,\"unfinished\":%llu,\"faults\":%llu}\n",
	    (unsigned long long)n->connections, (unsigned long long)n->mails,
	    (unsigned long long)n->bytes, (unsigned long long)n->recipients, n->id_count,
	    (unsigned long long)n->doubled, (unsigned long long)n->infected,
	    (unsigned long long)n->without_id, (unsigned long long)n->damaged,
	    (unsigned long long)n->bare_lf, (unsigned long long)n->unfinished,
	    (unsigned long long)n->faults);
	fflush(out);
}

void
sink_count_write_ids(const struct sink_count *n, const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		err(1, "cannot write '%s'", path);
	for (size_t i = 0; i < n->id_cap; i++)
		if (n->ids[i].text[0])
			fprintf(f, "%s %u\n", n->ids[i].text, n->ids[i].count);
	if (fclose(f) != 0)
		err(1, "cannot write '%s'", path);
}

void
sink_mail_begin(struct sink_mail *m)
{
	*m = (struct sink_mail){ .in_header = true };
}

/* The value of a header line if it has that name (with its colon), else NULL. */
static const char *
line_get_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0)
		return NULL;
	return line + len + strspn(line + len, " \t");
}

/* A header line is complete. */
static void
mail_on_header(struct sink_mail *m)
{
	const char *value;

	if (m->line_len > 0 && m->line[m->line_len - 1] == '\r')
		m->line_len--;
	m->line[m->line_len] = '\0';
	if (m->line_len == 0) {
		m->in_header = false;
	} else if ((value = line_get_value(m->line, "X-Bench-Id:")) != NULL) {
		snprintf(m->id, sizeof(m->id), "%.*s", (int)strcspn(value, " \t\r"), value);
	} else if ((value = line_get_value(m->line, "X-Bench-Body:")) != NULL) {
		m->wanted_body_bytes = strtoull(value, NULL, 10);
		m->has_body_size = true;
	}
	m->line_len = 0;
}

/* Bytes of a line, its end perhaps included. */
static void
mail_take_text(struct sink_mail *m, const char *data, size_t len)
{
	m->bytes += len;
	if (!m->in_header) {
		m->body_bytes += len;
		return;
	}
	size_t room = sizeof(m->line) - 1 - m->line_len;
	size_t text = len - (data[len - 1] == '\n');
	if (text > room)
		text = room;
	memcpy(m->line + m->line_len, data, text);
	m->line_len += text;
	if (data[len - 1] == '\n')
		mail_on_header(m);
}

/* Inside of a line: up to its end, or to the end of what there is. */
static size_t
mail_take_line(struct sink_mail *m, const char *data, size_t len)
{
	const char *eol = memchr(data, '\n', len);
	size_t used = eol ? (size_t)(eol - data) + 1 : len;

	if (eol) {
		bool crlf = eol > data ? eol[-1] == '\r' : m->last_cr;
		m->bare_lf += !crlf;
		m->state = crlf ? MAIL_LINE_START : MAIL_LINE;
	}
	m->last_cr = !eol && data[len - 1] == '\r';
	mail_take_text(m, data, used);
	return used;
}

size_t
sink_mail_take(struct sink_mail *m, const char *data, size_t len, bool *ret_ended)
{
	size_t at = 0;

	*ret_ended = false;
	while (at < len) {
		switch (m->state) {
		case MAIL_LINE_START:
			m->last_cr = false;
			m->state = data[at] == '.' ? MAIL_DOT : MAIL_LINE;
			at += data[at] == '.';
			break;
		case MAIL_DOT: /* it is doubled, or all there is on the line */
			m->state = data[at] == '\r' ? MAIL_DOT_CR : MAIL_LINE;
			at += data[at] == '\r';
			break;
		case MAIL_DOT_CR:
			if (data[at] == '\n') {
				*ret_ended = true;
				return at + 1;
			}
			mail_take_text(m, "\r", 1);
			m->state = MAIL_LINE;
			break;
		case MAIL_LINE:
			at += mail_take_line(m, data + at, len - at);
		}
	}
	return at;
}

void
sink_mail_count(const struct sink_mail *m, struct sink_count *n)
{
	n->mails++;
	n->bytes += m->bytes;
	n->bare_lf += m->bare_lf;
	n->damaged += m->has_body_size && m->wanted_body_bytes != m->body_bytes;
	if (!m->id[0]) {
		n->without_id++;
		return;
	}
	n->doubled += count_id(n, m->id) > 1;
	n->infected += strstr(m->id, "-i-") != NULL;
}
