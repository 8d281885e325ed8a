/* host_private.h: what only tests need of host.c. */
#ifndef CORDON_BASE_HOST_PRIVATE_H
#define CORDON_BASE_HOST_PRIVATE_H

struct host;

/* From now on the last look-up is so much longer ago. */
void host_age_ms(struct host *h, unsigned ms);

#endif
