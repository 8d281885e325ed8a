/* test_config.c: every mistake and its message, values, defaults, dumps; the option table
 * against the causes that the policy must know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/config_private.h"
#include "config/config_table.h"
#include "config/config_text.h"
#include "config/config_value.h"
#include "decompose/budget.h"

#define LISTENER "listener in { address = \"unix:/run/x.sock\" }\n"

/* want: the whole of the messages, with "f:" in front of each line; "" for none at all. */
static const struct {
	const char *name, *in, *want;
	bool accepted;
} cases[] = {
	{ "good", LISTENER "inspectors = 3\n", "", true },
	{ "nothing", "",
	    "f:1: warning: no listener, expected a section such as listener inbound { address "
	    "= "
	    "\"unix:/run/cordon/milter.sock\" }; cordond has nothing to do unless systemd "
	    "hands it "
	    "a socket\n",
	    true },
	{ "unknown option", LISTENER "\ninspektors = 3\n",
	    "f:3: unknown option \"inspektors\" outside of sections, expected perhaps "
	    "\"inspectors\"\n",
	    false },
	{ "unknown option in a section", LISTENER "policy {\n\tunscaned = \"reject\"\n}\n",
	    "f:3: unknown option \"unscaned\" in section policy, expected perhaps "
	    "\"unscanned\"\n",
	    false },
	{ "option of another section", LISTENER "policy {\n\tdepth = 3 }\n",
	    "f:3: unknown option \"depth\" in section policy, expected it in section limits\n",
	    false },
	{ "unknown, nothing like it", LISTENER "zzzzzzzzzz = 1\n",
	    "f:2: unknown option \"zzzzzzzzzz\" outside of sections, expected one of "
	    "cordon.conf(5)\n",
	    false },
	{ "unknown section with a title",
	    LISTENER "icap foo {\n a = 1\n b = { \"x\" }\n}\n"
		     "inspectors = 9999\n",
	    "f:2: unknown option \"icap\" outside of sections, expected one of cordon.conf(5)\n"
	    "f:6: inspectors: \"9999\" is out of range, expected a whole number from 0 to 1024 "
	    "(processes)\n",
	    false },
	{ "misspelt section", LISTENER "polcy { infected = reject }\n",
	    "f:2: unknown option \"polcy\" outside of sections, expected perhaps \"policy\"\n",
	    false },
	{ "several mistakes in one run",
	    LISTENER "inspectors = many\nfoo = {1, 2}\nlimits { depth = 0\n output_bytes = 1Q\n"
		     "bar = \"x }\" }\nlog_format = xml\n",
	    "f:2: inspectors: \"many\" is not a number, expected a whole number from 0 to 1024 "
	    "(processes)\n"
	    "f:3: unknown option \"foo\" outside of sections, expected one of cordon.conf(5)\n"
	    "f:4: limits.depth: \"0\" is out of range, expected a whole number from 1 to 1000 "
	    "(levels)\n"
	    "f:5: limits.output_bytes: \"1Q\" is not a size, expected a size from 64K to 1T, "
	    "such "
	    "as 64K, 100M or 1G\n"
	    "f:6: unknown option \"bar\" in section limits, expected one of cordon.conf(5)\n"
	    "f:7: log_format: \"xml\" is not known, expected text or json\n",
	    false },
	{ "number below nothing", LISTENER "inspectors = -1\n",
	    "f:2: inspectors: \"-1\" is not a number, expected a whole number from 0 to 1024 "
	    "(processes)\n",
	    false },
	{ "number with a tail", LISTENER "inspectors = 3x\n",
	    "f:2: inspectors: \"3x\" is not a number, expected a whole number from 0 to 1024 "
	    "(processes)\n",
	    false },
	{ "number beyond 64 bits", LISTENER "inspectors = 99999999999999999999999\n",
	    "f:2: inspectors: \"99999999999999999999999\" is out of range, expected a whole "
	    "number "
	    "from 0 to 1024 (processes)\n",
	    false },
	{ "size that overflows", LISTENER "memory_budget = 99999999999T\n",
	    "f:2: memory_budget: \"99999999999T\" is not a size, expected a size from 1M to "
	    "1T, "
	    "such as 64K, 100M or 1G\n",
	    false },
	{ "truth", LISTENER "clamav { enabled = maybe }\n",
	    "f:2: clamav.enabled: \"maybe\" is neither true nor false, expected true or "
	    "false\n",
	    false },
	{ "mode", LISTENER "control_mode = \"rw\"\n",
	    "f:2: control_mode: \"rw\" is not a mode, expected three octal digits, such as "
	    "0660\n",
	    false },
	{ "mode with setuid", LISTENER "control_mode = \"4755\"\n",
	    "f:2: control_mode: \"4755\" is not a mode, expected three octal digits, such as "
	    "0660\n",
	    false },
	{ "action", LISTENER "policy { infected = \"rejekt\" }\n",
	    "f:2: policy.infected: \"rejekt\" is not known (did you mean \"reject\"?), "
	    "expected "
	    "accept, reject, tempfail, hold or discard\n",
	    false },
	{ "empty action", LISTENER "policy { infected = \"\" }\n",
	    "f:2: policy.infected: \"\" is not known, expected accept, reject, tempfail, hold "
	    "or "
	    "discard\n",
	    false },
	{ "relative path", LISTENER "control_socket = \"control.sock\"\n",
	    "f:2: control_socket: \"control.sock\" is not absolute, expected a path that "
	    "begins "
	    "with /\n",
	    false },
	{ "log", LISTENER "log = \"stdout\"\n",
	    "f:2: log: \"stdout\" is no place for a log, expected stderr, syslog or the path "
	    "of a "
	    "file\n",
	    false },
	{ "unreadable file",
	    LISTENER "signatures {\n files = {\"/\",\n \"/nonexistent/sigs\"} }\n",
	    "f:4: signatures.files: \"/nonexistent/sigs\" cannot be read: No such file or "
	    "directory, expected the path of a file or folder that can be read\n",
	    false },
	{ "unknown user", LISTENER "user = \"no-such-user-here\"\n",
	    "f:2: warning: user: \"no-such-user-here\" is no user of this system, expected the "
	    "name "
	    "of a user\n",
	    true },
	{ "address without kind", "listener a { address = \"127.0.0.1:25\" }\n",
	    "f:1: listener.address: \"127.0.0.1:25\" is no address, expected unix:/path, "
	    "inet:HOST:PORT or inet6:[ADDRESS]:PORT\n",
	    false },
	{ "port", "listener a { address = \"inet:127.0.0.1:99999\" }\n",
	    "f:1: listener.address: \"inet:127.0.0.1:99999\" is no address, expected "
	    "inet:HOST:PORT "
	    "with an IPv4 address or a name, and a port from 1 to 65535\n",
	    false },
	{ "address that is no IPv4", "listener a { address = \"inet:1.2.3.400:25\" }\n",
	    "f:1: listener.address: \"inet:1.2.3.400:25\" is no address, expected "
	    "inet:HOST:PORT "
	    "with an IPv4 address or a name, and a port from 1 to 65535\n",
	    false },
	{ "inet6 without brackets", "listener a { address = \"inet6:::1:25\" }\n",
	    "f:1: listener.address: \"inet6:::1:25\" is no address, expected "
	    "inet6:[ADDRESS]:PORT "
	    "with an IPv6 address, and a port from 1 to 65535\n",
	    false },
	{ "server", LISTENER "clamd m { servers = {\"tcp:a:1\", \"clamd:1\"} }\n",
	    "f:2: clamd.servers: \"clamd:1\" is no address, expected unix:/path, tcp:HOST:PORT "
	    "or "
	    "tcp:[ADDRESS]:PORT\n",
	    false },
	{ "listener without address", "listener a {\n protocol = milter\n}\n",
	    "f:3: listener a has no address, expected address = ...\n", false },
	{ "smtp without next hop", "listener a { protocol = smtp address = \"unix:/x\" }\n",
	    "f:1: listener a has no next_hop, expected next_hop = \"inet:HOST:PORT\"\n", false },
	{ "smtp to itself",
	    "listener a { protocol = lmtp address = \"unix:/x\" next_hop = \"unix:/x\" }\n",
	    "f:1: listener a is its own next_hop, expected another address\n", false },
	{ "TLS without certificate",
	    "listener a { protocol = smtp address = \"unix:/x\" next_hop = \"unix:/y\"\n"
	    "tls_required = true }\n",
	    "f:2: listener a has tls_required, expected tls_certificate too\n", false },
	{ "network", "listener a { address = \"unix:/x\" trusted = {\"10.0.0.0/33\"} }\n",
	    "f:1: listener.trusted: \"10.0.0.0/33\" is no network, expected an address, or a network "
	    "such as 192.0.2.0/24\n", false },
	{ "action of a listener", "listener a { address = \"unix:/x\" infected = \"drop\" }\n",
	    "f:1: listener.infected: \"drop\" is no action, expected accept, reject, tempfail, "
	    "discard or hold\n", false },
	{ "empty listener", "listener a {\n}\n",
	    "f:2: listener a has no address, expected address = ...\n", false },
	{ "clamd without servers", LISTENER "clamd a { timeout_ms = 10 }\n",
	    "f:2: clamd a has no servers, expected servers = ...\n", false },
	{ "listener without name", "\nlistener { address = \"unix:/x\" }\n",
	    "f:2: missing title for section 'listener', expected a name: listener NAME { ... "
	    "}, "
	    "clamd NAME { ... }\n",
	    false },
	{ "section with a name", LISTENER "policy x { }\n",
	    "f:2: missing opening brace for section 'policy', expected { (and a name before it "
	    "only "
	    "for listener and clamd)\n",
	    false },
	{ "same name twice", LISTENER "listener in {\n address = \"unix:/run/y.sock\"\n}\n",
	    "f:4: a second listener with the name in, expected another name\n", false },
	{ "same name, empty, another between",
	    LISTENER "listener b { address = \"unix:/y\" }\n\nlistener in {\n}\n",
	    "f:5: a second listener with the name in, expected another name\n"
	    "f:5: listener in has no address, expected address = ...\n",
	    false },
	{ "bad name", "listener \"a b\" { address = \"unix:/run/y.sock\" }\n",
	    "f:1: listener \"a b\" has a bad name, expected letters, digits, dots, hyphens and "
	    "underscores, at most 64\n",
	    false },
	{ "same address twice", LISTENER "listener b { address = \"unix:/run/x.sock\" }\n",
	    "f:2: listener b has the address of listener in, expected an address of its own\n",
	    false },
	{ "same address as the control socket",
	    "control_socket = \"/run/c\"\nlistener b { address = \"unix:/run/c\" }\n",
	    "f:2: listener b has the address of control_socket, expected an address of its "
	    "own\n",
	    false },
	{ "option twice", LISTENER "inspectors = 3\ninspectors = 4\n",
	    "f:3: warning: inspectors was given in line 2 already; this one counts\n", true },
	{ "same option in two listeners is not twice",
	    LISTENER "listener b { address = \"unix:/run/b.sock\" }\n", "", true },
	{ "section twice", LISTENER "limits { depth = 3 }\nlimits { ratio = 9 }\n",
	    "f:3: warning: section limits was given in line 2 already; both count\n", true },
	{ "no scanner", LISTENER "clamav { enabled = false }\nsignatures { eicar = false }\n",
	    "f:3: no scanner at all, expected clamav, a clamd section, or signatures with "
	    "files, "
	    "blocklists or eicar\n",
	    false },
	{ "only the test signature", LISTENER "clamav { enabled = no }\n",
	    "f:2: warning: no scanner but the EICAR test signature, expected clamav, a clamd "
	    "section, or signatures with files or blocklists\n",
	    true },
	{ "mail larger than memory", LISTENER "max_message_size = 2G\n",
	    "f:2: max_message_size is above memory_budget, expected it to be no more\n",
	    false },
	{ "held above memory", LISTENER "limits { memory = 64M\n held_bytes = 100M }\n",
	    "f:3: limits.held_bytes is above limits.memory, expected it to be no more\n",
	    false },
	{ "longer than the MTA waits", LISTENER "message_timeout_ms = 300000\n",
	    "f:2: warning: message_timeout_ms is as long as the MTA waits, expected less than "
	    "300000 (Postfix: milter_content_timeout)\n",
	    true },
	{ "accepting the infected", LISTENER "policy { infected = accept }\n",
	    "f:2: warning: infected mail is accepted, expected reject, hold, discard or "
	    "tempfail\n",
	    true },
	{ "reply without code", LISTENER "policy { reply_infected = \"go away\" }\n",
	    "f:2: policy.reply_infected: \"go away\" does not begin with an enhanced status "
	    "code, "
	    "expected a status code and a text: 5.7.1 Message refused\n",
	    false },
	{ "reply with an unknown name",
	    LISTENER "policy { reply_infected = \"5.7.1 {virus}\" }\n",
	    "f:2: policy.reply_infected: \"5.7.1 {virus}\" has \"{virus}\", expected printable "
	    "ASCII and these in braces: names id host\n",
	    false },
	{ "reply of two lines", LISTENER "policy { reply_infected = \"5.7.1 a\n250 ok\" }\n",
	    "f:3: policy.reply_infected: \"5.7.1 a?250 ok\" has a control character, expected "
	    "text "
	    "on one line\n",
	    false },
	{ "header name", LISTENER "policy { header_name = \"X Virus\" }\n",
	    "f:2: policy.header_name: \"X Virus\" is no header name, expected a header name, "
	    "such "
	    "as X-Virus-Scanned\n",
	    false },
	{ "the two headers", LISTENER "policy { header_name = \"x-virus-unscanned\" }\n",
	    "f:2: header_name and header_unscanned_name are the same, expected two names\n",
	    false },
	{ "host name", LISTENER "policy { hostname = \"a b\" }\n",
	    "f:2: policy.hostname: \"a b\" is no host name, expected a name such as "
	    "mx.example.com\n",
	    false },
	{ "list for a single value", LISTENER "user = {\"a\", \"b\"}\n",
	    "f:2: unexpected token '{', expected NAME = VALUE, NAME = {VALUE, VALUE} or NAME { "
	    "... "
	    "}\n",
	    false },
	{ "no value", LISTENER "inspectors =\n}\n",
	    "f:3: unexpected token '}', expected NAME = VALUE, NAME = {VALUE, VALUE} or NAME { "
	    "... "
	    "}\n",
	    false },
	{ "no equal sign", LISTENER "inspectors 3\n",
	    "f:2: missing equal sign after option 'inspectors', expected NAME = VALUE\n",
	    false },
	{ "section left open", LISTENER "policy {\n infected = \"reject\"\n",
	    "f:2: brace is never closed, expected }\n", false },
	{ "brace too many", LISTENER "}\n",
	    "f:2: unexpected closing brace, expected an option or a section\n", false },
	{ "text left open", LISTENER "\nuser = \"abc\n\n",
	    "f:3: text is never closed, expected a quote\n", false },
	{ "comment left open", LISTENER "/* here\nuser = \"\"\n",
	    "f:2: comment is never closed, expected */\n", false },
	{ "stray byte", LISTENER "inspectors = * 3\n",
	    "f:2: '*' outside of quotes, expected \"...\" around a value\n"
	    "f:2: unknown option \"3\" outside of sections, expected one of cordon.conf(5)\n"
	    "f:2: inspectors: \"?\" is not a number, expected a whole number from 0 to 1024 "
	    "(processes)\n",
	    false },
	{ "environment", LISTENER "user = \"${HOME}\"\n",
	    "f:2: ${ in a text, expected none: environment variables are not put in\n"
	    "f:2: warning: user: \"?{HOME}\" is no user of this system, expected the name of a "
	    "user\n",
	    false },
	{ "escape", LISTENER "control_socket = \"/a\\0b\"\n",
	    "f:2: unknown escape in a text, expected \\\\ or \\\"\n", false },
	{ "path into a section", LISTENER "\"limits|depth\" = 3\n",
	    "f:2: depth stands outside of its section, expected it inside\n", false },
	{ "comments of all kinds, lines counted",
	    "# a\n// b\n/* c\n * d */ " LISTENER
	    "signatures { files = { # e\n \"/\" /* f */ } }\n"
	    "inspectors = x # g\n",
	    "f:7: inspectors: \"x\" is not a number, expected a whole number from 0 to 1024 "
	    "(processes)\n",
	    false },
	{ "DOS line ends", "inspectors = 3\r\n" LISTENER, "", true },
};

