/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "control.pb-c.h"
#include "fd.h"
#include "frame.h"
#include "suite.h"

#define WAIT_MS	 20000
#define MAX_ARGS 96
#define ALIKE	 50u /* looks one after the other: that is rest */

static const char *program(const char *variable)
{
	const char *path = getenv(variable);

	REQUIRE(path != NULL);
	return path;
}

static bool ports_are_devices(void)
{
	return !strcmp(suite_door(), "cuse");
}

/* Nobody else's: another test may run. */
static void device_name(const struct world *world, const char *port, char *ret, size_t size)
{
	snprintf(ret, size, "%s-%s", strrchr(world->dir, '/') + 1, port);
}

/* What says "--port p0" says "--cuse p0,device=…" instead. Until the next call, but one for each.
 */
static const char *argument_for_door(const struct world *world, const char *before,
				     const char *argument)
{
	static char texts[MAX_ARGS][96];
	static size_t at;
	char name[64];

	if (!ports_are_devices())
		return argument;
	if (!strcmp(argument, "--port"))
		return "--cuse";
	if (!before || strcmp(before, "--port") != 0)
		return argument;
	device_name(world, argument, name, sizeof(name));
	at = (at + 1) % MAX_ARGS;
	snprintf(texts[at], sizeof(texts[at]), "%s,device=%s", argument, name);
	return texts[at];
}

