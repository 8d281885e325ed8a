/* resolve_private.h: what only tests need of resolve.c. */
#ifndef CORDON_BASE_RESOLVE_PRIVATE_H
#define CORDON_BASE_RESOLVE_PRIVATE_H

/* Files to be read from now on instead of /etc/resolv.conf and /etc/hosts. Borrowed. */
void resolve_use_files(const char *resolv_conf, const char *hosts);

#endif
