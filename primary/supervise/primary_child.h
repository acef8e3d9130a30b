/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary, seen from its supervisor: one life after another, each with the descriptors that
 * those before it left.
 *
 * One that had become ready is started again at once; one that had not, with back-off, and what is
 * started is in turns what stands at our path and the program that we are ourselves. One that
 * hangs, ready or not, is ended, and that is a death like any other.
 */
#ifndef PRIMARY_PRIMARY_CHILD_H
#define PRIMARY_PRIMARY_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "pulse.h"

struct keep;

struct primary_child {
	/* The owner's, set before. */
	char **argv;
	struct keep *keep;
	size_t max_kept;
	const char *notify_path;
	/* For the first time: whoever needs it can be started. */
	void (*ready_first)(struct primary_child *primary);
	/* It died and is not started again: its exit status, or 128 and the signal's number. */
	void (*ended)(struct primary_child *primary, int status);
	bool ending;	       /* it is not to be started again */
	struct pulse running;  /* of one that is ready: it says so again and again */
	struct pulse starting; /* of one that is not, and says nothing */
	/* Its own. */
	struct child child;
	bool was_ready;	     /* ever */
	bool ready;	     /* this life */
	bool reloading;	     /* it is becoming another program */
	bool own_image;	     /* what the path holds did not become ready: start what we are */
	uint32_t crashes;    /* of ready primaries, soon after their start, in a row */
	uint64_t kill_at_ns; /* it was told to dump core, and may not manage to; 0: it was not */
	uint64_t ended_ns;   /* the last time that the primary was seen to die; 0: never */
};

/* It is due at once. */
void primary_child_begin(struct primary_child *primary);
/* One datagram of it, NUL-terminated; the descriptors are ours from now on. */
void primary_child_said(struct primary_child *primary, char *text, int *fds, size_t nr_fds);
/* Does it hang? Then it is ended. `next_ns` becomes no later than the next look is due. */
void primary_child_watch(struct primary_child *primary, uint64_t now_ns, uint64_t *next_ns);

#endif
