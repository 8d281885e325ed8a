"""What the fault tests have in common: the page that tells fault_preload.c what to refuse, a daemon
with that library in all its processes, what must be the same when nothing is going on, and the
case: n = 1, 2, 3 and so on, until a run meets no refusal any more. Which cases there are, and what
is right, is for the test files."""

import collections
import contextlib
import mmap
import os
import re
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "live"))

# pylint: disable=wrong-import-position
from lib import clamd, cordond, mails, milter, process, runner   # noqa: E402
from lib.runner import expect                                    # noqa: E402
from lib.station import Station                                  # noqa: E402

# The same numbers stand in fault_preload.c.
ROLES = {name: number + 1 for number, name in enumerate(("supervisor", "gate", "recorder",
	"inspector_root", "inspector", "engine_root", "engine", "command", "local"))}
KINDS = {name: number + 1 for number, name in enumerate(("memory", "read", "write", "fork",
	"map", "open", "accept", "connect", "short"))}
_MAGIC = 0x43464c54
_PAGE = struct.Struct("=8I96s")

_SKIP_STATUS = 77
_SECONDS = float(os.environ.get("CORDON_FAULT_SECONDS") or 1.5)  # for each case
_DENSE = 4                  # so many first calls are refused one by one in any case
MAIL_TIME_S = 15            # an answer that takes longer is none
_RECOVERY_S = 15
_SETTLE_S = 5
_QUIET_S = 0.5
_RUNS_MAX = 2000
_POOLED = ("cordon-spool", "cordon-hold")   # the gate keeps a few idle ones
_POOLED_MAX = 16

LOST = (b"", b"connection lost")


class Page:
	"""The shared page: tells the preloaded library what to refuse."""

	def __init__(self, path):
		self.path = path
		self.armed = None               # what was asked for last
		with open(path, "wb") as handle:
			handle.write(struct.pack("=I", _MAGIC).ljust(mmap.PAGESIZE, b"\0"))
		with open(path, "r+b") as handle:
			self._map = mmap.mmap(handle.fileno(), mmap.PAGESIZE)

	def arm(self, role, kind, first, length=1):
		"""Refuse calls first ... first + length - 1 from now on; first 0: only count."""
		self.disarm()
		self.armed = (role, kind, first, length)
		self._map[:_PAGE.size] = _PAGE.pack(_MAGIC, ROLES[role], KINDS[kind], first, length, 0,
			0, 0, b"")
		self._map[20:24] = struct.pack("=I", 1)

	def again(self):
		"""The same anew. Returns as disarm()."""
		found = self.disarm()
		self.arm(*self.armed)
		return found

	def disarm(self):
		"""Returns (calls counted, calls refused, who made the first of those)."""
		self._map[20:24] = struct.pack("=I", 0)
		fields = _PAGE.unpack(self._map[:_PAGE.size])
		return fields[6], fields[7], fields[8].split(b"\0")[0].decode()


class Patient(milter.Dialogue):
	"""A dialogue with one end for all of it: "still at it" does not count as an answer."""

	def __init__(self, address):
		super().__init__(address, MAIL_TIME_S)
		self.end_s = time.monotonic() + MAIL_TIME_S

	def read(self):
		left = self.end_s - time.monotonic()
		if left <= 0:
			raise TimeoutError
		self.socket.settimeout(left)
		return super().read()


