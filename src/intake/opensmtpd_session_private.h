/* opensmtpd_session_private.h: what the files of one connection share: opensmtpd_session.c
 * (life, timers, reading, writing), opensmtpd_event.c (what lines mean), opensmtpd_client.c
 * (SMTP sessions and their mails), opensmtpd_give.c (the mail's way back). */
#ifndef CORDON_OPENSMTPD_SESSION_PRIVATE_H
#define CORDON_OPENSMTPD_SESSION_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/macros.h"
#include "intake/answer_text.h"
#include "intake/intake.h"
#include "intake/session_clock.h"

/* SMTP sessions of one smtpd that are known at one time; mails of further ones get 451. */
#define OPENSMTPD_CLIENTS_MAX 10000u
#define OPENSMTPD_TABLE_SIZE  1024u /* a power of two */

/* In the order of a mail. */
enum opensmtpd_state {
	OPENSMTPD_NO_MAIL,
	OPENSMTPD_MAIL,     /* envelope, then lines */
	OPENSMTPD_SINK,     /* the whole mail is with the sink, which owes us finish() */
	OPENSMTPD_GIVING,   /* its lines go back */
	OPENSMTPD_GIVEN,    /* smtpd will ask for the answer */
	OPENSMTPD_ANSWERED, /* not all of the answer is written */
};

struct opensmtpd_client;

struct opensmtpd_list {
	struct opensmtpd_client *first, *last;
};

/* One SMTP session: it is a session to the sink, with at most one mail. */
struct opensmtpd_client {
	struct intake_session base; /* first */
	struct opensmtpd_session *connection;
	struct opensmtpd_client *chain; /* in the table */
	struct opensmtpd_list *list;    /* the one it is in, or NULL */
	struct opensmtpd_client *next, *prev;
	uint64_t id, token;
	enum opensmtpd_state state;
	void *mail;                 /* the sink's; NULL: none, or refused */
	uint64_t mail_bytes;        /* dots undone, CRLF counted */
	bool is_dropping;           /* the sink wants no more of this mail */
	bool is_cut;                /* a line is longer than smtpd takes back */
	bool is_overruled;          /* what is answered is not what the sink said */
	bool is_in_line;            /* of what goes back: a line was begun */
	bool has_cr;                /* a CR is kept back until it is known whether LF follows */
	const struct slice *pieces; /* the sink's, until mail_close */
	size_t piece_count, piece, piece_at;
	size_t line_bytes;
	uint64_t answer_end;                /* of all bytes written: where its answer ends */
	char answer[ANSWER_TEXT_SIZE + 16]; /* "proceed", "reject|550 5.7.1 ..." */
};

/* What the connection waits for; each has its time limit. */
enum opensmtpd_wait {
	OPENSMTPD_WAIT_NOTHING,
	OPENSMTPD_WAIT_READY, /* config|ready */
	OPENSMTPD_WAIT_LINE,  /* the rest of a line */
	OPENSMTPD_WAIT_WRITE,
};

struct opensmtpd_session {
	struct intake_session base; /* first */
	struct loop_watch *watch;
	struct session_clock clock;
	int fd;
	struct buf in;      /* lines not acted on yet */
	size_t in_searched; /* bytes of it without a line end */
	size_t line_used;   /* of the line at its front: with the sink already */
	struct buf out;     /* not yet written */
	uint64_t put_bytes; /* of all that was ever in out */
	uint64_t sent_bytes;
	struct opensmtpd_client **table;
	unsigned client_count, mail_count;
	struct opensmtpd_list giving, answered;
	uint64_t max_mail_bytes;
	unsigned message_timeout_ms; /* 0: not known */
	size_t line_limit;           /* see opensmtpd_get_line_limit() */
	enum opensmtpd_wait wait;
	uint8_t busy;        /* calls of ours on the stack: the session must outlive them */
	bool is_ready;       /* config|ready was there */
	bool has_subsystems; /* smtpd tells which there are */
	bool has_smtp_in;
	bool is_paused; /* until resume() */
	bool has_moved; /* progress: the time limit begins anew */
	bool is_draining;
	bool is_dead; /* ends when the calls on the stack have returned */
	bool has_warned_full, has_warned_cut, has_warned_action;
};

/* opensmtpd_session.c */
/* The peer broke the protocol, or the world did: one warning, then the end. */
void opensmtpd_session_fail(struct opensmtpd_session *s, const char *fmt, ...)
    PRINTF_LIKE(2, 3);
/* Whether the next line may be looked at. */
bool opensmtpd_session_can_go(const struct opensmtpd_session *s);
/* After something was appended to out. failed: what the appending returned. */
void opensmtpd_session_put(struct opensmtpd_session *s, size_t out_before, int failed);
/* For the sessions of SMTP clients: the ops of the connection in the sink's hands. */
extern const struct intake_session_ops opensmtpd_client_ops;

/* opensmtpd_event.c */
/* Acts on one line. False: it stays at the front, to be given again after resume(). */
bool opensmtpd_event_run(struct opensmtpd_session *s, struct slice line);

/* opensmtpd_client.c */
struct opensmtpd_client *opensmtpd_client_find(struct opensmtpd_session *s, uint64_t id);
/* Knows the client from now on; one of the same id goes. NULL: there are too many, or no
 * memory; its mails get 451. */
struct opensmtpd_client *opensmtpd_client_add(struct opensmtpd_session *s, uint64_t id);
void opensmtpd_client_remove(struct opensmtpd_client *c);
void opensmtpd_client_remove_all(struct opensmtpd_session *s);
/* MAIL: a mail begins. When the sink has no room for it, it is refused at its end. */
void opensmtpd_client_begin_mail(
    struct opensmtpd_client *c, struct slice sender, struct slice queue_id);
/* One line of the mail, dots undone. False: as opensmtpd_event_run(). */
bool opensmtpd_client_take_line(struct opensmtpd_client *c, struct slice line);
/* The last line was there. */
void opensmtpd_client_end_lines(struct opensmtpd_client *c);
/* The sink's word. */
void opensmtpd_client_set_answer(struct opensmtpd_client *c, const struct intake_reply *r);
/* The mail is over. */
void opensmtpd_client_end_mail(struct opensmtpd_client *c, bool delivered);
void opensmtpd_list_add(struct opensmtpd_list *l, struct opensmtpd_client *c);
void opensmtpd_list_remove(struct opensmtpd_client *c);

/* opensmtpd_give.c */
/* Puts lines of the mails that go back into out, as far as there is room. */
void opensmtpd_give(struct opensmtpd_session *s);

#endif
