/* test_host.c: names and their addresses (base/resolve.c, base/host.c), with a name server
 * inside the same loop: good, late, silent, broken and refusing; who shares a look-up, how long
 * an answer is used, and that nothing of what is cancelled is left. */
#include "test_common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/host.h"
#include "base/host_private.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/resolve.h"
#include "base/resolve_private.h"

#define LATE_MS  300u
#define GUARD_MS 10000u

static struct {
	struct loop *loop;
	char folder[64], resolv_conf[100], hosts[100];
	int fd, log_fd;
	struct loop_watch *watch;
	struct loop_timer *late, *guard;
	unsigned questions;
	const char *moves[3]; /* addresses of moves.test; NULL: there is no such name */
	struct sockaddr_in asker;
	uint8_t packet[600], late_packet[600];
	size_t len, late_len;
} t;

/* "4a,4b": which addresses; "-N": this code; "silent", "late", "junk": what else it does. */
static const struct {
	const char *name, *four, *six;
	const char *error; /* NULL: the addresses */
} names[] = {
	{ "good.test", "127.0.0.2", "", NULL },
	{ "both.test", "127.0.0.2,127.0.0.3", "::2", NULL },
	{ "six.test", "", "::6", NULL },
	{ "late.test", "late", "", NULL },
	{ "many.test",
	    "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9,"
	    "10.0.0.10,10.0.0.11,10.0.0.12",
	    "", NULL },
	{ "none.test", "-3", "-3", "there is no such name" },
	{ "empty.test", "", "", "no name server answers with an address" },
	{ "broken.test", "-2", "-2", "no name server answers with an address" },
	{ "refused.test", "-5", "-5", "no name server answers with an address" },
	{ "junk.test", "junk", "junk", "no name server answers with an address" },
	{ "silent.test", "silent", "silent", "no name server answers with an address" },
	{ "hosted.test", "-3", "-3", NULL },
};

static void
packet_send(void)
{
	(void)sendto(t.fd, t.packet, t.len, 0, (struct sockaddr *)&t.asker, sizeof(t.asker));
}

static void
packet_add_record(int family, const char *text)
{
	uint8_t record[] = { 0xc0, 12, 0, family == AF_INET6 ? 28 : 1, 0, 1, 0, 0, 0, 9, 0,
		family == AF_INET6 ? 16 : 4 };

	memcpy(t.packet + t.len, record, sizeof(record));
	t.len += sizeof(record);
	assert_int_equal(inet_pton(family, text, t.packet + t.len), 1);
	t.len += family == AF_INET6 ? 16 : 4;
	t.packet[7]++;
}

static void
packet_answer(int family, const char *how)
{
	char text[64];

	t.packet[2] = 0x81;
	t.packet[3] = 0x80;
	if (how == NULL || how[0] == '-') {
		t.packet[3] |= (uint8_t)(how == NULL ? 3 : how[1] - '0');
		packet_send();
		return;
	}
	if (strcmp(how, "silent") == 0)
		return;
	if (strcmp(how, "junk") == 0) {
		t.packet[7] = 200;
		packet_send();
		return;
	}
	if (strcmp(how, "late") == 0) {
		packet_add_record(family, "127.0.0.9");
		memcpy(t.late_packet, t.packet, t.len);
		t.late_len = t.len;
		loop_timer_set_ms(t.late, LATE_MS);
		return;
	}
	for (struct slice rest = slice_of_str(how); rest.len > 0;) {
		size_t comma = MIN_OF(slice_find_byte(rest, ',', 0), rest.len);

		(void)snprintf(
		    text, sizeof(text), "%.*s", SLICE_FMT(slice_sub(rest, 0, comma)));
		packet_add_record(family, text);
		rest = slice_from(rest, MIN_OF(comma + 1, rest.len));
	}
	packet_send();
}

static void
on_late(void *ctx UNUSED)
{
	memcpy(t.packet, t.late_packet, t.late_len);
	t.len = t.late_len;
	packet_send();
}

