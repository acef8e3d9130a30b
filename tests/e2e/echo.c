/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary that sends every guest its own packets back, in order and without loss: what cannot
 * be enqueued yet is kept, and nothing more is dequeued meanwhile. One thread, libholdfast only.
 *
 * Usage: echo RUN_DIR NAME ROLE GLOB… Ends, detaching in good order, when its standard input does.
 * On SIGUSR1 it sets a trap for itself: its next dequeue writes to an inaccessible page, and the
 * fault stops the process in the middle of the burst. On SIGUSR2 the same, and it loops there
 * without end; on SIGHUP it ends itself there.
 */
#include <holdfast/holdfast.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BURST	    32u
#define ROOM	    2048u
#define MAX_DEVICES 512u

/* One queue pair: packets on their way round. */
struct pair {
	struct hf_packet packets[BURST], *pointers[BURST];
	uint8_t data[BURST][ROOM];
	uint16_t first, count;
	bool is_new; /* its ring to the guest has come, and had no burst yet */
};

struct echoed {
	struct hf_device *device;
	struct pair *pairs[HF_MAX_QUEUE_PAIRS];
};

static struct echoed devices[MAX_DEVICES];
static volatile sig_atomic_t trap_wanted; /* the signal that asked for it; 0: none */
static volatile sig_atomic_t trap_set;	  /* … for the burst that runs */
static uint8_t *trap_page;

static void want_trap(int number)
{
	trap_wanted = number;
}

static void fall_into_trap(int number)
{
	(void)number;
	while (trap_set == SIGUSR2)
		;
	if (trap_set == SIGHUP)
		_exit(0); /* as exit(3) does in the end; its handlers are not for a signal's */
	raise(SIGSTOP);
	mprotect(trap_page, 4096, PROT_READ | PROT_WRITE); /* and on it goes, if it may */
}

static void prepare_trap(void)
{
	trap_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	signal(SIGUSR1, want_trap);
	signal(SIGUSR2, want_trap);
	signal(SIGHUP, want_trap);
	signal(SIGSEGV, fall_into_trap);
}

static int new_device(struct hf_device *device, void *context)
{
	(void)context;
	for (size_t i = 0; i < MAX_DEVICES; i++) {
		if (devices[i].device)
			continue;
		devices[i].device = device;
		hf_device_set_user(device, &devices[i]);
		hf_device_set_running(device, true);
		return 0;
	}
	return -1;
}

static void destroy_device(struct hf_device *device, void *context)
{
	struct echoed *echoed = hf_device_user(device);

	(void)context;
	if (!echoed)
		return;
	for (size_t i = 0; i < HF_MAX_QUEUE_PAIRS; i++)
		free(echoed->pairs[i]);
	memset(echoed, 0, sizeof(*echoed));
}

static struct pair *pair_of(struct echoed *echoed, uint16_t number)
{
	struct pair *pair = echoed->pairs[number];

	if (pair)
		return pair;
	pair = calloc(1, sizeof(*pair));
	if (!pair)
		exit(1);
	for (unsigned int i = 0; i < BURST; i++) {
		pair->packets[i].data = pair->data[i];
		pair->packets[i].room = ROOM;
		pair->pointers[i] = &pair->packets[i];
	}
	echoed->pairs[number] = pair;
	return pair;
}

static unsigned int run_pair(struct echoed *echoed, uint16_t number)
{
	struct pair *pair = pair_of(echoed, number);
	uint16_t taken;

	/* The call that a predecessor may owe the guest: it may wait for nothing else. */
	if (pair->is_new)
		(void)hf_enqueue_burst(echoed->device, HF_ENQUEUE_QUEUE(number), NULL, 0);
	pair->is_new = false;
	if (!pair->count) {
		pair->first = 0;
		if (trap_wanted) {
			trap_set = trap_wanted;
			trap_wanted = 0;
			pair->packets[1].data = trap_page; /* of one pair: it may live on */
		}
		pair->count = hf_dequeue_burst(echoed->device, HF_DEQUEUE_QUEUE(number),
					       pair->pointers, BURST);
	}
	if (!pair->count)
		return 0;
	taken = hf_enqueue_burst(echoed->device, HF_ENQUEUE_QUEUE(number),
				 pair->pointers + pair->first, pair->count);
	pair->first = (uint16_t)(pair->first + taken);
	pair->count = (uint16_t)(pair->count - taken);
	return taken;
}

/* The device may be on its way to another secondary: what we took from its guest goes back now. */
static void vring_state_changed(struct hf_device *device, uint16_t queue, bool enabled,
				void *context)
{
	struct echoed *echoed = hf_device_user(device);
	struct pair *pair = echoed ? pair_of(echoed, queue / 2) : NULL;

	(void)context;
	if (pair && queue % 2 == 0)
		pair->is_new = enabled;
	for (int tries = 0; pair && queue % 2 && !enabled && pair->count && tries < 1000; tries++)
		run_pair(echoed, queue / 2);
}

static unsigned int run_all(void)
{
	unsigned int moved = 0;

	for (size_t i = 0; i < MAX_DEVICES; i++)
		for (uint16_t p = 0;
		     devices[i].device && 2 * p < hf_device_nr_vrings(devices[i].device); p++)
			moved += run_pair(&devices[i], p);
	return moved;
}

static enum hf_role role_of(const char *name)
{
	if (!strcmp(name, "standby"))
		return HF_ROLE_STANDBY;
	return strcmp(name, "observer") ? HF_ROLE_VSWITCH : HF_ROLE_OBSERVER;
}

int main(int argc, char **argv)
{
	static const struct hf_device_ops ops = {.new_device = new_device,
						 .destroy_device = destroy_device,
						 .vring_state_changed = vring_state_changed};
	struct hf_service_config config = {0};
	struct hf_service *service;
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
	int timeout = 0;

	if (argc < 4)
		return 2;
	config.run_dir = argv[1];
	config.name = argv[2];
	config.role = role_of(argv[3]);
	config.ports = (const char *const *)(argv + 4);
	config.nr_ports = (size_t)argc - 4;
	prepare_trap();
	if (hf_service_connect(&config, &service))
		return 1;
	hf_driver_callback_register(service, &ops, NULL);
	for (;;) {
		fds[1].fd = hf_service_fd(service);
		if (poll(fds, 2, timeout) >= 0 && fds[0].revents)
			break;
		hf_service_dispatch(service);
		timeout = run_all() ? 0 : 1;
	}
	hf_service_disconnect(service);
	return 0;
}
