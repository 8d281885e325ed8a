#!/usr/bin/env python3
"""Next hops and clamd servers that are named: a name server that is late, silent, wrong or right,
an address that changes, several addresses. Whatever it does, nobody else waits for it, and no mail
is lost. Runs in a network of its own."""

import os
import socket
import sys
import threading
import time

from lib import cordond, hop, mails, name_server, process, raw, runner, smtp
from lib.name_server import SILENT
from lib.relay import Relay
from lib.runner import expect, expect_reply, test

_QUICK_S = 1.0      # a mail that waits for nobody, on a busy machine, under a sanitizer


class Fixture(Relay):
	"""Two listeners: the one of Relay, whose next hop is mx.test, and one whose next hop has no
	name. hop is mx.test's server, on 127.0.0.1; plain the other's."""

	def __init__(self, base):
		super().__init__(base)
		self.names = name_server.NameServer()
		self.mx_port = process.free_port()
		self.plain_port = process.free_port()
		self.plain = hop.Hop().start()

	def begin(self, timeout_ms=20000, next_hop=None, blocks=(), **names):
		"""Starts all anew: no name was looked up yet. names: as in NameServer.forget()."""
		self.names.forget(**names)
		self.plain.forget()
		self.start(next_hop=next_hop or "inet:mx.test:%d" % self.mx_port,
			next_hop_timeout_ms=timeout_ms, blocks=[cordond.block("listener", "plain",
				protocol="smtp", address="inet:127.0.0.1:%d" % self.plain_port,
				next_hop=self.plain.address)] + list(blocks))
		self.hop.stop()

	def listen(self, host="127.0.0.1"):
		"""A server of mx.test on that address."""
		return hop.Hop(port=self.mx_port, host=host).start()

	def send_plain(self, test_id):
		"""A mail through the other listener. Returns the seconds it took."""
		begin = time.monotonic()
		expect_reply(smtp.send(self.plain_port, mails.clean(test_id)), "250")
		return time.monotonic() - begin

	def send_beside(self, test_id):
		"""A mail to mx.test, on its way. Returns a function that waits for its reply and gives
		(reply, seconds)."""
		result = []

		def run():
			begin = time.monotonic()
			reply = self.send(mails.clean(test_id))
			result.extend((reply, time.monotonic() - begin))

		thread = threading.Thread(target=run, daemon=True)
		thread.start()

		def wait():
			thread.join(60)
			expect(result, "no reply to %s" % test_id)
			return result

		return wait

	def check_log(self):
		expect("Sanitizer" not in self.filter.log(), self.log())


@test
def a_name_is_looked_up_once_for_many_mails(fixture):
	fixture.begin(mx_test=["127.0.0.1"])
	server = fixture.listen()
	waits = [fixture.send_beside("many-%d" % n) for n in range(8)]
	for wait in waits:
		expect_reply(wait()[0], "250 2.0.0 taken")
	expect(len(server.mails) == 8 and server.connections >= 1, "%r" % server.counts())
	expect(fixture.names.asked("mx.test") == 1, "asked %d times" % fixture.names.asked("mx.test"))
	server.stop()
	fixture.check_log()


@test
def localhost_and_numbers_need_no_name_server(fixture):
	fixture.begin(next_hop="inet:localhost:%d" % fixture.mx_port, mx_test=SILENT)
	server = fixture.listen()
	expect_reply(fixture.send(mails.clean("local")), "250")
	fixture.send_plain("numbers")
	expect(not fixture.names.questions, "it was asked for %r" % fixture.names.questions)
	server.stop()


@test
def a_late_answer_delays_its_own_mail_only(fixture):
	fixture.begin(mx_test=["127.0.0.1"])
	fixture.names.delay_s = 0.8
	server = fixture.listen()
	wait = fixture.send_beside("late")
	took = max(fixture.send_plain("beside-%d" % n) for n in range(3))
	reply, seconds = wait()
	expect_reply(reply, "250")
	expect(seconds >= 0.8 and took < 0.8, "late %.2f s, beside %.2f s" % (seconds, took))
	server.stop()