static void
on_question(void *ctx UNUSED, unsigned events UNUSED)
{
	socklen_t len = sizeof(t.asker);
	ssize_t n =
	    recvfrom(t.fd, t.packet, sizeof(t.packet), 0, (struct sockaddr *)&t.asker, &len);
	char name[256] = "";
	size_t at = 12, used = 0;
	int family;

	assert_true(n > 12);
	while (t.packet[at] != 0) {
		assert_true(used + t.packet[at] + 1u < sizeof(name));
		memcpy(name + used, t.packet + at + 1, t.packet[at]);
		used += t.packet[at];
		name[used++] = '.';
		at += t.packet[at] + 1u;
	}
	name[used - 1] = '\0';
	family = t.packet[at + 2] == 28 ? AF_INET6 : AF_INET;
	t.len = at + 5;
	t.questions++;
	if (strcasecmp(name, "moves.test") == 0) {
		packet_answer(family, family == AF_INET ? t.moves[0] : "");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcasecmp(name, names[i].name) == 0) {
			packet_answer(
			    family, family == AF_INET6 ? names[i].six : names[i].four);
			return;
		}
	}
	fail_msg("asked for %s", name);
}

static void
on_guard(void *ctx UNUSED)
{
	fail_msg("nothing happens");
}

static void
loop_begin(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t len = sizeof(any);
	char text[200];

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	t.loop = loop_new();
	t.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(t.fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(getsockname(t.fd, (struct sockaddr *)&any, &len), 0);
	(void)snprintf(text, sizeof(text),
	    "nameserver 127.0.0.1:%u\noptions timeout:1 attempts:1\n", ntohs(any.sin_port));
	file_write(t.folder, "resolv.conf", text);
	t.watch = loop_watch_new(t.loop, t.fd, LOOP_READ, on_question, NULL);
	t.late = loop_timer_new(t.loop, on_late, NULL);
	t.guard = loop_timer_new(t.loop, on_guard, NULL);
	loop_timer_set_ms(t.guard, GUARD_MS);
	t.questions = 0;
}

static void
loop_end(void)
{
	loop_watch_free(&t.watch);
	loop_timer_free(&t.late);
	loop_timer_free(&t.guard);
	loop_free(&t.loop);
	close(t.fd);
}

/* So many ms of the loop. */
static void
on_stop(void *ctx)
{
	*(bool *)ctx = true;
}

static void
loop_spend_ms(unsigned ms)
{
	bool over = false;
	struct loop_timer *timer = loop_timer_new(t.loop, on_stop, &over);

	loop_timer_set_ms(timer, ms);
	while (!over)
		loop_run_once(t.loop);
	loop_timer_free(&timer);
	loop_timer_set_ms(t.guard, GUARD_MS);
}

struct told {
	unsigned times, count;
	struct resolve_address addresses[RESOLVE_ADDRESSES_MAX];
	const char *error;
};

static void
on_told(void *ctx, const struct resolve_address *addresses, unsigned count, const char *error)
{
	struct told *told = ctx;

	told->times++;
	told->count = count;
	told->error = error;
	assert_true(count <= RESOLVE_ADDRESSES_MAX && (count > 0) == (error == NULL));
	if (count > 0)
		memcpy(told->addresses, addresses, count * sizeof(*addresses));
}

static struct told
look_up(const char *name, int family)
{
	struct told told = { 0 };

	(void)resolve_start(t.loop, name, family, on_told, &told);
	assert_int_equal(told.times, 0);
	while (told.times == 0)
		loop_run_once(t.loop);
	loop_spend_ms(1);
	assert_int_equal(told.times, 1);
	return told;
}

static void
assert_address(const struct resolve_address *a, const char *want)
{
	const void *bytes =
	    a->storage.ss_family == AF_INET6
		? (const void *)&((const struct sockaddr_in6 *)&a->storage)->sin6_addr
		: (const void *)&((const struct sockaddr_in *)&a->storage)->sin_addr;
	char text[100];

	assert_non_null(inet_ntop(a->storage.ss_family, bytes, text, sizeof(text)));
	assert_string_equal(text, want);
}

static void
test_answers(void **state UNUSED)
{
	unsigned fds = fds_count();
	struct told told;

	loop_begin();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		told = look_up(names[i].name, AF_UNSPEC);
		if (names[i].error == NULL && told.error != NULL)
			fail_msg("%s: %s", names[i].name, told.error);
		if (names[i].error != NULL)
			assert_string_equal(told.error, names[i].error);
	}
	told = look_up("both.test", AF_UNSPEC);
	assert_int_equal(told.count, 3);
	assert_address(&told.addresses[0], "127.0.0.2");
	assert_address(&told.addresses[1], "127.0.0.3");
	assert_address(&told.addresses[2], "::2");
	told = look_up("both.test", AF_INET6);
	assert_int_equal(told.count, 1);
	assert_address(&told.addresses[0], "::2");
	told = look_up("both.test", AF_INET);
	assert_int_equal(told.count, 2);
	assert_int_equal(look_up("many.test", AF_INET).count, RESOLVE_ADDRESSES_MAX);
	assert_int_equal(look_up("six.test", AF_INET).count, 0);
	told = look_up("late.test", AF_INET);
	assert_address(&told.addresses[0], "127.0.0.9");
	loop_end();
	assert_int_equal(fds_count(), fds);
}

