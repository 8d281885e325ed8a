/* attach_command.h: runs programs of an MTA and keeps what they print. Also: the signals that
 * end an attach in the middle, which then puts everything back. */
#ifndef CORDON_ATTACH_ATTACH_COMMAND_H
#define CORDON_ATTACH_ATTACH_COMMAND_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* From now on SIGINT, SIGTERM and SIGHUP are only noted. */
void attach_interrupt_catch(void);
/* One of them came, and attach_interrupt_hold(true) is not in force. */
bool attach_interrupt_is_set(void);
/* -EINTR, and the text for it. */
int attach_interrupt_tell(struct err *e);
/* While held, nothing is interrupted: what puts things back must run to its end. */
void attach_interrupt_hold(bool hold);
/* Sleeps; false when interrupted. */
bool attach_sleep_ms(unsigned ms);

/* Runs argv[0] (a path) with an empty standard input, for at most ATTACH_COMMAND_MS.
 * ret_out	its standard output is appended; may be NULL
 * returns	0 when it ended with status 0; else negative with *e, which holds what it last
 *said; -EINTR interrupted; it is killed then, and when it takes too long */
int attach_command_run(const char *const argv[], struct buf *ret_out, struct err *e);

/* The full path of a program: itself when it has a slash, else from $PATH and the usual folders
 * of system programs. False when there is none. */
bool attach_program_find(const char *name, char *ret_path, size_t size);

#endif
