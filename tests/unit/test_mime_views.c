/* test_mime_views.c: own mails for every class of MIME ambiguity: the hidden file must come out
 * as an object of its own, whichever reader would have shown it. */
#include "test_mime_helper.h"

#define HIDDEN "The file hidden by this test has 48 bytes in all"
#define B64    "VGhlIGZpbGUgaGlkZGVuIGJ5IHRoaXMgdGVzdCBoYXMgNDggYnl0ZXMgaW4gYWxs\r\n"
#define QP                                                                                     \
	"=54=68=65=20=66=69=6C=65=20=68=69=64=64=65=6E=20=62=79=20=\r\n"                       \
	"=74=68=69=73=20=74=65=73=74=20=68=61=73=20=34=38=20=62=79=74=65=73=20=69=6E=20=61="   \
	"6C=6C"
#define UU "M5&AE(&9I;&4@:&ED9&5N(&)Y('1H:7,@=&5S=\"!H87,@-#@@8GET97,@:6X@\r\n#86QL\r\n"
#define PADDED                                                                                 \
	"VGhlIA==ZmlsZQ==IGhpZA==ZGVuIA==YnkgdA==aGlzIA==dGVzdA==\r\n"                         \
	"IGhhcw==IDQ4IA==Ynl0ZQ==cyBpbg==IGFsbA==\r\n"
#define TOP  "From: a@example.org\r\nTo: b@example.net\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
#define TEXT "Content-Type: text/plain\r\n\r\nSome words.\r\n"
#define FILE_HEAD                                                                              \
	"Content-Type: application/x-test\r\nContent-Transfer-Encoding: base64\r\n\r\n"
#define FILE FILE_HEAD B64
/* A multipart whose Content-Type value is t and whose delimiters are d. */
#define MULTI(t, d)                                                                            \
	TOP "Content-Type: " t "\r\n\r\n--" d "\r\n" TEXT "--" d "\r\n" FILE "--" d "--\r\n"
/* A part with this header (without its end) and body, in a sound mail. */
#define PART(h, body)                                                                          \
	TOP "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n" TEXT "--bb\r\n" h     \
	    "\r\n" body "--bb--\r\n"
#define CTE(v)                                                                                 \
	PART("Content-Type: application/x-test\r\nContent-Transfer-Encoding: " v "\r\n", B64)
#define NESTED(b, inside)                                                                      \
	"Content-Type: multipart/mixed; boundary=\"" b "\"\r\n\r\n--" b "\r\n" inside "--" b   \
	"--\r\n"
#define SIXTY "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"

/* number: the class that must be set when the hidden file came out, 0: none of severity H */
struct view_case {
	const char *name, *mail;
	size_t len;
	unsigned number;
};
#define CASE(name, mail, number)                                                               \
	{                                                                                      \
		name, mail, sizeof(mail) - 1, number                                           \
	}

