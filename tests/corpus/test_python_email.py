#!/usr/bin/env python3
"""What Python's email package extracts from a mail, cordon extracts too.

Every leaf payload of 16 bytes or more, decoded by Python, must be among the objects of `cordon
scan --json --local`, by SHA-256. Mails: those of the tree (seeds of the MIME fuzz target, own
mails made below) and, where the shared corpus is present, its torture and evasion mails. Python
stands for one reader among many: more is asked for elsewhere.

Line ends may differ: a payload counts as found with either kind of them, and with or without the
one before the delimiter. Other differences are listed in EXPLAINED, each with its reason."""

import email
import email.policy
import hashlib
import json
import os
import quopri
import re
import subprocess
import sys
import tempfile
from email.message import EmailMessage

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LEAST_BYTES = 16
SHARED_FOLDERS = ("mail/mime-torture", "mail/mime-evasion", "mail/spam")
PART_RAW = 0.25  # of all leaves at most so many may be excused by scanned_in_raw()
PART_OF_MAILS = 0.75  # of all files Python must get something out of: else this tests nothing

# (end of path, index of the leaf in Python's walk or None for all of them): why it may differ.
EXPLAINED = {
	# Python takes "==" for one "=" and leaves the escape behind it alone; flagged as A33.
	("qph-basic-qp-H2=aH.eml", None),
	# Python decodes the delimiter line behind the file too: 12 bytes more than the file has.
	("space_boundary-after_noquote-singlepart-b64h-basic-base64-mixedlen.eml", 2),
	# The "part" is the delimiter line of a level that Python has closed.
	("mime_emails/raw_email4.eml", 4),
}


def own_mails():
	"""Well-formed mails as Python writes them: every transfer encoding, nested messages."""
	plain = EmailMessage()
	plain["Subject"] = "plain"
	plain.set_content("One line of text, and another one.\nSecond line.\n")
	yield "plain", plain
	for cte in ("base64", "quoted-printable", "8bit"):
		text = EmailMessage()
		text["Subject"] = cte
		text.set_content("H\u00e9llo w\u00f6rld, this is text of some length.\n" * 20, cte=cte)
		yield "text-" + cte, text
	files = EmailMessage()
	files["Subject"] = "files"
	files.set_content("See the attached files, please.\n")
	files.add_alternative("<p>See the attached <b>files</b>, please.</p>\n", subtype="html")
	for n in range(1, 4):
		files.add_attachment(hashlib.sha512(b"%d" % n).digest() * 50 * n, maintype="application",
			subtype="octet-stream", filename="file %d.bin" % n)
	yield "files", files
	outer = EmailMessage()
	outer["Subject"] = "outer"
	outer.set_content("A message is attached to this one.\n")
	outer.add_attachment(files)
	yield "message", outer


class Leaf:
	"""What Python sees at one place of its walk."""

	def __init__(self, index, part, data):
		self.index, self.data = index, data
		self.kind = part.get_content_type()
		self.encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
		self.broken = bool(part.defects)
		self.strict_data = self.decode_strictly(part)

	def decode_strictly(self, part):
		"""Quoted-printable without blanks before line ends (RFC 2045 section 6.7 rule 3), which
		Python keeps; else the same as data."""
		if self.encoding != "quoted-printable":
			return self.data
		encoded = part.get_payload().encode("ascii", "surrogateescape")
		return quopri.decodestring(re.sub(rb"[ \t]+(?=\r?\n|$)", b"", encoded))


def leaves_of(raw):
	"""Every leaf that Python sees, under its old and its new rules, each payload once."""
	seen = set()
	for policy in (email.policy.compat32, email.policy.default):
		try:
			parts = list(email.message_from_bytes(raw, policy=policy).walk())
		except Exception:  # the newer policy raises on some broken headers
			continue
		for index, part in enumerate(parts):
			try:
				data = None if part.is_multipart() else part.get_payload(decode=True)
				leaf = Leaf(index, part, data)
			except Exception:
				continue
			if data is not None and len(data.strip()) >= LEAST_BYTES and data not in seen:
				seen.add(data)
				yield leaf


def variants(leaf):
	"""Hashes of the payload with either line end, with and without the last one."""
	lf = leaf.data.replace(b"\r\n", b"\n")
	strict = leaf.strict_data.replace(b"\r\n", b"\n")
	for form in (leaf.data, lf, lf.replace(b"\n", b"\r\n"), leaf.strict_data, strict,
			strict.replace(b"\n", b"\r\n")):
		bare = form[:-1] if form.endswith(b"\n") else form
		bare = bare[:-1] if bare.endswith(b"\r") else bare
		for one in (form, bare, bare + b"\n", bare + b"\r\n"):
			yield hashlib.sha256(one).hexdigest()


