/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of sd_notify(3) to whoever listens at an address, and what their errors mean. */
#ifndef PRIMARY_NOTIFY_SOCKET_H
#define PRIMARY_NOTIFY_SOCKET_H

#include <stdbool.h>

/* `path` is a file's, or behind an @ in the kernel's name space. A descriptor or -errno. */
int notify_connect(const char *path);
/* One datagram, with a descriptor if `fd` is >= 0. Never waits. 0 or -errno. */
int notify_send(int socket, const char *text, int fd);

/* Of a send: later it may work. */
bool notify_is_full(int error);
/* Nobody will read it any more. Every other error is of the datagram. */
bool notify_is_gone(int error);

#endif
