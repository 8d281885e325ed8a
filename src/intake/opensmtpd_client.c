/* opensmtpd_client.c: the SMTP sessions of one smtpd, and the one mail that each may have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "intake/intake_body.h"
#include "intake/opensmtpd_line.h"
#include "intake/opensmtpd_session_private.h"

static const struct intake_sink *
client_get_sink(const struct opensmtpd_client *c)
{
	return c->base.env->sink;
}

void
opensmtpd_list_add(struct opensmtpd_list *l, struct opensmtpd_client *c)
{
	ASSERT(c->list == NULL);
	c->list = l;
	c->next = NULL;
	c->prev = l->last;
	if (l->last != NULL)
		l->last->next = c;
	else
		l->first = c;
	l->last = c;
}

void
opensmtpd_list_remove(struct opensmtpd_client *c)
{
	struct opensmtpd_list *l = c->list;

	if (l == NULL)
		return;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		l->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		l->last = c->prev;
	c->list = NULL;
	c->next = c->prev = NULL;
}

/* smtpd makes the ids at random. */
static struct opensmtpd_client **
table_find(struct opensmtpd_session *s, uint64_t id)
{
	struct opensmtpd_client **at = &s->table[(id ^ id >> 32) & (OPENSMTPD_TABLE_SIZE - 1)];

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->chain;
	return at;
}

struct opensmtpd_client *
opensmtpd_client_find(struct opensmtpd_session *s, uint64_t id)
{
	return *table_find(s, id);
}

static void
warn_full(struct opensmtpd_session *s)
{
	if (s->has_warned_full)
		return;
	s->has_warned_full = true;
	log_warn(NULL,
	    "opensmtpd listener=%s: no room for more than %u SMTP sessions: mails of "
	    "further ones get 451",
	    s->base.client.listener, s->client_count);
}

struct opensmtpd_client *
opensmtpd_client_add(struct opensmtpd_session *s, uint64_t id)
{
	struct opensmtpd_client **at = table_find(s, id), *c;

	if (*at != NULL) {
		opensmtpd_client_remove(*at);
		at = table_find(s, id);
	}
	c = s->client_count < OPENSMTPD_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (c == NULL) {
		warn_full(s);
		return NULL;
	}
	intake_session_init(
	    &c->base, &opensmtpd_client_ops, s->base.env, s->base.client.listener);
	c->connection = s;
	c->id = id;
	*at = c;
	s->client_count++;
	return c;
}

void
opensmtpd_client_remove(struct opensmtpd_client *c)
{
	struct opensmtpd_session *s = c->connection;
	struct opensmtpd_client **at;

	opensmtpd_client_end_mail(c, false);
	at = table_find(s, c->id);
	ASSERT(*at == c);
	*at = c->chain;
	s->client_count--;
	intake_session_done(&c->base);
	free(c);
}

void
opensmtpd_client_remove_all(struct opensmtpd_session *s)
{
	for (size_t i = 0; i < OPENSMTPD_TABLE_SIZE; i++) {
		while (s->table[i] != NULL)
			opensmtpd_client_remove(s->table[i]);
	}
}

void
opensmtpd_client_begin_mail(
    struct opensmtpd_client *c, struct slice sender, struct slice queue_id)
{
	struct opensmtpd_session *s = c->connection;

	opensmtpd_client_end_mail(c, false);
	c->state = OPENSMTPD_MAIL;
	if (s->is_draining || s->is_dead)
		return;
	c->mail =
	    client_get_sink(c)->mail_begin(c->base.env->ctx, &c->base, sender, SLICE_NONE);
	if (c->mail == NULL)
		return;
	s->mail_count++;
	if (queue_id.len > 0)
		client_get_sink(c)->mail_set_queue_id(c->mail, queue_id);
}

void
opensmtpd_client_end_mail(struct opensmtpd_client *c, bool delivered)
{
	void *mail = TAKE(c->mail);

	opensmtpd_list_remove(c);
	c->state = OPENSMTPD_NO_MAIL;
	c->mail_bytes = 0;
	c->is_dropping = c->is_cut = c->is_overruled = c->is_in_line = c->has_cr = false;
	c->pieces = NULL;
	c->piece_count = c->piece = c->piece_at = c->line_bytes = 0;
	if (mail == NULL)
		return;
	c->connection->mail_count--;
	client_get_sink(c)->mail_close(mail, delivered);
}

