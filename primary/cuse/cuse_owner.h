/* SPDX-License-Identifier: Apache-2.0 */
/* The process that said SET_OWNER: session->socket is a pidfd of it. */
#ifndef PRIMARY_CUSE_OWNER_H
#define PRIMARY_CUSE_OWNER_H

struct session;

/* Hear of its death. 0 or -errno. */
int cuse_owner_watch(struct session *session);
void cuse_owner_forget(struct session *session);

#endif
