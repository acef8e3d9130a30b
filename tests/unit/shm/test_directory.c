/* SPDX-License-Identifier: Apache-2.0 */
/* shm/directory.h: who may attach, what a damaged header costs, and whole snapshots. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "directory.h"
#include "log.h"
#include "suite.h"

#define DEVICES	    4u
#define SECONDARIES 3u

static struct hf_memory memory;
static struct hf_directory directory; /* the primary's view */

static void quiet(void *context, int priority, const char *tag, const char *line)
{
	(void)context, (void)priority, (void)tag, (void)line;
}

static void open_directory(void)
{
	hf_log_set_sink(quiet, NULL);
	REQUIRE(hf_memory_create(&memory, "directory", hf_directory_size(DEVICES, SECONDARIES),
				 HF_NODE_ANY, false) == 0);
	REQUIRE(hf_directory_format(&directory, &memory, DEVICES, SECONDARIES, 77) == 0);
}

static void close_directory(void)
{
	hf_memory_destroy(&memory);
	hf_log_set_sink(NULL, NULL);
}

/* Attach as a reader does, by a descriptor that is read-only. */
static int attach(struct hf_directory *reader)
{
	int fd = hf_memory_readonly_fd(&memory), error;

	REQUIRE(fd >= 0);
	error = hf_directory_attach(reader, fd);
	close(fd);
	return error;
}

static void a_reader_sees_what_the_primary_published(void)
{
	static struct hf_shm_device draft, copy;
	struct hf_directory reader;

	open_directory();
	draft = (struct hf_shm_device){.state = HF_DEVICE_READY,
				       .session = 5,
				       .nr_regions = 2,
				       .nr_vrings = 3,
				       .name = "p0"};
	draft.regions[1].gpa = 4096;
	draft.vrings[2].desc_gpa = 8192;
	REQUIRE(attach(&reader) == 0);
	CHECK_EQ(reader.header.epoch, 77);
	CHECK_EQ(hf_directory_publish(&directory, 1, &draft), 0);
	CHECK_EQ(hf_directory_snapshot(&reader, 1, &copy), 0);
	CHECK_EQ(copy.generation, 1);
	CHECK_EQ(copy.session, 5);
	CHECK_EQ(copy.regions[1].gpa, 4096);
	CHECK_EQ(copy.vrings[2].desc_gpa, 8192);
	CHECK(strcmp(copy.name, "p0") == 0);
	CHECK_EQ(hf_directory_snapshot(&reader, 0, &copy), 0);
	CHECK_EQ(copy.state, HF_DEVICE_FREE);
	hf_directory_detach(&reader);
	close_directory();
}

static void publishing_leaves_grant_owner_and_lane_entry_alone(void)
{
	static struct hf_shm_device draft;
	struct hf_shm_vring *vring;

	open_directory();
	vring = &hf_directory_device(&directory, 2)->vrings[0];
	*hf_directory_grant(&directory, 2, 0) = 11;
	vring->owner = 2;
	vring->lane_entry = 9;
	draft = (struct hf_shm_device){.nr_vrings = 1};
	draft.vrings[0] = (struct hf_shm_vring){.owner = 98, .size = 256};
	CHECK_EQ(hf_directory_publish(&directory, 2, &draft), 0);
	CHECK_EQ(*hf_directory_grant(&directory, 2, 0), 11);
	CHECK_EQ(vring->owner, 2);
	CHECK_EQ(vring->lane_entry, 9);
	CHECK_EQ(vring->size, 256);
	close_directory();
}

static void there_is_no_slot_past_the_end(void)
{
	static struct hf_shm_device copy;

	open_directory();
	CHECK(hf_directory_device(&directory, DEVICES - 1) != NULL);
	CHECK(!hf_directory_device(&directory, DEVICES));
	CHECK(!hf_directory_device(&directory, UINT32_MAX));
	CHECK(hf_directory_secondary(&directory, SECONDARIES - 1) != NULL);
	CHECK(!hf_directory_secondary(&directory, SECONDARIES));
	CHECK_EQ(hf_directory_snapshot(&directory, DEVICES, &copy), -ENOENT);
	CHECK_EQ(hf_directory_publish(&directory, DEVICES, &copy), -ENOENT);
	close_directory();
}

static void slots_lie_apart_and_inside(void)
{
	const char *end;

	open_directory();
	end = (char *)memory.base + memory.size;
	for (uint32_t i = 0; i < DEVICES; i++) {
		char *device = (char *)hf_directory_device(&directory, i);

		CHECK(device + sizeof(struct hf_shm_device) <= end);
		if (i + 1 < DEVICES)
			CHECK(device + sizeof(struct hf_shm_device) <=
			      (char *)hf_directory_device(&directory, i + 1));
	}
	CHECK((char *)(hf_directory_secondary(&directory, SECONDARIES - 1) + 1) <=
	      (char *)hf_directory_grant(&directory, 0, 0));
	for (uint32_t i = 0; i + 1 < HF_SHM_MAX_VRINGS; i++)
		CHECK(hf_directory_grant(&directory, DEVICES - 1, i) <
		      hf_directory_grant(&directory, 0, i + 1));
	CHECK((char *)(hf_directory_grant(&directory, DEVICES - 1, HF_SHM_MAX_VRINGS - 1) + 1) <=
	      (char *)hf_directory_device(&directory, 0));
	CHECK(!hf_directory_grant(&directory, DEVICES, 0));
	CHECK(!hf_directory_grant(&directory, 0, HF_SHM_MAX_VRINGS));
	close_directory();
}

