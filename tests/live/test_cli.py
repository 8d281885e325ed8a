#!/usr/bin/env python3
"""The cordon command: scan, explain, status and check-config, with and without a running daemon;
exit codes, and the JSON that scripts rely on."""

import hashlib
import io
import json
import os
import re
import tarfile
import zipfile

from lib import cordond, mails, process, runner
from lib.runner import expect, test
from lib.station import Station

KEYS = {"path", "verdict", "action", "reply", "findings", "unscanned", "facts", "objects"}
OBJECT_KEYS = {"id", "parent", "trail", "names", "declared", "detected", "size", "sha256",
	"views", "facts"}


def tar_gz(name, content):
	out = io.BytesIO()
	with tarfile.open(fileobj=out, mode="w:gz") as archive:
		member = tarfile.TarInfo(name)
		member.size = len(content)
		archive.addfile(member, io.BytesIO(content))
	return out.getvalue()


class Fixture(Station):
	"""A running cordond and a folder of files."""

	def __init__(self, base):
		super().__init__(base)
		self.start()
		self.files = os.path.join(base, "files")
		os.makedirs(self.files)
		self.clean = self.write("clean.eml", mails.clean("clean"))
		self.eicar = self.write("eicar.eml", mails.infected("eicar"))
		self.zipzip = self.write("zipzip.eml", mails.infected_zip_in_zip("zipzip"))
		self.locked = self.write("locked.eml", mails.with_attachments("locked",
			("secret.zip", mails.encrypted_zip())))

	def write(self, name, content):
		path = os.path.join(self.files, name)
		os.makedirs(os.path.dirname(path), exist_ok=True)
		with open(path, "wb") as handle:
			handle.write(content)
		return path


WAYS = {"by the daemon": (), "local": ("--local",)}


@test
def exit_codes(station):
	missing = os.path.join(station.files, "missing.eml")
	for way, options in WAYS.items():
		for wanted, paths in ((0, [station.clean]), (1, [station.eicar]), (1, [station.zipzip]),
				(2, [station.locked]), (2, [missing]), (1, [station.clean, station.eicar])):
			code, out, err = station.filter.cordon("scan", *options, *paths)
			expect(code == wanted, "%s: scan %s: exit code %d, expected %d\n%s%s"
				% (way, [os.path.basename(p) for p in paths], code, wanted, out, err))
	code, out, err = station.filter.cordon("scan")
	expect(code == 2 and err, "scan without a path: exit code %d" % code)


@test
def json_of_a_scan(station):
	for way, options in WAYS.items():
		code, lines = station.filter.scan_json(station.zipzip, options=options)
		expect(code == 1 and len(lines) == 1, "%s: code %d, %d lines" % (way, code, len(lines)))
		found = lines[0]
		expect(KEYS <= set(found), "%s: missing keys %r" % (way, KEYS - set(found)))
		expect(found["path"] == station.zipzip, "path %r" % found["path"])
		expect(found["verdict"] == "infected" and found["action"] == "reject",
			"verdict %r, action %r" % (found["verdict"], found["action"]))
		expect(found["reply"].startswith("550 5.7.1 "), "reply %r" % found["reply"])
		objects = {o["id"]: o for o in found["objects"]}
		for one in found["objects"]:
			expect(OBJECT_KEYS <= set(one), "missing keys %r" % (OBJECT_KEYS - set(one)))
		virus = [objects[f["object"]] for f in found["findings"]
			if objects[f["object"]]["size"] == 68]
		expect(virus, "no finding at the 68 bytes of EICAR: %r" % found["findings"])
		expect(virus[0]["sha256"] == hashlib.sha256(mails.eicar()).hexdigest(), "wrong hash")
		expect("invoice.zip" in virus[0]["trail"] and "inner.zip" in virus[0]["trail"]
			and "eicar.com" in virus[0]["trail"], "trail %r" % virus[0]["trail"])
		expect(objects[virus[0]["parent"]]["detected"] == "application/zip",
			"the parent is %r" % objects[virus[0]["parent"]]["detected"])


