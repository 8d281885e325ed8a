#!/usr/bin/env python3
"""Mail in pipes: cordon filter, deliver, reinject and qmail-queue, with the daemon, without it, and
while it is killed. The programs that use them are in test_pipe_programs.py."""

import array
import os
import signal
import socket
import subprocess
import threading
import time

from lib import cordond, mails, milter, process, runner, ways
from lib.runner import expect, test
from lib.station import Station

REJECTED, TEMPFAIL, DISCARD = 69, 75, 99


class Fixture(Station):
	def __init__(self, base):
		super().__init__(base)
		self.start()

	def start(self, *blocks, **settings):
		settings.setdefault("log_format", "json")
		settings.setdefault("control_mode", "0666")
		return super().start(*blocks, **settings)

	def command(self, name, *arguments, config=None):
		return [os.path.join(self.filter.bin, "cordon"), name, "-c",
			config or self.filter.config, *arguments]

	def run(self, name, data, *arguments, **options):
		"""Runs a command with data on its standard input: (status, output, error text)."""
		done = subprocess.run(self.command(name, *arguments), input=data, timeout=60, check=False,
			stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
		return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")

	def begin(self, name, data, *arguments):
		"""The same, without waiting for its end."""
		running = subprocess.Popen(self.command(name, *arguments), stdin=subprocess.PIPE,
			stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		running.stdin.write(data)
		running.stdin.close()
		running.stdin = None
		return running

	def in_flight(self):
		_, out, _ = self.filter.cordon("status", "--json")
		return '"mails_in_flight":1' in out.replace(" ", "")

	def freeze(self, on):
		"""Stops the inspectors in their tracks, or lets them go on."""
		for pid in self.filter.inspectors() if on else self.filter.pids("inspect"):
			try:
				os.kill(pid, signal.SIGSTOP if on else signal.SIGCONT)
			except ProcessLookupError:
				pass                        # it has just ended


def _body(content):
	return content.split(b"\r\n\r\n", 1)[1]


def _unix(content):
	return content.replace(b"\r\n", b"\n")


@test
def twenty_mails_give_the_records_of_milter(station):
	station.start()
	ways.send_by_milter(station.filter.milter, "milter")
	ways.forget(station.filter)
	for test_id, content in ways.twenty("filter"):
		station.run("filter", _unix(content), "-f", ways.sender(test_id), "bob@test.example")
	ways.forget(station.filter)
	for test_id, content in ways.twenty("deliver"):
		station.run("deliver", b"From x Mon Jan  5 10:00:00 2026\n" + _unix(content), "-f",
			ways.sender(test_id), "bob@test.example", "--", "cat")
	ways.forget(station.filter)
	for test_id, content in ways.twenty("qmail"):
		_qmail(station, content, sender=ways.sender(test_id))
	local_log = ""
	for test_id, content in ways.twenty("local"):
		local_log += station.run("filter", content, "--local", "-f", ways.sender(test_id))[2]
	station.filter.wait_log("qmail-19@client.example")
	wanted = ways.verdict_records(station.filter.log(), "milter")
	expect(None not in wanted, "the mails over milter have no records: %r" % wanted)
	kinds = {record["verdict"] for record in wanted} | {record["action"] for record in wanted}
	expect(kinds >= {"clean", "infected", "unscanned", "accept", "reject", "tempfail"},
		"the twenty mails are too much alike: %r" % kinds)
	for way in ("filter", "deliver", "qmail"):
		found = ways.differences(wanted, ways.verdict_records(station.filter.log(), way))
		expect(not found, "%s differs from milter:\n%s" % (way, found))
	found = ways.differences(wanted, ways.verdict_records(local_log, "local"))
	expect(not found, "--local differs from milter:\n%s" % found)


@test
def filter_passes_the_mail_with_its_changes(station):
	station.start()
	forged = ["X-Virus-Scanned: by somebody else", "X-Other: stays"]
	for content in (mails.clean("pass", headers=forged), _unix(mails.clean("pass", headers=forged))):
		eol = b"\r\n" if b"\r\n" in content else b"\n"
		for line in (b"", b"From alice@client.example Mon Jan  5 10:00:00 2026" + eol):
			for options in ((), ("--local",)):
				code, out, err = station.run("filter", line + content, *options)
				expect(code == 0, "status %d: %s" % (code, err))
				expect(out.startswith(line + b"X-Virus-Scanned: Cordon at "), "begins %r" % out[:90])
				expect(b"somebody else" not in out, "the forged header is still there")
				rest = out[len(line):].split(eol, 1)[1]
				expect(rest == content.replace(b"X-Virus-Scanned: by somebody else" + eol, b""),
					"the rest was changed")
	code, out, err = station.run("filter", b"")
	expect(code == 0 and out.startswith(b"X-Virus-Scanned:"), "an empty mail: %d %r" % (code, out))


@test
def envelope_is_recorded(station):
	station.start()
	code, _, err = station.run("filter", mails.clean("env"), "-f", "<a@client.example>", "--client",
		"192.0.2.9", "--client-name", "mx.client.example", "--helo", "hi", "--user", "u1",
		"--queue-id", "4F00BA", "--listener", "inner", "b@test.example", "<c@test.example>")
	expect(code == 0, err)
	line = station.filter.wait_log('"from":"a@client.example"')[0]
	for word in ('"client":"192.0.2.9"', '"client_name":"mx.client.example"', '"helo":"hi"',
			'"user":"u1"', '"queue_id":"4F00BA"', '"listener":"inner"', '"recipients":2',
			'"to":["b@test.example","c@test.example"]', '"delivered":true'):
		expect(word in line, "%s is not in %s" % (word, line))


@test
def refused_mail_is_not_written(station):
	station.start()
	bad = mails.with_attachments("bad", ("cut.zip", mails.zip_in_zip(b"x" * 5000)[:150]))
	for options in ((), ("--local",)):
		code, out, err = station.run("filter", mails.infected("inf"), *options)
		expect(code == REJECTED and out == b"" and err.startswith("5.7.1 Message refused: infected"),
			"infected: %d %r %s" % (code, out, err))
		code, out, err = station.run("filter", bad, *options)
		expect(code == TEMPFAIL and out == b"" and err.startswith("4.7.1 "),
			"unscanned: %d %r %s" % (code, out, err))
		code, out, err = station.run("filter", mails.infected("inf"), "--infected", "discard",
			*options)
		expect(code == DISCARD and out == b"", "discard: %d %r %s" % (code, out, err))
		code, out, err = station.run("filter", mails.infected("inf"), "--infected", "tempfail",
			*options)
		expect(code == TEMPFAIL and out == b"", "tempfail: %d %r %s" % (code, out, err))
		code, out, err = station.run("filter", mails.infected("inf"), "--infected", "accept",
			*options)
		expect(code == TEMPFAIL and out == b"", "accept is no choice: %d %r %s" % (code, out, err))
	station.start(cordond.block("policy", "", infected="hold"))
	code, out, err = station.run("filter", mails.infected("held"))
	expect(code == TEMPFAIL and out == b"", "hold: %d %r %s" % (code, out, err))


@test
def wrong_use_is_for_later(station):
	for name, arguments in (("filter", ("--nonsense",)), ("deliver", ("bob@test.example",)),
			("deliver", ("--", "cat")), ("deliver", ("bob@test.example", "--")), ("reinject", ()),
			("filter", ("--listener", "a b")), ("smtp", ("x",))):
		code, out, err = station.run(name, mails.clean("use"), *arguments)
		expect(code == TEMPFAIL and out == b"" and err, "%s %r: %d %s" % (name, arguments, code, err))
	code, out, err = station.run("qmail-queue", mails.clean("use"), "x")
	expect(code == 71, "qmail-queue: %d %s" % (code, err))
	done = subprocess.run(station.command("filter", config=station.filter.config + ".missing"),
		input=mails.clean("use"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
	expect(done.returncode == TEMPFAIL and done.stdout == b"", "no configuration: %r" % done)


@test
def output_that_breaks_is_for_later(station):
	with open("/dev/full", "wb") as full:
		done = subprocess.run(station.command("filter"), input=mails.clean("full"), stdout=full,
			stderr=subprocess.PIPE, check=False)
	expect(done.returncode == TEMPFAIL, "a full disk: %d" % done.returncode)
	big = mails.big("gone", 3 << 20)
	running = subprocess.Popen(station.command("filter"), stdin=subprocess.PIPE,
		stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	running.stdout.close()
	running.stdin.write(big)
	running.stdin.close()
	expect(running.wait(60) == TEMPFAIL, "a reader that left: %d" % running.returncode)
	for name, streams, arguments in (("filter", ">&-", ""), ("filter", ">&- 2>&-", ""),
			("filter", "<&-", ""), ("filter", ">&-", "--local"), ("deliver", "<&-", "a@b -- cat")):
		command = " ".join(station.command(name)) + " %s %s" % (arguments, streams)
		done = subprocess.run(["sh", "-c", command], input=mails.clean("closed"), check=False,
			stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		expect(done.returncode == TEMPFAIL, "%s %s %s: %d" % (name, arguments, streams,
			done.returncode))


@test
def too_big(station):
	content = mails.big("big", 3 << 20)
	station.start(max_message_size="1M")
	for options in ((), ("--local",)):
		code, out, err = station.run("filter", content, *options)
		expect(code == TEMPFAIL and out == b"" and "too_big" in err, "%d %s" % (code, err))
	station.filter.wait_log('"cause":"too_big"')
	station.start(cordond.block("policy", "", unscanned_too_big="reject"), max_message_size="1M")
	expect(station.run("filter", content)[0] == REJECTED, "the policy says reject")
	expect(_qmail(station, content)[0] == 31, "the policy says reject, of qmail")
	station.start(cordond.block("policy", "", unscanned_too_big="accept"), max_message_size="1M")
	for options in ((), ("--local",)):
		code, out, err = station.run("filter", content, *options)
		expect(code == 0, "%d %s" % (code, err))
		expect(out.startswith(b"X-Virus-Unscanned:") and out.endswith(content),
			"it must pass whole: %d bytes of %d" % (len(out), len(content)))
	code, out, _ = station.run("deliver", content, "bob@test.example", "--", "cat")
	expect(code == 0 and out.endswith(content), "deliver: %d" % code)
	expect(_qmail(station, content)[0] == 71, "the rest of it is gone by then")


@test
def deliver_runs_the_agent(station):
	station.start()
	content = mails.clean("agent")
	cases = (("cat >/dev/null; exit 0", 0), ("exit 67", 67), ("head -c 10 >/dev/null", 0),
		("cat >/dev/null; exit 75", 75), ("kill -9 $$", TEMPFAIL), ("kill -TERM $$", TEMPFAIL))
	for script, wanted in cases:
		for data in (content, mails.big("agent", 2 << 20)):
			code, _, err = station.run("deliver", data, "-f", "a@b", "c@d", "--", "sh", "-c", script)
			expect(code == wanted, "%s: %d, not %d: %s" % (script, code, wanted, err))
	code, out, err = station.run("deliver", content, "c@d", "--", "/nonesuch", "-x")
	expect(code == TEMPFAIL and "/nonesuch" in err, "no such program: %d %s" % (code, err))
	code, out, _ = station.run("deliver", content, "c@d", "--", "cat", "-", "--")
	expect(code == 0 and out.endswith(content), "options of the agent are its own")
	code, out, _ = station.run("deliver", content, "-f", "a@b", "--", "-c@d", "--", "echo", "--")
	expect(code == 0 and out == b"--\n", "a recipient that looks like an option: %d %r" % (code, out))
	station.filter.wait_log('"to":["-c@d"]')


@test
def deliver_refuses_without_the_agent(station):
	station.start()
	flag = os.path.join(station.base, "ran")
	agent = ("bob@test.example", "--", "touch", flag)
	code, out, err = station.run("deliver", mails.infected("never"), *agent)
	expect(code == REJECTED and err.startswith("5.7.1 Message refused: infected with Eicar"),
		"%d %s" % (code, err))
	code, out, err = station.run("deliver", mails.infected("never"), "--infected", "discard", *agent)
	expect(code == 0 and out == b"" and err == "", "discard: %d %s" % (code, err))
	expect(not os.path.exists(flag), "the agent was run")
	code, _, _ = station.run("deliver", mails.clean("ever"), *agent)
	expect(code == 0 and os.path.exists(flag), "the agent was not run")


@test
def reinject_calls_sendmail(station):
	station.start()
	script = os.path.join(station.base, "sendmail")
	with open(script, "w") as handle:
		handle.write("#!/bin/sh\nfor word; do echo \"[$word]\"; done\ncat\nexit 3\n")
	os.chmod(script, 0o755)
	content = mails.clean("again")
	code, out, err = station.run("reinject", content, "--sendmail", script, "-f", "<a@b>", "--",
		"c@d", "-e@f")
	expect(code == 3, "status %d: %s" % (code, err))
	expect(out.startswith(b"[-G]\n[-i]\n[-f]\n[a@b]\n[--]\n[c@d]\n[-e@f]\nX-Virus-Scanned:")
		and out.endswith(_body(content)), "it was given %r" % out[:100])
	code, out, err = station.run("reinject", content, "--sendmail", script, "-f", "", "c@d")
	expect(b"[-f]\n[<>]\n" in out, "the null sender: %r" % out[:60])
	code, out, err = station.run("reinject", mails.infected("again"), "--sendmail", script, "c@d")
	expect(code == REJECTED and out == b"", "infected: %d %r" % (code, out))


@test
def without_the_daemon(station):
	station.start()
	station.filter.stop()
	try:
		code, out, err = station.run("filter", mails.clean("alone"))
		expect(code == 0 and out.endswith(mails.clean("alone")), "%d %s" % (code, err))
		expect('"verdict":"clean"' in err, "no record: %s" % err)
		code, out, err = station.run("filter", mails.infected("alone"))
		expect(code == REJECTED and out == b"" and err.startswith("5.7.1 "), "%d %s" % (code, err))
		code, out, err = station.run("filter", mails.clean("alone"), "--no-local")
		expect(code == TEMPFAIL and out == b"" and "does not answer" in err, "%d %s" % (code, err))
		log = os.path.join(station.base, "alone.log")
		station.filter.settings["log"] = log
		station.filter.write_config()
		code, _, err = station.run("filter", mails.clean("logged"), "-f", "logged@client.example")
		expect(code == 0 and err == "", "%d %s" % (code, err))
		expect("logged@client.example" in process.read_text(log), "no record in the log file")
		# Neither a daemon nor a gate of its own: no inspector to be found.
		copy = os.path.join(station.base, "lonely")
		with open(station.command("filter")[0], "rb") as program, open(copy, "wb") as handle:
			handle.write(program.read())
		os.chmod(copy, 0o755)
		station.filter.settings.update(log="stderr", engine_path="/nonesuch")
		station.filter.write_config()
		done = subprocess.run([copy, "filter", "-c", station.filter.config],
			input=mails.clean("lonely"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
		if not os.path.exists("/usr/libexec/cordon/cordon-inspector"):
			expect(done.returncode == TEMPFAIL and done.stdout == b"", "%r" % done)
	finally:
		for name in ("log", "engine_path"):
			station.filter.settings.pop(name, None)


@test
def daemon_killed_in_the_middle(station):
	for role in ("gate", "supervisor"):
		station.start()
		station.freeze(True)
		running = station.begin("filter", mails.clean("killed"))
		process.wait_for(station.in_flight, 20, "the mail in flight")
		station.filter.kill(role)
		out, err = running.communicate(timeout=30)
		expect(running.returncode == TEMPFAIL and out == b"",
			"%s killed: %d %r %r" % (role, running.returncode, out, err))
		if role == "gate":
			station.freeze(False)
			process.wait_for(lambda: station.filter.pids("gate"), 20, "a new gate")
			process.wait_for(lambda: station.run("filter", mails.clean("after"), "--no-local")[0]
				== 0, 30, "a gate that takes mail")
	station.start()


@test
def inspector_killed_in_the_middle(station):
	station.start()
	station.freeze(True)
	# Those that are frozen, one of which has the mail: not what is started in their place.
	frozen = station.filter.pids("inspect")
	running = station.begin("filter", mails.clean("crashed"))
	process.wait_for(station.in_flight, 20, "the mail in flight")
	for pid in frozen:
		try:
			os.kill(pid, signal.SIGKILL)
		except ProcessLookupError:
			pass                            # it went with the first of them
	station.freeze(False)
	out, err = running.communicate(timeout=60)
	expect(running.returncode == TEMPFAIL and out == b"" and b"crashed" in err,
		"%d %r" % (running.returncode, err))


@test
def stopping_daemon_answers_what_it_has(station):
	station.start()
	station.freeze(True)
	running = station.begin("filter", mails.clean("drained"))
	process.wait_for(station.in_flight, 20, "the mail in flight")
	station.filter.process.send_signal(signal.SIGTERM)
	station.filter.wait_log("event=stopping")
	station.freeze(False)
	out, err = running.communicate(timeout=30)
	expect(running.returncode == 0 and out.endswith(mails.clean("drained")),
		"%d %r" % (running.returncode, err))
	station.start()


@test
def client_killed_in_the_middle(station):
	station.start()
	station.freeze(True)
	running = station.begin("filter", mails.clean("left"), "-f", "left@client.example")
	process.wait_for(station.in_flight, 20, "the mail in flight")
	running.kill()
	running.communicate()
	station.freeze(False)
	line = station.filter.wait_log("left@client.example")[0]
	expect('"delivered":false' in line, "the answer reached nobody: %s" % line)
	expect(station.run("filter", mails.clean("next"))[0] == 0, "the next mail")


@test
def many_at_once(station):
	station.start(max_sessions=20)
	results = []

	def work(worker):
		for turn in range(15):
			bad = (worker + turn) % 3 == 0
			name = "many-%d-%d" % (worker, turn)
			content = mails.infected(name) if bad else mails.big(name, 300_000)
			code, out, _ = station.run("filter", content, "--no-local")
			results.append(code == REJECTED and out == b"" if bad
				else code == 0 and out.endswith(content))

	workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
	for worker in workers:
		worker.start()
	for worker in workers:
		worker.join()
	expect(len(results) == 120 and all(results), "%d of %d" % (sum(results), len(results)))
	expect('"mails_in_flight":0' in station.filter.cordon("status", "--json")[1].replace(" ", ""),
		"mails are still in flight")


@test
def no_room_is_for_later(station):
	station.start(max_sessions=1)
	station.freeze(True)
	running = station.begin("filter", mails.clean("first"))
	process.wait_for(station.in_flight, 20, "the mail in flight")
	code, out, err = station.run("filter", mails.clean("second"))
	expect(code == TEMPFAIL and out == b"" and "no room" in err, "%d %s" % (code, err))
	station.freeze(False)
	expect(running.wait(30) == 0, "the first one")
	running.communicate()


@test
def files_that_shrink_while_memory_is_spent(station):
	"""A mail of which nothing is left when its turn comes is over inside the call that wakes it.
	A build with AddressSanitizer tells what is touched then."""
	station.start(memory_budget="2M", max_message_size="1M")
	gate = station.filter.pids("gate")
	end = time.monotonic() + 4
	content = mails.big("shrinks", 700000)

	def work():
		while time.monotonic() < end:
			files = [os.memfd_create("test") for _ in range(2)]
			os.write(files[0], content)
			os.write(files[1], b"Fa@b\0Tc@d\0")
			with socket.socket(socket.AF_UNIX) as control:
				control.connect(station.filter.control)
				control.sendmsg([b"submit filter %d\n" % len(content)], [(socket.SOL_SOCKET,
					socket.SCM_RIGHTS, array.array("i", files))])
				time.sleep(0.005)
				os.ftruncate(files[0], 0)
				control.settimeout(0.5)
				try:
					control.recv(65536)
				except OSError:
					pass
			for fd in files:
				os.close(fd)

	workers = [threading.Thread(target=work, daemon=True) for _ in range(8)]
	for worker in workers:
		worker.start()
	for worker in workers:
		worker.join()
	expect(station.filter.pids("gate") == gate, "the gate died: " + station.log(2000))
	station.start()


def _qmail(station, content, sender="alice@client.example", recipients=("bob@test.example",),
		envelope=None, custom=False, options=(), program=None):
	"""Runs `cordon qmail-queue` as qmail-smtpd would, with a stand-in for the real program that
	writes down what it gets. Returns (status, mail, envelope, text on descriptor 6)."""
	folder = os.path.join(station.base, "qmail")
	os.makedirs(folder, exist_ok=True)
	got_mail, got_envelope = os.path.join(folder, "mail"), os.path.join(folder, "envelope")
	for path in (got_mail, got_envelope):
		if os.path.exists(path):
			os.unlink(path)
	stand_in = os.path.join(folder, "qmail-queue")
	with open(stand_in, "w") as handle:
		handle.write(program or "#!/bin/sh\ncat >%s\ncat <&1 >%s\n" % (got_mail, got_envelope))
	os.chmod(stand_in, 0o755)
	if envelope is None:
		envelope = b"F" + sender.encode() + b"\0" + b"".join(
			b"T" + r.encode() + b"\0" for r in recipients) + b"\0"
	mail_in, mail_out = os.pipe()
	envelope_in, envelope_out = os.pipe()
	custom_in, custom_out = os.pipe()

	def prepare():
		# Through high numbers, so that none is closed over.
		kept = [os.dup2(fd, 100 + i) for i, fd in enumerate((mail_in, envelope_in, custom_out))]
		os.dup2(kept[0], 0)
		os.dup2(kept[1], 1)
		if custom:
			os.dup2(kept[2], 6)
		os.closerange(7, 200)

	running = subprocess.Popen(station.command("qmail-queue", *options), preexec_fn=prepare,
		close_fds=False, stderr=subprocess.DEVNULL,
		env=dict(os.environ, CORDON_QMAIL_QUEUE=stand_in, TCPREMOTEIP="192.0.2.44"))
	os.close(mail_in)
	os.close(envelope_in)
	os.close(custom_out)
	for fd, data in ((mail_out, content), (envelope_out, envelope)):
		with os.fdopen(fd, "wb") as handle:
			try:
				handle.write(data)
			except BrokenPipeError:
				pass
	status = running.wait(60)
	with os.fdopen(custom_in, "rb") as handle:
		text = handle.read()

	def read(path):
		if not os.path.exists(path):
			return None
		with open(path, "rb") as handle:
			return handle.read()
	return status, read(got_mail), read(got_envelope), text


@test
def qmail_queue(station):
	station.start()
	content = _unix(mails.clean("qmail"))
	status, mail, envelope, text = _qmail(station, content, sender="q@client.example")
	expect(status == 0 and text == b"", "status %d, %r" % (status, text))
	expect(mail.startswith(b"X-Virus-Scanned:") and mail.endswith(content), "mail %r" % mail[:60])
	expect(envelope == b"Fq@client.example\0Tbob@test.example\0\0", "envelope %r" % envelope)
	line = station.filter.wait_log('"from":"q@client.example"')[0]
	for word in ('"client":"192.0.2.44"', '"listener":"qmail"', '"bob@test.example"'):
		expect(word in line, "%s is not in %s" % (word, line))
	status, mail, _, text = _qmail(station, mails.infected("qmail"))
	expect(status == 31 and mail is None and text == b"", "infected: %d" % status)
	status, mail, _, text = _qmail(station, mails.infected("qmail"), custom=True)
	expect(status == 82 and mail is None and text.startswith(b"D5.7.1 Message refused: infected"),
		"infected, with descriptor 6: %d %r" % (status, text))
	status, mail, _, text = _qmail(station, mails.infected("qmail"), options=("--infected", "discard"))
	expect(status == 0 and mail is None, "discard: %d" % status)
	bad = mails.with_attachments("bad", ("cut.zip", mails.zip_in_zip(b"x" * 5000)[:150]))
	status, mail, _, _ = _qmail(station, bad, custom=True)
	expect(status == 71 and mail is None, "unscanned: %d" % status)
	for script, wanted in (("#!/bin/sh\nexit 53\n", 53), ("#!/bin/sh\nkill -9 $$\n", 71),
			("#!/nonesuch\n", 71)):
		status = _qmail(station, content, program=script)[0]
		expect(status == wanted, "%r: %d, not %d" % (script, status, wanted))
	for envelope, wanted in ((b"", 54), (b"Fa\0Tb\0", 54), (b"Fa\0Tb", 54), (b"Ta\0\0", 91),
			(b"F" + b"a" * 2000 + b"\0\0", 11)):
		status, mail, _, _ = _qmail(station, content, envelope=envelope)
		expect(status == wanted and mail is None, "envelope %r: %d" % (envelope[:20], status))
	many = ["r%d@test.example" % number for number in range(12000)]
	status, _, envelope, _ = _qmail(station, content, recipients=many)
	expect(status == 0 and envelope.count(b"T") >= 12000, "many recipients: %d" % status)
	station.filter.wait_log('"recipients":12000')


@test
def connection_by_the_control_socket(station):
	"""What `cordon smtp` does, with a protocol that is here to speak: a connection handed over."""
	station.start()

	def ask(line, *fds):
		with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
			control.settimeout(20)
			control.connect(station.filter.control)
			control.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
				if fds else [])
			return control.recv(4096)

	ours, theirs = socket.socketpair()
	ours.settimeout(20)
	answer = ask(b"session milter test 192.0.2.7 40000\n", theirs.fileno())
	theirs.close()
	expect(answer == b'{"ok":true}\n', "answer %r" % answer)
	dialogue = milter.Dialogue.__new__(milter.Dialogue)
	dialogue.socket, dialogue.edits, dialogue.silent = ours, [], 0
	dialogue.skipped, dialogue.keeps_space = 0, False
	dialogue.negotiate()
	dialogue.connected()
	dialogue.helo()
	command, payload = dialogue.mail(mails.infected("session"))
	expect(command == milter.REPLY_CODE and payload.startswith(b"550"), "%r" % payload)
	dialogue.quit()
	expect(ours.recv(1) == b"", "the session is still open")
	with open("/dev/null", "rb") as null, socket.socket() as deaf:
		for line, fds in ((b"session milter test - 0\n", ()), (b"session x test - 0\n",
				(deaf.fileno(),)), (b"session milter other - 0\n", (deaf.fileno(),)),
				(b"session milter test - 0\n", (null.fileno(),)), (b"session\n", ()),
				(b"submit filter 0\n", ()), (b"submit filter 0\n", (null.fileno(), null.fileno())),
				(b"submit\n", ()), (b"submit filter 0\n", (deaf.fileno(), deaf.fileno()))):
			answer = ask(line, *fds)
			expect(answer.startswith(b'{"error":'), "%r: %r" % (line, answer))
	expect(station.run("filter", mails.clean("still"))[0] == 0, "the gate still works")


@test
def smtp_without_a_listener_says_421(station):
	station.start()
	for options in ((), ("--local",)):
		code, out, err = station.run("smtp", b"QUIT\r\n", *options)
		expect(code == TEMPFAIL and out.startswith(b"421 4.3.0 ") and err, "%d %r" % (code, out))


runner.main(Fixture, needs_root=False)
