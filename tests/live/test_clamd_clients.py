#!/usr/bin/env python3
"""Programs that ask clamd, unchanged, with Cordon's clamd socket in its place: clamdscan, Exim,
Samba's vfs_virusfilter and rspamd. Cordon asks a real clamd about the files, which clamdscan is also
pointed at: what it says and its exit status must be the same."""

import os
import shutil
import subprocess

from lib import clamd, cordond, debian, exim, mails, milter, process, rspamd, runner, samba, smtp
from lib import sink as sink_lib
from lib.runner import expect, test
from lib.station import Station

_CLAMDSCAN_CONF = "LocalSocket {socket}\n"
_CLAMDSCAN_TCP_CONF = "TCPSocket {port}\nTCPAddr 127.0.0.1\n"


class Fixture(Station):
	"""cordond with clamd listeners, beside one real clamd that is its scanner."""

	def __init__(self, base):
		super().__init__(base)
		self.clamd = clamd.Clamd(base).start()
		self.clamdscan = debian.unpack("clamdscan", ["clamdscan"], also=["libclamav12"])
		self.socket = os.path.join(base, "cordond/run/clamd.sock")
		self.port = process.free_port()
		self.files = os.path.join(base, "files")
		self._make_files()
		self.start_cordon()

	def start_cordon(self, **settings):
		self.start(cordond.block("signatures", "", eicar=False),
			cordond.block("clamd", "main", servers=[self.clamd.unix], timeout_ms=20000),
			cordond.block("listener", "files", protocol="clamd", address="unix:" + self.socket,
				mode="0666"),
			cordond.block("listener", "net", protocol="clamd",
				address="inet:127.0.0.1:%d" % self.port), **settings)

	def _make_files(self):
		for name, content in (("clean/one", b"1"), ("clean/two", b"22"), ("clean/empty", b""),
				("mixed/eicar", mails.eicar()), ("mixed/fine", b"fine"), ("mixed/in/marked",
				mails.marker()), ("mixed/in/zip", mails.zipped(("eicar.com", mails.eicar())))):
			path = os.path.join(self.files, name)
			os.makedirs(os.path.dirname(path), exist_ok=True)
			with open(path, "wb") as handle:
				handle.write(content)
			os.chmod(path, 0o644)

	def stop(self):
		self.stop_filter()
		self.clamd.stop()

	def scan(self, conf, *arguments, data=None):
		"""clamdscan's (exit status, sorted lines, each once, without the summary's times)."""
		path = os.path.join(self.base, "clamdscan.conf")
		with open(path, "w") as handle:
			handle.write(conf)
		done = subprocess.run([self.clamdscan.file("usr/bin/clamdscan"), "-c", path, *arguments],
			env=self.clamdscan.env(), input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
			timeout=120, check=False, stdin=None if data is not None else subprocess.DEVNULL)
		lines = [line for line in done.stdout.decode().splitlines()
			if not line.startswith(("Time:", "Start Date:", "End Date:"))]
		# With --allmatch clamd repeats a name for each reading of a file that has it.
		return done.returncode, sorted(set(lines))

	def both(self, *arguments, data=None):
		"""Fails unless clamdscan says the same about both. Returns its (status, lines)."""
		theirs = self.scan(_CLAMDSCAN_CONF.format(socket=self.clamd.unix[len("unix:"):]),
			*arguments, data=data)
		ours = self.scan(_CLAMDSCAN_CONF.format(socket=self.socket), *arguments, data=data)
		expect(theirs == ours, "clamdscan %s: clamd %r, Cordon %r" % (arguments, theirs, ours))
		return ours


@test
def clamdscan_finds_the_same(station):
	clean, mixed = (os.path.join(station.files, name) for name in ("clean", "mixed"))
	for way in ((), ("--fdpass",), ("--stream",)):
		for more in ((), ("--multiscan",), ("--allmatch",), ("--infected",), ("--no-summary",)):
			expect(station.both(*way, *more, clean)[0] == 0, "status of clean files")
			if way == () and more in ((), ("--infected",), ("--no-summary",)):
				expect(station.both(*more, os.path.join(mixed, "in/marked"))[0] == 1, "status")
			status, lines = station.both(*way, *more, mixed)
			expect(status == 1 and any("FOUND" in line for line in lines), "%r" % lines)
	for way in (("--fdpass",), ("--stream",)):
		status, lines = station.both(*way, mixed, clean, os.path.join(mixed, "fine"))
		expect(status == 1 and sum(" FOUND" in line for line in lines) == 3, "%r" % lines)


@test
def clamdscan_without_a_file(station):
	expect(station.both(os.path.join(station.files, "nowhere"))[0] == 2, "status")
	expect(station.both("--fdpass", os.path.join(station.files, "nowhere"))[0] == 2, "status")