static const struct view_case cases[] = {
	CASE("plain", MULTI("multipart/mixed; boundary=\"x\"", "x"), 0),
	CASE("root base64", TOP "Content-Transfer-Encoding: base64\r\n\r\n" B64, 0),
	CASE("no MIME-Version",
	    "From: a\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" FILE, 0),
	CASE("A01 first of two",
	    TOP "Content-Type: multipart/mixed; boundary=x\r\n"
		"Content-Type: text/plain\r\n\r\n--x\r\n" FILE "--x--\r\n",
	    1),
	CASE("A01 empty before",
	    TOP "Content-Type:\r\nContent-Type: multipart/mixed; boundary=x\r\n"
		"\r\n--x\r\n" FILE "--x--\r\n",
	    1),
	CASE("A01 middle of three",
	    TOP "Content-Type: text/plain\r\nContent-Type: multipart/mixed;"
		" boundary=x\r\nContent-Type: text/html\r\n\r\n--x\r\n" FILE "--x--\r\n",
	    1),
	CASE("A02 first", CTE("base64\r\nContent-Transfer-Encoding: 7bit"), 2),
	CASE("A02 last", CTE("quoted-printable\r\nContent-Transfer-Encoding: base64"), 2),
	CASE("A02 unknown then base64", CTE("wow\r\nContent-Transfer-Encoding: base64"), 2),
	CASE("A05 comment is a boundary",
	    MULTI("multipart/mixed; (boundary=zz) boundary=yy", "zz"), 12),
	CASE("A05 comment before", MULTI("multipart/mixed; boundary=(a(b\\))c)yy", "yy"), 5),
	CASE("A05 comment inside", MULTI("multipart/mixed; boun(x)dary=yy", "yy"), 5),
	CASE("A05 comment in CTE", CTE("(c) base64"), 5),
	CASE("A05 comment in name",
	    PART("Content-Type: a/b\r\nContent-Transfer-Encoding (c): base64\r\n", B64), 5),
	CASE("A06 fold in boundary, dropped",
	    MULTI("multipart/mixed; boundary=\"ab\r\n cd\"", "abcd"), 6),
	CASE("A06 fold in boundary, kept",
	    MULTI("multipart/mixed; boundary=\"ab\r\n cd\"", "ab cd"), 0),
	CASE("A06 fold in CTE", CTE("base\r\n 64"), 6),
	CASE("A06 blank continuation", CTE("\r\n \t\r\n base64"), 8),
	CASE(
	    "A07 blank before colon", PART("Content-Transfer-Encoding \t: base64\r\n", B64), 7),
	CASE("A07 second colon", PART("Content-Transfer-Encoding:: base64\r\n", B64), 7),
	CASE("A07 junk line",
	    PART(
		"Content-Type: a/b\r\nno field at all\r\nContent-Transfer-Encoding: base64\r\n",
		B64),
	    7),
	CASE("A07 mbox line",
	    PART("Content-Type: a/b\r\n>From x Mon\r\nContent-Transfer-Encoding: base64\r\n",
		B64),
	    7),
	CASE("A07 hidden in a continuation",
	    PART("Content-Type: a/b\r\n Content-Transfer-Encoding: base64\r\n", B64), 7),
	CASE("A07 first line indented", PART(" Content-Transfer-Encoding: base64\r\n", B64), 7),
	CASE("A08 line of blanks ends",
	    PART("Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n  \t", B64), 0),
	CASE("A08 line of blanks does not end",
	    PART("Content-Type: a/b\r\n \r\nContent-Transfer-Encoding: base64\r\n", B64), 8),
	CASE("A08 no separator",
	    PART("Content-Type: a/b\r\nContent-Transfer-Encoding: base64", B64), 0),
	CASE("A08 delimiter in the header",
	    TOP "Content-Type: multipart/mixed; boundary=x\r\n--x\r\n" FILE "--x--\r\n", 7),
	CASE("A08 bare CR",
	    PART("Content-Type: a/b\rContent-Transfer-Encoding: base64\r\r" B64, ""), 8),
	CASE("A08 CR CR LF",
	    PART("Content-Type: a/b\r\r\nContent-Transfer-Encoding: base64\r\r\n\r", B64), 0),
	CASE("A09 control",
	    CTE("\x01"
		"base64"),
	    9),
	CASE("A09 NUL inside", CTE("ba\0se64"), 9),
	CASE("A09 cut at NUL", CTE("base64\0x"), 9),
	CASE("A09 NUL in field name", PART("Content-Trans\0fer-Encoding: base64\r\n", B64), 9),
	CASE("A09 boundary cut at NUL", MULTI("multipart/mixed; boundary=\"ab\0cd\"", "ab"), 9),
	CASE("A09 boundary without NUL", MULTI("multipart/mixed; boundary=\"ab\0cd\"", "abcd"),
	    0),
	CASE("A10 Q", MULTI("multipart/mixed; boundary=\"=?us-ascii?Q?x=5Fy?=\"", "x_y"), 10),
	CASE("A10 literal",
	    MULTI("multipart/mixed; boundary=\"=?us-ascii?Q?x?=\"", "=?us-ascii?Q?x?="), 0),
	CASE("A10 in the middle",
	    MULTI("multipart/mixed; boundary=\"a=?utf-8?B?Yg==?=c\"", "abc"), 10),
	CASE("A10 CTE", CTE("=?us-ascii?B?YmFzZTY0?="), 10),
	CASE(
	    "A11 sections", MULTI("multipart/mixed; boundary*1=cd; boundary*0=ab", "abcd"), 11),
	CASE("A11 as they stand",
	    MULTI("multipart/mixed; boundary*1=cd; boundary*0=ab", "cdab"), 11),
	CASE("A11 percent", MULTI("multipart/mixed; boundary*=us-ascii'en'a%62c", "abc"), 11),
	CASE("A11 beside a plain one",
	    MULTI("multipart/mixed; boundary=zz; boundary*=''abc", "abc"), 11),
	CASE("A11 plain one wins", MULTI("multipart/mixed; boundary*=''abc; boundary=zz", "zz"),
	    0),
	CASE("A11 doubled section",
	    MULTI("multipart/mixed; boundary*0=a; boundary*0=b; boundary*1=c", "bc"), 11),
	CASE("A12 comma", MULTI("multipart/mixed, boundary=yy", "yy"), 12),
	CASE("A12 no semicolon", MULTI("multipart/mixed boundary=yy", "yy"), 12),
	CASE("A12 quote never closed", MULTI("multipart/mixed; boundary=\"yy", "yy"), 0),
	CASE("A12 quote in the middle", MULTI("multipart/mixed; boundary=y\"y\"", "yy"), 0),
	CASE("A12 single quotes", MULTI("multipart/mixed; boundary='yy'", "yy"), 12),
	CASE("A12 hidden in quotes",
	    MULTI("multipart/mixed; name=\"a; boundary=yy; b\"; boundary=zz", "yy"), 12),
	CASE("A12 semicolon in quotes", MULTI("multipart/mixed; boundary=\"y;y\"", "y;y"), 0),
	CASE("A12 semicolon ends", MULTI("multipart/mixed; boundary=\"y;y\"", "y"), 12),
	CASE("A12 escaped", MULTI("multipart/mixed; boundary=\"y\\y\"", "yy"), 0),
	CASE("A12 escape kept", MULTI("multipart/mixed; boundary=\"y\\y\"", "y\\y"), 12),
	CASE("A13 no subtype", MULTI("multipart; boundary=yy", "yy"), 13),
	CASE("A13 experimental", MULTI("x-multipart/mixed; boundary=yy", "yy"), 13),
	CASE("A13 text with boundary", MULTI("text/plain; boundary=yy", "yy"), 13),
	CASE("A14 no boundary", MULTI("multipart/mixed", "yy"), 14),
	CASE("A14 never used", MULTI("multipart/mixed; boundary=other", "yy"), 14),
	CASE("A14 empty", MULTI("multipart/mixed; boundary=\"\"", ""), 0),
	CASE("A15 first", MULTI("multipart/mixed; boundary=a1; boundary=b2", "a1"), 15),
	CASE("A15 last", MULTI("multipart/mixed; boundary=a1; boundary=b2", "b2"), 15),
	CASE("A16 leading blank", MULTI("multipart/mixed; boundary=\" yy\"", "yy"), 16),
	CASE("A16 first word", MULTI("multipart/mixed; boundary=\"y z\"", "y"), 16),
	CASE("A16 padding", MULTI("multipart/mixed; boundary=yy", "yy \t "), 0),
	CASE("A17 equal",
	    MULTI("multipart/mixed; boundary=yy", "yy\r\n" NESTED("yy", FILE) "--yy"), 0),
	CASE("A17 prefix",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" NESTED(
		"yy", NESTED("y-", FILE)) "--y--\r\n",
	    0),
	CASE("A17 inner is outer's close",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" NESTED(
		"y--", FILE) "--y--\r\n",
	    0),
	CASE("A17 stray",
	    TOP "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n" NESTED(
		"i", TEXT) "--o\r\nContent-Type: text/plain\r\n\r\nwords\r\n--i\r\n" FILE
			   "--o--\r\n",
	    17),
	CASE("A17 outer inside inner",
	    TOP "Content-Type: multipart/mixed; boundary=\"##+\"\r\n\r\n--##+\r\n"
		"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n" FILE_HEAD
		"--##+\r\n" B64 "--i--\r\n"
		"--##+--\r\n",
	    0),
	CASE("A18 indented",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" TEXT "  --y\r\n" FILE
		"--y--\r\n",
	    18),
	CASE("A18 bare CR",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" TEXT "t\r--y\r" FILE
		"--y--\r\n",
	    18),
	CASE("A18 NUL",
	    TOP "Content-Type: multipart/mixed; boundary=yz\r\n\r\n--yz\r\n" TEXT
		"--y\0z\r\n" FILE "--yz--\r\n",
	    18),
	CASE("A19 120 characters",
	    MULTI("multipart/mixed; boundary=\"" SIXTY SIXTY "\"", SIXTY SIXTY), 0),
	CASE("A19 cut at 70",
	    MULTI("multipart/mixed; boundary=\"" SIXTY SIXTY "\"", SIXTY "zzzzzzzzzz"), 0),
	CASE("A19 only a dash", MULTI("multipart/mixed; boundary=\"-\"", "-"), 0),
	CASE("A20 part behind the close",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" TEXT
		"--y--\r\n--y\r\n" FILE "--y--\r\n",
	    20),
	CASE("A20 broken close",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" TEXT
		"--y--x\r\n" FILE "--y--\r\n",
	    20),
	CASE("A20 no close",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" FILE, 0),
	CASE("A20 header in the epilogue",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" TEXT
		"--y--\r\n" FILE,
	    0),
	CASE("A21 tree in the preamble",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\n--q\r\n" FILE
		"--q--\r\n--y\r\n" TEXT "--y--\r\n",
	    21),
	CASE("A22 encoded multipart",
	    PART("Content-Type: multipart/mixed; boundary=ii\r\nContent-Transfer-Encoding: "
		 "base64\r\n",
		"LS1paQ0KQ29udGVudC1UcmFuc2Zlci1FbmNvZGluZzogYmFzZTY0DQoNClZHaGxJR1pwYkdVZ2FHbG"
		"taR1Z1\r\n"
		"SUdKNUlIUm9hWE1nZEdWemRDQm9ZWE1nTkRnZ1lubDBaWE1nYVc0Z1lXeHMNCi0taWktLQ0K\r\n"),
	    22),
	CASE("A22 label only",
	    PART("Content-Transfer-Encoding: base64\r\n" NESTED("ii", FILE), ""), 0),
	CASE("A23 digest",
	    TOP "Content-Type: multipart/digest; boundary=y\r\n\r\n--y\r\n\r\nFrom: a\r\n" FILE
		"--y--\r\n",
	    0),
	CASE("A24 message in base64",
	    PART("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n",
		"RnJvbTogYUBiDQpUbzogY0BkDQpTdWJqZWN0OiB4DQpDb250ZW50LVRyYW5zZmVyLUVuY29kaW5nOi"
		"BiYXNl\r\n"
		"NjQNCg0KVkdobElHWnBiR1VnYUdsa1pHVnVJR0o1SUhSb2FYTWdkR1Z6ZENCb1lYTWdORGdnWW5sMF"
		"pYTWdh\r\n"
		"VzRnWVd4cw0K\r\n"),
	    0),
	CASE("A24 labelled, not encoded",
	    PART("Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n",
		TOP FILE),
	    0),
	CASE("A24 looks like a mail",
	    PART("Content-Type: application/octet-stream\r\n", TOP FILE), 0),
	CASE("A24 blank lines first",
	    PART("Content-Type: message/rfc822\r\n", "\r\n\r\n" TOP FILE), 0),
	CASE("A25 one of one",
	    TOP "Content-Type: MESSAGE/Partial; ID=x; Number=1; Total=1\r\n\r\n" FILE, 0),
	CASE("A26 phantom body",
	    PART("Content-Type: message/external-body; access-type=x\r\n", FILE), 26),
	CASE("A28 junk",
	    PART("Content-Transfer-Encoding: base64\r\n",
		"VGhl~IGZp~bGUg~aGlk~ZGVu~IGJ5~IHRo~aXMg~dGVz"
		"~dCBo~YXMg~NDgg~Ynl0~ZXMg~aW4g~YWxs\r\n"),
	    0),
	CASE("A29 padding inside", PART("Content-Transfer-Encoding: base64\r\n", PADDED), 29),
	CASE("A29 and A02",
	    PART("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n",
		PADDED),
	    29),
	CASE("A31 blanks",
	    PART("Content-Transfer-Encoding: base64\r\n",
		"VGhlIGZp bGUg\taGlkZGVuIGJ5IHRo\r\n\r\naXMgdGVz"
		"dCBoYXMgNDggYnl0ZXMg\raW4gYWxs\r\n"),
	    0),
	CASE("A32 shifted by a line",
	    PART("Content-Transfer-Encoding: base64\r\n", "AB\r\n" B64), 32),
	CASE("A32 text around",
	    PART("Content-Transfer-Encoding: base64\r\n",
		"Hello all.\r\n\r\n" B64 "\r\nBye, all of you.\r\n"),
	    0),
	CASE("A33 soft breaks",
	    PART("Content-Transfer-Encoding: quoted-printable\r\n", QP "=\r\n"), 0),
	CASE("A34 first of a list", CTE("base64, 7bit"), 34),
	CASE("A34 last of a list", CTE("7bit base64"), 34),
	CASE("A34 quoted", CTE("\"base64\""), 34),
	CASE("A34 semicolon", CTE(";base64"), 34),
	CASE("A34 similar", CTE("x-base-64"), 34),
	CASE("A35 no label", PART("Content-Disposition: attachment\r\n", B64), 35),
	CASE("A35 in text", PART("Content-Type: text/plain\r\n", B64), 0),
	CASE("A35 twice",
	    PART("Content-Transfer-Encoding: base64\r\n",
		"VkdobElHWnBiR1VnYUdsa1pHVnVJR0o1SUhSb2FYTWdkR1Z6ZENCb1lYTWdORGdnWW5sMFpYTWdhVz"
		"RnWVd4cw==\r\n"),
	    0),
	CASE(
	    "A35 not encoded", PART("Content-Transfer-Encoding: base64\r\n", HIDDEN "\r\n"), 0),
	CASE("A35 QP under base64", PART("Content-Transfer-Encoding: base64\r\n", QP "=\r\n"),
	    0),
	CASE("A36 uuencode",
	    PART("Content-Transfer-Encoding: x-uuencode\r\n",
		"begin 644 a\r\n" UU "`\r\nend\r\n"),
	    0),
	CASE("A36 no begin", PART("Content-Transfer-Encoding: x-uue\r\n", UU), 0),
	CASE("A36 in the preamble",
	    TOP "Content-Type: multipart/mixed; boundary=y\r\n\r\nbegin 644 a\r\n" UU
		"`\r\nend\r\n--y\r\n" TEXT "--y--\r\n",
	    0),
	CASE("A47 mbox line", "From x Mon\r\n" MULTI("multipart/mixed; boundary=y", "y"), 0),
	CASE("A47 mark", "\xef\xbb\xbf" MULTI("multipart/mixed; boundary=y", "y"), 0),
	CASE("A47 blank lines", "\r\n\r\n" MULTI("multipart/mixed; boundary=y", "y"), 0),
	CASE("A47 only CR",
	    "From: a\rMIME-Version: 1.0\rContent-Type: multipart/mixed; boundary=y\r\r--y\r"
	    "Content-Transfer-Encoding: "
	    "base64\r\rVGhlIGZpbGUgaGlkZGVuIGJ5IHRoaXMgdGVzdCBoYXMgNDggYnl0ZXMgaW4gYWxs\r--y--"
	    "\r",
	    47),
	CASE("two tricks: A01 and A34",
	    TOP "Content-Type: text/plain\r\nContent-Type: multipart/mixed; "
		"boundary=y\r\n\r\n--y\r\n"
		"Content-Transfer-Encoding: base64;x\r\n\r\n" B64 "--y--\r\n",
	    34),
	CASE("two tricks: A10 and A29",
	    MULTI("multipart/mixed; boundary=\"=?utf-8?Q?q?=\"",
		"q\r\nContent-Transfer-Encoding:"
		" base64\r\n\r\n" PADDED "--q"),
	    29),
	CASE("three tricks: A05, A09, A11",
	    MULTI("multipart/mixed; (c) boundary*1=\x01"
		  "b; boundary*0*=''%61",
		"ab"),
	    0),
};