static void
test_messages(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_done) struct buf messages = { .max = 1u << 20 };
		CLEANUP(config_unref)
		struct config *c =
		    config_parse_text("f", slice_of_str(cases[i].in), true, &messages);

		if (strcmp(buf_get_str(&messages), cases[i].want) == 0 &&
		    (c != NULL) == cases[i].accepted)
			continue;
		print_error("case '%s': accepted is %d\n got: %s\nwant: %s", cases[i].name,
		    c != NULL, buf_get_str(&messages), cases[i].want);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* Whoever only has the text, in a cage perhaps, must not fail over what the system has. */
static void
test_parse_looks_nothing_up(void **state)
{
	CLEANUP(buf_done) struct buf messages = { .max = 1u << 20 };
	CLEANUP(config_unref)
	struct config *c = config_parse("f",
	    SLICE_LIT(LISTENER
		"user = \"no-such-user-here\" signatures { files = {\"/nonexistent/sigs\"} }"),
	    &messages);

	(void)state;
	assert_non_null(c);
	assert_string_equal(buf_get_str(&messages), "");
}

static struct config *
parse_good(const char *text)
{
	CLEANUP(buf_done) struct buf messages = { .max = 1u << 20 };
	struct config *c = config_parse("f", slice_of_str(text), &messages);

	if (c == NULL)
		fail_msg("%s", buf_get_str(&messages));
	return c;
}

