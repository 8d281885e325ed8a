/* intake.h: what every way in (milter, SMTP, clamd ...) gives to the stages behind it, and what
 * it takes back from them. A protocol file decodes its wire, calls the sink, and waits for
 * finish(). It keeps nothing of the mail itself. */
#ifndef CORDON_INTAKE_H
#define CORDON_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf;
struct config;
struct config_listener;
struct loop;
struct intake_session;

/* Who sends, as the MTA tells it. Strings are owned by the session, "" when unknown. */
struct intake_client {
	char address[64];   /* 192.0.2.1, 2001:db8::1 (no "IPv6:"), or "" */
	uint16_t port;
	char *name;         /* host name, "" when the MTA found none */
	char *helo;
	char *user;         /* authenticated user */
	char *tls;          /* protocol version and cipher, "TLSv1.3 AES256-..." */
	char *listener;     /* name of the listener in the configuration */
};

/* Most bytes of one string above; longer ones are cut. */
#define INTAKE_STRING_MAX_BYTES 1024

/* Copies value up to a NUL into a string of the client, at most INTAKE_STRING_MAX_BYTES. The string is NULL
 * or of an earlier call; without memory it becomes "". */
void intake_client_set(char **string, struct slice value);
/* The text of an address; false when it is too long, and nothing is changed then. */
bool intake_client_set_address(struct intake_client *c, struct slice address);
/* Address ("" and 0 for a unix socket; IPv4 inside IPv6 as IPv4) and port of the other end of
 * fd. Returns the address family, -1 when there is no other end. */
int intake_client_set_peer(struct intake_client *c, int fd);
/* All but the listener's name become "". */
void intake_client_done(struct intake_client *c);

enum intake_action {
	INTAKE_TEMPFAIL = 0, /* the zero is the safe one */
	INTAKE_ACCEPT,
	INTAKE_REJECT,
	INTAKE_DISCARD,
	INTAKE_HOLD,         /* the MTA's own quarantine */
};

/* In the order of enum mail_verdict; the zero is the careful one. */
enum intake_verdict {
	INTAKE_UNSCANNED = 0,
	INTAKE_CLEAN,
	INTAKE_INFECTED,
	INTAKE_BANNED,
};

struct intake_header_edit {
	const char *name;
	const char *value;   /* NULL: remove occurrence `index` of name (from 1) */
	unsigned index;      /* when adding: ignored, the header goes to the top */
};

/* What the session is to answer for one mail. Borrowed for the call of finish(). */
struct intake_reply {
	enum intake_action action;
	unsigned code;            /* 550, 451 */
	const char *enhanced;     /* "5.7.1" */
	const char *text;         /* one line, any bytes: the protocol makes it safe */
	const char *hold_reason;
	const struct intake_header_edit *edits; /* only when accepted or held */
	size_t edit_count;
	/* The same mail with the edits made, as it is to be sent on: its bytes in order. Only when
	 * accepted or held, and only when all of it was kept. Unlike the rest of the reply they stay
	 * until mail_close(). */
	const struct slice *pieces;
	size_t piece_count;
	bool is_too_big; /* that is why it was not kept */
	/* For protocols that ask about files, and for people. */
	const char *id;           /* of the mail in the log */
	enum intake_verdict verdict;
	const char *reason;       /* "infected: NAME, NAME", "unscanned: timeout", "" */
	const struct slice *names; /* of what was found, each once, in the order found */
	size_t name_count;
};

