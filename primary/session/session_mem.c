/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory table. Replaced, never edited: each of the three requests builds the whole next
 * table beside the one in force, with its descriptors; whatever is wrong shows while nothing has
 * changed yet. Then all rings are taken back, the tables are exchanged, and the rings
 * go on in the new one, those that still lie in it. One that lost its memory is suspended: QEMU
 * takes a region away and gives it back when only its size changes.
 *
 * The primary keeps no map of guest memory: the front-end can cut its file short at any time, and
 * a touch would end this process for all of them. A secondary maps it, and guards itself.
 *
 * QEMU 7.2 has a vhost device for each queue pair and sends ADD_MEM_REG and REM_MEM_REG from all
 * of them: the same region is added, and removed, once a pair. So adding what is there already is
 * done, as is removing what was just removed; anything else that does not fit is refused.
 */
#include <string.h>

#include "device.h"
#include "fd.h"
#include "handlers.h"
#include "memory_draft.h"
#include "primary.h"
#include "session.h"
#include "session_answer.h"
#include "session_draft.h"
#include "session_wait.h"

/* The node that has most of the memory whose node is known. */
static int node_of_most(const struct hf_memtab *table)
{
	uint64_t most = 0;
	int node = HF_NODE_ANY;

	for (uint32_t i = 0; i < table->count; i++) {
		uint64_t sum = 0;

		for (uint32_t j = 0; j < table->count; j++)
			if (table->regions[j].node == table->regions[i].node)
				sum += table->regions[j].size;
		if (table->regions[i].node != HF_NODE_ANY && sum > most) {
			most = sum;
			node = table->regions[i].node;
		}
	}
	return node;
}

/* The store's numbers of the regions that stay; both tables' descriptors are open, so equal ones
 * are the same. */
static void keep_numbers(struct device *device, const struct memory_draft *draft)
{
	uint32_t stored[HF_SHM_MAX_REGIONS] = {0};

	for (uint32_t i = 0; i < draft->table.count; i++)
		for (uint32_t j = 0; j < device->memory.count; j++)
			if (device->region_fds[j] == draft->fds[i])
				stored[i] = device->regions_stored[j];
	memcpy(device->regions_stored, stored, sizeof(stored));
}

static enum vu_outcome put_in_force(struct session *session, struct vu_msg *msg)
{
	struct memory_draft *draft = session->next_memory;
	struct device *device = session->device;

	(void)msg;
	session->next_memory = NULL;
	keep_numbers(device, draft);
	device->memory = draft->table;
	memcpy(device->region_fds, draft->fds, draft->table.count * sizeof(int));
	device->node = node_of_most(&device->memory);
	device->mem_generation++;
	device_forget_lacks(device);
	hf_fd_close_all(draft->retired, draft->nr_retired);
	draft->nr_fresh = 0;
	memory_draft_free(draft);
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		/* A kick was waited for because the ring looked fresh in the old memory. */
		loop_remove(session->primary->loop, &device->vrings[i].kick_source);
		vring_locate(&device->vrings[i]);
	}
	session_settle(session, SESSION_ALL_VRINGS);
	return VU_DONE;
}

/* The draft is good: take all rings back, then put it in force. */
static enum vu_outcome exchange(struct session *session, struct memory_draft *draft)
{
	session->next_memory = draft;
	return session_revoke(session, GRANT_ALL_VRINGS, put_in_force);
}

static enum vu_outcome give_up(struct session *session, struct memory_draft *draft,
			       enum refusal reason)
{
	memory_draft_free(draft);
	return session_refuse(session, reason, "%s", "the memory table stays as it was");
}

enum vu_outcome vu_set_mem_table(struct session *session, struct vu_msg *msg)
{
	struct memory_draft *draft = memory_draft_begin(session->device, false);
	enum refusal reason = REFUSED_NO_RESOURCES;

	if (!draft)
		return give_up(session, NULL, reason);
	for (uint32_t i = 0; i < msg->memory.count; i++)
		if (!memory_draft_add(draft, &msg->memory.regions[i], &msg->fds[i], &reason))
			return give_up(session, draft, reason);
	return exchange(session, draft);
}

enum vu_outcome vu_get_max_mem_slots(struct session *session, struct vu_msg *msg)
{
	(void)msg;
	return session_reply_u64(session, HF_SHM_MAX_REGIONS);
}

static enum vu_outcome add_region(struct session *session, struct vu_msg *msg)
{
	struct memory_draft *draft = memory_draft_begin(session->device, true);
	enum refusal reason = REFUSED_NO_RESOURCES;

	if (!draft || !memory_draft_add(draft, &msg->memory.regions[0], &msg->fds[0], &reason))
		return give_up(session, draft, reason);
	return exchange(session, draft);
}

/* Is exactly this region, of this file, in the table? */
static bool is_there(const struct device *device, const struct vu_region *region, int fd)
{
	int at = hf_memtab_find_gpa(&device->memory, region->gpa);
	const struct hf_shm_region *r;
	uint64_t file_id;

	if (at < 0 || !memory_draft_file_ok(fd, region, &file_id))
		return false;
	r = &device->memory.regions[at];
	return r->gpa == region->gpa && r->size == region->size &&
	       r->user_addr == region->user_addr && r->file_offset == region->file_offset &&
	       r->file_id == file_id;
}

enum vu_outcome vu_add_mem_reg(struct session *session, struct vu_msg *msg)
{
	if (is_there(session->device, &msg->memory.regions[0], msg->fds[0]))
		return VU_DONE;
	return add_region(session, msg);
}

static bool was_removed(const struct session *session, const struct vu_region *region)
{
	for (uint32_t i = 0; i < SESSION_REMEMBERED && i < session->nr_removed; i++) {
		const struct vu_region *r = &session->removed[i];

		if (r->gpa == region->gpa && r->size == region->size &&
		    r->user_addr == region->user_addr)
			return true;
	}
	return false;
}

enum vu_outcome vu_rem_mem_reg(struct session *session, struct vu_msg *msg)
{
	struct memory_draft *draft = memory_draft_begin(session->device, true);
	const struct vu_region *region = &msg->memory.regions[0];
	enum refusal reason = REFUSED_NO_RESOURCES;
	uint32_t at;

	if (!draft)
		return give_up(session, NULL, reason);
	if (hf_memtab_remove(&draft->table, region->gpa, region->user_addr, region->size, &at) <
	    0) {
		if (!was_removed(session, region))
			return give_up(session, draft, REFUSED_REGION_UNKNOWN);
		memory_draft_free(draft);
		return VU_DONE;
	}
	draft->retired[draft->nr_retired++] = draft->fds[at];
	memmove(&draft->fds[at], &draft->fds[at + 1],
		(draft->table.count - at) * sizeof(draft->fds[0]));
	session->removed[session->nr_removed++ % SESSION_REMEMBERED] = *region;
	return exchange(session, draft);
}