static void
test_values(void **state)
{
	CLEANUP(buf_done) struct buf protocols = { .max = 1024 };
	CLEANUP(config_unref)
	struct config *c = parse_good(
	    "user = \"\"  max_message_size = 64M  log_format = json control_mode = 600\n"
	    "listener a { address = \"unix:/run/a\" mode = \"0600\" }\n"
	    "listener b { address = \"inet6:[::1]:10025\" }\n"
	    "listener c { address = \"inet:localhost:10026\" group = \"root\" }\n"
	    "limits { depth = 7 held_bytes = 1234567 }\n"
	    "signatures { files = {\"/\", \"/tmp\"} files += {\"/usr\"} eicar = off }\n"
	    "clamd x { servers = \"unix:/c\" transfer = instream connections = 3 }\n"
	    "clamd y { servers = {'tcp:10.0.0.1:3310', \"tcp:[::1]:3310\"} }\n"
	    "policy { unscanned = reject  unscanned_timeout = hold  header_value = \"a "
	    "\\\"b\\\"\" }");

	(void)state;
	assert_string_equal(c->user, "");
	assert_true(c->max_message_size == 64u << 20);
	assert_int_equal(c->log_format, CONFIG_LOG_JSON);
	assert_int_equal(c->control_mode, 0600);
	assert_int_equal(c->listener_count, 3);
	assert_string_equal(c->listeners[0].name, "a");
	assert_int_equal(c->listeners[0].mode, 0600);
	assert_int_equal(c->listeners[1].mode, 0660);
	assert_string_equal(c->listeners[1].address, "inet6:[::1]:10025");
	assert_string_equal(c->listeners[2].group, "root");
	assert_int_equal(c->listeners[2].line, 4);
	assert_int_equal(c->listeners[2].protocol, CONFIG_PROTOCOL_MILTER);
	for (int i = CONFIG_PROTOCOL_MILTER; i <= CONFIG_PROTOCOL_COURIER; i++)
		(void)buf_printf(&protocols, "%s%s", i == 0 ? "" : " ", config_protocol_get_name(i));
	assert_string_equal(
	    buf_get_str(&protocols), config_rows[CONFIG_ROW_listener_protocol].choices);
	assert_int_equal(c->limits.depth, 7);
	assert_int_equal(c->limits.mime_depth, 100);
	assert_int_equal(c->limits.held_bytes, 1234567);
	assert_int_equal(c->signatures.files.count, 3);
	assert_string_equal(c->signatures.files.items[2], "/usr");
	assert_false(c->signatures.eicar);
	assert_int_equal(c->clamd_count, 2);
	assert_string_equal(c->clamds[0].servers.items[0], "unix:/c");
	assert_int_equal(c->clamds[0].transfer, CONFIG_TRANSFER_INSTREAM);
	assert_int_equal(c->clamds[0].connections, 3);
	assert_int_equal(c->clamds[1].servers.count, 2);
	assert_int_equal(c->clamds[1].timeout_ms, 30000);
	assert_string_equal(c->policy.header_value, "a \"b\"");
	assert_int_equal(c->policy.unscanned_timeout, ACTION_HOLD);
	assert_int_equal(c->policy.unscanned_down, ACTION_REJECT); /* as unscanned */
	assert_int_equal(config_get_unscanned_action(c, "timeout"), ACTION_HOLD);
	assert_int_equal(config_get_unscanned_action(c, "corrupt"), ACTION_REJECT);
	assert_int_equal(config_get_unscanned_action(c, "encrypted"), ACTION_ACCEPT);
	assert_int_equal(config_get_unscanned_action(c, "of a later version"), ACTION_REJECT);
	assert_string_equal(c->path, "f");
}

