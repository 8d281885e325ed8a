#!/usr/bin/env python3
"""LMTP in and out, in every combination with SMTP: a reply for each recipient where there can be one,
one recipient at a time where there cannot; limits and policies of a listener."""

from lib import cordond, hop, mails, raw, runner, smtp
from lib.relay import Relay
from lib.runner import expect, expect_reply, test


def _talk(relay, content, *recipients, helo="LHLO", finals=None):
	"""One mail. Returns (replies to RCPT, replies to the mail), each as text."""
	with raw.Raw(relay.port) as client:
		client.reply()
		client.ask(helo.encode() + b" c\r\n")
		client.ask(b"MAIL FROM:<a@b>\r\n")
		rcpt = [client.ask(b"RCPT TO:<%s>\r\n" % r.encode()) for r in recipients]
		taken = sum(r.startswith("2") for r in rcpt)
		client.ask(b"DATA\r\n")
		client.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
		return rcpt, [client.reply() for _ in range(taken if finals is None else finals)]


@test
def a_reply_for_each_recipient(relay):
	relay.start("lmtp", next_hop_timeout_ms=2000)
	relay.hop.answer = lambda verb, line, h: (b"550 5.1.1 no\r\n" if "nobody" in line else
		[b"250 2.0.0 one\r\n", b"452-4.2.2 full\r\n452 4.2.2 really\r\n"] if verb == "." else None)
	rcpt, final = _talk(relay, mails.clean("each"), "one@x", "nobody@x", "two@x")
	expect(rcpt[1] == "550 5.1.1 no\r\n", repr(rcpt))
	expect(final == ["250 2.0.0 one\r\n", "452-4.2.2 full\r\n452 4.2.2 really\r\n"], repr(final))
	expect(relay.hop.wait("each").recipients == ["one@x", "two@x"], "recipients")
	expect("LHLO" in relay.hop.lines[0], "the next hop was greeted with %r" % relay.hop.lines[0])


@test
def a_refusal_is_told_for_each_recipient(relay):
	relay.hop.forget()
	_, final = _talk(relay, mails.infected("each-bad"), "one@x", "two@x", "three@x")
	expect(len(final) == 3 and all(r.startswith("550 5.7.1") for r in final), repr(final))
	expect(not relay.hop.mails, "an infected mail was delivered")
	line = relay.filter.wait_log("event=mail", "verdict=infected")[-1]
	expect("recipients=3" in line, line)


@test
def a_next_hop_that_dies_between_its_replies(relay):
	relay.hop.forget()
	relay.hop.answer = lambda verb, line, h: [b"250 2.0.0 one\r\n", hop.CLOSE] if verb == "." else None
	_, final = _talk(relay, mails.clean("dies"), "one@x", "two@x", "three@x")
	expect(final[0].startswith("250") and [r[:3] for r in final[1:]] == ["451", "451"], repr(final))
	relay.hop.forget()
	_, final = _talk(relay, mails.clean("after"), "one@x")
	expect(final == ["250 2.0.0 taken\r\n"], repr(final))


@test
def data_refused_is_told_for_each_recipient(relay):
	relay.hop.forget()
	relay.hop.answer = lambda verb, line, h: b"451 4.3.0 disk\r\n" if verb == "DATA" else None
	_, final = _talk(relay, mails.clean("disk"), "one@x", "two@x")
	expect(final == ["451 4.3.0 disk\r\n"] * 2, repr(final))


@test
def lmtp_wants_lhlo(relay):
	relay.hop.forget()
	with raw.Raw(relay.port) as client:
		expect("LMTP" in client.reply(), "the greeting")
		expect(client.ask(b"EHLO c\r\n").startswith("500"), "EHLO in LMTP")
		expect(client.ask(b"LHLO c\r\n").startswith("250"), "LHLO")


@test
def from_lmtp_to_smtp(relay):
	relay.start("lmtp", hop_lmtp=False)
	_, final = _talk(relay, mails.clean("down"), "one@x", "two@x")
	expect(final == ["250 2.0.0 taken\r\n"] * 2, repr(final))
	expect(len(relay.hop.mails) == 1 and len(relay.hop.mails[0].recipients) == 2, "one mail for both")


@test
def from_smtp_to_lmtp(relay):
	"""One reply cannot tell of several recipients: they come one by one."""
	relay.start("smtp", hop_lmtp=True)
	relay.hop.answer = lambda verb, line, h: b"552 5.2.2 full\r\n" if verb == "." and \
		"two@x" in h.lines[-2] else None
	with smtp.Client(relay.port) as client:
		for recipient, want in (("one@x", "250 2.0.0 taken"), ("two@x", "552 5.2.2 full")):
			expect_reply(client.command("MAIL FROM:<a@b>"), "250")
			expect_reply(client.command("RCPT TO:<%s>" % recipient), "250")
			expect_reply(client.command("RCPT TO:<other@x>"), "452 4.5.3")
			expect_reply(client.command("DATA"), "354")
			expect_reply(client.data(mails.clean("by-" + recipient[:3])), want)
	expect(relay.hop.counts() == {"by-one": 1}, repr(relay.hop.counts()))


@test
def recipients_are_limited(relay):
	relay.start(recipients=5)
	with smtp.Client(relay.port) as client:
		client.command("MAIL FROM:<a@b>")
		codes = [client.command("RCPT TO:<r%d@x>" % n).code for n in range(8)]
		expect(codes == [250] * 5 + [452] * 3, repr(codes))
		client.command("DATA")
		expect_reply(client.data(mails.clean("five")), "250")
	with raw.Raw(relay.port) as client:
		client.reply()
		client.ask(b"EHLO c\r\n")
		client.send(b"MAIL FROM:<a@b>\r\n" + b"".join(b"RCPT TO:<p%d@x>\r\n" % n for n in range(9)) +
			b"DATA\r\n")
		got = [client.reply()[:3] for _ in range(11)]
		expect(got == ["250"] * 6 + ["452"] * 4 + ["354"], "pipelined: %r" % got)
		expect(client.ask(mails.clean("nine") + b".\r\n").startswith("250"), "the mail")
	expect([len(m.recipients) for m in relay.hop.mails] == [5, 5], "recipients that went on")


@test
def policies_of_a_listener(relay):
	relay.start(infected="discard")
	expect_reply(relay.send(mails.infected("gone")), "250")
	expect(not relay.hop.mails and not relay.hop.heard("DATA"), "a discarded mail went on")
	line = relay.filter.wait_log("event=mail", "verdict=infected")[-1]
	expect("action=discard" in line, line)
	relay.start(infected="tempfail")
	expect_reply(relay.send(mails.infected("later")), "451")
	relay.start(blocks=[cordond.block("policy", "", infected="hold")])
	expect_reply(relay.send(mails.infected("held")), "451 4.7.1")
	expect(not relay.hop.mails, "a held mail went on")
	# What could not be looked at, and is accepted, says so.
	relay.start(blocks=[cordond.block("policy", "", unscanned_encrypted="accept")])
	expect_reply(relay.send(mails.with_attachments("locked", ("a.zip", mails.encrypted_zip()))), "250")
	expect(relay.arrived("locked").header("X-Virus-Unscanned"), "no X-Virus-Unscanned")


runner.main(Relay, needs_root=False)
