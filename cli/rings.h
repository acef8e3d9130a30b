/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of regions, vrings and descriptors. */
#ifndef CLI_RINGS_H
#define CLI_RINGS_H

#include "ports.h"

/* The tables of a port's regions and vrings, and of descriptors when wanted. */
void rings_print(struct output *out, const struct port_view *view, bool descriptors);

#endif
