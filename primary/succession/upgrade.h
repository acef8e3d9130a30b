/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `holdfast upgrade`: this process goes on as another program (docs/continuity.md §5).
 *
 * CHECKING   the program is asked for its --abi; whatever speaks against it is said, and nothing
 *            was touched
 * SETTLING   nothing new is begun: no message of a front-end is read, nobody accepted, no hand-over
 *            started; what is under way ends, for at most SETTLE_NS
 * DUE        the loop has stopped; main calls upgrade_execute
 *
 * What is still under way then is, after exec, as after a death.
 */
#ifndef PRIMARY_UPGRADE_H
#define PRIMARY_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>

struct primary;
struct upgrade;

/* Who asked. */
struct upgrade_waiter {
	/* The program was looked at: 0, it is going to be executed; or -errno with the reason,
	 * valid as long as the upgrade. Not called from inside upgrade_start. */
	void (*checked)(struct upgrade_waiter *waiter, int error, const char *reason);
	struct upgrade *upgrade; /* NULL: not waiting */
};

/* Who asks is above us, and has to come to rest as well: the control socket. */
struct upgrade_above {
	/* Accept nobody new, or somebody again. */
	void (*hold)(struct primary *primary, bool hold);
	/* Has every request its whole answer? */
	bool (*at_rest)(const struct primary *primary);
};

/* Sets primary->upgrade. 0 or -ENOMEM. */
int upgrade_open(struct primary *primary, const struct upgrade_above *above);
void upgrade_close(struct primary *primary);

/* `binary` absolute, or empty: the path we were started from. 0, and `checked` is called; -errno
 * with *ret_reason: refused at once. -EBUSY: one is under way; -ESHUTDOWN: the primary ends. */
int upgrade_start(struct primary *primary, const char *binary, struct upgrade_waiter *waiter,
		  const char **ret_reason);
void upgrade_unwatch(struct upgrade_waiter *waiter);
/* The primary ends: none is begun any more, one under way is given up. */
void upgrade_forbid(struct primary *primary);

/* --- for main --- */

/* Did the loop stop for this? */
bool upgrade_due(const struct primary *primary);
/* Become the program. Returns only when that cannot be, with nothing lost: everything goes on, the
 * reason was said. */
void upgrade_execute(struct primary *primary);
/* This life serves: counts, and says how it began. */
void upgrade_ready(struct primary *primary);

/* --- for control_upgrade.c and statistics --- */

struct upgrade_status {
	const char *binary;	  /* that comes next, or that runs */
	const char *from_version; /* "": this life did not begin with an upgrade */
	uint64_t pause_ns;
	bool under_way;
	int error; /* of the last try, with `reason` */
	const char *reason;
};
void upgrade_status(const struct primary *primary, struct upgrade_status *ret_status);
/* Over all lives. */
uint64_t upgrade_count(const struct primary *primary, uint64_t *ret_longest_ns);

#endif
