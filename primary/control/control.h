/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: the CLI's requests, see proto/control.proto. */
#ifndef PRIMARY_CONTROL_H
#define PRIMARY_CONTROL_H

#include <stdbool.h>

struct peer;
struct primary;
struct user;

/* Listen on RUN_DIR/control.sock; sets primary->control. primary->loop, events and the tables are
 * there. 0 or -errno. */
int control_open(struct primary *primary);
/* Accept nobody new, or somebody again. */
void control_hold(struct primary *primary, bool hold);
/* Has every request its whole answer? Those that follow events never have, and do not count. */
bool control_at_rest(const struct primary *primary);
/* Whose doing is what a client of this peer's asks? Good until the next one is accepted. */
struct user *control_user(const struct primary *primary, const struct peer *peer);
/* Close everything at once. No-op when it is not open. */
void control_close(struct primary *primary);

#endif
