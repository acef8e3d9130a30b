/* SPDX-License-Identifier: Apache-2.0 */
#include "users.h"

#include <errno.h>
#include <string.h>

#include "bar.h"
#include "check.h"
#include "clock.h"
#include "peer.h"

#define TAG "holdfastd"
/* Of what he may do at once: so much is there again when he is let in. */
#define SHARE 8u
/* What those of one rule may do, in allowances of a user. */
#define RULE_SHARE 4u
/* Who has been accepted before may have descriptors, too. */
#define PARKED_SHUT (USERS_PARKED - 64u)

static bool is(const struct users *users, const struct user *user, size_t which)
{
	return user == &users->all[which];
}

static bool is_rule(const struct users *users, const struct user *user)
{
	return user >= users->all + USERS_FIRST_RULE;
}

/* --- out, and in again --- */

/* Of those who are out, as many as there is room for. 0 or -errno. */
static int bar_all(struct users *users)
{
	uid_t barred[BAR_MOST];
	size_t n = 0;

	for (struct user *user = users->all; user < users->all + USERS; user++)
		for (size_t i = 0; i < user->nr_barred && n < BAR_MOST; i++)
			barred[n++] = user->barred[i];
	return bar_users(users->path, barred, n);
}

static void say_that_none_is_kept_away(struct users *users, int error)
{
	if (hf_log_allowed(&users->log_limit))
		log_warning(TAG,
			    "cannot keep users away from %s (%s): what they do there costs "
			    "processor time; put it where access lists are (a tmpfs)",
			    users->path, strerrordesc_np(-error));
}

/* Who cannot be (he is none in our user namespace, for one) is not on the list, so that he does not
 * keep others from it. */
static void bar(struct users *users, struct user *user, const struct peer *peer)
{
	int error;

	for (size_t i = 0; i < user->nr_barred; i++)
		if (user->barred[i] == peer->uid)
			return;
	if (!peer->known || user->nr_barred == USERS_BARRED)
		return;
	user->barred[user->nr_barred++] = peer->uid;
	error = bar_all(users);
	if (!error)
		return;
	user->nr_barred--;
	say_that_none_is_kept_away(users, error);
}

static void put_out(struct users *users, struct user *user, const struct peer *peer,
		    const char *why)
{
	if (!user->out && hf_log_allowed(&users->log_limit))
		log_warning(TAG, "%s %u: kept away from %s: %s",
			    is(users, user, USER_STRANGERS) ? "users that no rule names, as"
			    : is_rule(users, user)	    ? "new users of one rule, as"
							    : "user",
			    peer->uid, users->path, why);
	user->out = true;
	bar(users, user, peer);
}

static bool is_spent(const struct users *users, const struct user *user, uint64_t at_once)
{
	return users->each_ns && rate_wait_ns(&user->connections, at_once, users->each_ns);
}

/* He is out until the list without him is in force: nobody would look at it again. */
static void let_in_again(struct users *users, struct user *user)
{
	size_t n = user->nr_barred;

	user->nr_barred = 0;
	if (n && bar_all(users) < 0)
		user->nr_barred = n;
	else
		user->out = false;
}

/* --- parked --- */

static void park(struct users *users, struct user *user, int *socket)
{
	users->parked[users->nr_parked++] = (struct parked){*socket, user};
	*socket = -1;
}

/* A process for them all. */
static void close_parked(struct users *users, struct user *user)
{
	int sockets[USERS_PARKED];
	size_t n = 0, left = 0;

	for (size_t i = 0; i < users->nr_parked; i++)
		if (users->parked[i].user == user)
			sockets[n++] = users->parked[i].socket;
		else
			users->parked[left++] = users->parked[i];
	users->nr_parked = left;
	if (n)
		foreign_drain(&user->foreign, sockets, n);
}

void users_hold(struct users *users, bool hold)
{
	users->held = hold;
	for (struct user *user = users->all; hold && user < users->all + USERS; user++)
		close_parked(users, user);
}

static bool has_parked(const struct users *users, const struct user *user)
{
	for (size_t i = 0; i < users->nr_parked; i++)
		if (users->parked[i].user == user)
			return true;
	return false;
}

/* --- who --- */

static bool may_be_forgotten(struct users *users, struct user *user)
{
	return !user->out && foreign_is_idle(&user->foreign) && !has_parked(users, user);
}

static struct user *find_known(struct users *users, uid_t uid)
{
	for (size_t i = USERS_FIRST_NAMED; i < USERS_FIRST_RULE; i++)
		if (users->all[i].uid == uid)
			return &users->all[i];
	return NULL;
}

static uint64_t spent_to_ns(const struct user *user)
{
	return max_u64(user->connections.until_ns, user->requests.until_ns);
}

/* The longest rested goes first: what it had spent is forgotten last. NULL: none may. */
static struct user *find_place(struct users *users)
{
	struct user *place = NULL;

