/* Differences of texts by lines, and a change taken out of a text that went on changing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "attach/attach_text.h"
#include "base/macros.h"

static const struct {
	const char *name, *old, *new, *want;
} diffs[] = {
	{ "equal", "a\nb\n", "a\nb\n", "" },
	{ "from nothing", "", "a\n", "--- x\n+++ y\n@@ -0,0 +1,1 @@\n+a\n" },
	{ "to nothing", "a\n", "", "--- x\n+++ y\n@@ -1,1 +0,0 @@\n-a\n" },
	{ "one line changed", "a\nb\nc\n", "a\nB\nc\n",
	    "--- x\n+++ y\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n" },
	{ "no newline at the end", "a\nb", "a\nb\nc\n",
	    "--- x\n+++ y\n@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+c\n" },
	{ "context of three lines", "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
	    "1\n2\n3\n4\nx\n5\n6\n7\n8\n9\n",
	    "--- x\n+++ y\n@@ -2,6 +2,7 @@\n 2\n 3\n 4\n+x\n 5\n 6\n 7\n" },
	{ "two hunks", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n1\n2\n3\n4\n5\n6\n7\n8\n9\ny\n",
	    "--- x\n+++ y\n@@ -1,3 +1,4 @@\n+x\n 1\n 2\n 3\n@@ -7,3 +8,4 @@\n 7\n 8\n "
	    "9\n+y\n" },
	{ "near hunks are one", "1\n2\n3\n4\n", "x\n2\n3\ny\n",
	    "--- x\n+++ y\n@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n-4\n+y\n" },
};

static void
test_diff(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(diffs); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);

		assert_non_null(out);
		assert_int_equal(text_diff_print(out, "x", "y", slice_of_str(diffs[i].old),
				     slice_of_str(diffs[i].new)),
		    0);
		assert_int_equal(fclose(out), 0);
		if (strcmp(text, diffs[i].want) != 0)
			fail_msg(
			    "%s: got\n%s\nexpected\n%s", diffs[i].name, text, diffs[i].want);
		free(text);
	}
}

static const struct {
	const char *name, *before, *after, *current, *want;
	size_t line; /* of a conflict */
} undos[] = {
	{ "nothing else changed", "a\nb\n", "a\nX\nb\n", "a\nX\nb\n", "a\nb\n", 0 },
	{ "already gone", "a\nb\n", "a\nX\nb\n", "a\nb\n", "a\nb\n", 0 },
	{ "added above", "a\nb\n", "a\nX\nb\n", "0\na\nX\nb\n", "0\na\nb\n", 0 },
	{ "added right above", "a\nb\n", "a\nX\nb\n", "a\n0\nX\nb\n", "a\n0\nb\n", 0 },
	{ "added right below", "a\nb\n", "a\nX\nb\n", "a\nX\n0\nb\n", "a\n0\nb\n", 0 },
	{ "added at the end", "a\n", "a\nX\n", "a\nX\n0\n", "a\n0\n", 0 },
	{ "removed elsewhere", "a\nb\nc\n", "a\nb\nc\nX\n", "a\nc\nX\n", "a\nc\n", 0 },
	{ "a changed line comes back", "a\nold\nb\n", "a\nnew\nb\n", "a\nnew\nb\n0\n",
	    "a\nold\nb\n0\n", 0 },
	{ "a removed line comes back", "a\nold\nb\n", "a\nb\n", "a\nB\n", "a\nold\nB\n", 0 },
	{ "our line was edited", "a\nb\n", "a\nX\nb\n", "a\nX2\nb\n", NULL, 2 },
	{ "added inside ours", "a\n", "a\nX\nY\n", "a\nX\n0\nY\n", NULL, 3 },
	{ "no newline at the end before", "a", "a\nX\n", "b\na\nX\n", "b\na", 0 },
	{ "empty before", "", "X\n", "X\n0\n", "0\n", 0 },
	{ "two places", "1\n2\n3\n", "1\nX\n2\nY\n3\n", "1\nX\n2\n2b\nY\n3\n4\n",
	    "1\n2\n2b\n3\n4\n", 0 },
};

static void
test_undo(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(undos); i++) {
		struct buf out;
		size_t line = 0;
		int r;

		buf_init(&out, 4096);
		assert_int_equal(buf_append_str(&out, "="), 0);
		r = text_undo(slice_of_str(undos[i].before), slice_of_str(undos[i].after),
		    slice_of_str(undos[i].current), &out, &line);
		if (undos[i].want == NULL) {
			if (r != -EEXIST || line != undos[i].line || out.len != 1)
				fail_msg("%s: returned %d, line %zu", undos[i].name, r, line);
		} else if (r != 0 || strcmp(buf_get_str(&out) + 1, undos[i].want) != 0) {
			fail_msg(
			    "%s: returned %d, got '%s'", undos[i].name, r, buf_get_str(&out));
		}
		buf_done(&out);
	}
}

/* For random texts: what the change added goes, what came otherwise stays. */
static void
test_undo_random(void **state UNUSED)
{
	srandom(1);
	for (int round = 0; round < 3000; round++) {
		struct buf text[5]; /* before, after, current, wanted, result */
		size_t line;
		int r;

		for (size_t i = 0; i < ARRAY_LEN(text); i++)
			buf_init(&text[i], 1 << 16);
		for (int n = (int)(random() % 30); n >= 0; n--) {
			bool ours = random() % 5 == 0, theirs = random() % 5 == 0;
			const char *word = ours ? "ours" : theirs ? "theirs" : "base";

			for (size_t i = 0; i < 4; i++)
				if ((!ours || i == 1 || i == 2) && (ours || !theirs || i >= 2))
					assert_int_equal(
					    buf_printf(&text[i], "%s %d\n", word,
						theirs && !ours ? n + 100 : n),
					    0);
		}
		r = text_undo(
		    buf_get(&text[0]), buf_get(&text[1]), buf_get(&text[2]), &text[4], &line);
		/* A line of theirs between two of ours may be refused, never be lost. */
		if (r == 0)
			assert_true(slice_eq(buf_get(&text[4]), buf_get(&text[3])));
		else
			assert_int_equal(r, -EEXIST);
		for (size_t i = 0; i < ARRAY_LEN(text); i++)
			buf_done(&text[i]);
	}
}

static void
test_too_different(void **state UNUSED)
{
	struct buf a, b;

	buf_init(&a, 1 << 20);
	buf_init(&b, 1 << 20);
	for (int i = 0; i < 4000; i++) {
		assert_int_equal(buf_printf(&a, "a%d\n", i), 0);
		assert_int_equal(buf_printf(&b, "b%d\n", i), 0);
	}
	assert_int_equal(text_diff_print(stdout, "a", "b", buf_get(&a), buf_get(&b)), -EFBIG);
	buf_done(&a);
	buf_done(&b);
}

static void
test_words(void **state UNUSED)
{
	static const char *const want[] = { "inet:1.2.3.4:5",
		"{ unix:/x, default_action=accept }", "b", NULL };
	struct slice rest =
			 SLICE_LIT(" inet:1.2.3.4:5, { unix:/x, default_action=accept }\n\tb "),
		     w;
	size_t i = 0;

	for (; text_next_word(&rest, &w); i++) {
		assert_non_null(want[i]);
		assert_true(slice_eq_str(w, want[i]));
	}
	assert_null(want[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_undo),
		cmocka_unit_test(test_undo_random),
		cmocka_unit_test(test_too_different),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
