/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who calls: other threads, other processes, processes that die at any moment, and one that is
 * interrupted. Who asks may be refused, but is never left without an answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "scene.h"
#include "suite.h"

#define WAIT_MS 20000

static struct front_end other;
static const struct session_shape plain;

static int error_of(int device, unsigned long command, void *argument)
{
	return ioctl(device, command, argument) < 0 ? errno : 0;
}

/* --- threads and processes --- */

static void *join_other(void *context)
{
	int *result = context;

	*result = front_end_setup(&other, &plain);
	return NULL;
}

static void a_thread_is_its_process(void)
{
	pthread_t thread;
	int result = -1;

	scene_open(NULL);
	REQUIRE(front_end_connect(&other, world_port_path(&world, "p1")) == 0);
	REQUIRE(pthread_create(&thread, NULL, join_other, &result) == 0);
	pthread_join(thread, NULL);
	REQUIRE(result == 0);
	front_end_post_buffers(&other, 0);
	scene_check_echo(&other);
	/* And here it is the first one that goes on. */
	CHECK_EQ(front_end_set_memory(&other), 0);
	front_end_close(&other);
	scene_close();
}

/* As the caller of a device that another one owns; how many were done. */
static int try_all(void *context)
{
	struct front_end *front_end = context;
	int done = 0;

	done += front_end_set_memory(front_end) == 0;
	done += front_end_set_addr(front_end, 0) == 0;
	done += front_end_set_fd(front_end, FE_SET_VRING_KICK, 0) == 0;
	done += front_end_state(front_end, FE_SET_VRING_NUM, 0, 128) == 0;
	done += front_end_state(front_end, FE_SET_VRING_ENABLE, 0, 0) == 0;
	done += front_end_stop_ring(front_end, 1) >= 0;
	done += front_end_ask(front_end, FE_SET_OWNER, NULL, 0, NULL, 0) == 0;
	return done;
}

static void another_process_is_not_the_owner(void)
{
	scene_open(NULL);
	CHECK_EQ(scene_in_child(try_all, &fe), 0);
	scene_check_works();
	scene_close();
}

/* --- the owner dies --- */

static int own_and_die(void *context)
{
	(void)context;
	return front_end_setup(&other, &plain) == 0 ? 0 : 1;
}

/* The file stays open here, the session does not. */
static void an_owner_that_dies_takes_the_session_along(void)
{
	uint64_t features;
	struct ledger before;

	scene_open(NULL);
	before = scene_ledger();
	REQUIRE(front_end_connect(&other, world_port_path(&world, "p1")) == 0);
	CHECK_EQ(scene_in_child(own_and_die, NULL), 0);
	for (int i = 0; i < WAIT_MS; i++) {
		if (error_of(other.socket, VHOST_GET_FEATURES, &features))
			break;
		usleep(1000);
	}
	CHECK_EQ(error_of(other.socket, VHOST_GET_FEATURES, &features), EIO);
	CHECK_EQ(error_of(other.socket, VHOST_SET_OWNER, NULL), EIO);
	front_end_close(&other);
	scene_check_ledger(&before);
	scene_join(&other, "p1", NULL);
	scene_check_echo(&other);
	front_end_close(&other);
	scene_close();
}

/* What number the next process gets is ours to say. */
static bool make_next_pid(pid_t pid)
{
	FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "we");
	bool done = file && fprintf(file, "%d", pid - 1) > 0;

	if (file)
		done = fclose(file) == 0 && done;
	return done;
}