@test
def a_dead_name_server_stops_nobody_else(fixture):
	fixture.begin(mx_test=SILENT)
	waits = [fixture.send_beside("dead-%d" % n) for n in range(5)]
	process.wait_for(lambda: fixture.names.asked("mx.test"), 10, "a question")
	times, replies = [], []
	while fixture.names.asked("mx.test") < 2:
		times.append(fixture.send_plain("alive-%d" % len(times)))
	for wait in waits:
		replies.append(wait())
	print("  %d mails beside, the slowest %.3f s; the waiting ones %.1f to %.1f s" % (len(times),
		max(times), min(s for _, s in replies), max(s for _, s in replies)))
	expect(len(times) > 2 and max(times) < _QUICK_S, "others waited: %r" % times)
	for reply, seconds in replies:
		expect_reply(reply, "451 4.4.1")
		expect(1 < seconds < 15, "%.1f s" % seconds)
	line = fixture.filter.wait_log("event=next_hop_failed", "cannot be looked up")[0]
	expect('error="its name cannot be looked up: ' in line, line)
	fixture.check_log()


@test
def the_time_limit_holds_for_the_name_too(fixture):
	fixture.begin(timeout_ms=500, mx_test=SILENT)
	reply, seconds = fixture.send_beside("limit")()
	expect_reply(reply, "451 4.4.1")
	expect(seconds < 2, "%.1f s" % seconds)
	fixture.filter.wait_log("event=next_hop_failed", "cannot be looked up: no answer in time")


@test
def an_unknown_name_is_asked_for_again(fixture):
	fixture.begin(mx_test=None)
	server = fixture.listen()
	for _ in range(5):
		expect_reply(fixture.send(mails.clean("unknown")), "451 4.4.1")
	expect(fixture.names.asked("mx.test") <= 2, "asked %d times" % fixture.names.asked("mx.test"))
	fixture.filter.wait_log("event=next_hop_failed", "cannot be looked up: there is no such name")
	fixture.names.names["mx.test"] = ["127.0.0.1"]
	time.sleep(1.1)
	expect_reply(fixture.send(mails.clean("known")), "250")
	expect(server.counts() == {"known": 1}, "%r" % server.counts())
	server.stop()


@test
def a_next_hop_that_moved_is_found_without_a_reload(fixture):
	fixture.begin(mx_test=["127.0.0.2"])
	first, second = fixture.listen("127.0.0.2"), fixture.listen("127.0.0.3")
	expect_reply(fixture.send(mails.clean("first")), "250")
	fixture.names.names["mx.test"] = ["127.0.0.3"]
	first.stop()
	first.cut()
	time.sleep(1.1)
	expect_reply(fixture.send(mails.clean("second")), "250")
	expect(first.counts() == {"first": 1} and second.counts() == {"second": 1},
		"%r %r" % (first.counts(), second.counts()))
	# It is nowhere any more: one look for another address, and the reply that tells.
	second.stop()
	second.cut()
	time.sleep(1.1)
	expect_reply(fixture.send(mails.clean("third")), "451 4.4.1")
	fixture.filter.wait_log("event=next_hop_failed", "Connection refused")


@test
def a_reload_looks_again_and_old_addresses_stay(fixture):
	fixture.begin(mx_test=["127.0.0.2"])
	first, second = fixture.listen("127.0.0.2"), fixture.listen("127.0.0.3")
	expect_reply(fixture.send(mails.clean("before")), "250")

	def reload(mail, wanted):
		seen = len(fixture.filter.log_lines("event=reload "))
		fixture.filter.reload()
		fixture.filter.wait_log("event=reload ", count=seen + 1)
		for server in (first, second):
			server.cut()                # so that no connection is kept
		time.sleep(0.5)
		expect_reply(fixture.send(mails.clean(mail)), "250")
		expect(mail in wanted.counts(), "%s went elsewhere" % mail)

	fixture.names.names["mx.test"] = ["127.0.0.3"]
	reload("after", second)
	fixture.names.names["mx.test"] = SILENT
	reload("old", second)
	fixture.filter.wait_log("event=name_failed", "name=mx.test")
	first.stop()
	second.stop()


def _deaf(address, port):
	"""A listener whose queue is full: who connects hears nothing. To be closed."""
	listening = socket.socket()
	listening.bind((address, port))
	listening.listen(0)
	callers = [listening]
	for _ in range(3):
		caller = socket.socket()
		caller.setblocking(False)
		caller.connect_ex((address, port))
		callers.append(caller)
	return callers