@test
def verdicts_are_the_promised_words(station):
	_, lines = station.filter.scan_json(station.clean, station.eicar, station.locked)
	verdicts = [line["verdict"] for line in lines]
	expect(verdicts == ["clean", "infected", "unscanned"], "verdicts %r" % verdicts)
	causes = [u["cause"] for u in lines[2]["unscanned"]]
	expect("encrypted" in causes, "causes %r" % causes)
	expect(lines[2]["action"] == "accept", "action %r" % lines[2]["action"])
	expect(lines[0]["findings"] == [] and lines[0]["unscanned"] == [], "a clean mail has findings")


@test
def both_ways_say_the_same(station):
	paths = [station.clean, station.eicar, station.zipzip, station.locked]
	sides = []
	for options in WAYS.values():
		_, lines = station.filter.scan_json(*paths, options=options)
		for line in lines:
			for finding in line["findings"]:
				finding.pop("ms", None)  # times differ
		sides.append([{k: line[k] for k in KEYS - {"reply"}} for line in lines])
	expect(sides[0] == sides[1], "the daemon and --local differ:\n%r\n%r" % tuple(sides))


@test
def encrypted_pdf(station):
	"""Digests and ciphers are there within the cage."""
	folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fuzz/corpus/pdf")
	paths = {"r6-user-alone": None}
	for name in ("r2", "r3", "r4-aes", "r5", "r6", "r6-user"):
		with open(os.path.join(folder, "encrypted-%s.bin" % name), "rb") as handle:
			pdf = handle.read()
		mail = mails.with_attachments("pdf", ("a.pdf", pdf))
		if name == "r6-user":
			paths["r6-user-alone"] = station.write("r6-user-alone.eml", mail)
			mail = mail.replace(b"See attachment.", b"The password is Geheim42.")
		paths[name] = station.write(name + ".eml", mail)
	for way, options in WAYS.items():
		_, lines = station.filter.scan_json(*paths.values(), options=options)
		got = {name: line["verdict"] for name, line in zip(paths, lines)}
		expect(got == {name: "unscanned" if name == "r6-user-alone" else "infected"
			for name in paths}, "%s: %r" % (way, got))
		opened = [o["facts"] for line in lines for o in line["objects"]
			if o["detected"] == "application/pdf"]
		told = [sorted(set(facts) & {"encrypted", "encrypted:open", "password-found"})
			for facts in opened]
		expect(told == [["encrypted"]] + 5 * [["encrypted:open"]] + [["password-found"]],
			"%s: facts %r" % (way, told))


@test
def standard_input(station):
	code, lines = station.filter.scan_json("-", data=mails.infected("stdin"))
	expect(code == 1 and lines[0]["verdict"] == "infected" and lines[0]["path"] == "-",
		"code %d, %r" % (code, lines))


@test
def folder_maildir_and_mbox(station):
	for name, content in (("tree/a.eml", mails.clean("a")), ("tree/deep/b.eml",
			mails.infected("b"))):
		station.write(name, content)
	code, lines = station.filter.scan_json(os.path.join(station.files, "tree"))
	got = {line["path"]: line["verdict"] for line in lines}
	expect(code == 1 and got == {"a.eml": "clean", "deep/b.eml": "infected"}, "folder: %r" % got)
	for part in ("cur", "new", "tmp"):
		os.makedirs(os.path.join(station.files, "maildir", part), exist_ok=True)
	station.write("maildir/cur/1.host:2,S", mails.clean("m1"))
	station.write("maildir/new/2.host", mails.infected("m2"))
	station.write("maildir/tmp/3.host", mails.clean("m3"))
	code, lines = station.filter.scan_json(os.path.join(station.files, "maildir"))
	got = {line["path"]: line["verdict"] for line in lines}
	expect(got.get("cur/1.host:2,S") == "clean" and got.get("new/2.host") == "infected",
		"Maildir: %r" % got)
	parts = [b"From alice@client.example Mon Jan  5 10:00:00 2026\n" + c.replace(b"\r\n", b"\n")
		for c in (mails.clean("x1"), mails.infected("x2"), mails.clean("x3"))]
	box = station.write("box.mbox", b"\n".join(parts) + b"\n")
	code, lines = station.filter.scan_json(box)
	verdicts = [line["verdict"] for line in lines]
	expect(code == 1 and verdicts == ["clean", "infected", "clean"], "mbox: %r" % verdicts)
	expect(lines[1]["path"] == box + "#2", "path of the second mail: %r" % lines[1]["path"])


