/* SPDX-License-Identifier: Apache-2.0 */
/* The attach socket: who may become a secondary, and how. */
#ifndef PRIMARY_ATTACH_H
#define PRIMARY_ATTACH_H

#include <stdbool.h>

struct primary;
struct secondary;
struct user;

/* Listen on RUN_DIR/attach.sock; sets primary->attach. primary->loop, directory, events and the
 * tables are there. 0 or -errno. */
int attach_open(struct primary *primary);
/* Send Welcome; a second one is ignored. */
void attach_welcome(struct secondary *secondary);
/* Let nobody new in, or somebody again. */
void attach_hold(struct primary *primary, bool hold);
/* Is nobody in the middle of the handshake? */
bool attach_at_rest(const struct primary *primary);
/* The store has all it was sent: those who waited for that are welcomed. */
void attach_stored_all(struct primary *primary);
/* Whose doing is what it does? NULL: root's or our own user's, which has no allowance. Good until
 * somebody connects. */
struct user *attach_user(const struct secondary *secondary);
/* What is charged to its user may hang: too much of that, and the user is kept away. */
void attach_left_foreign(const struct secondary *secondary);
/* Shut and close its socket, whatever it left in there. */
void attach_drop(struct secondary *secondary);
/* Nobody new, and every secondary is gone at once: its grants are withdrawn, its socket closed.
 * No-op when it is not open. */
void attach_close(struct primary *primary);

#endif
