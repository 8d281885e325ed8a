"""A private Sendmail: configuration made with m4 from the unpacked package, queue, pid and log
below one work folder, one SMTP port on loopback, the milter under test as input filter, every mail
relayed by SMTP to a sink. All paths are set in the .cf file, so nothing of /etc/mail is read."""

import os
import subprocess

from . import debian, process
from .server import MailServer

# No backquote may stand in a value; the quotes of m4 are ` and '.
_MC = """\
divert(0)dnl
VERSIONID(`private instance for tests')dnl
OSTYPE(`linux')dnl
DOMAIN(`generic')dnl
undefine(`UUCP_RELAY')dnl
undefine(`BITNET_RELAY')dnl
define(`confCF_VERSION', `test')dnl
define(`QUEUE_DIR', `{base}/queue')dnl
define(`STATUS_FILE', `{base}/statistics')dnl
define(`HELP_FILE', `{base}/helpfile')dnl
define(`ALIAS_FILE', `')dnl
define(`confPID_FILE', `{base}/sendmail.pid')dnl
define(`confSERVICE_SWITCH_FILE', `{base}/service.switch')dnl
define(`confHOSTS_FILE', `{base}/hosts')dnl
define(`confDOMAIN_NAME', `mx.test.example')dnl
define(`confCW_FILE', `-o {base}/local-host-names')dnl
define(`confCT_FILE', `-o {base}/trusted-users')dnl
define(`confCR_FILE', `-o {base}/relay-domains')dnl
define(`confDEF_USER_ID', `65534:65534')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confDONT_INIT_GROUPS', `True')dnl
define(`confLOG_LEVEL', `9')dnl
define(`confTO_IDENT', `0s')dnl
define(`confTO_ICONNECT', `10s')dnl
define(`confTO_RESOLVER_RETRANS', `1s')dnl
define(`confTO_RESOLVER_RETRY', `1')dnl
define(`confMAX_MESSAGE_SIZE', `{size_limit}')dnl
define(`confDELIVERY_MODE', `background')dnl
define(`confMAX_DAEMON_CHILDREN', `0')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confDELAY_LA', `1000')dnl
define(`confCONNECTION_RATE_THROTTLE', `0')dnl
define(`confBAD_RCPT_THROTTLE', `0')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
define(`confPRIVACY_FLAGS', `noreceipts')dnl
define(`confBIND_OPTS', `-DNSRCH -DEFNAMES')dnl
define(`confMILTER_LOG_LEVEL', `9')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`accept_unqualified_senders')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`no_default_msa')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {sink_port}')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {sink_port}')dnl
define(`SMTP_MAILER_ARGS', `TCP $h {sink_port}')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}')dnl
{milter}dnl
MAILER(`smtp')dnl
"""

_MILTER = "INPUT_MAIL_FILTER(`cordon', `S={address}, F=T, T=C:10s;S:30s;R:60s;E:2m')"


def _milter_address(milter):
	"""Sendmail's notation for "unix:PATH" or "inet:HOST:PORT"."""
	kind, rest = milter.split(":", 1)
	if kind == "unix":
		return "local:" + rest
	host, port = rest.rsplit(":", 1)
	return "inet:%s@%s" % (port, host)


class Sendmail(MailServer):
	"""One private instance; base, milter, sink_port and port as in postfix.Postfix. Its log goes to
	syslog: log() has what it printed."""

	title = "Sendmail"
	patience_s = 100

	def __init__(self, base, milter, sink_port, size_limit=300 * 1024 * 1024, port=None):
		packages = ["sendmail-bin", "sendmail-cf", "sendmail-base", "m4"]
		self.root = debian.unpack("sendmail", packages)
		super().__init__(os.path.join(base, "sendmail"), port)
		self._settings = dict(base=self.base, port=self.port, sink_port=sink_port,
			size_limit=size_limit, milter="")
		if milter:
			self._settings["milter"] = _MILTER.format(address=_milter_address(milter)) + "\n"

	def start(self):
		"""Makes the configuration and starts the daemon. Returns self when the port answers."""
		self._make_files()
		binary = self.root.file("usr/libexec/sendmail/sendmail", "usr/lib/sm.bin/sendmail")
		command = [binary, "-bD", "-C", os.path.join(self.base, "sendmail.cf"), "-q2s"]
		# Before it reads its configuration Sendmail sleeps 60 s when the host name has no dot.
		# A name that is an address has some and is not looked up.
		return self._launch(command, self.root.env(), hostname="127.0.0.1")

	def queued(self):
		return len([name for name in os.listdir(os.path.join(self.base, "queue"))
			if name.startswith("qf")])

	def _make_files(self):
		for folder, mode in ((self.base, 0o755), (os.path.join(self.base, "queue"), 0o700)):
			os.makedirs(folder, exist_ok=True)
			os.chmod(folder, mode)
		for name, text in (("helpfile", "#vers 2\n"), ("local-host-names", ""),
				("trusted-users", ""), ("relay-domains", ""),
				("hosts", "127.0.0.1 localhost\n"),
				("service.switch", "hosts files\naliases files\npasswd files\n")):
			self._write(name, text)
		self._write("sendmail.mc", _MC.format(**self._settings))
		self._write("sendmail.cf", self._run_m4())

	def _run_m4(self):
		cf_dir = os.path.join(self.root.path, "usr/share/sendmail/cf")
		command = [self.root.file("usr/bin/m4"), "-D_CF_DIR_=" + cf_dir + "/",
			os.path.join(cf_dir, "m4/cf.m4"), os.path.join(self.base, "sendmail.mc")]
		result = subprocess.run(command, env=self.root.env(), cwd=self.base, text=True,
			stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
		if result.returncode != 0:
			raise process.StartError("m4 on sendmail.mc: " + result.stderr.strip())
		return result.stdout

	def _write(self, name, text):
		path = os.path.join(self.base, name)
		with open(path, "w") as handle:
			handle.write(text)
		os.chmod(path, 0o644)