/* Nothing of the test's own is inherited: no descriptor, no map (exec). */
static pid_t start(const char *const *argv, int *ret_stdin, unsigned int descriptors)
{
	const struct rlimit limit = {descriptors, descriptors};
	int ends[2], started[2];
	char none;
	pid_t pid;

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	REQUIRE(pipe2(started, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
		if (descriptors && setrlimit(RLIMIT_NOFILE, &limit) < 0)
			_exit(127);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	/* Until exec it has our maps, and would pass for having mapped the guest's memory. */
	close(started[1]);
	while (read(started[0], &none, 1) < 0)
		;
	close(started[0]);
	close(ends[0]);
	if (ret_stdin)
		*ret_stdin = ends[1];
	else
		close(ends[1]);
	REQUIRE(pid > 0);
	return pid;
}

/* When this is back the primary has seen that we go, and is about to close its end. */
static void hang_up(int *fd)
{
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	char byte;

	(void)shutdown(*fd, SHUT_WR);
	(void)setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (recv(*fd, &byte, 1, 0) > 0)
		;
	hf_fd_close(fd);
}

/* Until somebody is seen to come and go: the file is there a moment before that, and there is a
 * backlog before anybody accepts. */
static void wait_for_socket(const char *path)
{
	int fd = hf_seqpacket_connect(path);

	for (int i = 0; i < WAIT_MS && fd < 0; i++) {
		usleep(1000);
		fd = hf_seqpacket_connect(path);
	}
	REQUIRE(fd >= 0);
	hang_up(&fd);
}

void world_open(struct world *world, const char *const *arguments)
{
	world_open_limited(world, arguments, 0);
}

/* Whom the primary becomes the directory belongs to: as an administrator, or systemd, makes it. */
static void give_to_user(const char *dir, const char *const *arguments)
{
	for (; arguments && *arguments; arguments++)
		if (strcmp(*arguments, "--user") == 0) {
			uid_t uid = (uid_t)atoi(arguments[1]);

			REQUIRE(chown(dir, uid, uid) == 0 && chmod(dir, 0755) == 0);
		}
}

void world_open_limited(struct world *world, const char *const *arguments, unsigned int descriptors)
{
	const char *argv[MAX_ARGS] = {program("HOLDFASTD"), "--log-level",
				      getenv("HF_LOG") ? getenv("HF_LOG") : "error", "--run-dir"};
	char path[128];
	const char *before = NULL;
	size_t n = 4;

	signal(SIGPIPE, SIG_IGN);
	*world = (struct world){0};
	snprintf(world->dir, sizeof(world->dir), "/tmp/hf-e2e-XXXXXX");
	REQUIRE(mkdtemp(world->dir) != NULL);
	argv[n++] = world->dir;
	give_to_user(world->dir, arguments);
	for (; arguments && *arguments && n + 1 < MAX_ARGS; before = *arguments++)
		argv[n++] = argument_for_door(world, before, *arguments);
	world->primary = start(argv, NULL, descriptors);
	snprintf(path, sizeof(path), "%s/control.sock", world->dir);
	wait_for_socket(path);
	snprintf(path, sizeof(path), "%s/attach.sock", world->dir);
	wait_for_socket(path);
}

/* Wait at most `ms`; the status, or -1: it lives. */
static int reap(pid_t pid, int ms)
{
	int status = 0;

	for (int i = 0; i < ms; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(1000);
	}
	return -1;
}

static void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

void world_lose_primary(struct world *world)
{
	kill(world->primary, SIGKILL);
	waitpid(world->primary, NULL, 0);
	world->primary = 0;
}

static void end_primary(struct world *world)
{
	int status;

	kill(world->primary, SIGTERM);
	status = reap(world->primary, WAIT_MS);
	if (status == -1)
		world_lose_primary(world);
	CHECK_EQ(status, 0);
}

void world_close(struct world *world)
{
	for (size_t i = 0; i < WORLD_SECONDARIES; i++)
		if (world->secondaries[i].pid)
			CHECK_EQ(world_stop_echo(world, i), 0);
	if (world->primary)
		end_primary(world);
	remove_dir(world->dir);
}

static const char *socket_path(const struct world *world, const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s.sock", world->dir, name);
	return path;
}

const char *world_port_path(const struct world *world, const char *name)
{
	static char path[160];
	char device[64];

	if (!ports_are_devices())
		return socket_path(world, name);
	device_name(world, name, device, sizeof(device));
	snprintf(path, sizeof(path), "/dev/%s", device);
	return path;
}

static pid_t ask_once(const struct world *world)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__VersionRequest version = HOLDFAST__CONTROL__VERSION_REQUEST__INIT;
	Holdfast__Control__Response *response = NULL;
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	static struct hf_frame frame = {.bytes = bytes};
	struct timeval limit = {.tv_sec = 2};
	int fd = hf_seqpacket_connect(socket_path(world, "control"));
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_VERSION;
	request.version = &version;
	if (hf_frame_send(fd, &request.base, NULL, 0) == 0 && hf_frame_receive(fd, &frame) > 0)
		response = (void *)hf_frame_unpack(&holdfast__control__response__descriptor,
						   frame.bytes, frame.len);
	if (response && response->version)
		pid = response->version->pid;
	if (response)
		hf_frame_free_unpacked(&response->base);
	hang_up(&fd);
	return pid;
}

pid_t world_ask_pid(const struct world *world, unsigned int *ret_ms)
{
	uint64_t begun = hf_now_ns();
	pid_t pid;

	while (!(pid = ask_once(world)) && hf_now_ns() - begun < WAIT_MS * NS_PER_MS)
		usleep(1000);
	if (ret_ms)
		*ret_ms = (unsigned int)((hf_now_ns() - begun) / NS_PER_MS);
	return pid;
}

pid_t world_find_primary(const struct world *world)
{
	char path[64];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", world->primary, world->primary);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%d", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return pid;
}

/* A connection with the request on its way. */
static int ask(const struct world *world, Holdfast__Control__Request *request)
{
	int fd = hf_seqpacket_connect(socket_path(world, "control"));

	REQUIRE(fd >= 0);
	request->protocol = HF_CONTROL_PROTOCOL;
	REQUIRE(hf_frame_send(fd, &request->base, NULL, 0) == 0);
	return fd;
}

static Holdfast__Control__Response *answer(int fd)
{
	static uint8_t bytes[HF_FRAME_MAX_BYTES];
	static struct hf_frame frame = {.bytes = bytes};
	Holdfast__Control__Response *response;

	REQUIRE(hf_frame_receive(fd, &frame) > 0);
	response = (void *)hf_frame_unpack(&holdfast__control__response__descriptor, frame.bytes,
					   frame.len);
	REQUIRE(response != NULL);
	return response;
}

/* Its error, and no more of it than that. */
static int answered(int fd)
{
	Holdfast__Control__Response *response = answer(fd);
	int error = response->error;

	hf_frame_free_unpacked(&response->base);
	hang_up(&fd);
	return error;
}

void world_add_port(struct world *world, const char *name, bool client, const char *path)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__PortAddRequest add = HOLDFAST__CONTROL__PORT_ADD_REQUEST__INIT;
	char device[64];

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_PORT_ADD;
	request.port_add = &add;
	add.name = (char *)(uintptr_t)name;
	add.path = (char *)(uintptr_t)(path ? path : "");
	add.client = client;
	if (ports_are_devices() && !client && !path) {
		device_name(world, name, device, sizeof(device));
		add.kind = HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE;
		add.path = device;
	}
	CHECK_EQ(answered(ask(world, &request)), 0);
}

