/* SPDX-License-Identifier: Apache-2.0 */
/* May this peer become a secondary? By what it says, and by what the kernel says about it. */
#ifndef PRIMARY_ATTACH_CHECK_H
#define PRIMARY_ATTACH_CHECK_H

#include <stdbool.h>

#include "attach.pb-c.h"
#include "conf.h"
#include "peer.h"
#include "refusal.h"

/* Why somebody is not let in. */
struct attach_refused {
	int error;
	enum refusal counter;
	char reason[200];
};

void attach_refuse(struct attach_refused *refused, int error, enum refusal counter,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What Hello says: version, name, role, patterns. Pure. False: *refused says why. */
bool attach_hello_ok(const Holdfast__Attach__Hello *hello, struct attach_refused *refused);

/* Has the other end closed? */
bool attach_hung_up(int socket);

/* A pidfd of the process that connected `socket`, which we may kill. < 0: *refused says why. */
int attach_identify(const struct conf *conf, int socket, const struct peer *peer,
		    struct attach_refused *refused);

#endif
