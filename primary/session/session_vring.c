/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings: set up, start, stop.
 *
 * A ring has two states that know nothing of each other. Enabled or disabled is a word of the
 * front-end. Stopped or started is not: the protocol has no "start", a ring starts when the guest
 * first kicks it, which is when its kick descriptor becomes readable. We only poll it, the ring's
 * owner reads it: a kick is never lost between the two.
 *
 * Waiting for a kick alone would hang a ring that was in use before: the back-end before us may
 * have taken the kick, or have told the guest not to kick at all (used->flags, avail_event) and
 * died; nobody would ever kick again. So a ring that shows any trace of use is started at once.
 * Starting early does no harm, since an empty ring moves no packets; starting late is a dead link.
 *
 * vhost-net has a start: NET_SET_BACKEND. A ring of such a device runs from there until the backend
 * is taken away, and keeps its kick beyond.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "check.h"
#include "device.h"
#include "fd.h"
#include "grant.h"
#include "handlers.h"
#include "port.h"
#include "primary.h"
#include "revoke.h"
#include "session.h"
#include "session_answer.h"
#include "session_draft.h"
#include "session_wait.h"
#include "tell.h"

/* Offsets in a split ring. */
#define INDEX_OFFSET	     2u
#define USED_EVENT_OFFSET(n) (4u + 8u * (uint64_t)(n))
/* Offset in a packed ring's descriptor, and in its event suppression structures. */
#define DESC_FLAGS_OFFSET  14u
#define EVENT_FLAGS_OFFSET 2u

static struct vring *named(struct session *session, const struct vu_msg *msg)
{
	return &session->device->vrings[msg->index];
}

/* --- starting --- */

/* A 16-bit word of a ring, little-endian as the ring is. False: cannot be read. */
static bool read_word(const struct device *device, uint64_t gpa, uint16_t *ret_word)
{
	if (!device_read(device, gpa, ret_word, sizeof(*ret_word)))
		return false;
	*ret_word = le16toh(*ret_word);
	return true;
}

/* Packed: no descriptor was ever made available, and nobody has asked not to be kicked. */
static bool packed_is_fresh(const struct vring *vring)
{
	uint16_t first, kicks;

	if (!read_word(vring->device, vring->desc_gpa + DESC_FLAGS_OFFSET, &first) ||
	    !read_word(vring->device, vring->used_gpa + EVENT_FLAGS_OFFSET, &kicks))
		return true;
	return !first && !kicks;
}

/* Was the ring, as far as can be seen, never used since the driver laid it out? */
static bool ring_is_fresh(const struct vring *vring)
{
	const struct device *device = vring->device;
	uint16_t avail_idx, used_flags, used_idx, avail_event = 0;

	if (vring->base != device_first_base(device))
		return false;
	if (device_is_packed(device))
		return packed_is_fresh(vring);
	if (!read_word(device, vring->avail_gpa + INDEX_OFFSET, &avail_idx) ||
	    !read_word(device, vring->used_gpa, &used_flags) ||
	    !read_word(device, vring->used_gpa + INDEX_OFFSET, &used_idx))
		return true;
	if ((device->features & VIRTIO_BIT(VIRTIO_F_EVENT_IDX)) &&
	    !read_word(device, vring->used_gpa + USED_EVENT_OFFSET(vring->size), &avail_event))
		return true;
	return !avail_idx && !used_flags && !used_idx && !avail_event;
}

/*
 * Entries between used->idx and base were taken by a back-end before us and never given back: it
 * died. Rings are completed in order here, so going on from used->idx serves them again, and
 * going on from base would lose them for good. A base further away than the ring is long says
 * nothing of that kind, and is the front-end's word. A packed ring has no index that would tell.
 */
static void settle_base(struct session *session, struct vring *vring)
{
	uint16_t used_idx;

	/* The size may have come behind the base. */
	if (device_is_packed(vring->device) && (vring->base & 0x7fff) >= vring->size)
		vring->base = device_first_base(vring->device);
	vring->base_used = vring->base;
	if (device_is_packed(vring->device) ||
	    !read_word(vring->device, vring->used_gpa + INDEX_OFFSET, &used_idx) ||
	    used_idx == vring->base || (uint16_t)(vring->base - used_idx) > vring->size)
		return;
	if (hf_log_allowed(&session->log_limit))
		log_notice(vring->device->tag,
			   "vring %u: %u buffers were in flight in an earlier back-end, serving "
			   "them again",
			   vring->index, (uint16_t)(vring->base - used_idx));
	vring->base = used_idx;
	vring->base_used = used_idx;
}

