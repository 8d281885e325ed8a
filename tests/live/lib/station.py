"""cordond alone, spoken to over the milter protocol without an MTA: for tests that restart it often
or send it what no MTA would."""

from . import cordond, milter
from .runner import expect


class Station:
	"""base is a work folder. start() may be called again and again, each time with another
	configuration."""

	def __init__(self, base):
		self.base = base
		self.filter = None

	def start(self, *blocks, **settings):
		"""Starts cordond with these blocks and settings, after ending the one before it."""
		self.stop_filter()
		self.filter = cordond.Cordond(self.base, blocks, **settings)
		self.filter.start()
		return self

	def stop(self):
		"""Ends everything; a class derived from this one adds what else it started."""
		self.stop_filter()

	def stop_filter(self):
		"""Ends cordond."""
		if self.filter:
			self.filter.stop()
			self.filter = None

	def log(self, limit=8000):
		return self.filter.log()[-limit:] if self.filter else ""

	def ask(self, content, **options):
		"""The verdict on a mail: (command, payload), see milter.Dialogue."""
		return milter.deliver(self.filter.milter, content, **options)

	def expect_passed(self, content):
		"""Fails unless the mail is let through."""
		answer = self.ask(content)
		expect(answer[0] in (milter.CONTINUE, milter.ACCEPT), "clean mail: %r" % (answer,))

	def expect_refused(self, content, code):
		"""Fails unless the mail is answered with an SMTP code and text that begin with `code`."""
		answer = self.ask(content)
		expect(answer[0] == milter.REPLY_CODE and answer[1].startswith(code.encode()),
			"answer %r, expected %s" % (answer, code))

	def expect_not_passed(self, content):
		"""Fails when the mail is let through, or dropped."""
		answer = self.ask(content)
		expect(milter.is_refused(answer), "answer %r" % (answer,))
