/* SPDX-License-Identifier: Apache-2.0 */
/* What a step of the doctor found. */
#ifndef CLI_FINDING_H
#define CLI_FINDING_H

enum verdict {
	VERDICT_OK,
	VERDICT_NOTE, /* works, but worth knowing */
	VERDICT_BROKEN,
};

struct finding {
	enum verdict verdict;
	char proof[256];  /* the numbers that show it */
	char remedy[256]; /* the command that mends it; empty when nothing is to be mended */
};

#define FINDING_PRINTF __attribute__((format(printf, 2, 3)))
FINDING_PRINTF void finding_ok(struct finding *finding, const char *format, ...);
FINDING_PRINTF void finding_note(struct finding *finding, const char *format, ...);
FINDING_PRINTF void finding_broken(struct finding *finding, const char *format, ...);
FINDING_PRINTF void finding_remedy(struct finding *finding, const char *format, ...);

/* Broken, by a line that ends with "; remedy", as errors do. */
void finding_reason(struct finding *finding, const char *reason);

#endif