int world_del_port(const struct world *world, const char *name)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__PortDelRequest del = HOLDFAST__CONTROL__PORT_DEL_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_PORT_DEL;
	request.port_del = &del;
	del.name = (char *)(uintptr_t)name;
	return answered(ask(world, &request));
}

bool world_has_port(const struct world *world, const char *name)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__PortShowRequest show = HOLDFAST__CONTROL__PORT_SHOW_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_PORT_SHOW;
	request.port_show = &show;
	show.name = (char *)(uintptr_t)name;
	return answered(ask(world, &request)) == 0;
}

int world_hand_over(const struct world *world, const char *port, const char *to)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__HandoverRequest handover = HOLDFAST__CONTROL__HANDOVER_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_HANDOVER;
	request.handover = &handover;
	handover.port = (char *)(uintptr_t)(port ? port : "");
	handover.to = (char *)(uintptr_t)to;
	return ask(world, &request);
}

int world_drain(const struct world *world, const char *name, bool force)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__DrainRequest drain = HOLDFAST__CONTROL__DRAIN_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_DRAIN;
	request.drain = &drain;
	drain.name = (char *)(uintptr_t)name;
	drain.force = force;
	return ask(world, &request);
}

void world_urge_hand_over(const struct world *world, const char *to)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__HandoverRequest handover = HOLDFAST__CONTROL__HANDOVER_REQUEST__INIT;
	char none[] = "";
	int fd = hf_seqpacket_connect(socket_path(world, "control"));

	request.protocol = HF_CONTROL_PROTOCOL;
	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_HANDOVER;
	request.handover = &handover;
	handover.port = none;
	handover.to = (char *)(uintptr_t)to;
	if (fd >= 0)
		(void)hf_frame_send(fd, &request.base, NULL, 0);
	hf_fd_close(&fd);
}

int world_handed_over(int socket, uint64_t *ret_pause_ns)
{
	Holdfast__Control__Response *response = answer(socket);
	int result = response->error;

	if (!result) {
		REQUIRE(response->body_case == HOLDFAST__CONTROL__RESPONSE__BODY_HANDOVER);
		CHECK_EQ(response->handover->failed, 0);
		result = (int)response->handover->moved;
		if (ret_pause_ns)
			*ret_pause_ns = response->handover->longest_pause_ns;
	}
	hf_frame_free_unpacked(&response->base);
	hang_up(&socket);
	return result;
}

size_t world_attached(const struct world *world, pid_t *pids, size_t room, pid_t *ret_running)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__SecondaryListRequest list =
		HOLDFAST__CONTROL__SECONDARY_LIST_REQUEST__INIT;
	bool more = true;
	size_t count = 0;
	int fd;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_SECONDARY_LIST;
	request.secondary_list = &list;
	fd = ask(world, &request);
	*ret_running = 0;
	while (more) {
		Holdfast__Control__Response *response = answer(fd);

		REQUIRE(response->secondary_list != NULL);
		for (size_t i = 0; i < response->secondary_list->n_secondaries; i++) {
			const Holdfast__Control__Secondary *s =
				response->secondary_list->secondaries[i];

			if (count < room)
				pids[count++] = s->pid;
			if (s->vrings)
				*ret_running = s->pid;
		}
		more = response->more;
		hf_frame_free_unpacked(&response->base);
	}
	hang_up(&fd);
	return count;
}

int world_upgrade(const struct world *world, const char *binary)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__UpgradeRequest upgrade = HOLDFAST__CONTROL__UPGRADE_REQUEST__INIT;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_UPGRADE;
	request.upgrade = &upgrade;
	upgrade.binary = (char *)(uintptr_t)binary;
	return ask(world, &request);
}

