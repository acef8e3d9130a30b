/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vring is either free (owner NULL, word 0), granted (owner, word = grant | enabled), or
 * withdrawn (owner, word 0, `revoking`), and goes round in this order only.
 *
 * Order when giving: the lane entry is reset and the owner written before the word, and the word
 * before the message leaves. The burst compares the word with the grant it was told by message, so
 * word first or message first is the same to safety; word first means that the owner's first look
 * at the ring finds it granted, and a thread that then sleeps for a kick has not missed one.
 *
 * Order when taking back: word, fence, `busy`, and only then position and counters. Reading the
 * position before would read the one of a burst that is still running.
 */
#include "grant_vring.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "blame.h"
#include "directory.h"
#include "event.h"
#include "journal.h"
#include "lane.h"
#include "lane_entries.h"
#include "outbox.h"
#include "port.h"
#include "prepare.h"
#include "primary.h"
#include "publish.h"
#include "recover.h"
#include "refusal.h"
#include "secondary.h"
#include "seq.h"

/* Looks at `busy` before we wait by timer: most bursts are over in a few microseconds. */
#define QUIET_LOOKS 64u
/* In the used ring, behind its flags. */
#define USED_IDX_OFFSET 2u
/* Of a packed ring. */
#define DESC_BYTES	  16u
#define DESC_FLAGS_OFFSET 14u

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

static struct hf_shm_vring *slot_of(const struct vring *vring)
{
	const struct device *device = vring->device;

	return &hf_directory_device(&device->primary->directory, device->slot)
			->vrings[vring->index];
}

static hf_shm_grant *word_of(const struct vring *vring)
{
	const struct device *device = vring->device;

	return hf_directory_grant(&device->primary->directory, device->slot, vring->index);
}

static struct hf_lane_vring *entry_of(const struct vring *vring)
{
	return hf_lane_entry(vring->owner->lane.base, vring->lane_entry);
}

static void lane_reset(struct hf_lane_vring *entry, const struct vring *vring)
{
	struct hf_lane_vring fresh = {
		.avail = vring->base,
		.used = vring->base_used,
		/* An heir that dies before it has looked leaves them to the next. */
		.intent = vring->leftovers ? HF_INTENT_PACKED_GROUP : HF_INTENT_NONE,
		.intent_count = vring->leftovers,
		.grant = vring->grant,
	};

	hf_words_write(entry, &fresh, sizeof(fresh));
}

/* A secondary that has the set-up gets no descriptors: sending them is most of a grant's cost. */
void grant_vring_tell(const struct vring *vring)
{
	const struct device *device = vring->device;
	Holdfast__Attach__VringGrant grant = HOLDFAST__ATTACH__VRING_GRANT__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;
	bool prepared = vring->by_preparation;
	int fds[3];

	grant.device = device->slot;
	grant.session = device->session;
	grant.vring = vring->index;
	grant.grant = vring->grant;
	grant.lane_entry = vring->lane_entry;
	grant.enabled = vring->enabled;
	grant.has_kick = vring->kick >= 0;
	grant.has_call = vring->call >= 0;
	grant.has_err = vring->err >= 0;
	grant.avail = vring->base;
	grant.used = vring->base_used;
	grant.leftovers = vring->leftovers;
	grant.size = vring->size;
	grant.desc_gpa = vring->desc_gpa;
	grant.avail_gpa = vring->avail_gpa;
	grant.used_gpa = vring->used_gpa;
	grant.flags = publish_vring_flags(vring);
	grant.features = device->features;
	grant.mtu = device->mtu;
	grant.mem_generation = device->mem_generation;
	grant.prepared = prepared;
	grant.life = journal_life(device->primary);
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_GRANT;
	message.vring_grant = &grant;
	secondary_send(vring->owner, &message, fds, prepared ? 0 : prepare_fds(vring, fds));
	prepare_note(vring, vring->owner);
}

int grant_vring_give(struct vring *vring, struct secondary *secondary)
{
	struct primary *primary = vring->device->primary;
	struct hf_shm_vring *slot = slot_of(vring);
	uint32_t entry = secondary_lane_bind(secondary, vring->device, vring->index);

	if (!entry)
		return -ENOSPC;
	vring->owner = secondary;
	vring->lane_entry = entry;
	/* The grant brings it. */
	if (vring->call_unsent)
		prepare_void(vring, secondary);
	vring->call_unsent = false;
	vring->grant = primary->next_grant;
	primary->next_grant += 2;
	journal_numbers(primary);
	secondary->nr_vrings++;
	lane_reset(entry_of(vring), vring);
	hf_write_once(&slot->lane_entry, entry);
	hf_store_release(&slot->owner, secondary->slot);
	/* Partner: the acquire in hf_burst_enter. Who sees the word sees whose it is. */
	hf_store_release(word_of(vring), vring->grant | (vring->enabled ? HF_GRANT_ENABLED : 0));
	vring->by_preparation = prepare_is_current(vring, secondary);
	grant_vring_tell(vring);
	return 0;
}

void grant_vring_withdraw(struct vring *vring)
{
	/* Partner: hf_burst_enter. The store comes before our look at `busy` by the caller's
	 * hf_lane_fence_all; without that a burst could see the old word while we see busy 0. */
	hf_store_release(word_of(vring), (uint64_t)0);
	vring->revoking = true;
}

bool grant_vring_quiet(const struct vring *vring)
{
	const struct hf_lane_vring *entry = entry_of(vring);

	for (unsigned int looks = 0; looks < QUIET_LOOKS; looks++) {
		if (hf_lane_quiescent(entry))
			return true;
		relax();
	}
	return false;
}

