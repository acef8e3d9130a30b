/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: the CLI's requests, see proto/control.proto. */
#ifndef PRIMARY_CONTROL_H
#define PRIMARY_CONTROL_H

struct primary;

/* Listen on RUN_DIR/control.sock; sets primary->control. primary->loop, events and the tables are
 * there. 0 or -errno. */
int control_open(struct primary *primary);
/* Close everything at once. No-op when it is not open. */
void control_close(struct primary *primary);

#endif
