#!/usr/bin/env python3
"""What no MTA sends: malformed packets, impossible lengths, zero bytes in addresses, slow peers, and
peers that vanish at every point. After each the same gate process must serve the next mail."""

import random
import resource
import socket
import struct
import time

from lib import cordond, mails, milter, process, runner
from lib.runner import Skip, expect, test
from lib.station import Station

IDLE_SESSIONS = 2000
IDLE_LIMIT_KB = 16 * 1024


class Fixture(Station):
	"""One cordond for all tests of this file, with a short time limit for half packets."""

	def __init__(self, base):
		super().__init__(base)
		self.start(io_timeout_ms=1500, max_message_size="300M", memory_budget="1G")
		self.gate = self.filter.pids("gate")
		self.turn = 0

	def survives(self):
		"""Fails unless the same gate still serves: clean passes, EICAR is refused."""
		self.turn += 1
		self.expect_passed(mails.plain("alive", b"turn %d\r\n" % self.turn))
		self.expect_refused(mails.infected("alive-bad-%d" % self.turn), "550 5.7.1")
		expect(self.filter.pids("gate") == self.gate, "the gate died: %r instead of %r"
			% (self.filter.pids("gate"), self.gate))

	def opened(self, **options):
		"""A Dialogue with negotiation, connection and HELO done."""
		dialogue = milter.Dialogue(self.filter.milter)
		dialogue.negotiate(**options)
		dialogue.connected()
		dialogue.helo()
		return dialogue


def _send_and_look(station, data, timeout_s=4):
	"""Sends bytes on a fresh connection and reads until the filter closes or falls silent."""
	with milter.connect(station.filter.milter, timeout_s) as peer:
		try:
			peer.sendall(data)
			peer.shutdown(socket.SHUT_WR)
			while peer.recv(65536):
				pass
		except (ConnectionError, TimeoutError):
			pass


NEGOTIATION = milter.packet(b"O", struct.pack(">III", 6, 0x1ff, 0x1fffff))