@test
def many_files_in_one_call(station):
	paths = [station.write("many/%03d.eml" % n, mails.infected("n%d" % n) if n % 10 == 0
		else mails.plain("n%d" % n, b"number %d\r\n" % n)) for n in range(300)]
	for options in WAYS.values():
		code, lines = station.filter.scan_json(*paths, options=options)
		expect([line["path"] for line in lines] == paths, "order or number of lines")
		infected = [n for n, line in enumerate(lines) if line["verdict"] == "infected"]
		expect(code == 1 and infected == list(range(0, 300, 10)), "infected: %r" % infected)


@test
def empty_and_odd_files(station):
	code, lines = station.filter.scan_json(station.write("empty.eml", b""))
	expect(code == 0 and lines[0]["verdict"] == "clean", "an empty file: %d %r" % (code, lines))
	code, lines = station.filter.scan_json(station.write("plain.com", mails.eicar()))
	expect(code == 1 and lines[0]["verdict"] == "infected", "EICAR itself: %r" % lines)
	odd = station.write('odd "name"\n\x1b.eml', mails.infected("odd"))
	code, lines = station.filter.scan_json(odd)
	expect(code == 1 and lines[0]["path"] == odd, "a file name with a newline: %r" % lines)
	code, out, _ = station.filter.cordon("scan", odd)
	expect("\x1b" not in out, "an escape character of a file name reached the terminal")
	nul = mails.with_attachments("nul", ("a", mails.eicar())).replace(b'name="a"', b'name="a\0b.com"')
	expect(b"\0" in nul, "the mail was not made")
	code, lines = station.filter.scan_json(station.write("nul.eml", nul))
	expect(code == 1 and len(lines) == 1, "a zero byte in a name: %d %r" % (code, lines))


@test
def explain(station):
	for options in WAYS.values():
		code, out, err = station.filter.cordon("explain", *options, station.zipzip)
		expect(code == 1, "exit code %d\n%s%s" % (code, out, err))
		for word in ("invoice.zip", "inner.zip", "eicar.com", "application/zip", "reject",
				hashlib.sha256(mails.eicar()).hexdigest()[:16]):
			expect(word in out, "%r is not in the explanation:\n%s" % (word, out))
		expect(re.search(r"\d\s*ms", out), "no milliseconds in the explanation:\n%s" % out)
	expect(station.filter.cordon("explain", station.clean)[0] == 0, "explain of a clean mail")


def list_json(station, *paths, options=()):
	code, out, err = station.filter.cordon("list", "--json", *options, *paths)
	return code, [json.loads(line) for line in out.splitlines()], err


def cut_zip():
	"""A zip that ends in the middle of its second member."""
	out = io.BytesIO()
	with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
		archive.writestr("whole.txt", b"all of it " * 20)
		archive.writestr("half.bin", os.urandom(4000))
	return out.getvalue()[:2500]


