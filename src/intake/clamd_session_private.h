/* clamd_session_private.h: what the files of one clamd session share: clamd_session.c (life,
 * timers, writing), clamd_receive.c (reading, commands, streams), clamd_request.c (commands
 * that scan), clamd_answer.c (texts). */
#ifndef CORDON_CLAMD_SESSION_PRIVATE_H
#define CORDON_CLAMD_SESSION_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/macros.h"
#include "intake/clamd_command.h"
#include "intake/intake.h"
#include "intake/intake_body.h"
#include "intake/session_clock.h"

/* Commands that scan, and files and streams being scanned, of one session at one time. What
 * comes behind waits in the socket. */
#define CLAMD_SCANS_MAX 8u

struct clamd_walk;

enum clamd_mode {
	CLAMD_MODE_COMMAND,
	CLAMD_MODE_STREAM, /* the chunks of INSTREAM */
	CLAMD_MODE_LAST,   /* no more commands: ends when all is answered */
	CLAMD_MODE_LINGER, /* all is written; reads what the peer still sends, so that a reset
			    * does not overtake our words */
};

enum clamd_scan_state {
	CLAMD_SCAN_READING,  /* bytes go to the sink */
	CLAMD_SCAN_SINK,     /* the sink owes us finish() */
	CLAMD_SCAN_ANSWERED, /* its answer is in s->out */
};

/* One file or stream. To the sink it is a session of its own, so that an answer finds the
 * command that asked by the pointer alone. */
struct clamd_scan {
	struct intake_session base; /* first; client is a borrowed copy */
	struct clamd_session *session;
	struct clamd_request *request;
	struct clamd_scan *next;
	void *mail;
	struct buf name;   /* as the answer calls it */
	int fd;            /* -1: a stream */
	uint64_t at, size; /* bytes read; as it was when opened */
	enum clamd_scan_state state;
	bool is_paused, is_dropping;
};

/* One command that scans. */
struct clamd_request {
	struct clamd_session *session;
	struct clamd_request *next;
	struct clamd_walk *walk; /* NULL: a stream or a descriptor */
	unsigned id;             /* 0: not in an IDSESSION */
	unsigned scan_count, files, errors, infected;
	enum clamd_verb verb;
	char end;
	bool is_walked; /* nothing more to open */
};

/* What the session waits for; each has its time limit. */
enum clamd_wait {
	CLAMD_WAIT_NOTHING,
	CLAMD_WAIT_COMMAND, /* the first command, or the rest of one */
	CLAMD_WAIT_IDLE,    /* the next command of an IDSESSION */
	CLAMD_WAIT_STREAM,
	CLAMD_WAIT_WRITE,
	CLAMD_WAIT_WORK,
	CLAMD_WAIT_LINGER,
};

struct clamd_session {
	struct intake_session base; /* first */
	struct loop_watch *watch;
	struct session_clock clock;
	struct clamd_request *requests; /* in the order they came */
	struct clamd_scan *scans;
	struct clamd_scan *stream; /* in CLAMD_MODE_STREAM */
	struct buf in;             /* commands; what came behind them */
	struct buf out;
	uint64_t stream_max, stream_left; /* bytes INSTREAM may send: in all, from now on */
	size_t lingered;
	uint32_t chunk_left;
	unsigned id, request_count, scan_count;
	unsigned idle_ms;    /* within an IDSESSION */
	int fd, received_fd; /* -1: none */
	enum clamd_mode mode;
	enum clamd_wait wait;
	char end;            /* of the last command; NUL before the first */
	uint8_t busy;        /* calls of ours on the stack */
	bool in_session;     /* between IDSESSION and END */
	bool may_be_old;     /* s->in begins with what a read brought */
	bool waits_for_fd;   /* FILDES is here, its descriptor is not */
	bool has_paths;      /* paths may be asked for */
	bool is_local;       /* a unix socket */
	bool has_moved;      /* progress: the time limit begins anew */
	bool is_relieved;    /* written or answered: what waited for that may go on */
	bool peer_spoke;     /* bytes wait in the socket until there is room for a command */
	bool is_half_closed; /* the peer sends no more */
	bool must_linger;    /* we stopped reading in the middle */
	bool is_draining;
	bool is_gone; /* nobody listens: ends when the sink has answered all it has */
	bool is_dead;
};

/* clamd_session.c */
const struct intake_sink *clamd_session_get_sink(const struct clamd_session *s);
/* Whether the next command or chunk may be looked at. */
bool clamd_session_can_take(const struct clamd_session *s);
void clamd_session_enter(struct clamd_session *s);
/* from_loop: the session may be freed here. */
void clamd_session_leave(struct clamd_session *s, bool from_loop);
/* The peer is gone, or memory for its answers is: the end, without another word. What the sink
 * works on is left to it: taking it back would cost the worker that has it, and a client that
 * comes and goes must not cost workers. */
void clamd_session_lose(struct clamd_session *s);
/* The peer sends no more. It may still want its answers, unless it is gone altogether. */
void clamd_session_end_input(struct clamd_session *s);
/* No more commands are taken; what is asked for is still answered. */
void clamd_session_end_commands(struct clamd_session *s);

/* clamd_receive.c */
/* Reads what the socket has, to an upper bound for fairness, and acts on it. */
void clamd_receive(struct clamd_session *s);
/* Acts on what lies in s->in. */
void clamd_receive_pending(struct clamd_session *s);

/* clamd_request.c */
/* SCAN and its kin. */
void clamd_request_begin_path(struct clamd_session *s, const struct clamd_command *c);
/* FILDES; takes over *fd. */
void clamd_request_begin_fd(struct clamd_session *s, int *fd);
/* INSTREAM: the scan whose bytes come, or NULL when there is no room: it is answered then. */
struct clamd_scan *clamd_request_begin_stream(struct clamd_session *s);
/* Where its bytes go. */
struct intake_body clamd_scan_get_body(struct clamd_scan *scan);
/* All bytes of the scan are with the sink. */
void clamd_scan_end(struct clamd_scan *scan);
/* Opens and reads files for a while. */
void clamd_request_work(struct clamd_session *s);
/* After s->out was written: frees scans that were answered, and requests that are done. */
void clamd_request_reap(struct clamd_session *s);
void clamd_request_drop_all(struct clamd_session *s);
/* Drops what the sink does not have whole, and opens nothing more. */
void clamd_request_abandon(struct clamd_session *s);
/* Forgets the stream that is coming in. */
void clamd_request_drop_stream(struct clamd_session *s);

/* clamd_answer.c; all append to s->out, and lose the session when there is no memory. */
/* "[ID: ][PATH: ]TEXT" and the end. path may be NULL. */
void clamd_answer_line(struct clamd_session *s, unsigned id, char end, const struct slice *path,
    struct slice text, const char *more);
/* A line without a path, for the command at hand: "[ID: ]TEXT". */
void clamd_answer_text(struct clamd_session *s, const char *text);
/* What the sink says of a file. */
void clamd_answer_scan(struct clamd_scan *scan, const struct intake_reply *r);
void clamd_answer_version(struct clamd_session *s);
void clamd_answer_commands(struct clamd_session *s);
void clamd_answer_stats(struct clamd_session *s);

#endif
