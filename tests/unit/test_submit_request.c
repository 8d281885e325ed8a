/* test_submit_request.c: what the cordon command asks of the gate: both ends agree, and what is
 * not to the point in its last byte is refused. */
#include "test_common.h"

#include "cmd/submit_request.c" /* programs are no library */

#define TEXT(literal)                                                                          \
	{                                                                                      \
		(const uint8_t *)("" literal), sizeof(literal) - 1                             \
	}

static void
test_requests(void **state UNUSED)
{
	static const struct {
		const char *arguments, *way;
		uint64_t length;
	} good[] = { { "filter 0", "filter", 0 },
		{ "in-1_a.B 104857600", "in-1_a.B", 104857600 },
		{ "x 4611686018427387903", "x", UINT64_MAX >> 2 } };
	static const char *const bad[] = { "", " ", "filter", "filter ", " 1", "filter x",
		"filter -1", "filter 1 ", "filter  1", "fil/ter 1", "fil\nter 1", "filter 1 2",
		"filter 4611686018427387904", "filter 99999999999999999999",
		"a123456789012345678901234567890123456789012345678901234567890123 1" };
	struct submit_request r;
	struct buf line;

	buf_init(&line, 200);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(submit_request_parse(slice_of_str(good[i].arguments), &r));
		assert_true(slice_eq_str(r.way, good[i].way));
		assert_int_equal(r.length, good[i].length);
		buf_clear(&line);
		assert_int_equal(submit_request_format(&r, &line), 0);
		assert_true(slice_starts_with(buf_get(&line), SLICE_LIT("submit ")));
		assert_int_equal(line.data[line.len - 1], '\n');
		line.len--;
		assert_true(slice_eq_str(slice_from(buf_get(&line), 7), good[i].arguments));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(submit_request_parse(slice_of_str(bad[i]), &r));
	r = (struct submit_request){ .way = SLICE_LIT("a b") };
	assert_int_equal(submit_request_format(&r, &line), -EINVAL);
	buf_done(&line);
}

static void
test_sessions(void **state UNUSED)
{
	static const struct {
		const char *arguments, *protocol, *listener, *address;
		uint16_t port;
	} good[] = {
		{ "smtp - - 0", "smtp", "", "", 0 },
		{ "smtp in 192.0.2.7 40000", "smtp", "in", "192.0.2.7", 40000 },
		{ "opensmtpd - 2001:db8::1 65535", "opensmtpd", "", "2001:db8::1", 65535 },
	};
	static const char *const bad[] = { "", "smtp", "smtp - -", "smtp - - ", "smtp - - x",
		"smtp - - 65536", "smtp - 192.0.2 1", "smtp - localhost 1", "smtp a/b - 1",
		"smtp  - - 1", " - - 1", "smtp - - 1 2", "smtp - 192.0.2.7%x 1" };
	struct session_request r;
	struct buf line;

	buf_init(&line, 200);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(session_request_parse(slice_of_str(good[i].arguments), &r));
		assert_true(slice_eq_str(r.protocol, good[i].protocol));
		assert_true(slice_eq_str(r.listener, good[i].listener));
		assert_true(slice_eq_str(r.address, good[i].address));
		assert_int_equal(r.port, good[i].port);
		buf_clear(&line);
		assert_int_equal(session_request_format(&r, &line), 0);
		line.len--;
		assert_true(slice_eq_str(slice_from(buf_get(&line), 8), good[i].arguments));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(session_request_parse(slice_of_str(bad[i]), &r));
	r = (struct session_request){ .protocol = SLICE_LIT("smtp"),
		.listener = SLICE_LIT("-") };
	assert_int_equal(session_request_format(&r, &line), -EINVAL);
	r = (struct session_request){ .protocol = SLICE_LIT("smtp"),
		.address = SLICE_LIT("here") };
	assert_int_equal(session_request_format(&r, &line), -EINVAL);
	buf_done(&line);
}

