/* SPDX-License-Identifier: Apache-2.0 */
#include "tail.h"

#include <sys/mman.h>

#include "suite.h"

const struct session_shape whole = {.memory = SIZE};

void tail_open(const struct session_shape *shape)
{
	scene_open(shape);
	/* The buffers, behind the rings. */
	REQUIRE(fe.buffers + 2 * 256 * 128 <= TAIL);
}

void memory_map(size_t at, size_t len, int protection, int flags, int fd, off_t offset)
{
	uint8_t *bytes = fe.guest.bytes + at;

	REQUIRE(mmap(bytes, len, protection, flags | MAP_FIXED, fd, offset) == bytes);
}

void tail_map(int protection, int flags, int fd, off_t offset)
{
	memory_map(TAIL, TAIL_BYTES, protection, flags, fd, offset);
}

void tail_restore(void)
{
	tail_map(PROT_READ | PROT_WRITE, MAP_SHARED, fe.guest.fd, TAIL);
	CHECK_EQ(front_end_set_memory(&fe), 0);
}
