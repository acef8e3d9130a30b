/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever is made: each system call and each allocation that it takes fails in turn. It is refused
 * whole, or done without, and no descriptor, map or byte of memory is left over.
 */
#include <errno.h>
#include <fcntl.h>
#include <holdfast/packet.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allowance.h"
#include "attach.h"
#include "control.h"
#include "cuse.h"
#include "directory.h"
#include "faults.h"
#include "fd.h"
#include "guestmap.h"
#include "handon.h"
#include "handover.h"
#include "history.h"
#include "journal.h"
#include "lane.h"
#include "memory.h"
#include "outbox.h"
#include "ports.h"
#include "prepare.h"
#include "primary_rig.h"
#include "process.h"
#include "secondary_life.h"
#include "state.h"
#include "store.h"
#include "stream.h"
#include "suite.h"
#include "tell.h"
#include "unusable.h"
#include "upgrade.h"
#include "upgrade_check.h"
#include "watch.h"

#define MOST 400u /* calls of one of them */

static struct rig rig;
static struct primary *p = &rig.primary;
static const char *reason;

static void begin(void)
{
	unsetenv("NOTIFY_SOCKET");
	rig_open(&rig);
	hf_log_set_level(0);
	faults_open();
}

static void end(void)
{
	faults_close();
	rig_close(&rig);
}

/* `unmake` is for what was made, and for what remains of the attempt when it was not. */
static void sweep(int (*make)(void), void (*unmake)(int error))
{
	uint32_t hit = 1, nth;

	for (nth = 1; hit && nth < MOST; nth++) {
		int fds = fds_open(), maps = maps_shared(), error;

		reason = NULL;
		faults_arm(0, FAULT_ALL, FAULT_ERROR, nth, 1);
		error = make();
		faults_disarm(&hit);
		CHECK(error <= 0 && (hit || !error));
		unmake(error);
		CHECK_EQ(fds_open(), fds);
		CHECK_EQ(maps_shared(), maps);
		if (fds_open() != fds || maps_shared() != maps)
			printf("\n    left over by: %s\n", faults_where());
	}
	CHECK(nth > 2 && nth < MOST);
}

/* --- shared memory */

static struct hf_memory memory;
static int fd;

static int make_memory(void)
{
	return hf_memory_create(&memory, "test", 8192, HF_NODE_ANY, true);
}

static void unmake_memory(int error)
{
	CHECK(!error || (memory.fd < 0 && !memory.base));
	hf_memory_destroy(&memory);
}

static int make_readonly(void)
{
	fd = hf_memory_readonly_fd(&memory);
	return fd < 0 ? fd : 0;
}

static void unmake_fd(int error)
{
	CHECK_EQ(fd < 0, error < 0);
	hf_fd_close(&fd);
}

static struct hf_memory adopted;

static int make_adopted(void)
{
	int twin = fcntl(memory.fd, F_DUPFD_CLOEXEC, 0);

	return twin < 0 ? -errno : hf_memory_adopt(&adopted, twin);
}

static void unmake_adopted(int error)
{
	(void)error;
	hf_memory_destroy(&adopted);
	adopted.fd = -1;
}

static void memory_is_had_whole(void)
{
	begin();
	sweep(make_memory, unmake_memory);
	REQUIRE(make_memory() == 0);
	sweep(make_readonly, unmake_fd);
	adopted.fd = -1;
	sweep(make_adopted, unmake_adopted);
	hf_memory_destroy(&memory);
	end();
}

static struct hf_directory directory;
static struct hf_guestmap *map;

static int make_directory(void)
{
	return hf_directory_attach(&directory, p->directory_memory.fd);
}

static void unmake_directory(int error)
{
	CHECK_EQ(!directory.base, error < 0);
	hf_directory_detach(&directory);
}

static int make_map(void)
{
	static const struct hf_shm_region regions[] = {{.size = 4096}, {.gpa = 4096, .size = 4096}};
	const int fds[] = {p->directory_memory.fd, p->directory_memory.fd};

	map = NULL;
	return hf_guestmap_create(&map, regions, fds, 2);
}

static void unmake_map(int error)
{
	CHECK_EQ(!map, error < 0);
	hf_guestmap_destroy(map);
}

static void what_others_made_is_mapped_whole(void)
{
	begin();
	sweep(make_directory, unmake_directory);
	sweep(make_map, unmake_map);
	end();
}

static struct hf_packet_pool *pool;

static int make_pool(void)
{
	pool = hf_packet_pool_create(NULL, 16, 2048);
	return pool ? 0 : -errno;
}

