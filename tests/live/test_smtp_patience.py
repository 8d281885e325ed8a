#!/usr/bin/env python3
"""What only shows after a while: mails that wait for memory which none of them gives back, and a
next hop that ends connections on which it hears nothing."""

import threading
import time

from lib import mails, raw, runner
from lib.relay import Relay
from lib.runner import expect, test


def _begin(relay, number):
	"""A client that has heard 354."""
	client = raw.Raw(relay.port, timeout_s=100)
	client.reply()
	for line in ("EHLO c", "MAIL FROM:<a@x>", "RCPT TO:<b%d@x>" % number, "DATA"):
		last = client.ask(line.encode() + b"\r\n")
	expect(last.startswith("354"), last)
	return client


@test
def mails_that_starve_each_other_are_answered(relay):
	"""Each has half of the memory and wants more: after half a minute one must give way, with a
	reply that lets the client try again, whatever the policy does with mail that is too big."""
	relay.start(settings=dict(memory_budget="1M", max_message_size="1M"),
		blocks=['policy {\n\tunscanned = "accept"\n}\n'])
	replies = {}

	def send(number):
		with _begin(relay, number) as client:
			filler = b"x" * 70 + b"\r\n"
			client.send(mails.plain("starve-%d" % number, filler * 5000))
			barrier.wait()
			time.sleep(0.5)
			client.send(filler * 5000 + b".\r\n")
			replies[number] = client.reply()

	barrier = threading.Barrier(2)
	threads = [threading.Thread(target=send, args=(n,), daemon=True) for n in range(2)]
	for thread in threads:
		thread.start()
	for thread in threads:
		thread.join(80)
	expect(len(replies) == 2, "mails wait for ever: %r" % replies)
	codes = sorted(reply[:3] for reply in replies.values())
	expect(codes in (["250", "451"], ["451", "451"]), "%r" % replies)
	for number, reply in replies.items():
		expect((relay.hop.wait("starve-%d" % number, 1) is not None) == reply.startswith("250"),
			"%d: %s" % (number, reply))


@test
def a_next_hop_hears_of_us_while_a_mail_comes_slowly(relay):
	relay.start(next_hop_timeout_ms=20000)
	with _begin(relay, 1) as client:
		client.send(mails.plain("slowly"))
		end = time.monotonic() + 9
		while time.monotonic() < end and not relay.hop.heard("NOOP"):
			client.send(b"one more line, and there will be more of them\r\n" * 90)
			time.sleep(0.5)
		expect(relay.hop.heard("NOOP"), "nothing was said for %d s" % 9)
		reply = client.ask(b".\r\n")
		expect(reply.startswith("250"), reply)
	relay.arrived("slowly")


class Fixture(Relay):
	pass


runner.main(Fixture, needs_root=False)
