#!/usr/bin/env python3
"""Cordon's clamd socket beside the real clamd: the same bytes to both, the same answers from both,
but for the differences that doc/design/clamd.md names. Cordon asks that clamd about every file, so
both know viruses by the same names."""

import os
import re
import struct
import threading
import time

from lib import clamd, clamd_peer, cordond, mails, process, runner
from lib.clamd_peer import Fd, stream
from lib.runner import expect, test
from lib.station import Station

NO_SIGNATURES = cordond.block("signatures", "", eicar=False)
FORMS = (b"z%s\0", b"n%s\n", b"%s\n", b"%s\r\n", b"%s")
SCANS = (b"SCAN", b"CONTSCAN", b"MULTISCAN", b"ALLMATCHSCAN")


class Fixture(Station):
	"""cordond with a clamd listener on a unix socket and one on TCP, beside one real clamd."""

	def __init__(self, base):
		super().__init__(base)
		self.clamd = clamd.Clamd(base).start()
		self.files = os.path.join(base, "files")
		_make_files(self.files)
		self.unix = "unix:%s/cordond/run/clamd.sock" % base
		self.tcp = "inet:127.0.0.1:%d" % process.free_port()
		self.with_settings()

	def with_settings(self, *blocks, listener=(), **settings):
		options = dict(listener)
		self.start(NO_SIGNATURES, *(blocks or [cordond.block("clamd", "main",
				servers=[self.clamd.unix], timeout_ms=20000, retry_down_ms=500)]),
			cordond.block("listener", "files", protocol="clamd", address=self.unix,
				mode="0666", **options),
			cordond.block("listener", "net", protocol="clamd", address=self.tcp, **options),
			**settings)

	def stop(self):
		self.stop_filter()
		self.clamd.stop()

	def path(self, name):
		return os.path.join(self.files, name)

	def ours(self, *packets, **options):
		return clamd_peer.talk(self.unix, *packets, **options)

	def theirs(self, *packets, **options):
		return clamd_peer.talk(self.clamd.unix, *packets, **options)

	def both(self, *packets, **options):
		"""The answers of clamd and of Cordon, asked at the same time: most of it is waiting."""
		theirs = []
		asking = threading.Thread(target=lambda: theirs.append(self.theirs(*packets, **options)))
		asking.start()
		ours = self.ours(*packets, **options)
		asking.join()
		expect(theirs, "clamd has not answered %r" % _shown(packets))
		return theirs[0], ours

	def same(self, *packets, **options):
		"""Fails unless both answer the same bytes."""
		theirs, ours = self.both(*packets, **options)
		expect(_plain(_once(theirs)) == _plain(ours),
			"%r: clamd %r, Cordon %r" % (_shown(packets), theirs, ours))
		return ours

	def same_lines(self, *packets, **options):
		"""The same, in whatever order."""
		theirs, ours = self.both(*packets, **options)
		expect(sorted(_plain(_once(theirs)).split(b"\0")) == sorted(_plain(ours).split(b"\0")),
			"%r: clamd %r, Cordon %r" % (_shown(packets), theirs, ours))
		return ours


def _shown(packets):
	return [p.data[:80] if isinstance(p, Fd) else p[:80] for p in packets]


def _once(answer):
	"""clamd 1.4.3 says twice of a path that it cannot look at; later ones say it once."""
	return re.sub(rb"([^\0\n]*: File path check failure: [^\0\n]* ERROR[\0\n])\1", rb"\1", answer)


def _plain(answer):
	"""Without what differs by nature: versions, numbers of STATS, numbers of descriptors."""
	answer = re.sub(rb"ClamAV [^\0\n|]*", b"ClamAV", answer)
	answer = re.sub(rb"(\tIDLE [0-9.]+ \n)+", b"", answer)
	answer = re.sub(rb"(live|idle|max|idle-timeout|QUEUE:|STATS|pools_used|pools_total) *[0-9.]+M?",
		rb"\1 N", answer)
	answer = re.sub(rb"(N\n|items\n)(\tSTATS N \n)?", rb"\1\2", answer)
	return re.sub(rb"fd\[[0-9]+\]", b"fd[N]", answer)


def _write(path, content):
	os.makedirs(os.path.dirname(path), exist_ok=True)
	with open(path, "wb") as handle:
		handle.write(content)
	os.chmod(path, 0o644)
	os.chmod(os.path.dirname(path), 0o755)


