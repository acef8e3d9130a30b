/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ring, two secondaries, one primary that may die: who may touch the ring, and where does the
 * next one go on? Checked state by state with SPIN (tests/model-check/run).
 *
 * What is shown, over all orders of steps within the bounds below:
 *   - no two owners: no load and no store of a burst reaches the guest's memory while the ring is
 *     another's, or nobody's (its front-end was answered);
 *   - nothing is lost or seen twice: used->idx grows by one at each publication, and whoever is
 *     given the ring is given the place where it stands, wherever the one before stopped or died;
 *   - no lost ring: when nothing moves any more the ring has an owner that lives and knows of it,
 *     unless none lives; and the primary waits for nothing that cannot come.
 *
 * Memory is that of x86: each thread's stores wait in a buffer of its own, in order, while its
 * loads pass them. A full fence is an instant at which the buffer is empty; membarrier
 * (GLOBAL_EXPEDITED) such an instant of every thread, one after the other, before it returns.
 * Messages are system calls and carry what was stored before. A process that dies executes nothing
 * more; its buffer empties, and then its pidfd is readable.
 *
 * Each switch takes one step of the protocol out or puts it in the wrong place; run shows that the
 * model fails then:
 *   NO_MEMBARRIER   revoke.c start(): no hf_lane_fence_all
 *   OWN_FENCE_ONLY  the primary's own fence in its place
 *   LOAD_FIRST      lane.h hf_burst_enter: the compiler moved the load before the store
 *   NO_BURST_FENCE  no membarrier in the kernel, and bursts do not fence either
 *   KILL_IS_DEATH   revoke.c: SIGKILL was sent, its pidfd is not waited for
 *   POSITION_EARLY  grant_vring.c: the position is read before `busy` is 0
 *   NO_INTENT       vring.h hf_vring_publish: the lane does not say what is about to be published
 *   GRANT_AGAIN     grant_vring_give: numbers of grants are used twice
 *   LATE_RESET      grant_vring_give: lane_reset behind the word and the message
 *   OWNER_FIRST     grant_vring_take_back: the owner is forgotten before the position is written down
 *   TRUST_WORD      resume.c restore_owner: what was being taken back is taken for free
 * BURST_FENCE is no fault: the kernel has no membarrier, and each burst fences itself.
 */

#ifndef GRANTS
#define GRANTS 3 /* that are ever given */
#endif
#ifndef BURSTS
#define BURSTS 2 /* of each secondary, turned away or not */
#endif
#ifndef KILLS
#define KILLS 1 /* deadlines that are missed */
#endif
#ifndef CRASHES
#define CRASHES 1 /* secondaries that die by themselves */
#endif
#ifndef LIVES
#define LIVES 1 /* times that the primary dies */
#endif

#define NOBODY	2
#define TURN(n) (((n) + 1) % 4) /* the index after this one */

/* ---- memory */
byte word;	       /* directory: vring.grant; 0: withdrawn */
byte owner = NOBODY;   /* directory: vring.owner */
bit lane_busy[2];      /* lane: busy, intent with its count, position */
bit lane_intent[2];
byte lane_position[2];
byte used;	       /* the guest's: used->idx */
byte journal_base;     /* journal: positions[]; only primaries look at it */
byte next_grant = 1;   /* journal: next_grant */

/* What was stored and is not seen yet. */
mtype = {BUSY, INTENT, USED, POSITION, WORD, OWNER, RESET};
chan buffer[2] = [3] of {mtype, byte};
chan primary_buffer = [3] of {mtype, byte, byte};

/* ---- the rest of the world */
chan message[2] = [4] of {byte, byte}; /* VringGrant: number, position; number 0: VringRevoke */
byte my_grant[2];		       /* hf_vring.my_grant */
byte next[2];			       /* hf_vring.next */
bit killed[2];			       /* SIGKILL is under way */
bit dead[2];			       /* its pidfd is readable */
byte kills = KILLS, crashes = CRASHES, lives = LIVES;

/* Whose the ring is: from the word that says so until nobody is its owner again. */
byte holder = NOBODY;

/* ---- stores reach memory */

