/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control context of one attachment. Everything here belongs to the control thread.
 *
 * One epoll descriptor carries all: the attach socket, a timer (heartbeat, and re-attaching when
 * the primary is gone), and an eventfd that says "there is work left from a request" or "stop".
 */
#ifndef SECONDARY_SERVICE_H
#define SECONDARY_SERVICE_H

#include <errno.h>
#include <holdfast/continuity.h>
#include <holdfast/driver.h>
#include <holdfast/service.h>
#include <pthread.h>

#include "attach.pb-c.h"
#include "clock.h"
#include "device.h"
#include "directory.h"
#include "frame.h"
#include "log.h"

#define HF_RUN_DIR_DEFAULT "/run/holdfast"
#define HF_GLOBS_MAX	   64u
#define HF_REPLY_WAIT_NS   (5 * NS_PER_S)

/* A packet that came while a request waited for its reply; handled by the next dispatch. */
struct hf_deferred {
	struct hf_deferred *next;
	struct hf_frame frame;
	uint8_t bytes[];
};

/* A message that could not be sent yet, packed; unsaid.c. */
struct hf_unsaid {
	struct hf_unsaid *next;
	uint8_t *bytes;
	size_t len;
};

struct hf_service {
	/* From hf_service_connect, constant. */
	char run_dir[80];
	char name[HF_SHM_NAME_BYTES];
	char tag[HF_SHM_NAME_BYTES + 16];
	enum hf_role role;
	int32_t priority;
	char *ports[HF_GLOBS_MAX];
	size_t nr_ports;
	bool membarrier;
	bool fence; /* the primary said in Welcome: it cannot fence our threads */
	struct hf_log_limit log_limit;
	bool said; /* hf_service_connect: why it fails is in the log */
	const struct hf_device_ops *ops;
	void *context;
	void (*peer_state)(const char *peer, const void *state, size_t bytes, void *context);
	void *peer_state_context;
	void (*flush)(void *context);
	void *flush_context;

	/* Ours, for a successor; continuity.c. */
	int state_fd;
	void *state; /* NULL: none */
	size_t state_bytes;

	int epoll;
	int timer;
	int wake;      /* eventfd */
	int socket;    /* -1: not attached */
	bool welcomed; /* Hello was answered */
	bool stop;     /* hf_driver_session_stop; any thread writes */
	uint64_t attempts;

	/* From Welcome. */
	struct hf_directory directory;
	void *lane;
	size_t lane_bytes;
	uint64_t id;

	struct hf_device **devices;	/* by slot; [directory.header.max_devices]; see rescue.h */
	struct hf_shm_device *snapshot; /* scratch */
	struct hf_frame frame;		/* scratch of dispatch */
	struct hf_frame request_frame;	/* scratch of a request, which may run inside dispatch */
	struct hf_deferred *deferred, **deferred_tail;
	struct hf_unsaid *unsaid;
	uint64_t requests;

	/* rescue.h */
	pthread_mutex_t rescue_lock;
	pthread_t rescuer;
	int rescue_stop; /* eventfd; -1: there is no such thread */
};

/* 0; -ENOTCONN; -EAGAIN: the primary does not read; -errno. */
static inline int hf_service_send(const struct hf_service *service,
				  const Holdfast__Attach__ToPrimary *message)
{
	if (service->socket < 0)
		return -ENOTCONN;
	return hf_frame_send(service->socket, &message->base, NULL, 0);
}

/* attach.c: the life of the connection. */
int hf_attach(struct hf_service *service); /* connect and say Hello */
int hf_attach_welcome(struct hf_service *service, const Holdfast__Attach__Welcome *welcome,
		      struct hf_frame *frame);
void hf_attach_lost(struct hf_service *service, const char *why);

/* driver.c: ask, and wait for the reply. `fd` goes along; -1: none. 0; -ENOTCONN; -ETIMEDOUT; the
 * reply's error. */
int hf_request(struct hf_service *service, Holdfast__Attach__ToPrimary *message, int fd,
	       uint64_t wait_ns, uint64_t *ret_value);

/* continuity.c */
void hf_state_tell(struct hf_service *service);
void hf_state_free(struct hf_service *service);
void hf_on_peer_state(struct hf_service *service, const Holdfast__Attach__PeerState *message,
		      struct hf_frame *frame);

/* messages.c: one packet from the primary. */
void hf_message_handle(struct hf_service *service, struct hf_frame *frame);
void hf_message_handle_deferred(struct hf_service *service);

/* devices.c: one function per message about devices and their memory. */
void hf_on_device_memory(struct hf_service *service, const Holdfast__Attach__DeviceMemory *message,
			 struct hf_frame *frame);
void hf_on_device_ready(struct hf_service *service, const Holdfast__Attach__DeviceReady *message);
void hf_on_device_retire(struct hf_service *service, const Holdfast__Attach__DeviceRetire *message);
void hf_on_device_rarp(struct hf_service *service, const Holdfast__Attach__DeviceRarp *message);
void hf_on_flush(struct hf_service *service, const Holdfast__Attach__Flush *message);
/* destroy_device for all, and free them. */
void hf_devices_drop_all(struct hf_service *service);

/* grants.c: one per message about vrings. */
void hf_on_vring_grant(struct hf_service *service, const Holdfast__Attach__VringGrant *message,
		       struct hf_frame *frame);
void hf_on_vring_prepare(struct hf_service *service, const Holdfast__Attach__VringPrepare *message,
			 struct hf_frame *frame);
void hf_on_vring_notify(struct hf_service *service, const Holdfast__Attach__VringNotify *message,
			struct hf_frame *frame);
void hf_on_vring_state(struct hf_service *service, const Holdfast__Attach__VringState *message);
void hf_on_vring_revoke(struct hf_service *service, const Holdfast__Attach__VringRevoke *message);

/* unsaid.c: what the primary has to hear, now or, when it does not read, later. */
void hf_say(struct hf_service *service, const Holdfast__Attach__ToPrimary *message);
/* Once more what it did not read. */
void hf_say_unsaid(struct hf_service *service);
void hf_drop_unsaid(struct hf_service *service);

#endif