	for (size_t i = USERS_FIRST_NAMED; i < USERS_FIRST_RULE; i++) {
		struct user *user = &users->all[i];

		if ((!place || spent_to_ns(user) < spent_to_ns(place)) &&
		    may_be_forgotten(users, user))
			place = user;
	}
	return place;
}

struct user *users_find(struct users *users, const struct peer *peer, int rule)
{
	struct user *user, *all;

	if (peer_is_own(peer))
		return &users->all[USER_OWN];
	if (rule < 0 || rule >= (int)USERS_RULES)
		return &users->all[USER_STRANGERS];
	user = find_known(users, peer->uid);
	if (user)
		return user;
	all = &users->all[USERS_FIRST_RULE + (size_t)rule];
	user = all->out || is_spent(users, all, users->at_once) ? NULL : find_place(users);
	if (!user)
		return all;
	user->uid = peer->uid;
	user->rule = all;
	user->connections = all->connections;
	user->requests = all->requests;
	return user;
}

/* What those of one rule may ask, in allowances of a user. */
#define RULE_SHARE 4u

/* Who comes by the rule later begins with what is left of it, as at the door. */
void user_spend(struct user *user, uint64_t at_once_ns, uint64_t cost_ns)
{
	if (user->rule && !rate_wait_ns(&user->rule->requests, 1, at_once_ns))
		rate_spend(&user->rule->requests, cost_ns / RULE_SHARE);
	rate_spend(&user->requests, cost_ns);
}

/* Of the rule's not more than there is: those who are known would keep the others out for good. */
static void spend(struct users *users, struct user *user)
{
	struct user *rule = is_rule(users, user) ? user : user->rule;

	if (user != rule)
		rate_spend(&user->connections, users->each_ns);
	if (rule && !rule->out && !is_spent(users, rule, users->at_once))
		rate_spend(&rule->connections, users->each_ns / RULE_SHARE);
}

bool users_admit(struct users *users, struct user *user, const struct peer *peer)
{
	if (is(users, user, USER_OWN))
		return true;
	if (user->out || is_spent(users, user, users->at_once)) {
		put_out(users, user, peer,
			"connects too often; raise --connection-rate if it is a good one");
		return false;
	}
	if (users->each_ns)
		spend(users, user);
	return true;
}

void users_charge(struct users *users, struct user *user, const struct peer *peer)
{
	if (!is(users, user, USER_OWN) && foreign_full_since(&user->foreign))
		put_out(users, user, peer,
			"close(2) of descriptors that it sent does not return; end who serves "
			"those files");
}

void users_drop(struct users *users, struct user *user, const struct peer *peer, int *socket)
{
	if (foreign_full_since(&user->foreign) && users->nr_parked < USERS_PARKED && !users->held)
		park(users, user, socket);
	else
		foreign_drain(&user->foreign, socket, 1);
	users_charge(users, user, peer);
}

bool users_shut(struct users *users)
{
	return foreign_full_since(&users->all[USER_OWN].foreign) || users->nr_parked >= PARKED_SHUT;
}

/* --- once in a while --- */

bool users_wait(struct users *users)
{
	for (struct user *user = users->all; user < users->all + USERS; user++)
		if (user->out || foreign_full_since(&user->foreign))
			return true;
	return users->nr_parked || users->stale;
}

static bool begins_to_hang(struct user *user)
{
	bool began = foreign_hangs(&user->foreign) && !user->hangs;

	user->hangs = user->hangs || began;
	return began;
}

static void look_at(struct users *users, struct user *user)
{
	user->hangs = false;
	close_parked(users, user);
	if (user->out && !foreign_full_since(&user->foreign) &&
	    !is_spent(users, user, users->at_once - users->at_once / SHARE))
		let_in_again(users, user);
}

size_t users_look(struct users *users)
{
	size_t n = 0;

	users->stale = users->stale && bar_all(users) < 0;
	for (struct user *user = users->all; user < users->all + USERS; user++)
		if (foreign_full_since(&user->foreign))
			n += begins_to_hang(user);
		else
			look_at(users, user);
	return n;
}

/* --- life --- */

void users_init(struct users *users, struct loop *loop, const char *path, uint32_t rate,
		uint32_t at_once)
{
	*users = (struct users){
		.path = path, .at_once = at_once, .each_ns = rate ? NS_PER_S / rate : 0};
	for (struct user *user = users->all; user < users->all + USERS; user++) {
		user->uid = (uid_t)-1;
		foreign_init(&user->foreign, loop);
	}
}

void users_begin(struct users *users)
{
	users->stale = bar_all(users) < 0;
}

void users_end(struct users *users)
{
	for (struct user *user = users->all; user < users->all + USERS; user++) {
		close_parked(users, user);
		foreign_forget(&user->foreign);
	}
}
