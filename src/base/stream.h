/* stream.h: a non-blocking byte stream over one socket, in plain or, from some moment on,
 * through TLS. OpenSSL stands behind it, alone. Blocks nowhere and raises no SIGPIPE; the owner
 * watches the descriptor. */
#ifndef CORDON_BASE_STREAM_H
#define CORDON_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/slice.h"

struct stream;
struct tls_context;

/* A server's certificate and key (PEM; key_path "" : in the same file; a key with a password is
 * refused). TLS 1.2 and newer, no renegotiation, session tickets off. The caller owns one
 * reference. NULL and *e, which names the file, when it cannot be loaded. */
struct tls_context *tls_context_new_server(
    const char *certificate_path, const char *key_path, struct err *e);
/* For connections that we make. verify: the peer must show a certificate of an authority that
 * the system knows, for the name given to stream_start_tls(). All authorities are read here;
 * SSL_CERT_FILE and SSL_CERT_DIR of the environment go before the system's. NULL and *e. */
struct tls_context *tls_context_new_client(bool verify, struct err *e);
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context **c);

/* Takes over *fd (a non-blocking socket). Never NULL. In plain it costs less than 64 bytes. */
struct stream *stream_new(int *fd);
/* Closes the descriptor; sends TLS' close_notify if that is possible at once. */
void stream_free(struct stream **s);
int stream_get_fd(const struct stream *s);

/* From now on through TLS; the handshake happens inside the next reads and writes. name: of the
 * peer for a client (SNI, and checked when the context verifies: it must be given then; an
 * address is compared with those in the certificate), else NULL. The context is referenced.
 * Bytes that the owner has read already came in plain, from anybody on the way: it drops them.
 * They are neither part of the handshake nor commands behind it. 0 or -ENOMEM. */
int stream_start_tls(struct stream *s, struct tls_context *c, const char *name);
/* Drives the handshake: 1 done (or plain), 0 not yet: wait for stream_get_events(); or *e and
 * -EPROTO it is no TLS or none that fits, -EKEYREJECTED the certificate does not verify,
 * -ECONNRESET cut, another negative errno of the socket. After a failure in a read or write it
 * says why. */
int stream_handshake(struct stream *s, struct err *e);
bool stream_is_tls(const struct stream *s);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384", "" in plain or before the handshake. Borrowed. */
const char *stream_get_tls_text(const struct stream *s);

/* As read(2) and send(2) with MSG_NOSIGNAL: bytes (> 0), 0 at the end (read only; with TLS only
 * after a close_notify, a cut connection is -ECONNRESET), -EAGAIN, or another negative errno,
 * those of stream_handshake() too; after one of these the stream is of no use. A write may take
 * less than all (TLS: 16 KB at most), and 0 of 0. After -EAGAIN of a TLS write the next write
 * must begin with the same bytes, at least as many of them; they may lie elsewhere. EINTR is
 * dealt with inside. */
ssize_t stream_read(struct stream *s, void *to, size_t len);
ssize_t stream_write(struct stream *s, const void *from, size_t len);
/* Bytes that were read from the socket and wait inside TLS: the descriptor does not tell of
 * them, so the owner must read until this is false. */
bool stream_has_pending(const struct stream *s);
/* LOOP_READ/LOOP_WRITE bits to wait for when the caller wants to do what is in want: TLS may
 * need the other direction. */
unsigned stream_get_events(const struct stream *s, unsigned want);

#endif