class Faulty(Station):
	"""A daemon with the library in all its processes."""

	def __init__(self, base):
		super().__init__(base)
		self.page = Page(os.path.join(base, "fault.page"))
		self.database = os.path.join(base, "db")
		self.setup = None
		self.normal = None
		self.turn = 0
		self.engines = set()            # process ids of all that were seen
		self.filler = mails.noise(300_000, 7)
		clamd.write_database(self.database)
		self.clamd = clamd.FaultyClamd("looks").start()

	def use(self, setup):
		"""Starts the daemon: "signatures" finds EICAR by its signature; "engine" and "clamd" find
		only what libclamav or a clamd finds, by the marker."""
		if self.setup == setup and self.filter and self.filter.is_running():
			return
		self.setup = setup
		blocks = self.listeners()
		if setup == "engine":
			blocks += [cordond.block("signatures", "", eicar=False),
				cordond.block("clamav", "", enabled=True, database=self.database, workers=1)]
		if setup == "clamd":
			blocks += [cordond.block("signatures", "", eicar=False),
				cordond.block("clamd", "looks", servers=[self.clamd.address], retry_down_ms=100)]
		with self.preloaded():
			self.start(*blocks, inspectors=1, restart_backoff_max_ms=100,
				message_timeout_ms=2500, io_timeout_ms=2000)
		self.serves()
		time.sleep(_QUIET_S)            # until the gate has closed the last session
		self.normal = self.state()

	def listeners(self):
		"""Blocks of the configuration besides the listener for milter."""
		return []

	@contextlib.contextmanager
	def preloaded(self):
		"""What is started meanwhile has the library."""
		os.environ["LD_PRELOAD"] = os.environ["CORDON_FAULT_PRELOAD"]
		os.environ["CORDON_FAULT_PAGE"] = self.page.path
		try:
			yield
		finally:
			del os.environ["LD_PRELOAD"]

	def stop(self):
		super().stop()
		self.clamd.stop()

	def stop_filter(self):
		self.page.disarm()
		super().stop_filter()

	def virus(self, unique):
		"""Bytes that are found: never seen before, or the same each time."""
		found = mails.eicar() if self.setup == "signatures" else mails.marker()
		return found + b" %d %d" % (os.getpid(), self.turn) if unique else found

	def infected(self, kind):
		"""An infected mail: "new", "known" (the file was seen before), "big"."""
		self.turn += 1
		name = "fault-%d" % self.turn
		note = ("note.txt", b"turn %d\n" % self.turn)
		if kind == "big":
			return mails.with_attachments(name, ("data.bin", self.filler), note,
				("eicar.zip", mails.zipped(("eicar.com", self.virus(True)))))
		return mails.with_attachments(name, note,
			("eicar.zip", mails.zipped(note, ("eicar.com", self.virus(kind == "new")))))

	def clean(self):
		self.turn += 1
		return mails.with_attachments("fault-%d" % self.turn, ("note.txt", b"%d" % self.turn),
			("notes.zip", mails.zipped(("a.txt", b"clean %d\n" % self.turn))))

	def hand_over(self, content):
		"""The answer to a mail, or LOST. Fails when there is none in time."""
		begin = time.monotonic()
		try:
			with Patient(self.filter.milter) as dialogue:
				dialogue.negotiate()
				dialogue.connected()
				dialogue.helo()
				return dialogue.mail(content)
		except TimeoutError:
			pass
		except (milter.Closed, OSError):
			return LOST
		raise AssertionError("a mail had no answer after %.0f s" % (time.monotonic() - begin))

	def offer(self, content, infected):
		"""Hands a mail over and judges the answer: 1 as it should be, 0 try again. Fails when
		an infected mail is let through, or a clean one refused for good."""
		answer = self.hand_over(content)
		if answer == LOST or milter.is_refused(answer, b"4"):
			return 0
		if infected:
			expect(milter.is_refused(answer, b"550"), "AN INFECTED MAIL PASSED: %r" % (answer,))
		else:
			expect(answer[0] in (milter.CONTINUE, milter.ACCEPT), "a clean mail: %r" % (answer,))
		return 1

	def serves(self):
		"""Waits until infected and clean mail are answered as they should be."""
		end = time.monotonic() + _RECOVERY_S
		while not (self.offer(self.infected("new"), True) and self.offer(self.infected("known"),
				True) and self.offer(self.clean(), False)):
			expect(time.monotonic() < end, "mail is still not served %d s later" % _RECOVERY_S)
			time.sleep(0.02)

	def descriptors(self, pid):
		"""What a process has open: (count of each target, number of pooled ones)."""
		found = collections.Counter()
		for number in os.listdir("/proc/%d/fd" % pid):
			try:
				target = os.readlink("/proc/%d/fd/%s" % (pid, number))
			except FileNotFoundError:
				continue
			found[re.sub(r"\[?\d+\]?", "", target)] += 1
		pooled = sum(found.pop(name) for name in list(found) if any(p in name for p in _POOLED))
		return found, pooled

	def processes(self):
		"""What the supervisor started: (name, pid), in order."""
		return sorted((process.title(pid), pid) for pid in
			process.children(self.filter.process.pid) if not process.is_zombie(pid))

	def root(self, name):
		"""Process id of the only process of this name that the supervisor started."""
		pids = [pid for title, pid in self.processes() if title == name]
		expect(len(pids) == 1, "%d processes %s" % (len(pids), name))
		return pids[0]

	def state(self):
		"""What must be the same whenever nothing is going on."""
		result = {"processes": collections.Counter(name for name, _ in self.processes())}
		for name, pid in self.processes() + [("cordond", self.filter.process.pid)]:
			try:
				found, pooled = self.descriptors(pid)
			except (PermissionError, FileNotFoundError):
				continue        # closed to us when we are not root; or it has just ended
			expect(pooled <= _POOLED_MAX, "%s keeps %d regions" % (name, pooled))
			result["descriptors of " + name] = found
			if name == "cordon-engine":
				self.engines.add(pid)
		result["files"] = self.files()
		return result

	def files(self):
		"""What there is in work_dir. The folder of an engine is the engine's to remove: one that
		was killed leaves it until the next one starts."""
		found, engines = collections.Counter(), set()
		for folder, _, names in os.walk(self.filter.run):
			match = re.search(r"/engine-\d+-\w{6}", folder)
			if match:
				engines.add(match.group())
			else:
				found[folder] += 1
				found.update(os.path.join(folder, name) for name in names)
		expect(len(engines) <= max(1, len(self.engines)), "folders of engines: %r" % engines)
		return found

	def expect_normal(self):
		"""Fails when something stayed behind, after giving it the time to go."""
		end = time.monotonic() + _SETTLE_S
		state = self.state()
		while state != self.normal:
			expect(time.monotonic() < end, "%.0f s later there is: %s"
				% (_SETTLE_S, _changes(self.normal, state)))
			time.sleep(0.02)
			state = self.state()


