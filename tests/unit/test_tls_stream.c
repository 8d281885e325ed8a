/* test_tls_stream.c: base/stream over socket pairs: plain, TLS, and what strangers do to
 * either. Certificates are made here, at run time. */
#include "base/stream.h"
#include "test_common.h"

#include <fcntl.h>
#include <malloc.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/loop.h"

#define TURNS 200u

static char folder[64], good_path[128], other_path[128], locked_path[128];

/* ---- certificates ---- */

/* A key and a certificate signed by itself, in one file. password: of the key, or NULL. */
static void
certificate_write(const char *path, const char *names, const char *password)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	FILE *f = fopen(path, "wb");

	assert_non_null(key);
	assert_non_null(alt);
	assert_non_null(f);
	assert_int_equal(X509_set_version(x, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -3600));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			     (const unsigned char *)"test", -1, -1, 0),
	    1);
	assert_int_equal(X509_set_issuer_name(x, name), 1);
	assert_int_equal(X509_set_pubkey(x, key), 1);
	assert_int_equal(X509_add_ext(x, alt, -1), 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(f, x), 1);
	assert_int_equal(
	    PEM_write_PKCS8PrivateKey(f, key, password == NULL ? NULL : EVP_aes_128_cbc(),
		password, password == NULL ? 0 : (int)strlen(password), NULL, NULL),
	    1);
	assert_int_equal(fclose(f), 0);
	X509_EXTENSION_free(alt);
	X509_free(x);
	EVP_PKEY_free(key);
}

static int
set_up(void **state UNUSED)
{
	folder_make(folder);
	(void)snprintf(good_path, sizeof(good_path), "%s/good.pem", folder);
	(void)snprintf(other_path, sizeof(other_path), "%s/other.pem", folder);
	(void)snprintf(locked_path, sizeof(locked_path), "%s/locked.pem", folder);
	certificate_write(good_path, "DNS:mx.example,DNS:*.wild.example,IP:192.0.2.1", NULL);
	certificate_write(other_path, "DNS:mx.example", NULL);
	certificate_write(locked_path, "DNS:mx.example", "secret");
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	folder_remove(folder);
	return 0;
}

/* ---- two ends ---- */

struct ends {
	struct stream *client, *server;
};

