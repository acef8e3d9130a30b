/* SPDX-License-Identifier: Apache-2.0 */
/* A switch in 70 lines: what one guest sends, every other guest gets. See docs/api.md. */
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { GUESTS = 16, BURST = 32 };
static struct hf_device *_Atomic guests[GUESTS];
static atomic_uint rounds; /* counted by the data thread */

static int new_device(struct hf_device *device, void *context)
{
	(void)context;
	for (int i = 0; i < GUESTS; i++)
		if (!guests[i]) {
			hf_device_set_running(device, true);
			guests[i] = device;
			return 0;
		}
	return -1; /* full: declined */
}

/* Two rounds later the data thread holds no handle and no packet that it held before. */
static void wait_for_data_thread(void *context)
{
	(void)context;
	for (unsigned int seen = rounds; rounds - seen < 2;)
		;
}

static void destroy_device(struct hf_device *device, void *context)
{
	for (int i = 0; i < GUESTS; i++)
		if (guests[i] == device)
			guests[i] = NULL;
	wait_for_data_thread(context);
}

static void *data_thread(void *pool)
{
	struct hf_packet *packets[BURST];

	for (size_t i = 0; i < BURST; i++)
		packets[i] = hf_packet_pool_get(pool, i);
	for (;; rounds++)
		for (int from = 0; from < GUESTS; from++) {
			struct hf_device *d = guests[from];
			uint16_t n = d ? hf_dequeue_burst(d, 1, packets, BURST) : 0;

			if (d) /* it may be owed a call */
				hf_enqueue_burst(d, 0, packets, 0);
			for (int to = 0; n && to < GUESTS; to++)
				if (to != from && (d = guests[to]))
					hf_enqueue_burst(d, 0, packets, n);
		}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct hf_device_ops ops = {.new_device = new_device,
					  .destroy_device = destroy_device};
	const struct hf_service_config config = {.run_dir = argc > 1 ? argv[1] : NULL,
						 .name = "hub"};
	struct hf_packet_pool *pool = hf_packet_pool_create(NULL, BURST, 65562);
	struct hf_service *service;
	pthread_t thread;
	int error = pool ? hf_service_connect(&config, &service) : -1;

	if (!error && !(error = hf_driver_callback_register(service, &ops, NULL)) &&
	    !(error = hf_flush_callback_register(service, wait_for_data_thread, NULL)) &&
	    !(error = -pthread_create(&thread, NULL, data_thread, pool)))
		error = hf_driver_session_start(service);
	fprintf(stderr, "hub: %s\n", strerror(-error));
	return 1;
}
