"""A mount namespace of its own for programs whose paths and accounts are built in: Exim wants the
account Debian-exim, OpenSMTPD its accounts and /var/spool/smtpd. They see private files at these
places; the machine's own stay as they are. Needs root and the right to mount."""

import os
import subprocess

from . import process
from .runner import Skip


class Namespace:
	"""base is a folder that lives as long as the programs; accounts are names to be known inside,
	each with a group of the same name.

	Two commands run through command() have namespaces of their own with the same binds, so they
	meet in the bound folders.
	"""

	_FIRST_ID = 64101

	def __init__(self, base, accounts):
		self.base = os.path.join(base, "namespace")
		self.ids = {name: self._FIRST_ID + n for n, name in enumerate(accounts)}
		self._binds = []
		os.makedirs(self.base, exist_ok=True)
		os.chmod(self.base, 0o755)
		self._add_accounts("/etc/passwd", "%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n",
			lambda name, number: (name, number, number))
		self._add_accounts("/etc/group", "%s:x:%d:\n", lambda name, number: (name, number))
		self._check()

	def _add_accounts(self, path, line, values):
		text = "".join(old for old in process.read_text(path).splitlines(True)
			if old.split(":")[0] not in self.ids)
		text += "".join(line % values(*one) for one in self.ids.items())
		private = os.path.join(self.base, os.path.basename(path))
		with open(private, "w") as handle:
			handle.write(text)
		os.chmod(private, 0o644)
		self.bind(private, path)

	def bind(self, source, target):
		"""Inside, target (which must exist on the machine) is source."""
		self._binds.append((source, target))

	def folder(self, target, mode=0o755, owner=None):
		"""Inside, the folder target is a private, empty one, made now. Returns its path."""
		source = os.path.join(self.base, target.strip("/").replace("/", "-"))
		os.makedirs(source, exist_ok=True)
		os.chmod(source, mode)
		if owner:
			os.chown(source, self.ids[owner], self.ids[owner])
		self.bind(source, target)
		return source

	def command(self, words):
		"""The command line that runs words inside. It stays one process: unshare and the shell
		become the program."""
		script = "".join("mount --bind '%s' '%s' && " % pair for pair in self._binds)
		return ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c",
			script + 'exec "$@"', "sh"] + list(words)

	def run(self, words, **options):
		"""subprocess.run() inside, output as text in one string."""
		return subprocess.run(self.command(words), text=True, stdin=subprocess.DEVNULL,
			stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)

	def _check(self):
		result = self.run(["true"])
		if result.returncode != 0:
			raise Skip("no mount namespace here: " + result.stdout.strip()[-200:])