static void unmake_pool(int error)
{
	(void)error;
	hf_packet_pool_destroy(pool);
}

static void so_are_packets(void)
{
	begin();
	sweep(make_pool, unmake_pool);
	end();
}

/* --- who speaks with whom */

static int make_door(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/door", rig.dir);
	(void)unlink(path); /* of the attempt before */
	fd = hf_seqpacket_listen(path, 0600);
	if (fd >= 0 || fd == -EADDRINUSE)
		(void)unlink(path);
	return fd < 0 ? fd : 0;
}

static int make_dial(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/attach.sock", rig.dir);
	fd = hf_seqpacket_connect(path);
	return fd < 0 ? fd : 0;
}

static void a_socket_listens_and_connects_or_is_none(void)
{
	char path[128];

	begin();
	sweep(make_door, unmake_fd);
	REQUIRE(attach_open(p) == 0);
	sweep(make_dial, unmake_fd);
	snprintf(path, sizeof(path), "%s/door", rig.dir);
	(void)unlink(path);
	end();
}

static int make_doors(void)
{
	int error = attach_open(p);

	return error ? error : control_open(p);
}

static void unmake_doors(int error)
{
	(void)error;
	control_close(p);
	attach_close(p);
	CHECK(!p->attach && !p->control);
}

static void the_doors_open_or_say_so(void)
{
	begin();
	sweep(make_doors, unmake_doors);
	end();
}

/* --- what outlives the primary */

static int make_kept(void)
{
	int error = store_open(p->loop, &p->store);

	if (!error)
		error = store_put(p->store, STORE_DIRECTORY, 'd', p->directory_memory.fd);
	return error ? error : journal_create(p);
}

static void unmake_kept(int error)
{
	(void)error;
	journal_close(p);
	store_close(p->store);
	p->store = NULL;
}

static void store_and_journal_are_there_or_the_start_fails(void)
{
	begin();
	sweep(make_kept, unmake_kept);
	end();
}

static struct events *events;

static int make_history(void)
{
	return history_open(p);
}

static void unmake_history(int error)
{
	uint32_t *number = &p->journal->header->history;

	(void)error;
	history_close(p);
	store_release(p->store, *number);
	*number = 0;
	store_drop_unreferenced(p->store);
}

static void a_history_that_cannot_be_kept_is_had_all_the_same(void)
{
	begin();
	REQUIRE(make_kept() == 0);
	events = p->events;
	sweep(make_history, unmake_history);
	p->events = events;
	unmake_kept(0);
	end();
}

/* --- ports */

static int make_port(void)
{
	return port_add(p, "q", NULL, false, 1, &reason);
}

static int make_client(void)
{
	return port_add(p, "q", "/nonexistent/socket", true, 1, &reason);
}

static void unmake_port(int error)
{
	CHECK(!error || reason);
	CHECK_EQ(port_find(p, "q") != NULL, !error);
	if (!error)
		CHECK_EQ(port_del(p, "q"), 0);
}

/* The file of a socket whose process died, for the next attempt. */
static void unmake_over_stale(int error)
{
	char path[128];

	unmake_port(error);
	snprintf(path, sizeof(path), "%s/q.sock", rig.dir);
	(void)unlink(path);
	fd = stream_listen(path, 0600);
	REQUIRE(fd >= 0);
	hf_fd_close(&fd);
}

static int make_device(void)
{
	return port_add_cuse(p, "q", NULL, 1, &reason);
}

/* Where this kernel could make one, and would: not here. */
static void a_device_is_not_there_where_the_kernel_has_none(void)
{
	begin();
	if (access("/dev/cuse", F_OK) != 0) {
		CHECK(make_device() < 0 && reason);
		faults_arm(0, FAULT_HEAP, FAULT_ERROR, 2, 1);
		CHECK_EQ(make_device(), -ENOMEM);
		faults_disarm(NULL);
		CHECK(!port_find(p, "q"));
	}
	CHECK_EQ(port_add_cuse(p, "q", NULL, 2, &reason), -EINVAL);
	end();
}

static void a_port_is_added_or_not_there(void)
{
	char path[128];

	begin();
	rig.conf.port_group = getegid() ? getegid() : 1;
	sweep(make_port, unmake_over_stale);
	sweep(make_client, unmake_port);
	REQUIRE(make_kept() == 0);
	sweep(make_port, unmake_port);
	unmake_kept(0);
	snprintf(path, sizeof(path), "%s/q.sock", rig.dir);
	(void)unlink(path);
	end();
}

