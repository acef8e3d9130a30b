/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is published, byte by byte: fields that say something, and zeros. Everybody who is attached
 * can read all of the directory, and all of his lane.
 */
#include "publish.h"

#include <string.h>
#include <unistd.h>

#include "check.h"
#include "directory.h"
#include "lane.h"
#include "primary_rig.h"
#include "suite.h"

static struct rig rig;
static struct hf_shm_device image;

/* ---- no byte but of a field */

#define ERASE(field) memset(&(field), 0, sizeof(field))

static size_t left_over(const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += byte[i] != 0;
	return n;
}

/* Erase all that a reader is told; what is left must be zeros. */
static size_t untold(uint32_t slot)
{
	image = *hf_directory_device(&rig.primary.directory, slot);
	for (uint32_t r = 0; r < image.nr_regions; r++) {
		struct hf_shm_region *region = &image.regions[r];

		ERASE(region->gpa), ERASE(region->size), ERASE(region->user_addr);
		ERASE(region->file_offset), ERASE(region->file_id), ERASE(region->page_bytes);
		ERASE(region->node);
	}
	for (uint32_t v = 0; v < HF_SHM_MAX_VRINGS; v++) {
		struct hf_shm_vring *vring = &image.vrings[v];

		ERASE(vring->owner), ERASE(vring->lane_entry);
		if (v >= image.nr_vrings)
			continue;
		ERASE(vring->desc_gpa), ERASE(vring->avail_gpa), ERASE(vring->used_gpa);
		ERASE(vring->flags), ERASE(vring->size), ERASE(vring->base);
		ERASE(vring->base_used);
	}
	ERASE(image.seq), ERASE(image.state), ERASE(image.generation);
	ERASE(image.mem_generation), ERASE(image.session), ERASE(image.features);
	ERASE(image.protocol_features), ERASE(image.nr_regions), ERASE(image.nr_vrings);
	ERASE(image.kind), ERASE(image.node), ERASE(image.mtu), ERASE(image.status);
	memset(image.name, 0, strnlen(image.name, sizeof(image.name)));
	return left_over(&image, sizeof(image));
}

/* Between the parts, in rows that nobody was granted anything of, and behind the last part. */
static size_t between_the_parts(void)
{
	const struct hf_directory *d = &rig.primary.directory;
	const struct hf_shm_header *h = d->base;
	const uint8_t *bytes = d->base;
	uint64_t secondaries = h->secondaries_offset + h->max_secondaries * h->secondary_stride;
	uint64_t devices = h->devices_offset + h->max_devices * h->device_stride;

	CHECK(secondaries <= h->grants_offset && h->grants_offset < h->devices_offset);
	CHECK_EQ(h->secondary_stride, sizeof(struct hf_shm_secondary));
	CHECK_EQ(h->device_stride, sizeof(struct hf_shm_device));
	return left_over(bytes + sizeof(*h), h->secondaries_offset - sizeof(*h)) +
	       left_over(bytes + secondaries, h->devices_offset - secondaries) +
	       left_over(bytes + devices, d->size - devices);
}

static void all_of_a_devices_slot_is_fields_and_zeros(void)
{
	struct port *port;

	rig_open(&rig);
	CHECK_EQ(between_the_parts(), 0);
	port = rig_port(&rig, "p", 4);
	CHECK_EQ(untold(port->device.slot), 0);
	CHECK_EQ(between_the_parts(), 0);
	rig_close(&rig);
}

/* Many regions and rings, then few: another session's addresses are nobody's business. */
static void nothing_of_an_earlier_session_stays(void)
{
	struct device *device;
	struct port *port;
	uint32_t slot;

	rig_open(&rig);
	port = rig_port(&rig, "first", 6);
	device = &port->device;
	slot = device->slot;
	for (uint32_t r = 1; r < 8; r++) {
		device->memory.regions[r] = device->memory.regions[0];
		device->memory.regions[r].gpa += (uint64_t)r * RIG_MEMORY;
	}
	device->memory.count = 8;
	publish_device(device);
	CHECK_EQ(hf_directory_device(&rig.primary.directory, slot)->nr_regions, 8);
	CHECK_EQ(untold(slot), 0);
	device->memory.count = 1;
	publish_device(device);
	CHECK_EQ(untold(slot), 0);
	rig_port_free(&rig, port);
	CHECK_EQ(untold(slot), 0);
	port = rig_port(&rig, "second", 2);
	CHECK_EQ(port->device.slot, slot);
	CHECK_EQ(untold(slot), 0);
	rig_close(&rig);
}

static void a_lane_is_its_header_and_zeros(void)
{
	struct hf_lane_header *header;
	struct secondary *secondary;
	uint8_t *copy;
	int socket;

	rig_open(&rig);
	secondary = rig_secondary(&rig, "s", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket);
	copy = malloc(secondary->lane.size);
	REQUIRE(copy != NULL);
	memcpy(copy, secondary->lane.base, secondary->lane.size);
	header = (void *)copy;
	ERASE(header->magic), ERASE(header->abi_major), ERASE(header->abi_minor);
	ERASE(header->entry_bytes), ERASE(header->entries), ERASE(header->secondary_id);
	CHECK_EQ(left_over(copy, secondary->lane.size), 0);
	free(copy);
	close(socket);
	rig_close(&rig);
}

static void a_secondarys_slot_is_fields_and_zeros(void)
{
	struct hf_shm_secondary slot;
	struct secondary *secondary;
	int socket;

	rig_open(&rig);
	secondary = rig_secondary(&rig, "s", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket);
	slot = *hf_directory_secondary(&rig.primary.directory, secondary->slot);
	ERASE(slot.state), ERASE(slot.role), ERASE(slot.pid), ERASE(slot.uid), ERASE(slot.id);
	ERASE(slot.attached_ns), ERASE(slot.lane_entries), ERASE(slot.priority);
	memset(slot.name, 0, strnlen(slot.name, sizeof(slot.name)));
	CHECK_EQ(left_over(&slot, sizeof(slot)), 0);
	close(socket);
	rig_close(&rig);
}

static const struct sentence sentences[] = {
	CATALOGUE(all_of_a_devices_slot_is_fields_and_zeros, "[22]"),
	CATALOGUE(nothing_of_an_earlier_session_stays, "[22]"),
	CATALOGUE(a_lane_is_its_header_and_zeros, "[22]"),
	CATALOGUE(a_secondarys_slot_is_fields_and_zeros, "[22]"),
};
SUITE("publish", sentences)
