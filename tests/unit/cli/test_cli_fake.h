/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A primary made of a thread and a function that answers. It serves one connection after the other
 * on DIR/control.sock, through the same frames as the real one.
 */
#ifndef TESTS_CLI_FAKE_H
#define TESTS_CLI_FAKE_H

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"
#include "fd.h"
#include "frame.h"
#include "messages.h"

struct fake {
	char dir[64];
	/* Answer one request on `fd`; false hangs up. */
	bool (*answer)(struct fake *fake, int fd, const pb_request *request);
	unsigned requests; /* so far; the answering thread's */
	int listener, stop;
	pthread_t thread;
	struct hf_frame frame;
};

static inline bool fake_send(int fd, pb_response *response)
{
	return hf_frame_send(fd, &response->base, NULL, 0) == 0;
}

static inline bool fake_refuse(int fd, int error, const char *reason)
{
	pb_response response = HOLDFAST__CONTROL__RESPONSE__INIT;

	response.error = error;
	response.reason = (char *)(uintptr_t)reason;
	return fake_send(fd, &response);
}

/* 1: `fd` is readable; 0: time to end. */
static int fake_wait(const struct fake *fake, int fd)
{
	struct pollfd wait[] = {{.fd = fd, .events = POLLIN}, {.fd = fake->stop, .events = POLLIN}};

	return poll(wait, 2, -1) > 0 && !wait[1].revents;
}

static bool fake_serve_one(struct fake *fake, int fd)
{
	pb_request *request;
	bool go_on;

	if (hf_frame_receive(fd, &fake->frame) <= 0)
		return false;
	request = (pb_request *)hf_frame_unpack(&holdfast__control__request__descriptor,
						fake->frame.bytes, fake->frame.len);
	if (!request)
		return false;
	fake->requests++;
	go_on = fake->answer(fake, fd, request);
	hf_frame_free_unpacked(&request->base);
	return go_on;
}

static void *fake_main(void *argument)
{
	struct fake *fake = argument;

	while (fake_wait(fake, fake->listener)) {
		int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);

		while (fd >= 0 && fake_wait(fake, fd) && fake_serve_one(fake, fd))
			;
		hf_fd_close(&fd);
	}
	return NULL;
}

static inline void fake_make_dir(struct fake *fake)
{
	snprintf(fake->dir, sizeof(fake->dir), "/tmp/hf-cli-test-XXXXXX");
	if (!mkdtemp(fake->dir))
		abort();
}

static inline void fake_start(struct fake *fake,
			      bool (*answer)(struct fake *fake, int fd, const pb_request *request))
{
	char path[128];

	memset(fake, 0, sizeof(*fake));
	fake_make_dir(fake);
	snprintf(path, sizeof(path), "%s/control.sock", fake->dir);
	fake->answer = answer;
	fake->frame.bytes = malloc(HF_FRAME_MAX_BYTES);
	fake->stop = eventfd(0, EFD_CLOEXEC);
	fake->listener = hf_seqpacket_listen(path, 0600);
	if (fake->listener < 0 || pthread_create(&fake->thread, NULL, fake_main, fake))
		abort();
}

static inline void fake_stop(struct fake *fake)
{
	char path[128];

	if (eventfd_write(fake->stop, 1) || pthread_join(fake->thread, NULL))
		abort();
	hf_fd_close(&fake->listener);
	hf_fd_close(&fake->stop);
	free(fake->frame.bytes);
	snprintf(path, sizeof(path), "%s/control.sock", fake->dir);
	unlink(path);
	rmdir(fake->dir);
}

#endif