inline commit(s, what, value)
{
	if
	:: what == BUSY -> lane_busy[s] = value
	:: what == INTENT -> lane_intent[s] = value
	:: what == POSITION -> lane_position[s] = value
	:: what == USED ->
		assert(holder == s);
		assert(value == TURN(used));
		used = value
	fi
}

inline commit_primary(what, value, place)
{
	if
	:: what == WORD ->
		word = value;
		if
		:: value -> assert(place == used); holder = owner
		:: else
		fi
	:: what == OWNER ->
		owner = value;
		if
		:: value == NOBODY -> holder = NOBODY
		:: else -> assert(holder == NOBODY)
		fi
	:: what == RESET ->
		lane_busy[value] = 0;
		lane_intent[value] = 0;
		lane_position[value] = place
	fi
}

active proctype hardware()
{
	mtype what;
	byte value, place;

end:	do
	:: d_step { buffer[0]?what,value; commit(0, what, value); what = 0; value = 0 }
	:: d_step { buffer[1]?what,value; commit(1, what, value); what = 0; value = 0 }
	:: d_step { primary_buffer?what,value,place; commit_primary(what, value, place);
		    what = 0; value = 0; place = 0 }
	od
}

/* ---- a secondary */

/* secondary/grants.c: hf_on_vring_grant, hf_on_vring_revoke. What it has already it ignores. */
proctype control(byte s)
{
	byte grant, position, last;

end:	do
	:: d_step { message[s]?grant,position;
		if
		:: grant == 0 -> my_grant[s] = 0
		:: grant && grant != last ->
			next[s] = position;
			my_grant[s] = grant;
			last = grant
		:: else
		fi;
		grant = 0; position = 0 }
	od
}

/* One store; or death before it, killed or by itself. */
#define STORE(what, value) \
	atomic { \
		if \
		:: killed[s] -> goto dying \
		:: crashes > 0 && !killed[s] -> crashes--; goto dying \
		:: buffer[s]!what,value \
		fi \
	}

proctype data(byte s)
{
	byte mine, now, left = BURSTS;

end:	do
	:: atomic { killed[s] -> goto dying }
	:: atomic { left > 0 && my_grant[s] != 0 -> /* burst.h: hf_burst_begin */
		left--;
		mine = my_grant[s] };
#ifdef LOAD_FIRST
		now = word;
		STORE(BUSY, 1);
#else
		STORE(BUSY, 1); /* lane.h: hf_burst_enter */
#ifdef BURST_FENCE
#ifndef NO_BURST_FENCE
		empty(buffer[s]);
#endif
#endif
		now = word;
#endif
		if
		:: atomic { now != mine -> mine = 0; now = 0 }
		:: atomic { now == mine -> mine = 0; now = 0;
			/* Inside: descriptors and payload are read. */
			assert(holder == s) };
#ifndef NO_INTENT
			STORE(INTENT, 1); /* vring.h: hf_vring_publish */
#endif
			STORE(USED, TURN(next[s]));
			next[s] = TURN(next[s]);
			STORE(POSITION, next[s]);
			STORE(INTENT, 0)
		fi;
		STORE(BUSY, 0) /* hf_burst_leave */
	od;
dying:	atomic { empty(buffer[s]); dead[s] = 1 }
}

/* ---- the primary; what stands before `again` is lost when it dies */

#define DIES lives > 0 -> lives--; goto fallen
/* One store; or death before it. */
#define STORED(what, value, place) \
	atomic { \
		if \
		:: DIES \
		:: primary_buffer!what,value,place \
		fi \
	}

/* revoke.c: hf_lane_fence_all */
#ifdef NO_MEMBARRIER
#define FENCE_ALL skip
#else
#ifdef OWN_FENCE_ONLY
#define FENCE_ALL empty(primary_buffer)
#else
#ifdef BURST_FENCE
#define FENCE_ALL empty(primary_buffer) /* hf_lane_fence_all, as far as it goes */
#else
#define FENCE_ALL empty(primary_buffer); empty(buffer[0]); empty(buffer[1])
#endif
#endif
#endif

#define USABLE(s) (!dead[s] && !((s) == fenced))

