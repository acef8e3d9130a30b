/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The maps of a process are read under the lock of its address space, and a
 * caller can hold that for as long as it likes: it replaces a mapping of a file of FUSE that it has
 * written to, and does not answer as its server. So another process looks, with a table of its own
 * and nothing in it but the caller and a socket. It sends what it found and ends.
 *
 * We wait for it, not longer than LOOK_MS; then it is killed, which ends a wait for that lock. What
 * else it may hang in (close(2) of a file that was exchanged meanwhile) is its own affair: it is
 * counted with those that hang of the port (foreign.h). A caller that takes long pays with a
 * multiple of that time before it is served again, so that it cannot keep the loop busy. And all
 * ports together have a moment at once, and then a third of the time: however many are hostile, the
 * loop comes round between two looks.
 */
#include "cuse_look.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "fd.h"
#include "foreign.h"
#include "port.h"
#include "primary.h"
#include "vu_msg.h"

#define LOOK_MS 5000
/* For its end, when it has said all. */
#define END_MS 200
/* What a caller pays, for each millisecond that the loop stood still. */
#define PRICE 10u
/* Shorter than that is nothing. */
#define LONG_NS (2 * NS_PER_S)
/* All looks together. */
#define AT_ONCE_NS (3 * NS_PER_S)

#define REGIONS VU_RAW_REGIONS

struct job {
	const struct cuse_caller *caller;
	struct vu_region *regions;
	uint32_t count;
	int socket;
};

struct finding {
	int error;
	struct cuse_memory_fault fault;
	uint64_t offsets[REGIONS];
};

union ancillary {
	struct cmsghdr align;
	char room[CMSG_SPACE(REGIONS * sizeof(int))];
};

/* --- who looks --- */

/* calls: sendmsg prctl */
static void say(int socket, struct finding *finding, const int *fds, uint32_t count)
{
	union ancillary control = {0};
	struct iovec iov = {.iov_base = finding, .iov_len = sizeof(*finding)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (!finding->error) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
	}
	(void)sendmsg(socket, &msg, MSG_NOSIGNAL);
}

static void look(void *context)
{
	const struct job *job = context;
	struct finding finding = {0};
	int fds[REGIONS];

	(void)prctl(PR_SET_NAME, "holdfastd-look");
	finding.error =
		cuse_memory_find(job->caller, job->regions, fds, job->count, &finding.fault);
	for (uint32_t i = 0; i < job->count; i++)
		finding.offsets[i] = job->regions[i].file_offset;
	say(job->socket, &finding, fds, job->count);
}

/* --- who waits --- */

/* calls: recvmsg */
/* False: it did not say all. */
static bool hear(int socket, struct finding *ret, int *fds, uint32_t count)
{
	union ancillary control;
	struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	const struct cmsghdr *c;

	if (recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(*ret))
		return false;
	if (ret->error)
		return true;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return false;
	if (c->cmsg_len != CMSG_LEN(count * sizeof(int)) || (msg.msg_flags & MSG_CTRUNC)) {
		/* No room for all of them. */
		hf_fd_close_all((int *)(uintptr_t)CMSG_DATA(c),
				(c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		return false;
	}
	memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	return true;
}

/* calls: poll ppoll */
static bool becomes_ready(int fd, int ms)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	return poll(&one, 1, ms) == 1;
}

static uint64_t price_of(uint64_t since_ns)
{
	return (hf_now_ns() - since_ns) * PRICE;
}

uint64_t cuse_look_wait_ns(const struct primary *primary)
{
	return rate_wait_ns(&primary->looks, 1, AT_ONCE_NS);
}

/* calls: pidfd_send_signal */
/* It has ended, or it is counted with those that hang. */
static void see_it_end(struct port *port, int pidfd, bool said)
{
	if (!said)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	foreign_end(&port->foreign, pidfd, END_MS);
}

static int fault(struct cuse_memory_fault *ret, enum refusal reason, const char *what)
{
	*ret = (struct cuse_memory_fault){.reason = reason};
	snprintf(ret->what, sizeof(ret->what), "%s", what);
	return -EPROTO;
}

static int finish(struct port *port, struct finding *found, bool said, uint64_t since_ns,
		  struct cuse_memory_fault *ret)
{
	rate_spend(&port->primary->looks, 2 * (hf_now_ns() - since_ns));
	if (hf_now_ns() - since_ns > LONG_NS || !said)
		rate_spend(&port->foreigners, price_of(since_ns));
	if (!said)
		return fault(ret, REFUSED_RACED, "maps cannot be read: something holds their lock");
	*ret = found->fault;
	return found->error;
}

/* calls: socketpair */
int cuse_look(struct port *port, const struct cuse_caller *caller, struct vu_region *regions,
	      int *fds, uint32_t count, struct cuse_memory_fault *ret_fault)
{
	struct job job = {.caller = caller, .regions = regions, .count = count};
	struct finding found = {0};
	uint64_t since_ns = hf_now_ns();
	int ends[2], pidfd, error;
	bool said;

	if (foreign_hangs(&port->foreign))
		return fault(ret_fault, REFUSED_FOREIGN_FD, "earlier ones hang");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fault(ret_fault, REFUSED_NO_RESOURCES, strerror(errno));
	job.socket = ends[1];
	pidfd = foreign_start(look, &job, (int[]){caller->pidfd, ends[1]}, 2);
	hf_fd_close(&ends[1]);
	if (pidfd < 0) {
		hf_fd_close(&ends[0]);
		return fault(ret_fault, REFUSED_NO_RESOURCES, strerror(-pidfd));
	}
	said = becomes_ready(ends[0], LOOK_MS) && hear(ends[0], &found, fds, count);
	hf_fd_close(&ends[0]);
	see_it_end(port, pidfd, said);
	error = finish(port, &found, said, since_ns, ret_fault);
	for (uint32_t i = 0; !error && i < count; i++)
		regions[i].file_offset = found.offsets[i];
	return error;
}