static void start(struct session *session, struct vring *vring)
{
	loop_remove(session->primary->loop, &vring->kick_source);
	/* Back after its memory was away: the position was read at the revocation. */
	if (!vring->suspended)
		settle_base(session, vring);
	vring->suspended = false;
	vring->started = true;
	if (!(session->device->features & VIRTIO_BIT(VU_F_PROTOCOL_FEATURES)))
		vring->enabled = true;
}

static void on_kick(struct loop_source *source, uint32_t events)
{
	struct vring *vring = container_of(source, struct vring, kick_source);
	struct session *session = vring->device->port->session;

	(void)events;
	/* Also while a message waits: what its revocation covers is not granted before it is done.
	 */
	start(session, vring);
	session_settle(session, vring->index);
}

void vring_try_start(struct session *session, struct vring *vring)
{
	struct loop *loop = session->primary->loop;
	bool watched = vring->kick_source.fd >= 0;

	if (vring->started || !vring_configured(vring))
		return;
	if (vring->suspended || vring->kick < 0 || vring->device->is_vhost_net ||
	    (!watched && !ring_is_fresh(vring))) {
		start(session, vring);
		return;
	}
	if (watched)
		return;
	vring->kick_source.ready = on_kick;
	/* Without the watch we might never hear of the guest; starting now is the lesser evil. */
	if (loop_add(loop, &vring->kick_source, vring->kick, EPOLLIN) < 0)
		start(session, vring);
}

void vring_stop(struct session *session, struct vring *vring)
{
	loop_remove(session->primary->loop, &vring->kick_source);
	vring->started = false;
	vring->suspended = false;
}

/* --- set-up, while stopped (vu_table.c) --- */

/* What was waited for so far may have been another ring. */
static enum vu_outcome changed(struct session *session, struct vring *vring)
{
	loop_remove(session->primary->loop, &vring->kick_source);
	vring->setup++;
	vring_locate(vring);
	session_settle(session, vring->index);
	return VU_DONE;
}

enum vu_outcome vu_set_vring_num(struct session *session, struct vu_msg *msg)
{
	struct vring *vring = named(session, msg);

	vring->size = (uint16_t)msg->num;
	return changed(session, vring);
}

enum vu_outcome vu_set_vring_base(struct session *session, struct vu_msg *msg)
{
	struct vring *vring = named(session, msg);

	/* Again, after a death: it went on from there, and is further by now. */
	if (vring->ahead)
		return changed(session, vring);
	/* Where we left it is where its leftovers are. */
	if (vring->base != (uint16_t)msg->num)
		vring->leftovers = 0;
	vring->base = (uint16_t)msg->num;
	vring->base_used = vring->base;
	return changed(session, vring);
}

/* Size and memory may come later; then the ring is looked at again, and not started before. */
enum vu_outcome vu_set_vring_addr(struct session *session, struct vu_msg *msg)
{
	struct vring *vring = named(session, msg);
	const struct vu_vring_addr *addr = &msg->addr;
	uint64_t gpa[3];

	switch (vring_fit(vring, addr->desc_user, addr->avail_user, addr->used_user, gpa)) {
	case RING_MISALIGNED:
		return session_refuse(session, REFUSED_RING_ALIGNMENT, "vring %u", vring->index);
	case RING_OUTSIDE:
		return session_refuse(session, REFUSED_RING_ADDRESS,
				      "vring %u is not whole inside one region", vring->index);
	case RING_OVERLAPS:
		return session_refuse(session, REFUSED_RING_ADDRESS, "vring %u overlaps itself",
				      vring->index);
	case RING_UNKNOWN:
	case RING_FITS:
		break;
	}
	vring->address_given = true;
	vring->desc_user = addr->desc_user;
	vring->avail_user = addr->avail_user;
	vring->used_user = addr->used_user;
	vring->addr_flags = addr->flags;
	vring->log_gpa = addr->log_gpa;
	return changed(session, vring);
}

/* --- stopping --- */

void vring_rest(struct vring *vring)
{
	if (!vring->device->is_vhost_net) {
		hf_fd_close(&vring->kick);
		vring->stored.kick = 0;
		vring->has_kick = false;
	}
	vring->has_backend = false;
	vring->broken = false;
	vring->setup++;
}

/* A packed ring's answer has both positions. */
static uint32_t base_of(const struct vring *vring)
{
	uint32_t used = device_is_packed(vring->device) ? vring->base : 0;

	return used << 16 | vring->base;
}

static enum vu_outcome after_stop(struct session *session, struct vu_msg *msg)
{
	struct vring *vring = named(session, msg);

