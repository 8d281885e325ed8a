"""A mail sink: an SMTP server that takes every mail, keeps it and counts it by its X-Test-Id field.
Used inside a test as an object, and by quickstart as a process of its own that writes each mail to
a folder. It judges nothing and refuses nothing, unless told to."""

import argparse
import os
import signal
import socketserver
import threading
import time


class SinkMail:
	"""One mail that arrived.

	sender, recipients	the envelope, without angle brackets
	data			the mail's bytes, dots undone, lines ending as they came
	test_id			value of X-Test-Id, or ""
	"""

	def __init__(self, sender, recipients, data):
		self.sender = sender
		self.recipients = recipients
		self.data = data
		ids = self.header("X-Test-Id")
		self.test_id = ids[0] if ids else ""

	def header(self, name):
		"""All values of a header field, unfolded, in order."""
		head = self.data.split(b"\r\n\r\n", 1)[0].decode("latin-1").replace("\r\n", "\n")
		for fold in ("\n ", "\n\t"):
			head = head.replace(fold, " ")
		return [line.split(":", 1)[1].strip() for line in head.split("\n")
			if line.lower().startswith(name.lower() + ":")]


class _Handler(socketserver.StreamRequestHandler):
	wbufsize = -1

	def _say(self, line):
		self.wfile.write(line.encode() + b"\r\n")
		self.wfile.flush()

	def handle(self):
		try:
			self._talk()
		except (ConnectionError, TimeoutError, ValueError):
			pass

	def _talk(self):
		sender, recipients = "", []
		self._say("220 sink.test.example ESMTP")
		while True:
			line = self.rfile.readline(65536).decode("latin-1")
			verb = line.split(":")[0].split(" ")[0].strip().upper()
			if not line or verb == "QUIT":
				if line:
					self._say("221 bye")
				return
			if verb in ("EHLO", "LHLO"):
				self._say("250-sink.test.example")
				self._say("250-8BITMIME")
				self._say("250 PIPELINING")
			elif verb == "MAIL":
				sender, recipients = self._address(line), []
				self._say("250 ok")
			elif verb == "RCPT":
				recipients.append(self._address(line))
				self._say("250 ok")
			elif verb == "DATA":
				self._say("354 go on")
				data = self._read_data()
				self.server.owner.take(SinkMail(sender, recipients, data))
				self._say("250 taken")
			else:
				self._say("250 ok")

	@staticmethod
	def _address(line):
		return line.split("<", 1)[1].split(">", 1)[0] if "<" in line else line.split(":", 1)[1].strip()

	def _read_data(self):
		lines = []
		while True:
			line = self.rfile.readline()
			if not line:
				raise ConnectionError("peer left in the middle of a mail")
			if line in (b".\r\n", b".\n"):
				return b"".join(lines)
			lines.append(line[1:] if line.startswith(b".") else line)


class _Server(socketserver.ThreadingTCPServer):
	allow_reuse_address = True
	daemon_threads = True
	request_queue_size = 256


class Sink:
	"""The server, listening on 127.0.0.1 in threads of this process.

	folder	when given, each mail is also written there as N.eml
	keep	False: only counts and envelopes are kept (load tests)
	"""

	def __init__(self, port=0, folder=None, keep=True):
		self._mails = []
		self._lock = threading.Condition()
		self._folder = folder
		self._keep = keep
		self._server = _Server(("127.0.0.1", port), _Handler)
		self._server.owner = self
		self.port = self._server.server_address[1]
		self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,),
			daemon=True)

	def start(self):
		self._thread.start()
		return self

	def stop(self):
		self._server.shutdown()
		self._server.server_close()

	def take(self, mail):
		"""Called by a connection with each complete mail, before it is answered."""
		with self._lock:
			number = len(self._mails) + 1
			if self._folder:
				path = os.path.join(self._folder, "%d.eml" % number)
				with open(path + ".new", "wb") as handle:
					handle.write(mail.data)
				os.rename(path + ".new", path)
			if not self._keep:
				mail.data = b""
			self._mails.append(mail)
			self._lock.notify_all()

	def mails(self, test_id=None):
		"""The mails so far, or those with one X-Test-Id."""
		with self._lock:
			return [m for m in self._mails if test_id is None or m.test_id == test_id]

	def counts(self):
		"""A dict: X-Test-Id -> how often it arrived."""
		result = {}
		for mail in self.mails():
			result[mail.test_id] = result.get(mail.test_id, 0) + 1
		return result

	def wait(self, test_id, timeout_s=30):
		"""The first mail with that X-Test-Id; None when none comes in time."""
		return wait_for_mail(self._lock, self._mails, test_id, timeout_s)


def wait_for_mail(lock, mails, test_id, timeout_s):
	"""The first of the mails with that X-Test-Id; None when none comes in time. The condition `lock`
	guards them and is told of each."""
	end = time.monotonic() + timeout_s
	with lock:
		while True:
			for mail in mails:
				if mail.test_id == test_id:
					return mail
			left = end - time.monotonic()
			if left <= 0:
				return None
			lock.wait(left)


def main():
	"""A sink as a process: writes each mail into a folder until it gets SIGTERM."""
	parser = argparse.ArgumentParser(description=main.__doc__)
	parser.add_argument("--port", type=int, required=True)
	parser.add_argument("--folder", required=True)
	options = parser.parse_args()
	os.makedirs(options.folder, exist_ok=True)
	ended = threading.Event()
	signal.signal(signal.SIGTERM, lambda *_: ended.set())
	sink = Sink(options.port, options.folder, keep=False).start()
	ended.wait()
	sink.stop()


if __name__ == "__main__":
	main()
