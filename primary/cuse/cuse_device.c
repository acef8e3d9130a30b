/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever opens /dev/cuse finds a CUSE_INIT in it and answers with the device's name; the kernel
 * has made the device when that write returns, or has cut the descriptor off: the name or the
 * number was taken. A number that the kernel chooses costs a whole major of which it has about 150;
 * so it chooses for the first device, and the next ones are minors of the same.
 *
 * It also stays without a node when there is something else of its name in /dev; so what is there
 * is compared with the number that the kernel gave before its mode is changed.
 *
 * #capabilities: what opening /dev/cuse needs (root's, mode 0600); CAP_CHOWN, CAP_FOWNER for the
 * node.
 */
#include "cuse_device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cuse_wire.h"
#include "fd.h"

bool cuse_device_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= CUSE_DEVICE_BYTES || name[0] == '.')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
	       len;
}

static int answer_init(int fd, const char *name, dev_t number)
{
	struct {
		struct fuse_in_header header;
		struct cuse_init_in init;
		uint8_t rest[CUSE_READ_BYTES];
	} in;
	struct fuse_out_header header = {0};
	struct cuse_init_out init = {.major = FUSE_KERNEL_VERSION,
				     .flags = CUSE_UNRESTRICTED_IOCTL,
				     .max_read = CUSE_MAX_WRITE,
				     .max_write = CUSE_MAX_WRITE,
				     .dev_major = major(number),
				     .dev_minor = minor(number)};
	char info[CUSE_DEVICE_BYTES + 16];
	int len = snprintf(info, sizeof(info), "DEVNAME=%s", name) + 1;
	struct iovec iov[3] = {{.iov_base = &header, .iov_len = sizeof(header)},
			       {.iov_base = &init, .iov_len = sizeof(init)},
			       {.iov_base = info, .iov_len = (size_t)len}};
	ssize_t n = read(fd, &in, sizeof(in));

	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(in.header) + sizeof(in.init) || in.header.opcode != CUSE_INIT ||
	    in.init.major != FUSE_KERNEL_VERSION || in.init.minor < CUSE_MIN_MINOR)
		return -EPROTO;
	init.minor = in.init.minor < FUSE_KERNEL_MINOR_VERSION ? in.init.minor
							       : FUSE_KERNEL_MINOR_VERSION;
	header.unique = in.header.unique;
	header.len = (uint32_t)(sizeof(header) + sizeof(init) + (size_t)len);
	return writev(fd, iov, 3) < 0 ? -errno : 0;
}

/* calls: poll ppoll */
static bool is_cut_off(int fd)
{
	struct pollfd poll_fd = {.fd = fd};

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLERR);
}

/* The number that the kernel has given. */
static int number_of(const char *name, dev_t *ret)
{
	char path[CUSE_DEVICE_BYTES + 32], text[32];
	unsigned int major, minor;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/cuse/%s/dev", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	hf_fd_close(&fd);
	if (n <= 0)
		return -EIO;
	text[n] = '\0';
	if (sscanf(text, "%u:%u", &major, &minor) != 2)
		return -EIO;
	*ret = makedev(major, minor);
	return 0;
}

/* 0: a number that the kernel chooses. The descriptor, or -errno; -ENOSPC: that number is taken. */
static int make_numbered(const char *name, dev_t number)
{
	int fd = open("/dev/cuse", O_RDWR | O_CLOEXEC | O_NONBLOCK), error;

	if (fd < 0)
		return errno == ENODEV || errno == ENXIO ? -ENOENT : -errno;
	error = answer_init(fd, name, number);
	if (!error && is_cut_off(fd))
		error = -ENOSPC;
	if (error)
		hf_fd_close(&fd);
	return error ? error : fd;
}

int cuse_device_make(const char *name)
{
	/* The last one's, of this process. */
	static dev_t last;
	char path[CUSE_DEVICE_BYTES + 8];
	int fd = -ENOSPC;

	snprintf(path, sizeof(path), "/dev/%s", name);
	if (access(path, F_OK) == 0)
		return -EEXIST;
	if (last)
		fd = make_numbered(name, makedev(major(last), minor(last) + 1));
	if (fd == -ENOSPC)
		fd = make_numbered(name, 0);
	if (fd >= 0 && number_of(name, &last) < 0)
		last = 0;
	return fd;
}

/* calls: chmod fchmodat chown fchownat */
int cuse_device_permit(const char *name, mode_t mode, uid_t owner, gid_t group)
{
	char path[CUSE_DEVICE_BYTES + 8], self[40];
	struct stat st;
	int fd, error;
	dev_t number = 0;

	error = number_of(name, &number);
	if (error)
		return error;
	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) < 0)
		error = -errno;
	else if (!S_ISCHR(st.st_mode) || st.st_rdev != number)
		error = -EEXIST;
	else if (chmod(self, mode) < 0 || chown(self, owner, group) < 0)
		error = -errno;
	hf_fd_close(&fd);
	return error;
}

void cuse_device_abort(const char *name)
{
	char path[CUSE_DEVICE_BYTES + 32];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/cuse/%s/abort", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1", 1) < 0)
		errno = 0; /* it is gone already */
	hf_fd_close(&fd);
}