@test
def list_members(station):
	mail = station.write("members.eml", mails.with_attachments("members",
		("secret.zip", mails.encrypted_zip()), ("cut.zip", cut_zip()),
		("tool.com", mails.eicar()), ("again.com", mails.eicar()),
		("odd\x1b[2J.com", b"odd name")))
	for way, options in WAYS.items():
		code, lines, err = list_json(station, mail, station.clean, options=options)
		expect(code == 2 and len(lines) == 2, "%s: %d %r %s" % (way, code, lines, err))
		found = lines[0]
		expect(found["path"] == mail and not found["opened"], "%s: %r" % (way, found))
		members = {m["trail"].split(" > ", 1)[1]: m for m in found["members"] if " > " in m["trail"]}
		locked = [m for t, m in members.items() if t.startswith("secret.zip > ")]
		expect(len(locked) == 1 and locked[0]["encrypted"] == "yes" and not locked[0]["opened"]
			and locked[0]["why"] == ["encrypted"] and locked[0]["type"] is None
			and locked[0]["packed"] > 0, "the encrypted member: %r" % locked)
		whole = members["cut.zip > whole.txt"]
		expect(whole["opened"] and whole["size"] == 200 and whole["method"] == "deflate"
			and 0 < whole["packed"] < 200 and whole["encrypted"] == "no"
			and whole["type"] == "text/plain", "a whole member: %r" % whole)
		expect(members["cut.zip > half.bin"]["why"] == ["truncated"], "the cut member: %r"
			% members["cut.zip > half.bin"])
		expect(members["cut.zip"]["method"] == "base64", "%r" % members["cut.zip"])
		tool = members["tool.com"]
		expect(tool["sha256"] == hashlib.sha256(mails.eicar()).hexdigest()
			and "again.com" in tool["names"], "equal attachments: %r" % tool)
		expect(lines[1]["opened"] and lines[1]["why"] == [], "a clean mail: %r" % lines[1])


@test
def list_as_text(station):
	for options in WAYS.values():
		code, out, err = station.filter.cordon("list", *options, station.zipzip)
		expect(code == 0, "everything was opened, and viruses do not count: %d %s%s"
			% (code, out, err))
		row = [line for line in out.splitlines() if "eicar.com" in line and "text/plain" in line]
		expect(len(row) == 1 and re.search(r"\b68\b", row[0]) and " no " in row[0],
			"no row of eicar.com:\n%s" % out)
		expect(re.search(r"^member +size +packed +method +encrypted +type", out, re.M),
			"no head line:\n%s" % out)
		code, out, _ = station.filter.cordon("list", *options, os.path.join(station.files,
			"members.eml"))
		expect(code == 2 and "not opened: encrypted" in out and "not opened: truncated" in out,
			"%d\n%s" % (code, out))
		expect("\x1b" not in out, "an escape character of a name reached the terminal")
		code, out, err = station.filter.cordon("list", *options, station.files + "/missing")
		expect(code == 2 and "missing" in out, "a missing file: %d %s%s" % (code, out, err))
	expect(station.filter.cordon("list")[0] == 2, "list without a file")


