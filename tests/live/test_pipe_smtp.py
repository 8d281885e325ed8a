#!/usr/bin/env python3
"""cordon smtp: SMTP on standard input and output, as a client behind two pipes, a socket pair or inetd
sees it, with the daemon, without it, and while it is killed."""

import os
import signal
import socket
import subprocess
import threading

from lib import cordond, mails, process, runner, sink, smtp, ways
from lib.runner import expect, expect_reply, test
from lib.station import Station

TEMPFAIL = 75


class Fixture(Station):
	def __init__(self, base):
		super().__init__(base)
		self.sink = sink.Sink().start()
		self.port = process.free_port()
		self.start()

	def start(self, *blocks, **listener):
		options = dict(protocol="smtp", address="inet:127.0.0.1:%d" % self.port,
			next_hop="inet:127.0.0.1:%d" % self.sink.port)
		options.update(listener)
		return super().start(cordond.block("listener", "relay", **options), *blocks,
			log_format="json")

	def stop(self):
		super().stop()
		self.sink.stop()

	def command(self, *options):
		return [os.path.join(self.filter.bin, "cordon"), "smtp", "-c", self.filter.config, *options]


class _Session(smtp.Client):
	"""cordon smtp on a socket pair, or on a connection of a TCP listener as inetd gives it."""

	def __init__(self, command, tcp=False, stderr=subprocess.PIPE):
		if tcp:
			with socket.create_server(("127.0.0.1", 0)) as listener:
				ours = socket.create_connection(listener.getsockname())
				theirs, _ = listener.accept()
		else:
			ours, theirs = socket.socketpair()
		self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=stderr)
		theirs.close()
		ours.settimeout(60)
		self.address = ours.getsockname() if tcp else None
		self._socket, self._file = ours, ours.makefile("rb")
		expect_reply(self._read(), "220")
		expect_reply(self.command("EHLO client.example"), "250")

	def end(self):
		self._file.close()
		self._socket.close()
		error = self.process.communicate(timeout=60)[1]
		return self.process.returncode, error


