"""The same twenty mails for every way in, and what must be the same about their records whichever
way they came. The log of the daemon must be JSON (log_format="json")."""

import base64
import gzip
import json
import tarfile
import io
import quopri

from . import mails, milter

# What the record of a mail must agree in. Times, ids, envelope and sizes (line ends) differ.
FIELDS = ("verdict", "action", "code", "cause", "names", "ambiguous", "objects")


def _tar_gz(name, content):
	out = io.BytesIO()
	with tarfile.open(fileobj=out, mode="w:gz") as archive:
		entry = tarfile.TarInfo(name)
		entry.size = len(content)
		archive.addfile(entry, io.BytesIO(content))
	return out.getvalue()


def _attached_mail(test_id):
	inner = mails.infected("inner-" + test_id)
	mark = "=_outer_" + test_id
	return mails.plain(test_id).split(b"Content-Type:")[0] + (
		'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n'
		"Content-Type: message/rfc822\r\n\r\n" % (mark, mark)).encode() + inner + (
		"\r\n--%s--\r\n" % mark).encode()


def _encoded_text(test_id, encoding, body):
	return mails.plain(test_id, b"", headers=["Content-Transfer-Encoding: " + encoding]) + body


def _uuencoded(name, content):
	lines = [b"begin 644 " + name]
	for start in range(0, len(content), 45):
		lines.append(_uu_line(content[start:start + 45]))
	return b"\r\n".join(lines + [b"`", b"end", b""])


def _uu_line(piece):
	padded = piece + bytes(-len(piece) % 3)
	out = [len(piece)]
	for at in range(0, len(padded), 3):
		bits = int.from_bytes(padded[at:at + 3], "big")
		out += [bits >> shift & 63 for shift in (18, 12, 6, 0)]
	return bytes(32 + value if value else 96 for value in out)


def twenty(prefix):
	"""Twenty (test id, mail) pairs, the ids beginning with prefix; lines end in CRLF."""
	eicar, once = mails.eicar(), b"Content-Transfer-Encoding: base64\r\n"
	make = (
		mails.plain,
		mails.clean,
		mails.infected,
		mails.infected_zip_in_zip,
		lambda i: mails.with_attachments(i, ("secret.zip", mails.encrypted_zip())),
		lambda i: mails.with_attachments(i, ("cut.zip", mails.zip_in_zip(b"x" * 5000)[:150])),
		lambda i: mails.with_attachments(i, ("a.tar.gz", _tar_gz("e.com", eicar))),
		lambda i: mails.with_attachments(i, ("e.com.gz", gzip.compress(eicar, mtime=0))),
		_attached_mail,
		lambda i: mails.nested(i, 30),
		lambda i: mails.nested(i, 150),
		lambda i: mails.many_headers(i, 500),
		lambda i: mails.clean(i).replace(once, once + b"Content-Transfer-Encoding: 8bit\r\n"),
		lambda i: mails.infected(i).replace(once, b"Content-Transfer-Encoding: 8bit\r\n" + once),
		lambda i: _encoded_text(i, "quoted-printable", quopri.encodestring(eicar) + b"\r\n"),
		lambda i: _encoded_text(i, "base64", base64.b64encode(eicar) + b"\r\n"),
		lambda i: mails.plain(i, b"See below.\r\n\r\n" + _uuencoded(b"e.com", eicar)),
		lambda i: mails.plain(i, b"gr\xfc\xdfe und \xe4hnliches\r\n"),
		lambda i: mails.clean(i, headers=["X-Virus-Scanned: forged", "X-Virus-Unscanned: too"]),
		lambda i: mails.plain(i, b"x" * 5000 + b"\r\n.\r\n..\r\nFrom here\r\n"),
	)
	ids = ["%s-%02d" % (prefix, number) for number in range(len(make))]
	return [(test_id, one(test_id)) for test_id, one in zip(ids, make)]


def sender(test_id):
	"""The sender by which verdict_records() knows a mail again; without angle brackets."""
	return test_id + "@client.example"


def verdict_records(log, prefix):
	"""What FIELDS say of each mail of twenty(prefix), from the text of a JSON log: a list in
	the order of the mails, None for one that has no record, or more than one."""
	found = {}
	for line in log.splitlines():
		start = line.find("{")
		try:
			record = json.loads(line[start:]) if start >= 0 else {}
		except ValueError:
			continue
		if record.get("event") == "mail":
			found.setdefault(record.get("from"), []).append(
				{field: record.get(field) for field in FIELDS})
	wanted = ["%s-%02d@client.example" % (prefix, number) for number in range(20)]
	return [found[name][0] if len(found.get(name, ())) == 1 else None for name in wanted]


def send_by_milter(address, prefix):
	"""All twenty over the milter protocol, the way the others are compared with. Returns the
	answers as milter.Dialogue gives them."""
	answers = []
	for test_id, content in twenty(prefix):
		with milter.Dialogue(address) as dialogue:
			dialogue.negotiate()
			dialogue.connected()
			dialogue.helo()
			answers.append(_deliver(dialogue, test_id, content))
			dialogue.quit()
	return answers


def forget(filter_):
	"""Has the daemon forget what it found in earlier mails: an object that is known to be infected
	is not taken apart again, so a record counts fewer objects. Between two ways."""
	code, _, err = filter_.cordon("purge")
	if code != 0:
		raise AssertionError("purge: " + err)


def _deliver(dialogue, test_id, content):
	default = dialogue.sender
	dialogue.sender = lambda: default(b"<" + sender(test_id).encode() + b">")
	return dialogue.mail(content)


def differences(one, other):
	"""Text that names what two lists of verdict_records() differ in; "" when nothing."""
	out = []
	for number, (a, b) in enumerate(zip(one, other)):
		if a is None or b is None:
			out.append("mail %02d: record %r and %r" % (number, a, b))
		else:
			out += ["mail %02d: %s is %r and %r" % (number, field, a[field], b[field])
				for field in FIELDS if a[field] != b[field]]
	return "\n".join(out)
