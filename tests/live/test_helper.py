#!/usr/bin/env python3
"""Archives that 7zz and nomarch open for the inspectors: by the daemon and locally, with passwords; what
becomes of them without it; and that nothing of it is left when processes die. A fake program in its
place hangs, so that it can be met in the middle of its work."""

import gzip
import os
import shutil
import signal
import struct
import subprocess

from lib import cordond, debian, mails, process, runner
from lib.cordond import block
from lib.runner import expect, test
from lib.station import Station

WAYS = {"by the daemon": (), "local": ("--local",)}


def crc16(data):
	crc = 0
	for byte in data:
		crc ^= byte
		for _ in range(8):
			crc = crc >> 1 ^ 0xa001 if crc & 1 else crc >> 1
	return crc


def arc(*members):
	"""An ARC archive of (name, content), stored."""
	made = b"".join(b"\x1a\2" + name.encode().ljust(13, b"\0") + struct.pack("<IIHI", len(content),
		0x21, crc16(content), len(content)) + content for name, content in members)
	return made + b"\x1a\0"


class Fixture(Station):
	"""A folder with 7zz, nomarch, the fake and some archives; each test starts the daemon as it needs."""

	def __init__(self, base):
		super().__init__(base)
		self.files = os.path.join(base, "files")
		os.makedirs(self.files)
		root = debian.unpack("7zip", ["7zip"])
		self.env = root.env()
		# A folder that the daemon's user can reach.
		self.seven_zip = shutil.copy2(root.file("usr/bin/7zz"), os.path.join(base, "7zz"))
		self.fake = shutil.copy2(os.path.join(cordond.binaries(), "helper_fake"), base)
		self.nomarch = shutil.copy2(debian.unpack("nomarch", ["nomarch"]).file("usr/bin/nomarch"),
			os.path.join(base, "nomarch"))
		self.arc = os.path.join(self.files, "a.arc")
		with open(self.arc, "wb") as handle:
			handle.write(arc(("NOTE.TXT", b"a note"), ("EICAR.GZ", gzip.compress(mails.eicar(), mtime=0))))
		self.wim = self.pack("a.wim", "eicar.com.gz", gzip.compress(mails.eicar(), mtime=0))
		self.locked = self.pack("a.7z", "eicar.com", mails.eicar(), "-pSesame77", "-mhe=on")
		self.hang = os.path.join(self.files, "hang.wim")
		with open(self.hang, "wb") as handle:
			handle.write(b"MSWIM\0\0\0hang" + bytes(50))

	def pack(self, archive, name, content, *options):
		path = os.path.join(self.files, archive)
		subprocess.run([self.seven_zip, "a", "-bd", "-si" + name, *options, path], input=content,
			stdout=subprocess.DEVNULL, env=self.env, check=True)
		return path

	def start_with(self, **options):
		"""Starts the daemon with these options of the section archives."""
		options.setdefault("seven_zip", self.seven_zip)
		options.setdefault("nomarch", self.nomarch)
		self.start(block("archives", "", **options))

	def scan(self, way, path):
		_, lines = self.filter.scan_json(path, options=WAYS[way])
		expect(len(lines) == 1, "%s: %d lines" % (way, len(lines)))
		return lines[0]


def named(name, pid):
	"""Processes below pid whose name is this."""
	return [p for p in process.descendants(pid)
		if process.read_text("/proc/%d/comm" % p).strip() == name]


@test
def members_are_found(station):
	station.start_with()
	for way in WAYS:
		found = station.scan(way, station.wim)
		expect(found["verdict"] == "infected", "%s: %r" % (way, found))
		expect(any(o["trail"] == "wim: eicar.com.gz > eicar.com" for o in found["objects"]),
			"%s: trails %r" % (way, [o["trail"] for o in found["objects"]]))


@test
def arc_is_opened_by_another(station):
	station.start_with(seven_zip="off")     # each of them stands for itself
	for way in WAYS:
		found = station.scan(way, station.arc)
		expect(found["verdict"] == "infected", "%s: %r" % (way, found))
		expect(any(o["trail"].startswith("arc: EICAR.GZ > ") for o in found["objects"]),
			"%s: trails %r" % (way, [o["trail"] for o in found["objects"]]))
	station.start_with(nomarch="off")
	for way in WAYS:
		found = station.scan(way, station.arc)
		expect(found["verdict"] == "unscanned" and
			found["unscanned"][0]["cause"] == "unsupported", "%s: %r" % (way, found))


