/* SPDX-License-Identifier: Apache-2.0 */
/* What requests do to the port's session, and its answers; see door.h. */
#ifndef PRIMARY_CUSE_SESSION_H
#define PRIMARY_CUSE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "cuse_request.h"

struct port;
struct session;

/* Each may be the end of session and port. */
void cuse_on_open(struct cuse *cuse, struct request *r);
void cuse_on_release(struct cuse *cuse, struct request *r);
void cuse_on_ioctl(struct cuse *cuse, struct request *r);
/* Of the file that an ioctl is about, or a release. */
uint64_t cuse_handle(const uint8_t *bytes);
/* Is that the file that the session is known by? */
bool cuse_is_session(const struct cuse *cuse, uint64_t handle);
bool cuse_is_of_session(const struct cuse *cuse, const struct request *r);

/* What a look has found; see cuse_look.h. May be the end of session and port. */
void cuse_on_looked(struct cuse_look *look, int error, int *fds);

void cuse_session_ended(struct port *port);
int cuse_session_listen(struct session *session);
void cuse_session_rest(struct session *session);
int cuse_session_send(struct session *session);
int cuse_session_consume(struct session *session);

#endif
