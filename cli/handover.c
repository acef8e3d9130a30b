/* SPDX-License-Identifier: Apache-2.0 */
/* handover: devices go to another secondary, while their guests run. */
#include "handover.h"

#include <string.h>

static const struct column handover_columns[] = {
	{"moved", "MOVED", CELL_NUMBER},
	{"failed", "ELSEWHERE", CELL_NUMBER},
	{"longest_pause_ns", "LONGEST PAUSE", CELL_NUMBER, .show = SHOW_AGE},
};
static const struct table handover_table = TABLE("handover", handover_columns, NULL);

int handover_ask(struct cli *cli, pb_request *request, const char *document)
{
	const Holdfast__Control__HandoverReply *handover;
	struct reply reply;
	int code = cli_call(cli, request, RESPONSE_BODY(HANDOVER), &reply);

	if (code)
		return code;
	handover = reply.parts[0]->handover;
	output_begin(&cli->output, document);
	output_record(&cli->output, &handover_table, handover);
	output_end(&cli->output);
	if (handover->failed)
		code = cli_fail(cli, EXIT_FAILED,
				"%u devices did not go where they should, because somebody died "
				"or left meanwhile; see holdfast events",
				handover->failed);
	reply_free(&reply);
	return code;
}

int handover_command(struct cli *cli, const struct args *args)
{
	Holdfast__Control__HandoverRequest handover = HOLDFAST__CONTROL__HANDOVER_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;
	const char *to = args_option(args, "to"), *port = args->words[0];

	if (!to)
		return cli_fail(cli, EXIT_USAGE,
				"to whom? give --to NAME; holdfast secondary list shows who is "
				"there");
	if (!strcmp(port, "all"))
		port = "";
	handover.port = (char *)(uintptr_t)port; /* only read */
	handover.to = (char *)(uintptr_t)to;
	request.body_case = REQUEST_BODY(HANDOVER);
	request.handover = &handover;
	return handover_ask(cli, &request, "handover");
}
