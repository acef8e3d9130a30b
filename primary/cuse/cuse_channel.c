/* SPDX-License-Identifier: Apache-2.0 */
#include "cuse_channel.h"

#include <errno.h>
#include <sys/uio.h>

#include "cuse_wire.h"
#include "log.h"

static void say(int channel, uint64_t unique, int error, struct iovec *iov, int count)
{
	struct fuse_out_header header = {.len = sizeof(header), .error = error, .unique = unique};

	if (unique == CUSE_NOBODY)
		return;
	iov[0] = (struct iovec){.iov_base = &header, .iov_len = sizeof(header)};
	for (int i = 1; i < count; i++)
		header.len += (uint32_t)iov[i].iov_len;
	/* ENOENT: it was answered before, by us or by who was before us. */
	if (writev(channel, iov, count) < 0 && errno != ENOENT && errno != ENODEV)
		log_debug("cuse", "answer %llu: %m", (unsigned long long)unique);
}

void cuse_say_error(int channel, uint64_t unique, int error)
{
	struct iovec iov[1];

	say(channel, unique, error, iov, 1);
}

void cuse_say_open(int channel, uint64_t unique, uint64_t handle)
{
	struct fuse_open_out out = {.fh = handle, .open_flags = FOPEN_DIRECT_IO};
	struct iovec iov[2] = {{0}, {.iov_base = &out, .iov_len = sizeof(out)}};

	say(channel, unique, 0, iov, 2);
}

void cuse_say_ioctl(int channel, uint64_t unique, const void *bytes, size_t len)
{
	struct fuse_ioctl_out out = {.result = 0};
	struct iovec iov[3] = {{0},
			       {.iov_base = &out, .iov_len = sizeof(out)},
			       {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len}};

	say(channel, unique, 0, iov, len ? 3 : 2);
}

void cuse_say_retry(int channel, uint64_t unique, uint64_t arg, uint32_t in, uint32_t out)
{
	struct fuse_ioctl_iovec places[2];
	uint32_t n = 0;
	struct fuse_ioctl_out answer = {
		.flags = FUSE_IOCTL_RETRY, .in_iovs = in != 0, .out_iovs = out != 0};
	struct iovec iov[3] = {{0}, {.iov_base = &answer, .iov_len = sizeof(answer)}};

	if (in)
		places[n++] = (struct fuse_ioctl_iovec){.base = arg, .len = in};
	if (out)
		places[n++] = (struct fuse_ioctl_iovec){.base = arg, .len = out};
	iov[2] = (struct iovec){.iov_base = places, .iov_len = n * sizeof(places[0])};
	say(channel, unique, 0, iov, 3);
}
