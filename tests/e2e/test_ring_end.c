/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings that end where the guest's memory does: who takes them in the session, and who runs them,
 * are of one mind about where they end, with event words and without.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "front_end.h"
#include "suite.h"
#include "world.h"

#define EVENT_IDX (1ull << 29)
#define PACKETS	  300u /* more than a ring has places */

static const char *const all[] = {"*", NULL};
static struct world world;
static struct front_end fe;
static uint32_t next;

/* `bytes` of the ring that stand at *gpa move to the very end of memory. */
static void move_to_the_end(uint64_t *gpa, size_t bytes, uint64_t align)
{
	uint64_t to = align_down(fe.guest.base + fe.guest.size - bytes, align);
	uint8_t *copy = malloc(bytes);

	REQUIRE(copy != NULL);
	memcpy(copy, guest_at(&fe.guest, *gpa), bytes);
	guest_write(&fe.guest, to, copy, bytes);
	free(copy);
	*gpa = to;
}

/* The ring stops, moves, and goes on there. */
static void restart(uint32_t ring, uint64_t *gpa, size_t bytes, uint64_t align)
{
	int base = front_end_stop_ring(&fe, ring);

	REQUIRE(base >= 0);
	move_to_the_end(gpa, bytes, align);
	driver_declare(&fe.rings[ring]);
	CHECK_EQ(front_end_start_ring(&fe, ring, (uint16_t)base), 0);
	CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, ring, 1), 0);
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

static void check_ring_ends(uint64_t features)
{
	const struct session_shape shape = {.features = FE_VERSION_1 | features};
	const size_t event = features & EVENT_IDX ? 2 : 0;

	for (uint32_t ring = 0; ring < 2; ring++) {
		struct driver *d = &fe.rings[ring];

		for (int part = 0; part < 2; part++) {
			REQUIRE(front_end_connect(&fe, world_port_path(&world, "p0")) == 0);
			REQUIRE(front_end_setup(&fe, &shape) == 0);
			CHECK_EQ(fe.features & EVENT_IDX, features & EVENT_IDX);
			front_end_post_buffers(&fe, 0);
			if (part)
				restart(ring, &d->used, 4 + 8u * d->size + event, 4);
			else
				restart(ring, &d->avail, 4 + 2u * d->size + event, 2);
			CHECK_EQ(driver_check(d), 0);
			front_end_close(&fe);
			next = 0;
		}
	}
}

static void a_ring_that_ends_with_memory_is_run_with_event_words_and_without(void)
{
	const char *const arguments[] = {"--port", "p0", NULL};

	world_open(&world, arguments);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	check_ring_ends(0);
	check_ring_ends(EVENT_IDX);
	world_close(&world);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_ring_that_ends_with_memory_is_run_with_event_words_and_without, "[2]"),
};
SUITE("ring_end", sentences)
