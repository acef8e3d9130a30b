/* SPDX-License-Identifier: Apache-2.0 */
/* A session by a vhost-user socket: what its door (door.h) says of sessions. */
#ifndef PRIMARY_SESSION_SOCKET_H
#define PRIMARY_SESSION_SOCKET_H

struct session;

int session_socket_begin(struct session *session);
int session_socket_listen(struct session *session);
void session_socket_rest(struct session *session);
int session_socket_send(struct session *session);
int session_socket_consume(struct session *session);

#endif
