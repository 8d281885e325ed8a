#!/usr/bin/env python3
"""Writes the small binary seeds of the fuzz targets for our own messages and lists.

usage: make_seeds.py CORPUS-FOLDER (tests/fuzz/corpus)
"""
import os
import struct
import sys


def u8(v):
    return struct.pack("=B", v)


def u32(v):
    return struct.pack("=I", v)


def u64(v):
    return struct.pack("=Q", v)


def text(s):
    return u32(len(s)) + s


def report_object(number, place, names=(), facts=0):
    return (u32(number) + u32(number - 1) + u32(6) + u8(place) + u64(10) + u64(20) +
            bytes(range(32)) + u64(facts) + u64(1) + u64(2) + u64(4) + u64(7) + u64(9) +
            text(b"deflate") + text(b"1 > a") +
            text(b"text/plain") + text(b"application/zip") + u32(5) + u32(len(names)) +
            b"".join(text(n) for n in names))


def report(objects, findings, doubles=()):
    return (u32(2) + u32(len(objects)) + u32(len(findings)) + u32(len(doubles)) + u32(0) + u64(0) +
            u32(1) + u32(2) + u32(3) + b"".join(objects) + b"".join(findings) + b"".join(doubles))


def finding(number):
    return u32(0) + u32(number) + text(b"signatures") + text(b"Name") + u32(9) + u8(0)


def request(name, size=4096, length=4000):
    return (u64(1) + u32(3) + u32(2) + u32(1) + u64(size) + u64(length) + u32(2) + u64(1 << 20) +
            u32(3) + u64(4096) + u32(1) + u64(100000) + text(name))


def record(recipients, sender=b"a@b.example", verdict=2, names=b"Eicar,Other"):
    strings = [b"ID1", b"4Q", b"inbound", b"192.0.2.1", b"host", b"helo", b"", b"TLSv1.3", sender]
    return (b"".join(text(s) for s in strings) + u32(len(recipients)) + u32(30) +
            b"".join(text(r) for r in recipients) + u64(5000) + u32(7) + u8(verdict) + u8(1) +
            u8(1) + u32(550) + text(names) + text(b"signatures") + text(b"timeout,down") +
            text(b"A07") + text(b"2 > a.zip") + b"".join(u32(n * 1001) for n in range(9)))


def packet(fds, body):
    return u8(fds) + struct.pack("<H", len(body)) + body


def frame(kind, body):
    return u32(0x43524D31) + u32(kind) + body


H1 = b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
H2 = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

SEEDS = {
    "signature_set": {
        "plain": b"# comment\nA.One = some text\n\nB = hex:00 01 ff 41 42\r\n",
        "odd": b"A=x=y= #z\nLong-Name_1.2 = hex:DEADbeef00",
        "bad": b"A = text\nB text\n",
        "short": b"A = abc\n",
    },
    "blocklist": {
        "two": H1 + b" Evil.A\n# c\n" + H2 + b"\n",
        "sum": H1 + b"  file name.exe\r\n\t" + H2.upper() + b"\tB",
        "bad": H1 + b"0 x\n",
        "double": H1 + b" A\n" + H1 + b" B\n",
    },
    "report": {
        "one": report([report_object(1, 0)], []),
        "three": report([report_object(1, 0), report_object(2, 1, [b"a.exe", b"\xff"], 3),
                         report_object(3, 2)], [finding(3), finding(1)],
                        [u32(2) + u32(1) + text(b"b > a")]),
        "unknown-bits": report([report_object(1, 2, [b""], (1 << 64) - 1)], []),
        "count-lies": u32(2) + u32(0xFFFFFFFF) + bytes(40),
    },
    "inspect_request": {
        "mail": request(b""),
        "file": request(b"a b.eml", 100, 100),
        "lie": request(b"x", 10, 11),
    },
    "record": {
        "two": record([b"r1@x", b"r2@x"]),
        "foreign": record([b"r\nid=FAKE\" \\"], b"\xff\x1b[2J \xe2\x80\xae", 0, b",,a,b,"),
        "none": record([], b"", 1, b""),
        "many": record([b"r@x"] * 20),
    },
    "frame": {
        "worker": packet(1, frame(11, u32(1234))) + packet(0, frame(14, u64(1) + u8(1))),
        "bad": packet(2, b"short") + packet(17, frame(12, b"")) + packet(3, frame(99, b"x")),
        "empty": packet(5, b"") + packet(0, b"") + packet(40, b""),
        "texts": packet(0, frame(16, u64(1) + u8(2) + u32(3) + text(b"Name") + text(b""))),
    },
    "helper": {
        "run_list": u8(0) + u8(2) + u32(30000) + u32(20000) + text(b"") + text(b""),
        "run_member": u8(1) + u8(1) + u32(1) + u32(1) + text(b"secret") + text(b"a/b.exe"),
        "ended": u8(1) + u32(2) + u64(12345),
    },
    "message_header": {
        "usual": b"\0Subject\0hello\0To\0a,\n\tb,\r\n\tc\0X-Virus-Scanned\0forged",
        "raw": b"\1Subject\0 hello\0X\0\0Y\0end\n\0Z\0a\n\nb\r\r\n",
        "limits": b"\6" + b"Name\0value of it\0" * 40,
        "odd": b"\0\0\0\0\0\n\0\r\0",
    },
}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for target, seeds in SEEDS.items():
        folder = os.path.join(sys.argv[1], target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds.items():
            with open(os.path.join(folder, name), "wb") as out:
                out.write(data)


main()
