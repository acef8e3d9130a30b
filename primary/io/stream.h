/* SPDX-License-Identifier: Apache-2.0 */
/* Local stream sockets, as vhost-user wants them: non-blocking and close-on-exec. */
#ifndef PRIMARY_STREAM_H
#define PRIMARY_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A local socket is connected at once or not at all. fd or -errno. */
int stream_connect(const char *path);
/* Listen at `path`; a socket file whose process died is replaced. fd; -EADDRINUSE: somebody
 * listens there; -EEXIST: something else is there; -errno. */
int stream_listen(const char *path, mode_t mode);
/* The socket's file is this group's; 0: as it comes. No link is followed. 0 or -errno: -EPERM, we
 * are not in it. */
int stream_give_to(const char *path, gid_t group);
/* The file that a listening socket is bound to: which one it is. 0 or -errno. */
int stream_file(int fd, uint64_t *ret_dev, uint64_t *ret_ino);
/* Does it still listen, at that very file? Not after shutdown(2), nor when the file was removed or
 * replaced: then nobody can reach it. */
bool stream_listens(int fd, uint64_t dev, uint64_t ino);
/* Process at the other end, 0 unknown. */
pid_t stream_peer_pid(int fd);
/* An out-of-band byte is one among the others from now on. Where it is not, it makes the socket
 * readable for ever and is shown to no look, nor are the descriptors that came with it. */
void stream_take_urgent_inline(int fd);
/* Its user when it connected, or listened; -1 unknown. */
uid_t stream_peer_user(int fd);

#endif
