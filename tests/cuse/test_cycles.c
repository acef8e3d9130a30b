/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opened, set up, used and closed a hundred times: the primary and the switch hold afterwards what
 * they held before. VSWITCH (environment) names the switch.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"
#include "suite.h"

#define CYCLES	100
#define PACKETS 8u
/* What an allocator may keep, which is far less than a page for each cycle. */
#define SLACK_KIB 200

static const char *const arguments[] = {"--port", "p0", "--port", "p1", NULL};

static long number_in(const char *path, const char *what)
{
	char line[256];
	long value = -1;
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, what, strlen(what)))
			value = strtol(line + strlen(what), NULL, 10);
	if (file)
		fclose(file);
	return value;
}

/* Its own memory, not what it has of guests. */
static long own_kib(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return number_in(path, "RssAnon:");
}

/* What it has mapped that can be another's, too: guests, lanes, packets; on hugepages or not. */
static unsigned long shared_bytes(pid_t pid)
{
	unsigned long start, end, sum = 0;
	char path[64], line[512], mode[8];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%lx-%lx %7s", &start, &end, mode) == 3 && mode[3] == 's')
			sum += end - start;
	if (file)
		fclose(file);
	return sum;
}

static struct front_end right; /* stays */
static uint32_t sent = 1, next = 1;

/* What the switch hears on the one device it says on the other. */
static void cycle(void)
{
	struct front_end left;
	uint32_t wrong = 0, came = 0;

	scene_join(&left, "p0", NULL);
	for (int i = 0; i < 20000 && came < PACKETS; i++) {
		sent += front_end_send_packets(&left, 0, sent, PACKETS);
		usleep(1000);
		came += front_end_receive_packets(&right, 0, &next, &wrong);
	}
	CHECK(came >= PACKETS);
	CHECK_EQ(wrong, 0);
	front_end_close(&left);
}

static void a_hundred_lives_of_a_device_leave_nothing_behind(void)
{
	const char *const argv[] = {getenv("VSWITCH"), "--run-dir", world.dir, NULL};
	struct ledger before;
	unsigned long shared[2];
	long kib[2];
	pid_t pids[2];

	REQUIRE(argv[0] != NULL);
	world_open(&world, arguments);
	world_start(&world, 0, argv);
	scene_join(&right, "p1", NULL);
	pids[0] = world.primary;
	pids[1] = world.secondaries[0].pid;
	for (int i = 0; i < CYCLES / 10; i++) /* the first fill caches */
		cycle();
	before = scene_ledger();
	for (int i = 0; i < 2; i++) {
		kib[i] = own_kib(pids[i]);
		shared[i] = shared_bytes(pids[i]);
	}
	for (int i = 0; i < CYCLES; i++)
		cycle();
	scene_check_ledger(&before);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(shared_bytes(pids[i]), shared[i]);
		printf("    %s: %ld KiB of its own, then %ld\n", i ? "switch" : "primary", kib[i],
		       own_kib(pids[i]));
		CHECK(kib[i] > 0 && own_kib(pids[i]) - kib[i] < SLACK_KIB);
	}
	front_end_close(&right);
	world_signal_echo(&world, 0, SIGTERM);
	CHECK_EQ(world_reap_echo(&world, 0), 0);
	world_close(&world);
}

static const struct sentence sentences[] = {
	SENTENCE(a_hundred_lives_of_a_device_leave_nothing_behind),
};
SUITE("cuse: cycles", sentences)
