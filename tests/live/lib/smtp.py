"""A small SMTP client that returns replies exactly as they came. smtplib hides too much: texts of
multi-line replies, and what was answered to which recipient."""

import socket


class Reply:
	"""code (int) and text (lines joined by newline, codes removed). str() is the whole reply."""

	def __init__(self, code, text):
		self.code = code
		self.text = text

	def __str__(self):
		return "%d %s" % (self.code, self.text)

	__repr__ = __str__


class ConnectionLost(Exception):
	"""The server closed or timed out before it had answered."""


class Client:
	"""One connection. Commands return a Reply; mail() runs a whole transaction."""

	def __init__(self, port, host="127.0.0.1", timeout_s=120, helo="client.test.example"):
		self._socket = socket.create_connection((host, port), timeout_s)
		self._said = "the connect"
		self._file = self._socket.makefile("rb")
		self.greeting = self._read()
		self.hello = self.command("EHLO " + helo)

	def __enter__(self):
		return self

	def __exit__(self, *_):
		self.close()

	def close(self):
		"""Says QUIT when it can, and closes."""
		try:
			self._socket.settimeout(5)
			self._socket.sendall(b"QUIT\r\n")
			self._file.readline()
		except OSError:
			pass
		self._file.close()
		self._socket.close()

	def set_timeout(self, timeout_s):
		"""For each reply from now on."""
		self._socket.settimeout(timeout_s)

	def abort(self):
		"""Closes at once, whatever state the dialogue is in."""
		self._file.close()
		self._socket.close()

	def _read(self):
		lines = []
		while True:
			try:
				line = self._file.readline(8192)
			except OSError as error:
				raise ConnectionLost("%s after %s" % (error, self._said)) from None
			if len(line) < 4:
				raise ConnectionLost("closed after %s and %r" % (self._said, lines))
			lines.append(line[4:].decode("utf-8", "replace").rstrip("\r\n"))
			if line[3:4] != b"-":
				return Reply(int(line[:3]), "\n".join(lines))

	def command(self, line):
		"""Sends one line (str or bytes, without its end) and returns the Reply."""
		data = line if isinstance(line, bytes) else line.encode("utf-8")
		self._said = repr(data[:60])
		try:
			self._socket.sendall(data + b"\r\n")
		except OSError as error:
			raise ConnectionLost("%s at %s" % (error, self._said)) from None
		return self._read()

	def data(self, content):
		"""Sends the bytes of a mail after 354, dots doubled, and returns the final Reply."""
		content = content.replace(b"\r\n.", b"\r\n..")
		if content.startswith(b"."):
			content = b"." + content
		if content and not content.endswith(b"\r\n"):
			content += b"\r\n"
		self._said = "a mail of %d bytes" % len(content)
		try:
			self._socket.sendall(content + b".\r\n")
		except OSError as error:
			raise ConnectionLost("%s at %s" % (error, self._said)) from None
		return self._read()

	def mail(self, content, sender="alice@client.example", recipients=("bob@test.example",)):
		"""One whole mail on this connection.

		returns	the Reply that settles it: to the end of the mail, or to the first command that
			was refused; the transaction is then reset so that the next mail can follow
		"""
		steps = ["MAIL FROM:<%s>" % sender] + ["RCPT TO:<%s>" % r for r in recipients] + ["DATA"]
		for step in steps:
			reply = self.command(step)
			if reply.code >= 400:
				self.command("RSET")
				return reply
		return self.data(content)


def connect(port, greeting_s=5, tries=12, timeout_s=120):
	"""A Client that has been greeted. A server whose queue of connections is full drops the last
	packet of the handshake, and nobody ever speaks on that connection: then another one is made."""
	for turn in range(tries):
		try:
			client = Client(port, timeout_s=greeting_s)
			client.set_timeout(timeout_s)
			return client
		except (ConnectionLost, OSError):
			if turn + 1 == tries:
				raise
	return None


def send(port, content, **envelope):
	"""Sends one mail on a connection of its own and returns its final Reply."""
	with Client(port) as client:
		return client.mail(content, **envelope)