/* The defaults that other stages and the documents promise. */
static void
test_defaults(void **state)
{
	CLEANUP(config_unref) struct config *c = config_new_default();

	(void)state;
	assert_string_equal(c->user, "cordon");
	assert_true(c->memory_budget == 1u << 30);
	assert_int_equal(c->small_mail_share, 34);
	assert_int_equal(c->limits.depth, 20);
	assert_true(c->limits.output_bytes == 512u << 20);
	assert_true(c->clamav.enabled && c->signatures.eicar && c->policy.remove_forged);
	assert_int_equal(c->listener_count, 0);
	assert_int_equal(c->policy.infected, ACTION_REJECT);
	assert_int_equal(c->policy.unscanned_encrypted, ACTION_ACCEPT);
	for (size_t i = 0; i < c->cause_action_count; i++)
		if (strcmp(c->cause_actions[i].cause_name, "encrypted") != 0)
			assert_int_equal(c->cause_actions[i].action, ACTION_TEMPFAIL);
	assert_int_equal((enum action)0, ACTION_TEMPFAIL); /* zeroed memory passes no mail */
}

/* What the decomposer takes without a configuration is what an empty configuration says. */
static void
test_limits_agree(void **state)
{
	CLEANUP(config_unref) struct config *c = config_new_default();
	struct limits l = limits_get_default();

	(void)state;
	assert_int_equal(c->limits.depth, l.depth);
	assert_int_equal(c->limits.mime_depth, l.mime_depth);
	assert_int_equal(c->limits.objects, l.objects);
	assert_int_equal(c->limits.output_bytes, l.output_bytes);
	assert_int_equal(c->limits.held_bytes, l.held_bytes);
	assert_int_equal(c->limits.ratio, l.ratio);
	assert_int_equal(c->limits.ratio_floor, l.ratio_floor_bytes);
	assert_int_equal(c->limits.cpu_ms, l.cpu_ms);
	assert_int_equal(c->limits.entity_readings, l.entity_readings);
	assert_int_equal(c->archives.helper_ms, l.helper_ms);
	assert_int_equal(c->archives.helper_runs, l.helper_runs);
	assert_int_equal(c->archives.seven_zip_passwords, l.helper_passwords);
}

