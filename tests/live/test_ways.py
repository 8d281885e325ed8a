#!/usr/bin/env python3
"""The same twenty mails through every way in that has a protocol of its own give the same verdict
record: SMTP before and after the queue, BDAT, LMTP, real Postfix three ways, Sendmail, OpenSMTPD,
Courier, and clamd's socket as far as it has one. Pipes and `cordon smtp` are compared in test_pipe*.py
with the same mails."""

import json
import os
import shlex
import socket
import struct

from lib import cordond, exim, hop, postfix, process, raw, runner, sendmail, sink, smtp, ways
from lib.courier import Courier
from lib.opensmtpd import OpenSMTPD
from lib.runner import Skip, expect, test


class Fixture:
	"""cordond with a listener of every protocol, and the records of the mails over milter."""

	def __init__(self, base):
		self.base = base
		self.hop, self.box = hop.Hop().start(), hop.Hop(lmtp=True).start()
		self.ports = {name: process.free_port() for name in ("proxy", "filter", "lmtp", "postfix",
			"back", "clamd")}
		run = os.path.join(base, "cordond", "run")
		self.smtpd, self.clamd = os.path.join(run, "smtpd.sock"), os.path.join(run, "clamd.sock")

		def listener(name, protocol, next_hop, **more):
			return cordond.block("listener", name, protocol=protocol,
				address="inet:127.0.0.1:%d" % self.ports[name], next_hop=next_hop, **more)

		self.blocks = [listener("proxy", "smtp", self.hop.address),
			listener("filter", "smtp", self.hop.address, way="filter"),
			listener("lmtp", "lmtp", self.box.address),
			listener("postfix", "smtp", "inet:127.0.0.1:%d" % self.ports["back"]),
			cordond.block("listener", "smtpd", protocol="opensmtpd", mode="0666",
				address="unix:" + self.smtpd),
			cordond.block("listener", "files", protocol="clamd", mode="0666",
				address="unix:" + self.clamd),
			cordond.block("listener", "filestcp", protocol="clamd",
				address="inet:127.0.0.1:%d" % self.ports["clamd"])]
		self.filter = cordond.Cordond(base, self.blocks, log_format="json", listen="inet")
		self.filter.start()
		ways.send_by_milter(self.filter.milter, "reference")
		self.wanted = self.records("reference")
		expect(None not in self.wanted, "the milter's own records: %r" % self.wanted)

	def records(self, prefix):
		def whole():
			found = ways.verdict_records(self.filter.log(), prefix)
			return found if None not in found else None
		try:
			return process.wait_for(whole, 10, "the records", 0.2)
		except process.StartError:
			return ways.verdict_records(self.filter.log(), prefix)

	def stop(self):
		self.filter.stop()
		self.hop.stop()
		self.box.stop()

	def log(self, limit=6000):
		return self.filter.log()[-limit:]

	def compare(self, prefix, leave_out=()):
		"""leave_out: numbers of mails that this way cannot carry."""
		got = self.records(prefix)
		for number in leave_out:
			got[number] = self.wanted[number]
		found = ways.differences(self.wanted, got)
		expect(found == "", found)

	def send_by_smtp(self, port, prefix, leave_out=()):
		ways.forget(self.filter)
		for number, (test_id, content) in enumerate(ways.twenty(prefix)):
			if number not in leave_out:
				smtp.send(port, content, sender=ways.sender(test_id))


@test
def smtp_before_the_queue(fixture):
	fixture.send_by_smtp(fixture.ports["proxy"], "proxy")
	fixture.compare("proxy")


@test
def smtp_after_the_queue(fixture):
	fixture.send_by_smtp(fixture.ports["filter"], "filter")
	fixture.compare("filter")


@test
def smtp_in_chunks(fixture):
	ways.forget(fixture.filter)
	for test_id, content in ways.twenty("bdat"):
		with raw.Raw(fixture.ports["proxy"]) as client:
			client.reply()
			for line in ("EHLO c", "MAIL FROM:<%s>" % ways.sender(test_id), "RCPT TO:<bob@test.example>"):
				client.ask(line.encode() + b"\r\n")
			half = len(content) // 2
			client.ask(b"BDAT %d\r\n" % half + content[:half])
			client.ask(b"BDAT %d LAST\r\n" % (len(content) - half) + content[half:])
	fixture.compare("bdat")


