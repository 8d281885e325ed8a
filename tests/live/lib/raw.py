"""A client that sends bytes as they are and reads what comes: for dialogues that no proper client
would hold."""

import socket
import time


class Raw:
	"""One connection to 127.0.0.1. text: everything received so far."""

	def __init__(self, port, timeout_s=30):
		self.socket = socket.create_connection(("127.0.0.1", port), timeout_s)
		self.text = b""
		self._at = 0

	def __enter__(self):
		return self

	def __exit__(self, *_):
		self.socket.close()

	def send(self, data):
		self.socket.sendall(data)
		return self

	def reply(self):
		"""The next whole reply (all of its lines) as text."""
		begin = self._at
		while True:
			end = self.text.find(b"\n", self._at)
			if end < 0:
				more = self.socket.recv(65536)
				if not more:
					raise EOFError("closed after %r" % self.text[-200:])
				self.text += more
				continue
			line = self.text[self._at:end + 1]
			self._at = end + 1
			if line[3:4] != b"-":
				return self.text[begin:self._at].decode("latin-1")

	def ask(self, data):
		"""Sends and returns the next reply."""
		return self.send(data).reply()

	def rest(self, timeout_s=10):
		"""Everything up to the end of the connection."""
		end = time.monotonic() + timeout_s
		while True:
			self.socket.settimeout(max(end - time.monotonic(), 0.05))
			try:
				more = self.socket.recv(65536)
			except ConnectionError:
				more = b""
			if not more:
				found, self._at = self.text[self._at:], len(self.text)
				return found.decode("latin-1")
			self.text += more


def dialogue(port, *lines, helo="EHLO"):
	"""Sends each line (str, without its end) after the reply to the one before. Returns the
	replies without their line ends, the one to EHLO left out."""
	with Raw(port) as raw:
		raw.reply()
		raw.ask(("%s client.test.example\r\n" % helo).encode())
		return [raw.ask(line.encode("latin-1") + b"\r\n").rstrip("\r\n") for line in lines]
