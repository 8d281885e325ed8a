/* courier_session.h: one mail that Courier's submit asks a mail filter about. */
#ifndef CORDON_COURIER_SESSION_H
#define CORDON_COURIER_SESSION_H

#include "intake/intake.h"

/* An intake_start_fn, see intake.h. The mail is read from the files that submit names, as the
 * user and groups of this process; a bounded part of it in each turn of the loop. Courier takes
 * no changes of a mail from a filter: edits are not made. rest     as milter_session_start() */
struct intake_session *courier_session_start(
    struct intake_env *env, int *fd, const struct intake_place *place);

#endif
