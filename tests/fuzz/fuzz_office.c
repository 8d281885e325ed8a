/* fuzz_office.c: parts of office packages and flat XML documents; the first byte picks a name. */
#include "fuzz_opener.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "word/_rels/a.xml.rels", "word/document.xml",
		"xl/workbook.bin", "META-INF/manifest.xml", "Basic/Standard/M.xml", "content.xml",
		"a.doc", "a.library-ms" };

	if (len > 0)
		fuzz_open(data + 1, len - 1, names[data[0] % ARRAY_LEN(names)]);
	return 0;
}
