/* test_html.c: files in pages: data: links in every spelling, scripts, wide charsets; and pages
 * that hide nothing. */
#include "test_decode_helper.h"

#include "decompose/html_opener.h"

static const char secret[] =
    "This is what the page hides, and it is longer than forty letters.";
#define SECRET_B64                                                                             \
	"VGhpcyBpcyB3aGF0IHRoZSBwYWdlIGhpZGVzLCBhbmQgaXQgaXMgbG9uZ2VyIHRoYW4g"                 \
	"Zm9ydHkgbGV0dGVycy4="
#define B64_A "VGhpcyBpcyB3aGF0IHRoZSBwYWdlIGhp"
#define B64_B "ZGVzLCBhbmQgaXQgaXMgbG9uZ2VyIHRoYW4gZm9ydHkgbGV0dGVycy4="

static struct taken *
page_run(const char *page)
{
	return taken_run(slice_of_str(page), ROLE_LEAF, "page.html");
}

static const struct {
	const char *name, *page;
} hiding[] = {
	{ "iframe",
	    "<html><iframe src=\"data:application/zip;base64," SECRET_B64 "\"></iframe>" },
	{ "single quotes", "<a href='data:;base64," SECRET_B64 "'>x</a>" },
	{ "no quotes", "<a href=data:text/plain;base64," SECRET_B64 ">x</a> more text here" },
	{ "style", "<style>b{background:url(data:image/png;base64," SECRET_B64 ")}</style>" },
	{ "capitals", "<a href=\"DaTa:text/plain;BASE64," SECRET_B64 "\">" },
	{ "blanks in the header", "<a href=\"data:text/plain; base64 ," SECRET_B64 "\">" },
	{ "line ends in the scheme",
	    "<a href=\"d\na\tt\r\na:text/plain;base64," SECRET_B64 "\">" },
	{ "line ends in the data", "<a href=\"data:x/y;base64," B64_A "\r\n  " B64_B "\">" },
	{ "references in the scheme",
	    "<a href=\"&#100;&#x61;ta&colon;x/y;base64," SECRET_B64 "\">" },
	{ "references with zeros",
	    "<a href=\"&#0000000000100;ata:x/y;base64," SECRET_B64 "\">" },
	{ "references in the data",
	    "<a href=\"data:x/y;base64,&#x56;Ghpc&#121;BpcyB3aGF0IHRoZSBwYWdlIGh"
	    "p" B64_B "\">" },
	{ "reference as comma", "<a href=\"data:x/y&semi;base64&comma;" SECRET_B64 "\">" },
	{ "srcdoc",
	    "<iframe srcdoc=\"&lt;a href=&quot;data:x/y;base64," SECRET_B64 "&quot;&gt;\">" },
	{ "per cent signs in base64",
	    "<a href=\"data:x/y;base64,%56Ghpcy%42pcyB3aGF0IHRoZSBwYWdlIGhp" B64_B "\">" },
	{ "per cent signs",
	    "<a href=\"data:text/plain,This%20is what the page hides%2C and it is "
	    "longer than forty letters%2e\">" },
	{ "joined in a script",
	    "<script>x = \"data:x/y;base64,\" + '" B64_A "'\n + \"" B64_B "\";</script>" },
	{ "escapes in a script",
	    "<script>x='data:x\\/y;base64,\\x56Ghpcy\\u0042pcyB3aGF0IHRoZSBwYWdlIGhp" B64_B
	    "';</script>" },
	{ "atob", "<script>f(atob('" SECRET_B64 "'))</script>" },
	{ "atob, joined", "<script>var a=atob('VGhpcyBpcyB3aGF0'+'IHRoZSBwYWdlIGhp' + \"" B64_B
			  "\");</script>" },
	{ "atob, a list", "<script>atob(['VGhpcyBpcyB3aGF0','IHRoZSBwYWdlIGhp','" B64_B
			  "'].join(''))</script>" },
	{ "atob behind an apostrophe",
	    "<p>Don't look</p><script>atob(\"" SECRET_B64 "\")</script>" },
	{ "atob behind a comment", "<script>//'\n'x'\natob('" SECRET_B64 "')</script>" },
	{ "svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>atob(`" SECRET_B64
		 "`)</script></svg>" },
	{ "nested page",
	    "<iframe src=\"data:text/html,%3Ciframe src='data:x/y;base64," SECRET_B64
	    "'%3E\">" },
	{ "unclosed quote before",
	    "<p title='data:text/plain,oops><a href=\"data:x/y;base64," SECRET_B64 "\">" },
	{ "quote swallowing",
	    "<p>'data:text/plain,oops <a href=\"data:x/y;base64," SECRET_B64 "\"> it's</p>" },
	{ "references twice",
	    "<iframe srcdoc=\"&lt;a href='&amp;#100;ata:x/y;base64," SECRET_B64 "'&gt;\">" },
	{ "strings in variables", "<script>var a='" B64_A "';\nvar b = 'short'; var c=\"" B64_B
				  "\"; f(atob(a+c))</script>" },
	{ "utf-7 by name",
	    "<meta charset=UTF-7>+ACAAPABh- href=+ACI-data:x/y;base64," SECRET_B64
	    "+ACIAPg-x" },
	{ "utf-7", "<html>+ADw-a href=+ACI-data:x/y;base64," SECRET_B64 "+ACIAPg-x" },
};

