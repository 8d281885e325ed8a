#!/usr/bin/env python3
"""The programs that run cordon in a pipe, all real: procmail and maildrop (filter), Postfix' pipe(8)
and Sendmail's local mailer (deliver), Postfix' sendmail command (reinject). Each with a clean mail,
an infected one, one that could not be looked at, and a gate that is away."""

import os
import subprocess

from lib import cordond, debian, mails, postfix, process, runner, sendmail, sink, smtp
from lib.runner import expect, test
from lib.station import Station

REJECTED, TEMPFAIL = 69, 75

_PROCMAILRC = """\
MAILDIR={box}
DEFAULT={box}/inbox
SHELL=/bin/sh
:0fw
| {cordon} filter -c {config} {options} "$LOGNAME"

:0e
{{
	EXITCODE=$?
	HOST=stop
}}
"""

_MAILDROPRC = """\
SHELL="/bin/sh"
exception {{
	xfilter "{cordon} filter -c {config} {options}"
}}
if ($RETURNCODE != 0)
{{
	EXITCODE=$RETURNCODE
	exit
}}
to "{box}/inbox"
"""

# Postfix gives every mail that comes by SMTP to the delivery agent, which writes it to a file.
_PIPE = """\
checked unix - n n - 4 pipe
  flags=Rq user=nobody null_sender=
  argv={cordon} deliver -c {config} {options} --client ${{client_address}} --helo ${{client_helo}}
  --queue-id ${{queue_id}} -f ${{sender}} -- ${{recipient}} -- {agent} ${{recipient}}
"""


class Fixture(Station):
	def __init__(self, base):
		super().__init__(base)
		self.sink = sink.Sink().start()
		self.box = os.path.join(base, "box")
		os.makedirs(self.box)
		os.chmod(self.box, 0o777)
		self.agent = self._script("agent", 'cd "%s" && cat >".$$" && mv ".$$" "mail-$1.$$"'
			% self.box)
		self.start(control_mode="0666")
		self.cordon_path = os.path.join(self.filter.bin, "cordon")

	def stop(self):
		super().stop()
		self.sink.stop()

	def _script(self, name, text):
		path = os.path.join(self.base, name)
		with open(path, "w") as handle:
			handle.write("#!/bin/sh\n%s\n" % text)
		os.chmod(path, 0o755)
		return path

	script = _script

	def fill(self, template, options="--no-local", **more):
		return template.format(cordon=self.cordon_path, config=self.filter.config, box=self.box,
			options=options, agent=self.agent, **more)

	def boxed(self):
		"""All that was delivered to the box since the last call."""
		found = []
		for name in sorted(os.listdir(self.box)):
			path = os.path.join(self.box, name)
			if os.path.isfile(path) and not name.startswith("."):      # not yet whole
				with open(path, "rb") as handle:
					found.append(handle.read())
				os.unlink(path)
		return [text for text in found if text]


def _unscanned(test_id):
	return mails.with_attachments(test_id, ("cut.zip", mails.zip_in_zip(b"x" * 5000)[:150]))


def _has(found, test_id):
	return sum(("X-Test-Id: " + test_id).encode() in text for text in found)


def _run_all_cases(station, deliver):
	"""deliver(content) gives the exit status of a program that delivers into the box."""
	content = mails.clean("good").replace(b"\r\n", b"\n")
	status = deliver(content)
	found = station.boxed()
	expect(status == 0 and _has(found, "good") == 1, "clean: %d, %d delivered" % (status, len(found)))
	text = found[0]
	expect(text.count(b"X-Virus-Scanned: Cordon at ") == 1, "no header: %r" % text[:200])
	expect(content.split(b"\n\n", 1)[1].strip() in text, "the body was changed")
	head = text.split(b"\n\n", 1)[0]
	expect(b"From " not in head[1:].replace(b"\nFrom: ", b""), "a torn header: %r" % head)
	status = deliver(mails.infected("bad").replace(b"\r\n", b"\n"))
	expect(status == REJECTED and not station.boxed(), "infected: %d" % status)
	status = deliver(_unscanned("unsure").replace(b"\r\n", b"\n"))
	expect(status == TEMPFAIL and not station.boxed(), "unscanned: %d" % status)
	station.filter.stop()
	try:
		status = deliver(content)
		expect(status == TEMPFAIL and not station.boxed(), "no daemon: %d" % status)
	finally:
		station.filter.start()


