/* SPDX-License-Identifier: Apache-2.0 */
/* Packets from the primary: unpack, dispatch by kind. Descriptors nobody takes are closed. */
#include <stdlib.h>

#include "log.h"
#include "service.h"

static void handle(struct hf_service *service, const Holdfast__Attach__ToSecondary *m,
		   struct hf_frame *frame)
{
	switch (m->body_case) {
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_WELCOME:
		if (hf_attach_welcome(service, m->welcome, frame) < 0)
			hf_attach_lost(service, "its welcome is of no use");
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_REFUSED:
		if (hf_log_allowed(&service->log_limit))
			log_error(service->tag, "the primary refused: %s", m->refused->reason);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_MEMORY:
		hf_on_device_memory(service, m->device_memory, frame);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_READY:
		hf_on_device_ready(service, m->device_ready);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_GRANT:
		hf_on_vring_grant(service, m->vring_grant, frame);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_PREPARE:
		hf_on_vring_prepare(service, m->vring_prepare, frame);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_PEER_STATE:
		hf_on_peer_state(service, m->peer_state, frame);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_FLUSH:
		hf_on_flush(service, m->flush);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_NOTIFY:
		hf_on_vring_notify(service, m->vring_notify, frame);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_STATE:
		hf_on_vring_state(service, m->vring_state);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_VRING_REVOKE:
		hf_on_vring_revoke(service, m->vring_revoke);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_RETIRE:
		hf_on_device_retire(service, m->device_retire);
		break;
	case HOLDFAST__ATTACH__TO_SECONDARY__BODY_DEVICE_RARP:
		hf_on_device_rarp(service, m->device_rarp);
		break;
	default:
		/* A reply to a request that timed out, or a newer primary's message that this
		 * library does not know: nothing of ours depends on it. */
		break;
	}
}

/* Before Welcome there is no directory and no lane: nothing else means anything. */
static bool in_order(const struct hf_service *service, const Holdfast__Attach__ToSecondary *m)
{
	return service->welcomed || m->body_case == HOLDFAST__ATTACH__TO_SECONDARY__BODY_WELCOME ||
	       m->body_case == HOLDFAST__ATTACH__TO_SECONDARY__BODY_REFUSED;
}

void hf_message_handle(struct hf_service *service, struct hf_frame *frame)
{
	ProtobufCMessage *message = hf_frame_unpack(&holdfast__attach__to_secondary__descriptor,
						    frame->bytes, frame->len);
	const Holdfast__Attach__ToSecondary *m = (const void *)message;

	if (!m || !in_order(service, m)) {
		log_error(service->tag, "the primary sent a message that does not parse");
		hf_frame_close_fds(frame);
		hf_frame_free_unpacked(message);
		hf_attach_lost(service, "bad message");
		return;
	}
	handle(service, m, frame);
	hf_frame_close_fds(frame);
	hf_frame_free_unpacked(message);
}

void hf_message_handle_deferred(struct hf_service *service)
{
	while (service->deferred) {
		struct hf_deferred *d = service->deferred;

		service->deferred = d->next;
		if (!service->deferred)
			service->deferred_tail = &service->deferred;
		hf_message_handle(service, &d->frame);
		free(d);
	}
}
