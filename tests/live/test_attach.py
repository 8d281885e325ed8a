#!/usr/bin/env python3
"""cordon attach and detach on private Postfix, Sendmail, Exim and OpenSMTPD: the change works, is
undone to the byte, and a failure at any step leaves everything as it was."""

import os
import signal
import socket
import subprocess
import threading
import time

from lib import clamd, cordond, mails, process, runner, smtp
from lib.exim import Exim
from lib.opensmtpd import OpenSMTPD
from lib.postfix import Postfix
from lib.runner import expect, expect_reply, test
from lib.sendmail import Sendmail
from lib.sink import Sink


class Case:
	"""One MTA without a filter, its daemon running, and a cordond with listeners beside it.

	files	paths whose content attach may change
	how	options of attach that address the private instance
	env	what attach needs to run the unpacked programs
	"""

	def __init__(self, name, mta, files, how, env, wrap=None):
		self.name, self.mta, self.files = name, mta, files
		self.how, self.env, self.wrap = how, env, wrap or (lambda words: words)

	def content(self):
		"""What matters of each file: bytes, permissions, owner and time."""
		found = {}
		for path in self.files:
			if os.path.exists(path):
				status = os.stat(path)
				with open(path, "rb") as handle:
					found[path] = (handle.read(), status.st_mode, status.st_uid,
						status.st_gid, status.st_mtime_ns)
		return found


