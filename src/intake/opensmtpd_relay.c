/* opensmtpd_relay.c: see opensmtpd_relay.h. An SMTP session is known from link-connect to
 * link-disconnect; what it waits for is noted, so that it never waits in vain. */
#include "intake/opensmtpd_relay.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "intake/opensmtpd_line.h"

#define BUFFER_MAX_BYTES    (4u * 1024 * 1024)
#define HANDSHAKE_MAX_BYTES (64u * 1024)
#define TABLE_SIZE          4096u /* a power of two */
/* What one session can owe: one line of 600 bytes, within what a buffer holds beyond full. */
#define ENTRIES_MAX 10000u

enum entry_state {
	ENTRY_IDLE,
	ENTRY_LINES,  /* a mail goes to the daemon */
	ENTRY_GIVING, /* it is to come back */
	ENTRY_COMMIT, /* an answer is to come */
};

struct entry {
	struct entry *chain;
	uint64_t id, token;
	enum entry_state state;
	bool is_lost; /* of its mail the daemon of today knows nothing */
};

struct opensmtpd_relay_table {
	unsigned count;
	struct entry *heads[TABLE_SIZE];
};

void
opensmtpd_relay_init(struct opensmtpd_relay *r)
{
	*r = (struct opensmtpd_relay){ .table = mem_new(sizeof(*r->table)) };
	buf_init(&r->to_smtpd, BUFFER_MAX_BYTES);
	buf_init(&r->to_daemon, BUFFER_MAX_BYTES);
	buf_init(&r->from_smtpd, BUFFER_MAX_BYTES);
	buf_init(&r->from_daemon, BUFFER_MAX_BYTES);
	buf_init(&r->handshake, HANDSHAKE_MAX_BYTES);
}

static struct entry **
entry_find(struct opensmtpd_relay *r, uint64_t id)
{
	struct entry **at = &r->table->heads[(id ^ id >> 32) & (TABLE_SIZE - 1)];

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->chain;
	return at;
}

static void
entry_remove(struct opensmtpd_relay *r, struct entry **at)
{
	struct entry *gone = *at;

	if (gone == NULL)
		return;
	*at = gone->chain;
	free(gone);
	r->table->count--;
}

/* Without room the session stays unknown, and its mails are refused for now. */
static void
entry_add(struct opensmtpd_relay *r, uint64_t id)
{
	struct entry **at = entry_find(r, id);
	struct entry *added = r->table->count < ENTRIES_MAX ? calloc(1, sizeof(*added)) : NULL;

	entry_remove(r, at);
	if (added == NULL)
		return;
	added->id = id;
	added->chain = *at;
	*at = added;
	r->table->count++;
}

void
opensmtpd_relay_done(struct opensmtpd_relay *r)
{
	for (size_t i = 0; i < TABLE_SIZE; i++) {
		while (r->table->heads[i] != NULL)
			entry_remove(r, &r->table->heads[i]);
	}
	free(r->table);
	buf_done(&r->to_smtpd);
	buf_done(&r->to_daemon);
	buf_done(&r->from_smtpd);
	buf_done(&r->from_daemon);
	buf_done(&r->handshake);
}

int
opensmtpd_relay_connect(struct opensmtpd_relay *r)
{
	ASSERT(!r->is_connected);
	r->is_connected = true;
	return buf_append_slice(&r->to_daemon, buf_get(&r->handshake));
}

static int
entry_settle(struct opensmtpd_relay *r, struct entry *one)
{
	enum entry_state state = one->state;

	one->is_lost = state != ENTRY_COMMIT;
	if (state == ENTRY_LINES)
		return 0; /* its lines still come */
	one->state = ENTRY_IDLE;
	if (state == ENTRY_GIVING)
		return opensmtpd_put_data_end(&r->to_smtpd, one->id, one->token);
	if (state == ENTRY_COMMIT)
		return opensmtpd_put_result(
		    &r->to_smtpd, one->id, one->token, OPENSMTPD_NOT_SEEN);
	return 0;
}

int
opensmtpd_relay_disconnect(struct opensmtpd_relay *r)
{
	int failed = 0;

	r->is_connected = false;
	buf_done(&r->to_daemon);
	buf_done(&r->from_daemon);
	for (size_t i = 0; i < TABLE_SIZE && failed == 0; i++) {
		for (struct entry *one = r->table->heads[i]; one != NULL && failed == 0;
		     one = one->chain)
			failed = entry_settle(r, one);
	}
	return failed;
}

static int
pass_on(struct opensmtpd_relay *r, struct slice line)
{
	int failed = buf_append_slice(&r->to_daemon, line);

	return failed < 0 ? failed : buf_append_byte(&r->to_daemon, '\n');
}

/* Whether the daemon is asked; else we answer. */
static bool
entry_is_served(const struct opensmtpd_relay *r, const struct entry *one)
{
	return r->is_connected && one != NULL && !one->is_lost;
}

static int
take_data_line(struct opensmtpd_relay *r, const struct opensmtpd_line *l, struct slice line)
{
	struct entry *one = *entry_find(r, l->id);
	bool is_last = slice_eq_str(l->parameters, ".");

	if (one != NULL && !r->is_connected)
		one->is_lost = true;
	if (!entry_is_served(r, one))
		return is_last ? opensmtpd_put_data_end(&r->to_smtpd, l->id, l->token) : 0;
	one->token = l->token;
	one->state = is_last ? ENTRY_GIVING : ENTRY_LINES;
	return pass_on(r, line);
}