def scanned_in_raw(leaf, raw):
	"""Bytes that stand in the mail as they are have been scanned with the mail itself. Cordon has
	no object of them where it knows better: it splits a multipart that Python leaves whole, and
	decodes what Python leaves encoded, or behind a header that Python ends too early."""
	lines = raw.replace(b"\r", b"").replace(b"\n", b"")  # Python joins lines it cannot decode
	whole = leaf.data.replace(b"\r", b"").replace(b"\n", b"")
	return whole in lines and ("multipart/" in leaf.kind or leaf.broken or
		leaf.encoding not in ("", "7bit", "8bit", "binary"))


def find_mails(work):
	seeds = os.path.join(ROOT, "tests", "fuzz", "corpus", "mime")
	shared = os.environ.get("CORDON_SHARED", os.path.join(ROOT, "..", "shared"))
	folders = [seeds] + [os.path.join(shared, "corpus", f) for f in SHARED_FOLDERS]
	folders.append(os.path.join(shared, "ambiguity"))
	if not os.path.isdir(shared):
		print("no shared corpus (CORDON_SHARED): only the mails of the tree")
	own = os.path.join(work, "own")
	os.mkdir(own)
	for name, message in own_mails():
		with open(os.path.join(own, name + ".eml"), "wb") as handle:
			handle.write(message.as_bytes(policy=email.policy.SMTP))
	for folder in [own] + folders:
		for path, _, names in sorted(os.walk(folder)):
			for name in sorted(names):
				if name.endswith((".eml", ".txt", ".mbox", ".mail")) or "." not in name:
					yield os.path.join(path, name)


def scan(program, work, paths):
	"""{path: set of SHA-256 of its objects}"""
	config = os.path.join(work, "cordon.conf")
	with open(config, "w") as handle:
		handle.write('user = ""\nclamav { enabled = false }\n')
	found = {}
	for first in range(0, len(paths), 200):
		run = subprocess.run([program, "scan", "-c", config, "--json", "--local"] +
			paths[first:first + 200], capture_output=True)
		if not run.stdout or b"worker_died" in run.stderr or b"not understood" in run.stderr:
			sys.exit("cordon scan: %s" % run.stderr[-500:].decode(errors="replace"))
		for line in run.stdout.decode("utf-8", "replace").splitlines():
			result = json.loads(line, strict=False)
			found[result["path"]] = {o["sha256"] for o in result["objects"]}
	return found


def explained(path, index):
	return any(path.endswith(end) and (leaf is None or leaf == index)
		for end, leaf in EXPLAINED)


def main():
	program = os.path.join(os.environ.get("CORDON_BIN", os.path.join(ROOT, "build", "release",
		"bin")), "cordon")
	if not os.access(program, os.X_OK):
		print("SKIP: no program %s" % program)
		return 77
	with tempfile.TemporaryDirectory() as work:
		paths = list(find_mails(work))
		found = scan(program, work, paths)
		leaves = missing = spoke = in_raw = 0
		for path in paths:
			with open(path, "rb") as handle:
				raw = handle.read()
			seen = list(leaves_of(raw))
			spoke += bool(seen)
			hashes = found.get(path)
			if hashes is None:  # an mbox is told mail by mail
				hashes = set().union(*(h for p, h in found.items() if p.startswith(path + "#")))
			for leaf in seen:
				leaves += 1
				if not hashes.isdisjoint(variants(leaf)) or explained(path, leaf.index):
					continue
				if scanned_in_raw(leaf, raw):
					in_raw += 1
					continue
				missing += 1
				print("missing: %s leaf %d %s %d bytes %r" % (path, leaf.index, leaf.kind,
					len(leaf.data), leaf.data[:40]))
		print("%d mails, %d leaves, %d missing; %d left raw by Python only, %d exceptions" %
			(len(paths), leaves, missing, in_raw, len(EXPLAINED)))
		if spoke < PART_OF_MAILS * len(paths) or in_raw > PART_RAW * leaves:
			print("too little of it says anything: Python read %d mails" % spoke)
			return 1
		return 1 if missing else 0


if __name__ == "__main__":
	sys.exit(main())