static void
test_every_cause_has_an_option(void **state)
{
	static const char *const causes[] = {
#define CAUSE(enumerator, text) text,
#include "decompose/cause.def"
#undef CAUSE
	};
	CLEANUP(config_unref) struct config *c = config_new_default();
	size_t known = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
		char name[100];

		if (strcmp(causes[i], "none") == 0)
			continue;
		snprintf(name, sizeof(name), "unscanned_%s", causes[i]);
		if (config_row_find(CONFIG_SECTION_policy, name) == NULL)
			fail_msg("no option policy.%s", name);
		known++;
	}
	assert_int_equal(c->cause_action_count, known);
}

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
		const struct config_row *row = &config_rows[i];
		bool number = row->type == CONFIG_UINT || row->type == CONFIG_SIZE;

		if (row->doc == NULL || strlen(row->doc) < 20 ||
		    row->doc[strlen(row->doc) - 1] != '.')
			fail_msg("%s has no text that is a sentence", row->name);
		if (row->since == NULL || row->def == NULL)
			fail_msg("%s has no .since or .def", row->name);
		if (number != (row->min != NULL && row->max != NULL && row->unit != NULL))
			fail_msg("%s: .min .max .unit belong to numbers", row->name);
		if ((row->type == CONFIG_CHOICE) != (row->choices != NULL))
			fail_msg("%s: .choices belong to CHOICE", row->name);
		for (size_t j = 0; j < i; j++)
			if (config_rows[j].section == row->section)
				assert_string_not_equal(config_rows[j].name, row->name);
	}
	for (size_t i = 1; i < CONFIG_SECTION_COUNT; i++)
		assert_true(strlen(config_sections[i].doc) > 20);
}