def _make_files(base):
	for name, content in (("clean", b"hello"), ("empty", b""), ("eicar", mails.eicar()),
			("a b", b"x"), ("marked", mails.marker()), ("sub/eicar2", mails.eicar()),
			("sub/ok", b"x"), ("sub/empty", b""), ("sub/deep/zz", b"y"),
			("good/one", b"1"), ("good/two", b"2"), ("hollow/empty", b""),
			("links/real", b"r"), ("secret", b"s")):
		_write(os.path.join(base, name), content)
	os.chmod(os.path.join(base, "secret"), 0)
	os.makedirs(os.path.join(base, "void"), exist_ok=True)
	os.chmod(os.path.join(base, "void"), 0o755)
	for name, target in (("links/file", "../eicar"), ("links/loop", ".."), ("links/bad", "no"),
			("to_eicar", "eicar"), ("to_sub", "sub"), ("to_nowhere", "nowhere")):
		os.symlink(target, os.path.join(base, name))
	for name in ("fifo", "links/fifo"):
		os.mkfifo(os.path.join(base, name), 0o666)


@test
def every_command_in_every_form(station):
	for command in (b"PING", b"VERSION", b"VERSIONCOMMANDS", b"IDSESSION", b"END", b"DETSTATS",
			b"DETSTATSCLEAR", b"INSTREAM", b"FILDES", b"RELOAD", b"FOO", b"", b"SCAN", b"CONTSCAN",
			b"MULTISCAN", b"ALLMATCHSCAN", b"SCAN ", b"SCANx", b"PING x", b"PINGX", b"ping",
			b"VERSION x", b"STREAM", b"SESSION", b"RAWSCAN /x", b"OPTSCAN x", b"STATSx", b"STATS"):
		for form in FORMS:
			packet = form % command
			if packet:
				station.same(packet)


@test
def n_commands_may_end_in_crlf(station):
	for command in (b"PING", b"FOO", b"END", b"VERSION"):
		station.same(b"n%s\r\n" % command)
	# clamd takes the LF for another command here, and complains about it.
	expect(station.ours(b"nSCAN %s\r\n" % station.path("clean").encode())
		== station.path("clean").encode() + b": OK\n", "nSCAN with CRLF")


@test
def commands_in_pieces_and_in_one(station):
	station.same(b"zPI", b"NG", b"\0")
	station.same(b"nPI", b"NG\n")
	station.same(b"PI", b"NG\n")
	station.same(b"SC", b"AN /x\n")
	station.same(b"zPING\0zPING\0")
	station.same(b"nPING\nnVERSION\n")
	station.same(b"PING\nPING\n")
	station.same(b"zPING")
	station.same(b"z\0")
	station.same(b"\0")
	station.same(b"PING\0PING\n")
	station.same(b"nPING\0PING\n")
	station.same(b"zPING\n\0")


@test
def long_commands(station):
	for length in (1000, 4000, 4097, 4098):
		station.same(b"zSCAN /%s\0" % (b"A" * (length - 7)))
	for length in (4000, 4101, 4102, 4103, 4104, 4105, 9000, 100000):
		for form in (b"z%s\0", b"n%s\n"):
			station.same(form % (b"A" * (length - 2)))
		station.same(b"A" * length)


@test
def shutdown_is_refused(station):
	for form in FORMS:
		for command in (b"SHUTDOWN", b"QUIT"):
			end = b"\0" if form.startswith(b"z") else b"\n"
			expect(station.ours(form % command) == b"COMMAND UNAVAILABLE" + end,
				"%r" % (form % command))
	expect(station.filter.is_running() and station.ours(b"zPING\0") == b"PONG\0",
		"Cordon is gone")


@test
def version(station):
	answer = station.ours(b"zVERSION\0")
	expect(re.fullmatch(rb"ClamAV 1\.4 \(Cordon [0-9.]+\)(/[1-9][0-9]*/[^/]*)?\0", answer),
		"VERSION: %r" % answer)


