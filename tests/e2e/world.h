/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A primary and its secondaries as real processes, in a run directory of their own.
 *
 * HOLDFASTD and ECHO (environment) name the programs. With HF_TEST_DOOR=cuse ports are character
 * devices, which needs a kernel with CUSE; else they are sockets. Everything that was started is
 * ended by world_close, and the directory removed. REQUIREs on the way: for use inside test
 * functions.
 */
#ifndef E2E_WORLD_H
#define E2E_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WORLD_SECONDARIES 8u

struct world_secondary {
	pid_t pid; /* 0: none */
	int stdin; /* its end is the secondary's */
};

struct world {
	char dir[64];
	pid_t primary;
	struct world_secondary secondaries[WORLD_SECONDARIES];
};

/* Start holdfastd with these further arguments (NULL-terminated; NULL: none), wait until it
 * serves: its loop has seen somebody come and go at both doors. */
void world_open(struct world *world, const char *const *arguments);
/* The same with a limit of open files. */
void world_open_limited(struct world *world, const char *const *arguments,
			unsigned int descriptors);
/* End everything; the primary must exit with 0 (`primary` 0: the test has ended it). */
void world_close(struct world *world);

/* Kill the primary, for good. */
void world_lose_primary(struct world *world);

/* The primary's process, as it says itself, asked until it answers; *ret_ms: how long that took.
 * With
 * --supervise world->primary is its parent. */
pid_t world_ask_pid(const struct world *world, unsigned int *ret_ms);
/* The supervisor's child at this moment, serving or not; 0: none. */
pid_t world_find_primary(const struct world *world);

/* The attached secondaries' processes, at most `room`; *ret_running: that of who has vrings, 0:
 * nobody. How many. */
size_t world_attached(const struct world *world, pid_t *pids, size_t room, pid_t *ret_running);

/* Create a port by the control socket; one in client mode, or with a path, is a socket always. */
void world_add_port(struct world *world, const char *name, bool client, const char *path);
/* 0 or what the primary said. */
int world_del_port(const struct world *world, const char *name);
bool world_has_port(const struct world *world, const char *name);
/* Where front-ends connect: RUN_DIR/NAME.sock, or a device whose name no other test has. */
const char *world_port_path(const struct world *world, const char *name);

/* Ask for a hand-over (port NULL: all); a socket for world_handed_over. */
int world_hand_over(const struct world *world, const char *port, const char *to);
int world_drain(const struct world *world, const char *name, bool force);
/* Ask for a hand-over and do not wait; nobody may be there to answer. */
void world_urge_hand_over(const struct world *world, const char *to);
/* Wait for its answer and close it: how many devices moved, or the error. *ret_pause_ns if asked.
 */
int world_handed_over(int socket, uint64_t *ret_pause_ns);
/* Ask the primary to go on as this program ("": its own path); a socket for world_upgrade_begun. */
int world_upgrade(const struct world *world, const char *binary);
/* Wait for its answer and close it: 0, it is going to be executed; or the error, *ret_reason the
 * reason (until the next call). */
int world_upgrade_begun(int socket, const char **ret_reason);
/* Of the primary's own statistics. */
uint64_t world_counter(const struct world *world, const char *name);
/* Until that counter is at least `count`, bounded; is it? */
bool world_counter_becomes(const struct world *world, const char *name, uint64_t count);

/* The newest event of this kind (of control.proto) among the last 200: its number, and what it
 * says. 0: none. */
uint64_t world_last_event(const struct world *world, int kind, char *ret_detail, size_t size);

/* Start any secondary into place `index`: argv[0] is the program, NULL-terminated. */
void world_start(struct world *world, size_t index, const char *const *argv);
/* Start a secondary that echoes the ports of these globs (NULL-terminated), into place `index`. */
void world_start_echo(struct world *world, size_t index, const char *name, const char *role,
		      const char *const *globs);
/* End it in good order; its exit status. */
int world_stop_echo(struct world *world, size_t index);
void world_signal_echo(struct world *world, size_t index, int signal);
/* Make it stop itself in the middle of a dequeue burst, once two packets come in one. */
void world_trap_echo(struct world *world, size_t index);
/* The same, but it loops there for ever. */
void world_loop_echo(struct world *world, size_t index);
/* The same, but it ends itself there, with status 0. */
void world_exit_echo(struct world *world, size_t index);
/* Is it stopped, within a bounded time? */
bool world_echo_stopped(const struct world *world, size_t index);
/* Wait for its death, bounded; the signal that killed it, 0: none, -1: it lives. */
int world_reap_echo(struct world *world, size_t index);
/* Has it ended? Its place is free then, *ret_status is of wait(2). */
bool world_echo_ended(struct world *world, size_t index, int *ret_status);
/* How many secondaries the primary knows. */
size_t world_count_secondaries(const struct world *world);
bool world_secondaries_become(const struct world *world, size_t count);

/* How many lines of /proc/PID/maps, or descriptors of /proc/PID/fd, are of the file behind `fd`;
 * fd -1: all shared maps, all descriptors. */
size_t world_maps(pid_t pid, int fd);
size_t world_fds(pid_t pid, int fd);
/* Until nobody's descriptors and maps change any more, bounded: what is counted then, before
 * anything is asked, is what there is, and not what is just being given back. */
void world_rest(const struct world *world);
/* Until `count` is what the process has, bounded; is it? */
bool world_maps_become(pid_t pid, int fd, size_t count);
bool world_fds_become(pid_t pid, size_t count);

#endif
