#!/usr/bin/env python3
"""kill -9 of every kind of process, while mail goes through Postfix: every mail gets a definite
answer, every 250 is in the sink exactly once, no infected mail ever is."""

import os

from lib import clamd, cordond, load, process, runner
from lib.gateway import Gateway
from lib.runner import Skip, expect, test

KILLS = 4


class Fixture(Gateway):
	"""A Postfix gateway with everything that has a process of its own."""

	def __init__(self, base):
		blocks = []
		if cordond.has_engine():
			clamd.write_database(os.path.join(base, "db"))
			blocks.append(cordond.block("clamav", "", enabled=True, workers=2,
				database=os.path.join(base, "db")))
		super().__init__(base, "postfix", blocks, sink_keep=False,
			restart_backoff_max_ms=1000)


def _under_load(gateway, name, kill):
	"""Runs load, calls kill(turn) KILLS times with mails settled in between, and accounts."""
	running = load.Load(gateway.mta.port, clients=4, prefix=name).start()
	try:
		running.wait_settled(8)
		for turn in range(KILLS):
			kill(turn)
			running.wait_settled(8, 90)
	finally:
		running.stop()
	gateway.mta.wait_until_delivered()
	print("%s: %d kills, %s" % (name, KILLS, running.summary()))
	wrong = running.account(gateway.sink)
	expect(not wrong, "%d: %s" % (len(wrong), wrong[:5]))
	infected = [a for a in running.attempts if a.infected]
	expect(any(a.code == 550 for a in infected), "no infected mail was answered 550")
	lost = [a for a in running.attempts if a.code == 0]
	expect(not lost, "%d mails got no reply: %s" % (len(lost), lost[:3]))
	return running


def _kill_role(gateway, role):
	if role == "engine" and not cordond.has_engine():
		raise Skip("built without the embedded engine")
	supervisor = gateway.filter.process.pid

	def kill(turn):
		pids = process.wait_for(lambda: gateway.filter.pids(role), 30, "a living " + role)
		pid = gateway.filter.kill(role, which=turn)
		process.wait_for(lambda: pid not in gateway.filter.pids(role), 10, "its end")
		process.wait_for(lambda: len(gateway.filter.pids(role)) >= len(pids), 30,
			"a new " + role)
	_under_load(gateway, role, kill)
	expect(gateway.filter.is_running() and gateway.filter.process.pid == supervisor,
		"the supervisor ended")


@test
def kill_gate(gateway):
	_kill_role(gateway, "gate")


@test
def kill_inspectors(gateway):
	_kill_role(gateway, "inspect")


@test
def kill_engines(gateway):
	_kill_role(gateway, "engine")


@test
def kill_recorder(gateway):
	_kill_role(gateway, "record")


@test
def kill_supervisor(gateway):
	def kill(_turn):
		below = process.descendants(gateway.filter.process.pid)
		gateway.filter.kill("supervisor")
		gateway.filter.process.wait()
		process.wait_for(lambda: all(process.is_zombie(pid) for pid in below), 30,
			"the end of the processes below a dead supervisor")
		gateway.filter.start()
	_under_load(gateway, "supervisor", kill)


runner.main(Fixture)
