/* SPDX-License-Identifier: Apache-2.0 */
#include "pump.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "suite.h"

#define REMEMBERED (1u << 22) /* numbers */
#define REST_NS	   (20 * NS_PER_S)
#define QUIET_NS   (200 * NS_PER_MS)

/* --- what comes --- */

static bool was_seen(const struct pump_guest *g, uint32_t number)
{
	return g->seen[number % REMEMBERED / 64] & 1ull << number % 64;
}

static void mark(struct pump_guest *g, uint32_t number, bool seen)
{
	uint64_t bit = 1ull << number % 64;

	if (seen)
		g->seen[number % REMEMBERED / 64] |= bit;
	else
		g->seen[number % REMEMBERED / 64] &= ~bit;
}

/* Those in between are missing: who died since we last saw all there was? */
static void note_gap(struct pump_guest *g, uint32_t gap)
{
	uint32_t deaths = atomic_load(&g->pump->begun) - g->ended_before;

	g->lost += gap;
	if (gap > PUMP_BURST * deaths)
		g->excess += gap - PUMP_BURST * deaths;
}

static void on_received(struct front_end *fe, uint32_t number)
{
	struct pump_guest *g = (struct pump_guest *)fe;

	if (number >= g->sent) {
		g->unknown++;
		return;
	}
	g->came++;
	if (number < g->next) {
		if (g->next - number >= REMEMBERED || was_seen(g, number))
			g->duplicates++;
		g->late++;
		g->lost--;
		mark(g, number, true);
		return;
	}
	if (number > g->next)
		note_gap(g, number - g->next);
	for (; g->next < number; g->next++)
		mark(g, g->next, false);
	mark(g, number, true);
	g->next = number + 1;
}

/* --- the thread --- */

static void look_at_indices(struct pump_guest *g)
{
	for (int ring = 0; ring < 2; ring++) {
		uint16_t used = driver_used_idx(&g->fe.rings[ring]);

		g->went_back += (int16_t)(used - g->used[ring]) < 0;
		g->used[ring] = used;
	}
}

/* Until now. */
static void note_stall(struct pump_guest *g)
{
	uint64_t now = fair_clock_ns(&g->pump->clock);

	g->longest_stall_ns = max_u64(g->longest_stall_ns, now - g->moved_ns);
	g->moved_ns = now;
}

static bool receive(struct pump_guest *g, uint32_t ended)
{
	uint32_t unused = 0, torn = 0;
	uint32_t came = front_end_receive_packets(&g->fe, 0, &unused, &torn);

	g->torn += torn;
	if (came)
		g->ended_before = g->ended_round;
	g->ended_round = ended;
	if (!came)
		return false;
	note_stall(g);
	return true;
}

