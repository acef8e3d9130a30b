/* SPDX-License-Identifier: Apache-2.0 */
/* What handover and drain have in common: the request's answer. */
#ifndef CLI_HANDOVER_H
#define CLI_HANDOVER_H

#include "cli.h"

/* Ask, wait until all has moved, print what came of it as `document`; the exit code. */
int handover_ask(struct cli *cli, pb_request *request, const char *document);

#endif
