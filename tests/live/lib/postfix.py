"""A private Postfix: own configuration, queue, data and log below one work folder, one SMTP port on
loopback, the milter under test attached, every mail delivered by SMTP to a sink. The programs come
from an unpacked package; nothing of a Postfix that the machine may have is read or written.

Postfix wants two accounts of its own (mail_owner, setgid_group). Making some would change the
machine, so two accounts that every Debian has and nothing here uses are lent for the purpose."""

import grp
import os
import pwd

from . import debian, process
from .server import MailServer

_MASTER_CF = """\
127.0.0.1:{port} inet n - n - {max_smtpd} smtpd{smtpd_options}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_MAIN_CF = """\
compatibility_level = 3.6
config_directory = {base}/etc
queue_directory = {base}/queue
data_directory = {base}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
meta_directory = {base}/etc
shlib_directory = {root}/usr/lib/postfix
mail_owner = {owner}
setgid_group = {group}
default_privs = nobody
import_environment = LD_LIBRARY_PATH={libraries} MAIL_CONFIG={base}/etc TZ=UTC LANG=C
maillog_file = {base}/mail.log
maillog_file_prefixes = {base}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.test.example
mydomain = test.example
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
relayhost = [127.0.0.1]:{sink_port}
smtp_host_lookup = native
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtp_destination_concurrency_limit = 20
default_destination_concurrency_limit = 20
smtp_destination_concurrency_failed_cohort_limit = 0
minimal_backoff_time = 2s
maximal_backoff_time = 5s
queue_run_delay = 2s
message_size_limit = {size_limit}
mailbox_size_limit = 0
bounce_size_limit = 1000
enable_long_queue_ids = yes
smtpd_milters = {milter}
milter_default_action = tempfail
milter_protocol = 6
milter_connect_timeout = {milter_connect_timeout}s
milter_command_timeout = 30s
milter_content_timeout = {milter_content_timeout}s
smtpd_timeout = 300s
"""

_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
	"private", "saved", "trace")


def _lend_accounts():
	"""Picks a user and a group for Postfix: neither root nor each other's, and not shared."""
	users = [entry for name in ("news", "uucp", "list", "irc", "games", "lp")
		for entry in [_user(name)] if entry]
	for user in users:
		for name in ("uucp", "news", "list", "irc", "operator", "src", "staff"):
			group = _group(name)
			if group and group.gr_gid not in (user.pw_gid, 0):
				return user, group
	raise process.StartError("no two system accounts that Postfix could use are in /etc/passwd")


def _user(name):
	try:
		entry = pwd.getpwnam(name)
	except KeyError:
		return None
	shared = [other for other in pwd.getpwall() if other.pw_uid == entry.pw_uid]
	return entry if entry.pw_uid != 0 and entry.pw_gid != 0 and len(shared) == 1 else None


def _group(name):
	try:
		entry = grp.getgrnam(name)
	except KeyError:
		return None
	shared = [other for other in grp.getgrall() if other.gr_gid == entry.gr_gid]
	return entry if len(shared) == 1 else None


class Postfix(MailServer):
	"""One private instance.

	base		its folder, made by us, reachable by every user
	milter		"inet:127.0.0.1:PORT", "unix:PATH", or "" for none
	sink_port	where its mails go, on 127.0.0.1
	port		where it takes mail
	main, master	further lines of main.cf and master.cf
	smtpd_options	"-o NAME=VALUE" of the smtpd on port
	"""

	title = "Postfix"
	patience_s = 20

	def __init__(self, base, milter, sink_port, size_limit=300 * 1024 * 1024,
			milter_content_timeout=60, milter_connect_timeout=10, max_smtpd=100, port=None,
			main="", master="", smtpd_options=""):
		super().__init__(os.path.join(base, "postfix"), port)
		self.root = debian.unpack("postfix", ["postfix"])
		self.log_path = os.path.join(self.base, "mail.log")
		self._more = {"main.cf": main, "master.cf": master}
		self._settings = dict(base=self.base, smtpd_options=" " + smtpd_options, root=self.root.path, port=self.port,
			milter=milter, sink_port=sink_port, size_limit=size_limit, max_smtpd=max_smtpd,
			milter_content_timeout=milter_content_timeout,
			milter_connect_timeout=milter_connect_timeout,
			libraries=self.root.library_path())

	def start(self, outlive=False):
		"""Lays out the folders and starts master. Returns self when the port answers."""
		self._make_folders()
		master = self.root.file("usr/lib/postfix/sbin/master")
		env = self.root.env(MAIL_CONFIG=os.path.join(self.base, "etc"), MAIL_LOGTAG="postfix")
		return self._launch([master, "-d", "-c", os.path.join(self.base, "etc")], env, "master.out",
			outlive=outlive)

	def _last_words(self):
		return self.log(2000) + process.read_text(os.path.join(self.base, "master.out"), 2000)

	def log(self, limit=None):
		"""The text of its mail log."""
		return process.read_text(self.log_path, limit)

	def queued(self):
		"""How many mails wait in its queue, on their way to the sink or held up."""
		count = 0
		for queue in ("incoming", "active", "deferred", "maildrop"):
			for _, _, names in os.walk(os.path.join(self.base, "queue", queue)):
				count += len(names)
		return count

	def _make_folders(self):
		owner, group = _lend_accounts()
		self._settings.update(owner=owner.pw_name, group=group.gr_name)
		queue = os.path.join(self.base, "queue")
		for folder in (self.base, queue, os.path.join(self.base, "etc"),
				os.path.join(queue, "pid")):
			os.makedirs(folder, exist_ok=True)
			os.chmod(folder, 0o755)
		self._make_owned(os.path.join(self.base, "data"), 0o700, owner.pw_uid, 0)
		for name in _QUEUES:
			self._make_owned(os.path.join(queue, name), 0o700, owner.pw_uid, 0)
		self._make_owned(os.path.join(queue, "maildrop"), 0o1730, owner.pw_uid, group.gr_gid)
		self._make_owned(os.path.join(queue, "public"), 0o2710, owner.pw_uid, group.gr_gid)
		self._write("main.cf", _MAIN_CF)
		self._write("master.cf", _MASTER_CF)

	@staticmethod
	def _make_owned(path, mode, uid, gid):
		os.makedirs(path, exist_ok=True)
		os.chown(path, uid, gid)
		os.chmod(path, mode)

	def _write(self, name, template):
		with open(os.path.join(self.base, "etc", name), "w") as handle:
			handle.write(template.format(**self._settings) + self._more[name])
