"""A private Exim (Debian's exim4-daemon-heavy, which has the content scanner interface): one
configuration file, spool and log below one work folder, one SMTP port on loopback, every mail
relayed by SMTP to a sink. It runs in a namespace that knows the account Debian-exim.

Exim(base, sink_port, scanner="clamd:/path/of.sock").start() has Exim ask that clamd-compatible
socket about each mail; "" leaves the check out."""

import os
import shutil
import signal

from . import debian, process
from .namespace import Namespace
from .server import MailServer

_CONF = """\
# A small Exim for tests.
exim_path = {exim}
primary_hostname = mx.test.example
spool_directory = {base}/spool
log_file_path = {base}/log/%slog
pid_file_path = {base}/run/exim.pid
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


class Exim(MailServer):
	"""One private instance.

	base		its folder, made by us, reachable by every user
	sink_port	where its mails go, on 127.0.0.1
	scanner		value of av_scanner, e.g. "clamd:/run/x.sock" or "clamd:127.0.0.1 3310"; ""
			for none
	port		where it takes mail
	config		path of its configuration, pid_file of its daemon's process id
	"""

	title = "Exim"

	def __init__(self, base, sink_port, scanner="", size_limit=300 * 1024 * 1024, port=None):
		packages = ["exim4-daemon-heavy", "exim4-base", "exim4-config"]
		super().__init__(os.path.join(base, "exim"), port)
		unpacked = debian.unpack("exim", packages)
		self._unpacked = unpacked.path
		self.config = os.path.join(self.base, "exim.conf")
		self.pid_file = os.path.join(self.base, "run", "exim.pid")
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
		for name in ("spool", "log", "run"):
			folder = os.path.join(self.base, name)
			os.makedirs(folder, exist_ok=True)
			os.chmod(folder, 0o750)
			os.chown(folder, *2 * (self.namespace.ids["Debian-exim"],))
		with open(self.config, "w") as handle:
			handle.write(_CONF.format(**self._settings))
		os.chmod(self.config, 0o644)

	def use_debian(self, split):
		"""Before start(): takes Debian's own configuration instead, in one template or split into
		conf.d, as a smarthost that sends all to the sink. Returns its folder; config is then the
		file that update-exim4.conf makes of it."""
		etc = os.path.join(self.base, "etc")
		shutil.copytree(os.path.join(self._unpacked, "etc/exim4"), etc)
		lines = ["pid_file_path = " + self.pid_file,
			"log_file_path = %s/log/%%slog" % self.base, "daemon_smtp_ports = %d" % self.port,
			"primary_hostname = mx.test.example", "deliver_drop_privilege = true",
			"SPOOLDIR = %s/spool" % self.base, "MAIN_KEEP_ENVIRONMENT = LD_LIBRARY_PATH",
			"ETC_MAILNAME = mx.test.example",
			"DC_minimaldns = 1", "MAIN_HOST_LOOKUP =", "CHECK_RCPT_LOCAL_LOCALPARTS =",
			"CHECK_RCPT_REMOTE_LOCALPARTS ="]
		name = "conf.d/main/00_test" if split else "exim4.conf.template"
		path = os.path.join(etc, name)
		with open(path, "a"):
			pass                        # it may not be there yet
		for top, _, names in os.walk(etc):
			for one in [os.path.join(top, name) for name in names]:
				old = process.read_text(one).replace("/usr/sbin/exim4", self.program)
				old = old.replace("* DCsmarthost byname\n", "* DCsmarthost byname\n  self = send\n")
				old = old.replace("  driver = smtp\n  multi_domain\n",
					"  driver = smtp\n  multi_domain\n  allow_localhost\n  hosts_avoid_tls = *\n")
				with open(one, "w") as handle:
					handle.write("\n".join(lines) + "\n" + old if one == path else old)
		with open(os.path.join(etc, "update-exim4.conf.conf"), "w") as handle:
			handle.write("dc_eximconfig_configtype='smarthost'\ndc_other_hostnames=''\n"
				"dc_local_interfaces='127.0.0.1'\ndc_readhost=''\ndc_relay_domains=''\n"
				"dc_minimaldns='false'\ndc_relay_nets='127.0.0.1'\ndc_smarthost='127.0.0.1::%d'\n"
				"CFILEMODE='644'\ndc_use_split_config='%s'\ndc_hide_mailname=''\n"
				"dc_mailname_in_oh='true'\ndc_localdelivery='mail_spool'\n"
				% (self._settings["sink_port"], "true" if split else "false"))
		self.config = os.path.join(self.base, "generated.conf")
		made = self.namespace.run([os.path.join(self.root.path, "usr/sbin/update-exim4.conf"), "-d",
			etc, "-o", self.config], env=self.env)
		if made.returncode != 0:
			raise process.StartError("update-exim4.conf: " + made.stdout)
		return etc

	def command(self, *words, config=None):
		"""The command line that runs Exim with this configuration and more words."""
		return self.namespace.command([self.program, "-C", config or self.config] + list(words))

	def start(self, config=None):
		"""Starts the daemon (with another configuration file when given). Returns self when the
		port answers."""
		return self._launch(self.command("-bdf", "-q5s", config=config), self.env)

	def stop(self):
		"""Also what left the daemon's process group."""
		below = process.descendants(self.process.pid) if self.process else []
		super().stop()
		for child in below:
			if process.title(child).startswith("exim"):
				os.kill(child, signal.SIGKILL)

	def log(self, limit=None):
		"""What it printed, and its main and reject logs."""
		names = ("output", "log/mainlog", "log/rejectlog", "log/paniclog")
		return "".join(process.read_text(os.path.join(self.base, name), limit) for name in names)

	def queued(self):
		count = 0
		for _, _, names in os.walk(os.path.join(self.base, "spool", "input")):
			count += len([name for name in names if name.endswith("-H")])
		return count
