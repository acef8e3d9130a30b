/* SPDX-License-Identifier: Apache-2.0 */
/* Who comes to the attach socket of a rig (primary_rig.h), whose loop runs while it waits. */
#ifndef TESTS_ATTACH_CLIENT_H
#define TESTS_ATTACH_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "attach.pb-c.h"
#include "primary_rig.h"

#define TO_PRIMARY(name)   HOLDFAST__ATTACH__TO_PRIMARY__BODY_##name
#define TO_SECONDARY(name) HOLDFAST__ATTACH__TO_SECONDARY__BODY_##name
#define ROLE(name)	   HOLDFAST__ATTACH__ROLE__##name

typedef Holdfast__Attach__ToPrimary Request;
typedef Holdfast__Attach__ToSecondary Answer;

/* A rig whose primary lets in. */
void open_attach(struct rig *rig);
/* Connect, with a time limit for what is received; -1: nobody listens. */
int dial(const struct rig *rig);
/* One that is let in. */
Holdfast__Attach__Hello good_hello(void);
void send_hello(int fd, Holdfast__Attach__Hello *hello);
/* Is there something to read, or the end? For rig_until: of an int. */
bool is_readable(void *context);
/* The next answer; NULL when the connection is closed. */
Answer *answer_on(struct rig *rig, int fd);
bool is_closed(struct rig *rig, int fd);
/* Attached in this role, by a name of its own. */
int attached(struct rig *rig, Holdfast__Attach__Role role);
/* The error of the refusal that this Hello gets; the reason has `word` in it. */
int refused(struct rig *rig, Holdfast__Attach__Hello *hello, const char *word);
/* Is the first place free? For rig_until: of a rig. */
bool nobody_is_attached(void *context);
/* Exit status of a process of this user that tries to attach: the error it was told, 3: it was
 * let in. `die`: it ends behind its Hello, and is buried before that is looked at. */
int attach_as(struct rig *rig, uid_t uid, bool die);

#endif