/* --- secondaries */

static struct secondary *secondary;
static int ends[2], pidfd;

static int make_secondary(void)
{
	static char glob[] = "*";
	char *globs[] = {glob};
	const struct secondary_identity identity = {.name = "s",
						    .globs = globs,
						    .nr_globs = 1,
						    .version = "test",
						    .membarrier = true,
						    .pid = getpid(),
						    .allowed = ALLOW_ANY_PORT};
	int error = secondary_create(p, &identity, ends[0], pidfd, &secondary);

	if (error) {
		secondary = NULL;
		return error;
	}
	ends[0] = pidfd = -1; /* its */
	return secondary_listen(secondary);
}

static void unmake_secondary(int error)
{
	CHECK(secondary || error);
	if (secondary)
		secondary_destroy(secondary);
	for (uint32_t i = 0; i < RIG_SECONDARIES; i++)
		CHECK(!p->secondaries[i]);
	hf_fd_close_all(ends, 2);
	hf_fd_close(&pidfd);
	/* For the next attempt. */
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	pidfd = pidfd_open(getpid(), 0);
	REQUIRE(pidfd >= 0);
}

static void a_secondary_is_let_in_or_not_there(void)
{
	begin();
	ends[0] = ends[1] = pidfd = -1;
	secondary = NULL;
	REQUIRE(make_kept() == 0);
	unmake_secondary(-1);
	sweep(make_secondary, unmake_secondary);
	hf_fd_close_all(ends, 2);
	hf_fd_close(&pidfd);
	unmake_kept(0);
	end();
}

static struct state *state;

static int make_state(void)
{
	state = NULL;
	return state_create(&state, p->directory_memory.fd);
}

static void unmake_state(int error)
{
	CHECK_EQ(!state, error < 0);
	state_put(state);
}

static int make_handover(void)
{
	return handover_start(p, "p", "s", NULL, &reason);
}

static void unmake_handover(int error)
{
	CHECK(!error || reason);
	handover_cancel_all(p);
}

static struct handover_result result;

static void on_handed_over(struct handover_waiter *waiter, const struct handover_result *of)
{
	(void)waiter;
	result = *of;
}

/* It was begun, and then there is no memory to do it with. */
static void check_handover_without_memory(void)
{
	struct handover_waiter waiter = {.done = on_handed_over};

	result = (struct handover_result){0};
	CHECK_EQ(handover_start(p, "p", "s", &waiter, &reason), 0);
	faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 1);
	(void)rig_until(&rig, NULL, NULL, 1);
	faults_disarm(NULL);
	CHECK(!p->handovers && !waiter.handover);
	CHECK_EQ(result.failed, 1);
	p->holding = true;
	CHECK_EQ(handover_start(p, "p", "s", &waiter, &reason), -EBUSY);
	p->holding = false;
}

/* It says so from inside of a burst: it leaves, and that takes the ring back. */
static void who_refuses_a_ring_in_a_burst_of_it_breaks_the_protocol(void)
{
	struct vring *vring;
	struct hf_lane_vring *entry;
	int socket;

	begin();
	secondary = rig_secondary(&rig, "s", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket);
	vring = &rig_port(&rig, "p", 1)->device.vrings[0];
	grant_offer(vring->device);
	entry = rig_lane(vring);
	hf_write_once(&entry->busy, 1u);
	CHECK_EQ(grant_unusable(secondary, vring, vring->grant, -EINVAL), -EPROTO);
	CHECK(vring->owner == secondary && !rig_grant_word(vring));
	hf_burst_leave(entry);
	secondary_leave(secondary, true);
	CHECK(!vring->owner && !p->secondaries[0]);
	close(socket);
	end();
}

static void what_it_asks_for_is_done_or_refused(void)
{
	struct port *port;
	int socket;

	begin();
	sweep(make_state, unmake_state);
	port = rig_port(&rig, "p", 2);
	port->session = (struct session *)(void *)port; /* only looked at for being there */
	(void)rig_secondary(&rig, "s", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &socket);
	sweep(make_handover, unmake_handover);
	check_handover_without_memory();
	port->session = NULL;
	close(socket);
	end();
}

static struct vring *changed;
static struct secondary *standby;

static bool is_current(void *context)
{
	(void)context;
	return prepare_is_current(changed, standby);
}

