/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the primary has to hear. When it does not read just now, or the kernel lacks memory, it
 * waits here until the next dispatch, in no order: each names the session or the grant that it is
 * about. Were one lost, the primary would keep our lane's entries for ever, or believe that we run
 * a ring that we have refused.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "service.h"

static void keep(struct hf_service *service, const Holdfast__Attach__ToPrimary *message)
{
	struct hf_unsaid *unsaid = malloc(sizeof(*unsaid));

	/* The next dispatch finds the end and says Bye, and attaching again begins from nothing. */
	if (!unsaid || hf_frame_pack(&message->base, &unsaid->bytes, &unsaid->len) < 0) {
		free(unsaid);
		(void)shutdown(service->socket, SHUT_RD);
		return;
	}
	unsaid->next = service->unsaid;
	service->unsaid = unsaid;
}

static void drop_first(struct hf_service *service)
{
	struct hf_unsaid *first = service->unsaid;

	service->unsaid = first->next;
	free(first->bytes);
	free(first);
}

void hf_say(struct hf_service *service, const Holdfast__Attach__ToPrimary *message)
{
	int error = hf_service_send(service, message);

	if (error && error != -ENOTCONN)
		keep(service, message);
}

void hf_say_unsaid(struct hf_service *service)
{
	while (service->unsaid) {
		if (hf_frame_send_packed(service->socket, service->unsaid->bytes,
					 service->unsaid->len, NULL, 0) < 0)
			return;
		drop_first(service);
	}
}

void hf_drop_unsaid(struct hf_service *service)
{
	while (service->unsaid)
		drop_first(service);
}
