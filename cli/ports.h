/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands on ports share: asking for them, and their columns. */
#ifndef CLI_PORTS_H
#define CLI_PORTS_H

#include "cli.h"
#include "table.h"

extern const struct table port_table;

enum client_status ports_ask(struct client *client, bool connected_only, struct reply *ret);

/* One port, put together from the Responses of one answer. */
struct port_view {
	const pb_port *port;
	const pb_region **regions;
	size_t nr_regions;
	const pb_vring **vrings; /* by index, each once */
	size_t nr_vrings;
	const pb_descriptor **descriptors; /* of all vrings, in order of arrival */
	uint32_t *descriptor_vrings;	   /* whose each is */
	size_t nr_descriptors;
	struct reply reply; /* owns what the pointers point to */
};

/* EXIT_OK fills *ret, which the caller frees; else the line is printed. */
int port_view_get(struct cli *cli, const char *name, bool descriptors, struct port_view *ret);
/* The same without a word; CLIENT_GARBAGE when the answer has no port. */
enum client_status port_view_ask(struct client *client, const char *name, bool descriptors,
				 struct port_view *ret);
void port_view_free(struct port_view *view);

bool port_is_connected(const pb_port *port);
const char *port_state_name(const pb_port *port);
/* The queue pairs a guest shall have when nobody says how many: the port's limit if somebody set
 * one. */
uint32_t port_guest_queues(const pb_port *port);

#endif
