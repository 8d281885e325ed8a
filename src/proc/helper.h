/* helper.h: 7zz and the other programs of helper_program.h, run for an inspector that may
 * itself start nothing. Before an inspector closes its cage it forks a companion and keeps a
 * socket to it. The companion reads no stranger's byte: it gives memory for the archive, starts
 * a program over it in a cage of its own (helper_cage.h) and hands the inspector two pipes to
 * read from. What those say is the inspector's to judge: a program that an archive took over
 * can lie about that archive, and do nothing else. */
#ifndef CORDON_PROC_HELPER_H
#define CORDON_PROC_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"
#include "proc/helper_program.h"
#include "proc/helper_type.h"

struct helper;

/* Largest archive that is given to a program. */
#define HELPER_INPUT_MAX (UINT64_C(1) << 30)
#define HELPER_TEXT_MAX  4096 /* of a password, of a member's path */

/* Forks the companion. Call it before the cage is closed and before there are threads; open
 * descriptors above the first three that must stay with this process alone may be open: the
 * companion closes all but its own and keep_fd (the log; -1: none).
 * memory_bytes  what a program may use
 * Returns NULL and *e when the companion or its cage cannot be made, or when none of the
 * programs can be opened. The owner calls
 * helper_free(): the companion then ends, as it does when this process dies. */
struct helper *helper_start(
    const struct helper_paths *paths, uint64_t memory_bytes, int keep_fd, struct err *e);
void helper_free(struct helper **h);

/* False once the companion is gone: nothing can be run any more by this process. */
bool helper_is_there(const struct helper *h);
/* True: it is there, and the program could be opened when it was started. */
bool helper_has(const struct helper *h, enum helper_program program);

/* Gives it the archive for the runs that follow; bytes are borrowed for the call. False: too
 * large, no memory, or it is gone. */
bool helper_set_input(struct helper *h, struct slice bytes);

struct helper_job {
	enum helper_mode mode;
	enum helper_type type;    /* tells the program, too */
	uint32_t wall_ms, cpu_ms; /* what this run may cost; more than 0 */
	struct slice password;    /* empty: none is given when it asks */
	struct slice member;      /* HELPER_EXTRACT: this one only; empty: all */
	/* Gets the output as it comes. False: enough, the run is ended. */
	bool (*output)(void *ctx, struct slice bytes);
	/* Gets what it says beside. False: enough. */
	bool (*message)(void *ctx, struct slice bytes);
	void *ctx;
};

enum helper_end {
	HELPER_NOT_RUN = 0, /* it could not be started, or the companion is gone */
	HELPER_EXITED,      /* with status */
	HELPER_KILLED,      /* by the signal in status: it crashed or used too much */
	HELPER_TIMEOUT,     /* wall_ms or cpu_ms were used up */
	HELPER_STOPPED,     /* output() or message() said so */
	HELPER_END_COUNT
};

struct helper_result {
	enum helper_end end;
	uint32_t status;
	uint64_t cpu_us; /* that it used; at least what the clock says when it does not say */
	uint64_t wall_us;
};

/* Runs the program of job->type once over the input, until it ended. */
struct helper_result helper_run(struct helper *h, const struct helper_job *job);

/* The body of FRAME_HELP_ENDED. False: not one. */
bool helper_ended_decode(struct slice body, struct helper_result *ret);
/* The body of FRAME_HELP_RUN, without what is not sent. */
bool helper_run_decode(struct slice body, struct helper_job *ret);

#endif
