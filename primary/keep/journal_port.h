/* SPDX-License-Identifier: Apache-2.0 */
/* For who writes of messages: a port's record as a whole. */
#ifndef PRIMARY_JOURNAL_PORT_H
#define PRIMARY_JOURNAL_PORT_H

struct port;

/* Everything new goes to the store. */
void journal_keep(struct port *port);
/* The port as it is now. With a journal only. */
void journal_commit(struct port *port);

#endif
