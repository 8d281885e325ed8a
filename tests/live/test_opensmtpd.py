#!/usr/bin/env python3
"""A real OpenSMTPD, private and on loopback, with `cordon opensmtpd` as its filter: verdicts in the
dialogue, mails as they were sent, many at once, and a daemon that is killed and comes back."""

import os
import threading
import time

from lib import cordond, mails, process, runner, smtp
from lib.opensmtpd import OpenSMTPD
from lib.runner import expect, expect_reply, test
from lib.sink import Sink


class Fixture:
	"""A sink, cordond with a listener for OpenSMTPD, and OpenSMTPD."""

	def __init__(self, base):
		self.base = base
		self.sink = Sink().start()
		self.filter = self.mta = None
		self.socket = os.path.join(base, "cordond", "run", "smtpd.sock")
		try:
			self.start_filter()
			self.mta = OpenSMTPD(base, self.sink.port, filter_command="%s opensmtpd unix:%s"
				% (os.path.join(self.filter.bin, "cordon"), self.socket))
			self.mta.start()
		except BaseException:
			self.stop()
			raise

	def start_filter(self, *blocks, **settings):
		"""cordond at the same address, perhaps with another configuration."""
		if self.filter:
			self.filter.stop()
		listener = cordond.block("listener", "smtpd", protocol="opensmtpd",
			address="unix:" + self.socket, mode="0666")
		settings.setdefault("max_message_size", "100M")
		self.filter = cordond.Cordond(self.base, [listener] + list(blocks), **settings)
		self.filter.start()

	def stop(self):
		if self.mta:
			self.mta.stop()
		if self.filter:
			self.filter.stop()
		self.sink.stop()

	def log(self, limit=6000):
		text = "--- cordond\n" + self.filter.log()[-limit:] if self.filter else ""
		return text + ("--- OpenSMTPD\n" + self.mta.log()[-limit:] if self.mta else "")

	def send(self, content, **envelope):
		return smtp.send(self.mta.port, content, **envelope)

	def arrived(self, test_id, timeout_s=60):
		mail = self.sink.wait(test_id, timeout_s)
		expect(mail is not None, "mail %s did not reach the sink" % test_id)
		return mail

	def never_arrived(self, *test_ids):
		self.mta.wait_until_delivered()
		for test_id in test_ids:
			expect(not self.sink.mails(test_id), "mail %s reached the sink" % test_id)

	def wait_until_passing(self, name):
		"""Sends clean mails until one is taken: the filter has found the daemon."""
		turn = [0]

		def probe():
			turn[0] += 1
			return self.send(mails.clean("%s-%d" % (name, turn[0]))).code == 250

		process.wait_for(probe, 30, "mail passing again", 0.2)
		return self.arrived("%s-%d" % (name, turn[0]))


def _body(content):
	return content.split(b"\r\n\r\n", 1)[1]


@test
def clean_mail_is_accepted_with_header(gateway):
	content = mails.clean("clean")
	expect_reply(gateway.send(content), "250")
	mail = gateway.arrived("clean")
	values = mail.header("X-Virus-Scanned")
	expect(len(values) == 1, "X-Virus-Scanned: %r" % values)
	expect(_body(mail.data) == _body(content), "the body was changed on the way")


@test
def forged_headers_are_removed(gateway):
	forged = ["X-Virus-Scanned: by somebody else", "x-virus-SCANNED: twice", "X-Other: stays"]
	expect_reply(gateway.send(mails.clean("forged", headers=forged)), "250")
	mail = gateway.arrived("forged")
	values = mail.header("X-Virus-Scanned")
	expect(len(values) == 1 and "somebody" not in values[0] and "twice" not in values[0],
		"X-Virus-Scanned: %r" % values)
	expect(mail.header("X-Other") == ["stays"], "another header was touched")


@test
def eicar_is_refused(gateway):
	reply = gateway.send(mails.infected("eicar"))
	expect_reply(reply, "550 5.7.1")
	expect("eicar" in reply.text.lower(), "the reply names no virus: %s" % reply)
	expect_reply(gateway.send(mails.infected_zip_in_zip("zipzip")), "550 5.7.1")
	gateway.never_arrived("eicar", "zipzip")


