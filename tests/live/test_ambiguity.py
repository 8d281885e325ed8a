#!/usr/bin/env python3
"""Mail that clients read in several ways and in which nothing was found: the policy per class, the
header about it, forged ones, the log, the counters, and the views in cordon explain."""

import hashlib
import json
import os
import re

from lib import cordond, mails, milter, process, runner
from lib.runner import expect, test
from lib.station import Station

HEADER = b"MIME-Ambiguity-Results"
TEXT = b"The weather will be fine, says the paper, and so will be the day after.\r\n"


def ambiguous(test_id, headers=()):
	"""Two Content-Transfer-Encoding fields (A02): clients take the first, or the last."""
	mail = mails.with_attachments(test_id, ("weather.txt", TEXT), headers=headers)
	once = b"Content-Transfer-Encoding: base64\r\n"
	return mail.replace(once, once + b"Content-Transfer-Encoding: 8bit\r\n")


def on(**classes):
	"""Blocks that switch the header on, with words for some classes."""
	blocks = [cordond.block("policy", "", ambiguity_header=True, hostname="mx.test.example")]
	return blocks + ([cordond.block("ambiguous", "", **classes)] if classes else [])


def talk(station, content):
	"""The answer, and the edits as lists of added values and removed occurrences of the header."""
	with milter.Dialogue(station.filter.milter) as dialogue:
		dialogue.negotiate()
		dialogue.connected()
		dialogue.helo()
		answer = dialogue.mail(content)
		added, removed = [], []
		for command, payload in dialogue.edits:
			if command in (b"h", b"i"):
				name, value = payload[4 if command == b"i" else 0:].split(b"\0")[:2]
				if name == HEADER:
					added.append(value.decode().strip())
			elif command == b"m":
				name, value = payload[4:].split(b"\0")[:2]
				if name.lower() == HEADER.lower() and value == b"":
					removed.append(int.from_bytes(payload[:4], "big"))
		return answer, added, removed


def expect_passed(answer):
	expect(answer[0] in (milter.CONTINUE, milter.ACCEPT), "the mail is refused: %r" % (answer,))


@test
def off_by_default(station):
	station.start()
	answer, added, removed = talk(station, ambiguous("default"))
	expect_passed(answer)
	expect(added == [] and removed == [], "%r %r" % (added, removed))
	line = station.filter.wait_log("event=mail")[0]
	expect("verdict=clean" in line and "ambiguous=A02" in line, line)


@test
def header_when_on(station):
	station.start(*on())
	answer, added, _ = talk(station, ambiguous("on"))
	expect_passed(answer)
	expect(len(added) == 1, "headers: %r" % added)
	found = re.fullmatch(r"mx\.test\.example 1; result=ambiguous; class=dup-cte; views=(\d+); "
		r"blobs=(\d+); scanned=(\d+); action=accept; policy=flag", added[0])
	expect(found, "the header is %r" % added[0])
	expect(int(found[1]) >= 2 and int(found[2]) == int(found[3]) >= 3, "numbers of %r" % added[0])
	_, added, _ = talk(station, mails.clean("plain"))
	expect(len(added) == 1 and "result=none;" in added[0] and "policy=" not in added[0],
		"of an honest mail: %r" % added)


@test
def forged_ones_are_removed(station):
	forged = ["MIME-Ambiguity-Results: mx.test.example 1; result=none", "X-Other: stays",
		"mime-ambiguity-RESULTS: mx.test.example 1; result=none"]
	for blocks, count in (((), 0), (on(), 1)):
		station.start(*blocks)
		answer, added, removed = talk(station, ambiguous("forged", headers=forged))
		expect_passed(answer)
		expect(removed == [2, 1], "removed: %r" % removed)
		expect(len(added) == count, "added: %r" % added)


@test
def the_word_of_the_class_counts(station):
	station.start(*on(dup_cte="reject"))
	answer, added, _ = talk(station, ambiguous("reject"))
	expect(answer[0] == milter.REPLY_CODE and answer[1].startswith(b"550 5.6.0 ")
		and b"A02" in answer[1], "answer %r" % (answer,))
	expect(added == [], "a refused mail has %r" % added)
	line = station.filter.wait_log("event=mail", "verdict=banned")[0]
	expect("action=reject" in line and "ambiguous=A02" in line, line)
	expect_passed(talk(station, mails.clean("honest"))[0])
	station.expect_refused(mails.infected("infected"), "550 5.7.1")
	station.start(*on(dup_cte="tempfail"))
	station.expect_refused(ambiguous("tempfail"), "451 4.6.0")
	station.start(*on(dup_cte="accept", dup_content_type="reject"))
	answer, added, _ = talk(station, ambiguous("accept"))
	expect_passed(answer)
	expect(len(added) == 1 and "result=benign; class=dup-cte;" in added[0], "%r" % added)