@test
def limits_are_named(station):
	out = io.BytesIO()
	with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
		archive.writestr("first.com", mails.eicar())
		archive.writestr("large.bin", bytes(3 << 20))
		archive.writestr("last.txt", b"behind it")
	path = station.write("large.zip", out.getvalue())
	out_long = io.BytesIO()
	with zipfile.ZipFile(out_long, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
		archive.writestr("first.com", mails.eicar())
		for n in range(90):  # no two are equal; together they take a quarter of a second
			archive.writestr("long%d.bin" % n, b"%d" % n + bytes(4 << 20))
	long = station.write("long.zip", out_long.getvalue())
	cases = (("limit:cpu", "timeout", {"cpu_ms": 60}), ("limit:wall", "timeout", {"wall_ms": 60}),
		("limit:bytes", "expansion", {"output_bytes": "1M", "held_bytes": "1M"}),
		("limit:held", "expansion", {"held_bytes": "1M"}),
		("limit:quota", "expansion", {"quota_max": "1M"}),
		("limit:ratio", "expansion", {"ratio": 10, "ratio_floor": "1M"}),
		("limit:objects", "too_many", {"objects": 2}),
		("limit:depth", "too_deep", {"depth": 1}))
	try:
		for fact, cause, limits in cases:
			sent = long if cause == "timeout" else path
			if fact == "limit:depth":
				sent = station.write("deep.tar.gz", tar_gz("large.zip", out.getvalue()))
			station.start(cordond.block("limits", "", **limits))
			code, lines = station.filter.scan_json(sent)
			found = lines[0]
			expect(fact in found["facts"], "%s: facts %r" % (fact, found["facts"]))
			expect(cause in [u["cause"] for u in found["unscanned"]], "%s: %r" % (fact,
				found["unscanned"]))
			if fact != "limit:depth":
				expect(code == 1 and found["verdict"] == "infected",
					"%s: what came before the limit was not scanned: %r" % (fact, found))
			code, text, _ = station.filter.cordon("explain", sent)
			expect(fact in text, "%s is not in the explanation:\n%s" % (fact, text))
			code, text, _ = station.filter.cordon("list", sent)
			expect(code == 2 and fact in text, "%s is not in the list:\n%s" % (fact, text))
	finally:
		station.start()


@test
def status(station):
	station.expect_refused(mails.infected("status"), "550")
	code, out, err = station.filter.cordon("status")
	expect(code == 0 and out.strip(), "status: %d %s%s" % (code, out, err))
	code, out, err = station.filter.cordon("status", "--json")
	expect(code == 0, "status --json: %d %s%s" % (code, out, err))
	told = json.loads(out)
	text = json.dumps(told)
	for word in ("infected", "cache", "workers", "queue", "scanners"):
		expect(word in text, "%r is not in the status: %s" % (word, text))


@test
def check_config(station):
	code, out, err = station.filter.cordon("check-config")
	expect(code == 0, "our own configuration: %d %s%s" % (code, out, err))
	bad = os.path.join(station.files, "bad.conf")
	with open(bad, "w") as handle:
		handle.write('inspectors = 2\nmax_message_size = "lots"\nno_such_option = 1\n'
			'policy {\n\tinfected = "explode"\n}\n')
	code, out, err = station.filter.cordon("check-config", "-c", bad, config=False)
	expect(code != 0, "a bad configuration was called good")
	for line in (2, 5):
		expect("bad.conf:%d" % line in out + err, "line %d is not named:\n%s%s" % (line, out, err))
	code, out, err = station.filter.cordon("check-config", "-c", bad + ".missing", config=False)
	expect(code != 0 and ".missing" in out + err, "a missing file: %d %s%s" % (code, out, err))


@test
def reload_by_command(station):
	before = len(station.filter.log_lines("reload"))
	code, out, err = station.filter.cordon("reload")
	expect(code == 0, "reload: %d %s%s" % (code, out, err))
	process.wait_for(lambda: len(station.filter.log_lines("reload")) > before, 20, "a reload")


@test
def usage(station):
	for words in (("--help",), ("scan", "--help")):
		code, out, _ = station.filter.cordon(*words, config=False)
		expect(code == 0 and "scan" in out, "%r: exit code %d\n%s" % (words, code, out))
	code, _, err = station.filter.cordon("frobnicate", config=False)
	expect(code == 2 and err, "an unknown command: exit code %d" % code)


@test
def works_without_a_daemon(station):
	station.filter.stop()
	try:
		code, lines = station.filter.scan_json(station.zipzip)
		expect(code == 1 and lines[0]["verdict"] == "infected", "%d %r" % (code, lines))
		expect(station.filter.cordon("status")[0] == 2, "status without a daemon is no error")
	finally:
		station.filter.start()


@test
def scanner_down_is_not_clean(station):
	dead = "tcp:127.0.0.1:%d" % process.free_port()
	station.start(cordond.block("signatures", "", eicar=False),
		cordond.block("clamd", "main", servers=[dead], timeout_ms=2000))
	for options in WAYS.values():
		code, lines = station.filter.scan_json(station.clean, options=options)
		expect(code == 2 and lines[0]["verdict"] == "unscanned", "%d %r" % (code, lines))
		expect("down" in [u["cause"] for u in lines[0]["unscanned"]], "%r" % lines[0])


runner.main(Fixture, needs_root=False)