static void a_directory_that_does_not_fit_is_not_laid_out(void)
{
	struct hf_directory other;

	open_directory();
	CHECK_EQ(hf_directory_format(&other, &memory, DEVICES + 1, SECONDARIES, 1), -EINVAL);
	CHECK_EQ(hf_directory_format(&other, &memory, 0, SECONDARIES, 1), -EINVAL);
	CHECK_EQ(hf_directory_format(&other, &memory, DEVICES, 0, 1), -EINVAL);
	CHECK_EQ(hf_directory_format(&other, &memory, UINT32_MAX, UINT32_MAX, 1), -EINVAL);
	close_directory();
}

static void another_major_version_is_refused_and_a_minor_one_is_not(void)
{
	struct hf_directory reader;
	struct hf_shm_header *header;

	open_directory();
	header = memory.base;
	header->abi_major = HF_ABI_MAJOR + 1;
	CHECK_EQ(attach(&reader), -EPROTO);
	CHECK(!reader.base);
	header->abi_major = 0;
	CHECK_EQ(attach(&reader), -EPROTO);
	header->abi_major = HF_ABI_MAJOR;
	header->abi_minor = HF_ABI_MINOR + 7;
	CHECK_EQ(attach(&reader), 0);
	hf_directory_detach(&reader);
	close_directory();
}

#define DAMAGE(field, value)                                                                       \
	{                                                                                          \
		offsetof(struct hf_shm_header, field), sizeof(((struct hf_shm_header *)0)->field), \
			(uint64_t)(value)                                                          \
	}

static const struct damage {
	size_t offset, bytes;
	uint64_t value;
} damages[] = {
	DAMAGE(magic, 0),
	DAMAGE(magic, HF_LANE_MAGIC),
	DAMAGE(size, UINT64_MAX),
	DAMAGE(size, 0),
	DAMAGE(size, 87),
	DAMAGE(size, 88),
	DAMAGE(size, 4096),
	DAMAGE(max_devices, 0),
	DAMAGE(max_devices, DEVICES + 10000),
	DAMAGE(max_devices, UINT32_MAX),
	DAMAGE(max_secondaries, 0),
	DAMAGE(max_secondaries, UINT32_MAX),
	DAMAGE(devices_offset, 0),
	DAMAGE(devices_offset, 4097),
	DAMAGE(devices_offset, UINT64_MAX - 7),
	DAMAGE(devices_offset, 1ull << 40),
	DAMAGE(device_stride, 0),
	DAMAGE(device_stride, sizeof(struct hf_shm_device) - 8),
	DAMAGE(device_stride, UINT64_MAX - 7),
	DAMAGE(device_stride, 1ull << 62),
	DAMAGE(grants_offset, 0),
	DAMAGE(grants_offset, 4097),
	DAMAGE(grants_offset, UINT64_MAX - 7),
	DAMAGE(grant_row_stride, 0),
	DAMAGE(grant_row_stride, DEVICES * sizeof(hf_shm_grant) - 8),
	DAMAGE(grant_row_stride, 1ull << 62),
	DAMAGE(secondaries_offset, UINT64_MAX - 7),
	DAMAGE(secondaries_offset, 16),
	DAMAGE(secondary_stride, 8),
	DAMAGE(secondary_stride, 1ull << 60),
	DAMAGE(max_regions, HF_SHM_MAX_REGIONS + 1),
	DAMAGE(max_vrings, HF_SHM_MAX_VRINGS + 1),
};

static void every_damaged_header_is_refused(void)
{
	struct hf_directory reader;

	open_directory();
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		const struct damage *d = &damages[i];
		uint64_t saved = 0;
		char text[64];

		memcpy(&saved, (char *)memory.base + d->offset, d->bytes);
		memcpy((char *)memory.base + d->offset, &d->value, d->bytes);
		snprintf(text, sizeof(text), "damage at %zu, value %#llx", d->offset,
			 (unsigned long long)d->value);
		CU_assertImplementation(attach(&reader) == -EINVAL, __LINE__, text, __FILE__, "",
					CU_FALSE);
		hf_directory_detach(&reader);
		memcpy((char *)memory.base + d->offset, &saved, d->bytes);
	}
	CHECK_EQ(attach(&reader), 0);
	hf_directory_detach(&reader);
	close_directory();
}

