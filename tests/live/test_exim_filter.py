#!/usr/bin/env python3
"""A real Exim with `cordon filter` as the transport_filter of its SMTP transport: what passes is the
checked mail; what does not stays in Exim's queue, since a transport filter cannot refuse. (Exim hands no word that
a stranger chose to such a command, so the sender stays unknown.)"""

import os
import time

from lib import cordond, mails, process, runner, smtp
from lib.exim import Exim
from lib.runner import expect, expect_reply, test
from lib.sink import Sink


class Fixture:
	"""A sink, cordond, and Exim that pipes each mail through `cordon filter` on its way out."""

	def __init__(self, base):
		self.base = base
		self.sink = Sink().start()
		self.filter = cordond.Cordond(base, control_mode="0666")
		self.filter.start()
		self.mta = Exim(base, self.sink.port)
		text = process.read_text(self.mta.config).replace("  driver = smtp\n",
			"  driver = smtp\n  transport_filter = %s filter --no-local -c %s\n"
			% (os.path.join(self.filter.bin, "cordon"), self.filter.config))
		with open(self.mta.config, "w") as handle:
			handle.write(text)
		self.mta.start()

	def stop(self):
		self.mta.stop()
		self.filter.stop()
		self.sink.stop()

	def log(self, limit=4000):
		return "--- cordond\n" + self.filter.log()[-limit:] + "--- Exim\n" + self.mta.log()[-limit:]

	def send(self, content):
		expect_reply(smtp.send(self.mta.port, content), "250")


@test
def clean_mail_passes_with_header(gateway):
	content = mails.clean("clean")
	gateway.send(content)
	mail = gateway.sink.wait("clean", 30)
	expect(mail is not None, "it did not reach the sink")
	expect(len(mail.header("X-Virus-Scanned")) == 1, "X-Virus-Scanned: %r"
		% mail.header("X-Virus-Scanned"))
	expect(mail.data.split(b"\r\n\r\n", 1)[1] == content.split(b"\r\n\r\n", 1)[1],
		"the body was changed on the way")


@test
def infected_mail_stays_in_the_queue(gateway):
	gateway.send(mails.infected("eicar"))
	process.wait_for(lambda: "transport filter process failed (69)" in gateway.mta.log(), 30,
		"exit status 69 of the filter in Exim's log")
	time.sleep(1)
	expect(not gateway.sink.mails("eicar"), "it reached the sink")
	expect(gateway.mta.queued() == 1, "%d mails in the queue" % gateway.mta.queued())


@test
def without_cordond_mail_waits(gateway):
	gateway.filter.stop()
	gateway.send(mails.clean("waiting"))
	process.wait_for(lambda: "transport filter process failed (75)" in gateway.mta.log(), 30,
		"exit status 75 of the filter in Exim's log")
	expect(not gateway.sink.mails("waiting"), "it reached the sink")
	gateway.filter.start()
	gateway.send(mails.clean("after"))
	expect(gateway.sink.wait("after", 30) is not None, "no mail passes any more")


runner.main(Fixture)
