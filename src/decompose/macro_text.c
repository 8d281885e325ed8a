/* macro_text.c: see macro_text.h. Line by line, without a grammar: a macro that hides its words
 * is not found here, and is still a macro. */
#include "decompose/macro_text.h"

#include "base/macros.h"
#include "decompose/decode_sink.h"
#include "decompose/object.h"

static const char *const auto_names[] = { "autoexec", "autoopen", "autoclose", "autonew",
	"autoexit", "auto_open", "auto_close", "auto_exec", "auto_activate", "auto_deactivate",
	"document_open", "document_close", "document_new", "documentopen", "document_beforeclose",
	"documentbeforeclose", "documentchange", "document_contentcontrolonenter",
	"workbook_open", "workbook_activate", "workbook_deactivate", "workbook_close",
	"workbook_beforeclose", "workbook_windowactivate", "worksheet_calculate",
	"app_workbookopen", "app_documentopen", "application_startup", "application_newmailex" };

/* Called by controls on a page: the end of the procedure's name. */
static const char *const auto_endings[] = { "_layout", "_gotfocus", "_painted", "_painting",
	"_resize", "_mouseenter", "_mousemove", "_onconnecting", "_beforenavigate2",
	"_documentcomplete", "_downloadbegin", "_statechange", "_beforescriptexecute" };

static const char *const calls[] = { "shell", "createobject", "getobject", "wscript.shell",
	"shell.application", "urldownloadtofile", "urldownloadtofilea", "urldownloadtofilew",
	"powershell", "shellexecute", "shellexecutea", "createprocess", "createprocessa",
	"virtualalloc", "virtualallocex", "virtualprotect", "writeprocessmemory",
	"rtlmovememory", "createthread", "createremotethread", "winexec", "loadlibrary",
	"xmlhttp", "winhttprequest", "savetofile", "adodb.stream", "callbyname",
	"macscript", "executeexcel4macro", "cmd.exe", "mshta", "regsvr32", "rundll32",
	"certutil", "bitsadmin", "wmic", "winmgmts", "win32_process", "scripting.filesystemobject",
	"environ", "regwrite", "vbcomponents", "sendkeys", "schtasks" };

static const char *const tools[] = { "powershell", "cmd.exe", "cmd", "mshta", "wscript",
	"cscript", "rundll32", "regsvr32", "certutil", "bitsadmin", "wmic", "schtasks", "curl",
	"msiexec", "pwsh", "conhost", "forfiles", "bash", "hh.exe", "installutil" };

static bool
is_letter(uint8_t c)
{
	c = ascii_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The next word: letters, digits and "_", with "." between them. Empty at the end. */
static struct slice
word_next(struct slice line, size_t *at)
{
	size_t start;

	while (*at < line.len && !is_letter(line.ptr[*at]))
		(*at)++;
	start = *at;
	while (*at < line.len && is_letter(line.ptr[*at]))
		(*at)++;
	return slice_sub(line, start, *at - start);
}

static bool
is_listed(struct slice word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ascii_lower(word.ptr[0]) == (uint8_t)list[i][0] &&
		    slice_eq_str_nocase(word, list[i]))
			return true;
	}
	return false;
}

/* The word, or the word with the one behind its dot. */
static bool
is_named(struct slice line, size_t end, struct slice word, const char *const *list,
    size_t count)
{
	struct slice longer = word;

	if (is_listed(word, list, count))
		return true;
	if (end + 1 >= line.len || line.ptr[end] != '.')
		return false;
	end++;
	while (end < line.len && is_letter(line.ptr[end]))
		end++;
	longer.len = (size_t)(line.ptr + end - word.ptr);
	return is_listed(longer, list, count);
}

static bool
is_auto(struct slice name)
{
	if (name.len == 0)
		return false;
	if (is_listed(name, auto_names, ARRAY_LEN(auto_names)))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(auto_endings); i++) {
		if (slice_ends_with_nocase(name, slice_of_str(auto_endings[i])))
			return true;
	}
	return false;
}

/* Without the comment at its end. */
static struct slice
line_strip(struct slice line)
{
	bool quoted = false;

	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == '"')
			quoted = !quoted;
		else if (line.ptr[i] == '\'' && !quoted)
			return slice_trim(slice_sub(line, 0, i));
	}
	return slice_trim(line);
}

static uint64_t
line_judge(struct slice line)
{
	uint64_t facts = FACT_BIT(FACT_MACRO);
	bool procedure = false;
	size_t at = 0;
	struct slice word;

	while ((word = word_next(line, &at)).len > 0) {
		if (procedure && is_auto(word))
			facts |= FACT_BIT(FACT_AUTO_MACRO);
		procedure = slice_eq_str_nocase(word, "sub") ||
		    slice_eq_str_nocase(word, "function");
		if (is_named(line, at, word, calls, ARRAY_LEN(calls)))
			facts |= FACT_BIT(FACT_SUSPICIOUS_CALL);
	}
	return facts;
}

uint64_t
macro_text_judge(struct slice source)
{
	uint64_t facts = 0;
	struct slice line;
	size_t pos = 0;

	while (text_next_line(source, &pos, &line)) {
		line = line_strip(line);
		if (line.len == 0 || slice_starts_with_nocase(line, SLICE_LIT("Attribute ")) ||
		    slice_starts_with_nocase(line, SLICE_LIT("Option ")) ||
		    slice_starts_with_nocase(line, SLICE_LIT("Rem ")))
			continue;
		facts |= line_judge(line);
	}
	return facts;
}

bool
macro_text_is_command(struct slice line)
{
	size_t at = 0;
	struct slice word;

	while ((word = word_next(line, &at)).len > 0) {
		if (is_named(line, at, word, tools, ARRAY_LEN(tools)))
			return true;
	}
	return false;
}
