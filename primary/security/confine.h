/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter of system calls (seccomp): what the primary never does, it cannot be made to do.
 *
 * Which calls it makes is said where they are made, by a tag at the function or on top of the file,
 * and collected when it is built; a test compares the tags with what the object files import. The
 * filter stays through exec, so the program of an upgrade begins under ours: it has to make do with
 * ours, and is asked before whether it can (`--abi`).
 */
#ifndef PRIMARY_CONFINE_H
#define PRIMARY_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

enum confine_mode {
	CONFINE_DEFAULT, /* kill, where it is built in */
	CONFINE_KILL,	 /* any other call ends the process */
	CONFINE_LOG,	 /* the kernel logs it, and lets it pass */
	CONFINE_OFF,
};

/* From now on. no_new_privs is set. 0 or -errno, said. */
int confine_begin(enum confine_mode mode);
/* Is a filter of ours in force? */
bool confine_is_on(void);

/* The names of our calls, one line without its end, for `--abi`; static. */
const char *confine_calls(void);
/* What another program said to `--abi`: may it be executed under our filter? 0; -EPERM with
 * *reason: it makes calls that ours does not allow, or does not say which it makes. `said` is cut
 * into pieces. */
int confine_judge(char *said, char *reason, size_t size);

/* First of all: what the program before this one told, which is taken out of the environment. */
void confine_hear(void);
/* Tell the program to come what is in force, so that it need not put the same on top. 0 or -ENOMEM. */
int confine_tell(void);
void confine_untell(void);

#endif
