/* inspect_request.c: encoding of inspect_request.h. */
#include "scan/inspect_request.h"

#include <errno.h>

#include "proc/wire.h"

int
inspect_request_encode(const struct inspect_request *q, struct buf *b)
{
	int r = wire_put_u64(b, q->job) | wire_put_u32(b, q->flags) | wire_put_u32(b, q->roles);

	r |= wire_put_u32(b, q->input_id) | wire_put_u64(b, q->input_size);
	r |= wire_put_u64(b, q->input_len) | wire_put_u32(b, q->hold_id);
	r |= wire_put_u64(b, q->hold_size) | wire_put_u32(b, q->known_id);
	r |= wire_put_u64(b, q->known_size) | wire_put_u32(b, q->epoch);
	r |= wire_put_u64(b, q->max_object) | wire_put_slice(b, q->name);
	return r < 0 ? -ENOBUFS : 0;
}

bool
inspect_request_decode(struct slice body, struct inspect_request *ret_request)
{
	struct wire_reader r = wire_read(body);
	struct inspect_request q = { 0 };

	q.job = wire_get_u64(&r);
	q.flags = wire_get_u32(&r);
	q.roles = wire_get_u32(&r);
	q.input_id = wire_get_u32(&r);
	q.input_size = wire_get_u64(&r);
	q.input_len = wire_get_u64(&r);
	q.hold_id = wire_get_u32(&r);
	q.hold_size = wire_get_u64(&r);
	q.known_id = wire_get_u32(&r);
	q.known_size = wire_get_u64(&r);
	q.epoch = wire_get_u32(&r);
	q.max_object = wire_get_u64(&r);
	q.name = wire_get_slice(&r);
	if (!wire_is_done(&r) || q.input_len > q.input_size)
		return false;
	*ret_request = q;
	return true;
}
