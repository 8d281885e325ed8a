#!/usr/bin/env python3
"""The SMTP listener in front of a scripted next hop: what passes, what is refused and by whom, and
what happens when the next hop or the client misbehaves. No mail is lost, doubled, split or passed
unseen."""

import json
import os
import signal
import smtplib
import ssl
import threading
import time

from lib import cordond, hop, mails, process, raw, runner, smtp
from lib.relay import Relay
from lib.runner import expect, expect_reply, test


class Fixture(Relay):
	def __init__(self, base):
		super().__init__(base)
		self.start(next_hop_timeout_ms=3000)


def _envelope(*recipients):
	return ["MAIL FROM:<a@client.example>"] + ["RCPT TO:<%s>" % r for r in recipients]


@test
def clean_passes_and_infected_is_refused(relay):
	content = mails.clean("clean")
	reply = relay.send(content)
	expect(str(reply) == "250 2.0.0 taken", "not the next hop's reply: %s" % reply)
	mail = relay.arrived("clean")
	expect(len(mail.header("X-Virus-Scanned")) == 1, "no header of ours")
	expect(mail.data.split(b"\r\n", 1)[1] == content, "more than a field was added on top")
	expect(mail.recipients == ["bob@test.example"] and mail.sender == "alice@client.example",
		"envelope: %r" % mail.recipients)
	for number, content in enumerate((mails.infected("bad-0"), mails.infected_zip_in_zip("bad-1"))):
		expect_reply(relay.send(content), "550 5.7.1")
		expect(relay.hop.wait("bad-%d" % number, 0.3) is None, "an infected mail passed")
	expect(relay.hop.heard("DATA") == ["DATA"], "the next hop heard of infected mail: %r"
		% relay.hop.heard("DATA"))
	line = relay.filter.wait_log("event=mail", "verdict=clean")[0]
	expect("next_hop_code=250" in line and "listener=relay" in line, line)


@test
def forged_headers_are_removed(relay):
	relay.send(mails.clean("forged", headers=["X-Virus-Scanned: by somebody",
		"x-virus-scanned: twice,\r\n folded", "X-Other: stays"]))
	mail = relay.arrived("forged")
	expect(len(mail.header("X-Virus-Scanned")) == 1, "%r" % mail.header("X-Virus-Scanned"))
	expect(mail.header("X-Other") == ["stays"], "another header was touched")


@test
def what_is_offered(relay):
	with smtp.Client(relay.port) as client:
		for word in ("PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN",
				"ENHANCEDSTATUSCODES", "CHUNKING", "XFORWARD", "XCLIENT"):
			expect(word in client.hello.text, "%s is missing in %s" % (word, client.hello.text))
		expect("STARTTLS" not in client.hello.text, "STARTTLS without a certificate")


@test
def replies_of_the_next_hop_come_as_they_are(relay):
	relay.hop.forget()

	def answer(verb, line, _hop):
		if "nobody" in line:
			return b"550-5.1.1 no such user,\r\n550-5.1.1  really\r\n550 5.1.1 none\r\n"
		if "later" in line:
			return b"450 4.2.0 greylisted\r\n"
		return b"250 2.6.0 queued as 1234\r\n" if verb == "." else None

	relay.hop.answer = answer
	with raw.Raw(relay.port) as client:
		client.reply()
		client.ask(b"EHLO c\r\n")
		# All in one piece: replies must come in order.
		client.send(b"MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME RET=HDRS\r\nRCPT TO:<nobody@x>\r\n"
			b"RCPT TO:<later@x>\r\nRCPT TO:<bob@x> NOTIFY=NEVER\r\nNOOP\r\nDATA\r\n")
		got = [client.reply() for _ in range(6)]
		expect(got[1] == "550-5.1.1 no such user,\r\n550-5.1.1  really\r\n550 5.1.1 none\r\n",
			repr(got[1]))
		expect(got[2].startswith("450 4.2.0") and got[3].startswith("250"), repr(got))
		expect(got[5].startswith("354"), repr(got))
		expect(client.ask(mails.clean("asis") + b".\r\n") == "250 2.6.0 queued as 1234\r\n",
			"the final reply")
	expect(relay.arrived("asis").recipients == ["bob@x"], "recipients")
	expect("MAIL FROM:<a@b> SIZE=1000 BODY=8BITMIME RET=HDRS" in relay.hop.lines, "DSN is passed on")
	expect("RCPT TO:<bob@x> NOTIFY=NEVER" in relay.hop.lines, "DSN is passed on")
	expect("queued as 1234" in relay.filter.wait_log("next_hop=", "queued as 1234")[0], "the log")