static void
test_hiding(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hiding); i++) {
		struct taken *t = page_run(hiding[i].page);

		if (taken_find_str(t, secret) == NULL)
			fail_msg("not found: %s", hiding[i].name);
		taken_free(&t);
	}
}

static void
test_byte_array(void **state)
{
	CLEANUP(taken_free)
	struct taken *t = page_run(
	    "<script>var b = new Uint8Array([0x54, 104,105,"
	    "115, 32 "
	    ",105,115,32,97,32,108,105,115,116,32,111,102,32,98,121,116,101,115]);</script>");
	CLEANUP(taken_free)
	struct taken *u = page_run("<script>s=String.fromCharCode(84,104,105,115,32,"
				   "105,115,32,97,32,108,105,115,116);</"
				   "script><script>fromCharCode(65,66,67,68,69,70,71,72,"
				   "73,74,75,76,77,78,79,80)");

	(void)state;
	assert_non_null(taken_find_str(t, "This is a list of bytes"));
	assert_null(taken_find_str(u, "This is a list"));
	assert_non_null(taken_find_str(u, "ABCDEFGHIJKLMNOP"));
}

static void
test_hex_and_reversed(void **state)
{
	CLEANUP(taken_free)
	struct taken *t = page_run("<script>h='4142434445464748494a4b4c4d4e4f50"
				   "5152535455565758595a';new Blob(f(h))</script>");
	CLEANUP(taken_free)
	struct taken *u = page_run("<script>atob('=4ycyVGd0VGbgkHdy9mZg4WYoRHIyV2Zu9Gb"
				   "gMXagQXagQmbhBCLzVGZphGIldWYwBSZoRHI0FGa3BycpBycphGV'."
				   "split('').reverse().join(''))"
				   "</script>");

	(void)state;
	assert_non_null(taken_find_str(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
	assert_non_null(taken_find_str(u, secret));
}

static void
test_escaped_page(void **state)
{
	CLEANUP(taken_free)
	struct taken *t =
	    page_run("<script>document.write(unescape('%3C%61%20%68%72"
		     "%65%66%3D%64%61%74%61%3Ax/y;base64," SECRET_B64 "'))</script>");

	(void)state;
	assert_non_null(taken_find_str(t, secret));
}

/* The same page in charsets whose characters are wider than a byte, with and without a mark. */
static void
test_wide(void **state)
{
	static const struct {
		unsigned width;
		bool big, mark;
	} kinds[] = {
		{ 2, false, true },
		{ 2, true, true },
		{ 2, false, false },
		{ 2, true, false },
		{ 4, false, true },
		{ 4, true, true },
		{ 4, false, false },
	};
	static const char page[] =
	    "<html><a href=\"data:x/y;base64," SECRET_B64 "\">x</a></html>";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		CLEANUP(taken_free) struct taken *t = NULL;
		CLEANUP(buf_done) struct buf b;
		unsigned w = kinds[i].width;

		buf_init(&b, 4096);
		for (size_t k = 0; k < sizeof(page) - 1 + kinds[i].mark; k++) {
			uint32_t c = kinds[i].mark ? k == 0 ? 0xfeff : (uint8_t)page[k - 1]
						   : (uint8_t)page[k];

			for (unsigned n = 0; n < w; n++)
				buf_append_byte(
				    &b, (uint8_t)(c >> 8 * (kinds[i].big ? w - 1 - n : n)));
		}
		t = taken_run(buf_get(&b), ROLE_LEAF, "page.html");
		if (taken_find_str(t, secret) == NULL)
			fail_msg("not found in kind %zu", i);
	}
}

static void
test_smuggling_fact(void **state)
{
	static const struct {
		const char *page;
		bool smuggles;
	} cases[] = {
		{ "<script>var b=new Blob([atob('" SECRET_B64 "')]);a.download='x'</script>",
		    true },
		{ "<a download=\"x.zip\" href=\"data:application/zip;base64," SECRET_B64
		  "\">x</a>",
		    true },
		{ "<img src=\"data:image/png;base64," SECRET_B64
		  "\"><a download=x href=/y>z</a>",
		    false },
		{ "<img src=\"data:image/png;base64," SECRET_B64 "\">", false },
		{ "<script>var b=new Blob(['a']);</script>", false },
		{ "<script>metadata: a, b; x = { data: c, d }; new Blob(['a'])</script>",
		    false },
	};

	(void)state;
	{
		/* a large string in an encoding of its own */
		static char page[3000];
		struct taken *t;

		memset(page, '~', sizeof(page) - 1);
		memcpy(page, "<script>x='", 11);
		memcpy(page + 2000, "';new Blob(f(x))</script>", 25);
		t = page_run(page);
		assert_int_equal(taken_facts(t), FACT_BIT(FACT_HTML_SMUGGLING));
		taken_free(&t);
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct taken *t = page_run(cases[i].page);
		bool fact = (taken_facts(t) & FACT_BIT(FACT_HTML_SMUGGLING)) != 0;

		if (fact != cases[i].smuggles)
			fail_msg("wrong for: %s", cases[i].page);
		assert_int_equal((taken_ambiguities(t) & AMBIGUITY_BIT(45)) != 0, fact);
		taken_free(&t);
	}
}

static void
test_ordinary_pages(void **state)
{
	static const char *const pages[] = {
		"<html><body><p>Hello &amp; welcome &#8217; to it&#39;s page</p></body></html>",
		"<html><style>a:hover{color:red} .metadata: {x}</style><p>data: "
		"none</p></html>",
		"<html><a "
		"href=\"https://example.org/?q=dGhpcyBpcyBub3QgaGlkZGVu\">x</a></html>",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		struct taken *t = page_run(pages[i]);

		assert_int_equal(taken_count(t), 1);
		assert_int_equal(taken_get(t, 1)->ambiguities, 0);
		taken_free(&t);
	}
}

/* Input that invites quadratic work: twice as long may not take much more than twice as long.
 */
static void
test_linear(void **state)
{
	static const char *const pieces[] = {
		"'data:,",
		"data:,x",
		"(data:;base64,A",
		"\"data:x/y,'data:x/y,",
		"'AAAA'+",
		"[1,2,",
		"&#100;",
		"\\x3c",
		"%3Cunescape",
		"d\na\nt\na\n:",
		"atob('",
		"=ybegin '\"`",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		CLEANUP(buf_done) struct buf b;
		CLEANUP(taken_free) struct taken *t = NULL;

		buf_init(&b, 4 << 20);
		buf_append_str(&b, "<script>atob Blob reverse unescape ");
		while (b.len < 1 << 20)
			buf_append_str(&b, pieces[i]);
		t = taken_run(buf_get(&b), ROLE_LEAF, "page.html");
		assert_int_equal(taken_facts(t) & (FACT_BIT(FACT_LIMIT_CPU)), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hiding),
		cmocka_unit_test(test_byte_array),
		cmocka_unit_test(test_hex_and_reversed),
		cmocka_unit_test(test_escaped_page),
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_smuggling_fact),
		cmocka_unit_test(test_ordinary_pages),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
