/* test_proxy_protocol.c: headers of both versions; in one piece, byte by byte, and cut. */
#include "intake/proxy_protocol.h"
#include "test_common.h"

#define SIG        "\r\n\r\n\0\r\nQUIT\n"
#define ADDRESSES4 "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x67\x00\x19"
#define IP6        "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define X27        "xxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X108       X27 X27 X27 X27
#define WIRE(s)                                                                                \
	{                                                                                      \
		(const uint8_t *)(s), sizeof(s) - 1                                            \
	}

static const struct {
	const char *name;
	struct slice in;
	int ret;
	bool is_local;
	const char *address;
	uint16_t port;
	size_t left; /* bytes behind the header */
} cases[] = {
	{ "v1 TCP4", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n"), 1, false, "192.0.2.1",
	    4711, 0 },
	{ "v1 and a command", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\nEHLO x\r\n"), 1,
	    false, "192.0.2.1", 4711, 8 },
	{ "v1 longest", WIRE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), 1,
	    false, "255.255.255.255", 65535, 0 },
	{ "v1 TCP6", WIRE("PROXY TCP6 2001:DB8::1 2001:db8::2 4711 25\r\n"), 1, false,
	    "2001:db8::1", 4711, 0 },
	{ "v1 TCP6 longest",
	    WIRE("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    1, false, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 0 },
	{ "v1 UNKNOWN", WIRE("PROXY UNKNOWN\r\n"), 1, true, "", 0, 0 },
	{ "v1 UNKNOWN longest",
	    WIRE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	    1, true, "", 0, 0 },
	{ "v1 UNKNOWN and anything", WIRE("PROXY UNKNOWN \0 x\r\nQ"), 1, true, "", 0, 1 },
	{ "v1 port 0", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 0 0\r\n"), 1, false, "192.0.2.1", 0,
	    0 },
	{ "v1 too long",
	    WIRE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655355\r\n"),
	    -EPROTO, false, "", 0, 0 },
	{ "v1 too long, no end", WIRE("PROXY UNKNOWN " X27 X27 X27 X27), -EPROTO, false, "", 0,
	    0 },
	{ "v1 LF alone", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\n"), -EPROTO, false, "",
	    0, 0 },
	{ "v1 LF alone, UNKNOWN", WIRE("PROXY UNKNOWN\nEHLO x\r\n"), -EPROTO, false, "", 0, 0 },
	{ "v1 CR alone", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\rEHLO x\r\n"), -EPROTO,
	    false, "", 0, 0 },
	{ "v1 no protocol", WIRE("PROXY \r\n"), -EPROTO, false, "", 0, 0 },
	{ "v1 no addresses", WIRE("PROXY TCP4\r\n"), -EPROTO, false, "", 0, 0 },
	{ "v1 one address", WIRE("PROXY TCP4 192.0.2.1\r\n"), -EPROTO, false, "", 0, 0 },
	{ "v1 no ports", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2\r\n"), -EPROTO, false, "", 0, 0 },
	{ "v1 one port", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), -EPROTO, false, "", 0,
	    0 },
	{ "v1 empty port", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n"), -EPROTO, false, "", 0,
	    0 },
	{ "v1 three ports", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), -EPROTO, false,
	    "", 0, 0 },
	{ "v1 blank behind", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"), -EPROTO, false,
	    "", 0, 0 },
	{ "v1 two blanks", WIRE("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"), -EPROTO, false, "",
	    0, 0 },
	{ "v1 family differs", WIRE("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"), -EPROTO,
	    false, "", 0, 0 },
	{ "v1 family differs 6", WIRE("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), -EPROTO, false,
	    "", 0, 0 },
	{ "v1 families mixed", WIRE("PROXY TCP4 192.0.2.1 2001:db8::2 1 2\r\n"), -EPROTO, false,
	    "", 0, 0 },
	{ "v1 octal", WIRE("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n"), -EPROTO, false, "", 0,
	    0 },
	{ "v1 octal port", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"), -EPROTO, false, "",
	    0, 0 },
	{ "v1 port", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n"), -EPROTO, false, "", 0,
	    0 },
	{ "v1 port name", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 smtp 2\r\n"), -EPROTO, false, "",
	    0, 0 },
	{ "v1 NUL", WIRE("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"), -EPROTO, false, "", 0,
	    0 },
	{ "v1 UDP4", WIRE("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), -EPROTO, false, "", 0, 0 },
	{ "v1 lower case", WIRE("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), -EPROTO, false, "",
	    0, 0 },
	{ "v1 UNKNOWNX", WIRE("PROXY UNKNOWNX\r\n"), -EPROTO, false, "", 0, 0 },
	{ "no header", WIRE("EHLO x\r\n"), -EPROTO, false, "", 0, 0 },
	{ "almost", WIRE("PROXX"), -EPROTO, false, "", 0, 0 },
	{ "TLS", WIRE("\x16\x03\x01"), -EPROTO, false, "", 0, 0 },
	{ "v1 begin", WIRE("PROX"), 0, false, "", 0, 0 },
	{ "v1 no end yet", WIRE("PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r"), 0, false, "", 0,
	    0 },
	{ "nothing", WIRE(""), 0, false, "", 0, 0 },

	{ "v2 TCP4", WIRE(SIG "\x21\x11\x00\x0c" ADDRESSES4), 1, false, "192.0.2.1", 4711, 0 },
	{ "v2 and a command", WIRE(SIG "\x21\x11\x00\x0c" ADDRESSES4 "EHLO x\r\n"), 1, false,
	    "192.0.2.1", 4711, 8 },
	{ "v2 TLVs", WIRE(SIG "\x21\x11\x00\x11" ADDRESSES4 "\x04\0\2\0\0EHLO"), 1, false,
	    "192.0.2.1", 4711, 4 },
	{ "v2 TCP6", WIRE(SIG "\x21\x21\x00\x24" IP6 IP6 "\x12\x67\x00\x19"), 1, false,
	    "2001:db8::1", 4711, 0 },
	{ "v2 unix", WIRE(SIG "\x21\x31\x00\xd8" X108 X108), 1, false, "", 0, 0 },
	{ "v2 LOCAL", WIRE(SIG "\x20\x00\x00\x00"), 1, true, "", 0, 0 },
	{ "v2 LOCAL with an address", WIRE(SIG "\x20\x11\x00\x0c" ADDRESSES4 "E"), 1, true, "",
	    0, 1 },
	{ "v2 LOCAL, any family", WIRE(SIG "\x20\xff\x00\x01x"), 1, true, "", 0, 0 },
	{ "v2 unspecified", WIRE(SIG "\x21\x00\x00\x00"), 1, true, "", 0, 0 },
	{ "v2 unspecified, with bytes", WIRE(SIG "\x21\x00\x00\x03xyz"), 1, true, "", 0, 0 },
	{ "v2 datagrams", WIRE(SIG "\x21\x12\x00\x0c" ADDRESSES4), 1, true, "", 0, 0 },
	{ "v2 too short for TCP4", WIRE(SIG "\x21\x11\x00\x0bxxxxxxxxxxx"), -EPROTO, false, "",
	    0, 0 },
	{ "v2 too short for TCP6", WIRE(SIG "\x21\x21\x00\x0c" ADDRESSES4), -EPROTO, false, "",
	    0, 0 },
	{ "v2 too short for unix", WIRE(SIG "\x21\x31\x00\x0c" ADDRESSES4), -EPROTO, false, "",
	    0, 0 },
	{ "v2 version 1", WIRE(SIG "\x11"), -EPROTO, false, "", 0, 0 },
	{ "v2 version 3", WIRE(SIG "\x31\x11\x00\x0c" ADDRESSES4), -EPROTO, false, "", 0, 0 },
	{ "v2 command 2", WIRE(SIG "\x22"), -EPROTO, false, "", 0, 0 },
	{ "v2 family 4", WIRE(SIG "\x21\x41"), -EPROTO, false, "", 0, 0 },
	{ "v2 transport 3", WIRE(SIG "\x21\x13"), -EPROTO, false, "", 0, 0 },
	{ "v2 too long", WIRE(SIG "\x21\x11\x08\x01"), -EPROTO, false, "", 0, 0 },
	{ "v2 longest, not all yet", WIRE(SIG "\x21\x11\x08\x00"), 0, false, "", 0, 0 },
	{ "v2 begin", WIRE("\r\n\r\n\0"), 0, false, "", 0, 0 },
	{ "v2 broken begin", WIRE("\r\n\r\n\r"), -EPROTO, false, "", 0, 0 },
	{ "v2 no addresses yet", WIRE(SIG "\x21\x11\x00\x0c"), 0, false, "", 0, 0 },
};

static void
expect_same(size_t i, int ret, const struct proxy_protocol *h, size_t used)
{
	if (ret != cases[i].ret)
		fail_msg("%s: %d", cases[i].name, ret);
	if (ret != 1) { /* nothing was written */
		assert_int_equal(h->port, 77);
		assert_int_equal(used, 7777);
		return;
	}
	assert_int_equal(h->is_local, cases[i].is_local);
	assert_string_equal(h->address, cases[i].address);
	assert_int_equal(h->port, cases[i].port);
	assert_int_equal(used, cases[i].in.len - cases[i].left);
}

static void
test_cases(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proxy_protocol h = { .port = 77 }, bytes = { .port = 77 };
		size_t used = 7777, used_bytes = 7777;
		int ret = proxy_protocol_parse(cases[i].in, &h, &used), ret_bytes = 0;

		expect_same(i, ret, &h, used);
		for (size_t len = 0; len <= cases[i].in.len && ret_bytes == 0; len++) {
			/* exact memory, so that a look beyond is seen */
			uint8_t *copy = malloc(MAX_OF(len, (size_t)1));

			assert_non_null(copy);
			memcpy(copy, cases[i].in.ptr, len);
			ret_bytes =
			    proxy_protocol_parse(slice_of(copy, len), &bytes, &used_bytes);
			free(copy);
			if (ret_bytes == 1)
				assert_int_equal(
				    used_bytes, len); /* it waits for no byte more */
		}
		expect_same(i, ret_bytes, &bytes, used_bytes);
	}
}

/* With TLVs up to the largest size. */
static void
test_largest(void **state UNUSED)
{
	static uint8_t in[PROXY_PROTOCOL_MAX_BYTES + 10];
	struct proxy_protocol h;
	size_t used = 0;

	memcpy(in, SIG "\x21\x11\x08\x00" ADDRESSES4, 28);
	assert_int_equal(
	    proxy_protocol_parse(slice_of(in, PROXY_PROTOCOL_MAX_BYTES - 1), &h, &used), 0);
	assert_int_equal(proxy_protocol_parse(slice_of(in, sizeof(in)), &h, &used), 1);
	assert_int_equal(used, PROXY_PROTOCOL_MAX_BYTES);
	assert_string_equal(h.address, "192.0.2.1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases),
		cmocka_unit_test(test_largest) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
