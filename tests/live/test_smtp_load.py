#!/usr/bin/env python3
"""The SMTP load generator and sink of bench/ against each other, before anything stands between
them: what is measured and counted with them is only as good as they are. Every way to send, every
fault of the sink, and an account that is wrong on purpose."""

import os

from lib import cordond, runner, smtp_load
from lib.runner import Skip, expect, test

COUNT = 60
BODIES = (
	b"Good morning.\r\n", b".\r\n", b"..\r\n.\r\n", b"no end of line", b"", b"\r\n\r\n.",
	b".a\r\n..b\r\n\r\n.\r\n", b"x" * 70000 + b"\r\n.", b"a\r\n" * 40000,
)


class Fixture:
	"""A corpus of mails that end and begin in every awkward way; a sink for each test."""

	def __init__(self, base):
		self.base = base
		self.programs = cordond.binaries()
		if not os.path.exists(os.path.join(self.programs, "bench_smtp_sink")):
			raise Skip("built without the benchmark programs")
		self.corpus = os.path.join(base, "corpus")
		os.makedirs(self.corpus)
		with open(os.path.join(self.corpus, "list"), "w") as index:
			for number, body in enumerate(BODIES):
				content = b"Subject: %d\r\nX-Odd: .\r\n .\r\n\r\n%s" % (number, body)
				with open(os.path.join(self.corpus, "%d.eml" % number), "wb") as mail:
					mail.write(content)
				print(number, end=".eml ", file=index)
				print(len(content), "text", "infected" if number == 3 else "clean", file=index)

	def stop(self):
		"""Nothing outlives a test."""

	def log(self):
		return ""

	def run(self, prefix, options=(), faults=(), sink_options=()):
		"""Sends COUNT mails to a sink. Returns the load's figures, the sink's and the account."""
		sink = smtp_load.Sink(self.programs, self.base, faults, sink_options)
		try:
			load = smtp_load.Load(self.programs, self.base, sink.port, self.corpus, prefix,
				("--count", str(COUNT), "--connections", "4", *options)).start()
			figures = load.wait(60)
			account = load.account(sink)
			return figures, sink.counts(), account
		finally:
			sink.stop()


def _expect_all_arrived(figures, counts, account):
	expect(not account.complaints(), account.complaints())
	expect(account.accepted == COUNT and counts["ids"] == COUNT,
		"of %d mails %d have 250 and %d arrived" % (COUNT, account.accepted, counts["ids"]))
	expect(figures["errors"] == 0 and counts["damaged"] == 0 and counts["without_id"] == 0,
		"%r %r" % (figures, counts))


@test
def every_way_to_send(fixture):
	for number, (options, sink_options) in enumerate((
			((), ()),
			(("--per-connection", "7"), ()),
			(("--pipelining",), ()),
			(("--pipelining", "--per-connection", "7", "--recipients", "3"), ()),
			(("--pipelining",), ("--no-pipelining",)),
			(("--lmtp", "--recipients", "3", "--per-connection", "7"), ("--lmtp",)),
			(("--rate", "500", "--sources", "5"), ()))):
		prefix = "way%d" % number
		figures, counts, account = fixture.run(prefix, options, (), sink_options)
		_expect_all_arrived(figures, counts, account)
		expect(counts["doubled"] == 0 and counts["infected"] == len(account.infected_arrived) > 0,
			"%s: %r" % (prefix, counts))
		pipelined = "--pipelining" in options and not sink_options
		expect(figures["pipelined"] == (COUNT if pipelined else 0), "%s: %r" % (prefix, figures))
		recipients = 3 if "--recipients" in options else 1
		expect(counts["recipients"] == COUNT * recipients, "%s: %r" % (prefix, counts))


# fault; whether some mails must have arrived twice, because their answer was lost
RETRIED = (
	("connect#2=refuse:421", False), ("connect/5=close", False), ("hello/5=half", False),
	("mail/5=refuse:451", False), ("mail/5=close", False), ("rcpt/5=refuse:450", False),
	("mail#5=never", False), ("data/5=refuse:421", False), ("data/5=half", False),
	("body/5=refuse:421", False), ("body/5=close", False), ("body#5=never", False),
	("end/5=refuse:452", False), ("end/5=close", True), ("end/5=half", True),
	("end#5=never", True),
)