@test
def connections_to_the_next_hop_are_used_again(relay):
	relay.hop.forget()
	for number in range(5):
		expect_reply(relay.send(mails.clean("reuse-%d" % number)), "250")
	expect_reply(relay.send(mails.infected("reuse-bad")), "550")
	expect_reply(relay.send(mails.clean("reuse-5")), "250")
	expect(relay.hop.connections <= 1, "%d connections" % relay.hop.connections)


@test
def a_kept_connection_that_died_costs_no_mail(relay):
	relay.hop.forget()
	expect_reply(relay.send(mails.clean("kept-0")), "250")
	count = []

	def answer(verb, _line, _hop):
		if verb in ("XFORWARD", "MAIL") and not count:
			count.append(verb)
			return hop.CLOSE
		return None

	relay.hop.answer = answer
	expect_reply(relay.send(mails.clean("kept-1")), "250")
	expect(count, "the kept connection was not used")
	expect(relay.hop.counts() == {"kept-0": 1, "kept-1": 1}, repr(relay.hop.counts()))


@test
def next_hop_is_down(relay):
	relay.hop.stop()
	time.sleep(0.2)
	relay.hop.answer = lambda verb, line, h: hop.CLOSE
	with smtp.Client(relay.port) as client:
		expect_reply(client.command("MAIL FROM:<a@b>"), "451 4.4.1")
		expect_reply(client.command("RCPT TO:<a@b>"), "503")
	relay.hop.forget()
	relay.hop.again()
	expect_reply(relay.send(mails.clean("up")), "250")
	relay.arrived("up")


_TROUBLES = (
	("CONNECT", b"554 go away\r\n"), ("CONNECT", b"421 busy\r\n"), ("CONNECT", hop.CLOSE),
	("CONNECT", hop.SILENT), ("CONNECT", b"HTTP/1.1 400 Bad\r\n\r\n"), ("EHLO", b"500 what\r\n"),
	("EHLO", hop.CLOSE), ("MAIL", b"421 4.3.2 leaving\r\n"), ("MAIL", hop.CLOSE),
	("MAIL", hop.SILENT), ("MAIL", b"250"), ("MAIL", b"250-half\r\n"), ("MAIL", b"999 what\r\n"),
	("MAIL", b"250 \x00\r\n"), ("MAIL", b"2" * 200000 + b"\r\n"), ("RCPT", hop.CLOSE),
	("RCPT", b"421 4.3.2 leaving\r\n"), ("RCPT", b"250 ok\r\n250 out of turn\r\n"),
	("DATA", hop.CLOSE), ("DATA", b"451 4.3.0 disk\r\n"), ("DATA", b"421 4.3.2 leaving\r\n"),
	("DATA", b"250 what\r\n"), ("DATA", b"334 what\r\n"), (".", hop.CLOSE), (".", hop.SILENT), (".", b"452 4.3.1 full\r\n"),
	(".", b"250"), (".", b"421 4.3.2 leaving\r\n"))


@test
def every_trouble_of_the_next_hop_leaves_the_mail_with_the_client(relay):
	relay.start(next_hop_timeout_ms=1000)
	for number, (when, what) in enumerate(_TROUBLES):
		test_id = "trouble-%d" % number
		relay.hop.forget()
		relay.hop.cut()
		time.sleep(0.05)
		relay.hop.answer = lambda verb, line, h, when=when, what=what: what if verb == when else None
		try:
			reply = smtp.send(relay.port, mails.clean(test_id))
			expect(reply.code in (421, 450, 451, 452, 250) and (reply.code != 250 or
				relay.hop.counts().get(test_id) == 1), "%s %r: %s" % (when, what, reply))
			expect(reply.code != 250 or (when, what) == ("RCPT", b"250 ok\r\n250 out of turn\r\n"),
				"%s %r: %s" % (when, what, reply))
		except smtp.ConnectionLost as error:
			# After 421 the client's RSET finds the connection closed, as it would behind.
			expect(isinstance(what, bytes) and what.startswith(b"421") and when != "CONNECT",
				"%s %r: %s" % (when, what, error))
		relay.hop.forget()
		expect_reply(relay.send(mails.clean(test_id + "-after")), "250")


@test
def a_reply_before_the_mail_is_no_reply_to_it(relay):
	relay.start(next_hop_timeout_ms=2000)
	for name, text in (("early", b""), ("early-big", b"a line of a large mail\r\n" * 1000000)):
		def answer(verb, _line, hop_, is_big=len(text) > 0):
			if verb != "DATA":
				return None
			return [b"354 go on\r\n", hop.SLEEP, b"250 2.0.0 taken\r\n", hop.STOP] if is_big \
				else [b"354 go on\r\n250 2.0.0 taken\r\n", hop.STOP]
		relay.hop.answer = answer
		expect_reply(relay.send(mails.plain(name, text)), "451")
	expect(not relay.hop.mails, "taken all the same")


