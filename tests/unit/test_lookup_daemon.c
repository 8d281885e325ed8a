/* test_lookup_daemon.c: an answer of the daemon that comes in pieces, up to the room there is
 * for it. */
#include "test_common.h"

#include <sys/socket.h>

#include "cmd/lookup_daemon.c" /* programs are no library */

#define ROOM 100u

/* Packets: what is sent at once is read at once. */
static int
receive(const char *const *pieces, size_t count, struct buf *out)
{
	struct err e = { 0 };
	int pair[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
		    write(pair[0], pieces[i], strlen(pieces[i])), (ssize_t)strlen(pieces[i]));
	close(pair[0]);
	buf_init(out, ROOM);
	r = daemon_receive(pair[1], 5000, out, &e);
	close(pair[1]);
	return r;
}

static void
test_pieces(void **state UNUSED)
{
	static const char *const pieces[] = { "{", "\"ok\"", ":tr", "ue}", "\n" };
	struct buf out;

	assert_int_equal(receive(pieces, ARRAY_LEN(pieces), &out), 0);
	assert_slice(buf_get(&out), "{\"ok\":true}");
	buf_done(&out);
	assert_int_equal(receive(pieces, ARRAY_LEN(pieces) - 1, &out), -EPIPE);
	buf_done(&out);
	assert_int_equal(receive(pieces + 4, 1, &out), -EPROTO);
	buf_done(&out);
}

static void
test_room(void **state UNUSED)
{
	char text[ROOM + 2];
	const char *const pieces[] = { text, "\n" };
	struct buf out;

	memset(text, 'x', sizeof(text));
	text[ROOM - 1] = '\0'; /* with the line end, as much as there is room for */
	assert_int_equal(receive(pieces, 2, &out), 0);
	assert_int_equal(out.len, ROOM - 1);
	buf_done(&out);
	text[ROOM - 1] = 'x';
	text[ROOM] = '\0';
	assert_int_equal(receive(pieces, 2, &out), -ENOBUFS);
	buf_done(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
