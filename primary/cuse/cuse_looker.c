/* SPDX-License-Identifier: Apache-2.0 */
/*
 * It has a descriptor table of its own, and nothing in it but the caller and a socket. It says what
 * it found, in one packet, and ends. If the primary dies, it dies; when the primary becomes another
 * program it is killed before that (cuse_rest). What it says is bounded as if a stranger said it.
 */
#include "cuse_looker.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "foreign.h"
#include "vu_msg.h"

#define REGIONS VU_RAW_REGIONS

struct job {
	const struct cuse_caller *caller;
	struct vu_region *regions;
	uint32_t count;
	int socket;
	pid_t parent;
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

/* calls: sendmsg */
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

/* calls: prctl */
static void look(void *context)
{
	const struct job *job = context;
	struct finding finding = {0};
	int fds[REGIONS];

	(void)prctl(PR_SET_NAME, "holdfastd-look");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != job->parent)
		return; /* it died before that was said */
	finding.error =
		cuse_memory_find(job->caller, job->regions, fds, job->count, &finding.fault);
	for (uint32_t i = 0; i < job->count; i++)
		finding.offsets[i] = job->regions[i].file_offset;
	say(job->socket, &finding, fds, job->count);
}

/* --- who hears --- */

/* calls: socketpair */
int cuse_looker_start(const struct cuse_caller *caller, struct vu_region *regions, uint32_t count,
		      int *ret_pidfd, int *ret_socket)
{
	struct job job = {.caller = caller, .regions = regions, .count = count, .parent = getpid()};
	int ends[2], pidfd;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	job.socket = ends[1];
	pidfd = foreign_start(look, &job, (int[]){caller->pidfd, ends[1]}, 2);
	hf_fd_close(&ends[1]);
	if (pidfd < 0) {
		hf_fd_close(&ends[0]);
		return pidfd;
	}
	*ret_pidfd = pidfd;
	*ret_socket = ends[0];
	return 0;
}

/* False: not all of them came, and none is left open. */
static bool take_descriptors(struct msghdr *msg, int *fds, uint32_t count)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return false;
	if (c->cmsg_len != CMSG_LEN(count * sizeof(int)) || (msg->msg_flags & MSG_CTRUNC)) {
		hf_fd_close_all((int *)(void *)CMSG_DATA(c),
				(c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		return false;
	}
	memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	return true;
}

static int cannot(struct cuse_memory_fault *ret, const char *what)
{
	*ret = (struct cuse_memory_fault){.reason = REFUSED_NO_RESOURCES};
	snprintf(ret->what, sizeof(ret->what), "%s", what);
	return -EPROTO;
}

/* calls: recvmsg */
int cuse_looker_hear(int socket, struct vu_region *regions, int *fds, uint32_t count,
		     struct cuse_memory_fault *ret_fault)
{
	struct finding found = {0};
	union ancillary control;
	struct iovec iov = {.iov_base = &found, .iov_len = sizeof(found)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	bool known, good, taken;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	known = (unsigned int)found.fault.reason < NR_REFUSALS;
	good = n == sizeof(found) && !found.error && known;
	taken = n > 0 && take_descriptors(&msg, fds, good ? count : 0);
	if (n != sizeof(found))
		return cannot(ret_fault, "who looked has ended without a word");
	if (!known)
		return cannot(ret_fault, "who looked says what it cannot");
	*ret_fault = found.fault;
	ret_fault->what[sizeof(ret_fault->what) - 1] = '\0';
	if (found.error)
		return -EPROTO;
	if (!taken)
		return cannot(ret_fault, "no descriptors for the regions");
	for (uint32_t i = 0; i < count; i++)
		regions[i].file_offset = found.offsets[i];
	return 0;
}
