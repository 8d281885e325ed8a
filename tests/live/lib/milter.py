"""The MTA's side of the milter protocol, as raw as a test wants it: well-formed dialogues for the
tests that need an answer without an MTA, and single packets for those that send nonsense."""

import socket
import struct

CONTINUE, ACCEPT, REJECT, DISCARD, TEMPFAIL = b"c", b"a", b"r", b"d", b"t"
REPLY_CODE, PROGRESS, CONN_FAIL = b"y", b"p", b"f"
_FINAL = (CONTINUE, ACCEPT, REJECT, DISCARD, TEMPFAIL, REPLY_CODE, CONN_FAIL, b"s", b"4")

ALL_ACTIONS = 0x1ff
# Everything but the no-reply flags (0x1000 ... 0x80000): each of our packets is then answered.
NO_SKIPPING = 0x100000 | 0x400


class Closed(Exception):
	"""The filter closed the connection."""


def packet(command, payload=b""):
	"""The bytes of one packet."""
	return struct.pack(">I", 1 + len(payload)) + command + payload


def connect(address, timeout_s=20):
	"""A socket connected to "unix:PATH" or "inet:HOST:PORT"."""
	kind, rest = address.split(":", 1)
	if kind == "unix":
		peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		peer.settimeout(timeout_s)
		peer.connect(rest)
		return peer
	host, port = rest.rsplit(":", 1)
	return socket.create_connection((host, int(port)), timeout_s)


class Dialogue:
	"""One connection to the filter. The step methods send one packet and return the filter's
	answer as (command byte, payload); answers that change the mail are kept in edits."""

	def __init__(self, address, timeout_s=20):
		self.socket = connect(address, timeout_s)
		self.edits = []
		self.silent = 0
		self.skipped = 0
		self.keeps_space = False

	def __enter__(self):
		return self

	def __exit__(self, *_):
		self.socket.close()

	def close(self):
		self.socket.close()

	def raw(self, data):
		"""Sends bytes as they are. False when the filter has closed."""
		try:
			self.socket.sendall(data)
		except OSError:
			return False
		return True

	def _exactly(self, size):
		data = b""
		while len(data) < size:
			try:
				piece = self.socket.recv(size - len(data))
			except ConnectionError:
				piece = b""
			if not piece:
				raise Closed("after %d of %d bytes" % (len(data), size))
			data += piece
		return data

	def read(self):
		"""One packet from the filter. Raises Closed; TimeoutError when it says nothing."""
		size = struct.unpack(">I", self._exactly(4))[0]
		if not 1 <= size <= 1 << 22:
			raise AssertionError("the filter sent a packet of %d bytes" % size)
		data = self._exactly(size)
		return data[:1], data[1:]

	def answer(self):
		"""The next answer that settles a step."""
		while True:
			command, payload = self.read()
			if command in _FINAL:
				return command, payload
			if command != PROGRESS:
				self.edits.append((command, payload))

	def step(self, command, payload=b"", silent_flag=0):
		"""Sends one packet and returns the answer; CONTINUE when none was agreed on."""
		if not self.raw(packet(command, payload)):
			raise Closed("while sending")
		if self.silent & silent_flag:
			return CONTINUE, b""
		return self.answer()

	def negotiate(self, version=6, actions=ALL_ACTIONS, protocol=NO_SKIPPING):
		"""Offers version, actions and protocol flags; returns the three that came back."""
		self.raw(packet(b"O", struct.pack(">III", version, actions, protocol)))
		command, payload = self.read()
		if command != b"O" or len(payload) < 12:
			raise AssertionError("negotiation answered with %r %r" % (command, payload))
		agreed = struct.unpack(">III", payload[:12])
		self.silent = agreed[2]
		self.skipped = agreed[2] & 0x7f
		self.keeps_space = bool(agreed[2] & 0x100000)
		return agreed

	def macros(self, stage, **values):
		"""Defines macros for a stage; names longer than a letter get braces."""
		body = b"".join(("{%s}" % k if len(k) > 1 else k).encode() + b"\0" + v.encode() + b"\0"
			for k, v in values.items())
		return self.raw(packet(b"D", stage + body))

	def connected(self, name=b"client.example", address=b"192.0.2.7"):
		if self.skipped & 0x01:
			return CONTINUE, b""
		return self.step(b"C", name + b"\0" + b"4" + struct.pack(">H", 40000) + address + b"\0",
			0x1000)

	def helo(self, name=b"client.example"):
		return (CONTINUE, b"") if self.skipped & 0x02 else self.step(b"H", name + b"\0", 0x2000)

	def sender(self, address=b"<alice@client.example>"):
		return (CONTINUE, b"") if self.skipped & 0x04 else self.step(b"M", address + b"\0", 0x4000)

	def recipient(self, address=b"<bob@test.example>"):
		return (CONTINUE, b"") if self.skipped & 0x08 else self.step(b"R", address + b"\0", 0x8000)

	def header(self, name, value):
		if self.skipped & 0x20:
			return CONTINUE, b""
		return self.step(b"L", name + b"\0" + value + b"\0", 0x80)

	def end_of_headers(self):
		return (CONTINUE, b"") if self.skipped & 0x40 else self.step(b"N", b"", 0x40000)

	def body(self, content, size=65535):
		"""Sends the body in chunks. Returns the last answer."""
		last = (CONTINUE, b"")
		for start in range(0, len(content), size):
			if self.skipped & 0x10:
				break
			last = self.step(b"B", content[start:start + size], 0x80000)
			if last[0] != CONTINUE:
				break
		return last

	def end(self, content=b""):
		"""End of the mail; returns the verdict."""
		return self.step(b"E", content)

	def abort(self):
		return self.raw(packet(b"A"))

	def quit(self):
		return self.raw(packet(b"Q"))

	def mail(self, content, recipients=(b"<bob@test.example>",)):
		"""A whole mail after negotiate(), connected() and helo(). Returns the verdict as (command,
		payload); payload of REPLY_CODE is the SMTP reply without its final NUL."""
		self.edits = []
		steps = [lambda: self.sender()]
		steps += [lambda r=r: self.recipient(r) for r in recipients]
		head, _, body = content.partition(b"\r\n\r\n")
		for line in head.split(b"\r\n") if head else []:
			name, _, value = line.partition(b":")
			value = value if self.keeps_space else value.lstrip(b" ")
			steps.append(lambda n=name, v=value: self.header(n, v))
		steps += [self.end_of_headers, lambda: self.body(body)]
		for run in steps:
			command, payload = run()
			if command not in (CONTINUE, b"s"):
				return command, payload.rstrip(b"\0")
		command, payload = self.end()
		return command, payload.rstrip(b"\0")


def is_refused(answer, code=b""):
	"""True when an answer refuses the mail, with an SMTP code beginning with `code`."""
	command, payload = answer
	if command == REPLY_CODE:
		return payload[:1] in b"45" and payload.startswith(code)
	return (command == REJECT and code[:1] in (b"", b"5")) or (
		command == TEMPFAIL and code[:1] in (b"", b"4"))


def deliver(address, content, **options):
	"""One mail on a connection of its own: negotiation to verdict."""
	with Dialogue(address) as dialogue:
		dialogue.negotiate(**options)
		dialogue.connected()
		dialogue.helo()
		answer = dialogue.mail(content)
		dialogue.quit()
		return answer
