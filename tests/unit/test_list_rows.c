/* test_list_rows.c: the rows that `cordon list` prints, from results such as a daemon sends and
 * such as none of ours would send. */
#include "test_common.h"

#include "cmd/explain_tree.c" /* programs are no library */
#define text_of   rows_text_of
#define number_of rows_number_of
#include "cmd/list_rows.c"

#define FILE_ROW                                                                               \
	"{\"id\":1,\"parent\":0,\"trail\":\"\",\"detected\":\"application/zip\",\"size\":99}"

/* rows: "trail size packed method encrypted type why same|..." */
static const struct {
	const char *name, *json, *rows;
	bool whole;
} cases[] = {
	{ "nothing", "{}", "", false },
	{ "the file alone", "{\"objects\":[" FILE_ROW "],\"unscanned\":[]}",
	    " 99 -1  no application/zip |", true },
	{ "members, opened and not",
	    "{\"objects\":[" FILE_ROW ","
	    "{\"id\":2,\"parent\":1,\"trail\":\"a\",\"detected\":\"text/plain\",\"size\":5,"
	    "\"packed\":7,\"method\":\"deflate\",\"facts\":[]},"
	    "{\"id\":3,\"parent\":1,\"trail\":\"b\",\"detected\":\"text/plain\",\"size\":9,"
	    "\"unopened\":true,\"told_size\":4000,\"packed\":9,\"facts\":[\"encrypted\","
	    "\"executable\",\"limit:bytes\"]},"
	    "{\"id\":4,\"parent\":2,\"trail\":\"a > "
	    "c\",\"size\":1,\"facts\":[\"password-found\"]},"
	    "{\"id\":5,\"parent\":1,\"trail\":\"d\",\"size\":0,\"unopened\":true,"
	    "\"facts\":[\"unsupported\"]},"
	    "{\"id\":6,\"parent\":1,\"trail\":\"e\",\"size\":3,\"facts\":[\"encrypted:open\"]}],"
	    "\"unscanned\":[{\"object\":3,\"cause\":\"encrypted\"}]}",
	    " 99 -1  no application/zip |a 5 7 deflate no text/plain |a > c 1 -1  opened  |"
	    "b 4000 9  yes  encrypted, limit:bytes|d -1 -1  no  unsupported|e 3 -1  opened  |",
	    false },
	{ "the same bytes in another place",
	    "{\"objects\":[" FILE_ROW ",{\"id\":2,\"parent\":1,\"trail\":\"a\",\"size\":5,"
	    "\"packed\":7,\"detected\":\"x/y\"}],\"doubles\":[{\"object\":2,\"parent\":1,"
	    "\"trail\":\"b\"},{\"object\":7,\"parent\":1,\"trail\":\"c\"},"
	    "{\"object\":2,\"parent\":9,\"trail\":\"d\"},{},{\"object\":-1,\"parent\":1}],"
	    "\"unscanned\":[]}",
	    " 99 -1  no application/zip |b 5 -1  no x/y  a|a 5 7  no x/y |", true },
	{ "a scanner that is down is not asked",
	    "{\"objects\":[" FILE_ROW "],\"unscanned\":[{\"object\":0,\"cause\":\"error\","
	    "\"scanner\":\"signatures\"}]}",
	    " 99 -1  no application/zip |", true },
	{ "a dead inspector",
	    "{\"objects\":[],\"unscanned\":[{\"object\":0,\"cause\":\"crashed\"}]}", "",
	    false },
	{ "a limit of the whole",
	    "{\"objects\":[" FILE_ROW "],\"unscanned\":[{\"object\":0,\"cause\":\"timeout\"}]}",
	    " 99 -1  no application/zip |", false },
	{ "things that are no objects",
	    "{\"objects\":[3,{\"trail\":4,\"size\":\"5\",\"facts\":7}]}",
	    " -1 -1  no  | -1 -1  no  |", true },
};

static void
test_table(void **state UNUSED)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *result = json_loads(cases[i].json, 0, NULL);
		CLEANUP(buf_done) struct buf got = { .max = 10000 };
		struct list_rows l;

		assert_non_null(result);
		list_rows_init(&l, result);
		for (size_t k = 0; k < l.count; k++) {
			const struct list_row *r = &l.rows[k];

			(void)buf_printf(&got, "%s %lld %lld %s %s %s %s%s%s|", r->trail,
			    (long long)r->size, (long long)r->packed, r->method, r->encrypted,
			    r->type, r->why, r->same_trail == NULL ? "" : " ",
			    r->same_trail == NULL ? "" : r->same_trail);
		}
		if (strcmp(buf_get_str(&got), cases[i].rows) != 0)
			fail_msg("%s: %s", cases[i].name, buf_get_str(&got));
		if (l.whole != cases[i].whole)
			fail_msg("%s: whole", cases[i].name);
		list_rows_done(&l);
		json_decref(result);
	}
}

/* Every fact at once: the text is cut, not written past its end. */
static void
test_every_fact(void **state UNUSED)
{
	json_t *facts = json_array(), *result;
	struct list_rows l;

	for (int f = 0; f < FACT_COUNT; f++)
		if (f != FACT_SUPERSEDED) /* such a row is left out */
			(void)json_array_append_new(facts, json_string(fact_get_text((enum fact)f)));
	result =
	    json_pack("{s:[{s:i,s:i,s:o}]}", "objects", "id", 1, "parent", 0, "facts", facts);
	assert_non_null(result);
	list_rows_init(&l, result);
	assert_int_equal(l.count, 1);
	assert_true(strlen(l.rows[0].why) < LIST_WHY_SIZE);
	assert_non_null(
	    strstr(l.rows[0].why, "encrypted, corrupt, truncated, unsupported, limit:"));
	assert_null(strstr(l.rows[0].why, "macro"));
	list_rows_done(&l);
	json_decref(result);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_fact) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
