#!/usr/bin/env python3
"""cordon attach and detach on private Postfix, Sendmail, Exim and OpenSMTPD: the change works, is
undone to the byte, and a failure at any step leaves everything as it was."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from lib import cordond, debian, mails, process, runner, smtp
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
		self.relay = [process.free_port() for _ in range(3)]  # proxy in, filter in, back
		self.filter = cordond.Cordond(base, [], "inet")
		self.filter.start()
		self.state = os.path.join(base, "state")
		self._cases = {}

	def stop(self):
		for case in self._cases.values():
			case.mta.stop()
		self.filter.stop()
		self.sink.stop()

	def log(self):
		text = "--- cordond\n" + self.filter.log()[-2000:]
		for name, case in self._cases.items():
			text += "--- %s\n%s" % (name, case.mta.log()[-3000:])
		return text

	def case(self, name):
		if name not in self._cases:
			self._cases[name] = getattr(self, "_" + name)()
		return self._cases[name]

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
		mta = Exim(self.base, self.sink.port).start()
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
		expect(mail is not None, "the clean mail did not reach the sink")
		expect(mail.header("X-Virus-Scanned"), "the clean mail did not pass Cordon")

	def expect_unfiltered(self, case, test_id):
		def through():
			test = "%s-%d" % (test_id, time.monotonic_ns())
			reply = smtp.send(case.mta.port, mails.clean(test))
			mail = self.sink.wait(test, 10) if reply.code == 250 else None
			return mail and not mail.header("X-Virus-Scanned")
		process.wait_for(through, 20, "mail that passes without Cordon", 0.5)

	def no_state(self):
		left = os.listdir(self.state) if os.path.isdir(self.state) else []
		expect(not left, "left in the state folder: %r" % left)


MILTERS = ("postfix", "sendmail")


@test
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


runner.main(Fixture)