/* The stages behind. `mail` is what mail_begin returned. */
struct intake_sink {
	/* MAIL FROM. sender without angle brackets. args: ESMTP arguments, joined by blanks.
	 * NULL: no room for another mail; the session answers this mail with 451. */
	void *(*mail_begin)(void *ctx, struct intake_session *s, struct slice sender,
	    struct slice args);
	/* RCPT TO, accepted by the MTA so far. */
	void (*mail_recipient)(void *mail, struct slice recipient);
	void (*mail_set_queue_id)(void *mail, struct slice queue_id);
	/* One header field, value as it came: with its leading blank when value_is_raw, folded
	 * lines end in LF or CRLF. */
	void (*mail_header)(void *mail, struct slice name, struct slice value, bool value_is_raw);
	void (*mail_header_end)(void *mail);
	/* Room for body bytes: a pointer to *ret_room > 0 bytes, at most want. NULL: nothing may
	 * be stored; with *ret_room == 0 the session pauses reading until resume(), with
	 * *ret_room == SIZE_MAX it reads and drops the rest of the body. */
	uint8_t *(*mail_body_reserve)(void *mail, size_t want, size_t *ret_room);
	void (*mail_body_commit)(void *mail, size_t len);
	/* What follows is no mail but a file called name, as clamd is asked: opened by what it is.
	 * Before the first byte. The record calls it a file. */
	void (*mail_set_file)(void *mail, struct slice name);
	/* The next hop's last word on the mail, before mail_close(): its reply code (0: none came)
	 * and text. It goes to the record. */
	void (*mail_set_next_hop)(void *mail, unsigned code, struct slice text);
	/* The reply code that the client gets at last, before mail_close(), where it may be another
	 * than finish() gave: the next hop refused the mail, or is gone. */
	void (*mail_set_answer)(void *mail, unsigned code);
	/* All is there: the session stops reading and waits for finish(). A protocol that never
	 * called mail_header() gave the whole mail, header and all, as body bytes. */
	void (*mail_end)(void *mail);
	/* The mail is over without an answer: abort, connection lost, timed out, or the answer
	 * was sent. `delivered` tells that finish()'s answer went out whole. mail is dead now. */
	void (*mail_close)(void *mail, bool delivered);
	/* The session is over. Called once, last. */
	void (*session_closed)(void *ctx, struct intake_session *s);
};

/* How busy the stages behind are. */
struct intake_load {
	unsigned workers, busy, queued; /* processes that look at content; mails that wait */
	uint64_t memory_used, memory_budget;
};

struct intake_env {
	struct loop *loop;
	const struct intake_sink *sink;
	void *ctx;
	unsigned idle_timeout_ms;  /* between commands */
	unsigned io_timeout_ms;    /* inside a packet or a blocked write */
	unsigned progress_ms;      /* between progress replies while a mail is with the sink */
	const char *hostname;      /* what we call ourselves */
	/* For clamd's RELOAD and STATS; may be NULL. */
	void (*ask_reload)(void *ctx);
	/* Engines and databases in one line, "NAME/VERSION/..." appended to out. */
	void (*get_version)(void *ctx, struct buf *out);
	void (*get_load)(void *ctx, struct intake_load *ret);
};

/* Where a connection came in. Borrowed for the call of start(); a session that needs the options
 * later takes a reference of the configuration. */
struct intake_place {
	const char *listener;                  /* its name; copied to client.listener */
	struct config *config;
	const struct config_listener *options; /* inside config; NULL: not from a listener */
	/* Who is at the other end when the descriptor does not know: `cordon smtp` sits between. It
	 * is not to be trusted more than that address would be. NULL: ask the descriptor. */
	const char *peer_address;
	uint16_t peer_port;
};

/* The base of every session; a protocol's struct begins with it. */
struct intake_session {
	const struct intake_session_ops *ops;
	struct intake_env *env;        /* borrowed: lives as long as the loop */
	struct intake_client client;
	const char *infected; /* an action, instead of the listener's own; NULL: that one counts */
	struct intake_session *next, *prev; /* for the sink's list */
};

/* A base that is all zero. */
void intake_session_init(struct intake_session *s, const struct intake_session_ops *ops,
    struct intake_env *env, const char *listener);
/* Its strings. */
void intake_session_done(struct intake_session *s);

struct intake_session_ops {
	/* The answer to the mail that mail_end() gave. Calls mail_close when it is written. */
	void (*finish)(struct intake_session *s, const struct intake_reply *r);
	/* Reading may go on after mail_body_reserve() asked for a pause. */
	void (*resume)(struct intake_session *s);
	/* End it now; open mails get mail_close(…, false). */
	void (*close)(struct intake_session *s);
	/* End it as soon as no mail is open: at once, or after the mail in progress. */
	void (*drain)(struct intake_session *s);
};

/* How a protocol begins on an accepted connection. Takes over *fd (non-blocking). NULL when
 * memory is refused or the peer is not wanted; *fd is closed then too. */
typedef struct intake_session *(*intake_start_fn)(struct intake_env *env, int *fd,
    const struct intake_place *place);

/* The table of protocols (intake_table.c): one row each. */
struct intake_protocol {
	const char *name; /* as `protocol` in the configuration */
	intake_start_fn start;
	const char *full_reply; /* written to a connection that there is no room for; "" nothing */
};
const struct intake_protocol *intake_protocol_find(const char *name);

#endif