static const struct view_case clean_cases[] = {
	CASE("text", TOP "\r\nHello.\r\n", 0),
	CASE("alternative",
	    TOP "Content-Type: multipart/alternative; boundary=\"=_x\"\r\n\r\nThis is "
		"MIME.\r\n--=_x\r\n" TEXT
		"--=_x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: "
		"quoted-printable\r\n\r\n<p>a=3Db</p>\r\n--=_x--\r\n",
	    0),
	CASE("legal comment",
	    TOP "Content-Type: multipart/mixed (mixed); boundary=x\r\n\r\n--x\r\n" TEXT
		"--x--\r\n",
	    0),
	CASE("forwarded", TOP "Content-Type: message/rfc822\r\n\r\n" TOP TEXT, 0),
	CASE("two dispositions",
	    PART("Content-Disposition: inline\r\nContent-Disposition: inline\r\n", "words\r\n"),
	    0),
	CASE("8-bit label", PART("Content-Transfer-Encoding: 8-bit\r\n", "words\r\n"), 0),
	CASE("list footer",
	    TOP "Content-Transfer-Encoding: base64\r\n\r\n"
		"SGVsbG8gYWxsIG9mIHlvdQ==\r\n"
		"_______\r\nlist mailing list\r\nlist@example.org\r\n",
	    0),
	CASE("signature", TOP "\r\nHello.\r\n-- \r\nAlice\r\n", 0),
	CASE("continued name",
	    PART("Content-Disposition: attachment; filename*0=\"very-\"; "
		 "filename*1=\"long.txt\"\r\n",
		"x\r\n"),
	    0),
	CASE(
	    "no close", TOP "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" TEXT, 0),
};

