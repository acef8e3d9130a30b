/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "clock.h"
#include "fd.h"
#include "notify.h"
#include "service.h"

#define LOOK_MS 500

/*
 * Half as much to half as much again, by the last digits of the clock, which nobody can know: a
 * front-end that knew when the next look is would have its calls hang until just before it.
 */
static int next_look_ms(void)
{
	return LOOK_MS / 2 + (int)(hf_now_ns() * 0x9e3779b97f4a7c15u >> 33) % LOOK_MS;
}

/* One that hung will make others hang: none of the device's guest is called any more. */
static void look_at_device(struct hf_device *device)
{
	bool hung = false;

	for (uint32_t q = 0; q < HF_MAX_VRINGS; q++) {
		struct hf_vring *v = hf_load_acquire(&device->vrings[q]);

		if (v)
			hung |= hf_notify_rescue(v);
	}
	for (uint32_t q = 0; hung && q < HF_MAX_VRINGS; q++) {
		struct hf_vring *v = hf_load_acquire(&device->vrings[q]);

		if (v)
			hf_notify_silence(v);
	}
	if (hung)
		log_warning(device->service->tag,
			    "port %s made a call to its guest hang: it is not called any more",
			    device->name);
}

static void look(struct hf_service *service)
{
	hf_rescue_lock(service);
	for (uint32_t i = 0; service->devices && i < service->directory.header.max_devices; i++)
		if (service->devices[i])
			look_at_device(service->devices[i]);
	hf_rescue_unlock(service);
}

static void *run(void *arg)
{
	struct hf_service *service = arg;
	struct pollfd p = {.fd = service->rescue_stop, .events = POLLIN};

	while (poll(&p, 1, next_look_ms()) <= 0)
		look(service);
	return NULL;
}

int hf_rescue_start(struct hf_service *service)
{
	sigset_t all, before;
	int error;

	service->rescue_stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (service->rescue_stop < 0)
		return -errno;
	/* Signals are for the application's threads. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	error = -pthread_create(&service->rescuer, NULL, run, service);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		hf_fd_close(&service->rescue_stop);
	return error;
}

void hf_rescue_stop(struct hf_service *service)
{
	if (service->rescue_stop < 0)
		return;
	(void)eventfd_write(service->rescue_stop, 1);
	(void)pthread_join(service->rescuer, NULL);
	hf_fd_close(&service->rescue_stop);
}

void hf_rescue_lock(struct hf_service *service)
{
	pthread_mutex_lock(&service->rescue_lock);
}

void hf_rescue_unlock(struct hf_service *service)
{
	pthread_mutex_unlock(&service->rescue_lock);
}