active proctype primary()
{
	byte mine = NOBODY, base, grant, fenced = NOBODY;
	byte position, guest;
	bit intent;

	run control(0);
	run control(1);
	run data(0);
	run data(1);

	/* Free: somebody is given it (grant.c: grant_offer), as long as there is one. */
again:
end_free:
	if
	:: next_grant <= GRANTS && USABLE(0) -> mine = 0
	:: next_grant <= GRANTS && USABLE(1) -> mine = 1
	fi;
	/* grant_vring.c: grant_vring_give. The number is in the journal before it is used. */
	atomic { grant = next_grant; next_grant++ };
#ifndef LATE_RESET
	STORED(RESET, mine, base);
#endif
	STORED(OWNER, mine, 0);
#ifdef GRANT_AGAIN
	grant = 1;
#endif
	STORED(WORD, grant, base);
	atomic { /* the message carries what was stored before */
		if
		:: DIES
		:: empty(primary_buffer) -> message[mine]!grant,base
		fi
	};
#ifdef LATE_RESET
	STORED(RESET, mine, base);
#endif

owned:
end_owned:
	/* It runs; until its front-end wants the ring back, it is handed over, or it dies. */
	if
	:: next_grant <= GRANTS -> skip
	:: dead[mine] -> skip
	:: atomic { DIES }
	fi;

revoke:
	/* revoke.c: start(): grant_vring_withdraw, then one fence for all. */
	STORED(WORD, 0, 0);
	FENCE_ALL;
#ifdef POSITION_EARLY
	atomic { position = lane_position[mine]; intent = lane_intent[mine]; guest = used };
#endif
	/* look(): the busy word, a deadline, or the pidfd */
	do
	:: atomic { DIES }
	:: dead[mine] -> break
	:: fenced != mine && lane_busy[mine] == 0 -> break
	:: atomic { fenced != mine && kills > 0 && !dead[mine] ->
		kills--;
		killed[mine] = 1;
		fenced = mine };
#ifdef KILL_IS_DEATH
		break
#endif
	od;
	/* grant_vring_take_back: read_position, recover_split. Nobody writes these now; POSITION_EARLY
	 * shows what would be if somebody did. */
#ifndef POSITION_EARLY
	atomic { position = lane_position[mine]; intent = lane_intent[mine]; guest = used };
#endif
#ifdef OWNER_FIRST
	STORED(OWNER, NOBODY, 0);
#endif
	atomic {
		if
		:: DIES
		:: guest == position || (intent && guest == TURN(position)) -> base = guest
		:: guest != position && !(intent && guest == TURN(position)) -> base = position
		fi;
		position = 0; intent = 0; guest = 0;
		journal_base = base /* journal_position */
	};
	atomic {
		if
		:: DIES
		:: empty(primary_buffer) -> message[mine]!0,0 /* send_revoke */
		fi
	};
#ifndef OWNER_FIRST
	STORED(OWNER, NOBODY, 0);
#endif
	/* The front-end is answered. */
	atomic { mine = NOBODY; grant = 0; goto again };

fallen:
	/* The next life: resume.c, resume_secondary.c. All that is left is in memory and the journal. */
	atomic {
		empty(primary_buffer);
		mine = owner;
		grant = word;
		base = journal_base;
		fenced = NOBODY;
		position = 0; intent = 0; guest = 0;
		if
		:: mine == NOBODY -> grant = 0; goto again
		:: mine != NOBODY && grant != 0 ->
			/* grant_repeat: it may not have heard of it, or not of all */
			message[mine]!grant,base;
			goto owned
		:: mine != NOBODY && grant == 0 ->
#ifdef TRUST_WORD
			primary_buffer!OWNER,NOBODY,0;
			mine = NOBODY;
			goto again
#else
			goto revoke
#endif
		:: mine != NOBODY -> goto revoke /* directory and draft do not say the same */
		fi
	}
}

/* When nothing moves any more. */
active proctype watcher()
{
	timeout;
	assert(owner != NOBODY || (dead[0] && dead[1]) || next_grant > GRANTS ||
	       ((dead[0] || killed[0]) && (dead[1] || killed[1])));
	assert(owner == NOBODY || (!dead[owner] && my_grant[owner] == word))
}
