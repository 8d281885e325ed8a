"""Starting, watching and stopping the programs of a test: by process id only, never by name. Also
free loopback ports and a folder that daemons with fewer rights can reach."""

import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUTS = 0x04000000
_SOCKET_PATH_MAX = 60     # folder part; sun_path holds 108 bytes with the socket's own name
_FIRST_PORT = 10240       # above those that have names in /etc/services
_held_ports = []


class StartError(Exception):
	"""A program did not come up; the text holds what it said."""


def _die_with_parent():
	ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _take_hostname(name):
	"""Gives this process a host name of its own. Without the right to do so (a container without
	CAP_SYS_ADMIN) it keeps the machine's."""
	libc = ctypes.CDLL(None, use_errno=True)
	if libc.unshare(_CLONE_NEWUTS) == 0:
		libc.sethostname(name.encode(), len(name))


def start(command, log_path, env=None, cwd=None, outlive=False, hostname=None):
	"""Starts a program as leader of its own session, its output appended to log_path.

	outlive		True: it goes on when we end (quickstart --keep); else it gets SIGTERM when we die
	hostname	the program sees this host name, where the machine lets us
	returns		the subprocess.Popen
	"""
	def prepare():
		if not outlive:
			_die_with_parent()
		if hostname:
			_take_hostname(hostname)

	with open(log_path, "ab") as log:
		return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
			env=env, cwd=cwd, start_new_session=True, preexec_fn=prepare)


def stop(process, timeout_s=20, sig=signal.SIGTERM):
	"""Ends a process we started: asks first, kills it and its session's group when it does not
	go. Returns its exit status, None when there was none to end."""
	if process is None:
		return None
	if process.poll() is None:
		process.send_signal(sig)
		try:
			process.wait(timeout_s)
		except subprocess.TimeoutExpired:
			kill_group(process.pid)
			process.wait(10)
	return process.returncode


def _works_below(pid, folder):
	try:
		return (os.readlink("/proc/%d/cwd" % pid) + "/").startswith(os.path.realpath(folder) + "/")
	except OSError:
		return False


def group_members(group):
	"""The process ids of a process group."""
	found = []
	for name in os.listdir("/proc"):
		fields = read_text("/proc/%s/stat" % name).rpartition(") ")[2].split() if name.isdigit() else []
		if len(fields) > 2 and fields[2] == str(group):
			found.append(int(name))
	return found


def kill_group(pid, below=None):
	"""Kills the process group that start() made for pid.

	below	a folder: only when one of the group works in it. For a leader that ended long ago: its
			number may be another's by now, with a group of its own.
	"""
	if below is not None and not any(_works_below(p, below) for p in group_members(pid)):
		return
	try:
		os.killpg(pid, signal.SIGKILL)
	except ProcessLookupError:
		pass


def last_port():
	"""The last port that a test may be given: the next is the first of those that the kernel takes
	for the near end of a connection. 65535 when it takes them all."""
	words = read_text("/proc/sys/net/ipv4/ip_local_port_range").split()
	last = int(words[0]) - 1 if words else 32767
	return last if last >= _FIRST_PORT + 2000 else 65535


def may_have(port):
	"""Whether the port is ours from now on: nobody else was given it, and nobody listens there. A
	name in the network namespace marks it, and goes with this process."""
	mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	try:
		mark.bind("\0cordon-test-port-%d" % port)
		with socket.socket() as probe:
			probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
			probe.bind(("127.0.0.1", port))
	except OSError:
		mark.close()
		return False
	_held_ports.append(mark)
	return True


def free_port():
	"""A TCP port of 127.0.0.1 for a server that is yet to be started, perhaps more than once. No
	other test that runs beside this one is given it, and the kernel does not take it for somebody's
	connection: a server would then find it in use, or a client speak with a stranger."""
	last = last_port()
	for _ in range(1000):
		port = random.randint(_FIRST_PORT, last)
		if may_have(port):
			return port
	raise StartError("no free port between %d and %d on 127.0.0.1" % (_FIRST_PORT, last))


