/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fd.h"
#include "packed_notify.h"
#include "sigbus.h"

/*
 * Not by write(2) of the C library: a thread that is cancelled in it would leave its seat taken,
 * and the write would never end. And put() exchanges the file under a number while it is written
 * to, which the kernel allows and the thread sanitizer's write(2) does not.
 */
static ssize_t write_number(int fd, const uint64_t *number)
{
	return syscall(SYS_write, fd, number, sizeof(*number));
}

/* This thread. Of a child of fork it is wrong until exec, and there only costs it the signal. */
static pid_t self(void)
{
	static __thread pid_t thread;

	if (unlikely(!thread))
		thread = gettid();
	return thread;
}

/* Note who is about to write. NULL: there is no place left. */
static pid_t *take_seat(struct hf_vring *v)
{
	const pid_t thread = self();

	for (size_t i = 0; i < ARRAY_SIZE(v->writers); i++) {
		hf_put_if_none(&v->writers[i], thread);
		if (hf_read_once(&v->writers[i]) == thread)
			return &v->writers[i];
	}
	return NULL;
}

static void write_one(struct hf_vring *v, int fd)
{
	const uint64_t one = 1;
	pid_t *seat = take_seat(v);

	hf_add(&v->writes, 1u);
	/* EAGAIN: the counter is full, so the guest has been called and did not look yet. */
	if (write_number(fd, &one) < 0 && errno != EAGAIN)
		hf_add(&v->write_errors, 1u);
	if (likely(seat))
		hf_store_release(seat, 0);
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

/* Does a write to it have to wait? */
static bool is_full(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return fd >= 0 && poll(&p, 1, 0) == 0;
}

static bool under_way(const struct hf_vring *v)
{
	uint32_t done = hf_load_acquire(&v->writes_done);

	return hf_load_acquire(&v->writes) != done;
}

void hf_notify_silence(struct hf_vring *v)
{
	v->silenced = true;
	hf_write_once(&v->has_call, false);
	hf_write_once(&v->has_err, false);
}

/* True: one of them kept a writer waiting. */
static bool drain_full(struct hf_vring *v)
{
	const int fds[] = {v->call_fd, v->err_fd, v->kept_fd};
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (!is_full(fds[i]))
			continue;
		any = true;
		drain(fds[i]);
	}
	return any;
}

/*
 * Whoever else waits to write there may have been faster than who hangs: end its call by a signal.
 * One that has just ended its write is interrupted in whatever it does by now.
 */
static void interrupt(const struct hf_vring *v)
{
	for (size_t i = 0; i < ARRAY_SIZE(v->writers); i++) {
		pid_t thread = hf_read_once(&v->writers[i]);

		if (thread)
			hf_sigbus_interrupt(thread);
	}
}

bool hf_notify_rescue(struct hf_vring *v)
{
	bool writes = under_way(v), hung = writes && drain_full(v);

	if (hung) {
		hf_notify_silence(v);
		interrupt(v);
	}
	if (!writes)
		hf_fd_close(&v->kept_fd);
	return hung;
}

/* The file under `fd` is about to be another's. */
static void keep(struct hf_vring *v, int fd)
{
	if (!under_way(v))
		return;
	/* There is one already: what waits there waits too long. */
	if (is_full(v->kept_fd)) {
		(void)drain_full(v);
		hf_notify_silence(v);
		return;
	}
	hf_fd_close(&v->kept_fd);
	v->kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int put(struct hf_vring *v, int *place, bool *ret_has, int *fd)
{
	bool has = fd && *fd >= 0;

	if (*place < 0) {
		*place = has ? hf_fd_take(fd) : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (*place < 0)
			return -errno;
	} else if (has) {
		keep(v, *place);
		if (!v->silenced && dup3(*fd, *place, O_CLOEXEC) < 0)
			return -errno;
	}
	hf_write_once(ret_has, has && !v->silenced);
	return 0;
}

int hf_notify_put_call(struct hf_vring *v, int *fd)
{
	return put(v, &v->call_fd, &v->has_call, fd);
}

int hf_notify_put_err(struct hf_vring *v, int *fd)
{
	return put(v, &v->err_fd, &v->has_err, fd);
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
