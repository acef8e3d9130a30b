/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary that scribbles over its lane, and a guest over its rings, while the primary takes
 * rings back, gives them away and looks at them: recover.c, grant*.c, revoke.c, control_stats.c,
 * watch.c. First the pure functions on any words: what they say never leads out of the ring.
 */
#include "lane.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"
#include "fd.h"
#include "fuzz.h"
#include "grant.h"
#include "primary_rig.h"
#include "publish.h"
#include "recover.h"
#include "revoke.h"
#include "secondary_life.h"
#include "secondary_publish.h"
#include "turn.h"
#include "vu_wire.h"
#include "waiting.h"
#include "watch.h"

#define MOST_DONE 24

static struct rig rig;
static struct port *port;
static int sockets[2];
static struct secondary *secondaries[2];
static uint8_t *guest;

static void set_up_once(void)
{
	rig_open(&rig);
	hf_log_set_level(0);
	port = rig_port(&rig, "p", 2);
	secondaries[0] =
		rig_secondary(&rig, "a", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &sockets[0]);
	secondaries[1] =
		rig_secondary(&rig, "b", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &sockets[1]);
	guest = rig_guest(&port->device, 0, 65536);
	FUZZ_HOLDS(guest != NULL);
}

static void begin(const struct record *r)
{
	struct device *device = &port->device;

	memset(guest, 0, 65536);
	device->features = r->a & 1 ? VIRTIO_BIT(VIRTIO_F_RING_PACKED) : 0;
	for (uint32_t i = 0; i < 2; i++) {
		struct vring *v = &device->vrings[i];

		v->size = (uint16_t)(r->a & 1 ? 1u + r->b % 256 : 1u << r->b % 9);
		v->base = v->base_used = r->a & 1 ? 0x8000 : (uint16_t)r->c;
		v->leftovers = 0;
		v->broken = false;
	}
	publish_device(device);
}

/* ---- recover.c */

static bool flags_at(void *context, uint16_t place, uint16_t *ret_flags)
{
	const uint32_t *c = context;

	FUZZ_HOLDS(place < (uint16_t)(1 + (*c & 0xff)));
	*ret_flags = (uint16_t)(*c >> place % 16 & 0x8080);
	return !(*c & 1u << 31);
}

/* Words of a lane from the next record. */
static void recover(struct fuzz_input *input, const struct record *r)
{
	struct recover_lane lane = {0};
	struct recover_ring ring = {flags_at, (void *)(uintptr_t)&r->c};
	uint16_t size = (uint16_t)(1 + (r->c & 0xff)), power = (uint16_t)(1u << r->c % 16);
	uint16_t used = (uint16_t)(r->c >> 8);
	struct recovered got;
	struct record words;

	if (!fuzz_next(input, &words))
		return;
	memcpy(&lane, &words, sizeof(lane));
	got = recover_split(&lane, power, r->b, r->a & 1 ? &used : NULL);
	if (got.lied)
		FUZZ_HOLDS(got.position == (r->a & 1 ? used : r->b));
	else
		FUZZ_HOLDS((uint16_t)(got.position - lane.used) <= power);
	got = recover_packed(&lane, size, (uint16_t)(r->b % size), &ring);
	FUZZ_HOLDS((got.position & 0x7fff) < size);
	FUZZ_HOLDS(got.leftovers <= size);
}

/* ---- the whole road */

static struct vring *vring_of(const struct record *r)
{
	return &port->device.vrings[r->a & 1];
}

/* Any word of the entry; but not busy, which would have the primary wait for us. */
static void scribble(const struct record *r)
{
	struct vring *vring = vring_of(r);
	uint8_t *entry;
	size_t at = r->b % (sizeof(struct hf_lane_vring) - 4) & ~(size_t)1;

	if (!vring->owner || vring->owner->killed)
		return;
	entry = (uint8_t *)rig_lane(vring);
	if (r->a & 2)
		at = offsetof(struct hf_lane_vring, position) + (r->b & 6u);
	if (r->a & 4)
		memcpy(entry + at, &r->c, 2);
	else
		memcpy(entry + at, &r->c, 4);
	((struct hf_lane_vring *)(void *)entry)->busy = 0;
}

/* The header of its lane: what identifies it, its heartbeat. */
static void scribble_header(const struct record *r)
{
	memcpy((uint8_t *)secondaries[r->a & 1]->lane.base + r->b % 252, &r->c, 4);
}

static void scribble_guest(const struct record *r)
{
	memcpy(guest + r->b % 65532, &r->c, 4);
	if (r->a & 2)
		memcpy(rig_used_idx(vring_of(r)), &r->c, 2);
}

static bool taken;

static void on_taken(struct revocation *revocation)
{
	(void)revocation;
	taken = true;
}

static void check_positions(void)
{
	const struct device *device = &port->device;

	for (uint32_t i = 0; i < 2; i++) {
		const struct vring *v = &device->vrings[i];

		FUZZ_HOLDS(!v->owner || !v->revoking);
		if (device_is_packed(device)) {
			FUZZ_HOLDS((v->base & 0x7fff) < v->size);
			FUZZ_HOLDS(v->leftovers <= v->size);
		}
		FUZZ_HOLDS(v->base == v->base_used);
	}
}

static void take_back(const struct record *r)
{
	struct revocation revocation = {.done = on_taken};

	taken = false;
	revoke_start(&revocation, &port->device, r->b & 1 ? GRANT_ALL_VRINGS : r->a & 1);
	FUZZ_HOLDS(taken);
	check_positions();
}

static void offer(const struct record *r)
{
	for (uint32_t i = 0; i < 2; i++)
		secondary_set_draining(secondaries[i], r->a >> i & 1);
	grant_offer(&port->device);
}

static void look(const struct record *r)
{
	if (r->a & 1)
		grant_check_broken(&rig.primary);
	else
		fuzz_turn(rig.primary.loop);
	if (r->a & 2)
		(void)hf_lane_verify(secondaries[0]->lane.base, secondaries[0]->lane.size);
	for (uint32_t i = 0; i < 2; i++)
		port->device.vrings[i].broken &= !(r->a & 4);
}

static void end(void)
{
	struct record all = {.b = 1};

	take_back(&all);
	for (uint32_t i = 0; i < 2; i++) {
		char byte[4096];

		secondary_set_draining(secondaries[i], false);
		hf_lane_format(secondaries[i]->lane.base, secondaries[i]->lane.size,
			       secondaries[i]->id);
		/* Their queues must not fill. */
		while (recv(sockets[i], byte, sizeof(byte), MSG_DONTWAIT) > 0)
			;
	}
	fuzz_turn(rig.primary.loop);
}

static void (*const ops[])(const struct record *r) = {
	offer, scribble, scribble_guest, take_back, scribble, look, scribble_header,
};
const uint8_t fuzz_nr_ops = ARRAY_SIZE(ops) + 1;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = {bytes, size};
	struct record r;

	if (!guest)
		set_up_once();
	if (!fuzz_next(&input, &r))
		return 0;
	begin(&r);
	for (int done = 0; done < MOST_DONE && fuzz_next(&input, &r); done++) {
		uint8_t op = r.op % fuzz_nr_ops;

		if (op < ARRAY_SIZE(ops))
			ops[op](&r);
		else
			recover(&input, &r);
	}
	end();
	return 0;
}