@test
def agreeing_readings_are_no_ambiguity(station):
	station.start(*on(dup_cte="reject"))
	mail = ambiguous("same").replace(b"Encoding: 8bit", b"Encoding: BASE64")
	expect(mail.count(b"Content-Transfer-Encoding") == 2, "the test's mail")
	answer, added, _ = talk(station, mail)
	expect_passed(answer)
	expect(len(added) == 1 and "ambiguous" not in added[0], "%r" % added)


@test
def a_wrong_word_is_a_mistake(station):
	station.start()
	bad = os.path.join(station.base, "bad.conf")
	with open(bad, "w") as handle:
		handle.write('ambiguous {\n\tdup_cte = "discard"\n\tdup_ct = "flag"\n}\n')
	code, out, err = station.filter.cordon("check-config", "-c", bad, config=False)
	expect(code != 0 and "bad.conf:2" in out + err and "bad.conf:3" in out + err, out + err)


def counters_of(station, mails_seen):
	"""The status once so many mails were counted, before that None: the recorder is not waited
	for by those who answer mails."""
	told = json.loads(station.filter.cordon("status", "--json")[1])
	return told if told["mails"] == mails_seen else None


@test
def counted_by_class(station):
	station.start()
	for number in range(3):
		talk(station, ambiguous("count-%d" % number))
	talk(station, mails.clean("count"))
	told = process.wait_for(lambda: counters_of(station, 4), 20, "four mails in the counters")
	expect(told["ambiguities"] == {"A02": 3}, "%r" % told)
	expect("A02 3" in station.filter.cordon("status")[1], "status as text")


@test
def explain_shows_the_views_side_by_side(station):
	station.start(*on(dup_cte="reject"))
	archive = mails.zip_in_zip(b"hello\n", "hello.txt")  # once: it holds the time
	mail = mails.with_attachments("explain", ("a.zip", archive), ("weather.txt", TEXT))
	once = b"Content-Transfer-Encoding: base64\r\n"
	mail = mail.replace(once, once + b"Content-Transfer-Encoding: 8bit\r\n", 1)
	path = os.path.join(station.base, "explain.eml")
	with open(path, "wb") as handle:
		handle.write(mail)
	for options in ((), ("--local",)):
		code, out, err = station.filter.cordon("explain", *options, path)
		expect(code == 1 and "verdict: banned" in out and "because: ambiguous: A02" in out,
			"%d\n%s%s" % (code, out, err))
		lines = out.splitlines()
		head = [n for n, line in enumerate(lines) if re.search(r"part 2 in \d+ readings:", line)]
		expect(len(head) == 1, "no table of part 2:\n" + out)
		table = lines[head[0] + 1:head[0] + 4]
		expect(table[0].split() == ["views", "object", "type", "bytes", "sha256"], table[0])
		zipped = hashlib.sha256(archive).hexdigest()[:16]
		expect(any("hdr:first" in row and "application/zip" in row and zipped in row
			for row in table[1:]), "no first reading:\n" + out)
		expect(any("hdr:last" in row and "text/plain" in row for row in table[1:]),
			"no last reading:\n" + out)
		expect(len(re.findall("in \\d+ readings", out)) == 1, "other tables:\n" + out)
		code, result = station.filter.scan_json(path, options=options)
		expect(code == 1 and result[0]["verdict"] == "banned"
			and result[0]["reply"].startswith("550 5.6.0 "), "%d %r" % (code, result))
		objects = {o["id"]: o for o in result[0]["objects"]}
		above = []
		for line in lines:
			found = re.match(r"( *)#(\d+) ", line)
			if not found or re.search(r"[0-9a-f]{16}$", line) is None:
				continue
			del above[len(found[1]) // 2:]
			expect(objects[int(found[2])]["parent"] == (above[-1] if above else 0),
				"object %s stands below another than its parent:\n%s" % (found[2], out))
			above.append(int(found[2]))
		expect(len(above) >= 2 and out.count("\n#") + out.count("  #") >= len(objects),
			"objects are missing:\n" + out)


runner.main(Station, needs_root=False)
