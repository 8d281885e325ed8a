/* opensmtpd_session.h: one connection from `cordon opensmtpd`, on which OpenSMTPD's filter
 * protocol is spoken for all SMTP sessions of one smtpd. */
#ifndef CORDON_OPENSMTPD_SESSION_H
#define CORDON_OPENSMTPD_SESSION_H

#include "intake/intake.h"

/* An intake_start_fn, see intake.h. Speaks protocol versions 0.5 to 0.7.
 * calls    mail_begin() gets a session of the SMTP client's own, not the one returned here:
 * many mails are open at once, and finish() and resume() are called for their own session.
 *          session_closed() comes once, for the one returned here
 * rest     as milter_session_start() */
struct intake_session *opensmtpd_session_start(
    struct intake_env *env, int *fd, const struct intake_place *place);

#endif