class Fixture:
	"""A cordond, a sink, and the four MTAs, each made when first asked for."""

	def __init__(self, base):
		self.base = base
		self.sink = Sink().start()
		self.filter = cordond.Cordond(base, self._listeners(), "inet")
		self.filter.start()
		self.state = os.path.join(base, "state")
		self.made = {}

	def _listeners(self):
		"""One for each mode; ports of those that take mail, and take it back."""
		self.ports = {name: process.free_port() for name in ("proxy", "filter", "proxy-back",
			"filter-back", "clamd")}
		texts = []
		for way in ("proxy", "filter"):
			texts.append(cordond.block("listener", way, protocol="smtp", way=way,
				address="inet:127.0.0.1:%d" % self.ports[way],
				next_hop="inet:127.0.0.1:%d" % self.ports[way + "-back"]))
		texts.append(cordond.block("listener", "clamd", protocol="clamd",
			address="inet:127.0.0.1:%d" % self.ports["clamd"]))
		texts.append(cordond.block("listener", "opensmtpd", protocol="opensmtpd", mode="0666",
			address="unix:%s/cordond/run/opensmtpd.sock" % self.base))
		return texts

	def serves(self, name):
		"""False when this cordond does not speak the listener's protocol: then only configurations
		are tested."""
		return not self.filter.log_lines("not served", "listener=" + name)

	def greets(self, name):
		"""True when an SMTP server answers on that port."""
		try:
			with socket.create_connection(("127.0.0.1", self.ports[name]), 2) as peer:
				peer.settimeout(2)
				return peer.recv(3) == b"220"
		except OSError:
			return False

	def stop(self):
		for case in self.made.values():
			case.mta.stop()
		self.filter.stop()
		self.sink.stop()

	def log(self):
		text = "--- cordond\n" + self.filter.log()[-2000:]
		for name, case in self.made.items():
			text += "--- %s\n%s" % (name, case.mta.log()[-3000:])
		return text

	def case(self, name):
		if name not in self.made:
			self.made[name] = getattr(self, "_" + name)()
		return self.made[name]

	def _postfix(self):
		mta = Postfix(self.base, "", self.sink.port, size_limit=50_000_000,
			milter_content_timeout=300)
		etc = os.path.join(mta.base, "etc")
		mta.start()
		# `postfix check` goes through this list of folders to be made; none is.
		with open(os.path.join(etc, "postfix-files"), "w"):
			pass
		return Case("postfix", mta, [os.path.join(etc, "main.cf"), os.path.join(etc, "master.cf")],
			["--config-dir", etc, "--program", mta.root.file("usr/sbin/postfix")],
			mta.root.env())

	def _sendmail(self):
		mta = Sendmail(self.base, "", self.sink.port, size_limit=50_000_000).start()
		program = mta.root.file("usr/libexec/sendmail/sendmail", "usr/lib/sm.bin/sendmail")
		env = mta.root.env()
		env["PATH"] = os.path.dirname(mta.root.file("usr/bin/m4")) + ":" + env["PATH"]
		return Case("sendmail", mta, [os.path.join(mta.base, "sendmail.mc"),
			os.path.join(mta.base, "sendmail.cf")],
			["--config-dir", mta.base, "--program", program], env,
			# Without a dot in the host's name Sendmail sleeps 60 s before it reads a .cf.
			lambda words: ["unshare", "--uts", "/bin/sh", "-c",
				'hostname 127.0.0.1; exec "$@"', "sh"] + words)

	def _exim(self):
		mta = Exim(self.base, self.sink.port, size_limit=50_000_000).start()
		return Case("exim", mta, [mta.config], ["--config-file", mta.config, "--program",
			mta.program], mta.env, mta.namespace.command)

	def _opensmtpd(self):
		mta = OpenSMTPD(self.base, self.sink.port).start()
		return Case("opensmtpd", mta, [mta.config], ["--config-file", mta.config, "--program",
			mta.program], mta.env, mta.namespace.command)

	def command(self, verb, case, *options):
		words = [os.path.join(self.filter.bin, "cordon"), verb, case.name, "--state-dir", self.state]
		if verb == "attach":
			words += ["-c", self.filter.config]
		return case.wrap(words + case.how + list(options))

	def run(self, verb, case, *options, yes=True):
		"""Runs attach or detach. Returns (exit code, output, errors)."""
		words = self.command(verb, case, *options, *(["--yes"] if yes else []))
		done = subprocess.run(words, env=case.env, stdin=subprocess.DEVNULL, timeout=120,
			stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True)
		return done.returncode, done.stdout, done.stderr

	def expect_run(self, code, verb, case, *options, says=(), yes=True):
		"""The same, and fails unless it ends with `code` and says all words. Returns the text."""
		got, out, err = self.run(verb, case, *options, yes=yes)
		expect(got == code, "%s %s: exit code %d, expected %d\n%s%s" % (verb, case.name, got, code,
			out, err))
		for word in says:
			expect(word in out + err, "%r is not said:\n%s%s" % (word, out, err))
		return out + err

	def expect_filtered(self, case, test_id, code="550 5.7.1"):
		expect_reply(smtp.send(case.mta.port, mails.infected(test_id + "-bad")), code)
		expect_reply(smtp.send(case.mta.port, mails.clean(test_id)), "250")
		mail = self.sink.wait(test_id)
		if mail is None and isinstance(case.mta, Postfix):
			# Now and then its queue manager, reloaded a moment ago, begins no delivery: nothing is
			# said of the mail behind "queue active". Another reload has it look again.
			case.mta.process.send_signal(signal.SIGHUP)
			mail = self.sink.wait(test_id, 60)
		expect(mail is not None, "the clean mail did not reach the sink")
		expect(mail.header("X-Virus-Scanned"), "the clean mail did not pass Cordon")

	def expect_unfiltered(self, case, test_id):
		def through():
			test = "%s-%d" % (test_id, time.monotonic_ns())
			try:
				reply = smtp.send(case.mta.port, mails.clean(test))
			except (OSError, smtp.ConnectionLost):   # it reads its configuration just now
				return None
			mail = self.sink.wait(test, 10) if reply.code == 250 else None
			return mail and not mail.header("X-Virus-Scanned")
		process.wait_for(through, 20, "mail that passes without Cordon", 0.5)

	def expect_timeout_told(self, case, says, *options):
		"""--check objects when message_timeout_ms has grown beyond what attach set, only then."""
		self.expect_run(0, "attach", case, "--check", *options, yes=False)
		self.filter.write_config("message_timeout_ms = 280000\n")
		try:
			self.expect_run(1, "attach", case, "--check", *options, yes=False, says=(says,))
		finally:
			self.filter.write_config()

	def no_state(self):
		left = os.listdir(self.state) if os.path.isdir(self.state) else []
		expect(not left, "left in the state folder: %r" % left)


MILTERS = ("postfix", "sendmail")


def test_restoring(function):
	"""A test that leaves nothing attached behind, so that one that failed does not fail others."""
	def run(fixture):
		try:
			function(fixture)
		except BaseException:
			for name in ("postfix", "sendmail", "exim", "opensmtpd"):
				if name in fixture.made:
					fixture.run("detach", fixture.case(name), "--no-reload")
			raise
	run.__name__ = function.__name__
	return test(run)