/* The file as it is now, each time. */
static void
test_hosts_file(void **state UNUSED)
{
	struct told told;

	loop_begin();
	told = look_up("HOSTED.test", AF_INET);
	assert_int_equal(told.count, 1);
	assert_address(&told.addresses[0], "127.0.0.7");
	assert_int_equal(look_up("hosted.test", AF_INET6).count, 0);
	assert_int_equal(t.questions, 0);
	file_write(t.folder, "hosts", "127.0.0.8 hosted.test\n");
	told = look_up("hosted.test", AF_INET);
	assert_address(&told.addresses[0], "127.0.0.8");
	assert_int_equal(t.questions, 0);
	loop_end();
	file_write(t.folder, "hosts", "127.0.0.7 other.test hosted.test # more\n");
}

/* Nobody listens there: no answer is an error, not a wait without end. */
static void
test_no_server(void **state UNUSED)
{
	loop_begin();
	file_write(t.folder, "resolv.conf", "options timeout:1 attempts:1\n");
	assert_non_null(look_up("good.test", AF_INET).error);
	assert_int_equal(unlink(t.resolv_conf), 0);
	loop_end();
}

/* After so many turns; what is left ends in loop_free(). */
static void
test_cancel(void **state UNUSED)
{
	static const char *const some[] = { "good.test", "silent.test", "late.test",
		"hosted.test", "both.test", "none.test" };
	unsigned fds = fds_count();

	for (unsigned turns = 0; turns < 6; turns++) {
		struct resolve *r[ARRAY_LEN(some)];
		struct told told[ARRAY_LEN(some)] = { { .times = 0 } };

		loop_begin();
		for (size_t i = 0; i < ARRAY_LEN(some); i++)
			r[i] = resolve_start(t.loop, some[i], AF_UNSPEC, on_told, &told[i]);
		for (unsigned n = 0; n < turns; n++)
			loop_spend_ms(0);
		for (size_t i = 0; i < ARRAY_LEN(some); i++) {
			unsigned times = told[i].times;

			if (times == 0)
				resolve_cancel(&r[i]);
			told[i].times = times + 100;
		}
		if (turns % 2 == 0)
			loop_spend_ms(50);
		loop_end();
		for (size_t i = 0; i < ARRAY_LEN(some); i++)
			assert_true(told[i].times == 100 || told[i].times == 101);
		assert_int_equal(fds_count(), fds);
	}
}

static void
assert_host_has(struct host *h, const char *const *want, unsigned count, unsigned port)
{
	struct host_addresses *a = host_take_addresses(h);

	assert_non_null(a);
	assert_int_equal(a->count, count);
	for (unsigned i = 0; i < count; i++) {
		const struct sockaddr_storage *s = &a->items[i].storage;

		assert_address(&a->items[i], want[i]);
		assert_int_equal(
		    ntohs(s->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)s)->sin6_port
						   : ((const struct sockaddr_in *)s)->sin_port),
		    port);
	}
	host_addresses_unref(&a);
}

