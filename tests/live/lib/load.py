"""Load through an MTA: clients in threads that send mails one after another, write down what was
answered to each, and the accounting afterwards: what got 250 must be in the sink, and nothing else."""

import threading
import time

from . import mails, smtp


class Attempt:
	"""One sending of one mail: test_id, infected (bool), code (SMTP code, 0 when the connection
	was lost before the answer), text."""

	def __init__(self, test_id, infected):
		self.test_id = test_id
		self.infected = infected
		self.code = 0
		self.text = ""


class Load:
	"""`clients` threads against a port. start() ... stop(); attempts is filled as they go.

	retry	a mail that gets 4xx or no answer is sent again after retry_s, as a sending MTA would,
		until it has 250 or 5xx; each sending has an id of its own
	"""

	def __init__(self, port, clients=4, retry_s=0.3, prefix="load", give_up_s=60):
		self._port = port
		self._retry_s = retry_s
		self._prefix = prefix
		self._give_up_s = give_up_s
		self._lock = threading.Lock()
		self._ending = threading.Event()
		self._next = 0
		self.attempts = []
		self.undecided = []       # mails that never got 250 or 5xx
		self._threads = [threading.Thread(target=self._client, daemon=True)
			for _ in range(clients)]

	def start(self):
		for thread in self._threads:
			thread.start()
		return self

	def stop(self):
		"""Lets every client finish its mail and returns self."""
		self._ending.set()
		for thread in self._threads:
			thread.join(self._give_up_s + 60)
			if thread.is_alive():
				raise AssertionError("a client still waits for its reply")
		return self

	def settled(self):
		"""How many mails have 250 or 5xx so far."""
		with self._lock:
			return sum(1 for a in self.attempts if a.code == 250 or a.code >= 500)

	def wait_settled(self, more, timeout_s=60):
		"""Waits until `more` further mails are settled; fails the test when they are not."""
		goal, end = self.settled() + more, time.monotonic() + timeout_s
		while self.settled() < goal:
			if time.monotonic() > end:
				raise AssertionError("mail stands still: fewer than %d mails settled in %g s"
					% (more, timeout_s))
			time.sleep(0.05)

	def _take_number(self):
		with self._lock:
			self._next += 1
			return self._next

	def _client(self):
		connection = None
		while not self._ending.is_set():
			number = self._take_number()
			connection = self._deliver(connection, number)
			if connection and number % 5 == 0:
				connection.close()
				connection = None
		if connection:
			connection.close()

	def _deliver(self, connection, number):
		"""Sends mail `number` until it is settled. Returns the connection, None when lost."""
		end, turn = time.monotonic() + self._give_up_s, 0
		while True:
			turn += 1
			test_id = "%s-%d-%d" % (self._prefix, number, turn)
			content, infected = mails.mixed(test_id, number)
			attempt = Attempt(test_id, infected)
			connection = self._try(connection, attempt, content)
			with self._lock:
				self.attempts.append(attempt)
			if attempt.code == 250 or attempt.code >= 500:
				return connection
			if time.monotonic() > end:
				self.undecided.append(test_id)
				return connection
			time.sleep(self._retry_s)

	def _try(self, connection, attempt, content):
		try:
			connection = connection or smtp.Client(self._port)
			reply = connection.mail(content)
			attempt.code, attempt.text = reply.code, reply.text
			if 400 <= reply.code < 500:
				# An MTA that lost its filter defers all that follows on this connection.
				connection.close()
				return None
			return connection
		except (smtp.ConnectionLost, OSError) as error:
			attempt.text = str(error)
			if connection:
				connection.abort()
			return None

	def account(self, sink):
		"""Compares the replies with the sink, once everything is delivered. Returns a list of
		complaints, empty when all is well."""
		counts = sink.counts()
		wrong = ["%s never got a definite answer" % test_id for test_id in self.undecided]
		for attempt in self.attempts:
			arrived = counts.get(attempt.test_id, 0)
			if attempt.infected and (attempt.code == 250 or arrived):
				wrong.append("%s is infected: code %d, %d times in the sink"
					% (attempt.test_id, attempt.code, arrived))
			elif not attempt.infected and attempt.code >= 500:
				wrong.append("%s is clean but got %d %s"
					% (attempt.test_id, attempt.code, attempt.text))
			elif attempt.code == 250 and arrived != 1:
				wrong.append("%s got 250 and is %d times in the sink"
					% (attempt.test_id, arrived))
			elif attempt.code >= 400 and arrived:
				wrong.append("%s got %d and is in the sink" % (attempt.test_id, attempt.code))
		return wrong

	def summary(self):
		"""Counts by code as text, e.g. "250: 312, 451: 4, 550: 90"."""
		codes = {}
		for attempt in self.attempts:
			codes[attempt.code] = codes.get(attempt.code, 0) + 1
		return ", ".join("%s: %d" % (code or "lost", codes[code]) for code in sorted(codes))