@test_restoring
def attach_works_and_detach_restores(fixture):
	for name in MILTERS:
		case = fixture.case(name)
		before = case.content()
		out = fixture.expect_run(0, "attach", case, says=("+++ ", "test: EICAR: 550 5.7.1",
			"test: the clean mail: 250", "is attached"))
		fixture.expect_filtered(case, "attached-" + name)
		expect(case.content() != before, "nothing was changed: %s" % out)
		fixture.expect_run(0, "detach", case, says=("is detached",))
		expect(case.content() == before, "%s: detach did not restore the files" % name)
		fixture.expect_unfiltered(case, "detached-" + name)
		fixture.no_state()



@test_restoring
def dry_run_changes_nothing(fixture):
	for name in MILTERS:
		case = fixture.case(name)
		before = case.content()
		out = fixture.expect_run(0, "attach", case, "--dry-run", says=("+++ ",), yes=False)
		expect("attached" not in out, "dry run says: " + out)
		expect(case.content() == before, "dry run changed a file")
		fixture.no_state()


@test_restoring
def without_a_terminal_yes_is_needed(fixture):
	case = fixture.case("postfix")
	before = case.content()
	fixture.expect_run(2, "attach", case, says=("--yes",), yes=False)
	expect(case.content() == before, "a file was changed without a yes")
	fixture.no_state()


def _on_terminal(fixture, case, answer):
	"""Runs attach on a terminal of its own and types the answer. Returns (exit code, text)."""
	try:
		pid, terminal = os.forkpty()
	except OSError as error:
		raise runner.Skip("no terminal can be had here: %s" % error) from None
	if pid == 0:
		words = fixture.command("attach", case)
		os.execve(words[0], words, case.env)
	text = b""
	while b"[y/N]" not in text:
		text += os.read(terminal, 4096)
	os.write(terminal, answer)
	try:
		while True:
			text += os.read(terminal, 4096)
	except OSError:                     # the end of a terminal
		pass
	os.close(terminal)
	return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text.decode()


@test_restoring
def asks_on_a_terminal(fixture):
	case = fixture.case("postfix")
	before = case.content()
	code, text = _on_terminal(fixture, case, b"n\n")
	expect(code == 1 and case.content() == before, "answered no: %d\n%s" % (code, text))
	fixture.no_state()
	code, text = _on_terminal(fixture, case, b"y\n")
	expect(code == 0 and "is attached" in text, "answered yes: %d\n%s" % (code, text))
	fixture.expect_run(0, "detach", case)
	expect(case.content() == before, "detach did not restore the files")


@test_restoring
def second_attach_says_so(fixture):
	for name in MILTERS:
		case = fixture.case(name)
		before = case.content()
		fixture.expect_run(0, "attach", case)
		attached = case.content()
		fixture.expect_run(0, "attach", case, says=("attached already",))
		expect(case.content() == attached, "the second attach changed a file")
		fixture.expect_run(0, "detach", case)
		expect(case.content() == before, "detach did not restore the files")
		fixture.expect_run(0, "detach", case, says=("is not attached",))
		expect(case.content() == before, "a second detach changed a file")


@test_restoring
def without_cordond_it_rolls_back(fixture):
	fixture.filter.stop()
	try:
		for name in MILTERS:
			case = fixture.case(name)
			before = case.content()
			fixture.expect_run(2, "attach", case, says=("EICAR was answered '4",
				"everything is as it was before"))
			expect(case.content() == before, "%s: not rolled back" % name)
			fixture.no_state()
			fixture.expect_unfiltered(case, "rolled-back-" + name)
	finally:
		fixture.filter.start()


@test_restoring
def refused_probe_rolls_back(fixture):
	for name in MILTERS:
		case = fixture.case(name)
		before = case.content()
		fixture.expect_run(2, "attach", case, "--recipient", "", says=("EICAR was answered '5",
			"everything is as it was before"))
		expect(case.content() == before, "%s: not rolled back" % name)
		fixture.no_state()


@test_restoring
def clean_mail_refused_rolls_back(fixture):
	"""A scanner is down and the policy refuses all: EICAR is refused, but so is the clean mail."""
	case = fixture.case("postfix")
	before = case.content()
	fixture.filter.stop()
	fixture.filter.write_config('policy { unscanned = "reject" }\n'
		'clamd dead { servers = {"tcp:127.0.0.1:%d"} timeout_ms = 2000 }\n' % process.free_port())
	fixture.filter.start()
	try:
		fixture.expect_run(2, "attach", case, says=("the clean mail was answered '5",))
		expect(case.content() == before, "not rolled back")
		fixture.expect_unfiltered(case, "clean-refused")
	finally:
		fixture.filter.stop()
		fixture.filter.write_config()
		fixture.filter.start()


