/* SPDX-License-Identifier: Apache-2.0 */
/* A function a request; what vu_check.c checks they need not ask. */
#ifndef PRIMARY_HANDLERS_H
#define PRIMARY_HANDLERS_H

#include "session.h"

typedef enum vu_outcome vu_handler(struct session *session, struct vu_msg *msg);
/* session_features.c */
vu_handler vu_get_features, vu_set_features, vu_set_owner, vu_reset_owner;
vu_handler vu_get_protocol_features, vu_set_protocol_features, vu_get_queue_num;
vu_handler vu_send_rarp, vu_net_set_mtu, vu_set_status, vu_get_status;
/* session_mem.c */
vu_handler vu_set_mem_table, vu_get_max_mem_slots, vu_add_mem_reg, vu_rem_mem_reg;
/* session_vring.c */
vu_handler vu_set_vring_num, vu_set_vring_addr, vu_set_vring_base, vu_get_vring_base;
vu_handler vu_set_vring_kick, vu_set_vring_call, vu_set_vring_err, vu_set_vring_enable;
vu_handler vu_net_set_backend;

#endif
