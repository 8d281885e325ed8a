"""The client's end of clamd's protocol: sends bytes and descriptors packet by packet, and gives
back all that is answered until the server closes."""

import array
import socket
import struct
import time

PAUSE_S = 0.08            # between packets, so that one send is one read of the server


class Fd:
	"""A packet that brings descriptors along."""

	def __init__(self, data, *fds):
		self.data, self.fds = data, fds


def stream(*chunks, end=True):
	"""Chunks as INSTREAM wants them."""
	return (b"".join(struct.pack(">I", len(chunk)) + chunk for chunk in chunks)
		+ (struct.pack(">I", 0) if end else b""))


def connect(address, timeout_s=20):
	"""A connection to "unix:PATH" or "inet:HOST:PORT" (or "tcp:")."""
	kind, _, rest = address.partition(":")
	if kind == "unix":
		peer = socket.socket(socket.AF_UNIX)
		peer.connect(rest)          # before the timeout: with one, a full queue is an error
		peer.settimeout(timeout_s)
		return peer
	host, _, port = rest.rpartition(":")
	return socket.create_connection((host, int(port)), timeout_s)


def _send(peer, packet):
	if isinstance(packet, Fd):
		peer.sendmsg([packet.data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
			array.array("i", packet.fds))])
	else:
		peer.sendall(packet)


def read_all(peer):
	"""All bytes until the end. A reset is an end, a silent server raises TimeoutError."""
	got = b""
	try:
		while True:
			data = peer.recv(65536)
			if not data:
				return got
			got += data
	except ConnectionError:
		return got


def talk(address, *packets, half_close=True, pause_s=PAUSE_S):
	"""Sends the packets one by one and returns the whole answer. A server that closes in the
	middle keeps the rest."""
	with connect(address) as peer:
		try:
			for packet in packets:
				_send(peer, packet)
				time.sleep(pause_s)
			if half_close:
				peer.shutdown(socket.SHUT_WR)
		except (BrokenPipeError, ConnectionResetError):
			pass
		return read_all(peer)
