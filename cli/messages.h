/* SPDX-License-Identifier: Apache-2.0 */
/* Short names for the generated types of control.proto; nothing else lives here. */
#ifndef CLI_MESSAGES_H
#define CLI_MESSAGES_H

#include "control.pb-c.h"

typedef Holdfast__Control__Request pb_request;
typedef Holdfast__Control__Response pb_response;
typedef Holdfast__Control__Port pb_port;
typedef Holdfast__Control__Region pb_region;
typedef Holdfast__Control__Vring pb_vring;
typedef Holdfast__Control__Descriptor pb_descriptor;
typedef Holdfast__Control__Secondary pb_secondary;
typedef Holdfast__Control__Counter pb_counter;
typedef Holdfast__Control__StatsReply__VringStats pb_vring_stats;
typedef Holdfast__Control__Event pb_event;
typedef Holdfast__Control__HealthReply pb_health;
typedef Holdfast__Control__HealthReply__Check pb_check;
typedef Holdfast__Control__VersionReply pb_version;
typedef Holdfast__Control__FeatureReply pb_feature;

#define REQUEST_BODY(name)  HOLDFAST__CONTROL__REQUEST__BODY_##name
#define RESPONSE_BODY(name) HOLDFAST__CONTROL__RESPONSE__BODY_##name
#define RESPONSE_NO_BODY    HOLDFAST__CONTROL__RESPONSE__BODY__NOT_SET

#endif
