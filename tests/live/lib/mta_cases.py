"""The tests that hold for every MTA; test_postfix.py and test_sendmail.py run them with theirs."""

import time

from . import cordond, mails, process, smtp
from .gateway import Gateway
from .runner import expect, expect_reply, test


def make_fixture(mta):
	"""A fixture for runner.main(): a gateway with that MTA and Cordon's own EICAR signature."""
	def fixture(base):
		# Sendmail refuses a unix socket below a folder that all may write to, such as /var/tmp.
		return Gateway(base, mta, listen="inet" if mta == "sendmail" else "unix",
			max_message_size="100M")
	return fixture


def _body(content):
	return content.split(b"\r\n\r\n", 1)[1]


@test
def clean_mail_is_accepted_with_header(gateway):
	content = mails.clean("clean")
	expect_reply(gateway.send(content), "250")
	mail = gateway.arrived("clean")
	expect(len(mail.header("X-Virus-Scanned")) == 1,
		"X-Virus-Scanned: %r" % mail.header("X-Virus-Scanned"))
	expect(_body(mail.data) == _body(content), "the body was changed on the way")


@test
def forged_headers_are_removed(gateway):
	forged = ["X-Virus-Scanned: by somebody else", "x-virus-SCANNED: twice",
		"X-Virus-Unscanned: no", "X-Other: stays"]
	expect_reply(gateway.send(mails.clean("forged", headers=forged)), "250")
	mail = gateway.arrived("forged")
	values = mail.header("X-Virus-Scanned")
	expect(len(values) == 1 and "somebody" not in values[0] and "twice" not in values[0],
		"X-Virus-Scanned: %r" % values)
	expect(mail.header("X-Virus-Unscanned") == [], "the forged X-Virus-Unscanned is still there")
	expect(mail.header("X-Other") == ["stays"], "another header was touched")


@test
def ambiguous_mail_is_marked_or_refused(gateway):
	once = b"Content-Transfer-Encoding: base64\r\n"
	policy = cordond.block("policy", "", ambiguity_header=True, hostname="gate.test.example")

	def twice(test_id):
		forged = ["MIME-Ambiguity-Results: gate.test.example 1; result=none"]
		return mails.clean(test_id, headers=forged).replace(once,
			once + b"Content-Transfer-Encoding: 8bit\r\n")

	gateway.restart_filter([policy])
	expect_reply(gateway.send(twice("ambiguous-flag")), "250")
	mail = gateway.arrived("ambiguous-flag")
	values = mail.header("MIME-Ambiguity-Results")
	expect(len(values) == 1 and values[0].startswith(
		"gate.test.example 1; result=ambiguous; class=dup-cte; "), "the header: %r" % values)
	expect(_body(mail.data) == _body(twice("ambiguous-flag")), "the body was changed on the way")
	gateway.restart_filter([policy, cordond.block("ambiguous", "", dup_cte="reject")])
	reply = gateway.send(twice("ambiguous-reject"))
	expect_reply(reply, "550 5.6.0")
	expect("A02" in reply.text, "the reply names no class: %s" % reply)
	gateway.never_arrived("ambiguous-reject")


@test
def eicar_is_refused(gateway):
	reply = gateway.send(mails.infected("eicar"))
	expect_reply(reply, "550 5.7.1")
	expect("eicar" in reply.text.lower(), "the reply names no virus: %s" % reply)
	gateway.never_arrived("eicar")


@test
def eicar_in_zip_in_zip_is_refused(gateway):
	expect_reply(gateway.send(mails.infected_zip_in_zip("zipzip")), "550 5.7.1")
	gateway.never_arrived("zipzip")


@test
def encrypted_is_accepted_and_marked(gateway):
	content = mails.with_attachments("encrypted", ("secret.zip", mails.encrypted_zip()))
	expect_reply(gateway.send(content), "250")
	marks = gateway.arrived("encrypted").header("X-Virus-Unscanned")
	expect(len(marks) == 1 and "encrypted" in marks[0], "X-Virus-Unscanned: %r" % marks)


@test
def several_recipients(gateway):
	wanted = ["r%d@test.example" % number for number in range(20)]
	expect_reply(gateway.send(mails.clean("several"), recipients=wanted), "250")
	gateway.arrived("several")
	gateway.mta.wait_until_delivered()
	got = [r for mail in gateway.sink.mails("several") for r in mail.recipients]
	expect(sorted(got) == sorted(wanted), "recipients in the sink: %r" % got)
	expect_reply(gateway.send(mails.infected("several-bad"), recipients=wanted), "550 5.7.1")
	gateway.never_arrived("several-bad")


@test
def mails_on_one_connection_do_not_mix(gateway):
	with smtp.Client(gateway.mta.port) as client:
		for turn in range(3):
			expect_reply(client.mail(mails.infected("one-bad-%d" % turn)), "550 5.7.1")
			expect_reply(client.mail(mails.clean("one-good-%d" % turn)), "250")
		client.command("MAIL FROM:<alice@client.example>")
		client.command("RCPT TO:<bob@test.example>")
		client.command("RSET")
		expect_reply(client.mail(mails.clean("one-last")), "250")
	for name in ("one-good-0", "one-good-1", "one-good-2", "one-last"):
		gateway.arrived(name)
	gateway.never_arrived("one-bad-0", "one-bad-1", "one-bad-2")