def wait_for(condition, timeout_s, what, step_s=0.05):
	"""Calls condition() until it is true and returns its value. Raises StartError after
	timeout_s seconds with `what` in the text."""
	end = time.monotonic() + timeout_s
	while True:
		value = condition()
		if value:
			return value
		if time.monotonic() > end:
			raise StartError("%s: not within %g s" % (what, timeout_s))
		time.sleep(step_s)


def is_listening(address):
	"""True when something accepts connections at (host, port) or at a unix socket's path."""
	family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
	with socket.socket(family, socket.SOCK_STREAM) as probe:
		probe.settimeout(2)
		try:
			probe.connect(address)
		except OSError:
			return False
	return True


def read_text(path, limit=None):
	"""The text of a file, or its last `limit` bytes; "" when there is no such file."""
	try:
		with open(path, "rb") as handle:
			data = handle.read()
	except (FileNotFoundError, ProcessLookupError):     # the second: /proc of an ended process
		return ""
	return (data[-limit:] if limit else data).decode("utf-8", "replace")


def is_reachable_by_all(path):
	"""True when users other than the owner may walk to path through every folder above it."""
	path = os.path.abspath(path)
	while True:
		if not os.stat(path).st_mode & 0o001:
			return False
		if path == "/":
			return True
		path = os.path.dirname(path)


def work_folder(wanted, name):
	"""Makes an empty folder for the daemons of one test, or of quickstart.

	It is wanted/name when its path is short enough for unix sockets and every user can reach it
	(a checkout below /root cannot be reached); else a new folder of /var/tmp, with a link to it
	at wanted/name. A folder that an earlier run left at wanted/name is removed first.
	"""
	link = os.path.join(os.path.abspath(wanted), name)
	remove_work_folder(link)
	os.makedirs(os.path.dirname(link), exist_ok=True)
	if len(link) <= _SOCKET_PATH_MAX and is_reachable_by_all(os.path.dirname(link)):
		os.mkdir(link)
		os.chmod(link, 0o755)
		return link
	real = tempfile.mkdtemp(prefix="cordon-", dir="/var/tmp")
	os.chmod(real, 0o755)
	os.symlink(real, link)
	return real


def remove_work_folder(link):
	"""Removes what work_folder() made, and nothing else a link may point to."""
	if os.path.islink(link):
		real = os.path.realpath(link)
		if os.path.dirname(real) == "/var/tmp" and os.path.basename(real).startswith("cordon-"):
			shutil.rmtree(real, ignore_errors=True)
		os.unlink(link)
	elif os.path.isdir(link):
		shutil.rmtree(link, ignore_errors=True)


def children(pid):
	"""Process ids of the direct children of pid."""
	found = []
	for task in _tasks(pid):
		text = read_text("/proc/%d/task/%s/children" % (pid, task))
		found += [int(word) for word in text.split()]
	return found


def _tasks(pid):
	try:
		return os.listdir("/proc/%d/task" % pid)
	except FileNotFoundError:
		return []


def descendants(pid):
	"""Process ids of all processes below pid, parents before their children."""
	found, queue = [], [pid]
	while queue:
		below = children(queue.pop(0))
		found += below
		queue += below
	return found


def title(pid):
	"""The short name of a process (/proc/PID/comm); "" when it is gone."""
	return read_text("/proc/%d/comm" % pid).strip()


def cpu_s(pid):
	"""Seconds of processor time that a process has used."""
	fields = read_text("/proc/%d/stat" % pid).rpartition(") ")[2].split()
	return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_zombie(pid):
	"""True when a process has ended (and nobody asked for its status), or is gone."""
	text = read_text("/proc/%d/stat" % pid)
	return not text or text.rsplit(")", 1)[1].split()[0] in "ZX"