def _script(*sent):
	"""A whole pipelined session with these (sender, mail) pairs, dots doubled."""
	out = [b"EHLO client.example\r\n"]
	for sender, content in sent:
		out.append(b"MAIL FROM:<%s>\r\nRCPT TO:<bob@test.example>\r\nDATA\r\n" % sender.encode())
		out.append(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
	return b"".join(out) + b"QUIT\r\n"


@test
def mails_over_a_socket(station):
	for options in ((), ("--local",), ("--listener", "relay")):
		for tcp in (False, True):
			name = "sock-%d-%d" % (len(options), tcp)
			session = _Session(station.command(*options), tcp)
			expect_reply(session.mail(mails.clean(name)), "250")
			expect_reply(session.mail(mails.infected(name + "-bad")), "550 5.7.1")
			expect_reply(session.mail(mails.clean(name + "-more")), "250")
			expect_reply(session.command("QUIT"), "221")
			code, err = session.end()
			expect(code == 0, "status %d: %r" % (code, err))
			for test_id in (name, name + "-more"):
				mail = station.sink.wait(test_id, 30)
				expect(mail and len(mail.header("X-Virus-Scanned")) == 1, "mail %s" % test_id)
			expect(not station.sink.mails(name + "-bad"), "the infected mail passed")


@test
def whole_session_in_a_pipe(station):
	"""The input ends long before the answers come."""
	for options in ((), ("--local",)):
		name = "pipe%d" % len(options)
		big = mails.big(name + "-big", 2 << 20)
		done = subprocess.run(station.command(*options), input=_script(("a@b", mails.clean(name)),
			("a@b", mails.infected(name + "-bad")), ("a@b", big)), stdout=subprocess.PIPE,
			stderr=subprocess.PIPE, timeout=60, check=False)
		codes = [line[:3] for line in done.stdout.split(b"\r\n") if line[3:4] == b" "]
		expect(codes == [b"220", b"250"] + [b"250", b"250", b"354", b"250"] + [b"250", b"250", b"354",
			b"550"] + [b"250", b"250", b"354", b"250", b"221"], "answers %r" % done.stdout)
		expect(done.returncode == 0, "status %d: %r" % (done.returncode, done.stderr))
		expect(station.sink.wait(name, 20) and station.sink.wait(name + "-big", 20), "no mail")
		expect(not station.sink.mails(name + "-bad"), "the infected mail passed")


@test
def client_is_who_is_on_the_line(station):
	session = _Session(station.command(), tcp=True)
	expect_reply(session.mail(mails.clean("peer"), sender="peer@client.example"), "250")
	session.command("QUIT")
	session.end()
	line = station.filter.wait_log('"from":"peer@client.example"')[0]
	expect('"client":"127.0.0.1"' in line and '"listener":"relay"' in line, line)
	# The socket in between is a local one, and still nobody is trusted for it.
	station.start(trusted=["192.0.2.0/24"])
	for options in ((), ("--local",)):
		session = _Session(station.command(*options), tcp=True)
		expect_reply(session.command("XCLIENT ADDR=192.0.2.1"), "550")
		session.command("QUIT")
		session.end()
		session = _Session(station.command(*options))
		expect_reply(session.command("XCLIENT ADDR=192.0.2.1"), "220")
		session.command("QUIT")
		session.end()
	station.start()


@test
def twenty_mails_give_the_records_of_milter(station):
	station.start()
	ways.send_by_milter(station.filter.milter, "milter")
	ways.forget(station.filter)
	session = _Session(station.command())
	for test_id, content in ways.twenty("smtp"):
		session.mail(content, sender=ways.sender(test_id))
	session.command("QUIT")
	session.end()
	station.filter.wait_log("smtp-19@client.example")
	log = station.filter.log()
	wanted = ways.verdict_records(log, "milter")
	expect(None not in wanted, "the mails over milter have no records: %r" % wanted)
	found = ways.differences(wanted, ways.verdict_records(log, "smtp"))
	expect(not found, "cordon smtp differs from milter:\n%s" % found)


@test
def killed_in_the_middle(station):
	for tcp in (False, True):
		station.start()
		name = "killed-%d" % tcp
		session = _Session(station.command(), tcp)
		for pid in station.filter.inspectors():
			os.kill(pid, signal.SIGSTOP)
		threading.Timer(1, lambda: station.filter.kill("gate")).start()
		try:
			reply = session.mail(mails.clean(name))
			raise AssertionError("answered %s" % reply)
		except smtp.ConnectionLost:
			pass
		code, err = session.end()
		expect(code == TEMPFAIL, "status %d: %r" % (code, err))
		for pid in station.filter.pids("inspect"):
			try:
				os.kill(pid, signal.SIGCONT)
			except ProcessLookupError:
				pass                    # it went with the gate
		expect(not station.sink.mails(name), "it went on without an answer")
	station.start()


@test
def ends_that_go_away(station):
	"""A client that leaves takes the command, and the session, with it."""
	station.start()
	for tcp in (False, True):
		session = _Session(station.command(), tcp)
		session.command("MAIL FROM:<a@b>")
		session.end()
	pipes = subprocess.Popen(station.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
		stderr=subprocess.DEVNULL)
	pipes.stdout.readline()
	pipes.stdout.close()
	pipes.stdin.close()
	expect(pipes.wait(30) == 0, "status %d" % pipes.returncode)

	def sessions():
		return '"sessions":0' in station.filter.cordon("status", "--json")[1].replace(" ", "")
	process.wait_for(sessions, 20, "the end of the sessions")


@test
def nobody_to_serve(station):
	station.start()
	station.filter.stop()
	try:
		done = subprocess.run(station.command("--no-local"), input=_script(("a@b", mails.clean("no"))),
			stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
		expect(done.returncode == TEMPFAIL and done.stdout.startswith(b"421 "), "%r" % done)
		session = _Session(station.command())
		expect_reply(session.mail(mails.clean("alone")), "250")
		expect_reply(session.mail(mails.infected("alone-bad")), "550")
		session.command("QUIT")
		code, err = session.end()
		expect(code == 0 and b'"verdict":"infected"' in err, "status %d: %r" % (code, err))
	finally:
		station.filter.start()
	for options in (("--listener", "test"), ("--listener", "nonesuch")):
		done = subprocess.run(station.command(*options), input=b"QUIT\r\n", timeout=60, check=False,
			stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		expect(done.returncode == TEMPFAIL and done.stdout.startswith(b"421 "), "%r" % done)


runner.main(Fixture, needs_root=False)
