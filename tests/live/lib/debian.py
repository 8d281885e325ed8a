"""Debian packages unpacked into a private folder: `apt-get download` and `dpkg -x`, never an
installation, so no package script runs, no service starts, and mail servers that conflict with one
another as packages stand side by side. Shared libraries that the machine lacks are unpacked into
the same folder and found through LD_LIBRARY_PATH. Starting the programs is left to postfix.py,
sendmail.py and clamd.py."""

import contextlib
import fcntl
import glob
import os
import shutil
import stat
import subprocess
import time


class PackageError(Exception):
	"""A package could not be fetched or unpacked; the text says which one and what apt said."""


def cache_dir():
	"""Where packages and unpacked folders are kept from one run to the next: $CORDON_PACKAGES, or
	the user's cache folder. Nothing in it is executed with anybody else's rights."""
	path = os.environ.get("CORDON_PACKAGES")
	if not path:
		base = os.environ.get("XDG_CACHE_HOME") or os.path.join(
			os.environ.get("HOME") or "/var/tmp", ".cache")
		path = os.path.join(base, "cordon-tests")
	path = os.path.abspath(path)
	os.makedirs(path, exist_ok=True)
	return path


@contextlib.contextmanager
def _locked(path):
	"""Holds an exclusive lock on a file: two tests that start together fetch a package once."""
	with open(path, "a") as handle:
		fcntl.flock(handle, fcntl.LOCK_EX)
		yield


def _run(*command, cwd=None):
	env = dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
	return subprocess.run(command, cwd=cwd, env=env, text=True, stdin=subprocess.DEVNULL,
		stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def apt_refresh(force=False):
	"""Fetches the package lists when the machine has none (a fresh container), or when forced."""
	if not force and glob.glob("/var/lib/apt/lists/*Packages*"):
		return
	result = None
	for _ in range(30):
		result = _run("apt-get", "-q", "update")
		if result.returncode == 0 or "Could not get lock" not in result.stdout:
			break
		time.sleep(2)
	if result.returncode != 0:
		raise PackageError("apt-get update: " + result.stdout.strip()[-500:])


def _fetch(package, folder):
	"""Returns the path of the package's .deb in folder, downloading it when it is not there."""
	def newest():
		found = glob.glob(os.path.join(folder, package + "_*.deb"))
		return max(found, key=os.path.getmtime) if found else None

	if newest():
		return newest()
	apt_refresh()
	result = _run("apt-get", "-q", "download", package, cwd=folder)
	if result.returncode != 0:
		apt_refresh(force=True)
		result = _run("apt-get", "-q", "download", package, cwd=folder)
	if result.returncode != 0 or not newest():
		raise PackageError("apt-get download %s: %s" % (package, result.stdout.strip()[-500:]))
	return newest()


def _installed_names():
	"""Names of the machine's packages, and of the virtual ones they provide: perl stands for a
	dozen lib...-perl that exist nowhere else."""
	names = set()
	text = _run("dpkg-query", "-W", "-f=${db:Status-Status} ${Package}, ${Provides}\n").stdout
	for line in text.split("\n"):
		status, _, rest = line.partition(" ")
		if status == "installed":
			names.update(name.split("(")[0].strip() for name in rest.split(","))
	return names


def _missing_libraries(deb, installed):
	"""Names of the library packages that a .deb depends on and the machine does not have, the
	first where any of several would do. installed: _installed_names()."""
	names = []
	for field in ("Pre-Depends", "Depends"):
		text = _run("dpkg-deb", "-f", deb, field).stdout
		for alternative in text.replace("\n", " ").split(","):
			choices = [c.split("(")[0].split(":")[0].strip() for c in alternative.split("|")]
			if choices[0].startswith("lib") and not installed.intersection(choices):
				names.append(choices[0])
	return names


def _drop_set_id_bits(folder):
	"""A set-group-id program ignores LD_LIBRARY_PATH, and root needs no such bit."""
	for top, _, names in os.walk(folder):
		for name in names:
			path = os.path.join(top, name)
			mode = os.lstat(path).st_mode
			if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
				os.chmod(path, stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))


class Root:
	"""A folder with unpacked packages.

	path	the folder; a program of the package is at path + "/usr/sbin/..."
	"""

	def __init__(self, path):
		self.path = path

	def file(self, *names):
		"""Full path of the first of the names that exists in the folder, e.g. "usr/sbin/clamd"."""
		for name in names:
			full = os.path.join(self.path, name)
			if os.path.exists(full):
				return full
		raise PackageError("%s holds none of %s" % (self.path, ", ".join(names)))

	def library_path(self):
		"""Value of LD_LIBRARY_PATH that finds the unpacked libraries before the machine's."""
		folders = []
		for pattern in ("usr/lib/postfix", "usr/lib/*-linux-gnu*", "lib/*-linux-gnu*", "usr/lib"):
			for folder in sorted(glob.glob(os.path.join(self.path, pattern))):
				if glob.glob(os.path.join(folder, "*.so*")):
					folders.append(folder)
		return ":".join(folders)

	def perl_path(self):
		"""Value of PERL5LIB that finds the unpacked Perl modules."""
		return ":".join(sorted(glob.glob(os.path.join(self.path, "usr/lib/*-linux-gnu*/perl5/*"))) +
			[os.path.join(self.path, "usr/share/perl5")])

	def env(self, **more):
		"""A small environment for the unpacked programs."""
		env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC"}
		if self.library_path():
			env["LD_LIBRARY_PATH"] = self.library_path()
		env.update(more)
		return env


def unpack(name, packages, also=()):
	"""Unpacks packages and the libraries they miss into the cache folder's roots/name, once.

	packages	names of Debian packages
	also		packages unpacked even when the machine has them, to match versions exactly
	returns		a Root. Raises PackageError when a package cannot be had
	"""
	cache = cache_dir()
	debs = os.path.join(cache, "packages")
	final = os.path.join(cache, "roots", name)
	os.makedirs(debs, exist_ok=True)
	os.makedirs(os.path.dirname(final), exist_ok=True)
	with _locked(os.path.join(cache, "lock")):
		wanted = list(packages) + list(also)
		stamp = os.path.join(final, ".unpacked")
		if os.path.exists(stamp):
			with open(stamp) as handle:
				if handle.read().split() == wanted:
					return Root(final)
		_unpack_into(final, debs, wanted)
		with open(stamp, "w") as handle:
			handle.write("\n".join(wanted) + "\n")
	return Root(final)


def _unpack_into(final, debs, wanted):
	building = final + ".new"
	shutil.rmtree(building, ignore_errors=True)
	shutil.rmtree(final, ignore_errors=True)
	os.makedirs(building)
	queue, seen, installed = list(wanted), set(), _installed_names()
	while queue:
		package = queue.pop(0)
		if package in seen:
			continue
		seen.add(package)
		deb = _fetch(package, debs)
		result = _run("dpkg", "-x", deb, building)
		if result.returncode != 0:
			raise PackageError("dpkg -x %s: %s" % (deb, result.stdout.strip()[-500:]))
		queue += _missing_libraries(deb, installed)
	_drop_set_id_bits(building)
	os.rename(building, final)
