#!/usr/bin/env python3
"""The same as run_faults.py for all other ways in: SMTP and LMTP with a next hop, clamd's socket,
OpenSMTPD, Courier, and the commands for pipes, with and without the daemon. Whatever is refused:

  - an infected mail is never let through;
  - who is told that his mail was taken, his mail has arrived, whole;
  - what arrives is whole, whoever was told what;
  - a clean mail is not refused for good;
  - everything has an end in time, the way in serves the next mails, nothing stays behind.

Each case has CORDON_FAULT_SECONDS (a second without it); n goes on in larger steps where a run makes
more calls than fit in.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time

import faults
from faults import MAIL_TIME_S
from lib import clamd_peer, cordond, hop, mails, process
from lib.runner import expect

PASSED, REFUSED, LATER = "passed", "refused", "later"
_SECONDS = float(os.environ.get("CORDON_FAULT_SECONDS") or 1)
_RECOVERY_S = 15
_BURST = 8
_ALL = 0xffffffff           # so many calls in a row: every one from the n-th on
_HEADER = b"X-Virus-Scanned:"


class Lost(Exception):
	"""The other side went away."""


class Lines:
	"""A dialogue of lines with one end in time for all of it."""

	def __init__(self, connected):
		self.socket = connected
		self.end_s = time.monotonic() + MAIL_TIME_S
		self._rest = b""

	def __enter__(self):
		return self

	def __exit__(self, *_):
		self.socket.close()

	def send(self, data):
		self.socket.settimeout(MAIL_TIME_S)
		try:
			self.socket.sendall(data)
		except ConnectionError:
			raise Lost from None

	def line(self):
		"""The next line without its end."""
		while b"\n" not in self._rest:
			left = self.end_s - time.monotonic()
			if left <= 0:
				raise TimeoutError
			self.socket.settimeout(left)
			try:
				more = self.socket.recv(65536)
			except ConnectionError:
				more = b""
			if not more:
				raise Lost
			self._rest += more
		line, self._rest = self._rest.split(b"\n", 1)
		return line.rstrip(b"\r")

	def reply(self):
		"""The code of the next SMTP reply."""
		while True:
			line = self.line()
			expect(line[:3].isdigit() and line[3:4] in (b" ", b"-", b""), "a reply: %r" % line)
			if line[3:4] != b"-":
				return int(line[:3])

	def ask(self, line):
		self.send(line + b"\r\n")
		return self.reply()


def _judged(code):
	return PASSED if code < 400 else LATER if code < 500 else REFUSED


def _smtp(talk, content, hello=b"EHLO", chunked=False):
	"""One mail in an SMTP or LMTP dialogue."""
	code = talk.reply()
	for line in (hello + b" client.test.example", b"MAIL FROM:<alice@client.example>",
			b"RCPT TO:<bob@test.example>"):
		if code >= 400:
			return _judged(code)
		code = talk.ask(line)
	if code >= 400:
		return _judged(code)
	if chunked:
		half = len(content) // 2
		talk.send(b"BDAT %d\r\n%sBDAT %d LAST\r\n%s" % (half, content[:half],
			len(content) - half, content[half:]))
		code = talk.reply()
		if code >= 400:
			return _judged(code)
		return _judged(talk.reply())
	code = talk.ask(b"DATA")
	if code >= 400:
		return _judged(code)
	talk.send(content + b".\r\n")
	return _judged(talk.reply())


def _smtpd(talk, content):
	"""One mail, told as smtpd of OpenSMTPD tells it. Returns what became of it, and the mail as it
	came back."""
	report = "report|0.7|1.0|smtp-in|%s|0000000000000001%s\n"
	lines = ["config|smtpd-version|7.5.0\n", "config|subsystem|smtp-in\n", "config|ready\n",
		report % ("link-connect", "|c.example|pass|192.0.2.1:301|192.0.2.9:25"),
		report % ("tx-mail", "|00000001|ok|alice@client.example"),
		report % ("tx-rcpt", "|00000001|ok|bob@test.example")]
	data = b"filter|0.7|1.0|smtp-in|data-line|0000000000000001|00000000000000f1|%s\n"
	talk.send("".join(lines).encode() + b"".join(data % line
		for line in content.split(b"\r\n")[:-1]) + data % b".")
	given = []
	while not given or given[-1] != b".":
		line = talk.line()
		if line.startswith(b"filter-dataline|"):
			expect(line.startswith(b"filter-dataline|0000000000000001|00000000000000f1|"),
				"a line of the mail: %r" % line)
			given.append(line.split(b"|", 3)[3])
	talk.send(b"filter|0.7|1.0|smtp-in|commit|0000000000000001|00000000000000c1|\n")
	line = talk.line()
	expect(line.startswith(b"filter-result|0000000000000001|00000000000000c1|"), "%r" % line)
	answer = line.split(b"|", 3)[3]
	if answer == b"proceed":
		return PASSED, b"".join(part + b"\r\n" for part in given[:-1])
	expect(answer[:8] in (b"reject|4", b"reject|5"), "the answer: %r" % answer)
	return LATER if answer[7:8] == b"4" else REFUSED, None


def _read(path):
	"""The bytes of a file, None when there is none."""
	try:
		with open(path, "rb") as handle:
			return handle.read()
	except FileNotFoundError:
		return None


class Ways(faults.Faulty):
	"""A daemon with a listener for each way in, and next hops behind. Each way is a method that
	takes a test id and a mail, looks at what arrived, and returns PASSED, REFUSED or LATER; what
	the next hops got is looked at later."""

	def __init__(self, base):
		super().__init__(base)
		self.hops = [hop.Hop().start(), hop.Hop(lmtp=True).start()]
		self.ports = [process.free_port(), process.free_port()]
		self.case = None
		self.config_calls = self.config_text = None
		self.sent = {}                  # X-Test-Id -> the mail; None: infected
		self.folder = os.path.join(base, "files")
		os.mkdir(self.folder)
		os.chmod(self.folder, 0o755)

	def stop(self):
		super().stop()
		for one in self.hops:
			one.stop()

	def socket_path(self, name):
		return os.path.join(self.base, "cordond", "run", name + ".sock")

	def listeners(self):
		return [cordond.block("listener", name, protocol=name, next_hop=self.hops[i].address,
				address="inet:127.0.0.1:%d" % self.ports[i], next_hop_timeout_ms=3000)
			for i, name in enumerate(("smtp", "lmtp"))] + [
			cordond.block("listener", name, protocol=name, mode="0666",
				address="unix:" + self.socket_path(name))
			for name in ("clamd", "opensmtpd", "courier")]

	def mail(self, infected):
		"""(test id, mail) never seen before."""
		content = self.infected("new") if infected else self.clean()
		name = "fault-%d" % self.turn
		self.sent[name] = None if infected else content
		return name, content

	def arrived(self, name, data):
		"""Fails unless the mail of that name may arrive, and is whole."""
		expect(name in self.sent, "a mail with the id %r arrived" % name)
		content = self.sent[name]
		expect(content is not None, "AN INFECTED MAIL PASSED: %r" % data[:200])
		head = data[:-len(content)]
		expect(data.endswith(content) and head.startswith(_HEADER) and head.endswith(b"\n") and
			all(line[:1] in b" \t" for line in head.splitlines()[1:]),
			"a mail was damaged: %d bytes of %d: %r" % (len(data), len(content), data[:300]))

	def expect_arrivals(self):
		"""Looks at all that the next hops have got, and forgets it."""
		for one in self.hops:
			for mail in list(one.mails):
				self.arrived(mail.test_id, mail.data)
			one.mails.clear()

	def has_arrived(self, name):
		return any(mail.test_id == name for one in self.hops for mail in list(one.mails))

	def try_way(self, way, infected):
		"""Sends one mail that way and judges what became of it: True when it is as it should be,
		False when it is to be tried again."""
		name, content = self.mail(infected)
		try:
			answer = getattr(self, way)(name, content)
		except (Lost, ConnectionError):
			answer = LATER
		except (TimeoutError, subprocess.TimeoutExpired):
			raise AssertionError("a mail by %s had no answer" % way) from None
		if infected:
			expect(answer != PASSED, "AN INFECTED MAIL PASSED: by %s" % way)
		else:
			expect(answer != REFUSED, "a clean mail was refused: by %s" % way)
		return answer == (REFUSED if infected else PASSED)

	def serves_way(self, way, which):
		end = time.monotonic() + _RECOVERY_S
		while not all(self.try_way(way, infected) for infected in which):
			expect(time.monotonic() < end, "%s is still not served %d s later"
				% (way, _RECOVERY_S))
			time.sleep(0.02)

	def cut_hops(self):
		"""The daemon keeps connections to next hops; it closes them when they do."""
		for one in self.hops:
			one.cut()

	def _tcp(self, port):
		try:
			return Lines(socket.create_connection(("127.0.0.1", port), MAIL_TIME_S))
		except ConnectionError:
			raise Lost from None

	def _unix(self, name):
		try:
			return Lines(clamd_peer.connect("unix:" + self.socket_path(name), MAIL_TIME_S))
		except (ConnectionError, FileNotFoundError):
			raise Lost from None

	def _taken(self, name, answer):
		expect(answer != PASSED or self.has_arrived(name),
			"250 for a mail that did not arrive: %s" % name)
		return answer

	def smtp(self, name, content):
		with self._tcp(self.ports[0]) as talk:
			return self._taken(name, _smtp(talk, content))

	def bdat(self, name, content):
		with self._tcp(self.ports[0]) as talk:
			return self._taken(name, _smtp(talk, content, chunked=True))

	def lmtp(self, name, content):
		with self._tcp(self.ports[1]) as talk:
			return self._taken(name, _smtp(talk, content, b"LHLO"))

	def opensmtpd(self, name, content):
		with self._unix("opensmtpd") as talk:
			return self._came_back(name, _smtpd(talk, content))

	def _came_back(self, name, result):
		answer, data = result
		if answer == PASSED:
			self.arrived(name, data)
		return answer

	def courier(self, name, content):
		paths = [self.write(name + ".data", content.replace(b"\r\n", b"\n")),
			self.write(name + ".ctl", b"salice@client.example\nrbob@test.example\nMid\n")]
		try:
			with self._unix("courier") as talk:
				talk.send("".join(path + "\n" for path in paths).encode() + b"\n")
				return _judged(talk.reply())
		finally:
			for path in paths:
				os.unlink(path)

	def write(self, name, content):
		path = os.path.join(self.folder, name)
		with open(path, "wb") as handle:
			handle.write(content)
		return path

	@contextlib.contextmanager
	def file(self, name, content):
		path = self.write(name, content)
		try:
			yield path
		finally:
			os.unlink(path)

	def _clamd(self, *packets):
		try:
			return clamd_peer.talk("unix:" + self.socket_path("clamd"), *packets, pause_s=0)
		except (ConnectionError, FileNotFoundError):
			raise Lost from None

	@staticmethod
	def _clamd_answer(answer):
		"""What a client makes of it: FOUND, OK, or nothing it can use."""
		words = [line.rsplit(b" ", 1)[-1] for line in answer.split(b"\0")[:-1]]
		if b"FOUND" in words:
			return REFUSED
		return PASSED if words == [b"OK"] else LATER

	def clamd_stream(self, _, content):
		half = len(content) // 2
		return self._clamd_answer(self._clamd(b"zINSTREAM\0",
			clamd_peer.stream(content[:half], content[half:])))

	def clamd_scan(self, name, content):
		with self.file(name, content) as path:
			return self._clamd_answer(self._clamd(b"zSCAN %s\0" % path.encode()))

	def clamd_folder(self, name, content):
		"""The file in a folder beside a clean one."""
		folder = os.path.join(self.folder, "folder")
		os.makedirs(folder, exist_ok=True)
		with self.file("folder/a", b"clean %s" % name.encode()), self.file("folder/b", content):
			return self._clamd_answer(self._clamd(b"zCONTSCAN %s\0" % folder.encode()))

	def clamd_fildes(self, name, content):
		with self.file(name, content) as path, open(path, "rb") as handle:
			return self._clamd_answer(self._clamd(b"zFILDES\0",
				clamd_peer.Fd(b"\0", handle.fileno())))

	def clamd_session(self, name, content):
		"""Within IDSESSION, between two clean ones."""
		other = clamd_peer.stream(b"clean %s" % name.encode())
		answers = self._clamd(b"zIDSESSION\0", b"zINSTREAM\0" + other,
			b"zINSTREAM\0" + clamd_peer.stream(content), b"zINSTREAM\0" + other, b"zEND\0")
		found = {}
		for line in answers.split(b"\0")[:-1]:
			number, _, rest = line.partition(b": ")
			expect(number not in found, "two answers to one file: %r" % answers)
			found[number] = rest + b"\0"
		for number in (b"1", b"3"):
			expect(not found.get(number, b"").endswith(b"FOUND\0"), "a clean file: %r" % answers)
		return self._clamd_answer(found.get(b"2", b""))

	def _command(self, *arguments):
		return [os.path.join(self.filter.bin, "cordon"), arguments[0], "-c", self.filter.config,
			*arguments[1:]]

	def _run(self, content, *arguments, **options):
		with self.preloaded():
			done = subprocess.run(self._command(*arguments), input=content, timeout=MAIL_TIME_S,
				stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
		return done

	def _filtered(self, name, content, *options):
		done = self._run(content, "filter", "-f", "alice@client.example", *options)
		if done.returncode == 0:
			self.arrived(name, done.stdout)
			return PASSED
		# What was written before a failure is a beginning of the mail, and only of a clean one.
		expect(self.sent[name] is not None or done.stdout == b"",
			"AN INFECTED MAIL WAS WRITTEN, status %d" % done.returncode)
		return self._later_or_refused(done)

	def _later_or_refused(self, done, refused=69, later=(75,)):
		"""REFUSED or LATER."""
		if done.returncode == refused:
			return REFUSED
		expect(done.returncode in later or self._may_end_by(-done.returncode),
			"status %d: %r" % (done.returncode, done.stderr))
		return LATER

	def _may_end_by(self, number):
		"""Without memory a command may abort, as all that run it take for "later". The library
		that reads the configuration may crash then: no mail has been touched by that time."""
		if self.case.kind != "memory":
			return False
		if number == signal.SIGSEGV:
			return self.case.n <= self.config_calls
		return number == signal.SIGABRT

	def count_config_calls(self):
		"""Counts the allocations of a command that reads the configuration and does no more."""
		if self.config_calls is None:
			self.page.arm("command", "memory", 0)
			self._run(b"", "check-config")
			self.config_calls = self.page.disarm()[0]

	def filter_daemon(self, name, content):
		return self._filtered(name, content, "--no-local")

	def filter_local(self, name, content):
		return self._filtered(name, content, "--local")

	def deliver(self, name, content):
		"""The agent is a shell that keeps what it gets."""
		path = os.path.join(self.folder, "delivered")
		done = self._run(content, "deliver", "--no-local", "bob@test.example", "--", "sh", "-c",
			"cat >%s.new && mv %s.new %s" % (path, path, path))
		data = _read(path)
		expect(_read(path + ".new") is None, "half a mail was delivered")
		if data is not None:
			os.unlink(path)
			self.arrived(name, data)
		if done.returncode == 0:
			expect(data is not None, "status 0 for a mail that was not delivered")
			return PASSED
		return self._later_or_refused(done)

	def qmail(self, name, content):
		"""cordon qmail-queue; the mail on descriptor 0, the envelope on 1."""
		paths = [os.path.join(self.folder, part) for part in ("mail", "envelope")]
		program = os.path.join(self.folder, "qmail-queue")
		if not os.path.exists(program):
			self.write("qmail-queue", b"#!/bin/sh\ncat >%s && cat <&1 >%s\n"
				% tuple(path.encode() for path in paths))
			os.chmod(program, 0o755)
		envelope = b"Falice@client.example\0Tbob@test.example\0\0"
		with self.file(name, content) as mail, self.file(name + ".env", envelope) as other, \
				open(mail, "rb") as mail_in, open(other, "rb") as envelope_in, self.preloaded():
			done = subprocess.run(self._command("qmail-queue", "--no-local"), stdin=mail_in,
				stdout=envelope_in, stderr=subprocess.PIPE, timeout=MAIL_TIME_S, check=False,
				env=dict(os.environ, CORDON_QMAIL_QUEUE=program))
		got = [_read(path) for path in paths]
		for path, data in zip(paths, got):
			if data is not None:
				os.unlink(path)
		if got[0] is not None:
			self.arrived(name, got[0])
			expect(got[1] == envelope, "the envelope: %r" % got[1])
		if done.returncode == 0:
			expect(got[0] is not None, "status 0 for a mail that was not queued")
			return PASSED
		return self._later_or_refused(done, 31, (71, 51, 53, 54, 81))

	def dump_config(self, *_):
		"""No mail at all: a configuration is read whole, or not at all."""
		done = self._run(b"", "dump-config")
		if done.returncode == 0:
			if self.config_text is None:
				self.config_text = done.stdout
			expect(done.stdout == self.config_text, "the configuration has changed: %r" % done.stdout)
			return PASSED
		expect(done.returncode in (1, 2, 75) or self._may_end_by(-done.returncode),
			"status %d: %r" % (done.returncode, done.stderr))
		return LATER

	@contextlib.contextmanager
	def _carried(self, *arguments):
		"""A command that carries a dialogue, as Lines. It must end when we have left."""
		ours, theirs = socket.socketpair()
		with self.preloaded():
			running = subprocess.Popen(self._command(*arguments), stdin=theirs, stdout=theirs,
				stderr=subprocess.DEVNULL)
		theirs.close()
		try:
			with Lines(ours) as talk:
				yield talk
		finally:
			try:
				running.wait(MAIL_TIME_S)
			except subprocess.TimeoutExpired:
				running.kill()
				running.wait()
				raise AssertionError("%s did not end" % arguments[0]) from None

	def smtp_command(self, name, content):
		with self._carried("smtp", "--listener", "smtp") as talk:
			return self._taken(name, _smtp(talk, content))

	def opensmtpd_command(self, name, content):
		with self._carried("opensmtpd", "--listener", "opensmtpd") as talk:
			return self._came_back(name, _smtpd(talk, content))


# A command leaves nothing behind that the next one could stumble over; what matters is the daemon.
_SERVED_BY = {"smtp_command": "smtp", "opensmtpd_command": "opensmtpd", "deliver": "filter_daemon",
	"qmail": "filter_daemon", "filter_local": "filter_daemon"}


class Case(faults.Case):
	"""An infected and a clean mail by one of the ways of Ways."""

	def __init__(self, role, kind, way, length=1):
		super().__init__("signatures", role, kind, way, length)
		self.seconds = _SECONDS * (2 if role == "local" else 1)     # it starts cages each time
		self.mails = (False,) if way == "dump_config" else (True, False)

	def first(self, station):
		"""Without memory for the configuration a command ends the same way whatever it is: the
		case dump_config is for that, the others begin behind it."""
		station.count_config_calls()
		behind = self.role == "command" and self.kind == "memory" and (
			self.meanwhile != "dump_config")
		return max(1, station.config_calls - 8) if behind else 1

	def act(self, station):
		"""Each mail has a command of its own, whose calls are counted anew."""
		station.case = self
		before = (0, 0, "")
		for number, infected in enumerate(self.mails):
			if number > 0 and self.role in ("command", "local"):
				before = station.page.again()
			served = station.try_way(self.meanwhile, infected)
			expect(served or self.kind != "short", "pieces of one byte are no reason to fail")
		return before

	def recover(self, station):
		station.serves_way(_SERVED_BY.get(self.meanwhile, self.meanwhile), self.mails)
		station.cut_hops()
		station.expect_normal()
		station.expect_arrivals()


def _cases():
	for way in ("smtp", "lmtp"):
		yield from (Case("gate", kind, way)
			for kind in ("memory", "read", "write", "open", "connect", "accept"))
	yield from (Case("gate", kind, "smtp", _BURST) for kind in ("memory", "connect"))
	yield from (Case("gate", kind, "bdat") for kind in ("memory", "read", "write"))
	yield from (Case("inspector", kind, "smtp") for kind in ("memory", "read", "write"))
	yield from (Case("gate", kind, "clamd_stream") for kind in ("memory", "read", "write", "accept"))
	for way in ("clamd_scan", "clamd_folder"):
		yield from (Case("gate", kind, way) for kind in ("memory", "read", "open"))
	for way in ("clamd_fildes", "clamd_session", "opensmtpd", "filter_daemon"):
		yield from (Case("gate", kind, way) for kind in ("memory", "read", "write"))
	yield from (Case("gate", kind, "courier") for kind in ("memory", "read", "write", "open"))
	yield from (Case("command", kind, "filter_daemon")
		for kind in ("memory", "read", "write", "map", "open", "connect"))
	for way in ("deliver", "qmail"):
		yield from (Case("command", kind, way)
			for kind in ("memory", "read", "write", "map", "fork", "open", "connect"))
	for role in ("command", "local"):
		yield from (Case(role, kind, "filter_local")
			for kind in ("memory", "read", "write", "map", "fork", "open"))
	yield from (Case("command", kind, "dump_config") for kind in ("memory", "read", "open"))
	for way in ("smtp_command", "opensmtpd_command"):
		yield from (Case("command", kind, way)
			for kind in ("memory", "read", "write", "open", "connect"))
	for way in ("smtp", "lmtp", "bdat", "clamd_stream", "clamd_scan", "clamd_session", "opensmtpd",
			"courier"):
		yield Case("gate", "short", way, _ALL)
	for way in ("filter_daemon", "deliver", "qmail", "smtp_command", "opensmtpd_command"):
		yield Case("command", "short", way, _ALL)


if __name__ == "__main__":
	faults.main(_cases(), Ways)