	vring_rest(vring);
	session_settle(session, vring->index);
	return session_reply_state(session, vring->index, base_of(vring));
}

enum vu_outcome vu_get_vring_base(struct session *session, struct vu_msg *msg)
{
	vring_stop(session, named(session, msg));
	return session_revoke(session, (int)msg->index, after_stop);
}

static enum vu_outcome after_backend(struct session *session, struct vu_msg *msg)
{
	vring_rest(named(session, msg));
	session_settle(session, (int)msg->index);
	return VU_DONE;
}

/* vhost-net's: 1: the ring may run; 0: it is to stop. */
enum vu_outcome vu_net_set_backend(struct session *session, struct vu_msg *msg)
{
	struct vring *vring = named(session, msg);

	if (!msg->num) {
		vring_stop(session, vring);
		return session_revoke(session, (int)msg->index, after_backend);
	}
	if (!vring->size || !vring->has_address)
		return session_refuse(session, REFUSED_VRING_STATE,
				      "vring %u has no size or no address", vring->index);
	vring->has_backend = true;
	session_settle(session, vring->index);
	return VU_DONE;
}

/* --- at any time --- */

static enum vu_outcome done(struct session *session, struct vu_msg *msg)
{
	session_settle(session, (int)msg->index);
	return VU_DONE;
}

enum vu_outcome vu_set_vring_enable(struct session *session, struct vu_msg *msg)
{
	struct vring *vring = named(session, msg);
	bool enable = msg->num;
	bool changes = vring->owner && vring->enabled != enable;

	vring->enabled = enable;
	if (changes && !enable) {
		grant_set_enabled(session_prepare(session), vring, false);
		return session_await(session, done);
	}
	if (changes)
		grant_set_enabled(NULL, vring, true);
	return done(session, msg);
}

/*
 * Take the message's descriptor, or -1 when it has none by the NOFD bit. Only an eventfd is a
 * kick, call or error: a write to anything else could block a burst, or end up in a file. False:
 * not an eventfd; it stays the message's.
 */
static bool take_eventfd(struct vu_msg *msg, int *ret_fd)
{
	char path[40], link[40];
	ssize_t n;
	int flags;

	*ret_fd = -1;
	if (!msg->nr_fds)
		return true;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", msg->fds[0]);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return false;
	link[n] = '\0';
	if (strcmp(link, "anon_inode:[eventfd]") != 0)
		return false;
	flags = fcntl(msg->fds[0], F_GETFL);
	if (flags < 0 || fcntl(msg->fds[0], F_SETFL, flags | O_NONBLOCK) < 0)
		return false;
	*ret_fd = hf_fd_take(&msg->fds[0]);
	return true;
}

static enum vu_outcome not_an_eventfd(struct session *session, const struct vu_msg *msg)
{
	return session_refuse(session, REFUSED_EVENT_FD, "vring %u", msg->index);
}

static enum vu_outcome put_kick(struct session *session, struct vu_msg *msg)
{
	struct vring *vring = named(session, msg);

	loop_remove(session->primary->loop, &vring->kick_source);
	hf_fd_close(&vring->kick);
	vring->stored.kick = 0;
	vring->kick = msg->nr_fds ? hf_fd_take(&msg->fds[0]) : -1;
	vring->has_kick = true;
	vring->setup++;
	session_settle(session, vring->index);
	return VU_DONE;
}

enum vu_outcome vu_set_vring_kick(struct session *session, struct vu_msg *msg)
{
	int fd;

	if (!take_eventfd(msg, &fd))
		return not_an_eventfd(session, msg);
	/* Back into the message: it may have to wait until the old one is not used any more. */
	if (msg->nr_fds)
		msg->fds[0] = fd;
	return session_revoke(session, (int)msg->index, put_kick);
}

enum vu_outcome vu_set_vring_call(struct session *session, struct vu_msg *msg)
{
	struct vring *vring = named(session, msg);
	int fd;

	if (!take_eventfd(msg, &fd))
		return not_an_eventfd(session, msg);
	hf_fd_close(&vring->call);
	vring->stored.call = 0;
	vring->call = fd;
	/* No stop: the owner goes over to the new one between two bursts. */
	grant_send_call(vring);
	return done(session, msg);
}

enum vu_outcome vu_set_vring_err(struct session *session, struct vu_msg *msg)
{
	struct vring *vring = named(session, msg);
	int fd;

	if (!take_eventfd(msg, &fd))
		return not_an_eventfd(session, msg);
	hf_fd_close(&vring->err);
	vring->stored.err = 0;
	vring->err = fd;
	vring->setup++;
	return done(session, msg);
}