/* Whatever is dumped reads back to the same dump. */
static void
check_dump(const struct config *c)
{
	CLEANUP(buf_done) struct buf first = { .max = 1u << 20 };
	CLEANUP(buf_done) struct buf second = { .max = 1u << 20 };
	CLEANUP(config_unref) struct config *again = NULL;

	assert_int_equal(config_format(c, &first), 0);
	again = parse_good(buf_get_str(&first));
	assert_int_equal(config_format(again, &second), 0);
	assert_string_equal(buf_get_str(&first), buf_get_str(&second));
}

static void
test_dumps(void **state)
{
	CLEANUP(config_unref) struct config *def = config_new_default();
	CLEANUP(config_unref)
	struct config *c = parse_good("work_dir = \"/a \\\\ \\\" b\"  large_mail_size = 1025  "
				      "policy { unscanned_down = hold }\n"
				      "signatures { files = {\"/\", \"/usr\"} }\n"
				      "listener a { address = \"unix:/a\" } listener b { "
				      "address = \"unix:/b\" mode = 0600 }\n"
				      "clamd x { servers = {\"unix:/c\"} }");
	CLEANUP(config_unref) struct config *documented = NULL;
	CLEANUP(buf_done) struct buf text = { .max = 1u << 20 };
	CLEANUP(buf_done) struct buf plain = { .max = 1u << 20 };
	CLEANUP(buf_done) struct buf again = { .max = 1u << 20 };

	(void)state;
	check_dump(def);
	check_dump(c);
	assert_int_equal(config_format_defaults(&text), 0);
	documented = parse_good(buf_get_str(&text));
	assert_int_equal(config_format(def, &plain), 0);
	assert_int_equal(config_format(documented, &again), 0);
	assert_string_equal(buf_get_str(&plain), buf_get_str(&again));
	for (size_t i = 0; i < text.len; i++)
		assert_true(text.data[i] != '`');
}