/* used->idx; false: it cannot be read. */
static bool read_used(const struct vring *vring, uint16_t *ret_used)
{
	bool known = device_read(vring->device, vring->used_gpa + USED_IDX_OFFSET, ret_used,
				 sizeof(*ret_used));

	*ret_used = le16toh(*ret_used);
	return known;
}

void grant_vring_recover_without_lane(struct vring *vring)
{
	uint16_t guest_used = 0;

	/* A packed ring does not tell where it is. */
	if (!vring->started || device_is_packed(vring->device) || !read_used(vring, &guest_used))
		return;
	vring->base = guest_used;
	vring->base_used = guest_used;
	journal_position(vring);
}

static struct recovered split_position(const struct vring *vring, const struct recover_lane *lane)
{
	uint16_t guest_used = 0;
	bool known = read_used(vring, &guest_used);

	return recover_split(lane, vring->size, vring->base_used, known ? &guest_used : NULL);
}

static bool packed_flags_at(void *context, uint16_t place, uint16_t *ret_flags)
{
	const struct vring *vring = context;

	if (!device_read(vring->device,
			 vring->desc_gpa + (uint64_t)place * DESC_BYTES + DESC_FLAGS_OFFSET,
			 ret_flags, sizeof(*ret_flags)))
		return false;
	*ret_flags = le16toh(*ret_flags);
	return true;
}

/* The lane's position, held against the guest's ring; see recover.c. */
static void read_position(struct vring *vring, const struct hf_lane_vring *entry)
{
	struct recover_lane lane = recover_read_lane(entry);
	struct recover_ring ring = {packed_flags_at, vring};
	struct recovered r;

	if (device_is_packed(vring->device))
		r = recover_packed(&lane, vring->size, vring->base_used, &ring);
	else
		r = split_position(vring, &lane);
	if (r.lied) {
		refusal_count(vring->device->primary, REFUSED_LANE_LIES);
		if (hf_log_allowed(&vring->owner->log_limit))
			log_warning(vring->owner->tag,
				    "its lane has an impossible position for %s vring %u: "
				    "going on at %u",
				    vring->device->tag, vring->index, r.position);
	}
	vring->base = r.position;
	vring->base_used = r.position;
	vring->leftovers = r.leftovers;
}

static void fold_counters(struct vring *vring, const struct hf_lane_vring *entry)
{
	for (uint32_t i = 0; i < HF_NR_COUNTERS; i++)
		vring->counters[i] += hf_read_once(&entry->counters[i]);
}

static void send_revoke(const struct vring *vring, struct secondary *secondary, uint64_t grant,
			uint64_t keep)
{
	Holdfast__Attach__VringRevoke revoke = HOLDFAST__ATTACH__VRING_REVOKE__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	revoke.device = vring->device->slot;
	revoke.session = vring->device->session;
	revoke.vring = vring->index;
	revoke.grant = grant;
	revoke.keep = keep;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_REVOKE;
	message.vring_revoke = &revoke;
	secondary_send(secondary, &message, NULL, 0);
}

void grant_vring_tell_kept(const struct vring *vring, struct secondary *secondary, bool keep)
{
	if (secondary_lane_entry(secondary, vring->device->slot, vring->index))
		send_revoke(vring, secondary, 0,
			    keep && vring->owner == secondary ? vring->grant : 0);
}

void grant_vring_take_back(struct vring *vring)
{
	const struct hf_lane_vring *entry = entry_of(vring);
	struct hf_shm_vring *slot = slot_of(vring);

	read_position(vring, entry);
	journal_position(vring);
	/* Who died may have lied: if the ring really is broken the next owner finds out. */
	if (vring->owner->dead) {
		vring->broken = false;
	} else {
		(void)grant_vring_check_broken(vring);
		blame_survived(vring);
	}
	fold_counters(vring, entry);
	send_revoke(vring, vring->owner, vring->grant, 0);
	/* Last: with an owner, a successor reads the position from its lane. */
	hf_write_once(&slot->lane_entry, 0u);
	hf_store_release(&slot->owner, HF_SHM_NO_OWNER);
	vring->owner->nr_vrings--;
	vring->owner = NULL;
	vring->lane_entry = 0;
	vring->grant = 0;
	vring->revoking = false;
}

void grant_vring_enable(struct vring *vring)
{
	struct device *device = vring->device;
	Holdfast__Attach__VringState state = HOLDFAST__ATTACH__VRING_STATE__INIT;
	Holdfast__Attach__ToSecondary message = HOLDFAST__ATTACH__TO_SECONDARY__INIT;

	/* Partner: the acquire in hf_burst_enter. The burst may see it at any later time. */
	hf_store_release(word_of(vring), vring->grant | HF_GRANT_ENABLED);
	state.device = device->slot;
	state.session = device->session;
	state.vring = vring->index;
	state.enabled = true;
	message.body_case = HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_STATE;
	message.vring_state = &state;
	secondary_send(vring->owner, &message, NULL, 0);
}

bool grant_vring_check_broken(struct vring *vring)
{
	uint16_t broken = hf_read_once(&entry_of(vring)->broken);
	const char *reason;

	if (!broken || vring->broken)
		return false;
	reason = hf_shm_counter_name(broken - 1u);
	vring->broken = true;
	event_emit(vring->device->primary, HOLDFAST__CONTROL__EVENT_KIND__VRING_BROKEN,
		   vring->device->port->name, vring->owner->name, vring->index, 0, "%s",
		   reason ? reason : "unknown reason");
	return true;
}