def _changes(before, after):
	"""What differs between two states, in words."""
	found = []
	for what in sorted(set(before) | set(after)):
		old, new = before.get(what, {}), after.get(what, {})
		found += ["%s: %d %s instead of %d" % (what, new.get(key, 0), key, old.get(key, 0))
			for key in sorted(set(old) | set(new)) if old.get(key, 0) != new.get(key, 0)]
	return "; ".join(found)


class Case:
	"""One process, one kind of call, one thing that happens meanwhile; length calls in a row are
	refused."""

	def __init__(self, setup, role, kind, meanwhile, length=1):
		self.setup, self.role, self.kind, self.meanwhile = setup, role, kind, meanwhile
		self.length = length
		self.n = 0
		self.seconds = _SECONDS
		self.__name__ = "%s_%s%s_%s" % (role, kind, "_burst" if 1 < length < 1000 else "",
			meanwhile) + ("" if setup == "signatures" else "_with_" + setup)

	def __call__(self, station):
		begin = time.monotonic()
		station.use(self.setup)
		total, n, runs, ended, where = 0, 0, 0, False, ""
		try:
			n = self.first(station) - 1
			total = self._one(station, 0)[0]
			while not ended and runs < _RUNS_MAX and time.monotonic() - begin < self.seconds:
				n += self._step(n, total, runs, time.monotonic() - begin)
				_, refused, where = self._one(station, n)
				ended = refused == 0
				runs += not ended
		except Exception as error:
			where = station.page.disarm()[2] or where
			station.stop_filter()           # the next case starts afresh
			raise AssertionError("call %d of about %d, at %s: %s" % (n, total, where or "?",
				error)) from error
		print("%s: %d runs, up to call %d of about %d%s" % (self.__name__, runs, n - ended, total,
			"" if ended else ", then out of time"))

	def _step(self, n, total, runs, spent_s):
		"""How far to go on, so that the rest of the calls fits into the rest of the time."""
		runs_left = int((self.seconds - spent_s) / (spent_s / (runs + 1)))
		return 1 if runs < _DENSE else max(1, -(-(total - n) // max(1, runs_left)))

	def _one(self, station, n):
		"""One run. Returns (calls, refused calls, where)."""
		below = process.descendants(station.filter.process.pid)
		self.n = n
		station.page.arm(self.role, self.kind, n, self.length)
		before = self.act(station) or (0, 0, "")
		last = station.page.disarm()
		result = (max(before[0], last[0]), before[1] + last[1], before[2] or last[2])
		if not self._lives(station, result[1] > 0, below):
			station.use(self.setup)
		self.recover(station)
		return result

	def recover(self, station):
		"""What must be so again when nothing is refused any more."""
		station.serves()
		station.expect_normal()

	def first(self, _):
		"""The call to begin with."""
		return 1

	def act(self, station):
		"""What is done while calls are refused; a test file's own. May return what disarm() has
		told on the way."""
		raise NotImplementedError

	def _lives(self, station, refused, below):
		"""False when the whole daemon ended, where it may: the supervisor without memory."""
		if station.filter.is_running():
			return True
		expect(refused and self.role == "supervisor" and self.kind == "memory",
			"the whole daemon ended")
		process.wait_for(lambda: all(process.is_zombie(pid) for pid in below), 10,
			"the end of the processes of a supervisor that ended")
		return False


def _cannot_run():
	library = os.environ.get("CORDON_FAULT_PRELOAD")
	binary = os.path.join(cordond.binaries(), "cordond")
	if os.path.exists(binary) and cordond.is_sanitized():
		return "AddressSanitizer has malloc to itself: the release build runs these tests"
	if not library or not os.path.exists(library):
		return "no fault_preload library (set CORDON_FAULT_PRELOAD)"
	return None


def main(cases, station):
	"""Runs the cases with a station of that class."""
	why = _cannot_run()
	if why:
		print("SKIP %s: %s" % (os.path.splitext(os.path.basename(sys.argv[0]))[0], why))
		sys.exit(_SKIP_STATUS)
	for case in cases:
		runner.test(case)
	runner.main(station, needs_root=False)
