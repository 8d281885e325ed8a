#!/usr/bin/env python3
"""Writes the seeds of encrypted PDFs, which test_pdf_crypt reads too. Needs qpdf.

usage: make_pdf_seeds.py CORPUS-FOLDER (tests/fuzz/corpus)

Each file holds EICAR as an embedded file, JavaScript as a string and as a stream, all encrypted.
"""
import os
import subprocess
import sys
import tempfile

EICAR = (b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*")
WORD = "Geheim42"

# name, user password, owner password, bits, options of the encryption, options of the writing
KINDS = [
    ("r2", "", "owner", "40", [], []),
    ("r3", "", "owner", "128", ["--use-aes=n"], []),
    ("r4-rc4", "", "owner", "128", ["--use-aes=n", "--force-V4"], []),
    ("r4-aes", "", "owner", "128", ["--use-aes=y"], []),
    ("r4-aes-metadata", "", "owner", "128", ["--use-aes=y", "--cleartext-metadata"], []),
    ("r4-aes-objects", "", "owner", "128", ["--use-aes=y"], ["--object-streams=generate"]),
    ("r4-aes-stored", "", "owner", "128", ["--use-aes=y"], ["--compress-streams=n"]),
    ("r5", "", "owner", "256", ["--force-R5"], []),
    ("r6", "", "owner", "256", [], []),
    ("r6-objects", "", "owner", "256", [], ["--object-streams=generate"]),
    ("r2-user", WORD, "owner", "40", [], []),
    ("r3-user", WORD, "owner", "128", ["--use-aes=n"], []),
    ("r3-latin1", "Gr\u00fc\u00dfe42", "owner", "128", ["--use-aes=n"], []),
    ("r6-user", WORD, "owner", "256", [], []),
    ("r2-owner", "unknown", WORD, "40", [], []),
    ("r4-owner", "unknown", WORD, "128", ["--use-aes=y"], []),
    ("r5-owner", "unknown", WORD, "256", ["--force-R5"], []),
    ("r6-owner", "unknown", WORD, "256", [], []),
]


def stream(dictionary, data):
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (dictionary, len(data), data)


def plain_pdf():
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/OpenAction 4 0 R/AA<</WC 8 0 R>>/Metadata 7 0 R"
        b"/Names<</EmbeddedFiles<</Names[(a)5 0 R]>>>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        b"<</S/JavaScript/JS(app.alert\\(42\\);)>>",
        b"<</Type/Filespec/F(invoice.com)/UF(invoice.com)/EF<</F 6 0 R>>>>",
        stream(b"/Type/EmbeddedFile", EICAR),
        stream(b"/Type/Metadata/Subtype/XML", b"<?xpacket?><x/>"),
        b"<</S/JavaScript/JS 9 0 R>>",
        stream(b"", b"this.exportDataObject();"),
    ]
    out, places = b"%PDF-1.5\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    return out + (b"xref\n0 %d\n%strailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" %
                  (len(places) + 1, table, len(places) + 1, len(out)))


def main():
    folder = os.path.join(sys.argv[1], "pdf")
    with tempfile.NamedTemporaryFile(suffix=".pdf") as plain:
        plain.write(plain_pdf())
        plain.flush()
        for name, user, owner, bits, how, write in KINDS:
            command = ["qpdf", "--allow-weak-crypto", "--static-id", "--static-aes-iv"]
            subprocess.run(command + write + ["--encrypt", user, owner, bits] + how +
                           ["--", plain.name, os.path.join(folder, "encrypted-%s.bin" % name)],
                           check=True)


main()
