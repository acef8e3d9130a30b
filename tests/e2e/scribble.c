/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secondary that writes random bytes to all it can write: its lane, the memory of its guest, and
 * whatever it can make writable or open again for writing. It attaches in good order, waits until
 * it runs a ring, has hit all of it by and by, says so by one byte on its standard output, and goes
 * on until it is killed. With hang-up it writes nothing: it closes its socket without a word, keeps
 * all that it has mapped, says so, and waits.
 *
 * Usage: scribble RUN_DIR NAME GLOB [hang-up]
 */
#include <fcntl.h>
#include <holdfast/holdfast.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_PLACES 256u
#define FIRST	   512u /* words: a page */
#define SOME	   (1u << 20)
/* In the name of the file that a build for coverage counts in, for all of its programs. */
#define COUNTERS ".profraw"

struct place {
	volatile uint64_t *words;
	size_t count;
};

static struct place places[MAX_PLACES];
static size_t nr_places;
static int running;

static int new_device(struct hf_device *device, void *context)
{
	(void)context;
	hf_device_set_running(device, true);
	return 0;
}

static void destroy_device(struct hf_device *device, void *context)
{
	(void)device, (void)context;
}

static void vring_state_changed(struct hf_device *device, uint16_t queue, bool enabled,
				void *context)
{
	static bool runs[HF_MAX_VRINGS];

	(void)device, (void)context;
	if (runs[queue] != enabled)
		running += enabled ? 1 : -1;
	runs[queue] = enabled;
}

static void add(void *base, size_t bytes)
{
	if (nr_places < MAX_PLACES)
		places[nr_places++] = (struct place){base, bytes / sizeof(uint64_t)};
}

/* What is shared, and writable or to be made so. */
static void find_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], mode[8];
	unsigned long from, to;

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[3] != 's' ||
		    strstr(line, COUNTERS))
			continue;
		if (mode[1] == 'w' ||
		    mprotect((void *)from, to - from, PROT_READ | PROT_WRITE) == 0)
			add((void *)from, to - from);
	}
	if (maps)
		fclose(maps);
}

/* The same through its descriptors, opened anew. */
static void find_files(void)
{
	for (int i = 3; i < 256; i++) {
		char path[32], name[256] = "";
		struct stat st;
		void *base;
		int fd;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		if (fstat(i, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size ||
		    readlink(path, name, sizeof(name) - 1) < 0 || strstr(name, COUNTERS))
			continue;
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (base != MAP_FAILED)
			add(base, (size_t)st.st_size);
		close(fd);
	}
}

static uint64_t dice(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void scribble(uint64_t times)
{
	while (times--) {
		const struct place *p = &places[dice() % nr_places];
		uint64_t word = dice();

		/* Mostly where the words lie that are in use, and small numbers, which are nearer
		 * to what is believed. */
		size_t room = word & 1 && p->count > FIRST ? FIRST : p->count;

		p->words[dice() % room] = word & 2 ? word : word >> 48;
	}
}

/* Its only connected socket. */
static bool hang_up(void)
{
	for (int i = 3; i < 256; i++) {
		struct sockaddr_un peer;
		socklen_t len = sizeof(peer);

		if (getpeername(i, (struct sockaddr *)&peer, &len) == 0)
			return close(i) == 0;
	}
	return false;
}

int main(int argc, char **argv)
{
	static const struct hf_device_ops ops = {.new_device = new_device,
						 .destroy_device = destroy_device,
						 .vring_state_changed = vring_state_changed};
	struct hf_service_config config = {.role = HF_ROLE_VSWITCH};
	struct hf_service *service;

	if (argc < 4)
		return 2;
	config.run_dir = argv[1];
	config.name = argv[2];
	config.ports = (const char *const *)(argv + 3);
	config.nr_ports = 1;
	if (hf_service_connect(&config, &service) ||
	    hf_driver_callback_register(service, &ops, NULL))
		return 1;
	while (running < 2) {
		struct pollfd fd = {.fd = hf_service_fd(service), .events = POLLIN};

		(void)poll(&fd, 1, 100);
		hf_service_dispatch(service);
	}
	if (argc > 4) {
		if (!hang_up() || write(STDOUT_FILENO, "!", 1) != 1)
			return 3;
		for (;;)
			pause();
	}
	find_maps();
	find_files();
	if (!nr_places)
		return 3;
	scribble(SOME);
	if (write(STDOUT_FILENO, "!", 1) != 1)
		return 3;
	scribble(UINT64_MAX);
}
