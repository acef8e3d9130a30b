/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_cuse.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cuse.h"
#include "cuse_device.h"
#include "fd.h"
#include "front.h"
#include "port.h"
#include "ports.h"
#include "suite.h"

struct kernel kernel = {.socket = -1};

/* --- in the place of cuse_device.c --- */

bool cuse_device_name_ok(const char *name)
{
	return *name && !strchr(name, '!');
}

int cuse_device_make(const char *name)
{
	int ends[2];

	(void)name;
	if (kernel.error)
		return kernel.error;
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	hf_fd_close(&kernel.socket);
	kernel.socket = ends[1];
	kernel.made++;
	return ends[0];
}

int cuse_device_permit(const char *name, mode_t mode, uid_t owner, gid_t group)
{
	(void)name;
	(void)mode;
	(void)owner;
	(void)group;
	return 0;
}

void cuse_device_abort(const char *name)
{
	(void)name;
	kernel.cut_off++;
}

/* --- the test's side --- */

void kernel_begin(void)
{
	const char *reason = "";

	kernel = (struct kernel){.socket = -1, .thread = (uint32_t)gettid()};
	REQUIRE(port_add_cuse(&primary, "c", NULL, 0, &reason) == 0);
}

void kernel_end(void)
{
	hf_fd_close(&kernel.socket);
}

struct port *kernel_port(void)
{
	return port_find(&primary, "c");
}

void kernel_send_bytes(const void *bytes, size_t len)
{
	REQUIRE(send(kernel.socket, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
}

uint64_t kernel_send(uint32_t opcode, const void *payload, size_t len)
{
	struct fuse_in_header header = {.len = (uint32_t)(sizeof(header) + len),
					.opcode = opcode,
					.unique = kernel.unique += 2,
					.uid = kernel.user,
					.pid = kernel.thread};
	struct iovec iov[2] = {{&header, sizeof(header)}, {(void *)(uintptr_t)payload, len}};

	REQUIRE(writev(kernel.socket, iov, 2) == (ssize_t)header.len);
	return header.unique;
}

bool kernel_answer(void)
{
	struct fuse_out_header header;
	uint8_t bytes[sizeof(header) + sizeof(kernel.answer)];
	ssize_t n;

	front_turn();
	n = recv(kernel.socket, bytes, sizeof(bytes), 0);
	if (n < (ssize_t)sizeof(header))
		return false;
	memcpy(&header, bytes, sizeof(header));
	CHECK_EQ(header.len, n);
	CHECK(header.error <= 0 && header.error > -512);
	kernel.answer_error = header.error;
	kernel.answered = header.unique;
	kernel.answer_len = (size_t)n - sizeof(header);
	memcpy(kernel.answer, bytes + sizeof(header), kernel.answer_len);
	return true;
}

bool kernel_answer_in_time(void)
{
	bool answered = kernel_answer();

	for (int ms = 0; ms < 20000 && !answered; ms++) {
		usleep(1000);
		answered = kernel_answer();
	}
	return answered;
}

/* 0, -errno, or 1: none, also not when a port has paid for a slow look. */
static int answer_to(uint64_t unique)
{
	if (!kernel_answer_in_time())
		return 1;
	CHECK_EQ(kernel.answered, unique);
	return kernel.answer_error;
}

int64_t kernel_open(void)
{
	struct fuse_open_in in = {.flags = 2};
	struct fuse_open_out out;
	int error = answer_to(kernel_send(FUSE_OPEN, &in, sizeof(in)));

	if (error)
		return error > 0 ? 0 : error;
	REQUIRE(kernel.answer_len == sizeof(out));
	memcpy(&out, kernel.answer, sizeof(out));
	return (int64_t)out.fh;
}

int kernel_release(uint64_t handle)
{
	struct fuse_release_in in = {.fh = handle};

	return answer_to(kernel_send(FUSE_RELEASE, &in, sizeof(in)));
}

uint64_t kernel_phase(uint64_t handle, uint32_t cmd, uint64_t arg, const void *in, uint32_t in_size,
		      uint32_t out_size)
{
	struct fuse_ioctl_in head = {.fh = handle,
				     .flags = FUSE_IOCTL_UNRESTRICTED,
				     .cmd = cmd,
				     .arg = arg,
				     .in_size = in_size,
				     .out_size = out_size};
	uint8_t bytes[sizeof(head) + 4096];

	memcpy(bytes, &head, sizeof(head));
	if (in_size)
		memcpy(bytes + sizeof(head), in, in_size);
	return kernel_send(FUSE_IOCTL, bytes, sizeof(head) + in_size);
}

int kernel_ioctl(uint64_t handle, uint32_t cmd, void *arg)
{
	struct fuse_ioctl_iovec in = {0}, out = {0};

	/* A table takes three phases; nothing takes more. */
	for (int phase = 0; phase < 4; phase++) {
		struct fuse_ioctl_out answer;
		const uint8_t *place;
		uint64_t unique =
			kernel_phase(handle, cmd, (uintptr_t)arg, (void *)(uintptr_t)in.base,
				     (uint32_t)in.len, (uint32_t)out.len);
		int error = answer_to(unique);

		if (error)
			return error;
		REQUIRE(kernel.answer_len >= sizeof(answer));
		memcpy(&answer, kernel.answer, sizeof(answer));
		place = kernel.answer + sizeof(answer);
		if (!(answer.flags & FUSE_IOCTL_RETRY)) {
			CHECK(kernel.answer_len - sizeof(answer) <= out.len);
			if (kernel.answer_len > sizeof(answer))
				memcpy((void *)(uintptr_t)out.base, place,
				       kernel.answer_len - sizeof(answer));
			return answer.result;
		}
		in = out = (struct fuse_ioctl_iovec){0};
		CHECK(answer.in_iovs <= 1 && answer.out_iovs <= 1);
		if (answer.in_iovs)
			memcpy(&in, place, sizeof(in));
		if (answer.out_iovs)
			memcpy(&out, place + answer.in_iovs * sizeof(in), sizeof(out));
	}
	CU_FAIL("an ioctl without an end");
	return -EIO;
}

int kernel_u64(uint64_t handle, uint32_t cmd, uint64_t value)
{
	return kernel_ioctl(handle, cmd, &value);
}

int kernel_state(uint64_t handle, uint32_t cmd, uint32_t index, uint32_t num)
{
	struct vh_vring_state state = {index, num};

	return kernel_ioctl(handle, cmd, &state);
}

int kernel_file(uint64_t handle, uint32_t cmd, uint32_t index, int fd)
{
	struct vh_vring_file file = {index, fd};

	return kernel_ioctl(handle, cmd, &file);
}

int kernel_addr(uint64_t handle, uint32_t index, const void *memory)
{
	uint64_t base = (uintptr_t)memory + 0x10000ull * index;
	struct vh_vring_addr addr = {.index = index,
				     .desc_user = base + 0x1000,
				     .avail_user = base + 0x3000,
				     .used_user = base + 0x4000};

	return kernel_ioctl(handle, VH_SET_VRING_ADDR, &addr);
}

int kernel_memory(uint64_t handle, const void *memory, uint64_t size)
{
	struct {
		struct vh_memory head;
		struct vh_region region;
	} table = {{.count = 1}, {.size = size, .user_addr = (uintptr_t)memory}};

	return kernel_ioctl(handle, VH_SET_MEM_TABLE, &table);
}