@test
def procmail(station):
	root = debian.unpack("procmail", ["procmail"])
	rc = os.path.join(station.base, "procmailrc")
	with open(rc, "w") as handle:
		handle.write(station.fill(_PROCMAILRC))
	os.chmod(rc, 0o644)

	def deliver(content):
		return subprocess.run([root.file("usr/bin/procmail"), "-f", "alice@client.example", "-m",
			rc], input=content, env=root.env(), cwd=station.base,
			stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False).returncode

	_run_all_cases(station, deliver)
	station.filter.wait_log("listener=filter", "from=alice@client.example")
	# mbox: the line between mails stays at the front.
	deliver(mails.clean("first").replace(b"\r\n", b"\n"))
	deliver(mails.clean("second").replace(b"\r\n", b"\n"))
	box = station.boxed()[0]
	expect(box.startswith(b"From alice@client.example ") and box.count(b"\nFrom alice@client") == 1
		and box.count(b"\nX-Virus-Scanned: Cordon") == 2, "the mbox: %r" % box[:300])


@test
def maildrop(station):
	root = debian.unpack("maildrop", ["maildrop", "courier-authlib"])
	rc = os.path.join(station.base, "maildroprc")
	with open(rc, "w") as handle:
		handle.write(station.fill(_MAILDROPRC, "--no-local -f alice@client.example"))
	os.chmod(rc, 0o600)

	def deliver(content):
		return subprocess.run([root.file("usr/bin/maildrop"), rc], input=content,
			env=root.env(HOME=station.base, LOGNAME="root"), cwd=station.base,
			stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False).returncode

	_run_all_cases(station, deliver)


class _PipePostfix(postfix.Postfix):
	"""Whatever comes by SMTP is delivered by the pipe of _PIPE; the rest goes to the sink."""

	pipe = ""

	def _write(self, name, template):
		if name == "master.cf":
			template = template.replace("{max_smtpd} smtpd", "{max_smtpd} smtpd\n"
				"  -o content_filter=checked:") + self.pipe.replace("{", "{{").replace("}", "}}")
		super()._write(name, template)


@test
def postfix_pipe(station):
	mta = _PipePostfix(station.base, "", station.sink.port)
	mta.pipe = station.fill(_PIPE)
	mta.start()
	try:
		_mta_cases(station, mta)
		line = station.filter.wait_log("listener=deliver", "verdict=clean")[-1]
		for word in ("client=127.0.0.1", "helo=", "queue_id=", "to=bob@test.example"):
			expect(word in line, "%s is not in %s" % (word, line))
	finally:
		mta.stop()


def _mta_cases(station, mta, recipient="bob@test.example"):
	"""Clean mail arrives, infected mail bounces with our words, the rest waits in the queue."""
	def send(content, sender="alice@client.example"):
		reply = smtp.send(mta.port, content, sender=sender, recipients=(recipient,))
		expect(reply.code == 250, "the MTA took no mail: %s" % reply)

	def arrived(test_id):
		found = []

		def look():
			found.extend(station.boxed())
			return _has(found, test_id)
		process.wait_for(look, 60, "mail %s in the box" % test_id)
		return found

	send(mails.clean("mta-good"))
	text = arrived("mta-good")[0]
	expect(b"X-Virus-Scanned: Cordon at " in text, "no header: %r" % text[:300])
	send(mails.infected("mta-bad"))

	def bounce():
		found = [mail for mail in station.sink.mails() if mail.sender == ""
			and b"mta-bad" in mail.data]
		return found[0] if found else None
	mail = process.wait_for(bounce, 60, "a bounce of the infected mail")
	expect(mail.recipients == ["alice@client.example"], "it went to %r" % mail.recipients)
	expect(b"5.7.1" in mail.data and b"Message refused: infected" in mail.data.replace(b"\r\n ", b" "),
		"it says %r" % mail.data[:2000])
	station.filter.stop()
	try:
		send(mails.clean("mta-later"))
		process.wait_for(lambda: mta.queued() > 0, 20, "a mail in the queue")
		expect(not station.boxed(), "it was delivered unseen")
	finally:
		station.filter.start()
	arrived("mta-later")
	mta.wait_until_delivered()


