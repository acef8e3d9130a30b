/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "frame.h"

#define BACKLOG 16

/* calls: socket */
static int new_socket(const char *path, struct sockaddr_un *address)
{
	int fd;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

/* calls: connect */
int stream_connect(const char *path)
{
	struct sockaddr_un address;
	int fd = new_socket(path, &address);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		hf_fd_close(&fd);
		return -error;
	}
	return fd;
}

/* calls: bind listen umask */
int stream_listen(const char *path, mode_t mode)
{
	struct sockaddr_un address;
	int error = hf_socket_clear_stale(path, stream_connect), fd;
	mode_t mask;

	if (error)
		return error;
	fd = new_socket(path, &address);
	if (fd < 0)
		return fd;
	/* Never there with a wider mode than asked for, not even for a moment. */
	mask = umask(0777 & ~mode);
	error = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (!error && listen(fd, BACKLOG) < 0)
		error = -errno;
	if (error)
		hf_fd_close(&fd);
	return error ? error : fd;
}

/* calls: fchownat */
int stream_give_to(const char *path, gid_t group)
{
	if (!group)
		return 0;
	return fchownat(AT_FDCWD, path, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* calls: getsockname */
int stream_file(int fd, uint64_t *ret_dev, uint64_t *ret_ino)
{
	struct sockaddr_un address = {0};
	socklen_t len = sizeof(address);
	char path[sizeof(address.sun_path) + 1] = "";
	struct stat st;

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	memcpy(path, address.sun_path, sizeof(address.sun_path));
	if (lstat(path, &st) < 0)
		return -errno;
	*ret_dev = st.st_dev;
	*ret_ino = st.st_ino;
	return 0;
}

/* calls: poll ppoll */
bool stream_listens(int fd, uint64_t dev, uint64_t ino)
{
	struct pollfd p = {.fd = fd};
	uint64_t now_dev, now_ino;

	return poll(&p, 1, 0) >= 0 && !(p.revents & (POLLHUP | POLLERR)) &&
	       stream_file(fd, &now_dev, &now_ino) == 0 && now_dev == dev && now_ino == ino;
}

/* calls: setsockopt */
void stream_take_urgent_inline(int fd)
{
	int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

/* calls: getsockopt */
static struct ucred peer_of(int fd)
{
	struct ucred peer = {0}, unknown = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ? unknown : peer;
}

pid_t stream_peer_pid(int fd)
{
	return peer_of(fd).pid;
}

uid_t stream_peer_user(int fd)
{
	return peer_of(fd).uid;
}
