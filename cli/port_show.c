/* SPDX-License-Identifier: Apache-2.0 */
/* port show, and device list and show: a device is what the front-end on a port describes. */
#include <stdlib.h>

#include "doctor.h"
#include "rings.h"
#include "text.h"

/* The same columns; as a record it is one port. */
static struct table port_record(void)
{
	struct table record = port_table;

	record.name = "port";
	return record;
}

static int print_port(struct cli *cli, const char *document, const char *name, bool rings,
		      bool descriptors)
{
	const struct table record = port_record();
	struct port_view view;
	int code = port_view_get(cli, name, descriptors, &view);

	if (code)
		return code;
	output_begin(&cli->output, document);
	output_record(&cli->output, &record, view.port);
	if (rings)
		rings_print(&cli->output, &view, descriptors);
	doctor_verdict_line(&cli->output, &view);
	output_end(&cli->output);
	if (!port_is_connected(view.port))
		code = EXIT_NOT_CONNECTED;
	port_view_free(&view);
	return code;
}

int port_show(struct cli *cli, const struct args *args)
{
	bool descriptors = args_flag(args, "descriptors");

	return print_port(cli, "port show", args->words[0], descriptors || args_flag(args, "rings"),
			  descriptors);
}

int device_show(struct cli *cli, const struct args *args)
{
	return print_port(cli, "device show", args->words[0], true, false);
}

static void get_vrings(const void *row, struct cell *ret)
{
	const pb_port *port = row;

	cell_number(ret, port->started_vrings);
	cell_shown(ret, "%u of %u", port->started_vrings, port->nr_vrings);
}

static void get_state(const void *row, struct cell *ret)
{
	const pb_port *port = row;
	bool ready = port->state == HOLDFAST__CONTROL__PORT_STATE__READY;

	cell_text(ret, "%s", port_state_name(port));
	ret->tone = ready ? TONE_GOOD : TONE_WARN;
}

static const struct column device_columns[] = {
	{"device", "DEVICE", CELL_NUMBER},
	{"port", "PORT", CELL_TEXT, .field = "name"},
	{"state", "STATE", CELL_TEXT, get_state},
	{"owner", "OWNER", CELL_TEXT},
	{"peer_pid", "PEER", CELL_SIGNED},
	{"started_vrings", "VRINGS", CELL_NUMBER, get_vrings},
	{"num_of_vrings", NULL, CELL_NUMBER, .field = "nr_vrings"},
	{"regions", "REGIONS", CELL_NUMBER, .field = "nr_regions"},
	{"memory_bytes", "MEMORY", CELL_NUMBER, .show = SHOW_SIZE},
	{"numa", "NUMA", CELL_SIGNED, .field = "node"},
	{"mtu", "MTU", CELL_NUMBER},
	{"features", "FEATURES", CELL_NUMBER, .show = SHOW_HEX},
};
static const struct table device_table =
	TABLE("devices", device_columns, "no front-end is connected to any port");

int device_list(struct cli *cli, const struct args *args)
{
	const void **rows = NULL;
	struct reply reply;
	size_t n = 0;
	enum client_status status = ports_ask(&cli->client, true, &reply);

	(void)args;
	if (status != CLIENT_OK)
		return cli_call_failed(cli, status);
	for (size_t i = 0; i < reply.nr_parts; i++) {
		const Holdfast__Control__PortListReply *part = reply.parts[i]->port_list;

		rows = text_grow(rows, n + part->n_ports + 1, sizeof(*rows));
		for (size_t p = 0; p < part->n_ports; p++)
			if (port_is_connected(part->ports[p]))
				rows[n++] = part->ports[p];
	}
	output_begin(&cli->output, "device list");
	output_table(&cli->output, &device_table, rows, n);
	output_end(&cli->output);
	free(rows);
	reply_free(&reply);
	return EXIT_OK;
}