MALFORMED = {
	"nothing": b"",
	"length_zero": struct.pack(">I", 0),
	"length_zero_many": struct.pack(">I", 0) * 10000,
	"length_4g": struct.pack(">I", 0xffffffff) + b"O" * 100,
	"length_2g": struct.pack(">I", 0x80000000) + b"B" * 100,
	"length_1g": struct.pack(">I", 1 << 30) + b"B" * 100,
	"half_length": b"\0\0",
	"half_packet": struct.pack(">I", 100) + b"L" + b"x" * 10,
	"negotiation_empty": milter.packet(b"O"),
	"negotiation_short": milter.packet(b"O", b"\0\0\0\6\0\0"),
	"negotiation_long": milter.packet(b"O", struct.pack(">III", 6, 0x1ff, 0) + b"x" * 5000),
	"negotiation_version_0": milter.packet(b"O", struct.pack(">III", 0, 0x1ff, 0x1fffff)),
	"negotiation_version_1": milter.packet(b"O", struct.pack(">III", 1, 0x1ff, 0x7f)),
	"negotiation_version_99": milter.packet(b"O", struct.pack(">III", 99, 0x1ff, 0x1fffff)),
	"negotiation_no_actions": milter.packet(b"O", struct.pack(">III", 6, 0, 0)),
	"negotiation_twice": NEGOTIATION * 2,
	"http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"mail_before_negotiation": milter.packet(b"M", b"<a@b.example>\0"),
	"unknown_command": NEGOTIATION + milter.packet(b"\xff", b"?"),
	"reply_as_command": NEGOTIATION + milter.packet(b"y", b"550 no\0"),
	"connect_empty": NEGOTIATION + milter.packet(b"C"),
	"connect_no_family": NEGOTIATION + milter.packet(b"C", b"name\0"),
	"connect_bad_family": NEGOTIATION + milter.packet(b"C", b"name\0Z\0\0x\0"),
	"connect_short_port": NEGOTIATION + milter.packet(b"C", b"name\0" + b"4\0"),
	"connect_no_end": NEGOTIATION + milter.packet(b"C", b"name\0" + b"4\0\x19127.0.0.1"),
	"helo_no_end": NEGOTIATION + milter.packet(b"H", b"name"),
	"mail_empty": NEGOTIATION + milter.packet(b"M"),
	"mail_no_end": NEGOTIATION + milter.packet(b"M", b"<a@b.example>"),
	"mail_only_zeros": NEGOTIATION + milter.packet(b"M", b"\0" * 1000),
	"rcpt_before_mail": NEGOTIATION + milter.packet(b"R", b"<a@b.example>\0"),
	"header_before_mail": NEGOTIATION + milter.packet(b"L", b"Subject\0x\0"),
	"header_one_string": NEGOTIATION + milter.packet(b"M", b"<a>\0") + milter.packet(b"L", b"Subject"),
	"header_empty": NEGOTIATION + milter.packet(b"M", b"<a>\0") + milter.packet(b"L"),
	"header_no_name": NEGOTIATION + milter.packet(b"M", b"<a>\0") + milter.packet(b"L", b"\0\0"),
	"body_before_mail": NEGOTIATION + milter.packet(b"B", b"x" * 65535),
	"end_before_mail": NEGOTIATION + milter.packet(b"E"),
	"end_twice": NEGOTIATION + milter.packet(b"M", b"<a>\0") + milter.packet(b"E") * 2,
	"abort_first": NEGOTIATION + milter.packet(b"A") * 100,
	"macro_empty": NEGOTIATION + milter.packet(b"D"),
	"macro_no_stage": NEGOTIATION + milter.packet(b"D", b"\0"),
	"macro_odd": NEGOTIATION + milter.packet(b"D", b"Cj\0host\0name"),
	"macro_no_end": NEGOTIATION + milter.packet(b"D", b"M{auth_authen}\0bob"),
	"macro_many": NEGOTIATION + milter.packet(b"D", b"M" + b"{x}\0y\0" * 100000),
	"macro_bad_stage": NEGOTIATION + milter.packet(b"D", b"\xffj\0x\0"),
	"quit_with_payload": NEGOTIATION + milter.packet(b"Q", b"x" * 1000),
	"quit_new_connection": NEGOTIATION + milter.packet(b"K") + milter.packet(b"C"),
	"body_2_megabytes": NEGOTIATION + milter.packet(b"M", b"<a>\0") + milter.packet(b"B", b"x" * (2 << 20)),
}


@test
def malformed_packets(station):
	for name, data in MALFORMED.items():
		begin = time.monotonic()
		_send_and_look(station, data)
		try:
			station.survives()
		except AssertionError as error:
			raise AssertionError("after %s: %s" % (name, error)) from None
		expect(time.monotonic() - begin < 30, "%s held up the gate" % name)


@test
def malformed_packets_leave_a_log_line(station):
	before = len(station.filter.log())
	_send_and_look(station, MALFORMED["length_4g"])
	process.wait_for(lambda: "milter" in station.filter.log()[before:], 10,
		"a log line about the broken peer")


@test
def random_bytes(station):
	for seed in range(60):
		chance = random.Random(seed)
		data = NEGOTIATION if seed % 2 else b""
		for _ in range(chance.randrange(1, 40)):
			command = bytes([chance.choice(b"OCHMRDLNBEAQKTUx")])
			payload = chance.randbytes(chance.choice((0, 1, 2, 7, 50, 300)))
			if chance.random() < 0.5:
				payload += b"\0"
			data += milter.packet(command, payload)
		if seed % 3 == 0:
			data = data[:chance.randrange(1, len(data) + 1)]
		_send_and_look(station, data, timeout_s=2)
	station.survives()


@test
def zero_byte_in_an_address(station):
	for address in (b"<al\0ice@client.example>", b"\0<alice@client.example>", b"<a@b>\0\0\0\0"):
		with station.opened() as dialogue:
			try:
				dialogue.sender(address)
				dialogue.recipient(b"<bo\0b@test.example>")
				answer = dialogue.mail(mails.infected("nul-address"))
				expect(milter.is_refused(answer), "EICAR passed: %r" % (answer,))
			except milter.Closed:
				pass
	station.survives()