@test
def lmtp(fixture):
	ways.forget(fixture.filter)
	for test_id, content in ways.twenty("lmtp"):
		with raw.Raw(fixture.ports["lmtp"]) as client:
			client.reply()
			for line in ("LHLO c", "MAIL FROM:<%s>" % ways.sender(test_id), "RCPT TO:<bob@test.example>",
					"DATA"):
				client.ask(line.encode() + b"\r\n")
			client.ask(content.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
	fixture.compare("lmtp")


def _postfix(fixture, **options):
	if os.getuid() != 0:
		raise Skip("starting a private mail server needs root")
	final = sink.Sink(keep=False).start()
	mta = postfix.Postfix(fixture.base, options.pop("milter", ""), final.port,
		master="127.0.0.1:%d inet n - n - 100 smtpd -o content_filter= -o smtpd_proxy_filter= "
			"-o smtpd_milters=\n" % fixture.ports["back"], **options)
	return final, mta.start()


def _through(fixture, final, mta, prefix, **compare):
	try:
		fixture.send_by_smtp(mta.port, prefix)
		fixture.compare(prefix, **compare)
	finally:
		mta.stop()
		final.stop()


@test
def postfix_by_milter(fixture):
	_through(fixture, *_postfix(fixture, milter=fixture.filter.milter), "pfmilter")


@test
def postfix_by_proxy(fixture):
	_through(fixture, *_postfix(fixture,
		smtpd_options="-o smtpd_proxy_filter=127.0.0.1:%d" % fixture.ports["postfix"]), "pfproxy")


@test
def postfix_by_content_filter(fixture):
	_through(fixture, *_postfix(fixture,
		main="content_filter = smtp:[127.0.0.1]:%d\nsmtp_line_length_limit = 0\n"
			% fixture.ports["postfix"]), "pffilter")


@test
def sendmail_by_milter(fixture):
	if os.getuid() != 0:
		raise Skip("starting a private mail server needs root")
	final = sink.Sink(keep=False).start()
	_through(fixture, final, sendmail.Sendmail(fixture.base, fixture.filter.milter, final.port).start(),
		"smmilter")


@test
def opensmtpd(fixture):
	if os.getuid() != 0:
		raise Skip("starting a private mail server needs root")
	final = sink.Sink(keep=False).start()
	mta = OpenSMTPD(fixture.base, final.port, filter_command="%s opensmtpd unix:%s"
		% (os.path.join(fixture.filter.bin, "cordon"), fixture.smtpd))
	mta.start()
	# A line of 5,000 bytes is one that OpenSMTPD would cut: refused, whatever is in it.
	_through(fixture, final, mta, "osmtpd", leave_out=[19])


@test
def courier(fixture):
	if os.getuid() != 0:
		raise Skip("a private Courier needs root")
	mta = Courier(fixture.base, members=["nobody"])
	listener = cordond.block("listener", "courier", protocol="courier",
		address="unix:%s/cordon" % mta.filters, mode="0660", group="courier")
	base = os.path.join(fixture.base, "inside")
	os.makedirs(base, exist_ok=True)
	os.chmod(base, 0o755)
	daemon = cordond.Cordond(base, [listener], log_format="json")
	script = os.path.join(base, "cordond.sh")
	with open(script, "w") as handle:
		handle.write('#!/bin/sh\nexec %s "$@"\n' % shlex.join(
			mta.command([os.path.join(daemon.bin, "cordond")])))
	folder = os.path.join(base, "programs")
	os.makedirs(folder, exist_ok=True)
	os.replace(script, os.path.join(folder, "cordond"))
	os.chmod(os.path.join(folder, "cordond"), 0o755)
	daemon.bin = folder
	daemon.start()
	try:
		for test_id, content in ways.twenty("courier"):
			mta.submit(content, sender=ways.sender(test_id))
		daemon.wait_log("courier-19@client.example")    # the answer may be there before the record
		records = ways.verdict_records(daemon.log(), "courier")
		# submit parses a mail and writes it anew, with MIME fields in every part, before it asks: what
		# was ambiguous no longer is, and two of the twenty it refuses itself.
		expect([n for n, one in enumerate(records) if one is None] == [10, 11], repr(records))
		for number, (want, got) in enumerate(zip(fixture.wanted, records)):
			expect(got is None or all(want[field] == got[field] for field in
				("verdict", "action", "code", "names", "cause")), "mail %d: %r, %r" % (number, want, got))
	finally:
		daemon.stop()


@test
def exim_by_clamd(fixture):
	"""Exim asks by the clamd socket: what is refused over milter is refused, what passes passes."""
	if os.getuid() != 0:
		raise Skip("a private Exim needs root")
	final = sink.Sink(keep=False).start()
	mta = exim.Exim(fixture.base, final.port, scanner="clamd:127.0.0.1 %d" % fixture.ports["clamd"])
	mta.start()
	ways.forget(fixture.filter)
	try:
		for number, (test_id, content) in enumerate(ways.twenty("exim")):
			record = fixture.wanted[number]
			reply = smtp.send(mta.port, content, sender=ways.sender(test_id))
			want = {"accept": 250, "reject": 550, "tempfail": 451}[record["action"]]
			expect(reply.code == want, "mail %d: %s, %r" % (number, reply, record))
	finally:
		mta.stop()
		final.stop()


@test
def clamd(fixture):
	"""OK, FOUND and ERROR stand for what the policy does with the mail."""
	ways.forget(fixture.filter)
	for number, (test_id, content) in enumerate(ways.twenty("clamd")):
		with socket.socket(socket.AF_UNIX) as peer:
			peer.settimeout(30)
			peer.connect(fixture.clamd)
			peer.sendall(b"zINSTREAM\0" + struct.pack("!I", len(content)) + content + bytes(4))
			answer = peer.makefile("rb").read().rstrip(b"\0").decode("latin-1")
		record = fixture.wanted[number]
		word = "FOUND" if record["verdict"] == "infected" else \
			"OK" if record["action"] == "accept" else "ERROR"
		expect(answer.endswith(word), "mail %d %s: %s, %s" % (number, test_id, answer, json.dumps(record)))


runner.main(Fixture, needs_root=False)
