/* SPDX-License-Identifier: Apache-2.0 */
#include "alive.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "suite.h"

#define WAIT_MS	       20000
#define BATCH	       16u
#define MOST_ARGUMENTS 24u
/* An allocator keeps a few pages more than before now and then; what leaks with each deed shows. */
#define BAND (1u << 20)

static void note_wait(uint64_t *longest, uint64_t ns)
{
	*longest = max_u64(*longest, ns);
}

static void *send_and_get(void *arg)
{
	struct alive *a = arg;

	while (!atomic_load(&a->stop)) {
		uint64_t begun;

		pthread_mutex_lock(&a->quiet);
		begun = fair_clock_ns(&a->clock);
		atomic_fetch_add(&a->missing, front_end_echo(&a->neighbour, 0, &a->next, BATCH));
		note_wait(&a->longest_round_ns, fair_clock_ns(&a->clock) - begun);
		pthread_mutex_unlock(&a->quiet);
		atomic_fetch_add(&a->rounds, 1);
		usleep(300);
	}
	return NULL;
}

/* Until packets that were sent from now on have come. */
static void check_goes_on(struct alive *a)
{
	unsigned long from = atomic_load(&a->rounds);

	for (int i = 0; i < 10 * WAIT_MS && atomic_load(&a->rounds) < from + 2; i++)
		usleep(100);
	CHECK(atomic_load(&a->rounds) >= from + 2);
	CHECK_EQ(atomic_load(&a->missing), 0);
}

static size_t anonymous_of(pid_t pid)
{
	char path[64], line[256];
	size_t kib = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status) &&
	       sscanf(line, "RssAnon: %zu", &kib) != 1)
		;
	if (status)
		fclose(status);
	return kib << 10;
}

static void take_ledger(struct alive_ledger *ledger, pid_t pid)
{
	*ledger = (struct alive_ledger){.pid = pid,
					.fds = world_fds(pid, -1),
					.maps = world_maps(pid, -1),
					.anonymous = anonymous_of(pid)};
}

void alive_baseline(struct alive *a)
{
	world_rest(&a->world);
	take_ledger(&a->ledger[0], a->world.primary);
	take_ledger(&a->ledger[1], a->world.secondaries[0].pid);
}

void alive_check_memory(struct alive *a)
{
	for (size_t i = 0; !SUITE_SANITIZED && i < ARRAY_SIZE(a->ledger); i++)
		CHECK(anonymous_of(a->ledger[i].pid) <= a->ledger[i].anonymous + BAND);
}

void alive_check_ledger(struct alive *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->ledger); i++) {
		const struct alive_ledger *l = &a->ledger[i];

		CHECK(world_fds_become(l->pid, l->fds));
		CHECK(world_maps_become(l->pid, -1, l->maps));
	}
	alive_check_memory(a);
	CHECK_EQ(atomic_load(&a->missing), 0);
}

void alive_check_neighbour(struct alive *a)
{
	uint64_t asked = fair_clock_ns(&a->clock);

	CHECK(world_ask_pid(&a->world, NULL) > 0);
	note_wait(&a->longest_answer_ns, fair_clock_ns(&a->clock) - asked);
	check_goes_on(a);
	pthread_mutex_lock(&a->quiet);
	asked = fair_clock_ns(&a->clock);
	CHECK_EQ(front_end_set_memory(&a->neighbour), 0);
	note_wait(&a->longest_answer_ns, fair_clock_ns(&a->clock) - asked);
	pthread_mutex_unlock(&a->quiet);
	check_goes_on(a);
}

void alive_check(struct alive *a)
{
	struct front_end bad;

	alive_check_ledger(a);
	check_goes_on(a);
	alive_set_up(a, &bad);
	front_end_close(&bad);
	alive_check_ledger(a);
}

void alive_connect(struct alive *a, struct front_end *bad)
{
	uint64_t features;

	for (int i = 0; i < 10 * WAIT_MS; i++) {
		REQUIRE(front_end_connect(bad, world_port_path(&a->world, "bad")) == 0);
		if (front_end_get_u64(bad, FE_GET_FEATURES, &features) == 0)
			return;
		front_end_close(bad);
		usleep(100);
	}
	REQUIRE(false);
}