/* No resolver at all: not a question, not a descriptor, not a turn of the loop. */
static void
test_without_names(void **state UNUSED)
{
	static const struct {
		const char *name;
		int family;
		const char *want[2];
		unsigned count;
	} cases[] = {
		{ "127.0.0.5", AF_INET, { "127.0.0.5" }, 1 },
		{ "::5", AF_INET6, { "::5" }, 1 },
		{ "::5", AF_UNSPEC, { "::5" }, 1 },
		{ "10.1.2.3", AF_UNSPEC, { "10.1.2.3" }, 1 },
		{ "localhost", AF_INET, { "127.0.0.1" }, 1 },
		{ "LocalHost", AF_UNSPEC, { "127.0.0.1", "::1" }, 2 },
		{ "localhost", AF_INET6, { "::1" }, 1 },
	};
	struct host_waiter w = { .back = NULL };
	struct host_addresses *a;
	struct host *h;
	unsigned fds;

	loop_begin();
	fds = fds_count();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		h = host_new(t.loop, cases[i].name, cases[i].family, 2525);
		host_expire(h);
		host_look_again(h);
		host_age_ms(h, 3600000);
		assert_host_has(h, cases[i].want, cases[i].count, 2525);
		assert_false(host_wait(h, &w, NULL, NULL));
		host_free(&h);
		assert_null(h);
	}
	h = host_new(t.loop, "/run/some.sock", AF_UNIX, 0);
	a = host_take_addresses(h);
	assert_string_equal(
	    ((struct sockaddr_un *)&a->items[0].storage)->sun_path, "/run/some.sock");
	host_free(&h); /* those who have the addresses keep them */
	assert_int_equal(a->items[0].storage.ss_family, AF_UNIX);
	host_addresses_unref(&a);
	assert_int_equal(fds_count(), fds);
	assert_int_equal(t.questions, 0);
	loop_end();
}

static void
on_host_told(void *ctx)
{
	++*(unsigned *)ctx;
}

/* Waits for a look-up; false: there is none to wait for. */
static bool
wait_for(struct host *h)
{
	struct host_waiter w = { .back = NULL };
	unsigned told = 0;

	if (!host_wait(h, &w, on_host_told, &told))
		return false;
	while (told == 0)
		loop_run_once(t.loop);
	assert_null(w.back);
	loop_timer_set_ms(t.guard, GUARD_MS);
	return true;
}

static void
test_one_look_up_for_all(void **state UNUSED)
{
	struct host_waiter w[5] = { { .back = NULL } };
	unsigned told[5] = { 0 };
	struct host *h;

	loop_begin();
	h = host_new(t.loop, "late.test", AF_INET, 25);
	assert_null(host_take_addresses(h));
	for (size_t i = 0; i < 5; i++)
		assert_true(host_wait(h, &w[i], on_host_told, &told[i]));
	host_waiter_cancel(&w[4]);
	host_waiter_cancel(&w[2]);
	host_waiter_cancel(&w[0]);
	host_waiter_cancel(&w[0]);
	while (told[1] == 0)
		loop_run_once(t.loop);
	loop_spend_ms(10);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(told[i], i % 2);
	assert_int_equal(t.questions, 1);
	assert_host_has(h, (const char *const[]){ "127.0.0.9" }, 1, 25);
	/* Looked up just now. */
	assert_false(wait_for(h));
	host_free(&h);
	/* Nobody is told any more of what was begun. */
	h = host_new(t.loop, "late.test", AF_INET, 25);
	assert_true(host_wait(h, &w[0], on_host_told, &told[0]));
	host_waiter_cancel(&w[0]);
	host_free(&h);
	loop_spend_ms(LATE_MS + 50);
	assert_int_equal(told[0], 0);
	loop_end();
}

static void
test_failure_is_tried_again(void **state UNUSED)
{
	struct host *h;

	loop_begin();
	t.moves[0] = NULL;
	h = host_new(t.loop, "moves.test", AF_INET, 25);
	assert_true(wait_for(h));
	assert_null(host_take_addresses(h));
	assert_string_equal(host_get_error(h), "there is no such name");
	t.moves[0] = "127.0.0.2";
	/* Once a second at most, however many mails come. */
	for (unsigned i = 0; i < 100; i++)
		assert_false(wait_for(h));
	assert_int_equal(t.questions, 1);
	host_age_ms(h, 1000);
	assert_true(wait_for(h));
	assert_host_has(h, (const char *const[]){ "127.0.0.2" }, 1, 25);
	host_free(&h);
	loop_end();
}

static unsigned
count_in_log(const char *what)
{
	static char text[65536];
	ssize_t n = pread(t.log_fd, text, sizeof(text) - 1, 0);
	unsigned found = 0;

	text[n < 0 ? 0 : n] = '\0';
	for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
		found++;
	return found;
}