@test
def client_leaves_in_the_middle(gateway):
	for last in ("MAIL FROM:<alice@client.example>", "RCPT TO:<bob@test.example>", "DATA"):
		client = smtp.Client(gateway.mta.port)
		for line in ("MAIL FROM:<alice@client.example>", "RCPT TO:<bob@test.example>", "DATA"):
			client.command(line)
			if line == last:
				break
		client.abort()
	expect_reply(gateway.send(mails.clean("after-leaving")), "250")
	gateway.arrived("after-leaving")


@test
def mail_without_bytes(gateway):
	expect_reply(gateway.send(b""), "250")


@test
def bytes_arrive_as_they_were_sent(gateway):
	text = b"dots:\r\n.\x20\r\n..\r\n8 bit: \xe4\xf6\xfc\xff\r\n" + b"long " * 150 + b"\r\n\r\nend\r\n"
	headers = ["X-Folded: one\r\n\ttwo\r\n   three", "X-Twice: a", "X-Twice: b", "X-Wide:   three"]
	expect_reply(gateway.send(mails.plain("bytes", text, headers)), "250")
	mail = gateway.arrived("bytes")
	expect(_body(mail.data) == text, "the body was changed: %r" % _body(mail.data))
	expect(mail.header("X-Twice") == ["a", "b"], "X-Twice: %r" % mail.header("X-Twice"))


@test
def mail_of_40_megabytes(gateway):
	content = mails.big("big-clean", 40 << 20)
	expect(len(content) >= 40_000_000, "the test's mail has only %d bytes" % len(content))
	expect_reply(gateway.send(content), "250")
	mail = gateway.arrived("big-clean", 120)
	expect(_body(mail.data) == _body(content), "the body was changed on the way")
	expect_reply(gateway.send(mails.big("big-bad", 40 << 20, infected_end=True)), "550 5.7.1")
	gateway.never_arrived("big-bad")


@test
def one_log_line_per_mail(gateway):
	expect_reply(gateway.send(mails.infected("logged"), sender="mallory@client.example"), "550")
	line = gateway.filter.wait_log("mallory@client.example")[0]
	for word in ("infected", "reject", "bob@test.example", "127.0.0.1"):
		expect(word in line, "%r is not in the log line: %s" % (word, line))
	expect(len(gateway.filter.log_lines("mallory@client.example")) == 1, "two lines for one mail")


@test
def over_max_message_size_is_not_passed(gateway):
	gateway.restart_filter(max_message_size="1M")
	expect_reply(gateway.send(mails.big("too-big", 3 << 20)), "451 4.7.1")
	expect_reply(gateway.send(mails.clean("small-enough")), "250")
	gateway.arrived("small-enough")
	gateway.never_arrived("too-big")


@test
def only_scanner_down_means_try_again(gateway):
	dead = process.free_port()
	gateway.restart_filter([
		cordond.block("signatures", "", eicar=False),
		cordond.block("clamd", "main", servers=["tcp:127.0.0.1:%d" % dead], timeout_ms=3000)])
	expect_reply(gateway.send(mails.clean("scanner-down")), "451 4.7.1")
	expect_reply(gateway.send(mails.infected("scanner-down-bad")), "451 4.7.1")
	gateway.never_arrived("scanner-down", "scanner-down-bad")


@test
def found_by_one_scanner_while_another_is_down(gateway):
	dead = process.free_port()
	gateway.restart_filter([
		cordond.block("clamd", "main", servers=["tcp:127.0.0.1:%d" % dead], timeout_ms=3000)])
	expect_reply(gateway.send(mails.infected("half-down-bad")), "550 5.7.1")
	expect_reply(gateway.send(mails.clean("half-down")), "451")
	gateway.never_arrived("half-down", "half-down-bad")


@test
def policy_texts_reach_the_client(gateway):
	gateway.restart_filter([cordond.block("policy", "", infected="reject",
		reply_infected="5.7.1 100% refused: {names}", header_name="X-Seen-By",
		header_value="test of {host}", hostname="gate.test.example")])
	reply = gateway.send(mails.infected("texts"))
	expect_reply(reply, "550 5.7.1 100% refused: ")
	expect("%%" not in reply.text, "the percent sign is doubled: %s" % reply)
	expect_reply(gateway.send(mails.clean("texts-clean")), "250")
	seen = gateway.arrived("texts-clean").header("X-Seen-By")
	expect(seen == ["test of gate.test.example"], "X-Seen-By: %r" % seen)


@test
def infected_may_be_deferred_or_dropped_by_policy(gateway):
	gateway.restart_filter([cordond.block("policy", "", infected="tempfail")])
	expect_reply(gateway.send(mails.infected("deferred")), "451 4.7.1")
	gateway.restart_filter([cordond.block("policy", "", infected="discard")])
	expect_reply(gateway.send(mails.infected("dropped")), "250")
	time.sleep(1)
	gateway.never_arrived("deferred", "dropped")


@test
def without_cordond_the_mta_defers(gateway):
	gateway.filter.stop()
	reply = gateway.send(mails.clean("no-filter"))
	expect(400 <= reply.code < 500, "reply %s without a filter" % reply)
	gateway.restart_filter()
	expect_reply(gateway.send(mails.clean("filter-back")), "250")
	gateway.arrived("filter-back")
	gateway.never_arrived("no-filter")