@test
def hostile_addresses_do_not_break_the_log(station):
	evil = b"<a\r\nevent=forged verdict=clean\x1b[31m\xff\"@client.example>"
	with station.opened() as dialogue:
		dialogue.sender(evil)
		dialogue.recipient(b"<" + b"r" * 60000 + b"@test.example>")
		dialogue.end_of_headers()
		dialogue.end()
	lines = station.filter.log_lines("event=forged verdict=clean")
	expect(not any(line.startswith("event=forged") for line in
		station.filter.log().splitlines()), "a sender's address made a log line of its own")
	expect(all("\x1b" not in line for line in lines), "an escape character is in the log")
	expect(max(map(len, station.filter.log().splitlines())) < 10000, "a log line of over 10 KB")
	station.survives()


@test
def peer_vanishes_at_every_point(station):
	steps = [lambda d: d.negotiate(), lambda d: d.connected(), lambda d: d.helo(),
		lambda d: d.macros(b"M", i="4abc", mail_addr="alice@client.example"),
		lambda d: d.sender(), lambda d: d.recipient(), lambda d: d.header(b"Subject", b"x"),
		lambda d: d.end_of_headers(), lambda d: d.body(b"x" * 100000),
		lambda d: d.raw(milter.packet(b"E"))]
	for last in range(len(steps) + 1):
		for half in (False, True):
			dialogue = milter.Dialogue(station.filter.milter)
			for step in steps[:last]:
				step(dialogue)
			if half:
				dialogue.raw(b"\0\0\1\0B")
			dialogue.close()
	station.survives()


@test
def abort_at_every_point_then_another_mail(station):
	with station.opened() as dialogue:
		steps = [lambda: dialogue.sender(), lambda: dialogue.recipient(),
			lambda: dialogue.header(b"Subject", b"x"), lambda: dialogue.end_of_headers(),
			lambda: dialogue.body(mails.eicar())]
		for last in range(1, len(steps) + 1):
			for step in steps[:last]:
				step()
			dialogue.abort()
			answer = dialogue.mail(mails.plain("after-abort", b"no virus here\r\n"))
			expect(answer[0] in (milter.CONTINUE, milter.ACCEPT),
				"a clean mail after an aborted one: %r" % (answer,))
		answer = dialogue.mail(mails.infected("after-aborts"))
		expect(answer[1].startswith(b"550"), "EICAR after aborts: %r" % (answer,))


@test
def slow_peer_is_served(station):
	data = milter.packet(b"M", b"<slow@client.example>\0")
	with station.opened(protocol=0) as dialogue:
		for byte in data:
			dialogue.raw(bytes([byte]))
			time.sleep(0.01)
		expect(dialogue.answer()[0] == milter.CONTINUE, "a slow MAIL was refused")
		dialogue.recipient()
		dialogue.end_of_headers()
		station.survives()
		dialogue.body(mails.eicar())
		expect(dialogue.end()[1].startswith(b"550"), "EICAR from a slow peer passed")


@test
def half_a_packet_is_timed_out(station):
	with station.opened() as dialogue:
		dialogue.raw(struct.pack(">I", 1000) + b"Bxxx")
		station.survives()
		dialogue.socket.settimeout(15)
		try:
			data = dialogue.socket.recv(100)
		except ConnectionError:
			data = b""
		expect(data == b"", "a peer with half a packet got %r" % data)


@test
def peer_that_never_reads(station):
	peers = []
	for _ in range(5):
		peer = milter.connect(station.filter.milter)
		peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
		peer.settimeout(0.5)
		try:
			peer.sendall(milter.packet(b"O", struct.pack(">III", 6, 0x1ff, 0)))
			while True:
				peer.sendall(milter.packet(b"H", b"x\0") * 1000)
		except (TimeoutError, ConnectionError):
			pass
		peers.append(peer)
	station.survives()
	for peer in peers:
		peer.close()


@test
def older_protocol_versions(station):
	for version, flags in ((2, 0), (2, 0x7f), (3, 0x7f), (4, 0xfff), (6, 0), (6, 0x1fffff)):
		options = dict(version=version, protocol=flags)
		answer = station.ask(mails.infected("version"), **options)
		expect(answer[1].startswith(b"550"), "version %d: EICAR got %r" % (version, answer))
		answer = station.ask(mails.clean("version-clean"), **options)
		expect(answer[0] in (milter.CONTINUE, milter.ACCEPT),
			"version %d: clean mail got %r" % (version, answer))