@test
def paths(station):
	# 1.4.3 takes ".." out of the path that it answers with; later ones say what they were asked.
	rewrites = station.theirs(b"zVERSION\0").startswith(b"ClamAV 1.4.3")
	for command in SCANS:
		for name in ("clean", "empty", "eicar", "a b", "nope", "clean/x", "sub/../clean",
				"sub/../eicar", "sub", "sub/", "sub//", "sub/deep", "good", "hollow", "void", "links",
				"sub/empty", ""):
			if name == "" and command in (b"SCAN", b"ALLMATCHSCAN"):
				continue          # which of several comes first is the folder's order
			if ".." in name and rewrites:
				continue
			if name == "" or b"MULTI" in command:
				os.chmod(station.path("secret"), 0o644)
				station.same_lines(b"z%s %s\0" % (command, station.path(name).encode()))
				os.chmod(station.path("secret"), 0)
			else:
				station.same(b"z%s %s\0" % (command, station.path(name).encode()))
				station.same(b"n%s %s\n" % (command, station.path(name).encode()))
		for path in (b"relative", b"./relative", b"/" + b"a" * 300, b"//dev/shm/no", b"",
				b"//" + station.path("clean").encode(), b"//" + station.path("eicar").encode(),
				b"/nope/\xff\xfe"):
			station.same(b"z%s %s\0" % (command, path))
	for command in (b"SCAN", b"CONTSCAN", b"MULTISCAN"):
		station.same(b"%s %s\n" % (command, station.path("eicar").encode()))
		station.same(b"%s %s" % (command, station.path("clean").encode()))


@test
def paths_that_clamd_calls_ok_without_a_look(station):
	here = station.files.encode()
	for command in SCANS:
		# A link is followed when it is what was asked for.
		expect(station.ours(b"z%s %s/to_eicar\0" % (command, here))
			== b"%s/to_eicar: Cordon.Test.Eicar.UNOFFICIAL FOUND\0" % here,
			"%s to_eicar" % command)
		expect(b"to_sub/eicar2: Cordon.Test.Eicar.UNOFFICIAL FOUND\0"
			in station.ours(b"z%s %s/to_sub\0" % (command, here)), "%s to_sub" % command)
		expect(station.ours(b"z%s %s/to_nowhere\0" % (command, here))
			== b"%s/to_nowhere: File path check failure: No such file or directory. ERROR\0"
			% here, "%s to_nowhere" % command)
		# After an error there is no OK.
		for path in (here + b"/fifo", b"/dev/null", b"/dev/zero", b"/proc/self/status"):
			expect(station.ours(b"z%s %s\0" % (command, path))
				== b"%s: Not supported file type ERROR\0" % path, "%s %s" % (command, path))


@test
def files_that_cannot_be_read(station):
	if os.getuid() != 0:
		raise runner.Skip("cordond runs as who we are")
	secret = station.path("secret").encode()
	for command in SCANS:
		expect(station.ours(b"z%s %s\0" % (command, secret))
			== secret + b": Access denied. ERROR\0", "%s" % command)
	folder = station.path("locked")
	_write(os.path.join(folder, "file"), b"x")
	os.chmod(folder, 0o700)
	expect(station.ours(b"zCONTSCAN %s\0" % folder.encode()) == folder.encode()
		+ b": File path check failure: Permission denied. ERROR\0", "a locked folder")
	expect(station.ours(b"zCONTSCAN %s/file\0" % folder.encode()) == folder.encode()
		+ b"/file: File path check failure: Permission denied. ERROR\0", "a file in it")
	answer = station.ours(b"zCONTSCAN %s\0" % station.files.encode())
	expect(b"/locked: File path" in answer and b"/secret: Access denied. ERROR\0" in answer
		and answer.count(b" FOUND\0") == 3, "the whole folder: %r" % answer)
	os.chmod(folder, 0o755)
	os.unlink(os.path.join(folder, "file"))
	os.rmdir(folder)


@test
def streams(station):
	eicar = mails.eicar()
	station.same(b"zINSTREAM\0", stream(b"hi"))
	station.same(b"nINSTREAM\n" + stream(b"hi"))
	for content in (stream(eicar), stream(eicar[:20], eicar[20:]), stream(), stream(b"a") + b"zPING\0",
			stream(eicar, end=False), b"\0\0", struct.pack(">I", 0xffffffff) + b"abc",
			struct.pack(">I", 401 << 20), stream(b"q" * 300000, eicar), stream(mails.marker())):
		station.same(b"zINSTREAM\0" + content)
		station.same(b"zINSTREAM\0", content[:5], content[5:])
	expect(clamd_peer.talk(station.tcp, b"zINSTREAM\0" + stream(eicar))
		== b"stream: Cordon.Test.Eicar.UNOFFICIAL FOUND\0", "over TCP")


