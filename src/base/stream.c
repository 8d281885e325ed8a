/* stream.c: reads and writes of one socket, in plain or through OpenSSL. OpenSSL gets at the
 * socket by a BIO of ours: its own writes with write(2), and a peer that went away would raise
 * SIGPIPE. Its error queue is empty whenever a function here is left. */
#include "base/stream.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"

/* Where Debian and others keep all authorities in one file. */
#define AUTHORITIES_PATH "/etc/ssl/certs/ca-certificates.crt"

struct tls_context {
	unsigned refs;
	SSL_CTX *ssl;
	bool is_client, verifies;
};

/* What a stream has only when it is encrypted. */
struct stream_tls {
	int fd; /* the stream's own */
	SSL *ssl;
	struct tls_context *context;
	bool is_ready; /* the handshake is done */
	bool is_at_end;
	bool read_needs_write, write_needs_read;
	bool is_write_open; /* a record waits to be sent */
	int socket_errno;   /* of the last call on the socket */
	int failure;        /* negative errno: nothing goes any more */
	char failure_text[160];
	char text[80];
};

struct stream {
	int fd;
	struct stream_tls *tls;
};

static ssize_t
socket_read(int fd, void *to, size_t len)
{
	ssize_t n;

	do
		n = recv(fd, to, len, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t
socket_write(int fd, const void *from, size_t len)
{
	ssize_t n;

	do
		n = send(fd, from, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static bool
is_again(ssize_t n)
{
	return n == -EAGAIN || n == -EWOULDBLOCK;
}

/* ---- the socket as OpenSSL sees it ---- */

static int
bio_result(struct stream_tls *t, ssize_t n, size_t *ret_done)
{
	t->socket_errno = n < 0 ? (int)-n : 0;
	*ret_done = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static int
bio_read(BIO *b, char *to, size_t len, size_t *ret_done)
{
	struct stream_tls *t = BIO_get_data(b);
	ssize_t n = socket_read(t->fd, to, len);

	BIO_clear_retry_flags(b);
	if (is_again(n))
		BIO_set_retry_read(b);
	t->is_at_end = t->is_at_end || n == 0;
	return bio_result(t, n, ret_done);
}

static int
bio_write(BIO *b, const char *from, size_t len, size_t *ret_done)
{
	struct stream_tls *t = BIO_get_data(b);
	ssize_t n = socket_write(t->fd, from, len);

	BIO_clear_retry_flags(b);
	if (is_again(n))
		BIO_set_retry_write(b);
	return bio_result(t, n, ret_done);
}

static long
bio_ctrl(BIO *b, int command, long number UNUSED, void *ptr UNUSED)
{
	struct stream_tls *t = BIO_get_data(b);

	if (command == BIO_CTRL_EOF)
		return t->is_at_end;
	return command == BIO_CTRL_FLUSH;
}

/* Made once, kept until the process ends. NULL: no memory. */
static BIO_METHOD *
bio_method_get(void)
{
	static BIO_METHOD *kept;
	BIO_METHOD *m;

	if (kept != NULL)
		return kept;
	m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (m == NULL || BIO_meth_set_read_ex(m, bio_read) != 1 ||
	    BIO_meth_set_write_ex(m, bio_write) != 1 || BIO_meth_set_ctrl(m, bio_ctrl) != 1) {
		BIO_meth_free(m);
		return NULL;
	}
	kept = m;
	return kept;
}

static BIO *
bio_new(struct stream_tls *t)
{
	BIO_METHOD *m = bio_method_get();
	BIO *b = m == NULL ? NULL : BIO_new(m);

	if (b == NULL)
		return NULL;
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	return b;
}

/* ---- contexts ---- */

/* Why the last call of OpenSSL failed; the first error of the queue says most. Empties it. */
static const char *
take_reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *text = NULL;

	if (ERR_SYSTEM_ERROR(code))
		text = strerror(ERR_GET_REASON(code));
	else if (code != 0)
		text = ERR_reason_error_string(code);
	ERR_clear_error();
	return text == NULL ? "unknown reason" : text;
}

/* A key that needs a password cannot be used: nobody is there to ask. */
static int
refuse_password(char *buf UNUSED, int size UNUSED, int is_writing UNUSED, void *ctx UNUSED)
{
	return -1;
}

static void
context_set_up(SSL_CTX *ssl)
{
	(void)SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
	(void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					   SSL_OP_NO_COMPRESSION |
					   SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_num_tickets(ssl, 0);
	(void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					SSL_MODE_RELEASE_BUFFERS);
	(void)SSL_CTX_set_dh_auto(ssl, 1);
	SSL_CTX_set_default_passwd_cb(ssl, refuse_password);
}

static struct tls_context *
context_new(const SSL_METHOD *method, struct err *e)
{
	SSL_CTX *ssl = SSL_CTX_new(method);
	struct tls_context *c;

	if (ssl == NULL)
		return err_null(e, 0, "cannot set up TLS: %s", take_reason());
	context_set_up(ssl);
	c = mem_new(sizeof(*c));
	*c = (struct tls_context){ .refs = 1, .ssl = ssl };
	return c;
}

struct tls_context *
tls_context_new_server(const char *certificate_path, const char *key_path, struct err *e)
{
	CLEANUP(tls_context_unref) struct tls_context *c = context_new(TLS_server_method(), e);

	if (c == NULL)
		return NULL;
	if (key_path[0] == '\0')
		key_path = certificate_path;
	if (SSL_CTX_use_certificate_chain_file(c->ssl, certificate_path) != 1)
		return err_null(e, 0, "cannot load the TLS certificate '%s': %s",
		    certificate_path, take_reason());
	if (SSL_CTX_use_PrivateKey_file(c->ssl, key_path, SSL_FILETYPE_PEM) != 1)
		return err_null(
		    e, 0, "cannot load the TLS key '%s': %s", key_path, take_reason());
	if (SSL_CTX_check_private_key(c->ssl) != 1)
		return err_null(e, 0,
		    "the TLS key '%s' is not that of the certificate '%s': %s", key_path,
		    certificate_path, take_reason());
	ERR_clear_error();
	return TAKE(c);
}

/* All authorities are read now: later there may be no way to files any more. The environment
 * (SSL_CERT_FILE) goes before the file of the system, as with every program that uses OpenSSL.
 */
static bool
load_authorities(SSL_CTX *ssl)
{
	const char *path = secure_getenv(X509_get_default_cert_file_env());

	if (SSL_CTX_set_default_verify_paths(ssl) != 1)
		return false;
	return path != NULL || access(AUTHORITIES_PATH, R_OK) != 0 ||
	       SSL_CTX_load_verify_file(ssl, AUTHORITIES_PATH) == 1;
}

struct tls_context *
tls_context_new_client(bool verify, struct err *e)
{
	CLEANUP(tls_context_unref) struct tls_context *c = context_new(TLS_client_method(), e);

	if (c == NULL)
		return NULL;
	c->is_client = true;
	c->verifies = verify;
	if (verify && !load_authorities(c->ssl))
		return err_null(e, 0, "cannot load the authorities for TLS: %s", take_reason());
	SSL_CTX_set_verify(c->ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	ERR_clear_error();
	return TAKE(c);
}

struct tls_context *
tls_context_ref(struct tls_context *c)
{
	c->refs++;
	return c;
}

void
tls_context_unref(struct tls_context **c)
{
	struct tls_context *gone = TAKE(*c);

	if (gone == NULL || --gone->refs > 0)
		return;
	SSL_CTX_free(gone->ssl);
	mem_free(&gone);
}

/* ---- streams ---- */

struct stream *
stream_new(int *fd)
{
	struct stream *s = mem_new(sizeof(*s));

	*s = (struct stream){ .fd = TAKE_FD(*fd) };
	return s;
}

static void
tls_free(struct stream_tls **address)
{
	struct stream_tls *t = TAKE(*address);

	if (t == NULL)
		return;
	SSL_free(t->ssl);
	tls_context_unref(&t->context);
	ERR_clear_error();
	mem_free(&t);
}

void
stream_free(struct stream **address)
{
	struct stream *s = TAKE(*address);

	if (s == NULL)
		return;
	if (s->tls != NULL && s->tls->is_ready && s->tls->failure == 0 &&
	    !s->tls->is_write_open)
		(void)SSL_shutdown(s->tls->ssl);
	tls_free(&s->tls);
	fd_close(&s->fd);
	mem_free(&s);
}

int
stream_get_fd(const struct stream *s)
{
	return s->fd;
}

/* The name goes to the server, and the certificate must be for it when the context verifies. An
 * address is no name: it is only checked. */
static bool
set_name(struct stream_tls *t, const char *name)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(t->ssl);

	if (name == NULL || name[0] == '\0')
		return true;
	if (X509_VERIFY_PARAM_set1_ip_asc(p, name) == 1)
		return true;
	ERR_clear_error();
	(void)SSL_set_tlsext_host_name(t->ssl, name); /* longer than 255 bytes: goes without */
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return !t->context->verifies || X509_VERIFY_PARAM_set1_host(p, name, 0) == 1;
}

int
stream_start_tls(struct stream *s, struct tls_context *c, const char *name)
{
	CLEANUP(tls_free) struct stream_tls *t = mem_new(sizeof(*t));
	BIO *b;

	ASSERT(s->tls == NULL);
	ASSERT(!c->verifies || (name != NULL && name[0] != '\0'));
	*t = (struct stream_tls){ .fd = s->fd, .context = tls_context_ref(c) };
	t->ssl = SSL_new(c->ssl);
	b = t->ssl == NULL ? NULL : bio_new(t);
	if (b == NULL)
		return -ENOMEM;
	SSL_set_bio(t->ssl, b, b);
	if (c->is_client)
		SSL_set_connect_state(t->ssl);
	else
		SSL_set_accept_state(t->ssl);
	if (c->is_client && !set_name(t, name))
		return -ENOMEM;
	ERR_clear_error();
	s->tls = TAKE(t);
	return 0;
}

bool
stream_is_tls(const struct stream *s)
{
	return s->tls != NULL;
}

const char *
stream_get_tls_text(const struct stream *s)
{
	return s->tls == NULL ? "" : s->tls->text;
}

static void
note_ready(struct stream_tls *t)
{
	if (t->is_ready || SSL_is_init_finished(t->ssl) != 1)
		return;
	t->is_ready = true;
	(void)snprintf(t->text, sizeof(t->text), "%s %s", SSL_get_version(t->ssl),
	    SSL_get_cipher_name(t->ssl));
}

/* Is it over for good: what to tell from now on. */
static int
note_failure(struct stream_tls *t, int kind)
{
	int reason = ERR_GET_REASON(ERR_peek_last_error());
	long verified = SSL_get_verify_result(t->ssl);
	const char *text;

	if (t->is_at_end || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		t->failure = -ECONNRESET;
	else if (kind == SSL_ERROR_SYSCALL)
		t->failure = t->socket_errno != 0 ? -t->socket_errno : -ECONNRESET;
	else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		t->failure = -EKEYREJECTED;
	else
		t->failure = -EPROTO;
	if (t->failure == -EKEYREJECTED)
		text = X509_verify_cert_error_string(verified);
	else if (t->failure == -EPROTO)
		text = take_reason();
	else
		text = "the connection was cut";
	(void)snprintf(t->failure_text, sizeof(t->failure_text), "%s", text);
	return t->failure;
}

/* What a call of OpenSSL came to. needs_read, needs_write: what it waits for. 1 it did it; 0
 * the end; -EAGAIN; or the failure. */
static int
result_of(struct stream_tls *t, int ret, bool *needs_read, bool *needs_write)
{
	int kind = SSL_get_error(t->ssl, ret);
	int result;

	*needs_read = kind == SSL_ERROR_WANT_READ;
	*needs_write = kind == SSL_ERROR_WANT_WRITE;
	note_ready(t);
	if (kind == SSL_ERROR_NONE)
		result = 1;
	else if (kind == SSL_ERROR_ZERO_RETURN)
		result = 0;
	else if (*needs_read || *needs_write)
		result = -EAGAIN;
	else
		result = note_failure(t, kind);
	ERR_clear_error();
	return result;
}

int
stream_handshake(struct stream *s, struct err *e)
{
	struct stream_tls *t = s->tls;
	int r = 1;

	if (t == NULL || t->is_ready)
		return 1;
	if (t->failure == 0) {
		t->socket_errno = 0;
		ERR_clear_error();
		r = result_of(
		    t, SSL_do_handshake(t->ssl), &t->write_needs_read, &t->read_needs_write);
	}
	if (t->failure != 0)
		return err_set(e, -t->failure, "TLS: %s", t->failure_text);
	if (r == 0) /* a close_notify instead of a handshake */
		return err_set(e, ECONNRESET, "TLS: the peer ended it");
	return r == 1;
}

static ssize_t
tls_read(struct stream_tls *t, void *to, size_t len)
{
	bool needs_read;
	size_t n = 0;
	int r;

	if (t->failure != 0)
		return t->failure;
	t->socket_errno = 0;
	ERR_clear_error();
	r = result_of(t, SSL_read_ex(t->ssl, to, len, &n), &needs_read, &t->read_needs_write);
	return r == 1 ? (ssize_t)n : r;
}

static ssize_t
tls_write(struct stream_tls *t, const void *from, size_t len)
{
	bool needs_write;
	size_t n = 0;
	int r;

	if (t->failure != 0)
		return t->failure;
	t->socket_errno = 0;
	ERR_clear_error();
	r = result_of(
	    t, SSL_write_ex(t->ssl, from, len, &n), &t->write_needs_read, &needs_write);
	t->is_write_open = r == -EAGAIN && t->is_ready;
	if (r == 0)
		return -EPIPE;
	return r == 1 ? (ssize_t)n : r;
}

ssize_t
stream_read(struct stream *s, void *to, size_t len)
{
	ASSERT(len > 0);
	if (s->tls != NULL)
		return tls_read(s->tls, to, len);
	return socket_read(s->fd, to, len);
}

ssize_t
stream_write(struct stream *s, const void *from, size_t len)
{
	if (len == 0)
		return 0;
	if (s->tls != NULL)
		return tls_write(s->tls, from, len);
	return socket_write(s->fd, from, len);
}

bool
stream_has_pending(const struct stream *s)
{
	return s->tls != NULL && s->tls->failure == 0 && SSL_pending(s->tls->ssl) > 0;
}

/* Before the first step of a handshake a client has something to write, a server to read. */
static unsigned
get_handshake_events(const struct stream_tls *t)
{
	if (SSL_want_write(t->ssl))
		return LOOP_WRITE;
	if (SSL_want_read(t->ssl))
		return LOOP_READ;
	return t->context->is_client ? LOOP_WRITE : LOOP_READ;
}

unsigned
stream_get_events(const struct stream *s, unsigned want)
{
	const struct stream_tls *t = s->tls;
	unsigned events = 0;

	if (t == NULL || want == 0 || t->failure != 0)
		return want;
	if (!t->is_ready)
		return get_handshake_events(t);
	if (want & LOOP_READ)
		events |= t->read_needs_write ? LOOP_WRITE : LOOP_READ;
	if (want & LOOP_WRITE)
		events |= t->write_needs_read ? LOOP_READ : LOOP_WRITE;
	return events;
}
