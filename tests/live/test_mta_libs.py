#!/usr/bin/env python3
"""That the private Exim and OpenSMTPD of lib/ take mail and deliver it to the sink, and ask the
scanner or filter they are given."""

import os
import socket
import threading

from lib import mails, runner, smtp
from lib.exim import Exim
from lib.opensmtpd import OpenSMTPD
from lib.runner import expect, expect_reply, test
from lib.sink import Sink


def _deliver(made, sink, test_id):
	content = mails.clean(test_id)
	expect_reply(smtp.send(made.port, content), "250")
	mail = sink.wait(test_id)
	expect(mail is not None, "mail %s did not reach the sink\n%s" % (test_id, made.log()))
	expect(mail.data.split(b"\r\n\r\n", 1)[1] == content.split(b"\r\n\r\n", 1)[1],
		"the body was changed on the way")
	made.wait_until_delivered()


class _Clamd:
	"""Answers FOUND to every connection that sends more than a ping."""

	def __init__(self, path):
		self._socket = socket.socket(socket.AF_UNIX)
		self._socket.bind(path)
		os.chmod(path, 0o666)
		self._socket.listen(8)
		threading.Thread(target=self._serve, daemon=True).start()

	def _serve(self):
		while True:
			peer, _ = self._socket.accept()
			with peer:
				data = b""
				while not data.endswith(b"\0\0\0\0") and b"SCAN " not in data:
					more = peer.recv(65536)
					if not more:
						break
					data += more
				peer.sendall(b"stream: Test.Found FOUND\0" if data[:1] == b"z"
					else b"stream: Test.Found FOUND\n")


@test
def exim(base):
	sink = Sink().start()
	made = Exim(base, sink.port).start()
	try:
		_deliver(made, sink, "exim")
	finally:
		made.stop()
		sink.stop()


@test
def exim_asks_its_scanner(base):
	sink = Sink().start()
	_Clamd(os.path.join(base, "clamd.sock"))
	made = Exim(base, sink.port, "clamd:" + os.path.join(base, "clamd.sock")).start()
	try:
		reply = smtp.send(made.port, mails.clean("exim-found"))
		expect(str(reply).startswith("550") and "Test.Found" in reply.text,
			"reply %s\n%s" % (reply, made.log()))
		expect(not sink.mails("exim-found"), "the mail reached the sink")
	finally:
		made.stop()
		sink.stop()


@test
def opensmtpd(base):
	sink = Sink().start()
	made = OpenSMTPD(base, sink.port).start()
	try:
		_deliver(made, sink, "opensmtpd")
	finally:
		made.stop()
		sink.stop()


_FILTER = """\
#!/bin/sh
# Refuses every mail at its end.
while IFS= read -r line; do
	case $line in
	'config|ready') printf 'register|filter|smtp-in|commit\\nregister|ready\\n' ;;
	filter\\|*\\|commit\\|*)
		rest=${line#*|*|*|*|*|}
		printf 'filter-result|%s|reject|550 refused by the filter\\n' "${rest%%|}" ;;
	esac
done
"""


@test
def opensmtpd_asks_its_filter(base):
	sink = Sink().start()
	script = os.path.join(base, "filter")
	with open(script, "w") as handle:
		handle.write(_FILTER)
	os.chmod(script, 0o755)
	made = OpenSMTPD(base, sink.port, script).start()
	try:
		reply = smtp.send(made.port, mails.clean("opensmtpd-found"))
		expect(str(reply).startswith("550") and "by the filter" in reply.text,
			"reply %s\n%s" % (reply, made.log()))
	finally:
		made.stop()
		sink.stop()


runner.main()