/* The device stays open here, so it is not by its closing that the session ends. */
static pid_t owner_of_other(void)
{
	pid_t pid;
	int status;

	REQUIRE(front_end_connect(&other, world_port_path(&world, "p1")) == 0);
	pid = fork();
	if (pid == 0) {
		if (front_end_setup(&other, &plain) == 0)
			raise(SIGSTOP);
		_exit(1);
	}
	REQUIRE(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	return pid;
}

static void stop_primary(void)
{
	int status;

	REQUIRE(kill(world.primary, SIGSTOP) == 0);
	REQUIRE(waitpid(world.primary, &status, WUNTRACED) == world.primary && WIFSTOPPED(status));
}

/* In the middle of it, where it waits for the answer. */
static bool comes_to_ask(pid_t pid)
{
	char path[48];
	long call = 0;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	for (int i = 0; i < WAIT_MS && call != SYS_ioctl; i++) {
		FILE *file = fopen(path, "re");

		if (!file || fscanf(file, "%ld", &call) != 1)
			call = 0; /* it runs */
		if (file)
			fclose(file);
		usleep(1000);
	}
	return call == SYS_ioctl;
}

#define ANOTHER_NUMBER 255

/* Behind the death of who had that number another process with it asks for what is the owner's
 * alone; the primary hears of both at once. Its error, or ANOTHER_NUMBER. */
static int ask_with_pid(pid_t wanted)
{
	pid_t pid;
	int status;

	REQUIRE(make_next_pid(wanted));
	pid = fork();
	if (pid == 0)
		_exit(getpid() == wanted ? error_of(other.socket, VHOST_RESET_OWNER, NULL)
					 : ANOTHER_NUMBER);
	REQUIRE(pid > 0);
	CHECK(pid != wanted || comes_to_ask(pid));
	REQUIRE(kill(world.primary, SIGCONT) == 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return WEXITSTATUS(status);
}

/* Whose session it was is over before anything is answered. (That start times are compared, for who
 * asks before that is heard, is seen in the unit test.) */
static void a_process_with_the_dead_owners_number_is_not_the_owner(void)
{
	int error = ANOTHER_NUMBER;

	scene_open(NULL);
	for (int i = 0; i < 50 && error == ANOTHER_NUMBER; i++) {
		pid_t owner = owner_of_other();

		stop_primary();
		REQUIRE(kill(owner, SIGKILL) == 0);
		REQUIRE(waitpid(owner, NULL, 0) == owner);
		error = ask_with_pid(owner);
		front_end_close(&other);
	}
	CHECK_EQ(error, EIO);
	scene_join(&other, "p1", NULL);
	scene_check_echo(&other);
	front_end_close(&other);
	scene_close();
}

_Noreturn static void set_up_again_and_again(void)
{
	for (;;) {
		if (front_end_connect(&other, world_port_path(&world, "p1")) == 0)
			(void)front_end_setup(&other, &plain);
		front_end_close(&other);
	}
}

/* At a different point each time: between open and the first ioctl, in any of them, behind. */
static void a_process_may_be_killed_at_any_moment(void)
{
	struct ledger before;

	scene_open(NULL);
	scene_join(&other, "p1", NULL);
	front_end_close(&other);
	before = scene_ledger();
	for (uint32_t i = 0; i < 40; i++) {
		pid_t pid = fork();

		if (pid == 0)
			set_up_again_and_again();
		REQUIRE(pid > 0);
		usleep(i * 1700);
		CHECK_EQ(kill(pid, SIGKILL), 0);
		REQUIRE(waitpid(pid, NULL, 0) == pid); /* it is not stuck in the kernel */
	}
	scene_check_works();
	scene_join(&other, "p1", NULL);
	scene_check_echo(&other);
	front_end_close(&other);
	scene_check_ledger(&before);
	scene_close();
}

/* --- who cannot be seen --- */

/* The primary in a pid namespace that we are not in: to it we have no number. */
static int ask_who_cannot_see_us(void *context)
{
	static const char *const arguments[] = {"--port", "p9", NULL};
	const char *path;
	uint64_t features;
	int error, device;

	(void)context;
	if (unshare(CLONE_NEWPID) < 0)
		return 1;
	world_open(&world, arguments);
	path = world_port_path(&world, "p9");
	for (int i = 0; i < WAIT_MS && access(path, F_OK); i++)
		usleep(1000);
	device = open(path, O_RDWR | O_CLOEXEC);
	error = device < 0 ? errno : error_of(device, VHOST_SET_OWNER, NULL);
	(void)(device >= 0 && ioctl(device, VHOST_GET_FEATURES, &features));
	if (device >= 0)
		close(device);
	world_close(&world);
	return error ? 0 : 2;
}

static void who_has_no_number_in_the_primarys_namespace_is_refused(void)
{
	CHECK_EQ(scene_in_child(ask_who_cannot_see_us, NULL), 0);
}

/* --- interrupted --- */

static void on_alarm(int number)
{
	(void)number;
}

static void signals_interrupt_and_nothing_hangs(void)
{
	const struct itimerval often = {{0, 700}, {0, 700}}, never = {0};
	struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
	uint32_t done = 0, interrupted = 0, wrong = 0;
	struct ledger before;

	scene_open(NULL);
	before = scene_ledger();
	REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
	REQUIRE(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (uint32_t i = 0; i < 3000 && !(i >= 300 && done && interrupted); i++) {
		long long result = front_end_set_memory(&fe);

		if (result == 0)
			done++;
		else if (result == -EINTR)
			interrupted++;
		else
			wrong++;
	}
	REQUIRE(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK_EQ(wrong, 0);
	CHECK(interrupted > 0);
	printf("    %u done, %u interrupted\n", done, interrupted);
	CHECK_EQ(front_end_set_memory(&fe), 0);
	scene_check_works();
	scene_check_ledger(&before);
	scene_close();
}

/* --- closed meanwhile --- */

static atomic_bool asking;
static atomic_uint asked;

static void *ask_on(void *context)
{
	int *device = context;
	uint64_t features;

	while (atomic_load(&asking)) {
		(void)ioctl(*device, VHOST_GET_FEATURES, &features);
		atomic_fetch_add(&asked, 1);
	}
	return NULL;
}

static void a_device_may_be_closed_while_another_thread_asks(void)
{
	struct ledger before;

	scene_open(NULL);
	before = scene_ledger();
	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		int device;

		scene_join(&other, "p1", NULL);
		device = other.socket;
		atomic_store(&asked, 0);
		atomic_store(&asking, true);
		REQUIRE(pthread_create(&thread, NULL, ask_on, &device) == 0);
		while (!atomic_load(&asked))
			usleep(100);
		front_end_close(&other); /* what is under way keeps the file until it is over */
		atomic_store(&asking, false);
		pthread_join(thread, NULL);
	}
	scene_check_works();
	scene_check_ledger(&before);
	scene_close();
}

/* --- the primary dies --- */

/* Ask until there is an error. */
static int ask_until_refused(void *context)
{
	struct front_end *front_end = context;

	while (front_end_set_memory(front_end) == 0)
		;
	return 0;
}

static void *ask_until_refused_in_thread(void *context)
{
	(void)ask_until_refused(context);
	atomic_store(&asking, false);
	return NULL;
}

/* Not supervised: nobody takes its place. */
static void who_asks_a_primary_that_is_killed_gets_an_error(void)
{
	pthread_t thread;

	scene_open(NULL);
	atomic_store(&asking, true);
	REQUIRE(pthread_create(&thread, NULL, ask_until_refused_in_thread, &fe) == 0);
	usleep(100000);
	CHECK(atomic_load(&asking));
	world_lose_primary(&world);
	for (int i = 0; i < WAIT_MS && atomic_load(&asking); i++)
		usleep(1000);
	CHECK(!atomic_load(&asking));
	pthread_join(thread, NULL);
	CHECK(front_end_set_memory(&fe) != 0);
	front_end_close(&fe);
	world_close(&world);
}

static const struct sentence sentences[] = {
	CATALOGUE(a_thread_is_its_process, "[U-3]"),
	CATALOGUE(another_process_is_not_the_owner, "[U-3]"),
	CATALOGUE(an_owner_that_dies_takes_the_session_along, "[U-3]"),
	CATALOGUE(a_process_with_the_dead_owners_number_is_not_the_owner, "[U-3]"),
	CATALOGUE(a_process_may_be_killed_at_any_moment, "[U-3] [U-6]"),
	CATALOGUE(who_has_no_number_in_the_primarys_namespace_is_refused, "[U-3]"),
	CATALOGUE(signals_interrupt_and_nothing_hangs, "[U-6]"),
	CATALOGUE(a_device_may_be_closed_while_another_thread_asks, "[U-6]"),
	CATALOGUE(who_asks_a_primary_that_is_killed_gets_an_error, "[U-6]"),
};
SUITE("cuse: callers", sentences)
