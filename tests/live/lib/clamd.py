"""clamd for tests: the real one from an unpacked package with a small database made here, and
faulty ones written in Python that hang, close, answer garbage or lie."""

import hashlib
import os
import shutil
import signal
import socket
import struct
import threading

from . import debian, mails, process
from .server import Server

_CONF = """\
Foreground yes
LogFile {base}/clamd.log
LogTime yes
LogClean yes
PidFile {base}/clamd.pid
DatabaseDirectory {base}/db
TemporaryDirectory {base}/tmp
LocalSocket {base}/clamd.sock
LocalSocketMode 666
TCPSocket {port}
TCPAddr 127.0.0.1
MaxThreads 8
StreamMaxLength 400M
MaxScanSize 400M
MaxFileSize 400M
CommandReadTimeout 30
ReadTimeout 30
SelfCheck 0
"""


def write_database(folder, name="Cordon.Test.Marker", extra=()):
	"""Writes a small ClamAV database into folder: mails.marker() anywhere (body signature), the
	EICAR file by its MD5, and (virus name, bytes) pairs given in extra as body signatures."""
	os.makedirs(folder, exist_ok=True)
	os.chmod(folder, 0o755)
	lines = ["%s:0:*:%s" % (virus, content.hex())
		for virus, content in [(name, mails.marker()), *extra]]
	_replace(os.path.join(folder, "test.ndb"), "\n".join(lines) + "\n")
	eicar = mails.eicar()
	_replace(os.path.join(folder, "test.hdb"),
		"%s:%d:Cordon.Test.Eicar\n" % (hashlib.md5(eicar).hexdigest(), len(eicar)))


def _replace(path, text):
	with open(path + ".new", "w") as handle:
		handle.write(text)
	os.chmod(path + ".new", 0o644)
	os.rename(path + ".new", path)


class Clamd(Server):
	"""The real clamd on a unix socket and a TCP port of loopback.

	unix, tcp	its two addresses as cordon.conf wants them
	"""

	title = "clamd"
	patience_s = 60

	def __init__(self, base, name="clamd"):
		self.root = debian.unpack("clamd", ["clamav-daemon"], also=["libclamav12"])
		super().__init__(os.path.join(base, name))
		self.unix = "unix:%s/clamd.sock" % self.base
		self.tcp = "tcp:127.0.0.1:%d" % self.port

	def start(self):
		"""Writes configuration and database, starts clamd, returns self when both answer."""
		for folder in (self.base, os.path.join(self.base, "tmp")):
			os.makedirs(folder, exist_ok=True)
			os.chmod(folder, 0o755)
		write_database(os.path.join(self.base, "db"))
		conf = os.path.join(self.base, "clamd.conf")
		with open(conf, "w") as handle:
			handle.write(_CONF.format(base=self.base, port=self.port))
		return self._launch([self.root.file("usr/sbin/clamd"), "-c", conf], self.root.env())

	def _addresses(self):
		return [self.unix[len("unix:"):]] + super()._addresses()

	def freeze(self, on):
		"""Stops clamd in its tracks (on=True) as a swapping machine would, or lets it go on."""
		self.process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

	def log(self, limit=None):
		return process.read_text(os.path.join(self.base, "clamd.log"), limit) + super().log(limit)

	def remove(self):
		shutil.rmtree(self.base, ignore_errors=True)


class FaultyClamd:
	"""A TCP server that speaks just enough of clamd's protocol to go wrong in one way. PING and
	VERSION are answered well, so that a health check does not take it out of service.

	kinds	clean     answers OK to everything (the one that is well)
		infected  answers FOUND to everything
		looks     answers FOUND where mails.marker() is in the content, else OK
		hangs     takes the content and never answers
		closes    closes without an answer
		closes_early	closes before it has read the content
		garbage   answers bytes that are no reply
		huge      answers megabytes without an end of line
		wrong_id  answers for another scan's number, as within an IDSESSION
		cut       answers half a reply, then closes
		error     answers an ERROR line
		no_end    answers "stream: OK" without the terminator, then closes
	"""

	KINDS = ("hangs", "closes", "closes_early", "garbage", "huge", "wrong_id", "cut", "error",
		"no_end")
	_ANSWERS = {
		"clean": b"stream: OK\0",
		"infected": b"stream: Faulty.Found FOUND\0",
		"garbage": bytes(range(1, 256)) + b"\0",
		"huge": b"A" * (4 << 20),
		"wrong_id": b"77: stream: OK\0",
		"cut": b"stream: O",
		"error": b"INSTREAM size limit exceeded. ERROR\0",
		"no_end": b"stream: OK",
	}

	def __init__(self, kind):
		self.kind = kind
		self.scans = 0            # how many scans were asked of it
		self._ending = threading.Event()
		self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
		self.port = self._socket.getsockname()[1]
		self.address = "tcp:127.0.0.1:%d" % self.port

	def start(self):
		threading.Thread(target=self._accept, daemon=True).start()
		return self

	def stop(self):
		self._ending.set()
		self._socket.close()

	def _accept(self):
		while not self._ending.is_set():
			try:
				peer, _ = self._socket.accept()
			except OSError:
				return
			threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

	def _serve(self, peer):
		with peer, peer.makefile("rb") as stream:
			try:
				self._talk(peer, stream)
			except (OSError, ValueError, struct.error):
				pass

	@staticmethod
	def _read_command(stream):
		"""One command, "zNAME\\0" or "nNAME\\n" or "NAME\\n", without mark and end."""
		first = stream.read(1)
		end = b"\0" if first == b"z" else b"\n"
		text = b"" if first in (b"z", b"n") else first
		while True:
			byte = stream.read(1)
			if not byte:
				return None
			if byte == end:
				return text.decode("latin-1").strip()
			text += byte

	def _talk(self, peer, stream):
		command = self._read_command(stream)
		if command is None:
			return
		if command == "PING":
			peer.sendall(b"PONG\0")
		elif command == "VERSION":
			peer.sendall(b"ClamAV 1.4.3/27000/Mon Jan  5 10:00:00 2026\0")
		elif command == "INSTREAM":
			self.scans += 1
			self._answer_scan(peer, stream)
		else:
			peer.sendall(b"UNKNOWN COMMAND\0")

	def _answer_scan(self, peer, stream):
		if self.kind == "closes_early":
			return
		data = b""
		while True:
			size = struct.unpack(">I", stream.read(4))[0]
			if size == 0:
				break
			data += stream.read(size)
		if self.kind == "hangs":
			self._ending.wait(300)
		elif self.kind == "looks":
			peer.sendall(self._ANSWERS["infected" if mails.marker() in data else "clean"])
		elif self.kind != "closes":
			peer.sendall(self._ANSWERS[self.kind])
