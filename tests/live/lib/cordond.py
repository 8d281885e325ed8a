"""cordond and cordon under test: writes the configuration, starts the daemon, waits until it says
event=ready, reloads it, finds and kills its processes by role, stops it, and gives out its log.
The log goes to a file by way of standard error, which is what the tests read."""

import json
import os
import re
import shutil
import signal
import subprocess

from . import process

ROLES = ("gate", "inspect", "engine", "record")


def binaries():
	"""The folder with cordond, cordon and cordon-engine-clamav: $CORDON_BIN, or the release
	build of this checkout."""
	here = os.path.dirname(os.path.abspath(__file__))
	default = os.path.join(here, "..", "..", "..", "build", "release", "bin")
	return os.path.abspath(os.environ.get("CORDON_BIN") or default)


def has_engine():
	"""True when the build has the embedded libclamav engine."""
	return os.path.exists(os.path.join(binaries(), "cordon-engine-clamav"))


def quoted(value):
	"""A string as cordon.conf wants it."""
	return '"%s"' % str(value).replace("\\", "\\\\").replace('"', '\\"')


def _list(values):
	return "{" + ", ".join(quoted(value) for value in values) + "}"


def _plain(value):
	if isinstance(value, bool):
		return "true" if value else "false"
	if isinstance(value, int):
		return str(value)
	if isinstance(value, (list, tuple)):
		return _list(value)
	return quoted(value)


def block(kind, name, **options):
	"""A block of the configuration, e.g. block("policy", "", infected="reject")."""
	lines = ["%s %s{" % (kind, name + " " if name else "")]
	lines += ["\t%s = %s" % (key, _plain(value)) for key, value in options.items()]
	return "\n".join(lines) + "\n}\n"


