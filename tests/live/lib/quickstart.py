"""The part of ./quickstart that follows the build: starts a sink, cordond and a private Postfix below
one work folder, sends three mails, shows what became of them, and either ends everything or leaves
it running. Installing and building is done by the shell script."""

import argparse
import json
import os
import signal
import sys
import time

from . import clamd, cordond, debian, mails, postfix, process, sink, smtp

_ATTACH = """\
To attach your own mail server, install Cordon (cmake --install build/release), put a listener into
/etc/cordon/cordon.conf and start the service:

    listener mta { protocol = "milter" address = "inet:127.0.0.1:10025" }

Then let Cordon make the change, show it first, test it with two mails, and take it back when
anything fails (also sendmail, exim, opensmtpd; README tells of the other ways in):

    cordon attach postfix

Or by hand. Postfix, in main.cf (then: postfix reload):

    smtpd_milters = inet:127.0.0.1:10025
    milter_default_action = tempfail
    milter_protocol = 6
    milter_content_timeout = 300s

Sendmail, in sendmail.mc (then make sendmail.cf and restart it):

    INPUT_MAIL_FILTER(`cordon', `S=inet:10025@127.0.0.1, F=T, T=C:10s;S:30s;R:5m;E:10m')
"""


class Screen:
	"""Output with colours where they are wanted: on a terminal, without NO_COLOR."""

	def __init__(self):
		self._colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

	def _in(self, code, text):
		return "\033[%sm%s\033[0m" % (code, text) if self._colours else text

	def title(self, text):
		print("\n" + self._in("1", text), flush=True)

	def line(self, text=""):
		print(text, flush=True)

	def reply(self, what, reply):
		colour = "32" if reply.code == 250 else "31"
		print("  %-34s %s" % (what, self._in(colour, str(reply))), flush=True)


class Stage:
	"""The three servers. state_path names the file by which --stop finds them again."""

	def __init__(self, work, keep):
		self.keep = keep
		self.link = os.path.join(work, "run")
		self.state_path = os.path.join(work, "state.json")
		self.base = process.work_folder(work, "run")
		self.sink_port = process.free_port()
		self.sink_folder = os.path.join(self.base, "delivered")
		self._sink = self._postfix = self.filter = None

	def start(self):
		"""Starts sink, cordond with the embedded engine, and Postfix."""
		database = os.path.join(self.base, "database")
		clamd.write_database(database)
		blocks = []
		if cordond.has_engine():
			blocks.append(cordond.block("clamav", "", enabled=True, database=database))
		self.filter = cordond.Cordond(self.base, blocks)
		self._sink = process.start([sys.executable, "-B", os.path.abspath(sink.__file__),
			"--port", str(self.sink_port), "--folder", self.sink_folder],
			os.path.join(self.base, "sink.log"), outlive=self.keep)
		process.wait_for(lambda: process.is_listening(("127.0.0.1", self.sink_port)), 20,
			"the mail sink")
		self.filter.start(outlive=self.keep)
		self._postfix = postfix.Postfix(self.base, self.filter.milter, self.sink_port)
		self._postfix.start(outlive=self.keep)
		return self

	@property
	def port(self):
		return self._postfix.port

	def delivered(self):
		"""How many mails reached the sink."""
		return len([n for n in os.listdir(self.sink_folder) if n.endswith(".eml")])

	def wait_delivered(self, count):
		process.wait_for(lambda: self.delivered() >= count, 30, "the clean mail's delivery")

	def remember(self):
		"""Writes down which processes are left running."""
		pids = [self._postfix.process.pid, self.filter.process.pid, self._sink.pid]
		with open(self.state_path, "w") as handle:
			json.dump([[pid, _start_time(pid)] for pid in pids], handle)

	def stop(self):
		if self._postfix:
			self._postfix.stop()
		if self.filter:
			self.filter.stop()
		process.stop(self._sink)


def _start_time(pid):
	"""When a process began, in clock ticks since boot: tells it from a later one with its id."""
	text = process.read_text("/proc/%d/stat" % pid)
	return text.rsplit(")", 1)[1].split()[19] if text else None


def _still_running(state_path):
	"""The process ids of a --keep run that is still there."""
	try:
		with open(state_path) as handle:
			state = json.load(handle)
	except (FileNotFoundError, ValueError):
		return []
	return [pid for pid, began in state if began and _start_time(pid) == began]


