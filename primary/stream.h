/* SPDX-License-Identifier: Apache-2.0 */
/* Local stream sockets, as vhost-user wants them: non-blocking and close-on-exec. */
#ifndef PRIMARY_STREAM_H
#define PRIMARY_STREAM_H

#include <sys/types.h>

/* A local socket is connected at once or not at all. fd or -errno. */
int stream_connect(const char *path);
/* Listen at `path`; a socket file whose process died is replaced. fd; -EADDRINUSE: somebody
 * listens there; -EEXIST: something else is there; -errno. */
int stream_listen(const char *path, mode_t mode);
/* Process at the other end, 0 unknown. */
pid_t stream_peer_pid(int fd);

#endif
