#!/usr/bin/env python3
"""The embedded libclamav engine with a small database made here: findings, a new database without a
gap, a broken one, and none at all."""

import os
import shutil
import sys
import threading

from lib import clamd, cordond, mails, milter, process, runner
from lib.runner import expect, test
from lib.station import Station

NO_SIGNATURES = cordond.block("signatures", "", eicar=False)


class Fixture(Station):
	"""A Station with a database folder; engine() starts it with the engine on that."""

	def __init__(self, base):
		super().__init__(base)
		self.database = os.path.join(base, "db")
		clamd.write_database(self.database)

	def engine(self, *blocks, **options):
		"""Starts cordond with the engine and these blocks."""
		options = dict(dict(enabled=True, database=self.database, workers=2, reload_check_s=1),
			**options)
		self.start(cordond.block("clamav", "", **options), *blocks)


def _passed(answer):
	return answer[0] in (milter.CONTINUE, milter.ACCEPT)


@test
def finds_with_its_own_database(station):
	station.engine(NO_SIGNATURES)
	station.expect_passed(mails.clean("clean"))
	station.expect_refused(mails.marked("marked"), "550 5.7.1")
	station.expect_refused(mails.infected("eicar"), "550 5.7.1")
	station.expect_refused(mails.infected_zip_in_zip("zipzip"), "550 5.7.1")
	station.expect_passed(mails.big("big", 8 << 20))
	command, payload = station.ask(mails.marked("name"))
	expect(b"Cordon.Test.Marker" in payload, "answer %r" % ((command, payload),))


@test
def a_file_called_a_mail_is_asked_about(station):
	"""Whole-file signatures find a file whatever media type its part declares."""
	clamd.write_database(station.database)
	station.engine(NO_SIGNATURES)
	for kind in (b"message/rfc822", b"message/x-thing", b"text/plain"):
		content = mails.with_attachments("kind", ("a.exe", mails.eicar()))
		station.expect_refused(content.replace(b"application/octet-stream", kind), "550 5.7.1")


@test
def new_database_without_a_gap(station):
	station.engine(NO_SIGNATURES)
	new_virus = b"only the second database knows this"
	wrong, seen_new, ending = [], threading.Event(), threading.Event()

	def client(number):
		turn = 0
		while not ending.is_set():
			turn += 1
			tag = b"%d-%d" % (number, turn)
			if not _passed(station.ask(mails.plain("g-%d-%d" % (number, turn), tag + b"\r\n"))):
				wrong.append(("clean mail refused", tag))
			answer = station.ask(mails.with_attachments("m", ("a", mails.marker() + tag)))
			if not answer[1].startswith(b"550"):
				wrong.append(("marked mail", answer))
			if station.ask(mails.with_attachments("n", ("a", new_virus + tag)))[1][:3] == b"550":
				seen_new.set()

	threads = [threading.Thread(target=client, args=(number,)) for number in range(2)]
	for thread in threads:
		thread.start()
	clamd.write_database(station.database, extra=[("Cordon.Test.Second", new_virus)])
	came = seen_new.wait(60)
	ending.set()
	for thread in threads:
		thread.join()
	expect(came, "the new database was not in force after a minute")
	expect(not wrong, "%d wrong answers while the database was replaced: %r"
		% (len(wrong), wrong[:3]))


@test
def cached_clean_answer_ends_with_the_database(station):
	clamd.write_database(station.database)
	station.engine(NO_SIGNATURES)
	later = mails.with_attachments("later", ("later.bin", b"the next database knows this"))
	station.expect_passed(later)
	station.expect_passed(later)
	clamd.write_database(station.database, extra=[
		("Cordon.Test.Later", b"the next database knows this")])
	station.filter.reload()
	process.wait_for(lambda: station.ask(later)[1].startswith(b"550"), 60,
		"the same mail found with the new database", 0.3)


@test
def broken_database_leaves_the_old_one(station):
	clamd.write_database(station.database)
	station.engine(NO_SIGNATURES)
	station.expect_refused(mails.marked("before-broken"), "550 5.7.1")
	broken = os.path.join(station.database, "broken.ndb")
	with open(broken, "w") as handle:
		handle.write("this:is:no:signature:at:all\n" * 3)
	try:
		station.filter.reload()
		station.filter.wait_log("ClamAV", "database", timeout_s=30)
		for turn in range(10):
			station.expect_refused(mails.with_attachments("b%d" % turn,
				("a", mails.marker() + b"%d" % turn)), "550 5.7.1")
			station.expect_passed(mails.plain("c%d" % turn, b"%d\r\n" % turn))
	finally:
		os.unlink(broken)


@test
def no_database_is_said_once_and_signatures_work(station):
	empty = os.path.join(station.base, "empty")
	os.makedirs(empty, exist_ok=True)
	os.chmod(empty, 0o755)
	before = len(station.filter.log()) if station.filter else 0
	station.engine(database=empty)
	station.expect_refused(mails.infected("nodb-eicar"), "550 5.7.1")
	for turn in range(3):
		station.expect_passed(mails.plain("nodb-%d" % turn, b"%d\r\n" % turn))
	said = [line for line in station.filter.log()[before:].splitlines()
		if empty in line and "database" in line.lower()]
	expect(len(said) == 1, "%d log lines name the empty folder: %r" % (len(said), said[:3]))


@test
def database_that_comes_later_is_used(station):
	folder = os.path.join(station.base, "later")
	os.makedirs(folder, exist_ok=True)
	os.chmod(folder, 0o755)
	station.engine(NO_SIGNATURES, database=folder)
	station.expect_passed(mails.marked("before-it-came"))
	clamd.write_database(folder)
	process.wait_for(lambda: station.ask(mails.marked("it-came"))[1].startswith(b"550"), 60,
		"the marked mail found", 0.3)
	shutil.rmtree(folder)


@test
def killed_worker_costs_one_mail_at_most(station):
	clamd.write_database(station.database)
	station.engine(NO_SIGNATURES)
	for turn in range(4):
		station.filter.kill("engine", which=turn + 1)
		answers = [station.ask(mails.with_attachments("k%d" % turn, ("a", mails.marker()
			+ b"%d %d" % (turn, n)))) for n in range(4)]
		expect(not any(_passed(answer) for answer in answers), "a marked mail passed")
		process.wait_for(lambda t=turn: station.ask(mails.with_attachments("l%d" % t, ("a",
			mails.marker() + os.urandom(8))))[1].startswith(b"550"), 20,
			"findings after a kill", 0.2)


if not cordond.has_engine():
	print("SKIP test_engine: built without the embedded engine (no libclamav)")
	sys.exit(77)
runner.main(Fixture, needs_root=False)
