/* ole_package.c: see ole_package.h. */
#include "decompose/ole_package.h"

#include "base/macros.h"
#include "decompose/le_read.h"

#define TEXT_MAX         1024
#define CLASS_MAX        255
#define FORMAT_LINK      1
#define FORMAT_EMBEDDED  2
#define PACKAGE_EMBEDDED 3
#define SIZE_OF_SIZE     4

/* A text that ends in NUL; false when it has none within reach. */
static bool
text_take(struct slice *in, struct slice *ret_text)
{
	size_t end = slice_find_byte(slice_sub(*in, 0, TEXT_MAX), 0, 0);

	if (end == SIZE_MAX)
		return false;
	*ret_text = slice_sub(*in, 0, end);
	*in = slice_from(*in, end + 1);
	return true;
}

/* A text behind its length, NUL counted. */
static bool
text_take_counted(struct slice *in, size_t max, struct slice *ret_text)
{
	size_t len = le32_read(*in, 0);

	if (in->len < 4 || len > max || len > in->len - 4)
		return false;
	*ret_text = slice_sub(*in, 4, len);
	while (ret_text->len > 0 && ret_text->ptr[ret_text->len - 1] == '\0')
		ret_text->len--;
	*in = slice_from(*in, 4 + len);
	return true;
}

static void
name_add(struct ole_package *p, struct slice path)
{
	size_t start = path.len;

	while (start > 0 && path.ptr[start - 1] != '\\' && path.ptr[start - 1] != '/')
		start--;
	path = slice_from(path, start);
	for (size_t i = 0; i < p->name_count; i++) {
		if (slice_eq(p->names[i], path))
			return;
	}
	if (path.len > 0 && p->name_count < OLE_PACKAGE_NAMES)
		p->names[p->name_count++] = path;
}

bool
ole_package_parse(struct slice in, struct ole_package *p)
{
	struct slice label, path, temp;
	size_t size;

	*p = (struct ole_package){ .name_count = 0 };
	if (in.len < 2 || le16_read(in, 0) != 2)
		return false;
	in = slice_from(in, 2);
	if (!text_take(&in, &label) || !text_take(&in, &path) || in.len < 8)
		return false;
	if (le16_read(in, 2) != PACKAGE_EMBEDDED)
		return false;
	in = slice_from(in, 4);
	if (!text_take_counted(&in, TEXT_MAX, &temp) || in.len < SIZE_OF_SIZE)
		return false;
	name_add(p, label);
	name_add(p, path);
	name_add(p, temp);
	size = le32_read(in, 0);
	p->data = slice_sub(in, SIZE_OF_SIZE, size);
	p->cut = p->data.len < size;
	return true;
}

bool
ole_object_parse(struct slice in, struct ole_object *o)
{
	struct slice item;
	uint32_t format = le32_read(in, 4);
	size_t size;

	*o = (struct ole_object){ .link = format == FORMAT_LINK };
	if (in.len < 16 || (format != FORMAT_LINK && format != FORMAT_EMBEDDED))
		return false;
	in = slice_from(in, 8);
	if (!text_take_counted(&in, CLASS_MAX, &o->class_name) ||
	    !text_take_counted(&in, TEXT_MAX, &o->topic) ||
	    !text_take_counted(&in, TEXT_MAX, &item))
		return false;
	if (o->link)
		return true;
	if (in.len < SIZE_OF_SIZE)
		return false;
	size = le32_read(in, 0);
	o->native = slice_sub(in, SIZE_OF_SIZE, size);
	o->cut = o->native.len < size;
	return true;
}