def stop_kept(screen, work):
	"""Ends what an earlier --keep left running in this work folder, and removes its files."""
	state_path = os.path.join(work, "state.json")
	pids = _still_running(state_path)
	for pid in pids:
		os.kill(pid, signal.SIGTERM)
		try:
			process.wait_for(lambda p=pid: process.is_zombie(p), 30, "the end of %d" % pid)
		except process.StartError:
			os.killpg(pid, signal.SIGKILL)
	if os.path.exists(state_path):
		os.unlink(state_path)
	process.remove_work_folder(os.path.join(work, "run"))
	screen.line("stopped." if pids else "nothing was running.")


def _send_all(screen, stage):
	"""Sends the three mails. Returns True when each got the reply it should."""
	screen.title("SMTP replies of the private Postfix on 127.0.0.1:%d" % stage.port)
	good = True
	for what, content, wanted in (
			("a clean mail", mails.clean("clean"), 250),
			("EICAR as an attachment", mails.infected("eicar"), 550),
			("EICAR in a ZIP in a ZIP", mails.infected_zip_in_zip("zip-in-zip"), 550)):
		reply = smtp.send(stage.port, content)
		screen.reply(what, reply)
		good = good and reply.code == wanted
	return good


def _show(screen, stage):
	"""Shows the log, the delivered mail's new header and an explanation."""
	stage.wait_delivered(1)
	screen.title("Log lines of cordond")
	for line in stage.filter.log().splitlines():
		screen.line("  " + line)
	screen.title("Delivered: %d mail, with this header added" % stage.delivered())
	with open(os.path.join(stage.sink_folder, "1.eml"), "rb") as handle:
		delivered = sink.SinkMail("", [], handle.read())
	for value in delivered.header("X-Virus-Scanned"):
		screen.line("  X-Virus-Scanned: " + value)
	path = os.path.join(stage.base, "zip-in-zip.eml")
	with open(path, "wb") as handle:
		handle.write(mails.infected_zip_in_zip("zip-in-zip"))
	screen.title("cordon explain zip-in-zip.eml")
	_, out, err = stage.filter.cordon("explain", path)
	for line in (out + err).splitlines():
		screen.line("  " + line)


def _say_how_to_use(screen, stage, work):
	cordon = os.path.relpath(os.path.join(cordond.binaries(), "cordon"))
	screen.title("Left running")
	screen.line("  SMTP              127.0.0.1:%d" % stage.port)
	screen.line("  delivered mails   %s" % stage.sink_folder)
	screen.line("  cordond's log     %s" % stage.filter.log_path)
	screen.line("  counters          %s status -c %s" % (cordon, stage.filter.config))
	screen.line("  to stop it        ./quickstart --stop%s" % (
		"" if os.path.basename(work) == "quickstart.work" else " --work " + work))


def run(screen, work, keep):
	"""The demonstration. Returns the exit status."""
	if _still_running(os.path.join(work, "state.json")):
		screen.line("quickstart is still running there: ./quickstart --stop ends it.")
		return 1
	screen.line("starting a private Postfix and cordond below %s" % work)
	begin = time.monotonic()
	stage = Stage(work, keep)
	kept = False
	try:
		stage.start()
		screen.line("ready after %.1f s" % (time.monotonic() - begin))
		good = _send_all(screen, stage)
		_show(screen, stage)
		if keep:
			stage.remember()
			kept = True
			_say_how_to_use(screen, stage, work)
	finally:
		if not kept:
			stage.stop()
	screen.title("Your own mail server")
	screen.line(_ATTACH)
	if not good:
		screen.line("A reply was not the expected one; the log above says why.")
		return 1
	if not kept:
		process.remove_work_folder(stage.link)
	return 0


def main():
	"""Called by the shell script with the options that it did not handle itself."""
	parser = argparse.ArgumentParser(prog="quickstart")
	parser.add_argument("--work", required=True)
	parser.add_argument("--keep", action="store_true")
	parser.add_argument("--stop", action="store_true")
	options = parser.parse_args()
	screen = Screen()
	work = os.path.abspath(options.work)
	os.makedirs(work, exist_ok=True)
	if options.stop:
		stop_kept(screen, work)
		return 0
	try:
		return run(screen, work, options.keep)
	except (process.StartError, debian.PackageError, smtp.ConnectionLost, OSError) as error:
		print("quickstart: %s" % error, file=sys.stderr)
		return 1
	except KeyboardInterrupt:
		return 130


if __name__ == "__main__":
	sys.exit(main())