@test
def multi_line_and_late_replies_are_no_trouble(relay):
	relay.start(next_hop_timeout_ms=3000)

	def answer(verb, _line, _hop):
		if verb == "CONNECT":
			return b"220-hello\r\n220-you\r\n220 there\r\n"
		if verb == ".":
			time.sleep(1.5)
			return b"250-a\r\n250-b\r\n250 c\r\n"
		return None

	relay.hop.answer = answer
	expect(relay.send(mails.clean("late")).text == "a\nb\nc", "the reply")


_ENDS = (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\n", b"\r\n\x00.\r\n",
	b"\r\n.\x00\r\n", b"\n\r.\r\n", b"\r\r\n.\r\r\n", b"\n.\r", b"\r.\n", b"\r\n..\n", b"\r\n.\r\r\n")


@test
def smuggled_mails_stay_one(relay):
	for number, end in enumerate(_ENDS):
		relay.hop.forget()
		test_id = "smuggle-%d" % number
		content = mails.plain(test_id, b"first" + end + b"MAIL FROM:<evil@x>\r\nRCPT TO:<v@x>\r\n"
			b"DATA\r\n" + mails.plain("evil") + b"\r\n.\r\n")
		with raw.Raw(relay.port) as client:
			client.reply()
			for line in [b"EHLO c"] + [l.encode() for l in _envelope("v@x")] + [b"DATA"]:
				client.ask(line + b"\r\n")
			expect(client.ask(content).startswith("250"), "end %r" % end)
			client.send(b"QUIT\r\n")
			rest = client.rest()
			expect(rest.startswith("221"), "end %r: commands behind the mail: %r" % (end, rest))
		expect(len(relay.hop.mails) == 1, "end %r made %d mails" % (end, len(relay.hop.mails)))
		data = relay.hop.mails[0].data
		expect(b"evil@x" in data, "end %r: the mail was cut" % end)
		expect(not data.replace(b"\r\n", b"").strip(b"\x00").count(b"\n"), "a bare LF went on")
		expect(b"\r" not in data.replace(b"\r\n", b""), "a bare CR went on")
	# The same by BDAT: no dot ends anything there.
	for number, end in enumerate(_ENDS + (b"\r\n.\r\n",)):
		relay.hop.forget()
		content = mails.plain("chunk", b"first" + end + b"MAIL FROM:<evil@x>\r\n")
		replies = raw.dialogue(relay.port, *_envelope("v@x"),
			"BDAT %d LAST\r\n%s" % (len(content), content[:-2].decode("latin-1")))
		expect(replies[-1].startswith("250"), "end %r: %r" % (end, replies))
		expect(len(relay.hop.mails) == 1 and b"evil@x" in relay.hop.mails[0].data, "end %r" % end)


@test
def bare_line_ends_can_be_refused(relay):
	relay.start(bare_line_end="refuse")
	for text in (b"one\ntwo\r\n", b"one\rtwo\r\n"):
		expect_reply(relay.send(mails.plain("bare", text)), "550 5.6.0")
	expect_reply(relay.send(mails.plain("no-bare")), "250")
	expect(relay.hop.counts() == {"no-bare": 1}, repr(relay.hop.counts()))


@test
def dots_survive(relay):
	relay.start()
	text = b".\r\n" + b".leading\r\n" + b"..two\r\n" + b"x\r\n" * 3 + b"...\r\n."
	expect_reply(relay.send(mails.plain("dots", text)), "250")
	expect(relay.arrived("dots").data.endswith(b"\r\n\r\n" + text + b"\r\n"), "dots were changed")


@test
def chunks(relay):
	relay.hop.forget()
	content = mails.clean("chunks")
	parts = [content[:1], content[1:500], b"", content[500:]]
	with raw.Raw(relay.port) as client:
		client.reply()
		client.ask(b"EHLO c\r\n")
		expect(client.ask(b"BDAT 5\r\nxxxxx").startswith("503"), "BDAT without a mail")
		for line in _envelope("v@x"):
			client.ask(line.encode() + b"\r\n")
		for part in parts:
			expect(client.ask(b"BDAT %d\r\n" % len(part) + part).startswith("250"), "a chunk")
		expect(client.ask(b"DATA\r\n").startswith("503"), "DATA after BDAT")
		expect(client.ask(b"BDAT 0 LAST\r\n") == "250 2.0.0 taken\r\n", "the last chunk")
		for line in _envelope("v@x"):
			client.ask(line.encode() + b"\r\n")
		bad = mails.infected("chunk-bad")
		expect(client.ask(b"BDAT %d LAST\r\n" % len(bad) + bad).startswith("550"), "infected")
		for line in _envelope("v@x"):
			client.ask(line.encode() + b"\r\n")
		client.ask(b"BDAT 3\r\nabc")
		expect(client.ask(b"RSET\r\n").startswith("250"), "RSET between chunks")
		expect(client.ask(b"BDAT nonsense\r\n").startswith("421"), "BDAT without a size")
	expect(relay.hop.counts() == {"chunks": 1}, repr(relay.hop.counts()))
	expect(relay.hop.mails[0].data.split(b"\r\n", 1)[1] == content, "the mail was changed")


