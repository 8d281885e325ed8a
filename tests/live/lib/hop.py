"""A next hop for a proxy under test: an SMTP or LMTP server that keeps its mails as sink.Sink does,
and can be told to answer otherwise: late, half, with several lines, with 421, or not at all."""

import socket
import ssl
import threading
import time

from . import sink

CLOSE = object()        # ends the connection without a word
SILENT = object()       # says nothing, and goes on reading
SLEEP = object()        # half a second
STOP = object()         # reads no more, for four seconds, and ends the connection


class Hop:
	"""Listens on 127.0.0.1, or another host, in threads.

	answer		called as answer(verb, line, hop) for every command, and with the verb "." at the
			end of a mail; None: the usual reply; else the bytes to say, CLOSE, SILENT, or a list
			of these (LMTP: the replies to the recipients after ".")
	offers		what EHLO tells
	lines		every command line that came, in order
	"""

	def __init__(self, lmtp=False, port=0, tls=None,
			offers=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES",
				"XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE", "SIZE 0"), host="127.0.0.1"):
		self.answer = lambda verb, line, hop: None
		self.offers = list(offers)
		self.lines, self.mails, self.connections = [], [], 0
		self._lmtp, self._tls, self._host = lmtp, tls, host
		self._lock = threading.Condition()
		self._open = []
		self._listen(port)

	def _listen(self, port):
		self._socket = socket.create_server((self._host, port), backlog=256)
		self.port = self._socket.getsockname()[1]

	@property
	def address(self):
		return "inet:%s:%d" % (self._host, self.port)

	def start(self):
		threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()
		return self

	def stop(self):
		"""Refuses further connections."""
		self._socket.shutdown(socket.SHUT_RDWR)
		self._socket.close()

	def again(self):
		"""Listens anew, on the same port."""
		self._listen(self.port)
		return self.start()

	def forget(self):
		"""Usual answers from now on, and nothing heard yet."""
		with self._lock:
			self.answer = lambda verb, line, hop: None
			self.lines.clear()
			self.mails.clear()
			self.connections = 0

	def wait(self, test_id, timeout_s=10):
		"""The mail with that X-Test-Id, or None."""
		return sink.wait_for_mail(self._lock, self.mails, test_id, timeout_s)

	def counts(self):
		"""A dict: X-Test-Id -> how often it arrived."""
		result = {}
		with self._lock:
			for mail in self.mails:
				result[mail.test_id] = result.get(mail.test_id, 0) + 1
		return result

	def cut(self):
		"""Ends every connection that is open now."""
		with self._lock:
			mine, self._open = self._open, []
		for connection in mine:
			try:
				connection.shutdown(socket.SHUT_RDWR)
			except OSError:
				pass

	def heard(self, start):
		"""The command lines that begin so (any case)."""
		with self._lock:
			return [line for line in self.lines if line.upper().startswith(start.upper())]

	def _accept(self, listening):
		while True:
			try:
				connection, _ = listening.accept()
			except OSError:
				return
			connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
			with self._lock:
				self.connections += 1
				self._open.append(connection)
			threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

	def _serve(self, connection):
		try:
			_Talk(self, connection, self._lmtp, self._tls).run()
		except (OSError, ValueError, ConnectionError, EOFError):
			pass
		finally:
			connection.close()

	def encrypted(self, plain, connection):
		"""From now on a connection is another object."""
		with self._lock:
			self._open = [connection if one is plain else one for one in self._open]

	def note(self, line):
		with self._lock:
			self.lines.append(line)

	def take(self, mail):
		with self._lock:
			self.mails.append(mail)
			self._lock.notify_all()


class _Talk:
	def __init__(self, hop, connection, lmtp, tls):
		self.hop, self.connection, self.lmtp, self.tls = hop, connection, lmtp, tls
		self.file = connection.makefile("rb")
		self.sender, self.recipients = "", []

	def say(self, what):
		if what is CLOSE:
			self.connection.shutdown(socket.SHUT_RDWR)
			raise EOFError
		if what is SILENT:
			return
		if what is SLEEP or what is STOP:
			time.sleep(0.5 if what is SLEEP else 4)
			if what is STOP:
				self.say(CLOSE)
			return
		if isinstance(what, (list, tuple)):
			for one in what:
				self.say(one)
			return
		self.connection.sendall(what)

	def run(self):
		self.say(self.hop.answer("CONNECT", "", self.hop) or b"220 hop.test.example ESMTP\r\n")
		while True:
			raw = self.file.readline(65536)
			if not raw:
				return
			line = raw.decode("latin-1").rstrip("\r\n")
			self.hop.note(line)
			verb = line.split(" ")[0].split(":")[0].upper()
			reply = self.hop.answer(verb, line, self.hop)
			self.step(verb, line, reply)
			if verb == "QUIT":
				return

	def step(self, verb, line, reply):
		usual = b"250 2.0.0 ok\r\n"
		if verb in ("EHLO", "LHLO") and reply is None:
			offers = ["hop.test.example"] + self.hop.offers
			if self.tls and not isinstance(self.connection, ssl.SSLSocket):
				offers.append("STARTTLS")
			usual = b"".join(b"250%s%s\r\n" % (b" " if i + 1 == len(offers) else b"-", o.encode())
				for i, o in enumerate(offers))
		elif verb == "XCLIENT":
			usual = b"220 hop.test.example ESMTP\r\n"
		elif verb == "MAIL":
			self.sender, self.recipients = line.split("<", 1)[1].split(">", 1)[0], []
		elif verb == "RCPT" and (reply is None or
				(isinstance(reply, bytes) and reply.startswith(b"2"))):
			self.recipients.append(line.split("<", 1)[1].split(">", 1)[0])
		elif verb == "STARTTLS" and reply is None:
			self.connection.sendall(b"220 2.0.0 go\r\n")
			plain = self.connection
			self.connection = self.tls.wrap_socket(plain, server_side=True)
			self.hop.encrypted(plain, self.connection)
			self.file = self.connection.makefile("rb")
			return
		elif verb == "DATA" and reply is None:
			self.data()
			return
		self.say(usual if reply is None else reply)

	def data(self):
		self.say(b"354 go on\r\n")
		data = self.read_data()
		reply = self.hop.answer(".", "", self.hop)
		usual = b"250 2.0.0 taken\r\n" * (len(self.recipients) if self.lmtp else 1)
		if reply is None or (isinstance(reply, bytes) and reply.startswith(b"2")) or \
				isinstance(reply, list):
			self.hop.take(sink.SinkMail(self.sender, list(self.recipients), data))
		self.say(usual if reply is None else reply)

	def read_data(self):
		lines = []
		while True:
			line = self.file.readline()
			if not line:
				raise EOFError
			if line == b".\r\n":
				return b"".join(lines)
			lines.append(line[1:] if line.startswith(b".") else line)


def make_certificate(folder, name="cordon.test.example"):
	"""Makes a key and a self-signed certificate with openssl(1). Returns the path of one PEM file
	with both, readable by everybody: it is for tests."""
	import os
	import subprocess
	path = os.path.join(folder, "tls.pem")
	key = os.path.join(folder, "tls.key")
	subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
		"-subj", "/CN=" + name, "-keyout", key, "-out", path], check=True,
		stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
	with open(key) as handle, open(path, "a") as out:
		out.write(handle.read())
	os.chmod(path, 0o644)
	return path
