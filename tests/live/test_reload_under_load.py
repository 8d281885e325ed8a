#!/usr/bin/env python3
"""SIGHUP under load: no mail is refused, deferred or lost by it, new signatures take effect, and a
configuration with a mistake leaves the old one in force."""

import os
import time

from lib import clamd, cordond, load, mails, process, runner
from lib.gateway import Gateway
from lib.runner import expect, expect_reply, test

RELOADS = 12


class Fixture(Gateway):
	"""A Postfix gateway with a signature file and, when it is built, the embedded engine."""

	def __init__(self, base):
		self.signatures = os.path.join(base, "signatures")
		self.write_signatures("First.Word = this word is forbidden first\n")
		blocks = [cordond.block("signatures", "", files=[self.signatures])]
		if cordond.has_engine():
			clamd.write_database(os.path.join(base, "db"))
			blocks.append(cordond.block("clamav", "", enabled=True, workers=2,
				database=os.path.join(base, "db")))
		super().__init__(base, "postfix", blocks, sink_keep=False)

	def write_signatures(self, text):
		with open(self.signatures + ".new", "w") as handle:
			handle.write(text)
		os.chmod(self.signatures + ".new", 0o644)
		os.rename(self.signatures + ".new", self.signatures)


@test
def no_mail_is_refused_or_lost(gateway):
	running = load.Load(gateway.mta.port, clients=4, prefix="reload").start()
	running.wait_settled(10)
	for _ in range(RELOADS):
		gateway.filter.reload()
		running.wait_settled(8)
		time.sleep(0.2)
	running.stop()
	gateway.mta.wait_until_delivered()
	deferred = ["%s: %d %s" % (a.test_id, a.code, a.text) for a in running.attempts
		if a.code < 200 or 400 <= a.code < 500]
	print("%d reloads, %d mails: %s" % (RELOADS, len(running.attempts), running.summary()))
	expect(not deferred, "%d mails deferred by a reload: %s" % (len(deferred), deferred[:5]))
	wrong = running.account(gateway.sink)
	expect(not wrong, "%d: %s" % (len(wrong), wrong[:5]))


@test
def new_signatures_take_effect(gateway):
	second = b"this word is forbidden second\r\n"
	expect_reply(gateway.send(mails.plain("sig-before", second)), "250")
	gateway.write_signatures("First.Word = this word is forbidden first\n"
		"Second.Word = this word is forbidden second\n")
	gateway.filter.reload()
	number = [0]

	def is_found():
		number[0] += 1
		return gateway.send(mails.plain("sig-after-%d" % number[0], second)).code == 550
	process.wait_for(is_found, 30, "the new signature in force", 0.2)
	expect_reply(gateway.send(mails.plain("sig-first",
		b"this word is forbidden first\r\n")), "550 5.7.1")


@test
def bad_signature_file_leaves_the_old_set(gateway):
	gateway.write_signatures("First.Word = this word is forbidden first\nno equals sign here\n")
	gateway.filter.reload()
	lines = gateway.filter.wait_log("signatures:2")
	expect(lines, "no log line names file:line")
	time.sleep(0.5)
	expect_reply(gateway.send(mails.plain("sig-second-still",
		b"this word is forbidden second\r\n")), "550 5.7.1")
	gateway.write_signatures("First.Word = this word is forbidden first\n")


@test
def bad_configuration_leaves_the_old_one(gateway):
	gateway.filter.write_config("nonsense = 12\n")
	bad_line = len(open(gateway.filter.config).read().splitlines())
	gateway.filter.reload()
	gateway.filter.wait_log("cordon.conf:%d" % bad_line)
	expect(gateway.filter.is_running(), "cordond ended over a bad configuration")
	expect_reply(gateway.send(mails.infected("conf-bad")), "550 5.7.1")
	expect_reply(gateway.send(mails.clean("conf-clean")), "250")
	gateway.filter.write_config()
	gateway.filter.reload()


@test
def new_policy_takes_effect(gateway):
	gateway.filter.blocks.append(cordond.block("policy", "",
		reply_infected="5.7.1 new text {names}"))
	number = [0]

	def is_new():
		number[0] += 1
		return "new text" in gateway.send(mails.infected("policy-%d" % number[0])).text
	gateway.reconfigure(is_new)


@test
def drain_answers_mails_in_flight(gateway):
	running = load.Load(gateway.mta.port, clients=3, prefix="drain", give_up_s=40).start()
	running.wait_settled(6)
	status = gateway.filter.stop()
	expect(status == 0, "SIGTERM ended cordond with %r" % status)
	gateway.filter.start()
	running.wait_settled(6)
	running.stop()
	gateway.mta.wait_until_delivered()
	wrong = running.account(gateway.sink)
	expect(not wrong, "%d: %s" % (len(wrong), wrong[:5]))


runner.main(Fixture)