@test
def the_next_address_is_tried_when_the_first_is_dead(fixture):
	fixture.begin(mx_test=["127.0.0.4", "127.0.0.1"])
	server = fixture.listen()
	expect_reply(fixture.send(mails.clean("refused")), "250")
	fixture.begin(timeout_ms=1500, mx_test=["127.0.0.4", "127.0.0.1"])
	sockets = _deaf("127.0.0.4", fixture.mx_port)
	reply, seconds = fixture.send_beside("deaf")()
	expect_reply(reply, "250")
	expect(1.4 < seconds < 6, "%.1f s" % seconds)
	# That it is silent is known for a while: the next connection goes past it.
	server.cut()
	time.sleep(0.2)
	reply, seconds = fixture.send_beside("past")()
	expect_reply(reply, "250")
	expect(seconds < _QUICK_S, "%.1f s" % seconds)
	for one in sockets:
		one.close()
	expect(server.counts() == {"refused": 1, "deaf": 1, "past": 1}, "%r" % server.counts())
	server.stop()


@test
def clients_that_vanish_and_an_end_amid_a_look_up(fixture):
	fixture.begin(mx_test=SILENT)
	clients = []
	for _ in range(10):
		client = raw.Raw(fixture.port)
		client.reply()
		client.send(b"EHLO c\r\n")
		clients.append(client)
	process.wait_for(lambda: fixture.names.asked("mx.test"), 10, "a question")
	for client in clients[:7]:
		client.__exit__(None, None, None)
	begin = time.monotonic()
	status = fixture.filter.stop()
	expect(status == 0, "exit status %r" % status)
	print("  ended after %.1f s" % (time.monotonic() - begin))
	fixture.check_log()
	for client in clients[7:]:
		client.__exit__(None, None, None)


class _Clamd:
	"""Calls everything clean."""

	def __init__(self, address, port):
		self.scans = 0
		self._socket = socket.create_server((address, port))
		threading.Thread(target=self._accept, daemon=True).start()

	def stop(self):
		self._socket.shutdown(socket.SHUT_RDWR)
		self._socket.close()

	def _accept(self):
		while True:
			try:
				connection, _ = self._socket.accept()
			except OSError:
				return
			threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

	def _serve(self, connection):
		with connection:
			data = b""
			while not (data.startswith(b"zVERSION\0") or data.endswith(b"\0\0\0\0")):
				more = connection.recv(65536)
				if not more:
					return
				data += more
			if data.startswith(b"zVERSION"):
				connection.sendall(b"ClamAV 1.4.3/27500/Thu Jan  1 00:00:00 2026\0")
				return
			self.scans += 1
			connection.sendall(b"stream: OK\0")


@test
def a_named_clamd_is_waited_for_and_found_again(fixture):
	port = process.free_port()
	first, second = _Clamd("127.0.0.2", port), _Clamd("127.0.0.3", port)
	fixture.begin(next_hop="inet:127.0.0.1:%d" % fixture.mx_port, clamd_test=["127.0.0.2"],
		blocks=[cordond.block("clamd", "main", servers=["tcp:clamd.test:%d" % port],
			retry_down_ms=200)])
	server = fixture.listen()
	fixture.filter.wait_log("scanner=clamd", ": up")
	expect_reply(fixture.send(mails.clean("clamd-0")), "250")
	expect(first.scans > 0, "it was not asked")
	fixture.names.names["clamd.test"] = ["127.0.0.3"]
	first.stop()
	time.sleep(1.1)
	expect_reply(fixture.send(mails.plain("clamd-1", b"Other words.\r\n")), "451")
	fixture.filter.wait_log("scanner=clamd", ": back", timeout_s=10)
	expect_reply(fixture.send(mails.plain("clamd-2", b"And others.\r\n")), "250")
	expect(second.scans > 0, "it was not found")
	server.stop()
	second.stop()


@test
def a_clamd_without_an_address_stops_nobody(fixture):
	fixture.begin(clamd_test=SILENT, mx_test=["127.0.0.1"],
		blocks=[cordond.block("clamd", "main", servers=["tcp:clamd.test:3310"],
			retry_down_ms=200)])
	with smtp.Client(fixture.plain_port) as client:
		begin = time.monotonic()
		client.command("NOOP")
		expect(time.monotonic() - begin < _QUICK_S, "the gate waits")
	fixture.filter.wait_log("scanner=clamd", "cannot be looked up", timeout_s=20)
	expect_reply(smtp.send(fixture.plain_port, mails.clean("no-clamd")), "451")
	fixture.check_log()


if __name__ == "__main__":
	WHY = name_server.enter()
	if WHY:
		print("SKIP %s: %s" % (os.path.basename(sys.argv[0]), WHY), flush=True)
		sys.exit(77)
	runner.main(Fixture)
