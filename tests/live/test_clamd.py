#!/usr/bin/env python3
"""clamd as the only scanner: the real one over its unix socket (FILDES) and over TCP (INSTREAM),
several servers, and servers that are dead, frozen, or answer nonsense. What clamd did not plainly
call clean never passes."""

import threading
import time

from lib import clamd, cordond, mails, milter, process, runner
from lib.runner import expect, test
from lib.station import Station

NO_SIGNATURES = cordond.block("signatures", "", eicar=False)


class Fixture(Station):
	"""A Station beside one real clamd."""

	def __init__(self, base):
		super().__init__(base)
		self.clamd = clamd.Clamd(base).start()

	def stop(self):
		self.stop_filter()
		self.clamd.stop()

	def with_servers(self, *servers, **options):
		"""Starts cordond with a group of these servers and nothing else to scan with."""
		options.setdefault("timeout_ms", 10000)
		options.setdefault("retry_down_ms", 500)
		self.start(NO_SIGNATURES, cordond.block("clamd", "main", servers=list(servers), **options))


def _all_verdicts(station, tag):
	station.expect_passed(mails.clean(tag + "-clean"))
	station.expect_refused(mails.marked(tag + "-marked"), "550 5.7.1")
	station.expect_refused(mails.infected(tag + "-eicar"), "550 5.7.1")
	station.expect_refused(mails.infected_zip_in_zip(tag + "-zip"), "550 5.7.1")
	station.expect_passed(mails.big(tag + "-big", 4 << 20))
	station.expect_passed(b"")


@test
def unix_socket(station):
	station.with_servers(station.clamd.unix)
	_all_verdicts(station, "unix")


@test
def unix_socket_by_fildes(station):
	station.with_servers(station.clamd.unix, transfer="fildes")
	before = station.clamd.log().count("memfd:")
	_all_verdicts(station, "fildes")
	expect(station.clamd.log().count("memfd:") > before, "clamd's log shows no scan by FILDES")


@test
def tcp_by_instream(station):
	station.with_servers(station.clamd.tcp)
	before = station.clamd.log().count("instream")
	_all_verdicts(station, "tcp")
	expect(station.clamd.log().count("instream") > before, "clamd's log shows no INSTREAM scan")


@test
def name_of_the_finding(station):
	station.with_servers(station.clamd.unix)
	command, payload = station.ask(mails.marked("name"))
	expect(command == milter.REPLY_CODE and b"Cordon.Test.Marker" in payload,
		"answer %r" % ((command, payload),))


@test
def dead_server_beside_a_living_one(station):
	dead = "tcp:127.0.0.1:%d" % process.free_port()
	missing = "unix:%s/nobody.sock" % station.base
	station.with_servers(dead, missing, station.clamd.tcp)
	for turn in range(12):
		station.expect_passed(mails.plain("dead-%d" % turn, b"text %d\r\n" % turn))
	station.expect_refused(mails.marked("dead-marked"), "550 5.7.1")


@test
def all_servers_dead(station):
	dead = ["tcp:127.0.0.1:%d" % process.free_port() for _ in range(2)]
	station.with_servers(*dead)
	station.expect_refused(mails.clean("all-dead"), "451 4.7.1")
	station.expect_refused(mails.marked("all-dead-marked"), "451 4.7.1")
	expect(station.filter.log_lines("clamd"), "no log line says that clamd is down")


def _faulty_alone(kind):
	def run(station):
		faulty = clamd.FaultyClamd(kind).start()
		try:
			station.with_servers(faulty.address, timeout_ms=1500)
			begin = time.monotonic()
			for name in ("clean", "marked"):
				station.expect_refused(getattr(mails, name)("%s-%s" % (kind, name)), "451 4.7.1")
			expect(time.monotonic() - begin < 20, "it took %.1f s"
				% (time.monotonic() - begin))
			expect(faulty.scans > 0, "the faulty clamd was never asked")
		finally:
			faulty.stop()
	run.__name__ = "faulty_clamd_%s" % kind
	return run


def _faulty_beside_real(kind):
	def run(station):
		faulty = clamd.FaultyClamd(kind).start()
		try:
			station.with_servers(faulty.address, station.clamd.tcp, timeout_ms=1500)
			for turn in range(6):
				station.expect_not_passed(mails.with_attachments("b-%s-%d" % (kind, turn),
					("a%d.bin" % turn, mails.marker() + b"%d" % turn)))
			# An answer after the deadline may cost its own mail a 451; then the other is asked.
			passed = 0
			for turn in range(8):
				answer = station.ask(mails.plain("c-%s-%d" % (kind, turn), b"%d\r\n" % turn))
				passed += answer[0] in (milter.CONTINUE, milter.ACCEPT)
			expect(passed >= 4, "only %d of 8 clean mails passed with a good clamd there" % passed)
		finally:
			faulty.stop()
	run.__name__ = "faulty_clamd_%s_beside_a_good_one" % kind
	return run


for _kind in clamd.FaultyClamd.KINDS:
	test(_faulty_alone(_kind))
for _kind in ("hangs", "closes", "garbage", "wrong_id"):
	test(_faulty_beside_real(_kind))


@test
def infected_wins_over_a_faulty_group(station):
	faulty = clamd.FaultyClamd("closes").start()
	try:
		station.start(NO_SIGNATURES,
			cordond.block("clamd", "bad", servers=[faulty.address], timeout_ms=1500),
			cordond.block("clamd", "good", servers=[station.clamd.unix], timeout_ms=10000))
		station.expect_refused(mails.marked("groups-marked"), "550 5.7.1")
		station.expect_refused(mails.clean("groups-clean"), "451 4.7.1")
	finally:
		faulty.stop()


@test
def frozen_clamd_costs_a_451_and_comes_back(station):
	station.with_servers(station.clamd.tcp, timeout_ms=1500)
	station.clamd.freeze(True)
	try:
		station.expect_refused(mails.plain("frozen", b"one\r\n"), "451 4.7.1")
	finally:
		station.clamd.freeze(False)
	process.wait_for(lambda: station.ask(mails.plain("thawed", b"two\r\n"))[0]
		in (milter.CONTINUE, milter.ACCEPT), 20, "clean mail passing again", 0.3)


@test
def many_at_once(station):
	station.with_servers(station.clamd.unix, station.clamd.tcp)
	wrong = []

	def client(number):
		for turn in range(10):
			tag = "many-%d-%d" % (number, turn)
			infected = (number + turn) % 3 == 0
			content = (mails.with_attachments(tag, ("a.bin", tag.encode() + mails.marker()))
				if infected else mails.plain(tag, tag.encode() + b"\r\n"))
			answer = station.ask(content)
			good = (answer[1].startswith(b"550") if infected
				else answer[0] in (milter.CONTINUE, milter.ACCEPT))
			if not good:
				wrong.append((tag, answer))
	threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
	for thread in threads:
		thread.start()
	for thread in threads:
		thread.join()
	expect(not wrong, "%d of 80 answers are wrong: %r" % (len(wrong), wrong[:3]))


runner.main(Fixture, needs_root=False)
