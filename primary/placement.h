/* SPDX-License-Identifier: Apache-2.0 */
/* On which NUMA node the directory belongs. */
#ifndef PRIMARY_PLACEMENT_H
#define PRIMARY_PLACEMENT_H

/*
 * The node with the most free default-size hugepages: guests take theirs from there, and the
 * vSwitch that serves them runs there. HF_NODE_ANY on a machine with one node, or without a pool.
 */
int placement_node(void);

#endif
