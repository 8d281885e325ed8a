"""cordond with one SMTP or LMTP listener in front of a scripted next hop."""

from . import cordond, hop, process, smtp
from .runner import expect


class Relay:
	"""base is a work folder.

	hop	the hop.Hop behind; port: where cordond listens; filter: the Cordond
	"""

	def __init__(self, base):
		self.base = base
		self.filter = self.hop = None
		self.port = process.free_port()

	def start(self, protocol="smtp", hop_lmtp=None, tls=None, settings=None, blocks=(), prefix=(),
			**options):
		"""Starts both anew. options: of the listener. hop_lmtp: what the next hop speaks, when it
		is not what the listener speaks."""
		self.stop()
		lmtp = protocol == "lmtp" if hop_lmtp is None else hop_lmtp
		self.hop = hop.Hop(lmtp=lmtp, tls=tls).start()
		listener = dict(protocol=protocol, address="inet:127.0.0.1:%d" % self.port,
			next_hop=self.hop.address)
		if hop_lmtp is not None:
			listener["next_hop_protocol"] = "lmtp" if hop_lmtp else "smtp"
		listener.update(options)
		self.filter = cordond.Cordond(self.base,
			[cordond.block("listener", "relay", **listener)] + list(blocks), **(settings or {}))
		self.filter.prefix = list(prefix)
		self.filter.start()
		return self

	def stop(self):
		if self.filter:
			self.filter.stop()
			self.filter = None
		if self.hop:
			try:
				self.hop.stop()
			except OSError:
				pass
			self.hop = None

	def log(self, limit=8000):
		return self.filter.log()[-limit:] if self.filter else ""

	def send(self, content, **envelope):
		return smtp.send(self.port, content, **envelope)

	def arrived(self, test_id):
		mail = self.hop.wait(test_id)
		expect(mail is not None, "mail %s did not arrive" % test_id)
		return mail
