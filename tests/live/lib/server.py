"""What the private servers of tests share: a daemon that we start, watch until it answers, and end
together with what it forked; and for mail servers, waiting for an empty queue."""

import os
import signal

from . import process


class Server:
	"""One daemon, leader of its own process group. A subclass calls _launch() from its start().

	title		what messages call it
	patience_s	how long it may take to answer
	base		its folder
	port		where it listens, on 127.0.0.1
	process		the subprocess.Popen while it runs, else None
	"""

	title = ""
	patience_s = 30

	def __init__(self, base, port=None):
		self.base = base
		self.port = port or process.free_port()
		self.process = None

	def _launch(self, command, env, output="output", **how):
		"""Starts the daemon, its output in a file below base. Returns self when it answers."""
		self.process = process.start(command, os.path.join(self.base, output), env=env,
			cwd=self.base, **how)
		try:
			process.wait_for(self._is_up, self.patience_s, self.title)
		except process.StartError as error:
			self.stop()
			raise process.StartError("%s\n%s" % (error, self._last_words())) from None
		return self

	def _is_up(self):
		if self.process.poll() is not None:
			raise process.StartError("%s ended with %d" % (self.title, self.process.returncode))
		return all(process.is_listening(address) for address in self._addresses())

	def _addresses(self):
		"""Where it must accept connections to be up."""
		return [("127.0.0.1", self.port)]

	def _last_words(self):
		"""What tells why it did not come up."""
		return self.log()

	def stop(self):
		"""Ends the daemon and what it forked."""
		if self.process is None:
			return
		pid, ended_before = self.process.pid, self.process.returncode is not None
		process.stop(self.process, timeout_s=15, sig=signal.SIGTERM)
		process.kill_group(pid, below=self.base if ended_before else None)
		self.process = None

	def log(self, limit=None):
		"""What it printed, or the last `limit` bytes of it."""
		return process.read_text(os.path.join(self.base, "output"), limit)


class MailServer(Server):
	"""A server with a queue; queued() is the subclass'."""

	def queued(self):
		"""How many mails wait in its queue."""
		raise NotImplementedError

	def wait_until_delivered(self, timeout_s=60):
		"""Waits until the queue is empty. Raises process.StartError when it does not empty."""
		process.wait_for(lambda: self.queued() == 0, timeout_s,
			"an empty %s queue" % self.title, 0.1)