void alive_set_up(struct alive *a, struct front_end *bad)
{
	static const struct session_shape shape;
	uint64_t begun = fair_clock_ns(&a->clock);
	uint32_t number = 0;

	alive_connect(a, bad);
	REQUIRE(front_end_setup(bad, &shape) == 0);
	front_end_post_buffers(bad, 0);
	CHECK_EQ(front_end_echo(bad, 0, &number, 50), 0);
	note_wait(&a->longest_answer_ns, fair_clock_ns(&a->clock) - begun);
}

void alive_finish(struct front_end *bad)
{
	CHECK(front_end_finish(bad));
	front_end_close(bad);
}

void alive_give(struct alive *a, size_t place, const char *const *argv)
{
	struct pollfd said = {.events = POLLIN};
	int ends[2], output = dup(STDOUT_FILENO);

	REQUIRE(argv[0] != NULL);
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	REQUIRE(dup2(ends[1], STDOUT_FILENO) >= 0);
	world_start(&a->world, place, argv);
	REQUIRE(dup2(output, STDOUT_FILENO) >= 0);
	close(output);
	close(ends[1]);
	CHECK(world_secondaries_become(&a->world, 2));
	CHECK_EQ(world_handed_over(world_hand_over(&a->world, "bad", argv[2]), NULL), 1);
	said.fd = ends[0];
	CHECK_EQ(poll(&said, 1, 20000), 1);
	CHECK(said.revents & POLLIN);
	close(ends[0]);
}

void alive_open(struct alive *a, const char *const *arguments)
{
	const char *words[MOST_ARGUMENTS] = {"--port", "bad", "--port", "good"};
	static const char *const all[] = {"*", NULL};
	static const struct session_shape shape;
	struct front_end bad;
	size_t n = 4;

	*a = (struct alive){.quiet = PTHREAD_MUTEX_INITIALIZER};
	for (; arguments && *arguments && n + 1 < MOST_ARGUMENTS; arguments++)
		words[n++] = *arguments;
	fair_clock_open(&a->clock);
	world_open(&a->world, words);
	world_start_echo(&a->world, 0, "echo", "vswitch", all);
	REQUIRE(front_end_connect(&a->neighbour, world_port_path(&a->world, "good")) == 0);
	REQUIRE(front_end_setup(&a->neighbour, &shape) == 0);
	front_end_post_buffers(&a->neighbour, 0);
	CHECK_EQ(front_end_echo(&a->neighbour, 0, &a->next, 100), 0);
	/* What is kept from the first session on belongs to the base line. */
	alive_set_up(a, &bad);
	CHECK(world_maps_become(a->world.secondaries[0].pid, bad.guest.fd, 1));
	close(bad.socket);
	bad.socket = -1;
	CHECK(world_maps_become(a->world.secondaries[0].pid, bad.guest.fd, 0));
	front_end_close(&bad);
	CHECK(world_secondaries_become(&a->world, 1));
	REQUIRE(pthread_create(&a->thread, NULL, send_and_get, a) == 0);
	check_goes_on(a);
	alive_baseline(a);
}

void alive_hush(struct alive *a)
{
	check_goes_on(a);
	atomic_store(&a->stop, true);
	REQUIRE(pthread_join(a->thread, NULL) == 0);
	fair_clock_close(&a->clock);
	CHECK_EQ(atomic_load(&a->missing), 0);
	printf("    the neighbour waited %llu ms for its packets at most, a message or a set-up "
	       "took %llu ms\n",
	       (unsigned long long)(a->longest_round_ns / NS_PER_MS),
	       (unsigned long long)(a->longest_answer_ns / NS_PER_MS));
	CHECK(a->longest_round_ns <= FAIR_BOUND_NS);
	CHECK(a->longest_answer_ns <= FAIR_BOUND_NS);
}

void alive_close(struct alive *a)
{
	alive_hush(a);
	CHECK_EQ(driver_check(&a->neighbour.rings[0]), 0);
	CHECK_EQ(driver_check(&a->neighbour.rings[1]), 0);
	front_end_close(&a->neighbour);
	world_close(&a->world);
}