@test
def sessions(station):
	eicar, clean = mails.eicar(), station.path("clean").encode()
	station.same(b"zIDSESSION\0", b"zPING\0", b"nVERSION\n", b"zSCAN %s\0" % clean,
		b"zVERSIONCOMMANDS\0", b"nSCAN %s\n" % station.path("eicar").encode(), b"zSTATS\0", b"zEND\0")
	station.same(b"zIDSESSION\0", b"zINSTREAM\0" + stream(b"a"), b"zINSTREAM\0" + stream(eicar),
		b"nINSTREAM\n", stream(eicar), b"zPING\0", b"zEND\0zPING\0")
	station.same_lines(b"zIDSESSION\0zPING\0zVERSION\0zINSTREAM\0" + stream(b"hi")
		+ b"zINSTREAM\0" + stream(eicar) + b"zPING\0zEND\0")
	station.same(b"zIDSESSION\0", b"zINSTREAM\0" + struct.pack(">I", 0xffffffff) + b"a")
	for command in (b"zCONTSCAN %s\0" % clean, b"zFOO\0", b"zIDSESSION\0", b"PING\n", b"zRELOAD\0",
			b"zMULTISCAN %s\0" % clean, b"zALLMATCHSCAN %s\0" % clean, b"zSHUTDOWN\0", b"zDETSTATS\0",
			b"zFILDES\0x", b"zEND\0zPING\0", b"z\0", b"\0", b"zSCAN\0", b"zSTATS\0",
			b"zSCAN %s\0" % station.path("nope").encode(), b"zSCAN %s\0" % station.path("sub").encode(),
			b"zSCAN %s\0" % station.path("empty").encode(), b"", b"zSCAN %s" % clean, b"zINSTREAM\0"):
		station.same(b"zIDSESSION\0", command)
		station.same(b"zIDSESSION\0zPING\0" + command)
		station.same(b"nIDSESSION\n" + command, b"zEND\0")


@test
def descriptors(station):
	def fd(name, flags=os.O_RDONLY):
		handle = os.open(station.path(name), flags)
		opened.append(handle)
		return handle

	opened = list(os.pipe())
	try:
		for mark in (b"z%s\0", b"n%s\n", b"%s\n", b"%s"):
			command = mark % b"FILDES"
			station.same(command, b"x")
			station.same(command + b"x")
			station.same(command)
			station.same(command, Fd(b"x", fd("clean")))
			station.same(Fd(command + b"x", fd("eicar")))
			station.same(Fd(command, fd("eicar")), b"x")
			station.same(command, Fd(b"x", fd("clean"), fd("eicar")))
		for name in ("empty", "sub", "/dev/null", "/dev/zero"):
			station.same(b"zFILDES\0", Fd(b"\0", fd(name)))
		station.same(b"zFILDES\0", Fd(b"\0", opened[0]))
		station.same(Fd(b"zPING\0", fd("clean")))
		station.same(b"zIDSESSION\0", b"zFILDES\0", Fd(b"\0", fd("clean")), b"zFILDES\0",
			Fd(b"\0", fd("eicar")), b"zEND\0")
		station.same(b"zIDSESSION\0", Fd(b"zFILDES\0\0", fd("clean")),
			Fd(b"zFILDES\0\0", fd("eicar")), b"zPING\0", b"zEND\0")
		station.same(b"zIDSESSION\0", Fd(b"zPING\0", fd("clean")), b"zEND\0")
		moved = fd("eicar")
		os.lseek(moved, 30, os.SEEK_SET)
		answer = station.ours(b"zFILDES\0", Fd(b"\0", moved))
		expect(answer.endswith(b" FOUND\0"), "not read from the beginning: %r" % answer)
		expect(os.lseek(moved, 0, os.SEEK_CUR) == 30, "the client's file position moved")
		# clamd says OK to these two without reading a byte.
		for flags in (os.O_WRONLY, os.O_PATH):
			answer = station.ours(b"zFILDES\0", Fd(b"\0", fd("clean", flags)))
			expect(re.fullmatch(rb"fd\[[0-9]+\]: Can't read file ERROR\0", answer), "%r" % answer)
		before = _descriptors(station)
		for _ in range(20):
			station.ours(Fd(b"zPING\0", fd("clean"), fd("clean")), pause_s=0)
			station.ours(Fd(b"zFIL", fd("clean")), pause_s=0)
			station.ours(b"zFILDES\0", Fd(b"\0", fd("clean")), pause_s=0)
		process.wait_for(lambda: _descriptors(station) <= before, 10,
			"the gate closing descriptors")
	finally:
		for handle in opened:
			os.close(handle)