static void
test_scdoc_names_every_option(void **state)
{
	CLEANUP(buf_done) struct buf text = { .max = 1u << 20 };
	CLEANUP(buf_done) struct buf small = { .max = 100 };

	(void)state;
	assert_int_equal(config_format_scdoc(&text), 0);
	for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
		CLEANUP(buf_done) struct buf want = { .max = 200 };

		buf_append_byte(&want, '*');
		for (const char *p = config_rows[i].name; *p != '\0'; p++)
			buf_printf(&want, "%s%c", *p == '_' ? "\\" : "", *p);
		buf_append_str(&want, "* = ");
		if (slice_find(buf_get(&text), buf_get(&want), 0) == SIZE_MAX)
			fail_msg("no text about %s", config_rows[i].name);
	}
	assert_true(config_format_scdoc(&small) < 0);
}

static void
test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
		bool good;
	} sizes[] = {
		{ "0", 0, true },
		{ "1", 1, true },
		{ "64K", 65536, true },
		{ "64k", 65536, true },
		{ "3M", 3145728, true },
		{ "1T", UINT64_C(1) << 40, true },
		{ "", 0, false },
		{ "K", 0, false },
		{ "1KB", 0, false },
		{ "-1", 0, false },
		{ " 1", 0, false },
		{ "1.5M", 0, false },
		{ "18446744073709551615", UINT64_MAX, true },
		{ "18446744073709551616", 0, false },
		{ "18014398509481984K", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t got = 0;

		assert_int_equal(
		    config_size_parse(slice_of_str(sizes[i].text), &got), sizes[i].good);
		if (sizes[i].good)
			assert_true(got == sizes[i].want);
	}
}

