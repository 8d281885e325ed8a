/* recorder.c: one log line per mail, counters, a summary now and then. Records wait in its
 * socket while it is restarted. */
#include "cmd/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/macros.h"
#include "config/config.h"
#include "proc/frame.h"
#include "proc/role.h"
#include "proc/wire.h"
#include "record/counters.h"
#include "record/record.h"

struct recorder {
	struct loop *loop;
	struct config *config;
	struct counters *counters, before;
	struct loop_timer *summary;
	struct buf line;
	bool stopping;
};

static void
record_write(struct recorder *r, struct slice body)
{
	struct record record;
	int status;

	if (!record_decode(body, &record)) {
		log_error(NULL, "event=bad_record: one mail is missing from the log");
		return;
	}
	counters_add(r->counters, &record);
	buf_clear(&r->line);
	status = r->config->log_format == CONFIG_LOG_JSON ? record_format_json(&record, &r->line) :
	    record_format_text(&record, &r->line);
	if (status == 0)
		log_line(LOG_LEVEL_INFO, buf_get(&r->line));
	else
		log_error(NULL, "event=record_too_long: one mail is missing from the log");
}

static void
records_readable(void *ctx, unsigned events UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct recorder *r = ctx;
	struct frame f;
	int n = 0;

	/* A bounded turn, so that the other descriptors get theirs. */
	while (n++ < 256 && frame_recv(RECORDER_FD_RECORDS, buffer, &f) == 1) {
		if (f.type == FRAME_RECORD)
			record_write(r, f.body);
		frame_close_fds(&f);
	}
}

static void
summary_write(void *ctx)
{
	struct recorder *r = ctx;

	buf_clear(&r->line);
	if (counters_format_summary(r->counters, &r->before, &r->line) == 0)
		log_line(LOG_LEVEL_INFO, buf_get(&r->line));
	if (r->config->summary_interval_s > 0)
		loop_timer_set_ms(r->summary, r->config->summary_interval_s * 1000);
}

static void
config_take(struct recorder *r, struct frame *f)
{
	int fd = frame_take_fd(f, 0);
	struct buf messages;
	struct config *c;
	char path[64];

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	buf_init(&messages, 4096);
	c = config_load(path, &messages, NULL);
	buf_done(&messages);
	fd_close(&fd);
	if (c == NULL)
		return; /* the supervisor parsed it before: the old one goes on */
	config_unref(&r->config);
	r->config = c;
	if (c->summary_interval_s > 0)
		loop_timer_set_ms(r->summary, c->summary_interval_s * 1000);
	else
		loop_timer_stop(r->summary);
}

static void
control_readable(void *ctx, unsigned events UNUSED)
{
	static uint8_t buffer[FRAME_MAX_BYTES + 16];
	struct recorder *r = ctx;
	struct frame f;

	if (frame_recv(ROLE_FD_CONTROL, buffer, &f) != 1) {
		/* The end: what waits is written, then a last summary. */
		records_readable(r, LOOP_READ);
		summary_write(r);
		loop_stop(r->loop);
		return;
	}
	if (f.type == FRAME_CONFIG)
		config_take(r, &f);
	frame_close_fds(&f);
}

int
recorder_main(int argc, char **argv)
{
	struct recorder r = { 0 };
	struct loop_watch *control, *records;
	struct role role;
	struct err e;

	if (role_enter(argc, argv, "cordon-record", &role, &e) < 0) {
		log_error(NULL, "event=start_failed error=\"%s\"", e.text);
		return 2;
	}
	(void)signal(SIGTERM, SIG_IGN);
	r.config = role.config;
	r.counters = mmap(NULL, sizeof(*r.counters), PROT_READ | PROT_WRITE, MAP_SHARED,
	    RECORDER_FD_COUNTERS, 0);
	ASSERT(r.counters != MAP_FAILED);
	r.before = *r.counters;
	buf_init(&r.line, 64 * 1024);
	(void)fcntl(RECORDER_FD_RECORDS, F_SETFL, O_NONBLOCK);
	r.loop = loop_new();
	r.summary = loop_timer_new(r.loop, summary_write, &r);
	if (r.config->summary_interval_s > 0)
		loop_timer_set_ms(r.summary, r.config->summary_interval_s * 1000);
	control = loop_watch_new(r.loop, ROLE_FD_CONTROL, LOOP_READ, control_readable, &r);
	records = loop_watch_new(r.loop, RECORDER_FD_RECORDS, LOOP_READ, records_readable, &r);
	loop_run(r.loop);
	loop_watch_free(&control);
	loop_watch_free(&records);
	loop_timer_free(&r.summary);
	loop_free(&r.loop);
	buf_done(&r.line);
	config_unref(&r.config);
	free(role.config_text);
	return 0;
}
