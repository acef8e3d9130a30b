/* SPDX-License-Identifier: Apache-2.0 */
#include "abi.h"

#include <stdio.h>

#include "confine.h"
#include "journal_layout.h"

void abi_line(char *line, size_t size)
{
	snprintf(line, size, "abi %u journal %u port-record %zu secondary-record %zu", HF_ABI_MAJOR,
		 JOURNAL_VERSION, sizeof(struct journal_slot), sizeof(struct journal_secondary));
}

void abi_print(void)
{
	char line[128];

	abi_line(line, sizeof(line));
	puts(line);
	printf("calls %s\n", confine_calls());
}