static void
make_pair(int fds[2])
{
	int size = 4096;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	for (int i = 0; i < 2; i++) /* small: writes are cut often */
		assert_int_equal(
		    setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

static struct ends
ends_new(void)
{
	struct ends x;
	int fds[2];

	make_pair(fds);
	x.client = stream_new(&fds[0]);
	x.server = stream_new(&fds[1]);
	assert_int_equal(fds[0], -1);
	return x;
}

static void
ends_free(struct ends *x)
{
	stream_free(&x->client);
	stream_free(&x->server);
	stream_free(&x->server);
}

static void
start(struct stream *s, struct tls_context *c, const char *name)
{
	assert_int_equal(stream_start_tls(s, c, name), 0);
	tls_context_unref(&c); /* the stream has its own reference */
}

static struct tls_context *
server_context(const char *path)
{
	struct err e;
	struct tls_context *c = tls_context_new_server(path, "", &e);

	if (c == NULL)
		fail_msg("%s", e.text);
	return c;
}

static struct tls_context *
client_context(bool verify)
{
	struct err e;
	struct tls_context *c = tls_context_new_client(verify, &e);

	if (c == NULL)
		fail_msg("%s", e.text);
	return c;
}

/* Lets both shake hands until each is done or has failed. */
static void
shake(struct ends *x, int *ret_client, int *ret_server, struct err *client_e,
    struct err *server_e)
{
	*ret_client = *ret_server = 0;
	for (unsigned i = 0; i < TURNS && (*ret_client == 0 || *ret_server == 0); i++) {
		if (*ret_client == 0)
			*ret_client = stream_handshake(x->client, client_e);
		if (*ret_server == 0)
			*ret_server = stream_handshake(x->server, server_e);
	}
}

static struct ends
ends_new_tls(void)
{
	struct ends x = ends_new();
	int client, server;

	start(x.server, server_context(good_path), NULL);
	start(x.client, client_context(false), "mx.example");
	shake(&x, &client, &server, NULL, NULL);
	assert_int_equal(client, 1);
	assert_int_equal(server, 1);
	return x;
}

static void
write_all(struct stream *s, const char *text)
{
	assert_int_equal(stream_write(s, text, strlen(text)), strlen(text));
}

static void
expect(struct stream *s, const char *text)
{
	char got[256];
	ssize_t n = stream_read(s, got, sizeof(got));

	assert_true(n >= 0);
	assert_slice(slice_of(got, (size_t)n), text);
}

/* ---- tests ---- */

static void
test_plain(void **state UNUSED)
{
	unsigned fds = fds_count();
	struct ends x = ends_new();
	char big[65536] = { 0 };
	ssize_t n;

	assert_true(malloc_usable_size(x.client) < 64);
	assert_false(stream_is_tls(x.client));
	assert_string_equal(stream_get_tls_text(x.client), "");
	assert_int_equal(stream_handshake(x.client, NULL), 1);
	assert_int_equal(
	    stream_get_events(x.client, LOOP_READ | LOOP_WRITE), LOOP_READ | LOOP_WRITE);
	assert_false(stream_has_pending(x.client));
	assert_int_equal(stream_read(x.server, big, sizeof(big)), -EAGAIN);
	write_all(x.client, "EHLO x\r\n");
	expect(x.server, "EHLO x\r\n");
	do
		n = stream_write(x.client, big, sizeof(big));
	while (n > 0);
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(stream_write(x.client, big, 0), 0);
	while (stream_read(x.server, big, sizeof(big)) > 0)
		;
	stream_free(&x.server);
	assert_null(x.server);
	assert_int_equal(stream_read(x.client, big, sizeof(big)), 0);
	assert_int_equal(stream_write(x.client, big, 1), -EPIPE); /* and no SIGPIPE */
	ends_free(&x);
	assert_int_equal(fds_count(), fds);
}

static void
test_handshake(void **state UNUSED)
{
	unsigned fds = fds_count();
	struct ends x = ends_new();
	char byte;

	start(x.server, server_context(good_path), NULL);
	start(x.client, client_context(false), "mx.example");
	assert_true(stream_is_tls(x.server));
	assert_string_equal(stream_get_tls_text(x.server), "");
	assert_int_equal(stream_get_events(x.client, LOOP_READ), LOOP_WRITE);
	assert_int_equal(stream_get_events(x.server, LOOP_WRITE), LOOP_READ);
	assert_int_equal(stream_get_events(x.server, 0), 0);
	assert_int_equal(stream_handshake(x.server, NULL), 0);
	assert_int_equal(stream_handshake(x.client, NULL), 0);
	assert_int_equal(stream_get_events(x.client, LOOP_WRITE), LOOP_READ);
	/* The rest inside of reads and writes. */
	for (unsigned i = 0; i < TURNS && stream_read(x.server, &byte, 1) != 1; i++)
		(void)stream_write(x.client, "a", 1);
	assert_int_equal(byte, 'a');
	assert_true(slice_starts_with(
	    slice_of_str(stream_get_tls_text(x.server)), SLICE_LIT("TLSv1.3 TLS_")));
	assert_string_equal(stream_get_tls_text(x.client), stream_get_tls_text(x.server));
	assert_int_equal(stream_handshake(x.client, NULL), 1);
	assert_int_equal(
	    stream_get_events(x.client, LOOP_READ | LOOP_WRITE), LOOP_READ | LOOP_WRITE);
	ends_free(&x);
	assert_int_equal(fds_count(), fds);
}

/* One direction of a transfer. */
struct flow {
	struct stream *from, *to;
	size_t sent, got, retries;
	size_t again_len; /* of the write that got -EAGAIN */
};

#define FLOW_BYTES (2u << 20)

static uint8_t
flow_byte(size_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

static void
flow_send(struct flow *f, uint32_t random)
{
	size_t len = MAX_OF(f->again_len, random % 40000 + 1);
	uint8_t *bytes; /* elsewhere each time */
	ssize_t n;

	len = MIN_OF(len, FLOW_BYTES - f->sent);
	if (len == 0)
		return;
	bytes = malloc(len);
	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = flow_byte(f->sent + i);
	n = stream_write(f->from, bytes, len);
	memset(bytes, 0xee, len);
	free(bytes);
	assert_true(n > 0 || n == -EAGAIN);
	f->again_len = n > 0 ? 0 : len;
	f->retries += n < 0;
	f->sent += n > 0 ? (size_t)n : 0;
}

static void
flow_receive(struct flow *f, uint32_t random)
{
	uint8_t bytes[20000];
	ssize_t n = stream_read(f->to, bytes, random % sizeof(bytes) + 1);

	assert_true(n > 0 || n == -EAGAIN);
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(bytes[i], flow_byte(f->got + (size_t)i));
	f->got += n > 0 ? (size_t)n : 0;
	if (n < 0)
		assert_false(stream_has_pending(f->to));
}

static void
test_big(void **state UNUSED)
{
	struct ends x = ends_new_tls();
	struct flow flows[2] = { { x.client, x.server, 0, 0, 0, 0 },
		{ x.server, x.client, 0, 0, 0, 0 } };
	uint32_t random = 1;

	for (unsigned i = 0; i < 100000 && flows[0].got + flows[1].got < 2 * FLOW_BYTES; i++) {
		random = random * 1664525u + 1013904223u;
		flow_send(&flows[i & 1], random >> 8);
		random = random * 1664525u + 1013904223u;
		flow_receive(&flows[random >> 31], random >> 8);
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(flows[i].sent, FLOW_BYTES);
		assert_int_equal(flows[i].got, FLOW_BYTES);
		assert_true(flows[i].retries > 0);
	}
	ends_free(&x);
}

/* What waits inside TLS is told by nothing but stream_has_pending(). */
static void
test_pending(void **state UNUSED)
{
	struct ends x = ends_new_tls();
	struct pollfd p = { .fd = stream_get_fd(x.server), .events = POLLIN };
	char text[8];

	write_all(x.client, "0123456789");
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_int_equal(stream_read(x.server, text, 4), 4);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_true(stream_has_pending(x.server));
	assert_int_equal(stream_read(x.server, text, 8), 6);
	assert_false(stream_has_pending(x.server));
	assert_int_equal(stream_read(x.server, text, 8), -EAGAIN);
	ends_free(&x);
}

static void
test_end(void **state UNUSED)
{
	struct ends x = ends_new_tls();
	char byte;

	write_all(x.server, "221 bye\r\n");
	stream_free(&x.server); /* with a close_notify */
	expect(x.client, "221 bye\r\n");
	assert_int_equal(stream_read(x.client, &byte, 1), 0);
	assert_int_equal(stream_read(x.client, &byte, 1), 0);
	assert_true(stream_write(x.client, "x", 1) < 0);
	ends_free(&x);
}

static void
test_cut(void **state UNUSED)
{
	struct ends x = ends_new_tls();
	char byte;

	write_all(x.server, "250 half");
	assert_int_equal(shutdown(stream_get_fd(x.server), SHUT_RDWR), 0);
	expect(x.client, "250 half");
	assert_int_equal(stream_read(x.client, &byte, 1), -ECONNRESET);
	assert_int_equal(stream_read(x.client, &byte, 1), -ECONNRESET);
	assert_int_equal(stream_write(x.client, "x", 1), -ECONNRESET);
	assert_false(stream_has_pending(x.client));
	ends_free(&x);
}

static void
test_cut_while_writing(void **state UNUSED)
{
	struct ends x = ends_new_tls();
	static char big[65536];
	ssize_t n;

	do
		n = stream_write(x.client, big, sizeof(big));
	while (n > 0);
	assert_int_equal(n, -EAGAIN);
	stream_free(&x.server);
	n = stream_write(x.client, big, sizeof(big));
	assert_true(n == -EPIPE || n == -ECONNRESET); /* and no SIGPIPE */
	assert_int_equal(stream_write(x.client, big, sizeof(big)), n);
	ends_free(&x);
}

static void
test_cut_handshake(void **state UNUSED)
{
	struct ends x = ends_new();
	struct err e = { 0 };
	char byte;

	start(x.client, client_context(false), NULL);
	assert_int_equal(stream_handshake(x.client, &e), 0);
	stream_free(&x.server);
	assert_int_equal(stream_read(x.client, &byte, 1), -ECONNRESET);
	assert_int_equal(stream_handshake(x.client, &e), -ECONNRESET);
	assert_true(slice_has(slice_of_str(e.text), "TLS: the connection was cut"));
	ends_free(&x);
}

/* trusted: the file of authorities, or NULL. */
static const struct {
	const char *name, *trusted;
	int client, server;
	const char *text;
} verifications[] = {
	{ "mx.example", good_path, 1, 1, "" },
	{ "MX.EXAMPLE", good_path, 1, 1, "" },
	{ "a.wild.example", good_path, 1, 1, "" },
	{ "192.0.2.1", good_path, 1, 1, "" },
	{ "192.0.2.2", good_path, -EKEYREJECTED, -EPROTO, "IP address mismatch" },
	{ "mx2.example", good_path, -EKEYREJECTED, -EPROTO, "hostname mismatch" },
	{ "a.b.wild.example", good_path, -EKEYREJECTED, -EPROTO, "hostname mismatch" },
	{ "test", good_path, -EKEYREJECTED, -EPROTO, "hostname mismatch" },
	{ "mx.example", other_path, -EKEYREJECTED, -EPROTO, "self-signed certificate" },
	{ "mx.example", NULL, -EKEYREJECTED, -EPROTO, "self-signed certificate" },
};

static void
test_verify(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(verifications); i++) {
		struct ends x = ends_new();
		struct err client_e = { 0 }, server_e = { 0 };
		int client, server;

		if (verifications[i].trusted != NULL)
			assert_int_equal(
			    setenv("SSL_CERT_FILE", verifications[i].trusted, 1), 0);
		start(x.server, server_context(good_path), NULL);
		start(x.client, client_context(true), verifications[i].name);
		assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
		shake(&x, &client, &server, &client_e, &server_e);
		if (client != verifications[i].client)
			fail_msg("%s: %d, %s", verifications[i].name, client, client_e.text);
		assert_true(slice_has(slice_of_str(client_e.text), verifications[i].text));
		/* With TLS 1.3 the server may be done before the client refuses. */
		if (client < 0) {
			char byte;

			assert_int_equal(
			    stream_read(x.server, &byte, 1), verifications[i].server);
			assert_int_equal(stream_write(x.client, "secret", 6), client);
			assert_int_equal(stream_read(x.client, &byte, 1), client);
			assert_string_equal(stream_get_tls_text(x.client), "");
		}
		ends_free(&x);
	}
}

/* Anybody on the way can put commands behind STARTTLS. The owner drops what it has read; what
 * comes later breaks the handshake. */
static void
test_injected(void **state UNUSED)
{
	struct ends x = ends_new();
	int client, server;

	write_all(x.client, "STARTTLS\r\nRSET\r\nMAIL FROM:<evil@x>\r\n");
	expect(x.server, "STARTTLS\r\nRSET\r\nMAIL FROM:<evil@x>\r\n");
	start(x.server, server_context(good_path), NULL);
	start(x.client, client_context(false), "mx.example");
	shake(&x, &client, &server, NULL, NULL);
	assert_int_equal(client, 1);
	assert_int_equal(server, 1);
	write_all(x.client, "EHLO again\r\n");
	expect(x.server, "EHLO again\r\n");
	ends_free(&x);
}

static void
test_no_tls(void **state UNUSED)
{
	static const char *const texts[] = { "RSET\r\nMAIL FROM:<evil@x>\r\n",
		"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff\x01", "\x80\x2e\x01\x03\x01" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct ends x = ends_new();
		struct err e = { 0 };
		char bytes[64];

		start(x.server, server_context(good_path), NULL);
		write_all(x.client, texts[i]);
		assert_int_equal(shutdown(stream_get_fd(x.client), SHUT_WR), 0);
		assert_true(stream_handshake(x.server, &e) < 0);
		assert_true(slice_starts_with(slice_of_str(e.text), SLICE_LIT("TLS: ")));
		assert_true(stream_read(x.server, bytes, sizeof(bytes)) < 0);
		assert_true(stream_write(x.server, "220 x", 5) < 0);
		assert_false(stream_has_pending(x.server));
		ends_free(&x);
	}
}

/* A server that answers a client's hello in plain. */
static void
test_no_server(void **state UNUSED)
{
	struct ends x = ends_new();
	struct err e = { 0 };

	start(x.client, client_context(false), "mx.example");
	assert_int_equal(stream_handshake(x.client, &e), 0);
	write_all(x.server, "454 4.7.0 TLS not available\r\n");
	assert_int_equal(stream_handshake(x.client, &e), -EPROTO);
	ends_free(&x);
}

/* One byte per read and write on the wire between the two. */
static void
carry_byte(int from, int to)
{
	char byte;

	if (recv(from, &byte, 1, MSG_DONTWAIT) == 1)
		assert_int_equal(send(to, &byte, 1, MSG_NOSIGNAL), 1);
}

static void
test_byte_by_byte(void **state UNUSED)
{
	struct ends x;
	int left[2], right[2], client = 0, server = 0;
	char got[5];
	ssize_t n = -EAGAIN;

	make_pair(left);
	make_pair(right);
	x.client = stream_new(&left[0]);
	x.server = stream_new(&right[0]);
	start(x.server, server_context(good_path), NULL);
	start(x.client, client_context(false), "mx.example");
	for (unsigned i = 0; i < 20000 && n == -EAGAIN; i++) {
		bool was_ready = client == 1;

		client = stream_handshake(x.client, NULL);
		server = stream_handshake(x.server, NULL);
		assert_true(client >= 0 && server >= 0);
		if (client == 1 && !was_ready)
			write_all(x.client, "hello");
		n = stream_read(x.server, got, sizeof(got));
		carry_byte(left[1], right[1]);
		carry_byte(right[1], left[1]);
	}
	assert_int_equal(server, 1);
	assert_slice(slice_of(got, n < 0 ? 0 : (size_t)n), "hello");
	ends_free(&x);
	fd_close(&left[1]);
	fd_close(&right[1]);
}

static void
test_contexts(void **state UNUSED)
{
	static const struct {
		const char *certificate, *key, *text;
	} bad[] = {
		{ "/nonexistent/a.pem", "", "certificate '/nonexistent/a.pem': No such file" },
		{ good_path, "/nonexistent/b.pem", "key '/nonexistent/b.pem': No such file" },
		{ good_path, other_path, "mismatch" },
		{ "/dev/null", "", "certificate '/dev/null'" },
		{ locked_path, "", "key '" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = { 0 };

		assert_null(tls_context_new_server(bad[i].certificate, bad[i].key, &e));
		if (!slice_has(slice_of_str(e.text), bad[i].text))
			fail_msg("%zu: %s", i, e.text);
	}
}

static void
test_references(void **state UNUSED)
{
	struct err e;
	struct tls_context *c = tls_context_new_server(good_path, good_path, &e);
	struct tls_context *c2;

	assert_non_null(c);
	c2 = tls_context_ref(c);
	tls_context_unref(&c);
	assert_null(c);
	tls_context_unref(&c);
	tls_context_unref(&c2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_plain),
		cmocka_unit_test(test_handshake), cmocka_unit_test(test_big),
		cmocka_unit_test(test_pending), cmocka_unit_test(test_end),
		cmocka_unit_test(test_cut), cmocka_unit_test(test_cut_while_writing),
		cmocka_unit_test(test_cut_handshake), cmocka_unit_test(test_verify),
		cmocka_unit_test(test_injected), cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_no_server), cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_contexts), cmocka_unit_test(test_references) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
