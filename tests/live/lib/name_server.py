"""A name server of a test's own, in a network of its own: it answers for the names it is told, late
or not at all when it is to, and counts what it is asked. enter() makes the network, in which
/etc/resolv.conf names this server alone."""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

_INSIDE = "CORDON_TEST_OWN_NETWORK"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n"
_HOSTS = "127.0.0.1 localhost\n"

SILENT = object()       # asked for this name it says nothing


def enter():
	"""Starts this very program again where the network is its own and has a loopback alone, and
	/etc/resolv.conf and /etc/hosts are the test's. Returns there. Returns a text in the first one
	when the machine does not let us: why."""
	if os.environ.get(_INSIDE):
		_raise_loopback()
		return None
	if os.getuid() != 0:
		return "a network of one's own needs root"
	folder = tempfile.mkdtemp(prefix="cordon-names-")
	script = ""
	for name, text in (("resolv.conf", _RESOLV_CONF), ("hosts", _HOSTS)):
		path = os.path.join(folder, name)
		with open(path, "w") as handle:
			handle.write(text)
		os.chmod(path, 0o644)
		script += "mount --bind '%s' /etc/%s && " % (path, name)
	# The files live on as long as they are mounted.
	command = ["unshare", "--net", "--mount", "--propagation", "private", "/bin/sh", "-c",
		script + "rm -r '%s' && exec \"$@\"" % folder, "sh"]
	done = subprocess.run(command[:-2] + [script + "true"], stdin=subprocess.DEVNULL,
		stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
	if done.returncode != 0:
		shutil.rmtree(folder)
		return "no network and mounts of our own here: " + done.stdout.strip()[-200:]
	sys.stdout.flush()
	os.execvpe("unshare", command + [sys.executable, "-B"] + sys.argv,
		dict(os.environ, **{_INSIDE: "1"}))


def _raise_loopback():
	with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
		request = struct.pack("16sh", b"lo", 0)
		flags = struct.unpack("16sh", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
		fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))


class NameServer:
	"""Listens on 127.0.0.1, port 53, in threads.

	names		name -> list of IPv4 addresses, SILENT, or None: there is no such name
	delay_s		each answer comes so late
	questions	the names whose IPv4 addresses it was asked for, in order
	"""

	def __init__(self):
		self.names, self.delay_s = {}, 0
		self.questions = []
		self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		self._socket.bind(("127.0.0.1", 53))
		threading.Thread(target=self._serve, daemon=True).start()

	def asked(self, name):
		"""How often it was asked for the IPv4 addresses of a name."""
		return self.questions.count(name)

	def forget(self, **names):
		"""Only these names are known from now on, dots written as underscores, and nothing was
		asked yet."""
		self.names = {name.replace("_", "."): what for name, what in names.items()}
		self.delay_s = 0
		self.questions = []

	def _serve(self):
		while True:
			packet, client = self._socket.recvfrom(512)
			threading.Thread(target=self._answer, args=(packet, client), daemon=True).start()

	def _answer(self, packet, client):
		labels, at = [], 12
		while packet[at]:
			labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii"))
			at += 1 + packet[at]
		question = packet[12:at + 5]
		name, kind = ".".join(labels).lower(), packet[at + 2]
		if kind == 1:
			self.questions.append(name)
		found, delay_s = self.names.get(name), self.delay_s
		if found is SILENT:
			return
		time.sleep(delay_s)
		addresses = found if found and kind == 1 else []
		head = packet[:2] + struct.pack(">HHHHH", 0x8180 | (3 if found is None else 0), 1,
			len(addresses), 0, 0)
		records = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 3600, 4) +
			socket.inet_aton(address) for address in addresses)
		self._socket.sendto(head + question + records, client)
