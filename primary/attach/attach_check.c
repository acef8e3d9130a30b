/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of the attach handshake. What the peer says about itself is worth a name and a wish;
 * who it is, the kernel says.
 */
#include "attach_check.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "layout.h"
#include "process.h"
#include "secondary.h"

#define GLOB_BYTES 128u

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

void attach_refuse(struct attach_refused *refused, int error, enum refusal counter,
		   const char *format, ...)
{
	va_list args;

	refused->error = error;
	refused->counter = counter;
	va_start(args, format);
	vsnprintf(refused->reason, sizeof(refused->reason), format, args);
	va_end(args);
}

static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= HF_SHM_NAME_BYTES)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
	       len;
}

static bool globs_ok(const Holdfast__Attach__Hello *hello)
{
	if (hello->n_ports > SECONDARY_MAX_GLOBS)
		return false;
	for (size_t i = 0; i < hello->n_ports; i++)
		if (!*hello->ports[i] || strlen(hello->ports[i]) >= GLOB_BYTES)
			return false;
	return true;
}

bool attach_hello_ok(const Holdfast__Attach__Hello *hello, struct attach_refused *refused)
{
	if (hello->abi_major != HF_ABI_MAJOR) {
		attach_refuse(
			refused, -EPROTO, REFUSED_ATTACH_VERSION,
			"this primary speaks shared-memory version %u.%u, this secondary %u.%u: "
			"use the library that came with the primary",
			HF_ABI_MAJOR, HF_ABI_MINOR, hello->abi_major, hello->abi_minor);
		return false;
	}
	if (!name_ok(hello->name))
		attach_refuse(refused, -EINVAL, REFUSED_ATTACH_MESSAGE,
			      "not a name: 1 to 63 letters, digits, '.', '_' and '-'");
	else if (hello->role > HOLDFAST__ATTACH__ROLE__OBSERVER)
		attach_refuse(refused, -EINVAL, REFUSED_ATTACH_MESSAGE,
			      "no such role; attach as vswitch, standby or observer");
	else if (!globs_ok(hello))
		attach_refuse(refused, -EINVAL, REFUSED_ATTACH_MESSAGE,
			      "at most %u port patterns of 1 to %u bytes; use wider patterns",
			      SECONDARY_MAX_GLOBS, GLOB_BYTES - 1);
	else
		return true;
	return false;
}

/* calls: poll ppoll */
bool attach_hung_up(int socket)
{
	struct pollfd p = {.fd = socket, .events = POLLRDHUP};

	return poll(&p, 1, 0) < 0 || (p.revents & (POLLHUP | POLLRDHUP | POLLERR));
}

/* Its number was another's when it was met. Ticks of the clock (proc(5)) are rounded down. */
static bool came_later(const struct peer *peer)
{
	long ticks = sysconf(_SC_CLK_TCK);

	return ticks > 0 &&
	       process_start(peer->pid) * (NS_PER_S / (unsigned long)ticks) > peer->met_ns;
}

/*
 * A pidfd of the process that connected. Where the socket cannot tell (before Linux 6.5), by
 * number: the process is the one that connected if somebody still holds its end of the socket after
 * we have its pidfd, and it was there when that was accepted. A child may hold the end, and the
 * number be given away while the newcomer may be silent.
 */
/* calls: getsockopt pidfd_open */
static int open_pidfd(int socket, const struct peer *peer)
{
	int pidfd = -1;
	socklen_t len = sizeof(pidfd);

	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0)
		return pidfd;
	if (errno != ENOPROTOOPT)
		return -errno;
	pidfd = pidfd_open(peer->pid, 0);
	if (pidfd < 0)
		return -errno;
	if (attach_hung_up(socket) || came_later(peer)) {
		hf_fd_close(&pidfd);
		return -ESRCH;
	}
	return pidfd;
}

/* calls: pidfd_send_signal */
int attach_identify(const struct conf *conf, int socket, const struct peer *peer,
		    struct attach_refused *refused)
{
	/* 0: a process of another pid namespace, which has no number here. */
	int pidfd = peer->pid > 0 ? open_pidfd(socket, peer) : -ESRCH;
	bool found = pidfd >= 0;
	int error = found ? 0 : pidfd;

	if (found && pidfd_send_signal(pidfd, 0, NULL, 0) < 0)
		error = -errno;
	if (!error || (found && error == -EPERM && !conf->fence))
		return pidfd;
	hf_fd_close(&pidfd);
	if (found && error == -EPERM)
		attach_refuse(refused, -EACCES, REFUSED_ATTACH_PEER,
			      "the primary may not kill this process, so it could not stop it; run "
			      "it as the primary's user");
	else
		attach_refuse(refused, error, REFUSED_ATTACH_PEER,
			      "the process that connected cannot be watched (%s); attach from a "
			      "process that lives, in the primary's pid namespace",
			      strerrordesc_np(-error));
	return refused->error;
}