class _CommandPostfix(postfix.Postfix):
	"""Its sendmail command finds the unpacked libraries."""

	def _write(self, name, template):
		if name == "main.cf":
			template += "export_environment = MAIL_CONFIG LD_LIBRARY_PATH TZ LANG\n"
		super()._write(name, template)


@test
def reinject_into_postfix(station):
	mta = _CommandPostfix(station.base, "", station.sink.port)
	mta.start()
	try:
		wrapper = station.script("postfix-sendmail", "\n".join(
			["export %s='%s'" % pair for pair in mta.root.env(
				MAIL_CONFIG=os.path.join(mta.base, "etc"), MAIL_LOGTAG="postfix").items()]
			+ ["exec %s \"$@\"" % mta.root.file("usr/sbin/sendmail")]))

		def reinject(content, sender):
			done = subprocess.run([station.cordon_path, "reinject", "-c", station.filter.config,
				"--sendmail", wrapper, "-f", sender, "bob@test.example", "carol@test.example"],
				input=content, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
			return done.returncode, done.stderr

		for test_id, sender in (("back", "alice@client.example"), ("back-null", "")):
			status, err = reinject(mails.clean(test_id), sender)
			expect(status == 0, "status %d: %r" % (status, err))
			mail = station.sink.wait(test_id, 60)
			expect(mail is not None, "%s did not come back" % test_id)
			expect(mail.sender == sender, "sender %r, not %r" % (mail.sender, sender))
			expect(len(mail.header("X-Virus-Scanned")) == 1, "no header")
		mta.wait_until_delivered()
		got = sorted(r for mail in station.sink.mails("back") for r in mail.recipients)
		expect(got == ["bob@test.example", "carol@test.example"], "recipients %r" % got)
		status, err = reinject(mails.infected("back-bad"), "alice@client.example")
		expect(status == REJECTED and err.startswith(b"5.7.1 "), "infected: %d %r" % (status, err))
		mta.wait_until_delivered()
		expect(not station.sink.mails("back-bad"), "the infected mail came back")
		mta.stop()
		status, err = reinject(mails.clean("back-stopped"), "alice@client.example")
		expect(status in (0, TEMPFAIL), "a stopped Postfix: %d %r" % (status, err))
	finally:
		mta.stop()


class _LocalSendmail(sendmail.Sendmail):
	"""test.example is local, and its mailer is cordon in front of the agent."""

	mailer = ""

	def _write(self, name, text):
		if name == "sendmail.mc":
			text = text.replace("MAILER(`smtp')dnl", self.mailer + "MAILER(`local')dnl\n"
				"MAILER(`smtp')dnl")
		super()._write(name, text)


@test
def sendmail_local_mailer(station):
	mta = _LocalSendmail(station.base, "", station.sink.port)
	mta.mailer = ("LOCAL_DOMAIN(`test.example')dnl\ndefine(`LOCAL_MAILER_PATH', `%s')dnl\n"
		"define(`LOCAL_MAILER_ARGS', `cordon deliver -c %s --no-local -- $u -- %s $u')dnl\n"
		"MODIFY_MAILER_FLAGS(`LOCAL', `-Aw')dnl\n"
		% (station.cordon_path, station.filter.config, station.agent))
	mta.start()
	try:
		_mta_cases(station, mta)
	finally:
		mta.stop()


runner.main(Fixture)
