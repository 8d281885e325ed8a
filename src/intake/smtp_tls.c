/* smtp_tls.c: certificates of listeners, loaded once and again when their files are new. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "intake/smtp_session_private.h"

struct certificate {
	struct certificate *next;
	char *path, *key_path; /* owned */
	struct stat seen;      /* of the certificate, when it was loaded last */
	bool was_tried;
	struct tls_context *context;
};

static struct certificate
    *certificates; /* one for each listener with TLS: few, and they stay */

static struct certificate *
certificate_find(const struct config_listener *o)
{
	struct certificate *c;

	for (c = certificates; c != NULL; c = c->next) {
		if (strcmp(c->path, o->tls_certificate) == 0 &&
		    strcmp(c->key_path, o->tls_key) == 0)
			return c;
	}
	c = mem_new(sizeof(*c));
	c->path = mem_strdup(o->tls_certificate);
	c->key_path = mem_strdup(o->tls_key);
	c->next = certificates;
	certificates = c;
	return c;
}

struct tls_context *
smtp_tls_get_server(const struct config_listener *o)
{
	struct certificate *c;
	struct tls_context *t;
	struct err e = { 0 };
	struct stat now = { 0 };

	if (o->tls_certificate[0] == '\0')
		return NULL;
	c = certificate_find(o);
	(void)stat(c->path, &now);
	if (c->was_tried && now.st_ino == c->seen.st_ino && now.st_size == c->seen.st_size &&
	    now.st_mtim.tv_sec == c->seen.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == c->seen.st_mtim.tv_nsec)
		return c->context;
	c->seen = now;
	c->was_tried = true;
	t = tls_context_new_server(c->path, c->key_path, &e);
	if (t == NULL) {
		log_error(NULL, "listener=%s error=\"%s\": %s", o->name, e.text,
		    c->context == NULL ? "STARTTLS is not offered"
				       : "the certificate before it is used");
		return c->context;
	}
	tls_context_unref(&c->context);
	c->context = t;
	return t;
}