def _fake_tools(fixture, case, name, text):
	"""A folder with the MTA's programs, of which one is a script. Returns its path of `name`."""
	folder = os.path.join(fixture.base, "tools-" + name)
	os.makedirs(folder, exist_ok=True)
	program = case.how[case.how.index("--program") + 1]
	for other in os.listdir(os.path.dirname(program)):
		path = os.path.join(folder, other)
		if not os.path.lexists(path):
			os.symlink(os.path.join(os.path.dirname(program), other), path)
	path = os.path.join(folder, name)
	os.unlink(path)
	with open(path, "w") as handle:
		handle.write("#!/bin/sh\nreal=%s\n%s\n" % (os.path.join(os.path.dirname(program), name),
			text))
	os.chmod(path, 0o755)
	return path


def _replaced(case, program):
	"""Options of the case with another program."""
	how = list(case.how)
	how[how.index("--program") + 1] = program
	return Case(case.name, case.mta, case.files, how, case.env, case.wrap)


@test_restoring
def objection_of_the_mta_rolls_back(fixture):
	case = fixture.case("postfix")
	before = case.content()
	for step in ("check", "reload"):
		fake = _fake_tools(fixture, case, "postfix",
			'case "$*" in *%s) echo "fatal: no %s today" >&2; exit 1;; esac\nexec $real "$@"'
			% (step, step))
		fixture.expect_run(2, "attach", _replaced(case, fake), says=("no %s today" % step,
			"the MTA could not be told" if step == "reload" else "everything is as it was before"))
		expect(case.content() == before, "not rolled back after a failed " + step)
		fixture.no_state()
	case = fixture.case("sendmail")
	before = case.content()
	fake = _fake_tools(fixture, case, "sendmail", 'echo "$3: line 7: unknown configuration line"')
	fixture.expect_run(2, "attach", _replaced(case, fake))
	expect(case.content() == before, "not rolled back")
	fixture.no_state()