static uint64_t
classes_high(uint64_t classes)
{
	uint64_t high = 0;

	for (unsigned n = 1; n <= AMBIGUITY_MAX; n++) {
		if ((classes & AMBIGUITY_BIT(n)) != 0 && ambiguity_get_severity(n) == 'H')
			high |= AMBIGUITY_BIT(n);
	}
	return high;
}

static void
test_views(void **state)
{
	struct mime_bench b;
	unsigned failed = 0;

	(void)state;
	mime_bench_init(&b);
	b.marker = SLICE_LIT(HIDDEN);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct view_case *c = &cases[i];

		mime_bench_run(&b, slice_of(c->mail, c->len));
		if (b.marked == 0) {
			print_error("%s: not found\n", c->name);
			failed++;
		} else if (c->number != 0 && (b.ambiguities & AMBIGUITY_BIT(c->number)) == 0) {
			print_error("%s: found, but not flagged (%#llx, notes %#llx)\n",
			    c->name, (unsigned long long)b.ambiguities,
			    (unsigned long long)b.notes);
			failed++;
		}
	}
	mime_bench_done(&b);
	assert_int_equal(failed, 0);
}

static void
test_clean(void **state)
{
	struct mime_bench b;

	(void)state;
	mime_bench_init(&b);
	b.marker = SLICE_LIT(HIDDEN);
	for (size_t i = 0; i < ARRAY_LEN(clean_cases); i++) {
		mime_bench_run(&b, slice_of(clean_cases[i].mail, clean_cases[i].len));
		if (b.ambiguities != 0 || b.facts != 0)
			print_error("%s: %#llx facts %#llx\n", clean_cases[i].name,
			    (unsigned long long)b.ambiguities, (unsigned long long)b.facts);
		assert_int_equal(b.ambiguities, 0);
		assert_int_equal(b.facts, 0);
		assert_int_equal(b.marked, 0);
	}
	mime_bench_done(&b);
}

/* An ordinary mail takes one reading: no class, no note, not one object too many. */
static void
test_ordinary_is_one_reading(void **state)
{
	struct mime_bench b;
	struct slice mail = SLICE_LIT(MULTI("multipart/mixed; boundary=\"x\"", "x"));

	(void)state;
	mime_bench_init(&b);
	mime_bench_run(&b, mail);
	assert_int_equal(decompose_get_object_count(b.d), 3);
	assert_int_equal(b.ambiguities | b.notes, 0);
	assert_int_equal(classes_high(b.ambiguities), 0);
	assert_int_equal(
	    decompose_get_budget(b.d)->left_entity_readings, b.limits.entity_readings - 3);
	mime_bench_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_ordinary_is_one_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
