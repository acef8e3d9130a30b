/* SPDX-License-Identifier: Apache-2.0 */
/* Going on where an earlier life of the primary stopped, whatever it was doing. */
#ifndef PRIMARY_RESUME_H
#define PRIMARY_RESUME_H

#include <stdbool.h>
#include <stdint.h>

struct primary;

/*
 * With primary->journal adopted, the tables and the directory there. In this order: secondaries,
 * ports (both only rebuild what was), then, with everything open, resume_go_on: what was half done
 * is finished or undone, and everybody is told what he may have missed. 0 or -errno.
 */
int resume_secondaries(struct primary *primary);
int resume_ports(struct primary *primary);
void resume_go_on(struct primary *primary);
/* Once a life: since whoever supervises us saw the one before end; 0: none did, or it does not say.
 */
uint64_t resume_away_ns(void);

#endif
