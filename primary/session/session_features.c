/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two sides can do, and the requests that concern the whole device.
 *
 * QEMU sends SET_FEATURES once for every queue pair, with the rings of the first ones running
 * already: the same value again is nothing. A real change needs stopped rings, since the header's
 * length and the rings' event words hang on it (LOG_ALL, which may change at any time, is not
 * offered).
 */
#include <string.h>

#include "device.h"
#include "door.h"
#include "grant.h"
#include "handlers.h"
#include "port.h"
#include "session.h"
#include "session_answer.h"
#include "session_draft.h"
#include "session_wait.h"
#include "tell.h"
#include "vring_stop.h"
#include "waiting.h"

#define PROTOCOL_FEATURES                                                                          \
	(VIRTIO_BIT(VU_PROTOCOL_MQ) | VIRTIO_BIT(VU_PROTOCOL_RARP) |                               \
	 VIRTIO_BIT(VU_PROTOCOL_REPLY_ACK) | VIRTIO_BIT(VU_PROTOCOL_MTU) |                         \
	 VIRTIO_BIT(VU_PROTOCOL_CONFIGURE_MEM_SLOTS) | VIRTIO_BIT(VU_PROTOCOL_STATUS))

enum vu_outcome vu_get_features(struct session *session, struct vu_msg *msg)
{
	uint64_t offered = port_offered_features(session->port);

	(void)msg;
	session->greeted = true;
	session->offered |= offered;
	return session_reply_u64(session, offered);
}

static bool any_vring_active(const struct device *device)
{
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		if (vring_active(&device->vrings[i]))
			return true;
	return false;
}

enum vu_outcome vu_set_features(struct session *session, struct vu_msg *msg)
{
	struct device *device = session->device;
	/* What was offered a moment ago may have been disabled since: it stays acceptable. */
	uint64_t offered = session->offered | port_offered_features(session->port);
	bool was_packed;

	if (msg->u64 & ~offered)
		return session_refuse(session, REFUSED_UNSUPPORTED_FEATURE, "bits 0x%llx",
				      (unsigned long long)(msg->u64 & ~offered));
	/* There is no legacy packed ring: virtio 1.x, "Feature bits", 34 needs 32. */
	if ((msg->u64 & VIRTIO_BIT(VIRTIO_F_RING_PACKED)) &&
	    !(msg->u64 & VIRTIO_BIT(VIRTIO_F_VERSION_1)))
		return session_refuse(session, REFUSED_UNSUPPORTED_FEATURE, "%s",
				      "RING_PACKED without VERSION_1");
	if (device->features_set && device->features == msg->u64)
		return VU_DONE;
	if (any_vring_active(device))
		return session_refuse(session, REFUSED_VRING_STATE, "%s", "a vring is started");
	was_packed = device_is_packed(device);
	device->features = msg->u64;
	device->features_set = true;
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		/* Without the bit there is no SET_VRING_ENABLE. With it, what was enabled before
		 * stays: QEMU enables queue pairs when it realizes the device. */
		if (!(msg->u64 & VIRTIO_BIT(VU_F_PROTOCOL_FEATURES)))
			device->vrings[i].enabled = true;
		/* A position of the other kind of ring means nothing. */
		if (was_packed != device_is_packed(device))
			vring_forget_position(&device->vrings[i]);
		vring_locate(&device->vrings[i]);
	}
	session_settle(session, SESSION_ALL_VRINGS);
	return VU_DONE;
}

enum vu_outcome vu_get_protocol_features(struct session *session, struct vu_msg *msg)
{
	(void)msg;
	return session_reply_u64(session, PROTOCOL_FEATURES);
}

enum vu_outcome vu_set_protocol_features(struct session *session, struct vu_msg *msg)
{
	if (msg->u64 & ~PROTOCOL_FEATURES)
		return session_refuse(session, REFUSED_UNSUPPORTED_FEATURE, "protocol bits 0x%llx",
				      (unsigned long long)(msg->u64 & ~PROTOCOL_FEATURES));
	session->device->protocol_features = msg->u64;
	session_settle(session, SESSION_ALL_VRINGS);
	return VU_DONE;
}

enum vu_outcome vu_get_queue_num(struct session *session, struct vu_msg *msg)
{
	(void)msg;
	return session_reply_u64(session, session->port->queue_pairs);
}

enum vu_outcome vu_set_owner(struct session *session, struct vu_msg *msg)
{
	(void)msg;
	session->greeted = true;
	return VU_DONE;
}

static enum vu_outcome after_reset(struct session *session, struct vu_msg *msg)
{
	struct device *device = session->device;

	(void)msg;
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++) {
		device->vrings[i].enabled = false;
		vring_rest(&device->vrings[i]);
	}
	if (session->port->door->disown)
		session->port->door->disown(session);
	session_settle(session, SESSION_ALL_VRINGS);
	return VU_DONE;
}

/* Deprecated, and read differently by different back-ends; the specification recommends this: all
 * rings are stopped and disabled, what was negotiated stays. */
enum vu_outcome vu_reset_owner(struct session *session, struct vu_msg *msg)
{
	(void)msg;
	for (uint32_t i = 0; i < HF_SHM_MAX_VRINGS; i++)
		vring_stop(session, &session->device->vrings[i]);
	return session_revoke(session, GRANT_ALL_VRINGS, after_reset);
}

enum vu_outcome vu_send_rarp(struct session *session, struct vu_msg *msg)
{
	uint8_t mac[6];

	memcpy(mac, &msg->u64, sizeof(mac));
	grant_send_rarp(session->device, mac);
	return VU_DONE;
}

enum vu_outcome vu_net_set_mtu(struct session *session, struct vu_msg *msg)
{
	session->device->mtu = (uint16_t)msg->u64;
	session_settle(session, SESSION_ALL_VRINGS);
	return VU_DONE;
}

enum vu_outcome vu_set_status(struct session *session, struct vu_msg *msg)
{
	session->device->status = (uint8_t)msg->u64;
	session->device->status_seen = true;
	session_settle(session, SESSION_ALL_VRINGS);
	return VU_DONE;
}

enum vu_outcome vu_get_status(struct session *session, struct vu_msg *msg)
{
	(void)msg;
	return session_reply_u64(session, session->device->status);
}
