/* clamd_session.h: one connection from a program that asks the ClamAV daemon. */
#ifndef CORDON_CLAMD_SESSION_H
#define CORDON_CLAMD_SESSION_H

#include "intake/intake.h"

/* An intake_start_fn, see intake.h. Speaks clamd's protocol as clamd 1.4 does; where it differs
 * on purpose stands in doc/design/clamd.md. mails    every stream, descriptor and file is a
 * mail of its own with mail_set_file(). Several of them may be open at one time: the
 * intake_session that mail_begin() and finish() get is theirs, not the connection's, and has no
 * end of its own calls    nothing of the sink before it has returned; later from the loop only,
 * except that finish() may call mail_close, and close() calls mail_close and session_closed
 * finish   only after mail_end(), once; may be called from inside mail_end()
 * close    from inside a call of the sink: takes effect when that call has returned */
struct intake_session *clamd_session_start(
    struct intake_env *env, int *fd, const struct intake_place *place);

#endif
