/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what. Root and our own user may all; everybody else nothing but what a rule of the
 * command line says. Pure, but for looking up names when a rule is read.
 */
#ifndef PRIMARY_ALLOW_H
#define PRIMARY_ALLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct peer;

#define ALLOW_RULES 31u

/* What somebody may do over the control socket; each is more than the one before. */
enum allow_level {
	ALLOW_NOTHING,
	ALLOW_READ,    /* look at state, counters and events */
	ALLOW_OPERATE, /* ports in the run directory, features, hand-overs, rings as they are */
	ALLOW_ALL,     /* what acts with our rights outside of that: paths, programs */
};

struct allow_rule {
	bool group; /* `id` is one of a group */
	id_t id;
	char pattern[64];	/* attach: of ports */
	enum allow_level level; /* control */
};

struct allow_rules {
	struct allow_rule all[ALLOW_RULES];
	uint32_t count;
};

/* "user:NAME[=PATTERN]", "group:NAME[=PATTERN]"; NAME may be a number. 0; -EINVAL: not that, no
 * such name, too many; -EPERM: the user that stands for all whom the kernel cannot name here. */
int allow_add_attach(struct allow_rules *rules, const char *text);
/* The same with "=read" (what it is without) or "=operate". */
int allow_add_control(struct allow_rules *rules, const char *text);
/* Of a user by name or number. 0 or -EINVAL, -EPERM. */
int allow_find_user(const char *name, uid_t *ret_uid);
int allow_find_group(const char *name, gid_t *ret_gid);

/*
 * The rules of attaching that fit the peer, a set: bit n is rule n. 0: it may not attach.
 */
#define ALLOW_ANY_PORT UINT32_MAX
uint32_t allow_attach(const struct allow_rules *rules, const struct peer *peer);
/* Under which of the rules does the peer come: one for its user before those for groups, which it
 * shares with others. -1: none fits. */
int allow_rule_of(const struct allow_rules *rules, const struct peer *peer);
/* Does one of them name this port? */
bool allow_port(const struct allow_rules *rules, uint32_t set, const char *port_name);

enum allow_level allow_control(const struct allow_rules *rules, const struct peer *peer);

#endif
