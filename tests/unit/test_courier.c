/* test_courier.c: what Courier's submit asks a filter, with real files: lists, control files,
 * verdicts, and files that are not what they should be. */
#include <sys/stat.h>

#include "intake/courier_control.h"
#include "intake/courier_session.h"
#include "unit/test_filter_peer.h"

static char folder[64];

static const char *
path_of(const char *name)
{
	static char paths[4][128];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", folder, name);
	return paths[turn];
}

static const char *
file_make(const char *name, const void *content, size_t len)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	return path;
}

static const char *
text_make(const char *name, const char *content)
{
	return file_make(name, content, strlen(content));
}

static void
ask(struct filter_peer *p, const char *list, size_t step)
{
	filter_send(p, list, step);
	filter_run(p);
}

/* Asks about one data file with a small control file. */
static void
ask_about(struct filter_peer *p, const char *data_path)
{
	char list[512];

	snprintf(list, sizeof(list), "%s\n%s\n\n", data_path,
	    text_make("ctl", "ss@x.example\nfdns; h (c.example [192.0.2.1])\nrr@x.example\n"));
	ask(p, list, 0);
}

static int
set_up(void **state UNUSED)
{
	folder_make(folder);
	return 0;
}

static int
tear_down(void **state UNUSED)
{
	folder_remove(folder);
	return 0;
}

static void
test_whole_dialogue(void **state UNUSED)
{
	static const size_t steps[] = { 0, 1, 5 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct filter_peer p;
		char list[1024];

		filter_init(&p, courier_session_start);
		p.room_max = i;
		p.pause_every = i == 1 ? 2 : 0;
		snprintf(list, sizeof(list), "%s\n%s\n \n%s\n\n",
		    text_make("data", "Subject: x\n\ntext\n.\n"),
		    text_make("ctl",
			"ss@x.example\nfdns; me.example (c.example [::ffff:192.0.2.1])\n"
			"e\nt\nM00AB.1\nrone@x.example\nRone@x.example\nN\nrtwo@x.example\n"
			"ibob\nOTCPREMOTEIP=::1\nuesmtp\n"),
		    text_make("ctl2", "signored@x.example\nrthree@x.example"));
		ask(&p, list, steps[i]);
		assert_int_equal(p.count, 1);
		assert_slice(buf_get(&p.mails[0].envelope),
		    "<s@x.example> c.example [192.0.2.1]:0 helo=me.example user=bob tls= "
		    "in=in\n"
		    "id=00AB.1\n<one@x.example>\n<two@x.example>\n<three@x.example>\n");
		assert_true(p.mails[0].is_delivered);
		assert_got(&p, "200 Ok\n");
		assert_null(p.session);
		filter_done(&p);
	}
}

static void
test_answers(void **state UNUSED)
{
	static const struct {
		const char *data;
		struct intake_reply reply;
		bool has_no_pieces, refuse, drop, delivered;
		const char *answer;
	} cases[] = {
		{ "x\n", { .action = INTAKE_ACCEPT }, .has_no_pieces = true, .delivered = true,
		    .answer = "200 Ok\n" },
		{ "", { .action = INTAKE_ACCEPT }, .delivered = true, .answer = "200 Ok\n" },
		{ "x", { .action = INTAKE_ACCEPT }, .drop = true, .delivered = true,
		    .answer = "200 Ok\n" },
		{ "virus\n", { .action = INTAKE_ACCEPT }, .delivered = true,
		    .answer = "550 5.7.1 virus found ???\n" },
		{ "x\n",
		    { .action = INTAKE_TEMPFAIL,
			.code = 451,
			.enhanced = "4.3.0",
			.text = "no" },
		    .delivered = true, .answer = "451 4.3.0 no\n" },
		{ "x\n", { .action = INTAKE_HOLD },
		    .answer = "451 4.7.1 Please try again later\n" },
		{ "x\n", { .action = INTAKE_DISCARD },
		    .answer = "550 5.7.1 Message refused\n" },
		{ "x\n", { .action = INTAKE_ACCEPT }, .refuse = true,
		    .answer = "451 4.3.2 Too busy, try again later\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned later = 0; later < 2; later++) {
			struct filter_peer p;

			filter_init(&p, courier_session_start);
			p.reply = cases[i].reply;
			p.has_no_pieces = cases[i].has_no_pieces;
			p.refuse = cases[i].refuse;
			p.drop = cases[i].drop;
			p.finish_later = later == 1;
			ask_about(&p, text_make("data", cases[i].data));
			if (later == 1 && !p.refuse) {
				assert_got(&p, "");
				filter_finish(&p.mails[0]);
				filter_run(&p);
			}
			assert_got(&p, cases[i].answer);
			assert_int_equal(p.count, cases[i].refuse ? 0 : 1);
			if (p.count > 0)
				assert_int_equal(p.mails[0].is_delivered, cases[i].delivered);
			assert_null(p.session);
			filter_done(&p);
		}
	}
}