int world_upgrade_begun(int socket, const char **ret_reason)
{
	static char reason[512];
	Holdfast__Control__Response *response = answer(socket);
	int result = response->error;

	CHECK(result || response->body_case == HOLDFAST__CONTROL__RESPONSE__BODY_UPGRADE);
	snprintf(reason, sizeof(reason), "%s", response->reason);
	if (ret_reason)
		*ret_reason = reason;
	hf_frame_free_unpacked(&response->base);
	hang_up(&socket);
	return result;
}

uint64_t world_counter(const struct world *world, const char *name)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__StatsRequest stats = HOLDFAST__CONTROL__STATS_REQUEST__INIT;
	uint64_t value = UINT64_MAX;
	bool more = true;
	int fd;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_STATS;
	request.stats = &stats;
	fd = ask(world, &request);
	while (more) {
		Holdfast__Control__Response *response = answer(fd);

		for (size_t i = 0; i < response->stats->n_primary; i++)
			if (!strcmp(response->stats->primary[i]->name, name))
				value = response->stats->primary[i]->value;
		more = response->more;
		hf_frame_free_unpacked(&response->base);
	}
	hang_up(&fd);
	CHECK(value != UINT64_MAX);
	return value;
}

bool world_counter_becomes(const struct world *world, const char *name, uint64_t count)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (world_counter(world, name) >= count)
			return true;
		usleep(1000);
	}
	return false;
}

static void keep_if(const Holdfast__Control__Event *event, int kind, uint64_t *number,
		    char *ret_detail, size_t size)
{
	if ((int)event->kind != kind || event->number < *number)
		return;
	*number = event->number;
	snprintf(ret_detail, size, "%s", event->detail);
}

uint64_t world_last_event(const struct world *world, int kind, char *ret_detail, size_t size)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__EventsRequest events = HOLDFAST__CONTROL__EVENTS_REQUEST__INIT;
	uint64_t number = 0;
	bool more = true;
	int fd;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_EVENTS;
	request.events = &events;
	events.last = 200;
	snprintf(ret_detail, size, "%s", "");
	fd = ask(world, &request);
	while (more) {
		Holdfast__Control__Response *response = answer(fd);

		for (size_t i = 0; response->events && i < response->events->n_events; i++)
			keep_if(response->events->events[i], kind, &number, ret_detail, size);
		more = response->more;
		hf_frame_free_unpacked(&response->base);
	}
	hang_up(&fd);
	return number;
}

void world_start(struct world *world, size_t index, const char *const *argv)
{
	struct world_secondary *s = &world->secondaries[index];

	s->pid = start(argv, &s->stdin, 0);
}

void world_start_echo(struct world *world, size_t index, const char *name, const char *role,
		      const char *const *globs)
{
	const char *argv[MAX_ARGS] = {program("ECHO"), world->dir, name, role};
	size_t n = 4;

	for (; *globs && n + 1 < MAX_ARGS; globs++)
		argv[n++] = *globs;
	world_start(world, index, argv);
}

int world_stop_echo(struct world *world, size_t index)
{
	struct world_secondary *s = &world->secondaries[index];
	int status;

	close(s->stdin);
	status = reap(s->pid, WAIT_MS);
	if (status == -1) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
	return status;
}

void world_signal_echo(struct world *world, size_t index, int number)
{
	kill(world->secondaries[index].pid, number);
}

static void set_trap(struct world *world, size_t index, int number)
{
	world_signal_echo(world, index, number);
	usleep(20000); /* it polls */
}

void world_trap_echo(struct world *world, size_t index)
{
	set_trap(world, index, SIGUSR1);
}

void world_loop_echo(struct world *world, size_t index)
{
	set_trap(world, index, SIGUSR2);
}

void world_exit_echo(struct world *world, size_t index)
{
	set_trap(world, index, SIGHUP);
}

bool world_echo_stopped(const struct world *world, size_t index)
{
	char path[64], state;
	FILE *file;
	int got;

	snprintf(path, sizeof(path), "/proc/%d/stat", world->secondaries[index].pid);
	for (int i = 0; i < WAIT_MS; i++) {
		file = fopen(path, "re");
		got = file ? fscanf(file, "%*d %*s %c", &state) : 0;
		if (file)
			fclose(file);
		if (got == 1 && state == 'T')
			return true;
		usleep(1000);
	}
	return false;
}