@test
def without_it_they_are_unsupported(station):
	station.start_with(seven_zip="off")
	for way in WAYS:
		found = station.scan(way, station.wim)
		expect(found["verdict"] == "unscanned" and
			found["unscanned"][0]["cause"] == "unsupported", "%s: %r" % (way, found))
		found = station.scan(way, station.locked)
		expect(found["verdict"] == "unscanned" and
			found["unscanned"][0]["cause"] == "encrypted", "%s: %r" % (way, found))


@test
def passwords_of_the_mail_and_the_list(station):
	words = os.path.join(station.files, "words")
	with open(words, "w") as handle:
		handle.write("other\nSesame77\n")
	with open(station.locked, "rb") as handle:
		mail = mails.with_attachments("locked", ("a.7z", handle.read()))
	station.start_with()
	station.expect_passed(mail)     # encrypted ones are, unless the policy says otherwise
	station.expect_refused(mail.replace(b"Subject: ", b"Subject: Sesame77 ", 1), "550")
	expect(station.scan("local", station.locked)["verdict"] == "unscanned", "opened with nothing")
	for options in (dict(passwords=["Sesame77"]), dict(password_files=[words])):
		station.start_with(**options)
		for way in WAYS:
			found = station.scan(way, station.locked)
			expect(found["verdict"] == "infected", "%s: %r" % (way, found))
			expect(any(o["trail"].endswith("eicar.com (password)") for o in found["objects"]),
				"%s: no trail tells of the password" % way)


@test
def one_that_hangs_is_ended(station):
	station.start_with(seven_zip=station.fake, helper_ms=1000)
	for way in WAYS:
		found = station.scan(way, station.hang)
		expect(found["verdict"] == "unscanned" and found["unscanned"][0]["cause"] == "timeout",
			"%s: %r" % (way, found))
	expect(not named("helper_fake", station.filter.process.pid), "it is still there")
	station.expect_passed(mails.clean("after"))


@test
def nothing_is_left_when_an_inspector_dies(station):
	station.start_with(seven_zip=station.fake)
	top = station.filter.process.pid
	process.wait_for(lambda: len(named("cordon-helper", top)) == 2, 20, "two companions")
	scan = process.start([os.path.join(station.filter.bin, "cordon"), "scan", "-c",
		station.filter.config, station.hang], os.path.join(station.files, "scan.log"))
	process.wait_for(lambda: named("helper_fake", top), 20, "the program's start")
	program = named("helper_fake", top)[0]
	for pid in [program] + ([] if cordond.is_sanitized() else named("cordon-helper", top)):
		expect("Seccomp:\t2" in process.read_text("/proc/%d/status" % pid), "%d has no cage" % pid)
	companion = int(process.read_text("/proc/%d/stat" % program).rsplit(")", 1)[1].split()[1])
	inspector = int(process.read_text("/proc/%d/stat" % companion).rsplit(")", 1)[1].split()[1])
	os.kill(inspector, signal.SIGKILL)
	process.wait_for(lambda: not os.path.exists("/proc/%d" % program) and
		not os.path.exists("/proc/%d" % companion), 20, "the end of companion and program")
	process.wait_for(lambda: len(named("cordon-helper", top)) == 2, 20, "a new companion")
	process.stop(scan)
	station.expect_passed(mails.clean("after"))


@test
def a_lost_companion_is_replaced(station):
	station.start_with()
	top = station.filter.process.pid
	companions = process.wait_for(lambda: named("cordon-helper", top)
		if len(named("cordon-helper", top)) == 2 else None, 20, "two companions")
	for pid in companions:
		os.kill(pid, signal.SIGKILL)
	# Each inspector sees it with the next archive, says what it can, and makes way for another.
	for _ in range(2):
		expect(station.scan("by the daemon", station.wim)["verdict"] != "clean", "clean")
	process.wait_for(lambda: station.scan("by the daemon", station.wim)["verdict"] == "infected",
		20, "an inspector with a companion")


runner.main(Fixture)
