"""Runs the tests of one file and reports them: one line PASS, FAIL or SKIP for each, on standard
output, and an exit status of 0, 1, or 77 when all of the file is skipped."""

import os
import sys
import time
import traceback

from . import cordond, debian, process

_SKIP_STATUS = 77
_tests = []


class Skip(Exception):
	"""Raised by a test that cannot run here; the text says why."""


def test(function):
	"""Marks a function as a test; its name is the test's name. It gets the object that the
	file's fixture made."""
	_tests.append(function)
	return function


def expect(condition, text):
	"""Fails the running test with the text when the condition is false."""
	if not condition:
		raise AssertionError(text)


def expect_reply(reply, start):
	"""Fails unless an SMTP reply begins with `start`, e.g. "550 5.7.1"."""
	expect(str(reply).startswith(start), "reply %r, expected %s" % (str(reply), start))


def work_root():
	"""The folder below which this file's daemons live: $CORDON_WORK, or a folder of /var/tmp."""
	return os.path.abspath(os.environ.get("CORDON_WORK") or "/var/tmp/cordon-live")


def _report(word, name, why=""):
	print("%s %s%s" % (word, name, ": " + why if why else ""), flush=True)


def _cannot_run(needs_root):
	if needs_root and os.getuid() != 0:
		return "starting a private mail server needs root"
	if not os.path.exists(os.path.join(cordond.binaries(), "cordond")):
		return "no cordond in %s (set CORDON_BIN)" % cordond.binaries()
	return None


def _run_one(function, fixture):
	name = function.__name__
	begin = time.monotonic()
	try:
		function(fixture)
	except Skip as why:
		_report("SKIP", name, str(why))
		return True
	except Exception as error:              # pylint: disable=broad-except
		_report("FAIL", name, "%s: %s" % (type(error).__name__, error)
			if not isinstance(error, AssertionError) else str(error))
		traceback.print_exc()
		if hasattr(fixture, "log"):
			print("--- end of the logs\n%s" % fixture.log(), flush=True)
		return False
	print("PASS %s (%.1f s)" % (name, time.monotonic() - begin), flush=True)
	return True


def main(fixture=None, needs_root=True):
	"""Runs the file's tests, or those named on the command line, and exits.

	fixture		a class made with the work folder; its stop() runs at the end, its log() is
			shown when a test failed. None: the tests get the work folder
	"""
	name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
	why = _cannot_run(needs_root)
	if why:
		_report("SKIP", name, why)
		sys.exit(_SKIP_STATUS)
	root = os.path.join(work_root(), name)
	base = process.work_folder(os.path.dirname(root), name)
	made, failed = None, 0
	try:
		made = fixture(base) if fixture else base
		wanted = sys.argv[1:]
		for function in _tests:
			if not wanted or function.__name__ in wanted:
				failed += not _run_one(function, made)
	except (debian.PackageError, Skip) as error:
		_report("SKIP", name, str(error))
		sys.exit(_SKIP_STATUS)
	except Exception as error:              # pylint: disable=broad-except
		_report("FAIL", name, "could not start: %s" % error)
		traceback.print_exc()
		failed += 1
	finally:
		if hasattr(made, "stop"):
			made.stop()
	if failed:
		print("--- all logs: %s" % root, flush=True)
	else:
		process.remove_work_folder(root)
	sys.exit(1 if failed else 0)
