/* SPDX-License-Identifier: Apache-2.0 */
#include <holdfast/service.h>

#include "log.h"

const char *hf_version(void)
{
	return HOLDFAST_VERSION;
}

void hf_set_log_sink(void (*sink)(void *context, int priority, const char *tag, const char *line),
		     void *context)
{
	hf_log_set_sink(sink, context);
}