def _descriptors(station):
	return len(os.listdir("/proc/%d/fd" % station.filter.pids("gate")[0]))


@test
def answers_stay_with_their_client(station):
	"""clamd keys a reply to a descriptor's number: a client that goes leaves its reply to the next
	one that gets the number. Here clients go in the middle of everything, while others ask."""
	right, gone, ending = [], [], threading.Event()

	def deserter():
		turn = 0
		while not ending.is_set():
			turn += 1
			with clamd_peer.connect(station.unix) as peer:
				peer.sendall((b"zINSTREAM\0" + stream(mails.marker(), b"%d" % turn),
					b"zIDSESSION\0" + (b"zINSTREAM\0" + stream(mails.marker(), b"x%d" % turn)) * 3,
					b"zSCAN %s\0" % station.path("sub").encode())[turn % 3])
			gone.append(turn)
			time.sleep(0.002)         # or they alone would fill max_sessions

	def asker(number):
		for turn in range(200):
			content = b"asker %d turn %d" % (number, turn)
			right.append(clamd_peer.talk(station.unix, b"zINSTREAM\0" + stream(content), pause_s=0)
				== b"stream: OK\0")
	runaways = [threading.Thread(target=deserter) for _ in range(3)]
	askers = [threading.Thread(target=asker, args=(number,)) for number in range(4)]
	for thread in runaways + askers:
		thread.start()
	for thread in askers:
		thread.join()
	ending.set()
	for thread in runaways:
		thread.join()
	expect(len(right) == 800 and all(right), "%d of %d answers are right, 800 were asked for"
		% (sum(right), len(right)))
	expect(len(gone) > 50, "only %d clients went in the middle" % len(gone))


@test
def paths_over_tcp(station):
	clean = station.path("clean").encode()
	denied = clean + b": Access denied. ERROR\0"
	for command in SCANS:
		expect(clamd_peer.talk(station.tcp, b"z%s %s\0" % (command, clean)) == denied,
			"%s over TCP" % command)
	expect(clamd_peer.talk(station.tcp, b"zIDSESSION\0zSCAN %s\0zPING\0zEND\0" % clean)
		== b"1: " + denied + b"2: PONG\0", "in a session")
	station.with_settings(listener={"paths": "always"})
	expect(clamd_peer.talk(station.tcp, b"zSCAN %s\0" % clean) == clean + b": OK\0", "always")
	station.with_settings(listener={"paths": "never"})
	expect(station.ours(b"zSCAN %s\0" % clean) == denied, "never")
	station.with_settings()


@test
def not_looked_at_is_never_ok(station):
	dead = cordond.block("clamd", "main", servers=["tcp:127.0.0.1:%d" % process.free_port()],
		timeout_ms=1000, retry_down_ms=500)
	station.with_settings(dead, max_message_size="64K")
	here = station.files.encode()
	answer = station.ours(b"zINSTREAM\0" + stream(b"never seen before"))
	expect(re.fullmatch(rb"stream: unscanned: [a-z_ ]+ ERROR\0", answer), "stream: %r" % answer)
	answer = station.ours(b"zCONTSCAN %s/good\0" % here)
	expect(answer.count(b" ERROR\0") == 2 and b"OK" not in answer, "folder: %r" % answer)
	answer = station.ours(b"zSCAN %s/good\0" % here)
	expect(answer.count(b" ERROR\0") == 1 and b"OK" not in answer, "SCAN stops: %r" % answer)
	large = station.path("large")
	_write(large, b"x" * 65537)
	expect(station.ours(b"zSCAN %s\0" % large.encode())
		== large.encode() + b": unscanned: too_big ERROR\0", "a file too large")
	handle = os.open(large, os.O_RDONLY)
	answer = station.ours(b"zFILDES\0", Fd(b"\0", handle))
	os.close(handle)
	expect(re.fullmatch(rb"fd\[[0-9]+\]: unscanned: too_big ERROR\0", answer), "%r" % answer)
	expect(station.ours(b"zINSTREAM\0" + stream(b"x" * 65536)).startswith(b"stream: unscanned"),
		"a stream of the largest size")
	for content in (stream(b"x" * 65537), stream(b"x" * 65536, b"y"), stream(b"x" * (1 << 20))):
		expect(station.ours(b"zINSTREAM\0" + content) == b"INSTREAM size limit exceeded. ERROR\0",
			"a stream too large")
	os.truncate(large, 65536)
	station.with_settings(max_message_size="64K")
	expect(station.ours(b"zSCAN %s\0" % large.encode()) == large.encode() + b": OK\0",
		"a file of the largest size")
	os.unlink(large)
	accepting = cordond.block("policy", "", unscanned="accept", unscanned_down="accept",
		unscanned_timeout="accept")
	station.with_settings(dead, accepting)
	expect(station.ours(b"zINSTREAM\0" + stream(b"let through")) == b"stream: OK\0",
		"accepted by policy")
	station.with_settings()