#define COULD_NOT "451 4.3.0 Mail filter could not look, try again later\n"

/* Whatever cannot be read as it should is tried again, and is never taken for clean. */
static void
test_bad_files(void **state UNUSED)
{
	const char *data = text_make("data", "x\n");
	char lists[12][512], long_path[5000];
	size_t n = 0;

	assert_int_equal(symlink(data, path_of("link")), 0);
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	memset(long_path, 'x', sizeof(long_path));
	snprintf(lists[n++], 512, "%s\n\n", path_of("absent"));
	snprintf(lists[n++], 512, "%s\n\n", path_of("link"));
	snprintf(lists[n++], 512, "%s\n\n", path_of("fifo"));
	snprintf(lists[n++], 512, "%s\n\n", folder);
	snprintf(lists[n++], 512, "data\n\n");
	snprintf(lists[n++], 512, "%s/../%s/data\n\n", folder,
	    path_get_base(slice_of_str(folder)).ptr);
	snprintf(lists[n++], 512, "%s\n%s\n\n", data, path_of("absent"));
	snprintf(lists[n++], 512, "%s\n%s\n\n", data, path_of("fifo"));
	snprintf(lists[n++], 512, "%s\nctl\n\n", data);
	snprintf(lists[n++], 512, "\n");
	snprintf(lists[n++], 512, " \n\n");
	for (size_t i = 0; i < n; i++) {
		struct filter_peer p;

		filter_init(&p, courier_session_start);
		ask(&p, lists[i], 0);
		assert_got(&p, COULD_NOT);
		assert_null(p.session);
		filter_done(&p);
	}
	(void)unlink(path_of("link"));
	(void)unlink(path_of("fifo"));
}

static void
test_endless_list(void **state UNUSED)
{
	CLEANUP(mem_free) char *list = malloc(300001);
	struct filter_peer p;

	filter_init(&p, courier_session_start);
	memset(list, 'x', 300000);
	list[300000] = '\0';
	filter_send(&p, list, 0);
	for (unsigned i = 0; i < 30; i++)
		filter_run(&p);
	assert_null(p.session);
	filter_done(&p);
}

static void
test_no_control_file(void **state UNUSED)
{
	struct filter_peer p;
	char list[256];

	filter_init(&p, courier_session_start);
	snprintf(list, sizeof(list), "%s\n \n\n", text_make("data", "x\n"));
	ask(&p, list, 0);
	assert_got(&p, "200 Ok\n");
	assert_slice(buf_get(&p.mails[0].envelope), "<>  []:0 helo= user= tls= in=in\n");
	filter_done(&p);
}

/* 20 MB are read a part at a time; a file that changes meanwhile is not taken. */
static void
test_large_and_changing(void **state UNUSED)
{
	CLEANUP(mem_free) char *content = malloc(20 << 20);

	memset(content, 'y', 20 << 20);
	for (unsigned way = 0; way < 3; way++) {
		const char *path = file_make("big", content, 20 << 20);
		struct filter_peer p;
		char list[256];

		filter_init(&p, courier_session_start);
		snprintf(list, sizeof(list), "%s\n\n", path);
		assert_int_equal(send(p.fd, list, strlen(list), 0), strlen(list));
		for (unsigned i = 0; i < 6; i++) {
			loop_timer_set_ms(p.timer, 0);
			loop_run_once(p.loop);
		}
		assert_true(p.count == 1 && p.mails[0].body.len > 0);
		assert_true(p.mails[0].body.len <= 6 << 20);
		if (way == 1)
			assert_int_equal(truncate(path, 10 << 20), 0);
		else if (way == 2)
			assert_int_equal(truncate(path, 30 << 20), 0);
		for (unsigned i = 0; i < 30; i++)
			filter_run(&p);
		assert_got(&p, way == 0 ? "200 Ok\n" : COULD_NOT);
		assert_int_equal(p.mails[0].is_delivered, way == 0);
		filter_done(&p);
	}
}