@test
def order_of_commands(relay):
	relay.start()
	replies = raw.dialogue(relay.port, "RCPT TO:<a@b>", "DATA", "MAIL FROM:<a", "MAIL FROM:<a@b>",
		"MAIL FROM:<a@b>", "DATA", "RCPT TO:<>", "RCPT TO:<a@b>", "STARTTLS", "RSET", "VRFY x",
		"LHLO x", "XFORWARD NAME=\x7f", "FOO", "HELP", "EXPN x", "")
	codes = [reply[:3] for reply in replies]
	expect(codes == ["503", "503", "501", "250", "503", "554", "501", "250", "502", "250", "252",
		"500", "501", "500", "214", "500", "500"], repr(replies))
	with raw.Raw(relay.port) as client:
		client.reply()
		expect(client.ask(b"MAIL FROM:<a@b>\r\n").startswith("503"), "MAIL before EHLO")
		expect(client.ask(b"HELO old\r\n").startswith("250 "), "HELO")


@test
def what_goes_on_is_clean_to_its_end(relay):
	relay.start()
	for bad in ("RCPT TO:<a@b> \x01\x1b[2J", "RCPT TO:<a@b> X=\x7f", "RCPT TO:<a@b> NOTIFY=",
			"RCPT TO:<a@b> X=\x08", "MAIL FROM:<a@b> X=\x08", "RCPT TO:<a\x01@b>"):
		lines = [bad] if bad.startswith("MAIL") else ["MAIL FROM:<a@b>", bad]
		reply = raw.dialogue(relay.port, *lines)[-1]
		expect(reply.startswith("501"), "%r: %s" % (bad, reply))
	for line in relay.hop.lines:
		expect(all(" " <= c <= "~" for c in line), "sent on: %r" % line)


