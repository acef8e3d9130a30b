/* SPDX-License-Identifier: Apache-2.0 */
#include "owner.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "fake_cuse.h"
#include "fake_grants.h"
#include "fd.h"
#include "front.h"
#include "port.h"
#include "suite.h"

struct owner owner;

void *owner_map(int fd, uint64_t size, uint64_t offset, int flags)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);

	REQUIRE(at != MAP_FAILED);
	return at;
}

void owner_begin(void)
{
	int64_t opened;

	front_begin();
	kernel_begin();
	owner.file = memfd_create("guest", MFD_CLOEXEC);
	REQUIRE(ftruncate(owner.file, MEMORY) == 0);
	owner.memory = owner_map(owner.file, MEMORY, 0, MAP_SHARED);
	owner.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	opened = kernel_open();
	REQUIRE(opened > 0);
	owner.handle = (uint64_t)opened;
	CHECK_EQ(kernel_ioctl(owner.handle, VH_SET_OWNER, NULL), 0);
}

void owner_alive(void)
{
	struct device *device = &kernel_port()->device;

	CHECK_EQ(kernel_u64(owner.handle, VH_SET_FEATURES, FEATURES), 0);
	CHECK_EQ(kernel_memory(owner.handle, owner.memory, MEMORY), 0);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_NUM, 0, 256), 0);
	CHECK_EQ(kernel_state(owner.handle, VH_SET_VRING_BASE, 0, 0), 0);
	CHECK_EQ(kernel_addr(owner.handle, 0, owner.memory), 0);
	CHECK_EQ(kernel_file(owner.handle, VH_SET_VRING_KICK, 0, owner.kick), 0);
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, 0), 0);
	CHECK(fake_granted(&device->vrings[0]));
	CHECK_EQ(kernel_file(owner.handle, VH_NET_SET_BACKEND, 0, -1), 0);
	CHECK(!fake_granted(&device->vrings[0]));
}

void owner_end(void)
{
	owner_alive();
	CHECK_EQ(kernel_release(owner.handle), 0);
	munmap(owner.memory, MEMORY);
	hf_fd_close(&owner.file);
	hf_fd_close(&owner.kick);
	kernel_end();
	front_end();
}

int owner_phase(uint32_t cmd, const void *in, uint32_t in_size, uint32_t out_size)
{
	uint64_t unique = kernel_phase(owner.handle, cmd, 4096, in, in_size, out_size);

	if (!kernel_answer_in_time())
		return 1;
	CHECK_EQ(kernel.answered, unique);
	return kernel.answer_error;
}

static bool all_buried(void)
{
	const struct foreign *foreign = &kernel_port()->foreign;
	uint32_t left = 0;

	for (uint32_t i = 0; i < FOREIGN_PLACES; i++)
		left += foreign->helpers[i].ended.fd >= 0;
	return !left;
}

void owner_bury_lookers(void)
{
	for (int ms = 0; ms < 20000 && !all_buried(); ms++)
		front_wait(1);
	CHECK(all_buried());
}

struct table owner_table(uint32_t count)
{
	struct table table = {.head = {.count = count}};

	for (uint32_t i = 0; i < count && i <= CUSE_MAX_REGIONS; i++)
		table.regions[i] =
			(struct vh_region){.gpa = i * PAGE,
					   .size = PAGE,
					   .user_addr = (uintptr_t)owner.memory + i * PAGE};
	return table;
}