static void
test_vanished(void **state UNUSED)
{
	for (unsigned way = 0; way < 3; way++) {
		struct filter_peer p;

		filter_init(&p, courier_session_start);
		p.finish_later = true;
		p.env.progress_ms = 20;
		if (way == 0)
			filter_send(&p, "/half", 0);
		else
			ask_about(&p, text_make("data", "x\n"));
		if (way == 2) { /* it says no more, but listens */
			assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
			filter_run_ms(&p, 60);
			assert_non_null(p.session);
			filter_finish(&p.mails[0]);
			filter_run(&p);
			assert_got(&p, "200 Ok\n");
			assert_true(p.mails[0].is_delivered);
		} else {
			fd_close(&p.fd);
			filter_run(&p);
			assert_null(p.session);
			assert_false(p.mails[0].is_delivered);
		}
		filter_done(&p);
	}
	/* half closed, then gone */
	{
		struct filter_peer p;

		filter_init(&p, courier_session_start);
		p.finish_later = true;
		p.env.progress_ms = 20;
		ask_about(&p, text_make("data", "x\n"));
		assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
		filter_run(&p);
		assert_non_null(p.session);
		fd_close(&p.fd);
		filter_run_ms(&p, 80);
		assert_null(p.session);
		filter_done(&p);
	}
}

/* What comes late moves the limit on, but does not take it away. */
static void
test_timeout_moves(void **state UNUSED)
{
	struct filter_peer p;

	filter_init(&p, courier_session_start);
	p.env.io_timeout_ms = 60;
	for (unsigned i = 0; i < 3; i++) {
		filter_send(&p, "/half", 0);
		filter_run_ms(&p, 20);
	}
	filter_run_ms(&p, 300);
	assert_got(&p, COULD_NOT);
	assert_null(p.session);
	filter_done(&p);
}

static void
test_timeout_and_drain(void **state UNUSED)
{
	struct filter_peer p;

	filter_init(&p, courier_session_start);
	p.env.io_timeout_ms = 30;
	filter_send(&p, "/half", 0);
	filter_run_ms(&p, 100);
	assert_got(&p, COULD_NOT);
	assert_null(p.session);
	filter_done(&p);
	filter_init(&p, courier_session_start);
	p.session->ops->drain(p.session);
	filter_run(&p);
	assert_null(p.session);
	filter_done(&p);
	filter_init(&p, courier_session_start);
	p.finish_later = true;
	ask_about(&p, text_make("data", "x\n"));
	p.session->ops->drain(p.session);
	filter_run(&p);
	assert_non_null(p.session);
	filter_finish(&p.mails[0]);
	filter_run(&p);
	assert_got(&p, "200 Ok\n");
	assert_null(p.session);
	filter_done(&p);
}

static void
test_from_mta(void **state UNUSED)
{
	static const struct {
		const char *in, *helo, *name, *address;
	} cases[] = {
		{ "dns; me.example (c.example [192.0.2.1])", "me.example", "c.example",
		    "192.0.2.1" },
		{ "dns; me ([::ffff:192.0.2.1])", "me", "", "192.0.2.1" },
		{ "dns; me (c [2001:db8::1])", "me", "c", "2001:db8::1" },
		{ "dns; [1.2.3.4] (a[b] [192.0.2.1])", "[1.2.3.4]", "a[b]", "192.0.2.1" },
		{ "unknown; uid 1000", "uid 1000", "", "" },
		{ "dns; me (c [192.0.2.1", "me", "c", "" },
		{ "dns; me (c)", "me", "", "" },
		{ "", "", "", "" },
		{ "(", "", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice helo, name, address;

		courier_from_mta_parse(slice_of_str(cases[i].in), &helo, &name, &address);
		assert_slice(helo, cases[i].helo);
		assert_slice(name, cases[i].name);
		assert_slice(address, cases[i].address);
	}
}

static void
test_paths(void **state UNUSED)
{
	static const struct {
		const char *path;
		bool good;
	} cases[] = {
		{ "/var/lib/courier/tmp/1/D1", true },
		{ "/a..b/..c", true },
		{ "/a/../b", false },
		{ "/..", false },
		{ "/a/..", false },
		{ "a", false },
		{ "", false },
		{ "../a", false },
	};
	char path[4100];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
		    courier_path_is_good(slice_of_str(cases[i].path)), cases[i].good);
	memset(path, '/', sizeof(path));
	assert_true(courier_path_is_good(slice_of(path, 4095)));
	assert_false(courier_path_is_good(slice_of(path, 4096)));
	assert_false(courier_path_is_good(slice_of("/a\0b", 4)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_dialogue),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_endless_list),
		cmocka_unit_test(test_no_control_file),
		cmocka_unit_test(test_large_and_changing),
		cmocka_unit_test(test_vanished),
		cmocka_unit_test(test_timeout_moves),
		cmocka_unit_test(test_timeout_and_drain),
		cmocka_unit_test(test_from_mta),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
