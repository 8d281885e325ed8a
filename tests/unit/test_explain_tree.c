/* test_explain_tree.c: the tree that `cordon explain` prints: nesting, groups of readings, and
 * lists that no daemon of ours would send. */
#include "test_common.h"

#include "cmd/explain_tree.c" /* programs are no library */

/* order: the depths, in the order of print; groups: part:count, at the first of each. */
static const struct {
	const char *name, *json, *order, *groups;
} cases[] = {
	{ "nothing", "[]", "", "" },
	{ "no list", "{}", "", "" },
	{ "children of the first behind those of the second",
	    "[{\"parent\":0,\"trail\":\"\"},{\"parent\":1,\"trail\":\"1\"},"
	    "{\"parent\":1,\"trail\":\"2\"},{\"parent\":2,\"trail\":\"1 > a\"},"
	    "{\"parent\":3,\"trail\":\"2 > b\"},{\"parent\":4,\"trail\":\"1 > a > c\"}]",
	    "0 1 2 3 1 2", "" },
	{ "readings of one part",
	    "[{\"parent\":0,\"trail\":\"\"},"
	    "{\"parent\":1,\"trail\":\"2 base64 > a.zip\",\"views\":[\"hdr:first\"]},"
	    "{\"parent\":1,\"trail\":\"1\",\"views\":[\"strict\"]},"
	    "{\"parent\":1,\"trail\":\"2 > a.zip\",\"views\":[\"hdr:last\"]},"
	    "{\"parent\":1,\"trail\":\"2.1\",\"views\":[\"hdr:last\"]}]",
	    "0 1 1 1 1", "2:2" },
	{ "of a part of an attached mail, and of another one",
	    "[{\"parent\":0,\"trail\":\"\"},{\"parent\":1,\"trail\":\"1.2\"},"
	    "{\"parent\":2,\"trail\":\"1.2 > 1\",\"views\":[\"a\"]},"
	    "{\"parent\":2,\"trail\":\"1.2 > 1 qp\",\"views\":[\"b\"]},"
	    "{\"parent\":1,\"trail\":\"1\",\"views\":[\"b\"]},"
	    "{\"parent\":2,\"trail\":\"1.2 > 1 8bit\",\"views\":[\"c\"]}]",
	    "0 1 2 2 2 1", "1:3" },
	{ "the same views are no readings",
	    "[{\"parent\":0,\"trail\":\"\"},{\"parent\":1,\"trail\":\"1\",\"views\":[\"a\"]},"
	    "{\"parent\":1,\"trail\":\"1 x\",\"views\":[\"a\"]}]", "0 1 1", "" },
	{ "names are no numbers",
	    "[{\"parent\":0,\"trail\":\"\"},{\"parent\":1,\"trail\":\"a.zip\",\"views\":[\"a\"]},"
	    "{\"parent\":1,\"trail\":\"a.zip\",\"views\":[\"b\"]},"
	    "{\"parent\":1,\"trail\":\"2x\",\"views\":[\"a\"]},"
	    "{\"parent\":1,\"trail\":\"2x\",\"views\":[\"b\"]}]", "0 1 1 1 1", "" },
	{ "parents that are not there, or come later, or are the child itself",
	    "[{\"parent\":7,\"trail\":\"1\"},{\"parent\":2},{\"parent\":-1},{\"parent\":\"1\"},{},3,"
	    "{\"parent\":1,\"trail\":3}]", "0 1 0 0 0 0 0", "" },
};

static void
test_table(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *list = json_loads(cases[i].json, 0, NULL);
		struct explain_tree *t;
		CLEANUP(buf_done) struct buf order = { .max = 1000 };
		CLEANUP(buf_done) struct buf groups = { .max = 1000 };

		assert_non_null(list);
		t = explain_tree_new(list);
		for (const struct explain_node *n = explain_tree_next(t, NULL); n != NULL;
		    n = explain_tree_next(t, n)) {
			struct explain_group g = explain_tree_get_group(t, n);

			(void)buf_printf(&order, "%s%zu", order.len > 0 ? " " : "", n->depth);
			if (g.count > 0 && g.nodes[0] == n)
				(void)buf_printf(&groups, "%s%.*s:%zu", groups.len > 0 ? " " : "",
				    SLICE_FMT(n->part), g.count);
		}
		if (strcmp(buf_get_str(&order), cases[i].order) != 0 ||
		    strcmp(buf_get_str(&groups), cases[i].groups) != 0)
			fail_msg("%s: depths %s, groups %s", cases[i].name, buf_get_str(&order),
			    buf_get_str(&groups));
		explain_tree_free(&t);
		assert_null(t);
		json_decref(list);
	}
}

/* As deep, and as wide, as a mail can make it: no recursion, and no quadratic search. */
static void
test_large(void **state UNUSED)
{
	for (int wide = 0; wide < 2; wide++) {
		json_t *list = json_array();
		struct explain_tree *t;
		size_t count = 0;
		const struct explain_node *n = NULL, *last = NULL;

		for (int i = 0; i < 200000; i++)
			json_array_append_new(list, json_pack("{s:i,s:s,s:[s]}", "parent",
			    wide ? i > 0 : i, "trail", i > 0 && wide ? "1" : "", "views",
			    i % 2 ? "a" : "b"));
		t = explain_tree_new(list);
		while ((n = explain_tree_next(t, n)) != NULL) {
			last = n;
			count++;
		}
		assert_int_equal(count, 200000);
		assert_int_equal(last->depth, wide ? 1 : 199999);
		assert_int_equal(explain_tree_get_group(t, last).count, wide ? 199999 : 0);
		explain_tree_free(&t);
		json_decref(list);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
		cmocka_unit_test(test_large) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
