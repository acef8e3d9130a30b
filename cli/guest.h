/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that describe a guest's network card have in common. */
#ifndef CLI_GUEST_H
#define CLI_GUEST_H

#include "ports.h"

#define GUEST_MAC_TEXT 18

struct guest {
	const pb_port *port;
	char mac[GUEST_MAC_TEXT];
	uint32_t queues;
};

/* From the options mac and queues, else from the port. EXIT_OK, or the line is printed. */
int guest_init(struct guest *guest, struct cli *cli, const struct args *args, const pb_port *port);

/* An address of QEMU's range made from a name: the same name gives the same address, and two
 * guests on one switch do not both get QEMU's default. */
void guest_make_mac(const char *name, char ret_mac[GUEST_MAC_TEXT]);

#endif
