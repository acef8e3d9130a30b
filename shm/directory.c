/* SPDX-License-Identifier: Apache-2.0 */
#include "directory.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "check.h"
#include "guard.h"
#include "log.h"
#include "seq.h"

#define TAG		  "directory"
#define HEADER_BYTES	  4096u
#define COUNT_MAX	  65536u
#define SNAPSHOT_PAUSE_NS 100000 /* half of the tries: 50 ms and more altogether */

/* What comes before the regions, and is copied whole. */
#define HEAD_BYTES offsetof(struct hf_shm_device, regions)
/* Of a vring, what is under the device's count. */
#define SETUP_OFFSET offsetof(struct hf_shm_vring, desc_gpa)
#define SETUP_BYTES  (sizeof(struct hf_shm_vring) - SETUP_OFFSET)

static uint64_t grant_row_bytes(uint32_t max_devices)
{
	return align_up(max_devices * sizeof(hf_shm_grant), HF_SHM_LINE);
}

/* Header, secondaries, grant words, devices. */
static uint64_t grants_at(uint32_t max_secondaries)
{
	return HEADER_BYTES + (uint64_t)max_secondaries * sizeof(struct hf_shm_secondary);
}

static uint64_t devices_at(uint32_t max_devices, uint32_t max_secondaries)
{
	return grants_at(max_secondaries) + HF_SHM_MAX_VRINGS * grant_row_bytes(max_devices);
}

size_t hf_directory_size(uint32_t max_devices, uint32_t max_secondaries)
{
	return devices_at(max_devices, max_secondaries) +
	       (size_t)max_devices * sizeof(struct hf_shm_device);
}

int hf_directory_format(struct hf_directory *directory, const struct hf_memory *memory,
			uint32_t max_devices, uint32_t max_secondaries, uint64_t epoch)
{
	struct hf_shm_header *header = memory->base;

	if (!max_devices || !max_secondaries || max_devices > COUNT_MAX ||
	    max_secondaries > COUNT_MAX ||
	    hf_directory_size(max_devices, max_secondaries) > memory->size)
		return -EINVAL;
	/* Fresh memfd pages are zero: only what is not zero is written, and no page is touched. */
	*header = (struct hf_shm_header){
		.abi_major = HF_ABI_MAJOR,
		.abi_minor = HF_ABI_MINOR,
		.header_bytes = sizeof(*header),
		.size = memory->size,
		.epoch = epoch,
		.page_bytes = memory->page_bytes,
		.node = memory->node,
		.max_devices = max_devices,
		.max_secondaries = max_secondaries,
		.secondaries_offset = HEADER_BYTES,
		.secondary_stride = sizeof(struct hf_shm_secondary),
		.devices_offset = devices_at(max_devices, max_secondaries),
		.device_stride = sizeof(struct hf_shm_device),
		.max_regions = HF_SHM_MAX_REGIONS,
		.max_vrings = HF_SHM_MAX_VRINGS,
		.grants_offset = grants_at(max_secondaries),
		.grant_row_stride = grant_row_bytes(max_devices),
	};
	hf_store_release(&header->magic, HF_DIRECTORY_MAGIC);
	*directory = (struct hf_directory){
		.base = memory->base, .size = memory->size, .header = *header};
	return 0;
}

/* Does a table of `count` slots lie whole inside the directory, its slots at least ours? */
static bool table_ok(uint64_t size, uint64_t offset, uint64_t stride, uint32_t count,
		     size_t slot_bytes)
{
	return count && count <= COUNT_MAX && stride >= slot_bytes && stride <= (1u << 24) &&
	       stride % 8 == 0 && offset % 8 == 0 &&
	       range_inside(offset, stride * count, sizeof(struct hf_shm_header),
			    size - sizeof(struct hf_shm_header));
}

static int verify(const struct hf_shm_header *h, uint64_t size)
{
	if (h->magic != HF_DIRECTORY_MAGIC) {
		log_error(TAG, "this is not a Holdfast directory; is the primary a Holdfast?");
		return -EINVAL;
	}
	if (h->abi_major != HF_ABI_MAJOR) {
		log_error(TAG,
			  "the primary speaks shared-memory version %u.%u, this program %u.%u: "
			  "use the library that came with the primary",
			  h->abi_major, h->abi_minor, HF_ABI_MAJOR, HF_ABI_MINOR);
		return -EPROTO;
	}
	if (h->size > size || h->size < HEADER_BYTES || h->max_regions > HF_SHM_MAX_REGIONS ||
	    h->max_vrings > HF_SHM_MAX_VRINGS ||
	    !table_ok(h->size, h->devices_offset, h->device_stride, h->max_devices,
		      sizeof(struct hf_shm_device)) ||
	    !table_ok(h->size, h->grants_offset, h->grant_row_stride, h->max_vrings,
		      h->max_devices * sizeof(hf_shm_grant)) ||
	    !table_ok(h->size, h->secondaries_offset, h->secondary_stride, h->max_secondaries,
		      sizeof(struct hf_shm_secondary))) {
		log_error(TAG, "the directory's header is damaged: restart the primary");
		return -EINVAL;
	}
	return 0;
}

int hf_directory_adopt(struct hf_directory *directory, const struct hf_memory *memory)
{
	if (memory->size < HEADER_BYTES)
		return -EINVAL;
	*directory = (struct hf_directory){.base = memory->base, .size = memory->size};
	memcpy(&directory->header, memory->base, sizeof(directory->header));
	return verify(&directory->header, directory->size);
}

