/* SPDX-License-Identifier: Apache-2.0 */
/* The whole API of the Holdfast library. See docs/api.md for a 60-line switch that uses it. */
#ifndef HOLDFAST_HOLDFAST_H
#define HOLDFAST_HOLDFAST_H

#include <holdfast/burst.h>
#include <holdfast/continuity.h>
#include <holdfast/device.h>
#include <holdfast/driver.h>
#include <holdfast/hop.h>
#include <holdfast/packet.h>
#include <holdfast/service.h>
#include <holdfast/types.h>

#endif
