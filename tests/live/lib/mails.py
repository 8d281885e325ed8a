"""Mails to send. Every mail carries X-Test-Id, by which the sink counts it. The EICAR test string is
put together at run time, so that no scanner finds it in the source tree."""

import base64
import io
import random
import zipfile


def eicar():
	"""The 68 bytes of the EICAR test file."""
	return b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!" + b"$H+H*"


def marker():
	"""Bytes that only the databases made by the tests call a virus (see clamd.py)."""
	return b"cordon live test: " + b"this is no virus, " + b"but is marked as one"


def zipped(*members, compress=True):
	"""A ZIP of (name, bytes) pairs."""
	out = io.BytesIO()
	method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
	with zipfile.ZipFile(out, "w", method) as archive:
		for name, content in members:
			archive.writestr(name, content)
	return out.getvalue()


def zip_in_zip(content, name="eicar.com"):
	"""A ZIP in a ZIP around content."""
	return zipped(("inner.zip", zipped((name, content))), ("readme.txt", b"nothing here\n"))


def encrypted_zip():
	"""A ZIP with one member that says it is encrypted; no password opens it."""
	data = bytearray(zipped(("secret.bin", bytes(range(256)) * 4), compress=False))
	data[6] |= 1                                    # local header: general purpose flags
	data[data.index(b"PK\x01\x02") + 8] |= 1        # central directory: the same
	return bytes(data)


def _base64_lines(content):
	return base64.encodebytes(content).replace(b"\n", b"\r\n")


def _head(test_id, subject, extra=()):
	lines = ["From: Alice <alice@client.example>", "To: Bob <bob@test.example>",
		"Subject: " + subject, "Date: Mon, 05 Jan 2026 10:00:00 +0000",
		"Message-ID: <%s@client.example>" % test_id, "X-Test-Id: " + test_id, "MIME-Version: 1.0"]
	return "".join(line + "\r\n" for line in lines + list(extra)).encode()


def plain(test_id, text=b"Good morning.\r\n", headers=()):
	"""A mail of one text part; headers are extra lines such as "X-Virus-Scanned: forged"."""
	extra = list(headers) + ["Content-Type: text/plain; charset=utf-8"]
	return _head(test_id, "a letter", extra) + b"\r\n" + text


def with_attachments(test_id, *attachments, headers=()):
	"""A multipart/mixed mail with (file name, bytes) attachments in base64."""
	mark = "=_part_" + test_id
	extra = list(headers) + ['Content-Type: multipart/mixed; boundary="%s"' % mark]
	out = [_head(test_id, "with attachments", extra), b"\r\n"]
	out.append(("--%s\r\nContent-Type: text/plain\r\n\r\nSee attachment.\r\n" % mark).encode())
	for name, content in attachments:
		out.append(("--%s\r\nContent-Type: application/octet-stream; name=\"%s\"\r\n"
			"Content-Transfer-Encoding: base64\r\n"
			"Content-Disposition: attachment; filename=\"%s\"\r\n\r\n"
			% (mark, name, name)).encode())
		out.append(_base64_lines(content))
	out.append(("--%s--\r\n" % mark).encode())
	return b"".join(out)


def clean(test_id, headers=()):
	"""A clean mail with a small attachment."""
	return with_attachments(test_id, ("notes.txt", b"milk, bread, eggs\n"), headers=headers)


def infected(test_id):
	"""EICAR as an attachment."""
	return with_attachments(test_id, ("eicar.com", eicar()))


def infected_zip_in_zip(test_id):
	"""EICAR in a ZIP in a ZIP."""
	return with_attachments(test_id, ("invoice.zip", zip_in_zip(eicar())))


def marked(test_id):
	"""An attachment that only the tests' own databases find."""
	return with_attachments(test_id, ("report.bin", marker()))


def noise(size, seed=0):
	"""size bytes that do not compress and are the same for the same seed."""
	return random.Random(seed).randbytes(size)


def big(test_id, size, infected_end=False):
	"""A mail of about size bytes, most of it one attachment; EICAR as a last one when asked."""
	attachments = [("data.bin", noise(max(size * 37 // 50 - 1000, 1), seed=size))]
	if infected_end:
		attachments.append(("eicar.com", eicar()))
	return with_attachments(test_id, *attachments)


def nested(test_id, depth):
	"""multipart/mixed in multipart/mixed, depth times, a text at the bottom."""
	out = [_head(test_id, "nested", ['Content-Type: multipart/mixed; boundary="b0"']), b"\r\n"]
	for level in range(1, depth):
		out.append(b'--b%d\r\nContent-Type: multipart/mixed; boundary="b%d"\r\n\r\n'
			% (level - 1, level))
	out.append(b"--b%d\r\nContent-Type: text/plain\r\n\r\nbottom\r\n" % (depth - 1))
	for level in range(depth - 1, -1, -1):
		out.append(b"--b%d--\r\n" % level)
	return b"".join(out)


def many_headers(test_id, count):
	"""A mail with count extra header fields."""
	return _head(test_id, "many") + b"".join(b"X-N%d: v\r\n" % n for n in range(count)) + b"\r\nx\r\n"


def mixed(test_id, number):
	"""For load: the same number gives the same mail. Returns (bytes, True when infected)."""
	chance = random.Random(number)
	kind = chance.random()
	if kind < 0.15:
		return infected(test_id), True
	if kind < 0.25:
		return infected_zip_in_zip(test_id), True
	if kind < 0.75:
		text = b"".join(b"%s\r\n" % base64.b64encode(chance.randbytes(48))
			for _ in range(chance.randrange(20, 200)))
		return plain(test_id, text), False
	size = chance.randrange(20_000, 300_000)
	return with_attachments(test_id, ("data.bin", noise(size, number))), False