int hf_directory_attach(struct hf_directory *directory, int fd)
{
	struct stat st;
	int error;

	*directory = (struct hf_directory){0};
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)HEADER_BYTES)
		return -EINVAL;
	error = hf_map_guarded(fd, 0, (size_t)st.st_size, false, &directory->base);
	if (error)
		return error;
	directory->size = (size_t)st.st_size;
	memcpy(&directory->header, directory->base, sizeof(directory->header));
	error = verify(&directory->header, directory->size);
	if (error)
		hf_directory_detach(directory);
	return error;
}

void hf_directory_detach(struct hf_directory *directory)
{
	hf_unmap_guarded(directory->base, directory->size);
	directory->base = NULL;
}

struct hf_shm_device *hf_directory_device(const struct hf_directory *directory, uint32_t slot)
{
	const struct hf_shm_header *h = &directory->header;

	if (slot >= h->max_devices)
		return NULL;
	return (void *)((char *)directory->base + h->devices_offset + slot * h->device_stride);
}

hf_shm_grant *hf_directory_grant(const struct hf_directory *directory, uint32_t slot,
				 uint32_t vring)
{
	const struct hf_shm_header *h = &directory->header;

	if (slot >= h->max_devices || vring >= h->max_vrings)
		return NULL;
	return (void *)((char *)directory->base + h->grants_offset + vring * h->grant_row_stride +
			slot * sizeof(hf_shm_grant));
}

struct hf_shm_secondary *hf_directory_secondary(const struct hf_directory *directory, uint32_t slot)
{
	const struct hf_shm_header *h = &directory->header;

	if (slot >= h->max_secondaries)
		return NULL;
	return (void *)((char *)directory->base + h->secondaries_offset +
			slot * h->secondary_stride);
}

static void copy_device(struct hf_shm_device *to, const struct hf_shm_device *from)
{
	hf_words_read(to, from, HEAD_BYTES);
	to->nr_regions = (uint32_t)min_u64(to->nr_regions, HF_SHM_MAX_REGIONS);
	to->nr_vrings = (uint32_t)min_u64(to->nr_vrings, HF_SHM_MAX_VRINGS);
	to->name[HF_SHM_NAME_BYTES - 1] = '\0';
	hf_words_read(to->regions, from->regions, to->nr_regions * sizeof(to->regions[0]));
	hf_words_read(to->vrings, from->vrings, to->nr_vrings * sizeof(to->vrings[0]));
}

/* calls: clock_nanosleep */
int hf_directory_snapshot(const struct hf_directory *directory, uint32_t slot,
			  struct hf_shm_device *ret_copy)
{
	const struct hf_shm_device *device = hf_directory_device(directory, slot);
	const struct timespec pause = {.tv_nsec = SNAPSHOT_PAUSE_NS};

	if (!device)
		return -ENOENT;
	for (unsigned int tries = 0; tries < HF_SEQ_TRIES; tries++) {
		uint32_t begun = hf_seq_read_begin(&device->seq);

		if (!(begun & 1u)) {
			copy_device(ret_copy, device);
			if (!hf_seq_read_retry(&device->seq, begun))
				return 0;
		}
		/* The writer may have lost its processor in the middle: let it have one. */
		if (tries >= HF_SEQ_TRIES / 2)
			(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return -EBUSY;
}

/* What an earlier draft had more of is nobody's to read any more. How much that was is bounded here:
 * a successor finds the directory, and believes nothing that it finds. */
static void wipe(struct hf_shm_device *device, uint32_t nr_regions, uint32_t nr_vrings)
{
	static const struct hf_shm_device nothing;
	uint64_t old_regions = min_u64(device->nr_regions, HF_SHM_MAX_REGIONS);
	uint64_t old_vrings = min_u64(device->nr_vrings, HF_SHM_MAX_VRINGS);

	if (nr_regions < old_regions)
		hf_words_write(&device->regions[nr_regions], nothing.regions,
			       (old_regions - nr_regions) * sizeof(nothing.regions[0]));
	for (uint32_t i = nr_vrings; i < old_vrings; i++)
		hf_words_write((char *)&device->vrings[i] + SETUP_OFFSET,
			       (const char *)&nothing.vrings[i] + SETUP_OFFSET, SETUP_BYTES);
}

int hf_directory_publish(const struct hf_directory *directory, uint32_t slot,
			 const struct hf_shm_device *draft)
{
	struct hf_shm_device *device = hf_directory_device(directory, slot);
	size_t first = offsetof(struct hf_shm_device, mem_generation);
	uint32_t state = draft->state;

	if (!device)
		return -ENOENT;
	hf_seq_write_begin(&device->seq);
	hf_write_once(&device->state, state);
	hf_write_once(&device->generation, device->generation + 1);
	wipe(device, draft->nr_regions, draft->nr_vrings);
	hf_words_write((char *)device + first, (const char *)draft + first, HEAD_BYTES - first);
	hf_words_write(device->regions, draft->regions,
		       draft->nr_regions * sizeof(draft->regions[0]));
	for (uint32_t i = 0; i < draft->nr_vrings; i++)
		hf_words_write((char *)&device->vrings[i] + SETUP_OFFSET,
			       (const char *)&draft->vrings[i] + SETUP_OFFSET, SETUP_BYTES);
	hf_seq_write_end(&device->seq);
	return 0;
}
