/* clamd_command.h: the commands of the ClamAV daemon's protocol, out of a run of bytes. */
#ifndef CORDON_CLAMD_COMMAND_H
#define CORDON_CLAMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* A command with its mark and its end has at most so many bytes; so many are read at once. */
#define CLAMD_COMMAND_MAX_BYTES 4104u

enum clamd_verb {
	CLAMD_VERB_UNKNOWN,
	CLAMD_VERB_SCAN,
	CLAMD_VERB_SHUTDOWN,
	CLAMD_VERB_RELOAD,
	CLAMD_VERB_PING,
	CLAMD_VERB_CONTSCAN,
	CLAMD_VERB_COMMANDS,
	CLAMD_VERB_VERSION,
	CLAMD_VERB_END,
	CLAMD_VERB_MULTISCAN,
	CLAMD_VERB_FILDES,
	CLAMD_VERB_STATS,
	CLAMD_VERB_IDSESSION,
	CLAMD_VERB_INSTREAM,
	CLAMD_VERB_DETSTATS,
	CLAMD_VERB_ALLMATCHSCAN,
};

struct clamd_command {
	enum clamd_verb verb;
	struct slice argument; /* a path; borrowed from the bytes, without NUL */
	char end;              /* '\0' or '\n': replies end with it too */
	bool is_old;           /* came without a mark */
	bool wants_more;       /* FILDES: the byte that brings the descriptor is not here yet */
	size_t used;           /* bytes of it, with the one behind FILDES */
};

/* The command at the front of in.
 *   zNAME\0, nNAME\n      with their end; in the second form a CR before it is dropped
 *   NAME, NAME\n, NAME\r\n   the old form: one packet is one command. Only when may_be_old:
 * when these bytes are the first ones of what a read brought What is no command is
 * CLAMD_VERB_UNKNOWN. A path is all that stands behind the name and one more byte; text ends at
 * its first NUL. returns  true and *ret; false: more is needed source   clamd(8), "COMMANDS";
 * clamd 1.4 in what that page leaves open */
bool clamd_command_next(struct slice in, bool may_be_old, struct clamd_command *ret);

/* "SCAN QUIT ...": what VERSIONCOMMANDS lists, name by name; NULL behind the last. */
const char *clamd_command_get_name(size_t index);

#endif
