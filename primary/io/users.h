/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who comes by a door, the attach or the control socket: what each user may do to it.
 *
 * Theory of operation. Who connects can be told from others only when he has been accepted, and all
 * wait in one queue; so to accept more slowly would keep the good ones out, and to accept all and
 * close them is a cost without bound. Therefore a user who has connected too often, or has left
 * descriptors that hang whoever closes them (foreign.h), is out: the kernel refuses him the
 * socket's file (bar.h) until an eighth of his allowance is there again, and nothing of his hangs.
 * Who of his was in the queue by then is closed at once; with descriptors in his own queue, while
 * too many hang, he is parked: one process closes all that are, later.
 *
 * Where the file system has no access lists each connection of one who is out is accepted and
 * closed, within a share of the loop's time (listener.c). So it is with whom the administrator's
 * own list of that file names, and who is none in our user namespace.
 *
 * Root and our own user have no allowance: they may end us as well. Hangs what is theirs, the door
 * is shut to all, and so it is when too many are parked. All whom no rule names are one user here:
 * they will be refused anyway, and numbers of users may be had by the thousand.
 *
 * So they may by members of a group that a rule lets in. Each rule has an allowance as well, four
 * times that of a user. Who comes for the first time, or was forgotten, comes in by it, and begins
 * with what is left of it; when nothing is, or when nobody can be forgotten, all who come so are
 * one user, the rule's. Who is known goes on by his own allowance, whatever others of his group do.
 */
#ifndef PRIMARY_USERS_H
#define PRIMARY_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "foreign.h"
#include "log.h"
#include "rate.h"

struct loop;
struct peer;

enum { USER_OWN, USER_STRANGERS, USERS_FIRST_NAMED };
#define USERS_NAMED	 32u
#define USERS_FIRST_RULE (USERS_FIRST_NAMED + USERS_NAMED)
#define USERS_RULES	 31u
#define USERS		 (USERS_FIRST_RULE + USERS_RULES)
#define USERS_PARKED	 256u
#define USERS_BARRED	 16u

struct user {
	uid_t uid;	   /* of a named one */
	struct user *rule; /* by which he came */
	struct rate connections;
	struct rate requests;	/* of who came and stayed */
	struct foreign foreign; /* who came left behind what hangs */
	bool out;		/* may not come in */
	bool hangs;		/* and that was said */
	uid_t barred[USERS_BARRED];
	size_t nr_barred;
};

struct users {
	struct user all[USERS];
	struct parked {
		int socket;
		struct user *user;
	} parked[USERS_PARKED];
	size_t nr_parked;
	bool held;	  /* nobody is parked */
	bool stale;	  /* the list may be that of a life before */
	const char *path; /* of the socket's file */
	uint64_t at_once, each_ns;
	struct hf_log_limit log_limit;
};

/* So many connections at once, then `rate` a second, of each user; rate 0: no limit. `path` has to
 * last. */
void users_init(struct users *users, struct loop *loop, const char *path, uint32_t rate,
		uint32_t at_once);
/* The file is there: whom a life before kept away is let in, now or when users_look is called. */
void users_begin(struct users *users);
/* At the end, when nobody is accepted any more. */
void users_end(struct users *users);

/* Whose doing is what this peer does? `rule` lets him in; -1: none does. Good until the next call.
 */
struct user *users_find(struct users *users, const struct peer *peer, int rule);
/* He has connected. False: he is out. */
bool users_admit(struct users *users, struct user *user, const struct peer *peer);
/* Some of user->foreign may hang: when too many do, he is out. */
void users_charge(struct users *users, struct user *user, const struct peer *peer);
/* Get rid of his socket, which has been shut down and has descriptors in its queue. */
void users_drop(struct users *users, struct user *user, const struct peer *peer, int *socket);
/* Exec may come, and would close all that is open, in our place: who is parked, and who would be,
 * is left to processes, however many hang. */
void users_hold(struct users *users, bool hold);
/* He has asked for what costs so much of what he may at once. */
void user_spend(struct user *user, uint64_t at_once_ns, uint64_t cost_ns);
/* Nobody may come in now. */
bool users_shut(struct users *users);

/* Is there somebody to look after? Then once in a while: whoever may is let in again. How many
 * users' descriptors have begun to hang since. */
bool users_wait(struct users *users);
size_t users_look(struct users *users);

#endif