static bool socket_closed(const struct pump_guest *g)
{
	char byte;
	ssize_t n = recv(g->fe.socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void *run(void *context)
{
	struct pump *pump = context;

	for (uint32_t i = 0; i < pump->count; i++)
		pump->guests[i].moved_ns = fair_clock_ns(&pump->clock);
	while (!atomic_load(&pump->stop)) {
		uint32_t ended = atomic_load(&pump->ended);
		bool moved = false;

		for (uint32_t i = 0; i < pump->count; i++) {
			struct pump_guest *g = &pump->guests[i];

			look_at_indices(g);
			g->sent += front_end_send_packets(&g->fe, 0, g->sent, g->fe.rings[1].size);
			moved |= receive(g, ended);
			g->closed |= socket_closed(g);
		}
		atomic_fetch_add(&pump->rounds, 1);
		if (!moved)
			sched_yield();
	}
	for (uint32_t i = 0; i < pump->count; i++)
		note_stall(&pump->guests[i]);
	return NULL;
}

/* --- for the test --- */

void pump_open(struct pump *pump, const char *run_dir, uint32_t count)
{
	static const struct session_shape shape;
	char path[160];

	memset(pump, 0, sizeof(*pump));
	fair_clock_open(&pump->clock);
	for (; pump->count < count; pump->count++) {
		struct pump_guest *g = &pump->guests[pump->count];

		snprintf(path, sizeof(path), "%s/p%u.sock", run_dir, pump->count);
		REQUIRE(front_end_connect(&g->fe, path) == 0);
		REQUIRE(front_end_setup(&g->fe, &shape) == 0);
		front_end_post_buffers(&g->fe, 0);
		g->fe.received = on_received;
		g->pump = pump;
		g->seen = calloc(REMEMBERED / 64, sizeof(*g->seen));
		REQUIRE(g->seen != NULL);
	}
}

void pump_start(struct pump *pump)
{
	atomic_store(&pump->stop, false);
	REQUIRE(pthread_create(&pump->thread, NULL, run, pump) == 0);
}

static bool at_rest(struct pump_guest *g)
{
	return driver_used_idx(&g->fe.rings[1]) == g->fe.rings[1].avail_idx;
}

/* All was taken, and for a while nothing has come. */
bool pump_stop(struct pump *pump)
{
	uint64_t give_up = hf_now_ns() + REST_NS, quiet_since = hf_now_ns();
	bool resting = false;

	atomic_store(&pump->stop, true);
	pthread_join(pump->thread, NULL);
	while (hf_now_ns() < give_up && !(resting && hf_now_ns() - quiet_since > QUIET_NS)) {
		bool moved = false;

		resting = true;
		for (uint32_t i = 0; i < pump->count; i++) {
			struct pump_guest *g = &pump->guests[i];

			look_at_indices(g);
			moved |= receive(g, atomic_load(&pump->ended));
			resting = at_rest(g) && resting;
		}
		if (moved || !resting)
			quiet_since = hf_now_ns();
		usleep(1000);
	}
	for (uint32_t i = 0; i < pump->count; i++) {
		struct pump_guest *g = &pump->guests[i];

		(void)driver_consume_all(&g->fe.rings[1]);
		/* What did not come is lost. */
		g->lost += g->sent - g->next;
		for (; g->next < g->sent; g->next++)
			mark(g, g->next, false);
	}
	return resting;
}

void pump_judge(struct pump *pump, uint32_t deaths, uint32_t unforeseen, uint32_t holders)
{
	uint64_t came = 0, lost = 0, late = 0, stall_ns = 0;

	for (uint32_t i = 0; i < pump->count; i++) {
		struct pump_guest *g = &pump->guests[i];

		CHECK_EQ(g->duplicates, 0);
		CHECK_EQ(g->torn, 0);
		CHECK_EQ(g->unknown, 0);
		CHECK_EQ(g->went_back, 0);
		CHECK(!g->closed && !socket_closed(g));
		CHECK(g->lost <= (uint64_t)PUMP_BURST * deaths);
		CHECK(g->excess <= (uint64_t)PUMP_BURST * unforeseen);
		CHECK(g->late <= (uint64_t)PUMP_BURST * holders);
		CHECK_EQ(driver_check(&g->fe.rings[0]), 0);
		CHECK_EQ(driver_check(&g->fe.rings[1]), 0);
		CHECK(g->came > 0);
		came += g->came;
		lost += g->lost;
		late += g->late;
		if (g->longest_stall_ns > stall_ns)
			stall_ns = g->longest_stall_ns;
	}
	printf("    %llu packets echoed, %llu lost, %llu late; longest pause of a guest %llu ms\n",
	       (unsigned long long)came, (unsigned long long)lost, (unsigned long long)late,
	       (unsigned long long)(stall_ns / NS_PER_MS));
	/* Somebody is started in the place of who died, and may die himself before he is of use. */
	CHECK(stall_ns <= (deaths ? 3 : 1) * FAIR_BOUND_NS);
}

void pump_check_echo(struct pump *pump, uint32_t count)
{
	uint32_t missing = 0;

	for (uint32_t i = 0; i < pump->count; i++) {
		struct pump_guest *g = &pump->guests[i];

		g->fe.received = NULL;
		missing += front_end_echo(&g->fe, 0, &g->next, count);
		g->fe.received = on_received;
		g->sent = g->next;
	}
	CHECK_EQ(missing, 0);
}

void pump_close(struct pump *pump)
{
	for (uint32_t i = 0; i < pump->count; i++) {
		free(pump->guests[i].seen);
		front_end_close(&pump->guests[i].fe);
	}
	pump->count = 0;
	fair_clock_close(&pump->clock);
}
