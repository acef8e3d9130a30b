/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users have a table with as many places as there can be sessions: there is always one without.
 * A user whose last session ended stays in it until the place is needed, the longest rested goes
 * first: what it had spent is forgotten last.
 */
#include "allowance.h"

#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "conf.h"
#include "port.h"
#include "primary.h"
#include "rate.h"

struct user_allowance {
	uid_t uid;
	uint32_t sessions; /* 0: the place may be given away */
	struct rate messages;
};

static struct user_allowance *find(struct primary *primary, uid_t uid)
{
	struct user_allowance *free_place = NULL;

	for (uint32_t i = 0; i < primary->conf->max_devices; i++) {
		struct user_allowance *user = &primary->users[i];

		if (user->uid == uid && (user->sessions || user->messages.until_ns))
			return user;
		if (!user->sessions &&
		    (!free_place || user->messages.until_ns < free_place->messages.until_ns))
			free_place = user;
	}
	if (free_place)
		*free_place = (struct user_allowance){.uid = uid};
	return free_place;
}

struct user_allowance *allowance_take(struct primary *primary, uid_t uid)
{
	struct user_allowance *user;

	if (!primary->users)
		primary->users = calloc(primary->conf->max_devices, sizeof(*primary->users));
	if (!primary->users)
		return NULL;
	user = find(primary, uid);
	if (user)
		user->sessions++;
	return user;
}

void allowance_give_back(struct user_allowance *user)
{
	if (user)
		user->sessions--;
}

/* Of a port; a user's is ALLOWANCE_PORTS_OF_USER times that. */
static uint64_t each_ns(const struct conf *conf)
{
	return NS_PER_S / conf->message_rate;
}

uint64_t allowance_wait_ns(const struct port *port, const struct user_allowance *user)
{
	const struct conf *conf = port->primary->conf;
	const uint64_t ports = ALLOWANCE_PORTS_OF_USER;
	uint64_t ns;

	if (!conf->message_rate)
		return 0;
	ns = rate_wait_ns(&port->messages, conf->message_burst, each_ns(conf));
	if (user)
		ns = max_u64(ns, rate_wait_ns(&user->messages, ports * conf->message_burst,
					      each_ns(conf) / ports));
	return ns;
}

void allowance_spend(struct port *port, struct user_allowance *user)
{
	const struct conf *conf = port->primary->conf;

	if (!conf->message_rate)
		return;
	rate_spend(&port->messages, each_ns(conf));
	if (user)
		rate_spend(&user->messages, each_ns(conf) / ALLOWANCE_PORTS_OF_USER);
}

void allowance_destroy(struct primary *primary)
{
	free(primary->users);
	primary->users = NULL;
}