static void
test_age(void **state UNUSED)
{
	const char *const two[] = { "127.0.0.2" }, *const three[] = { "127.0.0.3" },
			  *const four[] = { "127.0.0.4" };
	struct host *h;

	loop_begin();
	t.moves[0] = two[0];
	h = host_new(t.loop, "moves.test", AF_INET, 25);
	assert_true(wait_for(h));
	t.moves[0] = three[0];
	/* For a minute nobody is asked. */
	host_age_ms(h, 50000);
	assert_host_has(h, two, 1, 25);
	loop_spend_ms(50);
	assert_int_equal(t.questions, 1);
	/* Then once, beside; the old one is used meanwhile. */
	host_age_ms(h, 11000);
	for (unsigned i = 0; i < 10; i++)
		assert_host_has(h, two, 1, 25);
	loop_spend_ms(50);
	assert_int_equal(t.questions, 2);
	assert_host_has(h, three, 1, 25);
	/* It stays when that fails, which is said once. */
	t.moves[0] = NULL;
	for (unsigned i = 0; i < 3; i++) {
		host_age_ms(h, 61000);
		assert_host_has(h, three, 1, 25);
		loop_spend_ms(50);
		assert_int_equal(t.questions, 3 + i);
	}
	assert_host_has(h, three, 1, 25);
	assert_int_equal(count_in_log("event=name_failed name=moves.test"), 1);
	/* Not used for long, or the configuration was read again: looked up before it is used.
	 */
	t.moves[0] = four[0];
	host_age_ms(h, 600000);
	assert_null(host_take_addresses(h));
	assert_true(wait_for(h));
	assert_host_has(h, four, 1, 25);
	t.moves[0] = two[0];
	host_expire(h);
	assert_null(host_take_addresses(h));
	assert_true(wait_for(h));
	assert_host_has(h, two, 1, 25);
	/* And is used nevertheless when nobody knows better. */
	t.moves[0] = NULL;
	host_expire(h);
	assert_null(host_take_addresses(h));
	assert_true(wait_for(h));
	assert_host_has(h, two, 1, 25);
	/* No address took a connection. */
	t.moves[0] = three[0];
	host_age_ms(h, 1000);
	host_look_again(h);
	loop_spend_ms(50);
	assert_host_has(h, three, 1, 25);
	host_free(&h);
	loop_end();
}

static void
test_same_addresses(void **state UNUSED)
{
	struct host_addresses *before, *after;
	struct host *h;

	loop_begin();
	t.moves[0] = "127.0.0.2,127.0.0.3";
	h = host_new(t.loop, "moves.test", AF_INET, 25);
	assert_true(wait_for(h));
	before = host_take_addresses(h);
	t.moves[0] = "127.0.0.3,127.0.0.2";
	host_expire(h);
	assert_true(wait_for(h));
	after = host_take_addresses(h);
	assert_true(host_addresses_eq(before, after));
	host_addresses_unref(&after);
	t.moves[0] = "127.0.0.3";
	host_expire(h);
	assert_true(wait_for(h));
	after = host_take_addresses(h);
	assert_false(host_addresses_eq(before, after));
	assert_false(host_addresses_eq(after, before));
	host_addresses_unref(&after);
	host_addresses_unref(&before);
	host_free(&h);
	loop_end();
}

static int
set_up(void **state UNUSED)
{
	folder_make(t.folder);
	(void)snprintf(t.resolv_conf, sizeof(t.resolv_conf), "%s/resolv.conf", t.folder);
	(void)snprintf(t.hosts, sizeof(t.hosts), "%s/hosts", t.folder);
	file_write(t.folder, "hosts", "127.0.0.7 other.test hosted.test # more\n");
	resolve_use_files(t.resolv_conf, t.hosts);
	t.log_fd = memfd_create("log", MFD_CLOEXEC);
	log_use_fd("test", t.log_fd, false);
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	folder_remove(t.folder);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_hosts_file),
		cmocka_unit_test(test_no_server),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_without_names),
		cmocka_unit_test(test_one_look_up_for_all),
		cmocka_unit_test(test_failure_is_tried_again),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_same_addresses),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