/* It hears of the new call with all the rest, when it reads again. */
static void a_call_that_changes_while_it_does_not_read_is_sent_later(void)
{
	struct port *port;
	int sockets[2];

	begin();
	(void)rig_secondary(&rig, "s", HOLDFAST__ATTACH__ROLE__VSWITCH, "*", &sockets[0]);
	standby = rig_secondary(&rig, "t", HOLDFAST__ATTACH__ROLE__STANDBY, "*", &sockets[1]);
	port = rig_port(&rig, "p", 2);
	changed = &port->device.vrings[0];
	grant_offer(&port->device);
	CHECK(changed->owner != standby && is_current(NULL));
	faults_arm_error(0, FAULT_TRANSFER, EAGAIN, 1);
	prepare_send_call(changed, standby);
	faults_disarm(NULL);
	CHECK(!secondary_idle(standby));
	grant_send_call(changed);
	CHECK(!is_current(NULL));
	CHECK(rig_until(&rig, is_current, NULL, 20000));
	CHECK(secondary_idle(standby));
	hf_fd_close_all(sockets, 2);
	end();
}

static int make_watch(void)
{
	return watch_open(p);
}

static void unmake_watch(int error)
{
	(void)error;
	watch_close(p);
}

static void nobody_is_watched_by_halves(void)
{
	begin();
	rig.conf.hang_limit_ns = NS_PER_S;
	sweep(make_watch, unmake_watch);
	end();
}

/* --- processes */

static pid_t sleeper(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void whoever_has_to_die_is_dead_or_it_is_said(void)
{
	pid_t pid = sleeper();
	uint64_t start = process_start(pid);

	begin();
	CHECK_EQ(process_end(0, 1, true), 0);
	/* Which one it is cannot be told: it is not killed. */
	CHECK_EQ(process_end(pid, 0, true), -EBUSY);
	/* Another one has its number. */
	CHECK_EQ(process_end(pid, start + 1, true), 0);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	faults_arm(0, FAULT_DESCRIPTOR, FAULT_ERROR, 1, 1);
	CHECK_EQ(process_end(pid, start, true), -EMFILE);
	faults_arm_error(0, FAULT_PROCESS, EPERM, 1);
	CHECK_EQ(process_end(pid, start, true), -EPERM);
	faults_disarm(NULL);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	CHECK_EQ(process_end(pid, start, true), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(process_end(pid, start, true), 0);
	CHECK_EQ(process_start(pid), 0);
	end();
}

/* --- the next program */

static struct upgrade_check check;

static void on_checked(struct upgrade_check *of, int error, const char *why)
{
	(void)of;
	(void)error;
	(void)why;
}

static int make_check(void)
{
	static char name[] = "true";
	static char *argv[] = {name, NULL};

	check.done = on_checked;
	return upgrade_check_start(&check, p->loop, "/bin/true", argv, &reason);
}

static void unmake_check(int error)
{
	CHECK(!error || (reason && !check.pid));
	upgrade_check_close(&check);
	upgrade_check_forget(&check);
}

static struct handon *handon;

/* More than there is room for at first. */
static int make_handon(void)
{
	int error = 0;

	handon = handon_create();
	for (int i = 0; handon && !error && i < 70; i++)
		error = handon_add(handon, "name", i);
	return handon ? error : -ENOMEM;
}

static void unmake_handon(int error)
{
	CHECK(handon || error);
	handon_destroy(handon);
}

static void a_program_is_looked_at_or_the_upgrade_refused(void)
{
	begin();
	sweep(make_handon, unmake_handon);
	sweep(make_check, unmake_check);
	end();
}

static const struct sentence sentences[] = {
	SENTENCE(memory_is_had_whole),
	SENTENCE(what_others_made_is_mapped_whole),
	SENTENCE(so_are_packets),
	SENTENCE(a_socket_listens_and_connects_or_is_none),
	SENTENCE(the_doors_open_or_say_so),
	SENTENCE(store_and_journal_are_there_or_the_start_fails),
	SENTENCE(a_history_that_cannot_be_kept_is_had_all_the_same),
	SENTENCE(a_port_is_added_or_not_there),
	SENTENCE(a_device_is_not_there_where_the_kernel_has_none),
	SENTENCE(a_secondary_is_let_in_or_not_there),
	SENTENCE(what_it_asks_for_is_done_or_refused),
	SENTENCE(who_refuses_a_ring_in_a_burst_of_it_breaks_the_protocol),
	SENTENCE(a_call_that_changes_while_it_does_not_read_is_sent_later),
	SENTENCE(nobody_is_watched_by_halves),
	SENTENCE(whoever_has_to_die_is_dead_or_it_is_said),
	SENTENCE(a_program_is_looked_at_or_the_upgrade_refused),
};
SUITE("wants", sentences)
