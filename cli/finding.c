/* SPDX-License-Identifier: Apache-2.0 */
#include "finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FINDING(the_name, the_verdict)                                                             \
	void the_name(struct finding *finding, const char *format, ...)                            \
	{                                                                                          \
		va_list args;                                                                      \
                                                                                                   \
		finding->verdict = (the_verdict);                                                  \
		va_start(args, format);                                                            \
		vsnprintf(finding->proof, sizeof(finding->proof), format, args);                   \
		va_end(args);                                                                      \
	}
FINDING(finding_ok, VERDICT_OK)
FINDING(finding_note, VERDICT_NOTE)
FINDING(finding_broken, VERDICT_BROKEN)

void finding_remedy(struct finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->remedy, sizeof(finding->remedy), format, args);
	va_end(args);
}

void finding_reason(struct finding *finding, const char *reason)
{
	const char *last = NULL;

	for (const char *at = strstr(reason, "; "); at; at = strstr(at + 2, "; "))
		last = at;
	finding_broken(finding, "%.*s", last ? (int)(last - reason) : (int)strlen(reason), reason);
	finding_remedy(finding, "%s", last ? last + 2 : "see the log: journalctl -u holdfastd");
}
