"""A private Samba file server with vfs_virusfilter, unpacked from Debian's packages: one share, one
port on loopback, guests only. It asks a clamd-compatible socket about every file that is opened,
and refuses what is infected. smbd takes modules from one built-in folder only, so it runs in a mount namespace where the
unpacked libraries lie over the machine's.

Samba(base, socket_path).start(); get(name) and put(name, content) are smbclient's."""

import os
import subprocess

from . import debian, process
from .runner import Skip

_PACKAGES = ["samba", "samba-vfs-modules", "samba-common", "samba-common-bin", "smbclient",
	"samba-libs"]

_CONF = """\
[global]
server role = standalone server
server string = test
netbios name = CORDONTEST
disable netbios = yes
smb ports = {port}
interfaces = 127.0.0.1
bind interfaces only = yes
map to guest = Bad User
guest account = nobody
load printers = no
disable spoolss = yes
rpc start on demand helpers = no
log file = {base}/log/log.%m
log level = 1
private dir = {base}/private
lock directory = {base}/lock
state directory = {base}/state
cache directory = {base}/cache
pid directory = {base}/pid
ncalrpc dir = {base}/ncalrpc
binddns dir = {base}/binddns
dos charset = ASCII

[files]
path = {base}/files
guest ok = yes
read only = no
force user = root
vfs objects = virusfilter
virusfilter:scanner = clamav
virusfilter:socket path = {socket}
virusfilter:scan on open = yes
virusfilter:scan on close = {on_close}
virusfilter:infected file action = nothing
virusfilter:infected file errno on open = EACCES
virusfilter:block access on error = yes
virusfilter:scan error errno on open = EIO
virusfilter:cache entry limit = 0
virusfilter:connect timeout = 10000
virusfilter:io timeout = 30000
"""


class Samba:
	"""base is its folder; files the folder that is shared."""

	def __init__(self, base, socket_path, on_close=False):
		self.root = debian.unpack("samba", _PACKAGES)
		self.base = os.path.join(base, "samba")
		self.files = os.path.join(self.base, "files")
		self.port = process.free_port()
		self.conf = os.path.join(self.base, "smb.conf")
		self.process = None
		for name in ("log", "private", "lock", "state", "cache", "pid", "ncalrpc", "binddns", "files"):
			os.makedirs(os.path.join(self.base, name), exist_ok=True)
			os.chmod(os.path.join(self.base, name), 0o755)
		os.chmod(self.base, 0o755)
		libraries = self.root.library_path()
		unpacked = self.root.file("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu")
		self.env = self.root.env(LD_LIBRARY_PATH="%s:%s/samba" % (libraries, unpacked))
		machine = unpacked[len(self.root.path):]
		self._inside = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c",
			"mount -t overlay overlay -o 'lowerdir=%s:%s' '%s' && exec \"$@\"" % (unpacked, machine,
			machine), "sh"]
		with open(self.conf, "w") as handle:
			handle.write(_CONF.format(port=self.port, base=self.base, socket=socket_path,
				on_close="yes" if on_close else "no"))
		self._check()

	def _check(self):
		done = subprocess.run(self._inside + ["true"], stdin=subprocess.DEVNULL,
			stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
		if done.returncode != 0:
			raise Skip("no overlay in a mount namespace here: %r" % done.stdout[-200:])

	def start(self):
		self.process = process.start(self._inside + [self.root.file("usr/sbin/smbd"), "-F", "--no-process-group",
			"-s", self.conf, "-l", os.path.join(self.base, "log")],
			os.path.join(self.base, "output"), env=self.env, cwd=self.base)

		def is_up():
			if self.process.poll() is not None:
				raise process.StartError("smbd ended with %d" % self.process.returncode)
			return process.is_listening(("127.0.0.1", self.port))
		try:
			process.wait_for(is_up, 30, "smbd")
		except process.StartError as error:
			self.stop()
			raise process.StartError("%s\n%s" % (error, self.log())) from None
		return self

	def stop(self):
		process.stop(self.process)
		self.process = None

	def log(self):
		folder = os.path.join(self.base, "log")
		return "".join(process.read_text(os.path.join(folder, name))[-3000:]
			for name in sorted(os.listdir(folder)) if name.startswith("log.")) + process.read_text(
			os.path.join(self.base, "output"))[-2000:]

	def client(self, command):
		"""Runs smbclient's command. Returns (exit status, what it said)."""
		done = subprocess.run([self.root.file("usr/bin/smbclient"), "-s", self.conf, "-p",
			str(self.port), "-N", "-U", "guest%", "//127.0.0.1/files", "-c", command],
			env=self.env, cwd=self.base, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
			stderr=subprocess.STDOUT, timeout=60, check=False)
		return done.returncode, done.stdout.decode("utf-8", "replace")