static void what_is_no_directory_at_all_is_refused(void)
{
	struct hf_directory reader;
	int small = memfd_create("small", MFD_CLOEXEC), empty = memfd_create("empty", MFD_CLOEXEC);
	int ends[2];

	hf_log_set_sink(quiet, NULL);
	REQUIRE(ftruncate(small, 8192) == 0 && pipe(ends) == 0);
	CHECK_EQ(hf_directory_attach(&reader, small), -EINVAL);
	CHECK_EQ(hf_directory_attach(&reader, empty), -EINVAL);
	CHECK(hf_directory_attach(&reader, ends[0]) < 0);
	CHECK(hf_directory_attach(&reader, -1) < 0);
	CHECK_EQ(hf_directory_adopt(&reader, &(struct hf_memory){.size = 4095}), -EINVAL);
	close(small);
	close(empty);
	close(ends[0]);
	close(ends[1]);
	hf_log_set_sink(NULL, NULL);
}

static void a_reader_gives_up_while_the_writer_is_odd(void)
{
	static struct hf_shm_device copy;
	struct hf_shm_device *device;

	open_directory();
	device = hf_directory_device(&directory, 0);
	device->seq = 3;
	CHECK_EQ(hf_directory_snapshot(&directory, 0, &copy), -EBUSY);
	CHECK_EQ(hf_directory_publish(&directory, 0, &copy), 0); /* the next primary */
	CHECK_EQ(hf_directory_snapshot(&directory, 0, &copy), 0);
	close_directory();
}

static void counts_in_a_snapshot_are_bounded_and_the_name_ends(void)
{
	static struct hf_shm_device copy;
	struct hf_shm_device *device;

	open_directory();
	device = hf_directory_device(&directory, 0);
	device->nr_regions = UINT32_MAX;
	device->nr_vrings = UINT32_MAX;
	memset(device->name, 'x', sizeof(device->name));
	CHECK_EQ(hf_directory_snapshot(&directory, 0, &copy), 0);
	CHECK_EQ(copy.nr_regions, HF_SHM_MAX_REGIONS);
	CHECK_EQ(copy.nr_vrings, HF_SHM_MAX_VRINGS);
	CHECK_EQ(strlen(copy.name), HF_SHM_NAME_BYTES - 1);
	close_directory();
}

#define PUBLICATIONS 20000u

static atomic_bool over;

/* Every field says the same number. */
static void *publish_many(void *unused)
{
	static struct hf_shm_device draft;

	(void)unused;
	for (uint64_t n = 1; n <= PUBLICATIONS; n++) {
		draft = (struct hf_shm_device){
			.session = n, .features = n, .nr_regions = 4, .nr_vrings = 4};
		draft.inflight_size = n;
		for (int i = 0; i < 4; i++) {
			draft.regions[i].gpa = n;
			draft.vrings[i].desc_gpa = n;
		}
		hf_directory_publish(&directory, 0, &draft);
	}
	atomic_store(&over, true);
	return NULL;
}

static unsigned int differing(const struct hf_shm_device *copy)
{
	uint64_t n = copy->session;
	unsigned int wrong =
		copy->features != n || copy->inflight_size != n || copy->generation != n;

	for (uint32_t i = 0; i < copy->nr_regions; i++)
		wrong += copy->regions[i].gpa != n;
	for (uint32_t i = 0; i < copy->nr_vrings; i++)
		wrong += copy->vrings[i].desc_gpa != n;
	return wrong;
}

static void a_snapshot_is_never_a_mixture_of_two_publications(void)
{
	static struct hf_shm_device copy;
	struct hf_directory reader;
	unsigned int wrong = 0, whole = 0;
	pthread_t writer;

	open_directory();
	REQUIRE(attach(&reader) == 0);
	atomic_store(&over, false);
	REQUIRE(pthread_create(&writer, NULL, publish_many, NULL) == 0);
	while (!atomic_load(&over)) {
		int result = hf_directory_snapshot(&reader, 0, &copy);

		wrong += result && result != -EBUSY;
		if (!result) {
			whole++;
			wrong += differing(&copy);
		}
	}
	pthread_join(writer, NULL);
	CHECK_EQ(hf_directory_snapshot(&reader, 0, &copy), 0);
	CHECK_EQ(copy.session, PUBLICATIONS);
	CHECK_EQ(differing(&copy), 0);
	CHECK_EQ(wrong, 0);
	CHECK(whole > 0);
	hf_directory_detach(&reader);
	close_directory();
}

static const struct sentence sentences[] = {
	SENTENCE(a_reader_sees_what_the_primary_published),
	SENTENCE(publishing_leaves_grant_owner_and_lane_entry_alone),
	SENTENCE(there_is_no_slot_past_the_end),
	SENTENCE(slots_lie_apart_and_inside),
	SENTENCE(a_directory_that_does_not_fit_is_not_laid_out),
	SENTENCE(another_major_version_is_refused_and_a_minor_one_is_not),
	SENTENCE(every_damaged_header_is_refused),
	SENTENCE(what_is_no_directory_at_all_is_refused),
	SENTENCE(a_reader_gives_up_while_the_writer_is_odd),
	SENTENCE(counts_in_a_snapshot_are_bounded_and_the_name_ends),
	SENTENCE(a_snapshot_is_never_a_mixture_of_two_publications),
};
SUITE("directory", sentences)
