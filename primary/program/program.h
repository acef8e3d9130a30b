/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program that this process runs: where it was started from, what it can take over, and what
 * is said from one program to the next through exec.
 */
#ifndef PRIMARY_PROGRAM_H
#define PRIMARY_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

/* This very image, also when its file was replaced or removed. */
#define PROGRAM_OWN_IMAGE "/proc/self/exe"

/* In the environment: when the life before ended, if somebody saw it (nanoseconds of
 * CLOCK_MONOTONIC). */
#define PROGRAM_ENDED_NS "HOLDFAST_ENDED_NS"

/* First of all: reads, and takes out of the environment, what an earlier program left there. */
void program_begin(void);

/* The path it was started from, absolute, not resolved: a link that is turned around, or a file
 * that is replaced, is another program at the next start. "": not known. */
const char *program_path(void);
/* Tell the program to come its path, where the kernel will say another (PROGRAM_OWN_IMAGE). 0 or
 * -ENOMEM. */
int program_tell_path(const char *path);
/* And which descriptor is the file it was executed by: it closes it. 0 or -ENOMEM. */
int program_tell_image(int fd);
/* Tell our own image that it is executed in the place of one that could not be (-errno). */
void program_tell_failed(int error);

/* What an upgraded program knows of the one before it. */
struct program_before {
	char version[32]; /* "": this life did not begin with an upgrade */
	uint64_t left_ns; /* CLOCK_MONOTONIC: from then on nobody was answered */
	int error;	  /* the new program could not be executed (-errno): we are the old one */
};
const struct program_before *program_before(void);
/* Tell the program to come. 0 or -ENOMEM. */
int program_tell_upgrade(uint64_t left_ns);
void program_untell_upgrade(void);

#endif
