/* SPDX-License-Identifier: Apache-2.0 */
/* port add, del, list. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ports.h"
#include "text.h"

static void print_ports(struct cli *cli, const char *document, const struct reply *reply)
{
	const void **rows = NULL;
	size_t n = 0;

	for (size_t i = 0; i < reply->nr_parts; i++) {
		const Holdfast__Control__PortListReply *part = reply->parts[i]->port_list;

		rows = text_grow(rows, n + part->n_ports + 1, sizeof(*rows));
		for (size_t p = 0; p < part->n_ports; p++)
			rows[n++] = part->ports[p];
	}
	output_begin(&cli->output, document);
	output_table(&cli->output, &port_table, rows, n);
	output_end(&cli->output);
	free(rows);
}

int port_list(struct cli *cli, const struct args *args)
{
	struct reply reply;
	enum client_status status = ports_ask(&cli->client, false, &reply);

	(void)args;
	if (status != CLIENT_OK)
		return cli_call_failed(cli, status);
	print_ports(cli, "port list", &reply);
	reply_free(&reply);
	return EXIT_OK;
}

/* The port as it is now that it was made: with the path and the limits the primary chose. */
static int print_added(struct cli *cli, const char *name)
{
	struct port_view view;
	const void *row;
	int code = port_view_get(cli, name, false, &view);

	if (code)
		return code;
	row = view.port;
	output_begin(&cli->output, "port add");
	output_table(&cli->output, &port_table, &row, 1);
	output_end(&cli->output);
	port_view_free(&view);
	return EXIT_OK;
}

/* The primary has a working directory of its own. A cuse device has a name, not a path. */
static char *absolute(const char *path, bool is_device)
{
	char *here, *joined;

	if (path[0] == '/' || !path[0] || is_device)
		return text_copy(path);
	here = getcwd(NULL, 0);
	joined = text_format("%s/%s", here ? here : "", path);
	free(here);
	return joined;
}

int port_add(struct cli *cli, const struct args *args)
{
	Holdfast__Control__PortAddRequest add = HOLDFAST__CONTROL__PORT_ADD_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	const char *socket = args_option(args, "socket");
	bool cuse = args_flag(args, "cuse");
	uint32_t queues = 0;
	struct reply reply;
	char *path;
	int code;

	if (!args_number(args, "queues", 1, 128, &queues))
		return cli_bad_value(cli, args, "queues", "1 to 128");
	if (cuse && args_flag(args, "client"))
		return cli_fail(cli, EXIT_USAGE,
				"--cuse and --client exclude each other; give one");
	path = absolute(socket ? socket : "", cuse);
	add.name = (char *)(uintptr_t)args->words[0]; /* only read */
	add.path = path;
	add.client = args_flag(args, "client");
	add.kind = cuse ? HOLDFAST__CONTROL__PORT_KIND__VHOST_CUSE
			: HOLDFAST__CONTROL__PORT_KIND__VHOST_USER;
	add.queue_pairs = queues;
	request.body_case = REQUEST_BODY(PORT_ADD);
	request.port_add = &add;
	code = cli_call(cli, &request, RESPONSE_NO_BODY, &reply);
	free(path);
	if (code)
		return code;
	reply_free(&reply);
	return print_added(cli, args->words[0]);
}

int port_del(struct cli *cli, const struct args *args)
{
	Holdfast__Control__PortDelRequest del = HOLDFAST__CONTROL__PORT_DEL_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	struct reply reply;
	int code;

	del.name = (char *)(uintptr_t)args->words[0]; /* only read */
	request.body_case = REQUEST_BODY(PORT_DEL);
	request.port_del = &del;
	code = cli_call(cli, &request, RESPONSE_NO_BODY, &reply);
	if (code)
		return code;
	reply_free(&reply);
	output_begin(&cli->output, "port del");
	output_remark(&cli->output, "removed", TONE_PLAIN, "%s", args->words[0]);
	output_end(&cli->output);
	return EXIT_OK;
}
