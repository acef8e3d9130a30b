/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary whose descriptor numbers are never free for long: it echoes one port's first queue
 * pair on a data thread, its control thread is another one, and a third opens files, which take
 * whatever numbers become free. A call that is written to a number which is another file's by then
 * is found in that file, or in the count of that eventfd.
 *
 * Usage: freed RUN_DIR NAME. Ends when its standard input does; status 3: something was written.
 */
#include <fcntl.h>
#include <holdfast/holdfast.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BURST 32u
#define ROOM  2048u
#define FILES 64u

static struct hf_packet packets[BURST], *pointers[BURST];
static uint8_t data[BURST][ROOM];
static pthread_mutex_t running = PTHREAD_MUTEX_INITIALIZER; /* nobody is inside of a burst */
static struct hf_device *device;			    /* guarded by it */
static atomic_bool over;
static atomic_uint opened, strays;

static int new_device(struct hf_device *came, void *context)
{
	(void)context;
	pthread_mutex_lock(&running);
	device = came;
	pthread_mutex_unlock(&running);
	hf_device_set_running(came, true);
	return 0;
}

static void destroy_device(struct hf_device *gone, void *context)
{
	(void)gone;
	(void)context;
	pthread_mutex_lock(&running);
	device = NULL;
	pthread_mutex_unlock(&running);
}

static void echo_some(void)
{
	static uint16_t first, count;
	uint16_t taken;

	if (!count) {
		first = 0;
		count = hf_dequeue_burst(device, HF_DEQUEUE_QUEUE(0), pointers, BURST);
	}
	taken = count ? hf_enqueue_burst(device, HF_ENQUEUE_QUEUE(0), pointers + first, count) : 0;
	first = (uint16_t)(first + taken);
	count = (uint16_t)(count - taken);
}

static void *run_rings(void *context)
{
	(void)context;
	while (!atomic_load(&over)) {
		pthread_mutex_lock(&running);
		for (unsigned int i = 0; device && i < 64; i++)
			echo_some();
		pthread_mutex_unlock(&running);
	}
	return NULL;
}

static void look_at(int fd, bool is_event)
{
	struct stat st;
	uint64_t count;

	if (is_event ? read(fd, &count, sizeof(count)) > 0 : fstat(fd, &st) < 0 || st.st_size)
		atomic_fetch_add(&strays, 1);
}

/* The kernel gives the lowest number that is free. */
static void *take_numbers(void *context)
{
	int files[FILES];

	(void)context;
	for (unsigned int i = 0; !atomic_load(&over) || i % FILES; i++) {
		unsigned int at = i % FILES;

		if (i >= FILES) {
			look_at(files[at], at % 2);
			close(files[at]);
		}
		files[at] = at % 2 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
				   : memfd_create("freed", MFD_CLOEXEC);
		if (files[at] >= 0)
			atomic_fetch_add(&opened, 1);
	}
	for (unsigned int at = 0; at < FILES; at++)
		look_at(files[at], at % 2);
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const all[] = {"*"};
	static const struct hf_device_ops ops = {.new_device = new_device,
						 .destroy_device = destroy_device};
	struct hf_service_config config = {.ports = all, .nr_ports = 1};
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
	struct hf_service *service;
	pthread_t rings, taker;

	if (argc != 3)
		return 2;
	config.run_dir = argv[1];
	config.name = argv[2];
	for (unsigned int i = 0; i < BURST; i++) {
		packets[i] = (struct hf_packet){.data = data[i], .room = ROOM};
		pointers[i] = &packets[i];
	}
	if (hf_service_connect(&config, &service))
		return 1;
	hf_driver_callback_register(service, &ops, NULL);
	if (pthread_create(&rings, NULL, run_rings, NULL) ||
	    pthread_create(&taker, NULL, take_numbers, NULL))
		return 1;
	do {
		hf_service_dispatch(service);
		fds[1].fd = hf_service_fd(service);
	} while (poll(fds, 2, -1) >= 0 && !fds[0].revents);
	atomic_store(&over, true);
	pthread_join(rings, NULL);
	hf_service_disconnect(service);
	pthread_join(taker, NULL);
	fprintf(stderr, "    %u files took freed numbers, %u were written to\n",
		atomic_load(&opened), atomic_load(&strays));
	return atomic_load(&strays) ? 3 : atomic_load(&opened) < FILES;
}
