#!/usr/bin/env python3
"""Real MTAs around the SMTP listener: Postfix with smtpd_proxy_filter and with content_filter, Cordon
on the public port in front of Postfix and of Sendmail, LMTP behind Postfix."""

from lib import cordond, hop, mails, postfix, process, raw, runner, sendmail, sink, smtp
from lib.runner import expect, expect_reply, test


class Fixture:
	def __init__(self, base):
		self.base = base
		self.sink = sink.Sink().start()
		self.filter = self.mta = self.hop = None
		self.port = process.free_port()         # where Cordon listens
		self.back = process.free_port()         # where the MTA takes the mail back

	def stop_mta(self):
		if self.mta:
			self.mta.stop()
			self.mta = None
		if self.filter:
			self.filter.stop()
			self.filter = None

	def stop(self):
		self.stop_mta()
		self.sink.stop()

	def start_filter(self, next_hop, **options):
		if self.filter:
			self.filter.stop()
		listener = dict(protocol="smtp", address="inet:127.0.0.1:%d" % self.port,
			next_hop="inet:127.0.0.1:%d" % next_hop)
		listener.update(options)
		self.filter = cordond.Cordond(self.base, [cordond.block("listener", "relay", **listener)])
		self.filter.start()

	def reinjection(self):
		"""The smtpd that takes mail back, without any filter."""
		return ("127.0.0.1:%d inet n - n - 100 smtpd -o content_filter= -o smtpd_proxy_filter= "
			"-o smtpd_milters= -o smtpd_authorized_xforward_hosts=127.0.0.0/8 "
			"-o smtpd_recipient_restrictions=permit_mynetworks,reject\n" % self.back)

	def log(self, limit=6000):
		text = "--- cordond\n" + (self.filter.log()[-limit:] if self.filter else "")
		return text + ("--- mta\n" + self.mta.log()[-limit:] if self.mta else "")

	def send(self, content, **envelope):
		return smtp.send(self.mta.port, content, **envelope)

	def arrived(self, test_id):
		mail = self.sink.wait(test_id)
		expect(mail is not None, "mail %s did not reach the sink" % test_id)
		expect(len(mail.header("X-Virus-Scanned")) == 1, "%s was not looked at once" % test_id)
		return mail


@test
def postfix_before_the_queue(fixture):
	fixture.stop_mta()
	fixture.start_filter(fixture.back, way="proxy")
	fixture.mta = postfix.Postfix(fixture.base, "", fixture.sink.port,
		smtpd_options="-o smtpd_proxy_filter=127.0.0.1:%d" % fixture.port,
		master=fixture.reinjection())
	fixture.mta.start()
	expect_reply(fixture.send(mails.clean("proxy-clean")), "250")
	expect_reply(fixture.send(mails.infected("proxy-bad")), "550 5.7.1")
	expect_reply(fixture.send(mails.infected_zip_in_zip("proxy-zip")), "550 5.7.1")
	expect_reply(fixture.send(mails.big("proxy-big", 8_000_000)), "250")
	fixture.arrived("proxy-clean")
	fixture.arrived("proxy-big")
	expect(not fixture.sink.mails("proxy-bad"), "an infected mail passed")
	# The client that Postfix saw is the one in our record: it tells by XFORWARD.
	line = fixture.filter.wait_log("event=mail", "verdict=clean")[0]
	expect("helo=client.test.example" in line and "next_hop_code=250" in line, line)
	# And Postfix behind us hears of it too.
	process.wait_for(lambda: "client=unknown[127.0.0.1], orig_client=unknown[127.0.0.1]" in
		fixture.mta.log() or "orig_client" in fixture.mta.log(), 10, "orig_client in Postfix' log")
	# Cordon away: Postfix defers, nothing is lost.
	fixture.filter.stop()
	fixture.filter = None
	expect(fixture.send(mails.clean("proxy-away")).code in (421, 450, 451), "Cordon is away")
	fixture.stop_mta()


@test
def postfix_after_the_queue(fixture):
	fixture.stop_mta()
	fixture.start_filter(fixture.back, way="filter", infected="discard")
	fixture.mta = postfix.Postfix(fixture.base, "", fixture.sink.port,
		main="content_filter = smtp:[127.0.0.1]:%d\nsmtp_send_xforward_command = yes\n"
			% fixture.port, master=fixture.reinjection())
	fixture.mta.start()
	expect_reply(fixture.send(mails.clean("after-clean")), "250")
	expect_reply(fixture.send(mails.infected("after-bad")), "250")
	fixture.arrived("after-clean")
	fixture.filter.wait_log("event=mail", "verdict=infected", "action=discard")
	fixture.mta.wait_until_delivered()
	expect(len(fixture.sink.mails()) == len({m.test_id for m in fixture.sink.mails()}) and
		not fixture.sink.mails("after-bad"), "a virus or a bounce was sent")
	bounces = [m for m in fixture.sink.mails() if m.sender == ""]
	expect(not bounces, "a bounce to a sender that is likely forged")
	# Cordon away for a while: the mail waits in Postfix, and arrives.
	settings = fixture.filter
	settings.stop()
	expect_reply(fixture.send(mails.clean("after-wait")), "250")
	settings.start()
	fixture.arrived("after-wait")
	fixture.stop_mta()