@test_restoring
def interrupt_rolls_back(fixture):
	case = fixture.case("postfix")
	before = case.content()
	mark = os.path.join(fixture.base, "reloading")
	fake = _fake_tools(fixture, case, "postfix",
		'case "$*" in *reload) if ! [ -e %s ]; then touch %s; sleep 20; fi;; esac\n'
		'exec $real "$@"' % (mark, mark))
	for sig in (signal.SIGINT, signal.SIGTERM):
		if os.path.exists(mark):
			os.unlink(mark)
		words = fixture.command("attach", _replaced(case, fake), "--yes")
		running = subprocess.Popen(words, env=case.env, stdin=subprocess.DEVNULL,
			stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
		process.wait_for(lambda: os.path.exists(mark), 20, "the reload")
		expect(case.content() != before, "nothing was applied when the reload began")
		running.send_signal(sig)
		out = running.communicate(timeout=30)[0]
		expect(running.returncode == 2 and "interrupted" in out, "%d %s" % (running.returncode, out))
		expect(case.content() == before, "not rolled back:\n" + out)
		fixture.no_state()
	fixture.expect_unfiltered(case, "interrupted")


@test_restoring
def killed_attach_is_undone_by_detach(fixture):
	case = fixture.case("postfix")
	before = case.content()
	mark = os.path.join(fixture.base, "reloading-2")
	fake = _fake_tools(fixture, case, "postfix",
		'case "$*" in *reload) touch %s; sleep 1;; esac\nexec $real "$@"' % mark)
	running = subprocess.Popen(fixture.command("attach", _replaced(case, fake), "--yes"),
		env=case.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
	process.wait_for(lambda: os.path.exists(mark), 20, "the reload")
	running.kill()
	running.wait()
	expect(case.content() != before, "nothing was applied")
	fixture.expect_run(2, "attach", case, says=("ended in the middle",))
	fixture.expect_run(0, "detach", case, says=("is detached",))
	expect(case.content() == before, "detach did not restore the files")
	fixture.expect_unfiltered(case, "killed")


def _edit(path, old, new):
	with open(path) as handle:
		text = handle.read()
	expect(old in text, "%r is not in %s" % (old, path))
	with open(path, "w") as handle:
		handle.write(text.replace(old, new, 1))


@test_restoring
def detach_keeps_edits_made_since(fixture):
	for name, path, old, new in (
			("postfix", "etc/main.cf", "mydomain =", "# a note\nsmtpd_banner = hello\nmydomain ="),
			("sendmail", "sendmail.mc", "MAILER(`smtp')", "dnl a note\nMAILER(`smtp')")):
		case = fixture.case(name)
		path = os.path.join(case.mta.base, path)
		before = case.content()
		fixture.expect_run(0, "attach", case)
		_edit(path, old, new)
		fixture.expect_run(0, "detach", case)
		after = case.content()
		wanted = before[path][0].decode().replace(old, new, 1)
		expect(after[path][0].decode() == wanted, "%s: got\n%s" % (name, after[path][0].decode()))
		_edit(path, new, old)
		expect({p: c[0] for p, c in case.content().items()} == {p: c[0] for p, c in before.items()},
			"%s: another file differs" % name)
		fixture.expect_unfiltered(case, "edited-" + name)


@test_restoring
def detach_from_an_edited_list_of_milters(fixture):
	case = fixture.case("postfix")
	path = case.files[0]
	before = case.content()
	fixture.expect_run(0, "attach", case)
	ours = fixture.filter.milter
	_edit(path, "smtpd_milters = " + ours, "smtpd_milters = inet:127.0.0.1:9 %s, unix:other" % ours)
	fixture.expect_run(0, "detach", case, "--no-reload", says=("only Cordon is taken out",))
	text = case.content()[path][0].decode()
	expect("smtpd_milters = inet:127.0.0.1:9, unix:other\n" in text, "got:\n" + text)
	with open(path, "wb") as handle:
		handle.write(before[path][0])


@test_restoring
def detach_refuses_what_it_cannot_undo(fixture):
	case = fixture.case("sendmail")
	path = case.files[0]
	before = case.content()
	fixture.expect_run(0, "attach", case)
	_edit(path, "T=C:30s", "T=C:31s")
	edited = case.content()
	fixture.expect_run(2, "detach", case, says=("sendmail.mc' was edited at line", "by hand"))
	expect(case.content() == edited, "a refused detach changed a file")
	_edit(path, "T=C:31s", "T=C:30s")
	fixture.expect_run(0, "detach", case)
	expect({p: c[0] for p, c in case.content().items()} == {p: c[0] for p, c in before.items()},
		"detach did not restore the files")


@test_restoring
def a_second_milter_stays(fixture):
	"""Beside another filter Cordon is added behind it, with its own default action."""
	case = fixture.case("postfix")
	path = case.files[0]
	before = case.content()
	_edit(path, "smtpd_milters = ", "smtpd_milters = inet:127.0.0.1:9")
	_edit(path, "milter_default_action = tempfail", "milter_default_action = accept")
	changed = case.content()
	case.mta.process.send_signal(signal.SIGHUP)
	fixture.expect_run(0, "attach", case, says=(
		"smtpd_milters = inet:127.0.0.1:9, { %s, default_action=tempfail }" % fixture.filter.milter,))
	fixture.expect_filtered(case, "second-milter")
	fixture.expect_run(0, "detach", case)
	expect(case.content() == changed, "detach did not restore the files")
	with open(path, "wb") as handle:
		handle.write(before[path][0])
	case.mta.process.send_signal(signal.SIGHUP)


@test_restoring
def sendmail_without_its_mc(fixture):
	"""A .cf that is not what m4 makes of the .mc is edited itself."""
	case = fixture.case("sendmail")
	mc, cf = case.files
	original = case.content()
	_edit(cf, "O MaxMessageSize=", "O MaxMessageSize=1")
	before = case.content()
	out = fixture.expect_run(0, "attach", case, says=("is not what the .cf was made from",
		"+O InputMailFilters=cordon", "+Xcordon, S=inet:"))
	expect(case.content()[mc] == before[mc], "the .mc was changed too:\n" + out)
	fixture.expect_filtered(case, "no-mc")
	fixture.expect_run(0, "detach", case)
	expect(case.content() == before, "detach did not restore the files")
	with open(cf, "wb") as handle:
		handle.write(original[cf][0])


@test_restoring
def limits_are_compared(fixture):
	for name in MILTERS:
		fixture.expect_run(0, "attach", fixture.case(name), "--check", yes=False, says=("agree",))
	fixture.filter.write_config('clamd small { servers = {"tcp:127.0.0.1:9"} max_object = "25M" }\n'
		'max_message_size = "40M"\nmessage_timeout_ms = 290000\n')
	try:
		out = fixture.expect_run(1, "attach", fixture.case("postfix"), "--check", yes=False, says=(
			"message_size_limit (50000000) is above max_message_size (41943040)",
			"max_object of clamd small (26214400) is below the largest mail (41943040)",
			"milter_content_timeout (300 s) leaves no time", "postconf -e milter_content_timeout=320s"))
		expect(out.count("limits: ") == 4, "said:\n" + out)
		fixture.expect_run(1, "attach", fixture.case("sendmail"), "--check", yes=False, says=(
			"MaxMessageSize (confMAX_MESSAGE_SIZE) (50000000) is above",))
	finally:
		fixture.filter.write_config()


@test_restoring
def listener_that_is_missing(fixture):
	case = fixture.case("postfix")
	before = case.content()
	fixture.expect_run(2, "attach", case, "--mode", "proxy", "--listener", "postfix", says=(
		'listener postfix {\n\tprotocol = "smtp"\n\taddress = "inet:127.0.0.1:10025"\n'
		'\tway = "proxy"\n\tnext_hop = "inet:127.0.0.1:10026"\n}',))
	fixture.expect_run(2, "attach", case, "--listener", "none", says=("listener none {",))
	fixture.expect_run(2, "attach", case, "--mode", "clamd", says=("has no mode 'clamd'",))
	expect(case.content() == before, "a file was changed")
	fixture.no_state()



def _tested_or_not(fixture, name):
	"""Options of attach: no test mails to a listener that nobody serves."""
	return [] if fixture.serves(name) else ["--no-test"]


@test_restoring
def postfix_proxy(fixture):
	case = fixture.case("postfix")
	before = case.content()
	fixture.expect_run(0, "attach", case, "--mode", "proxy", *_tested_or_not(fixture, "proxy"),
		says=("+    -o smtpd_proxy_filter=inet:127.0.0.1:%d" % fixture.ports["proxy"],
			"+    -o smtpd_proxy_timeout=300s",
			"+127.0.0.1:%d inet n" % fixture.ports["proxy-back"], "is attached"))
	process.wait_for(lambda: fixture.greets("proxy-back"), 20, "the listener for mail on its way back")
	# What comes back is taken and delivered, and not filtered again.
	expect_reply(smtp.send(fixture.ports["proxy-back"], mails.infected("proxy-back")), "250")
	expect(fixture.sink.wait("proxy-back") is not None, "the mail did not reach the sink")
	if fixture.serves("proxy"):
		fixture.expect_filtered(case, "proxy")
	fixture.expect_timeout_told(case, "smtpd_proxy_timeout in master.cf (300 s)", "--mode", "proxy")
	fixture.expect_run(0, "detach", case)
	expect(case.content() == before, "detach did not restore the files")
	fixture.expect_unfiltered(case, "proxy-detached")


@test_restoring
def postfix_filter(fixture):
	case = fixture.case("postfix")
	before = case.content()
	fixture.expect_run(0, "attach", case, "--mode", "filter", *_tested_or_not(fixture, "filter"),
		says=("+content_filter = cordon:[127.0.0.1]:%d" % fixture.ports["filter"],
			"+cordon     unix", "+127.0.0.1:%d inet n" % fixture.ports["filter-back"]))
	process.wait_for(lambda: fixture.greets("filter-back"), 20, "the listener for mail on its way back")
	if fixture.serves("filter"):
		expect_reply(smtp.send(case.mta.port, mails.infected("filter-bad")), "250")
		expect_reply(smtp.send(case.mta.port, mails.clean("filter")), "250")
		mail = fixture.sink.wait("filter")
		expect(mail and mail.header("X-Virus-Scanned"), "the clean mail did not pass Cordon")
		expect(not fixture.sink.mails("filter-bad"), "EICAR reached the sink")
	fixture.expect_run(2, "attach", case, "--mode", "filter", "--state-dir",
		os.path.join(fixture.base, "other"), "--address", "inet:127.0.0.1:9", "--next-hop",
		"inet:127.0.0.1:10", says=("content_filter is in use",))
	fixture.expect_run(0, "detach", case)
	expect(case.content() == before, "detach did not restore the files")


@test_restoring
def filter_mode_without_a_daemon_rolls_back(fixture):
	"""Postfix answers 250 before it asks the filter, so only the daemon can tell."""
	case = fixture.case("postfix")
	before = case.content()
	fixture.filter.stop()
	try:
		fixture.expect_run(2, "attach", case, "--mode", "filter", says=("does not answer at",
			"everything is as it was before"))
		expect(case.content() == before, "not rolled back")
	finally:
		fixture.filter.start()


class _Clamd:
	"""What Exim asks: Cordon when it serves clamd's protocol, else the real clamd."""

	def __init__(self, fixture):
		self.real = None
		self.options = []
		if not fixture.serves("clamd"):
			self.real = clamd.Clamd(os.path.join(fixture.base, "real")).start()
			self.options = ["--address", self.real.tcp.replace("tcp:", "inet:")]

	def stop(self):
		if self.real:
			self.real.stop()


def _expect_exim(fixture, case, before, scanner):
	fixture.expect_run(0, "attach", case, *scanner.options, says=("av_scanner = clamd:127.0.0.1 ",
		"malware = */tmo=300s", "test: EICAR: 550", "test: the clean mail: 250"))
	expect_reply(smtp.send(case.mta.port, mails.infected("exim-bad")), "550")
	good = "exim-%d" % time.monotonic_ns()
	expect_reply(smtp.send(case.mta.port, mails.clean(good)), "250")
	expect(fixture.sink.wait(good) is not None, "the clean mail did not reach the sink")
	fixture.expect_run(0, "attach", case, *scanner.options, says=("attached already",))
	fixture.expect_run(0, "detach", case)
	expect(case.content() == before, "detach did not restore the files")
	fixture.expect_unfiltered(case, "exim-detached")
	expect_reply(smtp.send(case.mta.port, mails.infected("exim-unfiltered")), "250")
	fixture.no_state()


@test_restoring
def exim_one_file(fixture):
	case = fixture.case("exim")
	before = case.content()
	scanner = _Clamd(fixture)
	try:
		_expect_exim(fixture, case, before, scanner)
	finally:
		scanner.stop()
	dead = "inet:127.0.0.1:%d" % process.free_port()
	fixture.expect_run(2, "attach", case, "--address", dead, says=("EICAR was answered '451",
		"everything is as it was before"))
	expect(case.content() == before, "not rolled back")
	fixture.expect_unfiltered(case, "exim-rolled-back")
	fixture.expect_run(0, "attach", case, "--address", dead, "--dry-run", yes=False)
	expect(case.content() == before, "dry run changed a file")


@test_restoring
def exim_detach_keeps_edits(fixture):
	case = fixture.case("exim")
	path = case.mta.config
	before = case.content()
	fixture.expect_run(0, "attach", case, "--address", "inet:127.0.0.1:9", "--no-test")
	_edit(path, "never_users =\n", "never_users = root\n")
	fixture.expect_timeout_told(case, "tmo of the malware condition (300 s)")
	fixture.expect_run(0, "detach", case)
	_edit(path, "never_users = root\n", "never_users =\n")
	expect(case.content()[path][0] == before[path][0], "detach left something behind")


@test_restoring
def exim_without_an_acl_or_with_a_scanner(fixture):
	case = fixture.case("exim")
	path = case.mta.config
	original = case.content()
	scanner = _Clamd(fixture)
	try:
		_edit(path, "acl_smtp_data = acl_check_data\n", "")
		_edit(path, "acl_check_data:\n  accept\n", "")
		case.mta.process.send_signal(signal.SIGHUP)
		_expect_exim(fixture, case, case.content(), scanner)
		with open(path, "wb") as handle:
			handle.write(original[path][0].replace(b"never_users =\n",
				b"never_users =\nav_scanner = clamd:/nonexistent\n"))
		case.mta.process.send_signal(signal.SIGHUP)
		_expect_exim(fixture, case, case.content(), scanner)
	finally:
		scanner.stop()
		with open(path, "wb") as handle:
			handle.write(original[path][0])
		case.mta.process.send_signal(signal.SIGHUP)


def _debian_exim(fixture, split):
	"""An Exim with Debian's configuration in a private folder, made by update-exim4.conf."""
	mta = Exim(os.path.join(fixture.base, "split" if split else "template"), fixture.sink.port)
	etc = mta.use_debian(split)
	mta.start()
	files = [os.path.join(top, name) for top, _, names in os.walk(etc) for name in names]
	return Case("exim", mta, files + [mta.config, os.path.join(etc, "conf.d/main/95_cordon")],
		["--config-dir", etc, "--config-file", mta.config, "--program", mta.program], mta.env,
		mta.namespace.command)


@test_restoring
def exim_of_debian(fixture):
	scanner = _Clamd(fixture)
	try:
		for split in (True, False):
			case = _debian_exim(fixture, split)
			try:
				_expect_exim(fixture, case, case.content(), scanner)
			finally:
				case.mta.stop()
	finally:
		scanner.stop()


@test_restoring
def opensmtpd(fixture):
	case = fixture.case("opensmtpd")
	before = case.content()
	out = fixture.expect_run(2, "attach", case, says=("give --reload-command",))
	expect(case.content() == before and "rolling back" not in out, "said:\n" + out)
	fixture.no_state()
	fixture.expect_run(0, "attach", case, "--no-test", "--no-reload", says=(
		'+filter "cordon" proc-exec "%s/cordon opensmtpd unix:%s/opensmtpd.sock"' % (
			fixture.filter.bin, fixture.filter.run), 'mx.test.example filter "cordon"'))
	_edit(case.mta.config, "action ", "# a note\naction ")
	fixture.expect_run(0, "detach", case, "--no-reload")
	_edit(case.mta.config, "# a note\n", "")
	expect(case.content()[case.mta.config][0] == before[case.mta.config][0], "something was left")
	bad = before[case.mta.config][0] + b"listen on nowhere nothing\n"
	with open(case.mta.config, "wb") as handle:
		handle.write(bad)
	fixture.expect_run(2, "attach", case, "--no-test", "--no-reload", says=("invalid virtual ip",
		"everything is as it was before"))
	expect(case.content()[case.mta.config][0] == bad, "not rolled back")
	with open(case.mta.config, "wb") as handle:
		handle.write(before[case.mta.config][0])



LISTENS = (
	('listen on 127.0.0.1 filter "x"', 'listen on 127.0.0.1 filter { "x", "cordon" }'),
	('listen on 127.0.0.1 filter { "x", "y" } port 26',
		'listen on 127.0.0.1 filter { "x", "y", "cordon" } port 26'),
	("listen on 127.0.0.1 hostname filter.test.example",
		'listen on 127.0.0.1 hostname filter.test.example filter "cordon"'),
	('listen on 127.0.0.1 port 26 # filter "x"', 'listen on 127.0.0.1 port 26 filter "cordon" '
		'# filter "x"'),
	("listen on 127.0.0.1 \\\n\tport 26\\\n\ttag t",
		'listen on 127.0.0.1 \\\n\tport 26\\\n\ttag t filter "cordon"'),
	("listen on socket", "listen on socket"),
)


@test_restoring
def opensmtpd_forms_of_listen(fixture):
	case = fixture.case("opensmtpd")
	path = case.mta.config
	original = case.content()
	with open(path, "w") as handle:
		handle.write('filter "x" phase helo match rdns disconnect "550 no"\n'
			'filter "y" phase helo match fcrdns disconnect "550 no"\n'
			+ "".join(line + "\n" for line, _ in LISTENS) + 'action "a" relay\nmatch for any action "a"')
	before = case.content()
	fixture.expect_run(0, "attach", case, "--no-test", "--no-reload")
	text = case.content()[path][0].decode()
	for line, wanted in LISTENS:
		expect("\n" + wanted + "\n" in text, "%r did not become %r:\n%s" % (line, wanted, text))
	fixture.expect_run(0, "detach", case, "--no-reload")
	expect(case.content() == before, "detach did not restore the file")
	with open(path, "wb") as handle:
		handle.write(original[path][0])


@test_restoring
def opensmtpd_asks_cordon(fixture):
	"""Only with a cordon that has the filter, and a daemon that serves it."""
	case = fixture.case("opensmtpd")
	known = subprocess.run([os.path.join(fixture.filter.bin, "cordon"), "help"], check=True,
		stdout=subprocess.PIPE, text=True).stdout
	if "opensmtpd" not in known.split() or not fixture.serves("opensmtpd"):
		raise runner.Skip("this cordon has no filter for OpenSMTPD")
	before = case.content()
	wish = os.path.join(fixture.base, "restart")
	ended = threading.Event()

	def restart():
		while not ended.wait(0.1):
			if os.path.exists(wish):
				case.mta.restart()
				os.unlink(wish)

	worker = threading.Thread(target=restart)
	worker.start()
	try:
		fixture.expect_run(0, "attach", case, "--reload-command",
			"touch %s; while [ -e %s ]; do sleep 0.1; done" % (wish, wish))
		fixture.expect_filtered(case, "opensmtpd", "550")
		fixture.expect_run(0, "detach", case)
		expect(case.content() == before, "detach did not restore the file")
		fixture.expect_unfiltered(case, "opensmtpd-detached")
	finally:
		ended.set()
		worker.join()       # and with the thread that started it OpenSMTPD ends


runner.main(Fixture)