@test
def filter_asks_for_no_more_than_offered(station):
	for actions, protocol in ((0, 0), (0x1, 0x7f), (0x1ff, 0x1fffff), (0x10, 0x100000)):
		with milter.Dialogue(station.filter.milter) as dialogue:
			try:
				version, got_actions, got_protocol = dialogue.negotiate(6, actions, protocol)
			except milter.Closed:
				continue
			expect(version <= 6, "version %d" % version)
			expect(got_actions & ~actions == 0, "actions %#x of %#x" % (got_actions, actions))
			expect(got_protocol & ~(protocol | 0x70000000) == 0,
				"protocol %#x of %#x" % (got_protocol, protocol))


@test
def hundred_thousand_headers(station):
	before = station.filter.rss_kb()
	answer = station.ask(mails.many_headers("headers", 100_000),
		protocol=milter.NO_SKIPPING | 0x80)
	expect(answer[0] in (milter.CONTINUE, milter.ACCEPT, milter.REPLY_CODE),
		"answer %r" % (answer,))
	station.survives()
	expect(cordond.is_sanitized() or station.filter.rss_kb() - before < 100_000,
		"memory grew by %d KB" % (station.filter.rss_kb() - before))


@test
def over_long_header(station):
	for size in (60_000, 1_000_000, 12_000_000):
		with station.opened(protocol=milter.NO_SKIPPING) as dialogue:
			try:
				dialogue.sender()
				dialogue.recipient()
				dialogue.header(b"X-Long", b"v" * size)
				dialogue.end_of_headers()
				dialogue.body(mails.eicar())
				answer = dialogue.end()
				expect(milter.is_refused(answer), "%d bytes: %r" % (size, answer))
			except milter.Closed:
				pass
	station.survives()


@test
def twenty_thousand_recipients(station):
	recipients = [b"<r%d@test.example>" % number for number in range(20_000)]
	with station.opened(protocol=milter.NO_SKIPPING | 0x8000) as dialogue:
		answer = dialogue.mail(mails.infected("recipients"), recipients)
		expect(answer[1].startswith(b"550"), "answer %r" % (answer,))
	station.survives()


@test
def three_thousand_nested_multiparts(station):
	begin = time.monotonic()
	answer = station.ask(mails.nested("nested", 3000))
	expect(milter.is_refused(answer, b"451") or answer[0] in (milter.CONTINUE, milter.ACCEPT),
		"answer %r" % (answer,))
	expect(time.monotonic() - begin < 60, "it took %.0f s" % (time.monotonic() - begin))
	station.survives()


@test
def mail_of_200_megabytes(station):
	with station.opened(protocol=milter.NO_SKIPPING | 0x80000) as dialogue:
		dialogue.socket.settimeout(200)
		dialogue.sender()
		dialogue.recipient()
		dialogue.header(b"Subject", b"huge")
		dialogue.end_of_headers()
		block = b"x" * 60 + b"\r\n"
		block = block * (1 << 14)
		for _ in range(200 * (1 << 20) // len(block)):
			dialogue.body(block)
		dialogue.body(mails.eicar() + b"\r\n")
		answer = dialogue.end()
	expect(milter.is_refused(answer), "200 MB with EICAR at the end: %r" % (answer,))
	station.survives()


@test
def idle_sessions_are_cheap(station):
	soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
	if hard < IDLE_SESSIONS + 200:
		raise Skip("only %d open files allowed" % hard)
	resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
	before = station.filter.rss_kb()
	sessions = []
	try:
		for _ in range(IDLE_SESSIONS):
			sessions.append(station.opened(protocol=0x1fffff))
		grown = station.filter.rss_kb() - before
		print("%d idle sessions: %d KB" % (IDLE_SESSIONS, grown))
		station.survives()
		if not cordond.is_sanitized():
			expect(grown < IDLE_LIMIT_KB, "%d idle sessions take %d KB" % (IDLE_SESSIONS, grown))
	finally:
		for session in sessions:
			session.close()
		resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


runner.main(Fixture, needs_root=False)
