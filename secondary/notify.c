/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "packed_notify.h"

static void write_one(struct hf_vring *v, int fd)
{
	uint64_t one = 1;

	hf_add(&v->writes, 1u);
	/* EAGAIN: the counter is full, so the guest has been called and did not look yet. */
	if (write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		hf_add(&v->write_errors, 1u);
	hf_add(&v->writes_done, 1u);
}

struct hf_notify_due hf_notify_decide(struct hf_vring *v)
{
	struct hf_notify_due due = {-1, -1};

	if (v->err_due && hf_read_once(&v->has_err))
		due.err = v->err_fd;
	if (v->call_due && hf_read_once(&v->has_call)) {
		due.call = v->call_fd;
		hf_count(v, HF_COUNTER_GUEST_NOTIFICATIONS, 1);
	}
	/* Those of the writes before: the lane may only be written to in a burst. */
	if (unlikely(hf_read_once(&v->write_errors)))
		hf_count(v, HF_COUNTER_GUEST_NOTIFICATIONS_ERROR,
			 hf_exchange(&v->write_errors, 0u));
	v->call_due = v->err_due = false;
	return due;
}

void hf_notify_write(struct hf_vring *v, struct hf_notify_due due)
{
	if (due.err >= 0)
		write_one(v, due.err);
	if (due.call >= 0)
		write_one(v, due.call);
}

/* Empty an eventfd: a writer that waits for room goes on. RWF_NOWAIT whatever its flags are. */
static void drain(int fd)
{
	uint64_t value;
	struct iovec iov = {.iov_base = &value, .iov_len = sizeof(value)};

	if (fd >= 0)
		(void)!preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
}

void hf_notify_rescue(struct hf_vring *v)
{
	uint32_t done = hf_load_acquire(&v->writes_done);
	bool under_way = hf_load_acquire(&v->writes) != done;

	/* As at the last look, and none has ended since: it is in the same write still. */
	if (under_way && v->write_seen && done == v->writes_seen) {
		hf_write_once(&v->has_call, false);
		hf_write_once(&v->has_err, false);
		drain(v->call_fd);
		drain(v->err_fd);
	}
	v->writes_seen = done;
	v->write_seen = under_way;
}

void hf_burst_attend(struct hf_vring *v)
{
	if (v->fresh)
		hf_notify_first_burst(v);
	if (hf_read_once(&v->asked))
		hf_vring_do_asked(v);
}

void hf_notify_first_burst(struct hf_vring *v)
{
	v->fresh = false;
	if (!v->packed) {
		hf_notify_kicks_off(v);
	} else {
		if (v->leftovers)
			hf_packed_repair(v);
		hf_packed_kicks_off(v);
	}
	v->call_due = true;
}
