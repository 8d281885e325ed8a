#!/usr/bin/env python3
"""Tests end what they started, and never a stranger who was given the number of one that ended."""

import os
import time

from lib import process, runner, server
from lib.runner import expect, test


class Forker(server.Server):
	"""A leader that forks a child, which outlives it."""

	title = "the forker"

	def start(self, folder):
		os.makedirs(folder, exist_ok=True)
		self.process = process.start(["sh", "-c", "sleep 300 & wait"],
			os.path.join(self.base, "output"), cwd=folder)
		process.wait_for(lambda: len(process.group_members(self.process.pid)) == 2, 10, "a child")
		return self


def _are_gone(pids):
	return all(process.is_zombie(pid) for pid in pids)


@test
def what_it_forked_goes_with_it(base):
	forker = Forker(base, port=1).start(base)
	pids = process.group_members(forker.process.pid)
	forker.stop()
	process.wait_for(lambda: _are_gone(pids), 10, "the end of both")


@test
def what_a_leader_that_ended_has_left_goes_too(base):
	forker = Forker(base, port=1).start(base + "/work")
	pids = process.group_members(forker.process.pid)
	forker.process.kill()
	forker.process.wait()
	expect(process.group_members(forker.process.pid), "the child is there")
	forker.stop()
	process.wait_for(lambda: _are_gone(pids), 10, "the end of both")


@test
def a_stranger_with_its_number_lives(base):
	"""The group that has the number now works elsewhere."""
	stranger = Forker(base, port=1).start("/tmp")
	try:
		ended = Forker(base, port=1)
		ended.process = process.start(["true"], os.path.join(base, "output"), cwd=base)
		ended.process.wait()
		ended.process.pid = stranger.process.pid
		ended.stop()
		time.sleep(0.2)
		expect(len(process.group_members(stranger.process.pid)) == 2, "a stranger was killed")
	finally:
		stranger.stop()


runner.main(needs_root=False)
