"""The C load generator and sink of bench/ inside a test: many connections, thousands of mails, and
afterwards the accounting by id. load.py and sink.py beside this file are slower and look closer."""

import json
import os
import signal
import subprocess
import time


class Account:
	"""What became of each mail, by the load's report and the sink's ids.

	sent, accepted		mails; of them answered 2xx
	lost			ids of clean mails that were answered 2xx and never arrived
	infected_arrived	ids of infected mails that arrived
	refused_arrived		ids answered 5xx in the end that arrived, infected ones not included
	doubled			ids that arrived more often than once
	doubled_wrongly		those of them for which SMTP is no excuse: fewer tries than needed lost their
				connection between the end of the mail and its answer
	strangers		ids that arrived and that nobody sent
	"""

	def __init__(self, report_path, ids_path, prefix):
		arrived = _read_ids(ids_path, prefix)
		self.sent = self.accepted = 0
		self.lost, self.infected_arrived, self.refused_arrived = [], [], []
		self.doubled, self.doubled_wrongly = [], []
		with open(report_path) as handle:
			for line in handle:
				test_id, *numbers = line.split()
				self._take(test_id, [int(n) for n in numbers], arrived.pop(test_id, 0))
		self.strangers = sorted(arrived)

	def _take(self, test_id, numbers, count):
		code, _tries, _deferred, _lost, lost_after_end = numbers
		infected = "-i-" in test_id
		self.sent += 1
		self.accepted += 200 <= code < 300
		if 200 <= code < 300 and not infected and count == 0:
			self.lost.append(test_id)
		if infected and count:
			self.infected_arrived.append(test_id)
		if code >= 500 and not infected and count:
			self.refused_arrived.append(test_id)
		if count > 1:
			self.doubled.append(test_id)
		if count > lost_after_end + (200 <= code < 300):
			self.doubled_wrongly.append(test_id)

	def complaints(self):
		"""A list of texts, empty when all is well. Infected mails that arrived are for the caller
		to judge: not every filter that is measured finds them."""
		return ["%d mails %s: %s" % (len(ids), what, " ".join(ids[:5])) for ids, what in (
			(self.lost, "lost"), (self.refused_arrived, "refused, but they arrived"),
			(self.doubled_wrongly, "doubled without cause"), (self.strangers, "never sent")) if ids]


def _read_ids(path, prefix):
	with open(path) as handle:
		pairs = (line.split() for line in handle)
		return {test_id: int(count) for test_id, count in pairs
			if test_id.startswith(prefix + "-")}


def sink_counts(process, output_path, timeout_s=10):
	"""Makes a running bench_smtp_sink write its ids and print its counts to the file that is its
	standard output; returns them as a dict."""
	before = os.path.getsize(output_path)
	process.send_signal(signal.SIGUSR1)
	end = time.monotonic() + timeout_s
	while time.monotonic() < end:
		with open(output_path) as handle:
			handle.seek(before)
			text = handle.read()
		if text.endswith("}\n"):
			return json.loads(text.splitlines()[-1])
		time.sleep(0.01)
	raise AssertionError("the sink does not answer")


class Sink:
	"""bench_smtp_sink on a port of its own choice. stop() ends it.

	programs	folder of the bench_* programs
	folder		private; holds the sink's ids and output
	faults		texts as for --fault
	"""

	def __init__(self, programs, folder, faults=(), options=(), port=0):
		self.ids_path = os.path.join(folder, "sink.ids")
		self._output_path = os.path.join(folder, "sink.out")
		command = [os.path.join(programs, "bench_smtp_sink"), "--ids", self.ids_path, *options]
		for fault in faults:
			command += ["--fault", fault]
		with open(self._output_path, "wb") as out:
			self._process = subprocess.Popen(command + ["inet:127.0.0.1:%d" % port], stdout=out,
				stdin=subprocess.DEVNULL)
		self.port = port or self._read_port()

	def _read_port(self):
		end = time.monotonic() + 10
		while time.monotonic() < end and self._process.poll() is None:
			with open(self._output_path) as handle:
				words = handle.readline().split()
			if len(words) == 2:
				return int(words[1])
			time.sleep(0.01)
		raise AssertionError("the sink did not start")

	def counts(self):
		return sink_counts(self._process, self._output_path)

	def stop(self):
		self._process.terminate()
		self._process.wait(10)


class Load:
	"""bench_smtp_load against a port. start(), then wait(): the result as a dict.

	options		as on its command line, e.g. ("--retry", "--count", "500")
	"""

	def __init__(self, programs, folder, port, corpus, prefix="load", options=()):
		self.report_path = os.path.join(folder, prefix + ".report")
		self.prefix = prefix
		self._command = [os.path.join(programs, "bench_smtp_load"), "--address",
			"inet:127.0.0.1:%d" % port, "--corpus", corpus, "--prefix", prefix,
			"--report", self.report_path, "--json", *options]
		self._process = None

	def start(self):
		self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE,
			stdin=subprocess.DEVNULL, text=True)
		return self

	def is_running(self):
		return self._process.poll() is None

	def wait(self, timeout_s=300):
		text, _ = self._process.communicate(timeout=timeout_s)
		if not text.startswith("{"):
			raise AssertionError("the load generator ended with %d" % self._process.returncode)
		return json.loads(text)

	def account(self, sink):
		"""To be asked once the load has ended: makes the sink write its ids, and compares."""
		sink.counts()
		return Account(self.report_path, sink.ids_path, self.prefix)
