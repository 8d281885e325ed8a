#!/usr/bin/env python3
"""The ports that tests are given for their servers: never one that another test has, or that the
kernel or somebody's server uses."""

import multiprocessing
import socket

from lib import process, runner
from lib.runner import expect, test


def _take(count, pipe):
	pipe.send([process.free_port() for _ in range(count)])
	pipe.recv()             # the ports are ours while we live


@test
def tests_side_by_side_share_none(_base):
	pipes, tasks = [], []
	for _ in range(4):
		here, there = multiprocessing.Pipe()
		tasks.append(multiprocessing.Process(target=_take, args=(500, there)))
		tasks[-1].start()
		pipes.append(here)
	given = [port for pipe in pipes for port in pipe.recv()]
	for pipe, task in zip(pipes, tasks):
		pipe.send(None)
		task.join()
	expect(len(given) == 2000 and len(set(given)) == 2000, "a port was given twice")


def _listen_somewhere():
	"""A server on a port that tests may be given, and that none was given."""
	for port in range(process.last_port(), 0, -1):
		try:
			return socket.create_server(("127.0.0.1", port))
		except OSError:
			continue
	raise runner.Skip("every port is in use")


@test
def what_is_in_use_is_not_given(_base):
	with _listen_somewhere() as server:
		port = server.getsockname()[1]
		expect(not process.may_have(port), "port %d is listened on" % port)
	expect(process.may_have(port), "port %d is free again" % port)
	expect(not process.may_have(port), "port %d was given twice" % port)


@test
def the_kernel_takes_none_for_a_connection(_base):
	if process.last_port() == 65535:
		raise runner.Skip("this kernel was given all ports")
	with socket.create_server(("127.0.0.1", 0)) as server:
		for _ in range(50):
			with socket.create_connection(server.getsockname()) as client:
				expect(client.getsockname()[1] > process.last_port(), "a port that tests may be given")


runner.main(needs_root=False)