class Cordond:
	"""One daemon.

	base		its folder, below a work_folder()
	settings	top-level options by name, e.g. max_message_size="1M"
	blocks		texts made by block(); the listener is added here, and the embedded engine is
			switched off unless a clamav block is given
	prefix		words before the command, e.g. prlimit(1) with its options
	milter		address of the listener as Postfix and Sendmail classes want it
	"""

	def __init__(self, base, blocks=(), listen="unix", **settings):
		self.base = os.path.join(base, "cordond")
		self.run = os.path.join(self.base, "run")
		self.config = os.path.join(self.base, "cordon.conf")
		self.log_path = os.path.join(self.base, "cordond.log")
		self.control = os.path.join(self.run, "control.sock")
		self.process, self.prefix = None, []
		self.settings = dict(user=self._user(), work_dir=self.run, inspectors=2, log="stderr")
		self.settings.update(settings)
		self.blocks = list(blocks)
		if not any(text.startswith("clamav ") for text in self.blocks):
			self.blocks.append(block("clamav", "", enabled=False))
		if listen == "unix":
			self.milter = "unix:%s/milter.sock" % self.run
		else:
			self.milter = "inet:127.0.0.1:%d" % process.free_port()
		self._make_folders()
		self.write_config()

	@staticmethod
	def _user():
		return "nobody" if os.getuid() == 0 else ""

	def _make_folders(self):
		for folder in (self.base, self.run):
			os.makedirs(folder, exist_ok=True)
			os.chmod(folder, 0o755)
		if os.getuid() == 0:
			os.chown(self.run, 65534, 65534)
		self.bin = binaries()
		if not process.is_reachable_by_all(self.bin):
			self.bin = os.path.join(self.base, "bin")
			os.makedirs(self.bin, exist_ok=True)
			for name in ("cordond", "cordon", "cordon-inspector", "cordon-engine-clamav"):
				if os.path.exists(os.path.join(binaries(), name)):
					# Not into the old file: somebody killed may not be gone yet, and runs it.
					copy = os.path.join(self.bin, name)
					shutil.copy2(os.path.join(binaries(), name), copy + ".new")
					os.replace(copy + ".new", copy)

	def write_config(self, more=""):
		"""Writes the configuration from settings and blocks; more is appended as it is."""
		text = "control_socket = %s\n" % quoted(self.control)
		for key, value in self.settings.items():
			text += "%s = %s\n" % (key, _plain(value))
		listener = dict(protocol="milter", address=self.milter)
		if self.milter.startswith("unix:"):
			listener["mode"] = "0666"
		text += block("listener", "test", **listener)
		with open(self.config + ".new", "w") as handle:
			handle.write(text + "".join(self.blocks) + more)
		os.chmod(self.config + ".new", 0o644)
		os.rename(self.config + ".new", self.config)

	def start(self, timeout_s=60, outlive=False):
		"""Starts the daemon. Returns self when it said that it is ready."""
		seen = self.log().count("event=ready")
		self.process = process.start(
			self.prefix + [os.path.join(self.bin, "cordond"), "-c", self.config], self.log_path,
			cwd=self.base, outlive=outlive)

		def is_ready():
			if self.process.poll() is not None:
				raise process.StartError("cordond ended with %d" % self.process.returncode)
			return self.log().count("event=ready") > seen

		try:
			process.wait_for(is_ready, timeout_s, "cordond's event=ready")
		except process.StartError as error:
			self.stop()
			raise process.StartError("%s\n%s" % (error, self.log()[-3000:])) from None
		return self

	def stop(self, timeout_s=30):
		"""SIGTERM, then SIGKILL to what is left. Returns the exit status."""
		if self.process is None:
			return None
		below = process.descendants(self.process.pid)
		status = process.stop(self.process, timeout_s)
		for pid in below:
			if process.title(pid).startswith("cordon"):
				os.kill(pid, signal.SIGKILL)
		self.process = None
		return status

	def reload(self):
		"""SIGHUP."""
		self.process.send_signal(signal.SIGHUP)

	def is_running(self):
		return self.process is not None and self.process.poll() is None

	def pids(self, role):
		"""Living processes of a role: "supervisor", or one of ROLES."""
		if role == "supervisor":
			return [self.process.pid]
		return [pid for pid in process.descendants(self.process.pid)
			if process.title(pid) == "cordon-" + role and not process.is_zombie(pid)]

	def inspectors(self, but=()):
		"""Waits until the inspector tree is complete and returns its pids, the root's first; none
		of `but`. What one forks has its name for a moment, so they are looked at a few times."""
		seen = []

		def whole():
			pids = [pid for pid in sorted(self.pids("inspect")) if pid not in but]
			seen.append(pids)
			complete = len(pids) == self.settings["inspectors"] + 1
			return pids if complete and seen[-5:] == [pids] * 5 else None
		return process.wait_for(whole, 20, "%d inspectors" % self.settings["inspectors"])

	def kill(self, role, which=0):
		"""kill -9 to one process of a role. Returns its pid, None when there is none."""
		pids = self.pids(role)
		if not pids:
			return None
		pid = pids[which % len(pids)]
		try:
			os.kill(pid, signal.SIGKILL)
		except ProcessLookupError:
			return None             # it has just ended by itself
		return pid

	def rss_kb(self):
		"""Resident kilobytes of all its processes, shared pages counted once (PSS)."""
		total = 0
		for pid in [self.process.pid] + process.descendants(self.process.pid):
			match = re.search(r"^Pss:\s+(\d+)",
				process.read_text("/proc/%d/smaps_rollup" % pid), re.M)
			total += int(match.group(1)) if match else 0
		return total

	def log(self):
		return process.read_text(self.log_path)

	def log_lines(self, *words):
		"""The log lines that hold all words."""
		return [line for line in self.log().splitlines() if all(w in line for w in words)]

	def wait_log(self, *words, timeout_s=20, count=1):
		"""Waits until `count` log lines hold all words and returns them."""
		def enough():
			lines = self.log_lines(*words)
			return lines if len(lines) >= count else None
		return process.wait_for(enough, timeout_s, "a log line with " + " ".join(words))

	def cordon(self, *arguments, data=None, timeout_s=120, config=True):
		"""Runs the command line. Returns (exit code, standard output, standard error); the word
		after the command gets -c and our configuration unless config is False."""
		command = [os.path.join(self.bin, "cordon"), arguments[0]]
		if config:
			command += ["-c", self.config]
		done = subprocess.run(command + list(arguments[1:]), input=data, timeout=timeout_s,
			stdin=None if data is not None else subprocess.DEVNULL,
			stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, cwd=self.base)
		return (done.returncode, done.stdout.decode("utf-8", "replace"),
			done.stderr.decode("utf-8", "replace"))

	def scan_json(self, *paths, data=None, options=()):
		"""cordon scan --json. Returns (exit code, list of one dict per line)."""
		code, out, err = self.cordon("scan", "--json", *options, *paths, data=data)
		try:
			return code, [json.loads(line) for line in out.splitlines() if line]
		except ValueError as error:
			raise AssertionError("cordon scan --json: %s\n%s%s" % (error, out, err)) from None


def is_sanitized():
	"""True when the build runs under AddressSanitizer: figures of memory mean nothing then."""
	with open(os.path.join(binaries(), "cordond"), "rb") as handle:
		return b"__asan_init" in handle.read()
