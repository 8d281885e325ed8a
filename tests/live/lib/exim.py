"""A private Exim (Debian's exim4-daemon-heavy, which has the content scanner interface): one
configuration file, spool and log below one work folder, one SMTP port on loopback, every mail
relayed by SMTP to a sink. It runs in a namespace that knows the account Debian-exim.

Exim(base, sink_port, scanner="clamd:/path/of.sock").start() has Exim ask that clamd-compatible
socket about each mail; "" leaves the check out."""

import os
import signal

from . import debian, process
from .namespace import Namespace

_CONF = """\
# A small Exim for tests.
exim_path = {exim}
primary_hostname = mx.test.example
spool_directory = {base}/spool
log_file_path = {base}/log/%slog
pid_file_path = {base}/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
domainlist local_domains =
hostlist relay_from_hosts = 127.0.0.1
tls_advertise_hosts =
keep_environment = LD_LIBRARY_PATH
message_size_limit = {size_limit}
queue_only = false
deliver_drop_privilege = true
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
host_lookup =
rfc1413_hosts =
never_users =
{scanner}
acl_smtp_rcpt = acl_check_rcpt
acl_smtp_data = acl_check_data

begin acl

acl_check_rcpt:
  accept hosts = +relay_from_hosts
  deny   message = relay not permitted

acl_check_data:
{acl}  accept

begin routers

sink:
  driver = manualroute
  domains = ! +local_domains
  transport = sink_smtp
  route_list = * 127.0.0.1
  self = send

begin transports

sink_smtp:
  driver = smtp
  port = {sink_port}
  allow_localhost
  hosts_try_prdr =
  hosts_try_chunking =
  hosts_try_fastopen =

begin retry

* * F,2h,5s

begin rewrite

begin authenticators
"""

# DEFER: without the scanner the mail waits, it does not pass.
_ACL = """\
  deny   malware = *
         message = refused: $malware_name
"""


class Exim:
	"""One private instance.

	base		its folder, made by us, reachable by every user
	sink_port	where its mails go, on 127.0.0.1
	scanner		value of av_scanner, e.g. "clamd:/run/x.sock" or "clamd:127.0.0.1 3310"; ""
			for none
	port		where it takes mail
	config		path of its configuration, pid_file of its daemon's process id
	"""

	def __init__(self, base, sink_port, scanner="", size_limit=300 * 1024 * 1024, port=None):
		packages = ["exim4-daemon-heavy", "exim4-base", "exim4-config"]
		self.base = os.path.join(base, "exim")
		unpacked = debian.unpack("exim", packages)
		self.port = port or process.free_port()
		self.config = os.path.join(self.base, "exim.conf")
		self.pid_file = os.path.join(self.base, "exim.pid")
		self.process = None
		os.makedirs(self.base, exist_ok=True)
		os.chmod(self.base, 0o755)
		self.namespace = Namespace(self.base, ["Debian-exim"])
		# Inside, the unpacked package stands where Debian-exim can reach it: Exim runs itself
		# anew on SIGHUP and for deliveries.
		self.root = debian.Root(os.path.join(self.base, "root"))
		os.makedirs(self.root.path, exist_ok=True)
		self.namespace.bind(unpacked.path, self.root.path)
		self.program = os.path.join(self.root.path, "usr/sbin/exim4")
		self.env = self.root.env(LD_LIBRARY_PATH=unpacked.library_path().replace(
			unpacked.path, self.root.path))
		self._settings = dict(base=self.base, exim=self.program, port=self.port,
			sink_port=sink_port, size_limit=size_limit,
			scanner="av_scanner = " + scanner if scanner else "", acl=_ACL if scanner else "")
		self._make_files()

	def _make_files(self):
		for name in ("spool", "log"):
			folder = os.path.join(self.base, name)
			os.makedirs(folder, exist_ok=True)
			os.chmod(folder, 0o750)
			os.chown(folder, *2 * (self.namespace.ids["Debian-exim"],))
		# After SIGHUP the daemon, then without root's rights, writes its process id again.
		with open(self.pid_file, "w"):
			pass
		os.chown(self.pid_file, *2 * (self.namespace.ids["Debian-exim"],))
		with open(self.config, "w") as handle:
			handle.write(_CONF.format(**self._settings))
		os.chmod(self.config, 0o644)

	def command(self, *words, config=None):
		"""The command line that runs Exim with this configuration and more words."""
		return self.namespace.command([self.program, "-C", config or self.config] + list(words))

	def start(self, config=None):
		"""Starts the daemon (with another configuration file when given). Returns self when the
		port answers."""
		self.process = process.start(self.command("-bdf", "-q5s", config=config),
			os.path.join(self.base, "output"), env=self.env, cwd=self.base)
		try:
			process.wait_for(self._is_up, 30, "Exim")
		except process.StartError as error:
			self.stop()
			raise process.StartError("%s\n%s" % (error, self.log())) from None
		return self

	def _is_up(self):
		if self.process.poll() is not None:
			raise process.StartError("Exim ended with %d" % self.process.returncode)
		return process.is_listening(("127.0.0.1", self.port))

	def stop(self):
		"""Ends the daemon and what it forked."""
		if self.process is None:
			return
		pid = self.process.pid
		below = process.descendants(pid)
		process.stop(self.process, timeout_s=15, sig=signal.SIGTERM)
		process.kill_group(pid)
		for child in below:
			if process.title(child).startswith("exim"):
				os.kill(child, signal.SIGKILL)
		self.process = None

	def log(self, limit=None):
		"""What it printed, and its main and reject logs."""
		names = ("output", "log/mainlog", "log/rejectlog", "log/paniclog")
		return "".join(process.read_text(os.path.join(self.base, name), limit) for name in names)

	def queued(self):
		"""How many mails wait in its queue."""
		count = 0
		for _, _, names in os.walk(os.path.join(self.base, "spool", "input")):
			count += len([name for name in names if name.endswith("-H")])
		return count

	def wait_until_delivered(self, timeout_s=60):
		"""Waits until the queue is empty. Raises process.StartError when it does not empty."""
		process.wait_for(lambda: self.queued() == 0, timeout_s, "an empty Exim queue", 0.1)
