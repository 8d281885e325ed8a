"""A private OpenSMTPD: configuration, spool, control socket and log below one work folder, one SMTP
port on loopback, every mail relayed by SMTP to a sink. Its accounts and /var/spool/smtpd,
/var/lib/opensmtpd and /var/run/smtpd.sock are built in, so it runs in a namespace of its own.

OpenSMTPD(base, sink_port, filter_command="/path/cordon opensmtpd -c FILE").start() attaches a
filter; it runs as the account opensmtpd, so all it reads must be readable by every user."""

import os

from . import debian
from .namespace import Namespace
from .server import MailServer

_CONF = """\
# A small OpenSMTPD for tests.
smtp max-message-size "{size_limit}"
{filter}listen on 127.0.0.1 port {port} hostname mx.test.example{use}

action "sink" relay host smtp://127.0.0.1:{sink_port}
match from any for any action "sink"
"""


class OpenSMTPD(MailServer):
	"""One private instance.

	base		its folder, made by us, reachable by every user
	sink_port	where its mails go, on 127.0.0.1
	filter_command	command line of a filter; "" for none
	port		where it takes mail
	config		path of its smtpd.conf
	"""

	title = "OpenSMTPD"

	def __init__(self, base, sink_port, filter_command="", size_limit="300M", port=None):
		super().__init__(os.path.join(base, "opensmtpd"), port)
		self.root = debian.unpack("opensmtpd", ["opensmtpd"])
		self.program = self.root.file("usr/sbin/smtpd")
		self.config = os.path.join(self.base, "smtpd.conf")
		self.env = self.root.env()
		os.makedirs(self.base, exist_ok=True)
		os.chmod(self.base, 0o755)
		self.namespace = Namespace(self.base, ["opensmtpd", "opensmtpq"])
		self._make_folders()
		line = 'filter "test" proc-exec "%s"\n' % filter_command if filter_command else ""
		with open(self.config, "w") as handle:
			handle.write(_CONF.format(port=self.port, sink_port=sink_port, filter=line,
				use=' filter "test"' if line else "", size_limit=size_limit))
		os.chmod(self.config, 0o644)

	def _make_folders(self):
		library = self.namespace.folder("/var/lib")
		os.makedirs(os.path.join(library, "opensmtpd", "empty"), exist_ok=True)
		spool = os.path.join(self.namespace.folder("/var/spool"), "smtpd")
		ids = self.namespace.ids
		queues = [(name, 0o700, ids["opensmtpq"], 0)
			for name in ("queue", "corrupt", "incoming", "purge", "temporary")]
		for name, mode, user, group in [("", 0o711, 0, 0)] + queues + [
				("offline", 0o770, 0, ids["opensmtpq"])]:
			folder = os.path.join(spool, name)
			os.makedirs(folder, exist_ok=True)
			os.chown(folder, user, group)
			os.chmod(folder, mode)
		self.spool = spool
		self.namespace.folder("/run")

	def command(self, *words):
		"""The command line that runs smtpd with this configuration and more words."""
		return self.namespace.command([self.program, "-f", self.config] + list(words))

	def start(self):
		"""Starts the daemon. Returns self when the port answers."""
		return self._launch(self.command("-d"), self.env)

	def restart(self):
		"""Stops and starts it: it has no other way to take a changed configuration."""
		self.stop()
		return self.start()

	def queued(self):
		"""How many envelopes wait in its queue."""
		count = 0
		for folder in ("queue", "incoming"):
			for _, _, names in os.walk(os.path.join(self.spool, folder)):
				count += len([name for name in names if name != "message"])
		return count