static void
test_references(void **state)
{
	struct config *a = config_new_default(), *b = config_ref(a), *none = NULL;

	(void)state;
	config_unref(&a);
	assert_null(a);
	assert_string_equal(b->user, "cordon");
	config_unref(&b);
	config_unref(&none);
}

static void
test_load(void **state)
{
	char path[] = "/tmp/cordon-test-config-XXXXXX";
	int fd = mkstemp(path);
	static const char text[] = LISTENER "inspectors = 2\n";
	CLEANUP(buf_done) struct buf messages = { .max = 1u << 20 };
	CLEANUP(config_unref) struct config *c = NULL;
	struct err e = { 0 };

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	c = config_load(path, &messages, &e);
	assert_non_null(c);
	assert_int_equal(c->inspectors, 2);
	assert_string_equal(c->path, path);
	assert_int_equal(pwrite(fd, "x", 1, sizeof(text) - 3), 1);
	assert_null(config_load(path, &messages, &e));
	assert_non_null(
	    strstr(buf_get_str(&messages), ":2: inspectors: \"x\" is not a number"));
	assert_non_null(strstr(e.text, "has mistakes"));
	close(fd);
	unlink(path);
	assert_null(config_load(path, &messages, &e));
	assert_non_null(strstr(e.text, "No such file or directory"));
	assert_null(config_load("/", &messages, &e));
	assert_non_null(strstr(e.text, "Is a directory"));
}

/* More mistakes than are kept, more text than is taken, NUL bytes. */
static void
test_bounds(void **state)
{
	CLEANUP(buf_done) struct buf text = { .max = 4u << 20 };
	CLEANUP(buf_done) struct buf messages = { .max = 1u << 20 };
	static const char nul[] = "inspectors = 1\0 2\nuser = \"a\0b\"\n";

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		buf_printf(&text, "unknown%u = 1\n", i);
	assert_null(config_parse("f", buf_get(&text), &messages));
	assert_non_null(strstr(buf_get_str(&messages), "f:100: unknown option"));
	assert_non_null(strstr(buf_get_str(&messages), "more than 100 mistakes"));
	buf_clear(&messages);
	buf_clear(&text);
	while (text.len < 2u << 20)
		buf_append_str(&text, "# comment\n");
	assert_null(config_parse("f", buf_get(&text), &messages));
	assert_non_null(strstr(buf_get_str(&messages), "too long"));
	buf_clear(&messages);
	assert_null(config_parse("f", slice_of(nul, sizeof(nul) - 1), &messages));
	assert_non_null(strstr(buf_get_str(&messages), "f:1: byte 0x00"));
	assert_non_null(strstr(buf_get_str(&messages), "f:2: byte 0x00"));
}

/* The example that is installed must be a configuration without mistakes, apart from files and
 * users that are made by the installation. */
static void
test_example(void **state)
{
	const char *source = getenv("CORDON_SOURCE");
	CLEANUP(buf_done) struct buf messages = { .max = 1u << 20 };
	CLEANUP(config_unref) struct config *c = NULL;
	char path[4096];
	struct err e;

	(void)state;
	if (source == NULL) {
		print_message("SKIP test_example: CORDON_SOURCE is not set\n");
		skip();
	}
	snprintf(path, sizeof(path), "%s/etc/cordon.conf", source);
	c = config_load(path, &messages, &e);
	if (c == NULL)
		fail_msg("%s\n%s", e.text, buf_get_str(&messages));
	assert_int_equal(c->listener_count, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_parse_looks_nothing_up),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_limits_agree),
		cmocka_unit_test(test_every_cause_has_an_option),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_dumps),
		cmocka_unit_test(test_scdoc_names_every_option),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
