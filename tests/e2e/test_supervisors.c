/* SPDX-License-Identifier: Apache-2.0 */
/* A supervisor whose run directory is another's, or has no place for its socket: it says so and
 * ends, and leaves alone what is there. Without what was in its way it begins. */
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"
#include "suite.h"
#include "world.h"

#define WAIT_MS 20000

static char top[64];

static const char *at(const char *name)
{
	static char paths[4][256];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
	return path;
}

static void make_top(void)
{
	snprintf(top, sizeof(top), "/tmp/hf-e2e-XXXXXX");
	REQUIRE(mkdtemp(top) != NULL);
}

static void start(struct program *supervisor, const char *run_dir)
{
	const char *argv[] = {getenv("HOLDFASTD"), "--supervise", "--run-dir", run_dir,
			      "--no-huge-pages",   NULL};

	REQUIRE(argv[0] != NULL);
	program_start(supervisor, argv);
}

/* It ends, with a line that has this in it. */
static void check_refused(const char *run_dir, const char *word)
{
	char said[4096];
	struct program second;

	start(&second, run_dir);
	CHECK(program_ended(&second, WAIT_MS));
	CHECK(program_exited_with(&second, EXIT_FAILURE));
	(void)program_said(second.err, said, sizeof(said));
	CHECK(strstr(said, "cannot supervise in ") && strstr(said, word));
	program_end(&second, SIGKILL);
	program_forget(&second);
}

/* Until its primary serves; then it ends in good order. */
static void check_begins(const char *run_dir)
{
	char path[256];
	struct program supervisor;
	int tries = 0;

	snprintf(path, sizeof(path), "%s/control.sock", run_dir);
	start(&supervisor, run_dir);
	while (access(path, F_OK) < 0 && tries++ < WAIT_MS && !program_ended(&supervisor, 0))
		usleep(1000);
	CHECK_EQ(access(path, F_OK), 0);
	program_end(&supervisor, SIGTERM);
	CHECK(program_exited_with(&supervisor, EXIT_SUCCESS));
	program_forget(&supervisor);
}

static void a_second_one_is_refused_and_the_first_goes_on(void)
{
	static const char *const arguments[] = {"--supervise", "--no-huge-pages", NULL};
	struct world world;
	pid_t primary;
	size_t fds;

	world_open(&world, arguments);
	primary = world_ask_pid(&world, NULL);
	fds = world_fds(world.primary, -1);
	check_refused(world.dir, "another supervisor does");
	CHECK_EQ(world_ask_pid(&world, NULL), primary);
	CHECK(world_fds_become(world.primary, fds));
	/* Its socket is still where its primaries find it: the next one is ready. */
	CHECK_EQ(kill(primary, SIGKILL), 0);
	for (int i = 0; i < WAIT_MS && world_find_primary(&world) == primary; i++)
		usleep(1000);
	CHECK(world_ask_pid(&world, NULL) > 0);
	CHECK(world_ask_pid(&world, NULL) != primary);
	world_close(&world);
}

static void what_is_in_the_place_of_its_socket_is_left_there(void)
{
	make_top();
	REQUIRE(mkdir(at("supervisor.sock"), 0700) == 0);
	check_refused(top, "is the run directory ours to write?");
	CHECK_EQ(rmdir(at("supervisor.sock")), 0);
	check_begins(top);
	(void)unlink(at("supervisor.lock"));
	(void)unlink(at("holdfastd.lock"));
	CHECK_EQ(rmdir(top), 0);
}

/* Its real path, which is what the primary is told. */
static void a_path_that_no_socket_can_have_is_refused(void)
{
	char name[101] = "", lock[128];

	make_top();
	memset(name, 'd', sizeof(name) - 1);
	snprintf(lock, sizeof(lock), "%s/supervisor.lock", name);
	REQUIRE(mkdir(at(name), 0700) == 0 && symlink(name, at("run")) == 0);
	check_refused(at("run"), "File name too long");
	CHECK_EQ(unlink(at("run")), 0);
	CHECK_EQ(unlink(at(lock)), 0);
	CHECK_EQ(rmdir(at(name)), 0);
	CHECK_EQ(rmdir(top), 0);
}

static const struct sentence sentences[] = {
	SENTENCE(a_second_one_is_refused_and_the_first_goes_on),
	SENTENCE(what_is_in_the_place_of_its_socket_is_left_there),
	SENTENCE(a_path_that_no_socket_can_have_is_refused),
};
SUITE("supervisors", sentences)
