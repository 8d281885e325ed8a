#!/usr/bin/env python3
"""Courier's submit with cordond as its mail filter: verdicts as SMTP replies, what stands in the
log, many mails at once, and no mail unscanned while cordond is stopped or starts."""

import os
import shlex
import threading

from lib import cordond, mails, runner
from lib.courier import Courier
from lib.runner import expect, test


class Fixture:
	"""Courier, and a cordond that sees the same folders. The listener is a socket in the folder
	that Courier looks into."""

	def __init__(self, base):
		self.base = base
		self.filter = None
		self.mta = Courier(base, members=["nobody"])
		self.start_filter()

	def start_filter(self, *blocks, **settings):
		self.stop()
		listener = cordond.block("listener", "courier", protocol="courier",
			address="unix:%s/cordon" % self.mta.filters, mode="0660", group="courier")
		settings.setdefault("max_message_size", "100M")
		self.filter = cordond.Cordond(self.base, [listener] + list(blocks), **settings)
		inside = os.path.join(self.base, "inside")
		os.makedirs(inside, exist_ok=True)
		with open(os.path.join(inside, "cordond"), "w") as script:
			script.write('#!/bin/sh\nexec %s "$@"\n' % shlex.join(
				self.mta.command([os.path.join(self.filter.bin, "cordond")])))
		os.chmod(os.path.join(inside, "cordond"), 0o755)
		self.filter.bin = inside
		self.filter.start()

	def stop(self):
		if self.filter:
			self.filter.stop()

	def log(self, limit=6000):
		return "--- cordond\n" + self.filter.log()[-limit:] if self.filter else ""

	def taken(self, test_id):
		return [text for text in self.mta.queued() if "X-Test-Id: %s\n" % test_id in text]


def _expect_reply(reply, start):
	expect(reply.startswith(start), "reply %r, expected %s" % (reply, start))


@test
def clean_mail_is_taken_as_it_is(gateway):
	_expect_reply(gateway.mta.submit(mails.clean("clean")), "250 Ok")
	expect(len(gateway.taken("clean")) == 1, "it is not in the queue")
	expect("X-Virus-Scanned" not in gateway.taken("clean")[0], "Courier took a header?")


@test
def eicar_is_refused(gateway):
	reply = gateway.mta.submit(mails.infected("eicar"))
	_expect_reply(reply, "550 5.7.1")
	expect("eicar" in reply.lower(), "the reply names no virus: %s" % reply)
	_expect_reply(gateway.mta.submit(mails.infected_zip_in_zip("zipzip")), "550 5.7.1")
	expect(not gateway.taken("eicar") and not gateway.taken("zipzip"), "it is in the queue")


@test
def one_log_line_with_the_envelope(gateway):
	wanted = ["r%d@test.example" % number for number in range(45)] # in five control files
	_expect_reply(gateway.mta.submit(mails.infected("logged"), sender="mallory@client.example",
		recipients=wanted), "550")
	line = gateway.filter.wait_log("mallory@client.example")[0]
	for word in ("infected", "reject", "r0@test.example", "192.0.2.1", "c.example",
			"client.test.example"):
		expect(word in line, "%r is not in the log line: %s" % (word, line))
	expect(" recipients=45 " in line, "not every control file was read: %s" % line)
	expect(len(gateway.filter.log_lines("mallory@client.example")) == 1, "two lines for one mail")


@test
def large_mail(gateway):
	_expect_reply(gateway.mta.submit(mails.big("big", 20 << 20)), "250 Ok")
	_expect_reply(gateway.mta.submit(mails.big("big-bad", 20 << 20, infected_end=True)), "550")
	expect(len(gateway.taken("big")) == 1 and not gateway.taken("big-bad"), "the queue is wrong")


@test
def twenty_at_once(gateway):
	wrong = []

	def session(number):
		for turn in range(5):
			name = "many-%d-%d" % (number, turn)
			bad = (number + turn) % 4 == 0
			reply = gateway.mta.submit(mails.infected(name) if bad else mails.clean(name))
			if not reply.startswith("550" if bad else "250"):
				wrong.append("%s: %s" % (name, reply))

	threads = [threading.Thread(target=session, args=(n,)) for n in range(20)]
	for thread in threads:
		thread.start()
	for thread in threads:
		thread.join()
	expect(not wrong, "wrong answers: %s" % wrong[:5])


@test
def no_mail_unscanned_without_cordond(gateway):
	gateway.filter.stop()
	for turn in range(3):
		_expect_reply(gateway.mta.submit(mails.infected("stopped-%d" % turn)), "432")
	stop = threading.Event()
	replies = []

	def send():
		while not stop.is_set():
			replies.append(gateway.mta.submit(mails.infected("starting-%d" % len(replies))))

	threads = [threading.Thread(target=send) for _ in range(3)]
	for thread in threads:
		thread.start()
	for _ in range(3):
		gateway.start_filter()
	stop.set()
	for thread in threads:
		thread.join()
	codes = {reply[:3] for reply in replies}
	expect(codes <= {"432", "550"}, "replies to infected mail: %r" % codes)
	expect("550" in codes, "no mail met the filter: %r" % codes)


@test
def killed_gate_and_tight_limits(gateway):
	replies = []

	def send():
		replies.append(gateway.mta.submit(mails.big("killed", 8 << 20, infected_end=True)))

	threads = [threading.Thread(target=send) for _ in range(3)]
	for thread in threads:
		thread.start()
	for _ in range(3):
		gateway.filter.kill("gate")
	for thread in threads:
		thread.join()
	expect({reply[:3] for reply in replies} <= {"432", "451", "550"}, "replies %r" % replies)
	gateway.start_filter(max_message_size="1M")
	_expect_reply(gateway.mta.submit(mails.big("too-big", 3 << 20)), "451 4.7.1")
	gateway.start_filter(cordond.block("policy", "", infected="discard"))
	_expect_reply(gateway.mta.submit(mails.infected("discarded")), "550 5.7.1")
	expect(not gateway.taken("killed") and not gateway.taken("too-big")
		and not gateway.taken("discarded"), "the queue is wrong")


runner.main(Fixture)
