/* SPDX-License-Identifier: Apache-2.0 */
/* Rings: set up, started and stopped by a front-end. When they start is in session_draft.c. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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
#include "vring_stop.h"

static struct vring *named(struct session *session, const struct vu_msg *msg)
{
	return &session->device->vrings[msg->index];
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
