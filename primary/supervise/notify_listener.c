/* SPDX-License-Identifier: Apache-2.0 */
#include "notify_listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fd.h"
#include "log.h"

/* calls before the filter: bind recvmsg setsockopt socket umask unlink unlinkat */

#define TAG "supervisor"

/* Whoever hears of it may be anywhere. */
static int make_path(struct notify_listener *listener, const char *run_dir)
{
	char *dir = realpath(run_dir, NULL);
	int n = dir ? snprintf(listener->path, sizeof(listener->path), "%s/supervisor.sock", dir)
		    : -1;
	int error = dir ? 0 : -errno;

	free(dir);
	if (!error && (n < 0 || (size_t)n >= sizeof(listener->path)))
		error = -ENAMETOOLONG;
	if (error)
		listener->path[0] = '\0';
	return error;
}

int notify_listener_open(struct notify_listener *listener, const char *run_dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int on = 1, error = make_path(listener, run_dir);
	mode_t mask;

	if (error)
		return error;
	memcpy(address.sun_path, listener->path, sizeof(address.sun_path));
	listener->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->socket < 0)
		return -errno;
	(void)unlink(listener->path);
	mask = umask(0177);
	if (bind(listener->socket, (struct sockaddr *)&address, sizeof(address)) < 0)
		error = -errno;
	umask(mask);
	if (!error && setsockopt(listener->socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		error = -errno;
	return error;
}

void notify_listener_close(struct notify_listener *listener)
{
	if (listener->socket >= 0)
		(void)unlink(listener->path);
	hf_fd_close(&listener->socket);
}

static void take(struct msghdr *msg, struct notice *notice)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		struct ucred peer;

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&peer, CMSG_DATA(c), sizeof(peer));
			notice->pid = peer.pid;
		} else if (c->cmsg_type == SCM_RIGHTS && n <= NOTICE_FDS - notice->nr_fds) {
			memcpy(notice->fds + notice->nr_fds, CMSG_DATA(c), n * sizeof(int));
			notice->nr_fds += n;
		}
	}
}

int notify_listener_read(const struct notify_listener *listener, struct notice *ret)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(NOTICE_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = {.iov_base = ret->text, .iov_len = NOTICE_BYTES};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(listener->socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	ret->text[n] = '\0';
	ret->pid = 0;
	ret->nr_fds = 0;
	ret->cut = msg.msg_flags & MSG_TRUNC;
	if (msg.msg_flags & MSG_CTRUNC)
		log_error(TAG,
			  "descriptors of the primary were lost: %s; raise the limit of open "
			  "files",
			  ret->text);
	take(&msg, ret);
	return 0;
}
