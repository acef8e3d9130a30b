/* SPDX-License-Identifier: Apache-2.0 */
/* drain: a secondary gives away everything it runs, and gets nothing new. */
#include "handover.h"

int drain_command(struct cli *cli, const struct args *args)
{
	Holdfast__Control__DrainRequest drain = HOLDFAST__CONTROL__DRAIN_REQUEST__INIT;
	pb_request request = HOLDFAST__CONTROL__REQUEST__INIT;

	drain.name = (char *)(uintptr_t)args->words[0]; /* only read */
	drain.force = args_flag(args, "force");
	request.body_case = REQUEST_BODY(DRAIN);
	request.drain = &drain;
	return handover_ask(cli, &request, "drain");
}
