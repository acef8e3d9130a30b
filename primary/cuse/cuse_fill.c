/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vhost-user brings along by itself is looked for here: memory by the caller's maps, eventfds
 * by number.
 *
 * QEMU does not tell vhost-net what the guest negotiated about checksums and segments, which is the
 * tap's business there. So whatever we can take from a guest of that kind is taken as negotiated;
 * it is never given to one.
 */
#include "cuse_fill.h"

#include <errno.h>
#include <string.h>

#include "cuse_owner.h"
#include "fd.h"
#include "foreign.h"
#include "headroom.h"
#include "port.h"
#include "primary.h"
#include "session.h"
#include "session_answer.h"

#define FROM_GUEST                                                                                 \
	(VIRTIO_BIT(VIRTIO_NET_F_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4) |                      \
	 VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_BIT(VIRTIO_NET_F_HOST_ECN) |                  \
	 VIRTIO_BIT(VIRTIO_NET_F_HOST_UFO))

static void put(struct session *session, const void *payload, uint32_t size)
{
	session->raw.header.size = size;
	memcpy(session->raw.payload, payload, size);
}

bool fill_nothing(struct session *session, const struct cuse_call *call, struct cuse_caller *caller)
{
	(void)call;
	(void)caller;
	put(session, "", 0);
	return true;
}

bool fill_owner(struct session *session, const struct cuse_call *call, struct cuse_caller *caller)
{
	(void)call;
	if (session->socket >= 0) {
		(void)session_refuse(session, REFUSED_VRING_STATE, "%s", "it has an owner");
		return false;
	}
	if (!headroom_for_message(session->device, &caller->pidfd, 1, 0)) {
		(void)session_refuse(session, REFUSED_NO_RESOURCES, "%s", "1 descriptor more");
		return false;
	}
	session->owner_start = caller->start;
	session->socket = hf_fd_take(&caller->pidfd);
	session->port->peer_pid = caller->pid;
	if (cuse_owner_watch(session) < 0) {
		hf_fd_close(&session->socket);
		(void)session_refuse(session, REFUSED_NO_RESOURCES, "%s", "cannot watch it");
		return false;
	}
	put(session, "", 0);
	return true;
}

bool fill_features(struct session *session, const struct cuse_call *call,
		   struct cuse_caller *caller)
{
	uint64_t features;

	(void)caller;
	memcpy(&features, call->data, sizeof(features));
	if (features & CUSE_NOT_OFFERED) {
		(void)session_refuse(session, REFUSED_UNSUPPORTED_FEATURE, "bits 0x%llx",
				     (unsigned long long)(features & CUSE_NOT_OFFERED));
		return false;
	}
	features |= FROM_GUEST & port_offered_features(session->port);
	put(session, &features, sizeof(features));
	return true;
}

/* Where the two protocols have the same structure. */
bool fill_same(struct session *session, const struct cuse_call *call, struct cuse_caller *caller)
{
	(void)caller;
	put(session, call->data, call->in.in_size);
	return true;
}

static bool refuse_index(struct session *session, uint32_t index)
{
	(void)session_refuse(session, REFUSED_VRING_INDEX, "vring %u", index);
	return false;
}

bool fill_event(struct session *session, const struct cuse_call *call, struct cuse_caller *caller)
{
	struct vh_vring_file file;
	uint64_t payload;
	int fd;

	memcpy(&file, call->data, sizeof(file));
	if (file.index > VU_VRING_INDEX_MASK)
		return refuse_index(session, file.index);
	payload = file.index;
	if (file.fd == -1) {
		payload |= VU_VRING_NOFD;
		put(session, &payload, sizeof(payload));
		return true;
	}
	if (foreign_hangs(&session->port->foreign)) {
		(void)session_refuse(session, REFUSED_FOREIGN_FD, "vring %u", file.index);
		return false;
	}
	fd = cuse_caller_eventfd(caller, file.fd);
	if (fd < 0) {
		enum refusal reason = fd == -EBADF    ? REFUSED_EVENT_FD
				      : fd == -EPERM  ? REFUSED_MEMORY_HIDDEN
				      : fd == -EMFILE ? REFUSED_NO_RESOURCES
						      : REFUSED_EVENT_FD;

		(void)session_refuse(session, reason, "vring %u, descriptor %d of process %d",
				     file.index, file.fd, caller->pid);
		return false;
	}
	/* The caller was quicker than the look: it is not even closed by us. */
	if (foreign_discard(&session->port->foreign, &fd, 1)) {
		foreign_let_go(&session->port->foreign);
		rate_spend(&session->port->foreigners, FOREIGNER_NS);
		(void)session_refuse(session, REFUSED_EVENT_FD, "vring %u", file.index);
		return false;
	}
	session->raw.fds[session->raw.nr_fds++] = fd;
	put(session, &payload, sizeof(payload));
	return true;
}

/* The tap that comes along is not asked anything. */
bool fill_backend(struct session *session, const struct cuse_call *call, struct cuse_caller *caller)
{
	struct vh_vring_file file;
	struct vu_vring_state state;

	(void)caller;
	memcpy(&file, call->data, sizeof(file));
	state = (struct vu_vring_state){.index = file.index, .num = file.fd >= 0};
	put(session, &state, sizeof(state));
	return true;
}

static bool regions_ok(const struct vu_region *regions, uint32_t count)
{
	uint64_t end;

	for (uint32_t i = 0; i < count; i++)
		if (!regions[i].size || !add_ok(regions[i].user_addr, regions[i].size, &end))
			return false;
	return true;
}

uint32_t cuse_table(const struct cuse_call *call, struct vu_region *ret_regions)
{
	struct vh_memory head;

	memcpy(&head, call->data, sizeof(head));
	memcpy(ret_regions, call->data + sizeof(head), head.count * sizeof(ret_regions[0]));
	for (uint32_t i = 0; i < head.count; i++)
		ret_regions[i].file_offset = 0;
	return head.count;
}

bool cuse_table_wants_look(const struct cuse_call *call)
{
	struct vu_region regions[CUSE_MAX_REGIONS];
	uint32_t count = cuse_table(call, regions);

	return regions_ok(regions, count);
}

bool fill_memory(struct session *session, const struct cuse_call *call, struct cuse_caller *caller)
{
	(void)caller;
	put(session, call->data, call->in.in_size);
	return true;
}

void fill_memory_found(struct session *session, const struct cuse_call *call,
		       const struct vu_region *regions, const int *fds, uint32_t count)
{
	struct vu_raw *raw = &session->raw;

	put(session, call->data, call->in.in_size);
	memcpy(raw->payload + sizeof(struct vh_memory), regions, count * sizeof(regions[0]));
	memcpy(raw->fds, fds, count * sizeof(fds[0]));
	raw->nr_fds = count;
}