@test
def one_log_line_with_the_client(gateway):
	expect_reply(gateway.send(mails.infected("logged"), sender="mallory@client.example",
		recipients=["r1@test.example", "r2@test.example"]), "550")
	line = gateway.filter.wait_log("mallory@client.example")[0]
	for word in ("infected", "reject", "r1@test.example", "r2@test.example", "127.0.0.1",
			"client.test.example"):
		expect(word in line, "%r is not in the log line: %s" % (word, line))
	expect(len(gateway.filter.log_lines("mallory@client.example")) == 1, "two lines for one mail")


@test
def bytes_arrive_as_they_were_sent(gateway):
	text = (b"dots:\r\n.\x20\r\n..\r\n.\r\nbars: a|b||c|\r\n8 bit: \xe4\xf6\xfc\xff\r\n\r\n"
		+ b"long " * 150 + b"\r\n\r\nend\r\n")
	expect_reply(gateway.send(mails.plain("bytes", text,
		["X-Folded: one\r\n\ttwo", "X-Twice: a", "X-Twice: b"])), "250")
	mail = gateway.arrived("bytes")
	expect(_body(mail.data) == text, "the body was changed: %r" % _body(mail.data))
	expect(mail.header("X-Twice") == ["a", "b"], "X-Twice: %r" % mail.header("X-Twice"))


@test
def mail_without_bytes(gateway):
	expect_reply(gateway.send(b""), "250")


@test
def mails_on_one_connection_do_not_mix(gateway):
	with smtp.Client(gateway.mta.port) as client:
		for turn in range(3):
			expect_reply(client.mail(mails.infected("one-bad-%d" % turn)), "550 5.7.1")
			expect_reply(client.mail(mails.clean("one-good-%d" % turn)), "250")
		client.command("MAIL FROM:<alice@client.example>")
		client.command("RCPT TO:<bob@test.example>")
		client.command("RSET")
		expect_reply(client.mail(mails.clean("one-last")), "250")
	for name in ("one-good-0", "one-good-1", "one-good-2", "one-last"):
		gateway.arrived(name)
	gateway.never_arrived("one-bad-0", "one-bad-1", "one-bad-2")


@test
def lines_that_smtpd_would_cut_are_refused(gateway):
	expect_reply(gateway.send(mails.plain("line-1997", b"x" * 1997 + b"\r\n")), "250")
	mail = gateway.arrived("line-1997")
	expect(_body(mail.data) == b"x" * 1997 + b"\r\n", "the line was changed")
	expect_reply(gateway.send(mails.plain("line-1998", b"x" * 1998 + b"\r\n")), "550 5.6.0")
	gateway.never_arrived("line-1998")


@test
def mail_of_20_megabytes(gateway):
	content = mails.big("big-clean", 20 << 20)
	begin = time.monotonic()
	expect_reply(gateway.send(content), "250")
	print("20 MB through the filter: %.2f s" % (time.monotonic() - begin))
	mail = gateway.arrived("big-clean", 120)
	expect(_body(mail.data) == _body(content), "the body was changed on the way")
	expect_reply(gateway.send(mails.big("big-bad", 20 << 20, infected_end=True)), "550 5.7.1")
	gateway.never_arrived("big-bad")


@test
def twenty_sessions_at_once(gateway):
	wrong = []
	# Made one after the other: smtpd has room for five that wait, and drops the sixth.
	clients = [smtp.connect(gateway.mta.port) for _ in range(20)]

	def session(number):
		try:
			for turn in range(5):
				name = "many-%d-%d" % (number, turn)
				bad = (number + turn) % 4 == 0
				content = mails.infected(name) if bad else mails.big(name, 200_000)
				reply = clients[number].mail(content)
				if reply.code != (550 if bad else 250):
					wrong.append("%s: %s" % (name, reply))
		except Exception as error:              # pylint: disable=broad-except
			wrong.append("%d: %r" % (number, error))

	threads = [threading.Thread(target=session, args=(n,)) for n in range(20)]
	for thread in threads:
		thread.start()
	for thread in threads:
		thread.join()
	for client in clients:
		client.close()
	expect(not wrong, "wrong answers: %s" % wrong[:5])
	gateway.mta.wait_until_delivered(120)
	for number in range(20):
		for turn in range(5):
			name = "many-%d-%d" % (number, turn)
			got = len(gateway.sink.mails(name))
			expect(got == (0 if (number + turn) % 4 == 0 else 1), "%s: %d times" % (name, got))