bool
opensmtpd_client_take_line(struct opensmtpd_client *c, struct slice line)
{
	struct opensmtpd_session *s = c->connection;
	const struct intake_body body = { .sink = client_get_sink(c),
		.mail = c->mail,
		.is_paused = &s->is_paused,
		.is_dropping = &c->is_dropping,
		.is_dead = &s->is_dead };
	const struct slice parts[] = { line, SLICE_LIT("\r\n") };
	size_t total = line.len + 2;

	while (s->line_used < total && c->mail != NULL && !c->is_dropping) {
		size_t room, n = 0;
		uint8_t *to = intake_body_reserve(&body, total - s->line_used, &room);

		if (to == NULL && !c->is_dropping)
			return false;
		if (to == NULL)
			break;
		for (size_t i = 0, skip = s->line_used; i < ARRAY_LEN(parts) && n < room; i++) {
			struct slice part = slice_sub(slice_from(parts[i], skip), 0, room - n);

			skip -= MIN_OF(skip, parts[i].len);
			if (part.len > 0)
				memcpy(to + n, part.ptr, part.len);
			n += part.len;
		}
		client_get_sink(c)->mail_body_commit(c->mail, n);
		s->line_used += n;
	}
	s->line_used = 0;
	c->mail_bytes += total;
	return true;
}

static void
answer_set(struct opensmtpd_client *c, bool permanent, const struct intake_reply *r)
{
	char text[ANSWER_TEXT_SIZE];

	answer_text_make(r, permanent, text);
	snprintf(c->answer, sizeof(c->answer), "reject|%s", text);
}

/* What the sink said cannot be done here. */
static void
answer_overrule(struct opensmtpd_client *c, bool permanent, unsigned code, const char *enhanced,
    const char *text)
{
	c->is_overruled = true;
	answer_set(c, permanent,
	    &(struct intake_reply){ .code = code, .enhanced = enhanced, .text = text });
}

static void
warn_action(struct opensmtpd_session *s, const char *action, const char *instead)
{
	if (s->has_warned_action)
		return;
	s->has_warned_action = true;
	log_warn(NULL,
	    "opensmtpd listener=%s: a filter of OpenSMTPD cannot %s mail: it is "
	    "answered with %s",
	    s->base.client.listener, action, instead);
}

static void
answer_accept(struct opensmtpd_client *c, const struct intake_reply *r)
{
	struct opensmtpd_session *s = c->connection;

	snprintf(c->answer, sizeof(c->answer), "proceed");
	if (r->piece_count > 0) {
		c->pieces = r->pieces;
		c->piece_count = r->piece_count;
	} else if (c->mail_bytes > s->max_mail_bytes) {
		answer_overrule(c, true, 552, "5.3.4", "Message is too big to be filtered");
	} else if (c->mail_bytes > 0) {
		answer_overrule(
		    c, false, 451, "4.3.1", "Message could not be kept, try again later");
	}
}

void
opensmtpd_client_set_answer(struct opensmtpd_client *c, const struct intake_reply *r)
{
	switch (r->action) {
	case INTAKE_ACCEPT:
		answer_accept(c, r);
		break;
	case INTAKE_REJECT:
		answer_set(c, true, r);
		break;
	case INTAKE_DISCARD:
		warn_action(c->connection, "discard", "550");
		answer_overrule(c, true, 550, "5.7.1", "Message refused");
		break;
	case INTAKE_HOLD:
		warn_action(c->connection, "hold", "451");
		answer_overrule(c, false, 451, "4.7.1", NULL);
		break;
	case INTAKE_TEMPFAIL:
		answer_set(c, false, r);
		break;
	}
	c->state = OPENSMTPD_GIVING;
	opensmtpd_list_add(&c->connection->giving, c);
}

void
opensmtpd_client_end_lines(struct opensmtpd_client *c)
{
	c->state = OPENSMTPD_SINK;
	if (c->mail != NULL) {
		client_get_sink(c)->mail_end(c->mail);
		return;
	}
	opensmtpd_client_set_answer(c, &(struct intake_reply){ .action = INTAKE_TEMPFAIL,
					   .code = 451,
					   .enhanced = "4.3.2",
					   .text = "Too busy, try again later" });
	opensmtpd_give(c->connection);
}