static void
test_envelope(void **state UNUSED)
{
	struct submit_envelope e;
	struct slice recipient;
	struct buf text;
	int r;

	buf_init(&text, 500);
	r = submit_envelope_put(&text, SUBMIT_SENDER, SLICE_LIT("alice@client.example"));
	r |= submit_envelope_put(&text, SUBMIT_CLIENT_ADDRESS, SLICE_LIT("192.0.2.7"));
	r |= submit_envelope_put(&text, SUBMIT_CLIENT_NAME, SLICE_LIT("client.example"));
	r |= submit_envelope_put(&text, SUBMIT_HELO, SLICE_LIT("helo"));
	r |= submit_envelope_put(&text, SUBMIT_USER, SLICE_NONE); /* left out */
	r |= submit_envelope_put(&text, SUBMIT_QUEUE_ID, SLICE_LIT("4F00"));
	r |= submit_envelope_put(&text, SUBMIT_INFECTED, SLICE_LIT("discard"));
	r |= submit_envelope_put(&text, SUBMIT_RECIPIENT, SLICE_LIT("bob@test.example"));
	r |= submit_envelope_put(&text, SUBMIT_RECIPIENT, SLICE_LIT("Tim"));
	assert_int_equal(r, 0);
	assert_int_equal(
	    submit_envelope_put(&text, SUBMIT_RECIPIENT, SLICE_LIT("a\0b")), -EINVAL);
	assert_true(submit_envelope_parse(buf_get(&text), &e));
	assert_true(slice_eq_str(e.sender, "alice@client.example"));
	assert_true(slice_eq_str(e.client_address, "192.0.2.7"));
	assert_true(slice_eq_str(e.client_name, "client.example"));
	assert_true(slice_eq_str(e.helo, "helo"));
	assert_int_equal(e.user.len, 0);
	assert_true(slice_eq_str(e.queue_id, "4F00"));
	assert_string_equal(e.infected, "discard");
	assert_true(submit_envelope_next(&e, &recipient));
	assert_true(slice_eq_str(recipient, "bob@test.example"));
	assert_true(submit_envelope_next(&e, &recipient));
	assert_true(slice_eq_str(recipient, "Tim"));
	assert_false(submit_envelope_next(&e, &recipient));
	buf_done(&text);
	/* One that does not fit leaves nothing of itself. */
	buf_init(&text, 8);
	assert_int_equal(submit_envelope_put(&text, SUBMIT_SENDER, SLICE_LIT("abc")), 0);
	assert_int_equal(
	    submit_envelope_put(&text, SUBMIT_RECIPIENT, SLICE_LIT("abc")), -ENOBUFS);
	assert_int_equal(text.len, 5);
	buf_done(&text);
}

static void
test_odd_envelopes(void **state UNUSED)
{
	static const struct {
		const char *name;
		struct slice text;
		bool good;
	} rows[] = {
		{ "nothing", TEXT(""), false },
		{ "the null sender alone", TEXT("F\0"), true },
		{ "no sender", TEXT("Tbob\0"), false },
		{ "two senders", TEXT("Fa\0Fb\0"), false },
		{ "an empty recipient", TEXT("F\0T\0"), true },
		{ "cut in the sender", TEXT("Fa"), false },
		{ "cut in a recipient", TEXT("Fa\0Tb"), false },
		{ "an empty field", TEXT("Fa\0\0"), false },
		{ "an empty field behind recipients", TEXT("Fa\0Tb\0\0"), false },
		{ "a field behind recipients", TEXT("Fa\0Tb\0Hc\0"), false },
		{ "an unknown letter", TEXT("Fa\0Xb\0"), false },
		{ "no address", TEXT("Fa\0Aunknown\0"), false },
		{ "an IPv6 address", TEXT("Fa\0A2001:db8::1\0"), true },
		{ "the same twice", TEXT("Fa\0Hb\0Hb\0"), false },
		{ "an empty value", TEXT("Fa\0H\0"), false },
		{ "infected mail is to pass", TEXT("Fa\0Iaccept\0"), false },
		{ "infected mail on hold", TEXT("Fa\0Ihold\0"), false },
		{ "infected mail is refused", TEXT("Fa\0Ireject\0"), true },
		{ "two words on infected mail", TEXT("Fa\0Ireject\0Idiscard\0"), false },
	};
	struct submit_envelope e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (submit_envelope_parse(rows[i].text, &e) != rows[i].good)
			fail_msg("%s", rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_odd_envelopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