@test
def faults_that_are_tried_again(fixture):
	for number, (fault, doubles) in enumerate(RETRIED):
		for way in ((), ("--pipelining", "--per-connection", "5")):
			prefix = "again%d%s" % (number, "p" if way else "")
			figures, counts, account = fixture.run(prefix,
				("--retry", "--retry-ms", "20", "--timeout", "3", *way), (fault,))
			_expect_all_arrived(figures, counts, account)
			expect(counts["faults"] > 0 and figures["retries"] > 0, "%s: nothing happened: %r"
				% (fault, counts))
			expect(bool(account.doubled) == doubles, "%s: doubled: %r" % (fault, account.doubled))


@test
def faults_that_only_delay(fixture):
	for number, fault in enumerate(("connect/3=late:50", "end/3=late:50", "end/3=halfway:50",
			"data/3=halfway:50", "end/3=multi:9", "mail/3=multi:50", "body/3=late:50")):
		for way in ((), ("--pipelining", "--per-connection", "5")):
			prefix = "late%d%s" % (number, "p" if way else "")
			figures, counts, account = fixture.run(prefix, way, (fault,))
			_expect_all_arrived(figures, counts, account)
			expect(counts["faults"] > 0 and counts["doubled"] == 0 and figures["retries"] == 0,
				"%s: %r" % (fault, counts))
			slow = sum((("late" in fault), ("halfway" in fault)))
			expect(not slow or figures["latency_ms"]["all"]["max"] >= 50,
				"%s: nobody waited: %r" % (fault, figures))


@test
def refused_recipients(fixture):
	for way in ((), ("--pipelining",)):
		prefix = "refused" + ("p" if way else "")
		figures, counts, account = fixture.run(prefix + "1", way, ("rcpt#1=refuse:550",))
		expect(figures["codes"] == {"550": COUNT} and counts["mails"] == 0 and
			not account.complaints(), "%r %r" % (figures, counts))
		figures, counts, account = fixture.run(prefix + "2", ("--recipients", "3", *way),
			("rcpt#2=refuse:550",))
		_expect_all_arrived(figures, counts, account)
		expect(counts["recipients"] == 2 * COUNT, "%r" % counts)


@test
def without_retry_a_loss_is_an_error(fixture):
	figures, counts, account = fixture.run("once", (), ("data/5=close", "body/7=refuse:421"))
	expect(figures["errors"] > 0 and figures["tempfail"] > 0 and figures["retries"] == 0 and
		not account.complaints(), "%r" % figures)
	expect(counts["mails"] == account.accepted < COUNT, "%r" % counts)


@test
def a_wrong_account_is_noticed(fixture):
	"""The sink's books are falsified: a mail less, one twice, one that nobody sent."""
	sink = smtp_load.Sink(fixture.programs, fixture.base)
	try:
		load = smtp_load.Load(fixture.programs, fixture.base, sink.port, fixture.corpus, "wrong",
			("--count", str(COUNT))).start()
		load.wait(60)
		expect(not load.account(sink).complaints(), "it was right until here")
	finally:
		sink.stop()
	with open(sink.ids_path) as handle:
		lines = dict(line.split() for line in handle)
	del lines["wrong-c-1"]
	lines["wrong-c-2"] = "2"
	lines["wrong-c-999"] = "1"
	with open(sink.ids_path, "w") as handle:
		handle.writelines("%s %s\n" % pair for pair in lines.items())
	account = smtp_load.Account(load.report_path, sink.ids_path, "wrong")
	expect(account.lost == ["wrong-c-1"] and account.doubled_wrongly == ["wrong-c-2"] and
		account.strangers == ["wrong-c-999"] and len(account.complaints()) == 3,
		account.complaints())


runner.main(Fixture, needs_root=False)
