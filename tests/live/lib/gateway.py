"""A whole gateway for one test file: a sink, cordond, and a private Postfix or Sendmail between a
client and both. Everything is stopped in the opposite order."""

from . import cordond, postfix, process, sendmail, sink, smtp

_MTAS = {"postfix": postfix.Postfix, "sendmail": sendmail.Sendmail}


class Gateway:
	"""base is a work folder; blocks and settings are those of cordond.Cordond.

	filter	the Cordond
	mta	the Postfix or Sendmail; None when mta="" was asked for
	sink	the Sink
	"""

	def __init__(self, base, mta="postfix", blocks=(), listen="unix", mta_options=None,
			sink_keep=True, **settings):
		self.base = base
		self.mta = None
		self._blocks, self._settings = list(blocks), settings
		self.sink = sink.Sink(keep=sink_keep).start()
		self.filter = cordond.Cordond(base, blocks, listen, **settings)
		try:
			self.filter.start()
			if mta:
				self.mta = _MTAS[mta](base, self.filter.milter, self.sink.port,
					**(mta_options or {}))
				self.mta.start()
		except BaseException:
			self.stop()
			raise

	def stop(self):
		"""Ends everything that was started."""
		if self.mta:
			self.mta.stop()
		self.filter.stop()
		self.sink.stop()

	def log(self, limit=6000):
		"""The ends of the logs, for a failed test."""
		text = "--- cordond\n" + self.filter.log()[-limit:]
		if self.mta:
			text += "--- %s\n%s" % (type(self.mta).__name__, self.mta.log()[-limit:])
		return text

	def send(self, content, **envelope):
		"""One mail on a connection of its own; its final Reply."""
		return smtp.send(self.mta.port, content, **envelope)

	def restart_filter(self, blocks=(), **settings):
		"""Ends cordond and starts it at the same address with another configuration, made from
		the one of this gateway, `settings`, and `blocks` in place of its own blocks."""
		self.filter.stop()
		old = self.filter
		self.filter = cordond.Cordond(self.base, blocks or self._blocks,
			**dict(self._settings, **settings))
		self.filter.milter = old.milter
		self.filter.write_config()
		self.filter.start()

	def arrived(self, test_id, timeout_s=30):
		"""The mail with that X-Test-Id from the sink; fails the test when it does not come."""
		mail = self.sink.wait(test_id, timeout_s)
		if mail is None:
			raise AssertionError("mail %s did not reach the sink" % test_id)
		return mail

	def never_arrived(self, *test_ids):
		"""Fails the test when a mail with one of the ids is in the sink, once the MTA's queue has
		emptied."""
		self.mta.wait_until_delivered()
		for test_id in test_ids:
			if self.sink.mails(test_id):
				raise AssertionError("mail %s reached the sink" % test_id)

	def reconfigure(self, probe, timeout_s=30, **settings):
		"""Writes the configuration anew and reloads, until probe() is true."""
		self.filter.settings.update(settings)
		self.filter.write_config()
		self.filter.reload()
		process.wait_for(probe, timeout_s, "the new configuration in force", 0.2)