static int
take_commit(struct opensmtpd_relay *r, const struct opensmtpd_line *l, struct slice line)
{
	struct entry *one = *entry_find(r, l->id);

	if (!entry_is_served(r, one)) {
		if (one != NULL)
			one->state = ENTRY_IDLE;
		return opensmtpd_put_result(&r->to_smtpd, l->id, l->token, OPENSMTPD_NOT_SEEN);
	}
	one->token = l->token;
	one->state = ENTRY_COMMIT;
	return pass_on(r, line);
}

static int
take_report(struct opensmtpd_relay *r, const struct opensmtpd_line *l, struct slice line)
{
	struct entry *one;

	if (slice_eq_str(l->name, "link-connect"))
		entry_add(r, l->id);
	one = *entry_find(r, l->id);
	if (slice_eq_str(l->name, "link-disconnect"))
		entry_remove(r, entry_find(r, l->id));
	else if (one != NULL && slice_eq_str(l->name, "tx-mail")) {
		one->state = ENTRY_IDLE;
		one->is_lost = !r->is_connected;
	}
	return r->is_connected ? pass_on(r, line) : 0;
}

static int
take_config(struct opensmtpd_relay *r, const struct opensmtpd_line *l, struct slice line)
{
	int failed = buf_append_slice(&r->handshake, line);

	if (failed == 0)
		failed = buf_append_byte(&r->handshake, '\n');
	if (failed == 0 && slice_eq_str(l->name, "ready")) {
		r->is_ready = true;
		failed = opensmtpd_put_registration(&r->to_smtpd);
	}
	return failed == 0 && r->is_connected ? pass_on(r, line) : failed;
}

static int
take_line(struct opensmtpd_relay *r, struct slice line, struct err *e)
{
	struct opensmtpd_line l;
	int failed = opensmtpd_line_parse(line, &l, e);

	if (failed < 0)
		return failed;
	if ((l.kind == OPENSMTPD_CONFIG) == r->is_ready)
		return err_set(e, EINVAL, "smtpd's handshake is in disorder");
	if (l.kind == OPENSMTPD_CONFIG)
		failed = take_config(r, &l, line);
	else if (l.kind == OPENSMTPD_REPORT)
		failed = take_report(r, &l, line);
	else if (l.kind == OPENSMTPD_FILTER && slice_eq_str(l.name, "data-line"))
		failed = take_data_line(r, &l, line);
	else if (l.kind == OPENSMTPD_FILTER && slice_eq_str(l.name, "commit"))
		failed = take_commit(r, &l, line);
	return failed < 0 ? err_set(e, -failed, "no room for a line of smtpd") : 0;
}

/* The daemon registers too: smtpd heard that from us. */
static int
take_response(struct opensmtpd_relay *r, struct slice line, struct err *e)
{
	struct opensmtpd_response response;
	struct entry *one;
	int failed;

	if (slice_starts_with(line, SLICE_LIT("register|")))
		return 0;
	failed = opensmtpd_response_parse(line, &response, e);
	if (failed < 0)
		return failed;
	one = *entry_find(r, response.id);
	/* smtpd ends when it gets an answer to no question. */
	if (one == NULL || one->state != (response.is_result ? ENTRY_COMMIT : ENTRY_GIVING))
		return 0;
	if (response.is_result || slice_eq_str(response.text, "."))
		one->state = ENTRY_IDLE;
	failed = buf_append_slice(&r->to_smtpd, line);
	if (failed == 0)
		failed = buf_append_byte(&r->to_smtpd, '\n');
	return failed < 0 ? err_set(e, -failed, "no room for a line of the daemon") : 0;
}

/* Cuts what came into lines. */
static int
take_bytes(struct opensmtpd_relay *r, struct buf *rest, struct slice bytes,
    int (*take)(struct opensmtpd_relay *, struct slice, struct err *), struct err *e)
{
	size_t searched = rest->len, at = 0, end;
	int failed = buf_append_slice(rest, bytes);

	if (failed < 0)
		return err_set(e, -failed, "no room for a line");
	while (
	    failed == 0 && (end = slice_find_byte(buf_get(rest), '\n', searched)) != SIZE_MAX) {
		failed = take(r, slice_sub(buf_get(rest), at, end - at), e);
		at = searched = end + 1;
	}
	if (failed < 0)
		return failed;
	buf_consume(rest, at);
	if (rest->len > OPENSMTPD_LINE_MAX_BYTES)
		return err_set(
		    e, EINVAL, "a line of more than %u bytes", OPENSMTPD_LINE_MAX_BYTES);
	return 0;
}

int
opensmtpd_relay_take_smtpd(struct opensmtpd_relay *r, struct slice bytes, struct err *e)
{
	return take_bytes(r, &r->from_smtpd, bytes, take_line, e);
}

int
opensmtpd_relay_take_daemon(struct opensmtpd_relay *r, struct slice bytes, struct err *e)
{
	ASSERT(r->is_connected);
	return take_bytes(r, &r->from_daemon, bytes, take_response, e);
}
