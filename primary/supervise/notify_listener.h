/* SPDX-License-Identifier: Apache-2.0 */
/* The socket at which the primary says what is to be kept: $NOTIFY_SOCKET, seen from who listens.
 */
#ifndef PRIMARY_NOTIFY_LISTENER_H
#define PRIMARY_NOTIFY_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

#define NOTICE_BYTES 4096u
#define NOTICE_FDS   253u /* the kernel's bound */

struct notify_listener {
	int socket;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* absolute; "": not made */
};

/* One datagram, and who the kernel says that it is of. */
struct notice {
	pid_t pid; /* 0: not known */
	bool cut;  /* there was more */
	int fds[NOTICE_FDS];
	size_t nr_fds;
	char text[NOTICE_BYTES + 1];
};

/* RUN_DIR/supervisor.sock, for our own user only: strangers could fill its queue. 0 or -errno. */
int notify_listener_open(struct notify_listener *listener, const char *run_dir);
/* The socket, and its file. */
void notify_listener_close(struct notify_listener *listener);
/* 0, its descriptors are the caller's; -EAGAIN: none is there; -errno. */
int notify_listener_read(const struct notify_listener *listener, struct notice *ret);

#endif
