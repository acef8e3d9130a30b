/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hand-overs that we ask for, and state: ours for a successor, a predecessor's for us.
 *
 * Our state is a memfd sealed against shrinking and growing, so that no reader can be made to
 * fault. The descriptor goes to each primary that we attach to; the map stays where it is for the
 * life of the service, attached or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <holdfast/continuity.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fd.h"
#include "log.h"
#include "service.h"

#define STATE_MAX_BYTES	 (64ull << 20)
#define HANDOVER_WAIT_NS (60 * NS_PER_S)

static int moved(int error, uint64_t devices)
{
	return error ? error : (int)devices;
}

int hf_handover(struct hf_service *service, const char *port, const char *to)
{
	Holdfast__Attach__Handover handover = HOLDFAST__ATTACH__HANDOVER__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	uint64_t devices = 0;
	int error;

	if (!to)
		return -EINVAL;
	handover.to = (char *)(uintptr_t)to;
	if (port)
		handover.port = (char *)(uintptr_t)port;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_HANDOVER;
	message.handover = &handover;
	error = hf_request(service, &message, -1, HANDOVER_WAIT_NS, &devices);
	return moved(error, devices);
}

int hf_drain(struct hf_service *service, bool force)
{
	Holdfast__Attach__Drain drain = HOLDFAST__ATTACH__DRAIN__INIT;
	Holdfast__Attach__ToPrimary message = HOLDFAST__ATTACH__TO_PRIMARY__INIT;
	uint64_t devices = 0;
	int error;

	drain.force = force;
	message.body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_DRAIN;
	message.drain = &drain;
	error = hf_request(service, &message, -1, HANDOVER_WAIT_NS, &devices);
	return moved(error, devices);
}

/* Sealed, mapped. The seal against seals keeps anybody from adding one that stops our own writes.
 */
static int make_state(struct hf_service *service, size_t bytes)
{
	int fd = memfd_create("holdfast-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *base = MAP_FAILED;
	int error;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		error = -errno;
		hf_fd_close(&fd);
		return error;
	}
	service->state_fd = fd;
	service->state = base;
	service->state_bytes = bytes;
	return 0;
}

void hf_state_free(struct hf_service *service)
{
	if (service->state)
		(void)munmap(service->state, service->state_bytes);
	service->state = NULL;
	hf_fd_close(&service->state_fd);
}

static void fill_state_set(Holdfast__Attach__ToPrimary *message, Holdfast__Attach__StateSet *set)
{
	holdfast__attach__state_set__init(set);
	holdfast__attach__to_primary__init(message);
	message->body_case = HOLDFAST__ATTACH__TO_PRIMARY__BODY_STATE_SET;
	message->state_set = set;
}

/* After Welcome: a primary that was started anew has not heard of it. */
void hf_state_tell(struct hf_service *service)
{
	Holdfast__Attach__StateSet set;
	Holdfast__Attach__ToPrimary message;

	if (!service->state)
		return;
	fill_state_set(&message, &set);
	if (hf_frame_send(service->socket, &message.base, &service->state_fd, 1) < 0)
		log_warning(service->tag, "the primary does not keep our state: a successor "
					  "will start without it");
}

int hf_service_set_state(struct hf_service *service, size_t bytes, void **ret_state)
{
	Holdfast__Attach__StateSet set;
	Holdfast__Attach__ToPrimary message;
	int error;

	if (!bytes || bytes > STATE_MAX_BYTES)
		return -EINVAL;
	if (service->state)
		return -EBUSY;
	error = make_state(service, bytes);
	if (error)
		return error;
	fill_state_set(&message, &set);
	error = hf_request(service, &message, service->state_fd, HF_REPLY_WAIT_NS, NULL);
	if (error) {
		hf_state_free(service);
		return error;
	}
	*ret_state = service->state;
	return 0;
}

int hf_flush_callback_register(struct hf_service *service, void (*flush)(void *context),
			       void *context)
{
	if (!flush)
		return -EINVAL;
	service->flush = flush;
	service->flush_context = context;
	return 0;
}

int hf_peer_state_callback_register(struct hf_service *service,
				    void (*peer_state)(const char *peer, const void *state,
						       size_t bytes, void *context),
				    void *context)
{
	if (!peer_state)
		return -EINVAL;
	service->peer_state = peer_state;
	service->peer_state_context = context;
	return 0;
}

/* The primary has checked the seals; a mistake in it must not be a fault here. */
static bool can_be_mapped(int fd, size_t *ret_bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) < 0 || st.st_size < 1 ||
	    (uint64_t)st.st_size > STATE_MAX_BYTES)
		return false;
	*ret_bytes = (size_t)st.st_size;
	return true;
}

void hf_on_peer_state(struct hf_service *service, const Holdfast__Attach__PeerState *m,
		      struct hf_frame *frame)
{
	size_t bytes = 0;
	void *map = MAP_FAILED;

	if (!service->peer_state || frame->nr_fds != 1)
		return;
	if (can_be_mapped(frame->fds[0], &bytes))
		map = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, frame->fds[0], 0);
	if (map == MAP_FAILED) {
		log_warning(service->tag, "cannot read what %s knew: starting without", m->name);
		return;
	}
	service->peer_state(m->name, map, bytes, service->peer_state_context);
	(void)munmap(map, bytes);
}