@test
def clamdscan_from_standard_input(station):
	expect(station.both("-", data=mails.eicar())[0] == 1, "EICAR")
	expect(station.both("-", data=b"nothing")[0] == 0, "nothing")


@test
def clamdscan_over_tcp(station):
	conf = _CLAMDSCAN_TCP_CONF.format(port=station.port)
	status, lines = station.scan(conf, "--stream", os.path.join(station.files, "mixed"))
	expect(status == 1 and sum(" FOUND" in line for line in lines) == 3, "%r" % lines)
	status, lines = station.scan(conf, os.path.join(station.files, "clean"))
	expect(status == 2, "paths over TCP: %d %r" % (status, lines))


@test
def clamdscan_asks_for_version_ping_and_reload(station):
	conf = _CLAMDSCAN_CONF.format(socket=station.socket)
	status, lines = station.scan(conf, "--version")
	expect(status == 0 and lines and lines[0].startswith("ClamAV 1.4 (Cordon "), "%r" % lines)
	status, lines = station.scan(conf, "--ping", "3:1")
	expect(status == 0, "--ping: %r" % lines)
	before = station.filter.log().count("reload")
	status, lines = station.scan(conf, "--reload")
	expect(status == 0, "--reload: %r" % lines)
	process.wait_for(lambda: station.filter.log().count("reload") > before, 20, "a reload")
	expect(station.scan(conf, os.path.join(station.files, "clean"))[0] == 0, "after the reload")


def _exim_with(station, scanner):
	if os.getuid() != 0:
		raise runner.Skip("a private Exim needs root")
	sink = sink_lib.Sink()
	sink.start()
	mta = exim.Exim(station.base, sink.port, scanner=scanner)
	try:
		mta.start()
		with smtp.Client(mta.port) as client:
			for content, want in ((mails.clean("exim-clean"), "250"),
					(mails.infected("exim-eicar"), "550"), (mails.marked("exim-marked"), "550"),
					(mails.infected_zip_in_zip("exim-zip"), "550")):
				reply = client.mail(content)
				expect(str(reply).startswith(want), "%s, expected %s\n%s" % (reply, want,
					mta.log(3000)))
		mta.wait_until_delivered()
		expect(len(sink.mails()) == 1, "%d mails arrived" % len(sink.mails()))
	finally:
		mta.stop()
		sink.stop()


@test
def exim_sends_mails_over_tcp(station):
	_exim_with(station, "clamd:127.0.0.1 %d" % station.port)


@test
def exim_names_its_files_on_a_unix_socket(station):
	# As with clamd, the daemon must be able to read Exim's spool: by its group there, as root here.
	station.start_cordon(user="")
	_exim_with(station, "clamd:" + station.socket)
	station.start_cordon()


@test
def samba_asks_cordon(station):
	if os.getuid() != 0:
		raise runner.Skip("smbd needs root")
	server = samba.Samba(station.base, station.socket)
	try:
		for name in ("clean/one", "mixed/eicar"):
			shutil.copy(os.path.join(station.files, name), server.files)
		server.start()
		status, said = server.client("get one " + os.path.join(station.base, "got-one"))
		expect(status == 0 and process.read_text(os.path.join(station.base, "got-one")) == "1",
			"a clean file: %d %s\n%s" % (status, said, server.log()))
		status, said = server.client("get eicar " + os.path.join(station.base, "got-eicar"))
		expect(status != 0 and "ACCESS_DENIED" in said,
			"an infected file: %d %s\n%s" % (status, said, server.log()))
		expect("Infected: %s/eicar: Cordon.Test.Eicar.UNOFFICIAL" % server.files in server.log(),
			"Samba's log: " + server.log())
		expect(station.filter.log_lines("samba/files/eicar", "Cordon.Test.Eicar"),
			"Cordon's log does not know the file")
	finally:
		server.stop()


@test
def rspamd_asks_cordon(station):
	server = rspamd.Rspamd(station.base, station.socket)
	try:
		server.start()
		answer = milter.deliver(server.milter, mails.marked("rspamd-marked"))
		expect(milter.is_refused(answer), "marked: %r\n%s" % (answer, server.log()))
		answer = milter.deliver(server.milter, mails.infected("rspamd-eicar"))
		expect(milter.is_refused(answer), "EICAR: %r\n%s" % (answer, server.log()))
		answer = milter.deliver(server.milter, mails.clean("rspamd-clean"))
		expect(answer[0] in (milter.CONTINUE, milter.ACCEPT), "clean: %r\n%s" % (answer, server.log()))
		expect(station.filter.log_lines("listener=files", "Cordon.Test.Marker"),
			"Cordon was not asked")
	finally:
		server.stop()


runner.main(Fixture, needs_root=False)