int world_reap_echo(struct world *world, size_t index)
{
	struct world_secondary *s = &world->secondaries[index];
	int status = reap(s->pid, WAIT_MS);

	if (status == -1)
		return -1;
	close(s->stdin);
	s->pid = 0;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

bool world_echo_ended(struct world *world, size_t index, int *ret_status)
{
	struct world_secondary *s = &world->secondaries[index];

	if (waitpid(s->pid, ret_status, WNOHANG) != s->pid)
		return false;
	close(s->stdin);
	s->pid = 0;
	return true;
}

size_t world_count_secondaries(const struct world *world)
{
	Holdfast__Control__Request request = HOLDFAST__CONTROL__REQUEST__INIT;
	Holdfast__Control__SecondaryListRequest list =
		HOLDFAST__CONTROL__SECONDARY_LIST_REQUEST__INIT;
	size_t count = 0;
	bool more = true;
	int fd;

	request.body_case = HOLDFAST__CONTROL__REQUEST__BODY_SECONDARY_LIST;
	request.secondary_list = &list;
	fd = ask(world, &request);
	while (more) {
		Holdfast__Control__Response *response = answer(fd);

		count += response->secondary_list ? response->secondary_list->n_secondaries : 0;
		more = response->more;
		hf_frame_free_unpacked(&response->base);
	}
	hang_up(&fd);
	return count;
}

bool world_secondaries_become(const struct world *world, size_t count)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (world_count_secondaries(world) == count)
			return true;
		usleep(1000);
	}
	return false;
}

/* Where an allocator puts its pieces, and whether two lie side by side and are one line, is chance:
 * what is shared says something. */
static bool counts(const char *line)
{
	char mode[8] = "";

	return sscanf(line, "%*s %7s", mode) == 1 && mode[3] == 's';
}

size_t world_maps(pid_t pid, int fd)
{
	char path[64], line[512];
	unsigned int major_of, minor_of;
	unsigned long inode;
	struct stat st = {0};
	size_t n = 0;
	FILE *maps;

	if (fd >= 0)
		fstat(fd, &st);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps))
		n += fd < 0 ? counts(line)
			    : sscanf(line, "%*s %*s %*s %x:%x %lu", &major_of, &minor_of, &inode) ==
					      3 &&
				      makedev(major_of, minor_of) == st.st_dev &&
				      inode == st.st_ino;
	if (maps)
		fclose(maps);
	return n;
}

size_t world_fds(pid_t pid, int fd)
{
	struct stat wanted = {0}, st;
	char path[64];
	struct dirent *e;
	size_t n = 0;
	DIR *dir;

	if (fd >= 0)
		fstat(fd, &wanted);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && fstatat(dirfd(dir), e->d_name, &st, 0) == 0)
			n += fd < 0 || (st.st_ino == wanted.st_ino && st.st_dev == wanted.st_dev);
	if (dir)
		closedir(dir);
	return n;
}

static size_t held_by(pid_t pid)
{
	return pid ? world_fds(pid, -1) + world_maps(pid, -1) : 0;
}

static size_t held_by_all(const struct world *world)
{
	size_t n = held_by(world->primary) + held_by(world_find_primary(world));

	for (size_t i = 0; i < WORLD_SECONDARIES; i++)
		n += held_by(world->secondaries[i].pid);
	return n;
}

/* Between two looks the primary has had the processor, however slow the machine is. The last look
 * is like those before: what the last question opened is closed. */
void world_rest(const struct world *world)
{
	size_t before = held_by_all(world);

	for (unsigned int looks = 0, alike = 0; looks < WAIT_MS / 4 && alike < ALIKE; looks++) {
		size_t now;

		(void)world_ask_pid(world, NULL);
		usleep(4000);
		now = held_by_all(world);
		alike = now == before ? alike + 1 : 0;
		before = now;
	}
}

bool world_maps_become(pid_t pid, int fd, size_t count)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (world_maps(pid, fd) == count)
			return true;
		usleep(1000);
	}
	printf("    maps: %zu, must become %zu\n", world_maps(pid, fd), count);
	return false;
}

bool world_fds_become(pid_t pid, size_t count)
{
	for (int i = 0; i < WAIT_MS; i++) {
		if (world_fds(pid, -1) == count)
			return true;
		usleep(1000);
	}
	printf("    descriptors: %zu, must become %zu\n", world_fds(pid, -1), count);
	return false;
}