@test
def in_front_of_postfix(fixture):
	fixture.stop_mta()
	fixture.start_filter(fixture.back)
	fixture.mta = postfix.Postfix(fixture.base, "", fixture.sink.port, port=fixture.back,
		size_limit=1_000_000, main="smtpd_recipient_restrictions = check_recipient_access "
			"inline:{ nobody@test.example=REJECT }, permit_mynetworks, reject\n"
			"smtpd_authorized_xclient_hosts = 127.0.0.0/8\n")
	fixture.mta.start()
	fixture.mta.port = fixture.port
	with smtp.Client(fixture.port) as client:
		expect("SIZE 1000000" in client.hello.text, "Postfix' limit is offered: %s" % client.hello)
		expect_reply(client.command("MAIL FROM:<a@b.example>"), "250 2.1.0")
		refused = client.command("RCPT TO:<nobody@test.example>")
		expect(refused.code == 554 and "Recipient address rejected" in refused.text,
			"Postfix' own refusal: %s" % refused)
		expect_reply(client.command("RCPT TO:<bob@test.example>"), "250 2.1.5")
		expect_reply(client.command("DATA"), "354")
		final = client.data(mails.clean("front-clean"))
		expect("queued as" in final.text, "Postfix' own reply: %s" % final)
	# To Postfix the client is the client, and not this host, which may relay.
	with raw.Raw(fixture.port) as client:
		client.reply()
		client.ask(b"EHLO far\r\n")
		expect(client.ask(b"XCLIENT ADDR=203.0.113.9 NAME=far.example\r\n").startswith("220"), "XCLIENT")
		client.ask(b"EHLO far\r\n")
		expect(client.ask(b"MAIL FROM:<a@b.example>\r\n").startswith("250"), "MAIL")
		refused = client.ask(b"RCPT TO:<bob@elsewhere.example>\r\n")
		expect(refused.startswith("554"), "an open relay: %s" % refused)
	expect_reply(fixture.send(mails.infected("front-bad")), "550 5.7.1")
	mail = fixture.arrived("front-clean")
	expect(mail.recipients == ["bob@test.example"], "recipients")
	expect(not fixture.sink.mails("front-bad"), "an infected mail passed")
	fixture.stop_mta()


@test
def in_front_of_sendmail(fixture):
	fixture.stop_mta()
	fixture.mta = sendmail.Sendmail(fixture.base, "", fixture.sink.port)
	fixture.mta.start()
	fixture.start_filter(fixture.mta.port)
	inner, fixture.mta.port = fixture.mta.port, fixture.port
	expect_reply(fixture.send(mails.clean("sm-clean")), "250")
	expect_reply(fixture.send(mails.infected("sm-bad")), "550 5.7.1")
	fixture.arrived("sm-clean")
	expect(not fixture.sink.mails("sm-bad"), "an infected mail passed")
	fixture.mta.port = inner
	fixture.stop_mta()


@test
def lmtp_behind_postfix(fixture):
	"""Postfix delivers by LMTP to Cordon, which goes on to a mailbox server by LMTP: a reply for
	each recipient."""
	fixture.stop_mta()
	box = hop.Hop(lmtp=True).start()
	box.answer = lambda verb, line, h: ([b"250 2.0.0 one\r\n", b"552 5.2.2 full\r\n",
		b"250 2.0.0 three\r\n"] if verb == "." and len(h.heard("RCPT")) == 3 else None)
	fixture.start_filter(box.port, protocol="lmtp")
	fixture.mta = postfix.Postfix(fixture.base, "", fixture.sink.port,
		main="transport_maps = inline:{ box.example=lmtp:inet:127.0.0.1:%d }\n"
			"lmtp_destination_recipient_limit = 10\n" % fixture.port)
	fixture.mta.start()
	expect_reply(fixture.send(mails.clean("lmtp-clean"),
		recipients=["a@box.example", "b@box.example", "c@box.example"]), "250")
	mail = box.wait("lmtp-clean", 20)
	expect(mail is not None and len(mail.recipients) == 3, "the mail at the mailbox server")
	process.wait_for(lambda: "status=bounced" in fixture.mta.log() and
		fixture.mta.log().count("status=sent") >= 2, 20, "two sent and one bounced")
	expect_reply(fixture.send(mails.infected("lmtp-bad"), recipients=["a@box.example"]), "250")
	process.wait_for(lambda: "550 5.7.1" in fixture.mta.log(), 20, "the refusal in Postfix' log")
	expect(len(box.mails) == 1, "an infected mail was delivered")
	box.stop()
	fixture.stop_mta()


runner.main(Fixture)
