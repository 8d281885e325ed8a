"""A private Courier, as far as mail filters go: its program submit, which takes a mail in and asks
the filters, run as courieresmtpd runs it. Its folders /etc/courier and /var/lib/courier and its
account are built in, so it runs in a namespace where these are private, and so must whoever is to
open the files that it names: see command()."""

import glob
import os
import shutil
import subprocess
import time

from . import debian, process
from .namespace import Namespace


class Courier:
	"""base is a work folder; members are accounts that belong to Courier's group.

	filters	folder of the sockets, as seen from inside
	"""

	filters = "/var/lib/courier/allfilters"

	def __init__(self, base, members=()):
		root = debian.unpack("courier", ["courier-mta", "courier-base", "courier-authlib"])
		self._copy_program(root, os.path.join(base, "courier"))
		self.namespace = Namespace(base, ["courier"])
		self._id = self.namespace.ids["courier"]
		self._make_etc(root, members)
		self._state = os.path.join(self.namespace.folder("/var/lib"), "courier")
		for name in ("", "tmp", "msgs", "msgq", "track", "filters", "allfilters"):
			self._folder(name, 0o755 if name in ("", "allfilters") else 0o770)

	def _copy_program(self, root, folder):
		"""To where Courier's account may execute it."""
		os.makedirs(folder, exist_ok=True)
		os.chmod(folder, 0o755)
		self._submit = os.path.join(folder, "submit")
		self._library_path = folder
		shutil.copy(root.file("usr/lib/courier/courier/submit"), self._submit)
		for place in root.library_path().split(":") + [os.path.join(root.path, "usr/lib")]:
			for library in glob.glob(os.path.join(place, "*.so.*")):
				shutil.copy(library, folder)

	def _folder(self, name, mode):
		folder = os.path.join(self._state, name)
		os.makedirs(folder, exist_ok=True)
		os.chown(folder, self._id, self._id)
		os.chmod(folder, mode)

	def _make_etc(self, root, members):
		private = self.namespace.base
		etc = self.namespace.folder("/etc")
		for name in ("nsswitch.conf", "hosts", "ld.so.cache"):
			if os.path.exists("/etc/" + name):
				shutil.copy("/etc/" + name, etc)
		shutil.copy(os.path.join(private, "passwd"), etc)
		with open(os.path.join(private, "group")) as groups:
			lines = [line.rstrip("\n") + ",".join(members) + "\n"
				if line.startswith("courier:") else line for line in groups]
		with open(os.path.join(etc, "group"), "w") as handle:
			handle.writelines(lines)
		shutil.copytree(root.file("etc/courier"), os.path.join(etc, "courier"))
		for name, value in (("me", "mx.test.example"), ("sizelimit", "0"),
				("batchsize", "10")):
			with open(os.path.join(etc, "courier", name), "w") as handle:
				handle.write(value + "\n")

	def command(self, words):
		"""The command line that runs words where Courier's folders are to be seen."""
		return self.namespace.command(words)

	def submit(self, content, sender="alice@client.example", recipients=("bob@test.example",),
			source="dns; client.test.example (c.example [192.0.2.1])"):
		"""One mail, as courieresmtpd hands it over. Returns submit's word on the mail, an SMTP
		reply: its line after those for the sender and each recipient."""
		lines = "".join(line + "\n" for line in [sender] + list(recipients)) + "\n"
		data = lines.encode() + content.replace(b"\r\n", b"\n")
		for _ in range(10):
			replies = self._run_submit(data, source)
			if len(replies) >= len(recipients) + 2:
				return replies[-1]
			# Side by side with one that is refused, submit sometimes loses its file to the other
			# (names are made from inode numbers) and ends; the client is told to try again.
		return "submit ended after %r" % replies

	def _run_submit(self, data, source):
		# submit has these folders made by a set-id program, which a private one cannot be.
		for when in (0, 1):
			self._folder("tmp/%d" % (time.time() // 10000 + when), 0o770)
		result = subprocess.run(self.command(["setpriv", "--reuid", str(self._id), "--regid",
			str(self._id), "--clear-groups", self._submit, "esmtp", source]), input=data,
			stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120,
			env={"PATH": "/usr/bin:/bin", "RELAYCLIENT": "", "LD_LIBRARY_PATH": self._library_path})
		return result.stdout.decode("utf-8", "replace").splitlines()

	def queued(self):
		"""The mails that it took: their bytes, with the Received field that submit adds."""
		found = []
		for folder, _, names in os.walk(os.path.join(self._state, "tmp")):
			found += [os.path.join(folder, name) for name in names if name.startswith("D")]
		return [process.read_text(path) for path in found]