@test
def size_is_limited(relay):
	relay.start(settings=dict(max_message_size="64K", large_mail_size="32K"))
	expect_reply(relay.send(mails.big("big", 200_000)), "451 4.7.1")
	with smtp.Client(relay.port) as client:
		expect_reply(client.command("MAIL FROM:<a@b> SIZE=100000"), "552 5.3.4")
		content = mails.plain("full", b"x" * 998 + b"\r\n")
		content += (b"y" * 62 + b"\r\n") * ((65536 - len(content)) // 64)
		content += b"z" * (65536 - len(content) - 2) + b"\r\n"
		expect(len(content) == 65536, "the test's own sum")
		expect_reply(client.mail(content), "250")
	expect(relay.hop.counts() == {"full": 1}, repr(relay.hop.counts()))


@test
def clients_that_misbehave(relay):
	relay.start(junk_commands=20, next_hop_timeout_ms=2000)
	with raw.Raw(relay.port) as client:
		client.reply()
		client.send(b"x" * 1_000_000 + b"\r\n")
		expect(client.reply().startswith("500 5.5.2"), "a line of 1 MB")
		expect(client.ask(b"EHLO c\r\n").startswith("250"), "it goes on")
	for flood in (b"NOOP\r\n", b"RSET\r\n", b"EHLO c\r\n", b"MAIL FROM:<a@b>\r\nRSET\r\n", b"\r\n",
			b"\x00\xff\r\n", b"RCPT TO:<x@y>\r\n"):
		with raw.Raw(relay.port) as client:
			client.reply()
			client.ask(b"EHLO c\r\n")
			client.send(flood * 200)
			expect("421 4.7.0" in client.rest(), "a flood of %r is not ended" % flood)
	with raw.Raw(relay.port) as client:
		expect("421" in client.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO c\r\n").rest(),
			"a web browser")
	expect_reply(relay.send(mails.clean("still")), "250")


@test
def clients_that_vanish(relay):
	relay.start(next_hop_timeout_ms=2000)
	content = mails.clean("vanish")
	whole = b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<v@x>\r\nDATA\r\n" + content + b".\r\n"
	steps = sorted({0, 3, 8, 20, 25, 40, 46, 50, len(whole) - 4, len(whole) - 2, len(whole)} |
		set(range(60, len(whole), 150)))
	for cut in steps:
		with raw.Raw(relay.port) as client:
			client.send(whole[:cut])
	process.wait_for(lambda: '"sessions":0' in relay.filter.cordon("status", "--json")[1], 10,
		"the end of every session", 0.2)
	expect(len(relay.hop.counts()) <= 1, "half a mail arrived: %r" % relay.hop.counts())
	for mail in relay.hop.mails:
		expect(mail.data.endswith(content), "half a mail arrived")
	expect_reply(relay.send(mails.clean("after-vanish")), "250")


@test
def clients_that_vanish_cost_no_worker(relay):
	"""A scan that has begun goes on without its client: else some clients that go could leave nobody
	to look at the mail of the others."""
	relay.start(settings=dict(inspectors=2))
	before = relay.filter.inspectors()
	for number in range(30):
		client = raw.Raw(relay.port)
		for line in [b"EHLO c"] + [l.encode() for l in _envelope("v@x")] + [b"DATA"]:
			client.send(line + b"\r\n")
		client.send(mails.big("gone-%d" % number, 1_500_000) + b".\r\n")
		time.sleep(0.004 * (number % 5))
		client.socket.close()
	expect_reply(relay.send(mails.clean("here")), "250")
	process.wait_for(lambda: '"mails_in_flight":0' in relay.filter.cordon("status", "--json")[1], 20,
		"the end of every scan", 0.2)
	expect(sorted(relay.filter.pids("inspect")) == before, "inspectors were killed")
	# Some were through before their client went: those are whole, and went on once.
	expect(all(count == 1 for count in relay.hop.counts().values()), repr(relay.hop.counts()))
	lost = relay.filter.log_lines("event=mail", "answer=lost")
	# Looked at to the end, though nobody waited for it; what no worker had begun yet is dropped.
	expect(any("verdict=clean" in line and "next_hop_code" not in line for line in lost) and
		all("verdict=clean" in line or " code=0 " in line for line in lost), "%r" % lost[:2])


@test
def slow_clients_are_cut(relay):
	relay.start(command_timeout_ms=700, settings=dict(io_timeout_ms=700))
	with raw.Raw(relay.port) as client:
		client.reply()
		expect("421 4.4.2" in client.rest(5), "an idle client")
	gate = relay.filter.pids("gate")[0]
	used = process.cpu_s(gate)
	with raw.Raw(relay.port) as client:
		client.reply()
		client.send(b"EHL")
		expect("421 4.4.2" in client.rest(5), "half a command")
	expect(process.cpu_s(gate) - used < 0.3, "half a command keeps the gate busy")
	with raw.Raw(relay.port) as client:
		client.reply()
		for line in [b"EHLO c"] + [l.encode() for l in _envelope("v@x")] + [b"DATA"]:
			client.ask(line + b"\r\n")
		client.send(b"Subject: half\r\n")
		begin = time.monotonic()
		try:
			for _ in range(20):
				client.send(b"x")
				time.sleep(0.2)
		except OSError:
			pass
		expect("421 4.4.2" in client.rest(5) or time.monotonic() - begin < 4, "a slow client")
	expect(not relay.hop.mails, "half a mail arrived")


@test
def too_many_connections(relay):
	relay.start(client_connections=2, trusted=["192.0.2.1"], settings=dict(max_sessions=4))
	clients = [raw.Raw(relay.port) for _ in range(3)]
	expect([c.reply()[:3] for c in clients] == ["220", "220", "421"], "per client")
	for client in clients:
		client.socket.close()
	relay.start(settings=dict(max_sessions=2))
	clients = [raw.Raw(relay.port) for _ in range(3)]
	expect([c.reply()[:3] for c in clients] == ["220", "220", "421"], "in all")
	for client in clients:
		client.socket.close()


@test
def no_descriptor_is_left(relay):
	"""Connections wait then, and keep nobody busy."""
	relay.start(prefix=["prlimit", "--nofile=100:100"], settings=dict(inspectors=2))
	gate, inspectors = relay.filter.pids("gate")[0], relay.filter.inspectors()
	clients = [raw.Raw(relay.port) for _ in range(150)]
	used = process.cpu_s(gate)
	time.sleep(1)
	expect(process.cpu_s(gate) - used < 0.3, "the gate spins")
	# What the supervisor and the trees send it brings descriptors, and must arrive all the same.
	for pid in inspectors[1:]:
		os.kill(pid, signal.SIGKILL)
	relay.filter.inspectors(but=inspectors[1:])
	relay.filter.reload()
	relay.filter.wait_log("event=tree_ready", count=2)
	time.sleep(0.3)
	expect(relay.filter.pids("gate") == [gate], "another gate: %r" % relay.filter.pids("gate"))
	for client in clients:
		client.socket.close()
	expect_reply(relay.send(mails.clean("descriptors")), "250")


@test
def trusted_peers_tell_who_the_client_is(relay):
	relay.start()
	with smtp.Client(relay.port) as client:
		expect_reply(client.command("XFORWARD NAME=mx.far.example ADDR=198.51.100.7 PORT=4321"), "250")
		expect_reply(client.command("XFORWARD PROTO=ESMTP HELO=far.example IDENT=QUEUE1"), "250")
		expect_reply(client.mail(mails.clean("xforward")), "250")
		expect_reply(client.mail(mails.clean("xforward-not")), "250")
	told = relay.filter.wait_log("event=mail", "client=198.51.100.7")
	expect(len(told) == 1 and "client_name=mx.far.example" in told[0] and
		"helo=far.example" in told[0] and "queue_id=QUEUE1" in told[0], repr(told))
	said = relay.hop.heard("XFORWARD")
	expect("ADDR=127.0.0.1" in " ".join(said), "the second mail is its own client's: %r" % said)
	told = " ".join(said)
	for word in ("NAME=mx.far.example", "ADDR=198.51.100.7", "HELO=far.example", "IDENT=QUEUE1"):
		expect(word in told, "%s is not in %s" % (word, told))
	with raw.Raw(relay.port) as client:
		client.reply()
		client.ask(b"EHLO c\r\n")
		expect(client.ask(b"XCLIENT ADDR=IPV6:2001:db8::7 NAME=six.example\r\n").startswith("220"),
			"XCLIENT greets anew")
		expect(client.ask(b"MAIL FROM:<a@b>\r\n").startswith("503"), "EHLO again")
		client.ask(b"EHLO c\r\n")
		for line in _envelope("v@x") + ["DATA"]:
			client.ask(line.encode() + b"\r\n")
		expect(client.ask(mails.clean("xclient") + b".\r\n").startswith("250"), "a mail")
	relay.filter.wait_log("client=2001:db8::7", "client_name=six.example")
	relay.start(trusted=["192.0.2.1"])
	replies = raw.dialogue(relay.port, "XFORWARD NAME=x", "XCLIENT ADDR=1.2.3.4")
	expect([r[:3] for r in replies] == ["550", "550"], repr(replies))


@test
def the_next_hop_takes_the_client_for_its_own(relay):
	relay.start()
	relay.hop.offers.append("XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT")
	with smtp.Client(relay.port) as client:
		expect_reply(client.command("XFORWARD NAME=mx.far.example ADDR=2001:db8::7 HELO=far.example"), "250")
		expect_reply(client.mail(mails.clean("xc-1")), "250")
		expect_reply(client.mail(mails.clean("xc-2")), "250")
	order = [line.split(" ")[0] for line in relay.hop.lines]
	expect(order[:5] == ["EHLO", "XCLIENT", "EHLO", "XFORWARD", "MAIL"], repr(relay.hop.lines))
	said = relay.hop.heard("XCLIENT")
	expect(len(said) == 2 and "ADDR=IPV6:2001:db8::7" in said[0] and "NAME=mx.far.example" in said[0] and
		"HELO=far.example" in said[0] and "ADDR=127.0.0.1" in said[1], repr(said))
	expect(relay.hop.connections == 1, "the kept connection tells of the next client")
	# One that refuses would treat the client as us.
	relay.hop.answer = lambda verb, line, h: b"550 5.7.0 no\r\n" if verb == "XCLIENT" else None
	expect_reply(relay.send(mails.clean("xc-3")), "451 4.4.1")
	relay.hop.forget()
	# A connection that was told of one client is none for a listener that tells of nobody.
	port, both = process.free_port(), hop.Hop().start()
	both.offers.append("XCLIENT NAME ADDR LOGIN")
	relay.start(next_hop=both.address, blocks=[cordond.block("listener", "second", protocol="smtp",
		address="inet:127.0.0.1:%d" % port, next_hop=both.address, xclient=False)])
	expect_reply(relay.send(mails.clean("xc-5")), "250")
	expect_reply(smtp.send(port, mails.clean("xc-6")), "250")
	both.stop()
	expect(both.connections == 2, "the second client was taken for the first: %r" % both.lines)
	relay.start(xclient=False)
	relay.hop.offers.append("XCLIENT NAME ADDR")
	expect_reply(relay.send(mails.clean("xc-4")), "250")
	expect(not relay.hop.heard("XCLIENT"), "XCLIENT although it is switched off")


@test
def proxy_protocol(relay):
	relay.start(proxy_protocol=True)
	version2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes((203, 0, 113, 9, 10, 0, 0, 1)) + \
		b"\x10\x00\x00\x19"
	for header, address in ((b"PROXY TCP4 203.0.113.5 10.0.0.1 4000 25\r\n", "203.0.113.5"),
			(version2, "203.0.113.9"), (b"PROXY TCP6 2001:db8::5 ::1 1 2\r\n", "2001:db8::5"),
			(b"PROXY UNKNOWN\r\n", "127.0.0.1")):
		with raw.Raw(relay.port) as client:
			for byte in header:
				client.send(bytes((byte,)))
			expect(client.reply().startswith("220"), "greeting after %r" % header)
			client.ask(b"EHLO c\r\n")
			expect(client.ask(b"XFORWARD NAME=x\r\n").startswith("250" if address == "127.0.0.1"
				else "550"), "trust after %r" % header)
			for line in _envelope("v@x") + ["DATA"]:
				client.ask(line.encode() + b"\r\n")
			expect(client.ask(mails.clean("px") + b".\r\n").startswith("250"), "a mail")
		relay.filter.wait_log("event=mail", "client=" + address)
	with raw.Raw(relay.port) as client:
		expect(client.send(b"EHLO no header\r\n").rest() == "", "no header, but a word")


@test
def starttls(relay):
	pem = hop.make_certificate(relay.base)
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
	context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
	relay.start(tls_certificate=pem, tls_required=True)
	with smtplib.SMTP("127.0.0.1", relay.port, timeout=20) as client:
		client.ehlo()
		expect(client.has_extn("starttls"), "STARTTLS is not offered")
		expect(client.docmd("MAIL FROM:<a@b>")[0] == 530, "a mail without TLS")
		client.starttls(context=context)
		client.ehlo()
		expect(not client.has_extn("starttls"), "STARTTLS in TLS")
		client.sendmail("a@b", ["v@x"], mails.clean("tls"))
		client.sendmail("a@b", ["v@x"], mails.big("tls-big", 3_000_000))
		try:
			client.sendmail("a@b", ["v@x"], mails.infected("tls-bad"))
			raise AssertionError("infected mail passed")
		except smtplib.SMTPDataError as error:
			expect(error.smtp_code == 550, str(error))
	expect(relay.hop.counts() == {"tls": 1, "tls-big": 1}, repr(relay.hop.counts()))
	relay.filter.wait_log("event=mail", "tls=", "TLSv1.3")
	# What is said in plain behind STARTTLS is no command, neither before nor after it.
	with raw.Raw(relay.port) as client:
		client.reply()
		client.ask(b"EHLO c\r\n")
		reply = client.ask(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<evil@x>\r\n")
		expect(reply.startswith("220"), reply)
		wrapped = context.wrap_socket(client.socket)
		wrapped.sendall(b"EHLO again\r\n")
		got = wrapped.recv(65536)
		expect(got.startswith(b"250-"), "answers to what was said before TLS: %r" % got)
	# A failed handshake ends the connection: nothing is taken as a command.
	with raw.Raw(relay.port) as client:
		client.reply()
		client.ask(b"EHLO c\r\n")
		client.ask(b"STARTTLS\r\n")
		client.send(b"MAIL FROM:<evil@x>\r\nNOOP\r\nQUIT\r\n")
		rest = client.rest()
		expect("250" not in rest and "221" not in rest, "commands after a failed STARTTLS: %r" % rest)


@test
def tls_to_the_next_hop(relay):
	pem = hop.make_certificate(relay.base, "localhost")
	server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	server.load_cert_chain(pem)
	relay.start(tls=server, next_hop_tls="must")
	expect_reply(relay.send(mails.clean("hop-tls")), "250")
	relay.arrived("hop-tls")
	expect("STARTTLS" in relay.hop.lines, "no STARTTLS")
	relay.start(next_hop_tls="must")
	expect_reply(relay.send(mails.clean("hop-no-tls")), "451 4.4.1")
	relay.start(next_hop_tls="may")
	expect_reply(relay.send(mails.clean("hop-may")), "250")
	relay.start(tls=server, next_hop_tls="verify")
	expect_reply(relay.send(mails.clean("hop-verify")), "451 4.4.1")
	expect(not relay.hop.mails, "a mail went to a server that nobody vouches for")


@test
def many_recipients_are_answered_in_order(relay):
	"""Sent at once, in lines that fill every read to its end, with more text than is kept for what
	is under way, to a next hop that is slow to begin."""
	relay.start(recipients=100000, junk_commands=100000)
	count, slow = 4000, []

	def answer(verb, line, _hop):
		if verb != "RCPT":
			return None
		if not slow:
			slow.append(time.sleep(1.5))
		number = int(line.split("<")[1].split(".")[0])
		return b"%d %d\r\n" % (550 if number % 7 == 0 else 250, number)

	relay.hop.answer = answer
	with raw.Raw(relay.port, timeout_s=60) as client:
		client.reply()
		client.ask(b"EHLO c\r\n")
		client.ask(b"MAIL FROM:<a@x>\r\n")
		sender = threading.Thread(daemon=True, target=client.send, args=(b"".join(
			b"RCPT TO:<%04d.%s@x>\r\n" % (n, b"y" * 1005) for n in range(1, count + 1)),))
		sender.start()
		for number in range(1, count + 1):
			reply = client.reply()
			want = "%d %d\r\n" % (550 if number % 7 == 0 else 250, number)
			if reply.startswith("421"):
				break
			expect(reply == want, "%r, not %r" % (reply, want))
	expect(number > 600, "only %d were answered" % number)


@test
def lmtp_replies_for_each_recipient(relay):
	"""What each recipient was told is the next hop's; the record has the worst of it, and a next
	hop that leaves in the middle has left the others with the client."""
	relay.start(protocol="lmtp", next_hop_timeout_ms=2000)
	for finals, want, code, answer in (
			([b"250 2.0.0 a\r\n", b"550 5.1.1 b\r\n", b"250 2.0.0 c\r\n"], ["250", "550", "250"], 550, 550),
			([b"452 4.2.2 a\r\n", b"250 2.0.0 b\r\n", b"250 2.0.0 c\r\n"], ["452", "250", "250"], 452, 452),
			([b"250 2.0.0 a\r\n", hop.CLOSE], ["250", "451", "451"], 250, 451),
			([b"250 2.0.0 a\r\n", b"250 2.0.0 b\r\n", hop.SILENT], ["250", "250", "451"], 250, 451)):
		seen = len(relay.filter.log_lines("event=mail"))
		relay.hop.answer = lambda verb, _line, _hop, f=finals: list(f) if verb == "." else None
		with raw.Raw(relay.port) as client:
			client.reply()
			for line in ["LHLO c"] + _envelope("a@x", "b@x", "c@x") + ["DATA"]:
				client.ask(line.encode() + b"\r\n")
			client.send(mails.clean("lmtp") + b".\r\n")
			got = [client.reply()[:3] for _ in range(3)]
		expect(got == want, "%r, not %r" % (got, want))
		line = relay.filter.wait_log("event=mail", count=seen + 1)[-1]
		expect(" next_hop_code=%d" % code in line and " code=%d" % answer in line and
			"answer=lost" not in line, "not %d and %d: %s" % (code, answer, line))


@test
def what_the_client_was_told_is_recorded(relay):
	"""A mail that we accept and the next hop does not is no mail that arrived: the record has the
	client's answer, the counters and the summary tell of it."""
	relay.start(next_hop_timeout_ms=2000, settings=dict(summary_interval_s=1))
	for verb, says, reply, behind in ((".", b"554 5.6.0 no\r\n", "554 5.6.0 no", 554),
			("DATA", b"450 4.2.0 later\r\n", "450 4.2.0 later", 450),
			(".", hop.CLOSE, "451 4.4.2", 0), ("DATA", hop.SILENT, "451 4.4.2", 0)):
		seen = len(relay.filter.log_lines("event=mail"))
		relay.hop.answer = lambda at, _line, _hop, v=verb, s=says: s if at == v else None
		expect_reply(relay.send(mails.clean("told")), reply)
		line = relay.filter.wait_log("event=mail", count=seen + 1)[-1]
		expect(" verdict=clean action=accept code=%s " % reply[:3] in line and
			"answer=lost" not in line, line)
		expect((" next_hop_code=%d" % behind in line) if behind else
			("next_hop_code" not in line), line)
	counted = json.loads(relay.filter.cordon("status", "--json")[1])
	expect(counted["behind"] == {"refused": 1, "deferred": 3} and counted["actions"]["accept"] == 4,
		counted)
	text = relay.filter.cordon("status")[1]
	expect("behind      refused 1, deferred 3\n" in text, text)
	relay.filter.wait_log("event=summary", "refused_behind=1")
	relay.filter.wait_log("event=summary", "deferred_behind=")


@test
def twenty_clients_at_once(relay):
	from lib import load
	relay.start()
	running = load.Load(relay.port, clients=20, prefix="many").start()
	running.wait_settled(400)
	running.stop()
	wrong = running.account(relay.hop)
	expect(not wrong, "%d: %s" % (len(wrong), wrong[:5]))
	print(running.summary())


runner.main(Fixture, needs_root=False)