@test
def over_max_message_size_is_not_passed(gateway):
	gateway.start_filter(max_message_size="1M")
	gateway.wait_until_passing("small-enough")
	expect_reply(gateway.send(mails.big("too-big", 3 << 20)), "451 4.7.1")
	gateway.start_filter(cordond.block("policy", "", unscanned_too_big="accept"),
		max_message_size="1M")
	gateway.wait_until_passing("small-again")
	expect_reply(gateway.send(mails.big("too-big-2", 3 << 20)), "552 5.3.4")
	gateway.never_arrived("too-big", "too-big-2")
	gateway.start_filter()
	gateway.wait_until_passing("big-again")


@test
def what_a_filter_cannot_do(gateway):
	gateway.start_filter(cordond.block("policy", "", infected="discard"))
	gateway.wait_until_passing("discarding")
	expect_reply(gateway.send(mails.infected("discarded")), "550 5.7.1")
	gateway.start_filter()
	gateway.wait_until_passing("not-discarding")
	gateway.never_arrived("discarded")


@test
def without_cordond_mail_is_deferred(gateway):
	open_session = smtp.Client(gateway.mta.port)
	gateway.filter.stop()
	for turn in range(3):
		expect_reply(gateway.send(mails.clean("no-filter-%d" % turn)), "451 4.3.0")
	expect_reply(open_session.mail(mails.clean("no-filter-open")), "451 4.3.0")
	gateway.start_filter()
	gateway.wait_until_passing("filter-back")
	# a session from before, whose beginning this daemon never saw
	expect_reply(open_session.mail(mails.infected("filter-back-bad")), "550 5.7.1")
	expect_reply(open_session.mail(mails.clean("filter-back-open")), "250")
	open_session.close()
	gateway.arrived("filter-back-open")
	gateway.never_arrived("no-filter-0", "no-filter-1", "no-filter-2", "no-filter-open",
		"filter-back-bad")
	expect(gateway.mta.process.poll() is None, "OpenSMTPD ended with its filter's daemon")


@test
def smtpd_starts_without_cordond(gateway):
	gateway.filter.stop()
	gateway.mta.restart()
	expect_reply(gateway.send(mails.clean("cold")), "451 4.3.0")
	gateway.start_filter()
	gateway.wait_until_passing("warm")
	gateway.never_arrived("cold")


@test
def killed_in_the_middle_of_mails(gateway):
	"""The gate is killed while mails come in, are scanned and go back: each client gets an answer,
	what got 250 arrives once, infected mail never."""
	stop = threading.Event()
	answers, wrong = {}, []

	def session(number):
		turn = 0
		while not stop.is_set():
			turn += 1
			name = "kill-%d-%d" % (number, turn)
			bad = turn % 5 == 0
			try:
				reply = gateway.send(mails.infected(name) if bad
					else mails.big(name, 1_500_000))
				answers[name] = (bad, reply.code)
			except Exception as error:              # pylint: disable=broad-except
				wrong.append("%s: %r" % (name, error))

	threads = [threading.Thread(target=session, args=(n,)) for n in range(4)]
	for thread in threads:
		thread.start()
	for turn in range(8):
		time.sleep(0.7 + turn * 0.13)
		gateway.filter.kill("gate")
	time.sleep(3)
	stop.set()
	for thread in threads:
		thread.join()
	codes = [code for _, code in answers.values()]
	print("answers: %s" % {code: codes.count(code) for code in sorted(set(codes))})
	expect(not wrong, "sessions that broke: %s" % wrong[:5])
	expect(set(codes) <= {250, 451, 550}, "odd answers: %r" % set(codes))
	expect(250 in codes and 451 in codes, "no kill met a mail: %r" % set(codes))
	gateway.mta.wait_until_delivered(120)
	for name, (bad, code) in answers.items():
		got = len(gateway.sink.mails(name))
		expect(got == (1 if code == 250 else 0), "%s: answer %d, arrived %d times"
			% (name, code, got))
		expect(not bad or code in (451, 550), "%s is infected and got %d" % (name, code))


runner.main(Fixture)
