/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two things are counted alike: places with who keeps ours, one for each descriptor, and numbers in
 * our own table, two for each: its own, and the store's.
 */
#include "headroom.h"

#include <sys/resource.h>

#include "check.h"
#include "device.h"
#include "port.h"
#include "primary.h"
#include "store.h"

/* What a session with eight regions and a few queue pairs needs, and a few more. */
#define RESERVE 64u
/* Of so few, not more than this share. */
#define SHARE 4u
/* The right of each session, until it has more: a region, one queue pair, the socket. */
#define RIGHT	    8u
#define RIGHT_SHARE 32u

/* Of a secondary: socket, pidfd, lane and state, and the store's of each. */
#define NUMBERS_OF_SECONDARY 8u

/* Of one of the two. */
struct room {
	uint64_t of, left;
	uint64_t each; /* so many for a descriptor */
};

static uint64_t reserve_of(const struct room *room)
{
	return min_u64(RESERVE, room->of / SHARE);
}

static uint64_t right_of(const struct room *room, const struct device *device)
{
	return max_u64(min_u64(RIGHT * room->each, room->of / RIGHT_SHARE),
		       room->each * device->descriptors.most);
}

/* What the sessions of all devices but this one still have a right to. */
static uint64_t owed(const struct primary *primary, const struct room *room,
		     const struct device *but)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		const struct device *device = primary->ports[i] ? &primary->ports[i]->device : NULL;
		uint64_t right, has;

		if (!device || device == but || !device->session)
			continue;
		right = right_of(room, device);
		has = room->each * device->descriptors.now;
		sum += right > has ? right - has : 0;
	}
	return sum;
}

static struct room kept(const struct primary *primary)
{
	return (struct room){
		.of = store_max(primary->store), .left = store_room(primary->store), .each = 1};
}

/* There are at least so many: those below one that the kernel gave, and those of sessions and
 * secondaries. */
static uint64_t count_used(const struct primary *primary, int fd)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++)
		if (primary->ports[i])
			used += 2 * (primary->ports[i]->device.descriptors.now + 1);
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++)
		if (primary->secondaries[i])
			used += NUMBERS_OF_SECONDARY;
	return max_u64(used, (uint64_t)fd + 1);
}

/* The table's; false: no limit that we know of. */
static bool numbers(const struct primary *primary, int fd, struct room *ret)
{
	uint64_t used = count_used(primary, fd);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return false;
	*ret = (struct room){.of = limit.rlim_cur,
			     .left = limit.rlim_cur > used ? limit.rlim_cur - used : 0,
			     .each = 2};
	return true;
}

static bool is_short(const struct primary *primary, enum newcomer_kind kind,
		     const struct room *room)
{
	if (kind == NEW_SECONDARY)
		return room->left < reserve_of(room) / 2;
	return room->left < reserve_of(room) + owed(primary, room, NULL);
}

bool headroom_for_new(const struct primary *primary, enum newcomer_kind kind, int fd)
{
	struct room room = kept(primary);

	if (is_short(primary, kind, &room))
		return false;
	return !numbers(primary, fd, &room) || !is_short(primary, kind, &room);
}

/* `needed` more have to be found just now, and `more` of them stay. */
static bool may_have(const struct device *device, const struct room *room, uint64_t needed,
		     uint64_t more)
{
	uint64_t has = room->each * device->descriptors.now;

	if (needed > room->left)
		return false;
	if (!more || has + room->each * more <= right_of(room, device))
		return true;
	/* A secondary may still come, by a socket that takes one, too. */
	return more + owed(device->primary, room, device) + reserve_of(room) * 3 / 4 <= room->left;
}

bool headroom_for_message(const struct device *device, const int *fds, size_t nr_fds,
			  uint32_t replaced)
{
	const struct primary *primary = device->primary;
	struct room room = kept(primary);
	uint64_t needed, more;
	int highest = -1;

	if (!nr_fds)
		return true;
	needed = store_needs(primary->store, fds, nr_fds);
	more = nr_fds > replaced ? nr_fds - replaced : 0;
	if (!may_have(device, &room, needed, min_u64(needed, more)))
		return false;
	for (size_t i = 0; i < nr_fds; i++)
		highest = fds[i] > highest ? fds[i] : highest;
	/* They have numbers already; the store's are to come. */
	return !numbers(primary, highest, &room) || may_have(device, &room, nr_fds, more);
}

void headroom_note(struct device *device)
{
	uint32_t now = 1 + device->memory.count;

	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		const struct vring *vring = &device->vrings[i];

		now += (vring->kick >= 0) + (vring->call >= 0) + (vring->err >= 0);
	}
	device->descriptors.now = now;
	if (now > device->descriptors.most)
		device->descriptors.most = now;
}
