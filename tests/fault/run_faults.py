#!/usr/bin/env python3
"""Refuses the n-th allocation, read, write, fork ... of one process of cordond after the other,
n = 1, 2, 3 and so on until a run meets no refusal any more, while mail comes by milter. Whatever
happens inside: an infected mail is never let through, every mail has an end in time, the daemon
serves the next mails as it should, no descriptor and no file stays behind.

A case is a process, a kind of call and what happens meanwhile. Where a run makes more calls
than the time allows, n goes on in larger steps; CORDON_FAULT_SECONDS=N gives each case N
seconds.
"""

import os
import signal
import time

import faults
from faults import MAIL_TIME_S
from lib import cordond, process
from lib.runner import expect

_RELOAD_S = 1.5             # a reload that takes longer has failed
_RESTART_S = 0.5            # the same for a process that was killed
_BURST = 8
_ALL = 0xffffffff           # so many calls in a row: every one from the n-th on


def _nothing(_):
	pass


def _kill(role):
	def kill(station):
		if role == "inspector_root":
			pids = [station.root("cordon-inspect")]
		elif role in ("inspect", "engine"):
			pids = process.children(station.root("cordon-" + role))
		else:
			pids = station.filter.pids(role)
		expect(pids, "no %s to kill" % role)
		before = process.descendants(station.filter.process.pid)
		os.kill(pids[0], signal.SIGKILL)
		end = time.monotonic() + _RESTART_S
		while time.monotonic() < end and set(before) >= set(
				process.descendants(station.filter.process.pid)):
			time.sleep(0.005)
	return kill


def _scan(*options):
	def scan(station):
		"""cordon scan: an infected file never ends with the exit status of a clean one."""
		path = os.path.join(station.base, "infected.eml")
		with open(path, "wb") as handle:
			handle.write(station.infected("new"))
		with station.preloaded():
			code, out, _ = station.filter.cordon("scan", *options, path, timeout_s=MAIL_TIME_S)
		expect(code != 0, "cordon scan ended with 0 for an infected file: %r" % out)
	return scan


_RELOADED = ("event=tree_ready", "event=load_failed", "event=reload_failed",
	"event=start_failed", "event=tree_died")


def _reload(station):
	"""SIGHUP, and waits until it has come to some end."""
	def lines():
		log = station.filter.log()
		return sum(log.count(word) for word in _RELOADED)
	before = lines()
	station.filter.reload()
	wanted = 2 if station.setup == "engine" else 1
	end = time.monotonic() + _RELOAD_S
	while lines() < before + wanted and time.monotonic() < end and station.filter.is_running():
		time.sleep(0.01)


MEANWHILE = {"mail": _nothing, "gate_killed": _kill("gate"), "worker_killed": _kill("inspect"),
	"engine_killed": _kill("engine"), "root_killed": _kill("inspector_root"),
	"recorder_killed": _kill("record"), "reload": _reload, "scan": _scan(),
	"scan_local": _scan("--local")}

MAILS = {"signatures": ("new", "known", "big"), "engine": ("new", "known"),
	"clamd": ("new", "known", "big")}


class Case(faults.Case):
	"""Something happens, then mails come by milter."""

	def act(self, station):
		MEANWHILE[self.meanwhile](station)
		for kind in MAILS[self.setup]:
			station.offer(station.infected(kind), True)
		station.offer(station.clean(), False)


def _cases():
	yield from (Case("signatures", "gate", kind, "mail")
		for kind in ("memory", "read", "write", "map", "open", "accept"))
	yield from (Case("signatures", role, "memory", "mail", length=_BURST)
		for role in ("gate", "inspector"))
	yield from (Case("signatures", "inspector", kind, "mail")
		for kind in ("memory", "read", "write", "map"))
	yield from (Case("signatures", "recorder", kind, "mail")
		for kind in ("memory", "read", "write"))
	yield from (Case("signatures", "inspector", kind, "worker_killed")
		for kind in ("memory", "read", "write", "map", "open"))
	yield from (Case("signatures", "inspector_root", kind, "worker_killed")
		for kind in ("memory", "read", "write", "fork", "open"))
	yield from (Case("signatures", "inspector_root", kind, "reload")
		for kind in ("memory", "read", "write", "fork", "map", "open"))
	yield from (Case("signatures", "gate", kind, meanwhile)
		for meanwhile in ("gate_killed", "reload", "root_killed")
		for kind in ("memory", "read", "write", "map", "open"))
	yield from (Case("signatures", "supervisor", kind, meanwhile)
		for meanwhile in ("gate_killed", "root_killed", "recorder_killed", "reload")
		for kind in ("memory", "read", "write", "fork", "map", "open"))
	yield from (Case("signatures", "gate", kind, "scan") for kind in ("memory", "read", "write"))
	yield from (Case("signatures", "command", kind, meanwhile)
		for meanwhile in ("scan", "scan_local")
		for kind in ("memory", "read", "write", "fork", "map", "open"))
	yield from (Case("clamd", "gate", kind, "mail")
		for kind in ("memory", "read", "write", "open", "connect"))
	yield Case("clamd", "gate", "short", "mail", length=_ALL)
	if not cordond.has_engine():
		return
	yield from (Case("engine", "gate", kind, "mail") for kind in ("memory", "read", "write"))
	yield from (Case("engine", "engine", kind, "mail")
		for kind in ("memory", "read", "write", "map", "open"))
	yield from (Case("engine", "engine_root", kind, "engine_killed")
		for kind in ("memory", "read", "write", "fork", "open"))
	yield from (Case("engine", "supervisor", kind, "gate_killed") for kind in ("write", "open"))


if __name__ == "__main__":
	faults.main(_cases(), faults.Faulty)
