/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that a successor needs is in the journal and in the store at any instant, so exec
 * could come at any instant: settling only spares those who would have to ask again.
 */
#include "upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "check.h"
#include "clock.h"
#include "cuse.h"
#include "event.h"
#include "handon.h"
#include "journal.h"
#include "log.h"
#include "outbox.h"
#include "port.h"
#include "ports.h"
#include "primary.h"
#include "program.h"
#include "resume.h"
#include "secondary.h"
#include "store.h"
#include "upgrade_check.h"

#define TAG	  "upgrade"
#define SETTLE_NS (2 * NS_PER_S)
#define LOOK_NS	  NS_PER_MS

struct upgrade {
	struct primary *primary;
	enum { IDLE, CHECKING, SETTLING, DUE, FORBIDDEN } phase;
	struct upgrade_check check;
	struct upgrade_waiter *waiter; /* CHECKING; NULL: gone */
	struct loop_timer timer;       /* SETTLING */
	uint64_t settle_by_ns;
	const struct upgrade_above *above;
	uint64_t pause_ns; /* that this life began with */
	int error;	   /* of the last try */
	char reason[560];
};

/* --- the end of a try --- */

static void hold(struct primary *primary, bool on)
{
	primary->holding = on;
	attach_hold(primary, on);
	primary->upgrade->above->hold(primary, on);
}

static void fail(struct upgrade *u, int error, const char *reason)
{
	u->phase = IDLE;
	u->error = error;
	upgrade_check_forget(&u->check);
	snprintf(u->reason, sizeof(u->reason), "%.255s: %s", u->check.path, reason);
	log_warning(TAG, "not upgraded: %s", u->reason);
}

static void tell(struct upgrade *u, int error)
{
	struct upgrade_waiter *waiter = u->waiter;

	if (!waiter)
		return;
	upgrade_unwatch(waiter);
	waiter->checked(waiter, error, u->reason);
}

/* --- settling --- */

static bool secondaries_at_rest(const struct primary *primary)
{
	for (uint32_t i = 0; i < primary->conf->max_secondaries; i++) {
		const struct secondary *s = primary->secondaries[i];

		if (s && secondary_usable(s) && !secondary_idle(s))
			return false;
	}
	return true;
}

static bool at_rest(const struct primary *primary)
{
	return !primary->handovers && !primary->revocations && !store_pending(primary->store) &&
	       port_all_at_rest(primary) && !primary->looks.running &&
	       secondaries_at_rest(primary) && attach_at_rest(primary) &&
	       primary->upgrade->above->at_rest(primary);
}

static void on_look(struct loop_timer *timer)
{
	struct upgrade *u = container_of(timer, struct upgrade, timer);
	struct primary *primary = u->primary;

	if (!at_rest(primary) && hf_now_ns() < u->settle_by_ns &&
	    loop_timer_set(primary->loop, timer, LOOK_NS) == 0)
		return;
	u->phase = DUE;
	loop_stop(primary->loop);
}

static void settle(struct upgrade *u)
{
	if (loop_timer_set(u->primary->loop, &u->timer, LOOK_NS) < 0) {
		fail(u, -ENOMEM, "no memory for a timer; free some");
		return;
	}
	u->phase = SETTLING;
	u->settle_by_ns = hf_now_ns() + SETTLE_NS;
	hold(u->primary, true);
}

static void on_checked(struct upgrade_check *check, int error, const char *reason)
{
	struct upgrade *u = container_of(check, struct upgrade, check);

	if (error)
		fail(u, error, reason);
	else
		settle(u);
	tell(u, u->error);
}

/* --- beginning --- */

static int refuse(const char **ret_reason, int error, const char *reason)
{
	*ret_reason = reason;
	return error;
}

int upgrade_start(struct primary *primary, const char *binary, struct upgrade_waiter *waiter,
		  const char **ret_reason)
{
	struct upgrade *u = primary->upgrade;
	const char *path = *binary ? binary : program_path();
	int error;

	if (!u || u->phase == FORBIDDEN)
		return refuse(ret_reason, -ESHUTDOWN, "the primary ends; start it anew");
	if (u->phase != IDLE)
		return refuse(ret_reason, -EBUSY, "an upgrade is under way; wait until it is done");
	if (!*path)
		return refuse(ret_reason, -ENOENT,
			      "the primary does not know where it was started from; say what to "
			      "execute (--binary)");
	error = upgrade_check_start(&u->check, primary->loop, path, primary->conf->argv,
				    ret_reason);
	if (error) {
		log_warning(TAG, "not upgraded: %s: %s", path, *ret_reason);
		return error;
	}
	u->phase = CHECKING;
	u->error = 0;
	u->reason[0] = '\0';
	u->waiter = waiter;
	waiter->upgrade = u;
	return 0;
}

void upgrade_unwatch(struct upgrade_waiter *waiter)
{
	if (waiter->upgrade)
		waiter->upgrade->waiter = NULL;
	waiter->upgrade = NULL;
}

void upgrade_forbid(struct primary *primary)
{
	struct upgrade *u = primary->upgrade;

	upgrade_check_cancel(&u->check);
	loop_timer_clear(primary->loop, &u->timer);
	snprintf(u->reason, sizeof(u->reason), "%s", "the primary ends; start it anew");
	if (u->phase == CHECKING)
		tell(u, -ESHUTDOWN);
	if (primary->holding)
		hold(primary, false);
	upgrade_check_forget(&u->check);
	u->phase = FORBIDDEN;
}

