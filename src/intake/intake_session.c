/* intake_session.c: what every session's base begins with and ends with. */
#include "intake/intake.h"

void
intake_session_init(struct intake_session *s, const struct intake_session_ops *ops,
    struct intake_env *env, const char *listener)
{
	s->ops = ops;
	s->env = env;
	intake_client_done(&s->client);
	intake_client_set(&s->client.listener, slice_of_str(listener));
}

void
intake_session_done(struct intake_session *s)
{
	intake_client_done(&s->client);
	intake_client_set(&s->client.listener, SLICE_NONE);
}