@test
def large_files_and_folders_hold_nobody_up(station):
	folder = station.path("many")
	for number in range(400):
		_write(os.path.join(folder, "d%d" % (number % 20), "f%d" % number), b"file %d" % number)
		os.chmod(folder, 0o755)
	_write(os.path.join(folder, "big"), os.urandom(20 << 20))
	done = []
	walker = threading.Thread(target=lambda: done.append(
		station.ours(b"zMULTISCAN %s\0" % folder.encode())))
	walker.start()
	slowest, turns = 0.0, 0
	while walker.is_alive():
		begin = time.monotonic()
		expect(station.ours(b"zPING\0", pause_s=0) == b"PONG\0", "PING during a walk")
		slowest, turns = max(slowest, time.monotonic() - begin), turns + 1
	walker.join()
	expect(done == [folder.encode() + b": OK\0"], "the walk: %r" % done)
	expect(slowest < 1.0, "a PING took %.2f s of %d" % (slowest, turns))
	station.same(b"zCONTSCAN %s\0" % folder.encode(), pause_s=0)


@test
def names_of_files_cannot_forge_lines(station):
	folder = station.path("forged")
	_write(os.path.join(folder, "x: OK\nclean"), mails.eicar())
	answer = station.ours(b"nCONTSCAN %s\n" % folder.encode())
	expect(answer == folder.encode() + b"/x: OK?clean: Cordon.Test.Eicar.UNOFFICIAL FOUND\n",
		"%r" % answer)
	answer = station.ours(b"zCONTSCAN %s\0" % folder.encode())
	expect(answer == folder.encode() + b"/x: OK\nclean: Cordon.Test.Eicar.UNOFFICIAL FOUND\0",
		"%r" % answer)


@test
def silent_clients_time_out(station):
	station.with_settings(listener={"command_timeout_ms": 1000}, io_timeout_ms=700)
	for packets, want in (((b"zPI",), b""), ((b"zINSTREAM\0\0\0",), b""), ((b"zFILDES\0",), b""),
			((b"zIDSESSION\0zPING\0",), b"1: PONG\0")):
		begin = time.monotonic()
		answer = station.ours(*packets, half_close=False)
		expect(answer == want + b"COMMAND READ TIMED OUT\n", "%r: %r" % (packets, answer))
		expect(time.monotonic() - begin < 5, "it took too long")
	station.with_settings()


@test
def the_log_knows_the_files(station):
	station.ours(b"zSCAN %s\0" % station.path("eicar").encode())
	lines = station.filter.wait_log("files/eicar", "Cordon.Test.Eicar")
	expect("delivered" not in lines[-1] or "delivered=no" not in lines[-1], lines[-1])


@test
def cordon_asks_cordon(station):
	"""The scanner of the clamd protocol understands the server of it."""
	from lib import milter
	other = cordond.Cordond(os.path.join(station.base, "other"), [NO_SIGNATURES,
		cordond.block("clamd", "main", servers=[station.unix], timeout_ms=20000)])
	other.start()
	try:
		answer = milter.deliver(other.milter, mails.marked("chain"))
		expect(answer[0] == milter.REPLY_CODE and b"Cordon.Test.Marker" in answer[1], "%r" % (answer,))
		answer = milter.deliver(other.milter, mails.clean("chain"))
		expect(answer[0] in (milter.CONTINUE, milter.ACCEPT), "%r" % (answer,))
	finally:
		other.stop()


@test
def drain_lets_files_finish(station):
	with clamd_peer.connect(station.unix) as peer:
		peer.sendall(b"zIDSESSION\0zPING\0")
		expect(peer.recv(100) == b"1: PONG\0", "PING")
		begin = time.monotonic()
		station.stop_filter()
		expect(time.monotonic() - begin < 10, "an idle session held the drain up")
		expect(clamd_peer.read_all(peer) == b"", "the session ended with words")
	station.with_settings()


runner.main(Fixture, needs_root=False)