int upgrade_open(struct primary *primary, const struct upgrade_above *above)
{
	struct upgrade *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->primary = primary;
	u->above = above;
	u->timer.fire = on_look;
	u->check.done = on_checked;
	primary->upgrade = u;
	return 0;
}

void upgrade_close(struct primary *primary)
{
	struct upgrade *u = primary->upgrade;

	if (!u)
		return;
	upgrade_check_close(&u->check);
	upgrade_check_forget(&u->check);
	loop_timer_clear(primary->loop, &u->timer);
	free(u);
	primary->upgrade = NULL;
}

/* --- becoming another program --- */

bool upgrade_due(const struct primary *primary)
{
	return primary->upgrade->phase == DUE;
}

/* Returns only on failure: -errno. */
static int execute(struct upgrade *u)
{
	struct primary *primary = u->primary;
	uint64_t now = hf_now_ns();
	struct handon *handon = handon_create();
	char said[96];
	int error = handon ? 0 : -ENOMEM;

	cuse_rest(primary);
	if (!error && !journal_whole(primary))
		error = -EMFILE;
	/* From now until READY=1 its end is that of a program that cannot start. */
	snprintf(said, sizeof(said), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=upgrading",
		 (unsigned long long)(now / NS_PER_US));
	if (!error)
		error = program_tell_upgrade(now);
	if (!error)
		store_notify(primary->store, said);
	store_flush(primary->store);
	/* What has not left by now never would: the next program takes all it is given for kept. */
	if (!error)
		error = store_at_rest(primary->store);
	/* Only now is it known whether the keeper is still there to hear of it. */
	if (!error)
		error = store_hand_on(primary->store, handon);
	if (!error)
		error = handon_exec(handon, u->check.path, u->check.program, primary->conf->argv);
	program_untell_upgrade();
	store_notify(primary->store, "READY=1\nSTATUS=serving"); /* again */
	handon_destroy(handon);
	return error;
}

static const char *explain(int error)
{
	switch (error) {
	case -E2BIG:
		return "more descriptors than can be named to a new program; end some sessions";
	case -EMFILE:
		return "not enough descriptors to hand them on; raise the limit of open files";
	case -EBUSY:
		return "who keeps our descriptors does not read; see whether the supervisor is "
		       "stopped";
	case -ESTALE:
		return "the file was replaced while it was looked at; try again";
	default:
		return "no memory to hand descriptors on; free some";
	}
}

void upgrade_execute(struct primary *primary)
{
	struct upgrade *u = primary->upgrade;
	int error = -ESTALE;

	if (upgrade_check_unchanged(&u->check)) {
		log_notice(TAG, "going on as %s", u->check.path);
		error = execute(u);
	}
	fail(u, error, explain(error));
	hold(primary, false);
}

/* --- having become one --- */

void upgrade_ready(struct primary *primary)
{
	const struct program_before *before = program_before();
	const struct resumed *resumed = &primary->resumed;
	struct journal_header *h = primary->journal ? primary->journal->header : NULL;
	struct upgrade *u = primary->upgrade;

	uint64_t away_ns = resume_away_ns();

	if (resumed->life <= 1 || !h)
		return;
	if (!*before->version) {
		event_emit(primary, HOLDFAST__CONTROL__EVENT_KIND__PRIMARY_RESUMED, NULL, NULL, -1,
			   away_ns, "life %llu, %u sessions go on",
			   (unsigned long long)resumed->life, resumed->sessions);
		return;
	}
	u->pause_ns = hf_now_ns() - before->left_ns;
	if (before->error) {
		u->error = before->error;
		snprintf(u->reason, sizeof(u->reason),
			 "the program could not be executed (%s), this is the one before it; see "
			 "the file, and try again",
			 strerror(-before->error));
		log_error(TAG, "%s", u->reason);
	} else {
		h->upgrades++;
		h->longest_upgrade_ns = max_u64(h->longest_upgrade_ns, u->pause_ns);
	}
	event_emit(primary, HOLDFAST__CONTROL__EVENT_KIND__PRIMARY_UPGRADED, NULL, NULL, -1,
		   u->pause_ns, "from %s to %s, life %llu, %u sessions go on", before->version,
		   HOLDFAST_VERSION, (unsigned long long)resumed->life, resumed->sessions);
}

void upgrade_status(const struct primary *primary, struct upgrade_status *ret_status)
{
	const struct upgrade *u = primary->upgrade;
	bool under_way = u && u->phase != IDLE && u->phase != FORBIDDEN;

	*ret_status = (struct upgrade_status){
		.binary = under_way ? u->check.path : program_path(),
		.from_version = program_before()->version,
		.pause_ns = u ? u->pause_ns : 0,
		.under_way = under_way,
		.error = u ? u->error : 0,
		.reason = u ? u->reason : "",
	};
}

uint64_t upgrade_count(const struct primary *primary, uint64_t *ret_longest_ns)
{
	const struct journal_header *h = primary->journal ? primary->journal->header : NULL;

	*ret_longest_ns = h ? h->longest_upgrade_ns : 0;
	return h ? h->upgrades : 0;
}
