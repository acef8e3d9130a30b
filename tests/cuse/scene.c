/* SPDX-License-Identifier: Apache-2.0 */
#include "scene.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"

#define PACKETS 100u

struct world world;
struct front_end fe;
uint16_t scene_bases[2];
static uint32_t next;

void scene_join(struct front_end *front_end, const char *port, const struct session_shape *shape)
{
	static const struct session_shape plain;

	REQUIRE(front_end_connect(front_end, world_port_path(&world, port)) == 0);
	REQUIRE(front_end_setup(front_end, shape ? shape : &plain) == 0);
	front_end_post_buffers(front_end, 0);
}

void scene_check_echo(struct front_end *front_end)
{
	uint32_t number = 0;

	CHECK_EQ(front_end_echo(front_end, 0, &number, PACKETS), 0);
}

void scene_open(const struct session_shape *shape)
{
	static const char *const arguments[] = {"--port", "p0", "--port", "p1", NULL};
	static const char *const all[] = {"*", NULL};

	world_open(&world, arguments);
	world_start_echo(&world, 0, "echo", "vswitch", all);
	scene_join(&fe, "p0", shape);
	next = 0;
	scene_check_works();
}

void scene_check_works(void)
{
	next += 1000; /* what flew before may be lost */
	CHECK_EQ(front_end_echo(&fe, 0, &next, PACKETS), 0);
}

void scene_close(void)
{
	scene_check_works();
	CHECK_EQ(driver_check(&fe.rings[0]), 0);
	CHECK_EQ(driver_check(&fe.rings[1]), 0);
	front_end_close(&fe);
	world_close(&world);
}

void scene_stop_rings(void)
{
	for (uint32_t ring = 0; ring < 2; ring++) {
		int base = front_end_stop_ring(&fe, ring);

		REQUIRE(base >= 0);
		scene_bases[ring] = (uint16_t)base;
	}
}

void scene_start_rings(void)
{
	for (uint32_t ring = 0; ring < 2; ring++) {
		REQUIRE(front_end_start_ring(&fe, ring, scene_bases[ring]) == 0);
		CHECK_EQ(front_end_state(&fe, FE_SET_VRING_ENABLE, ring, 1), 0);
	}
}

static struct ledger look(void)
{
	const pid_t pids[2] = {world.primary, world.secondaries[0].pid};
	struct ledger ledger;

	for (int i = 0; i < 2; i++) {
		ledger.fds[i] = world_fds(pids[i], -1);
		ledger.maps[i] = world_maps(pids[i], -1);
	}
	return ledger;
}

static bool same(const struct ledger *a, const struct ledger *b)
{
	bool same = true;

	for (int i = 0; i < 2; i++)
		same = same && a->fds[i] == b->fds[i] && a->maps[i] == b->maps[i];
	return same;
}

struct ledger scene_ledger(void)
{
	struct ledger before, now = look();

	do {
		before = now;
		usleep(300000);
		now = look();
	} while (!same(&before, &now));
	return now;
}

void scene_check_ledger(const struct ledger *before)
{
	const pid_t pids[2] = {world.primary, world.secondaries[0].pid};

	for (int i = 0; i < 2; i++) {
		CHECK(world_fds_become(pids[i], before->fds[i]));
		CHECK(world_maps_become(pids[i], -1, before->maps[i]));
	}
}

int scene_in_child(int (*child)(void *context), void *context)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(child(context));
	REQUIRE(pid > 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
