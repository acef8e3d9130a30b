/* SPDX-License-Identifier: Apache-2.0 */
/* A life and the one behind it (lives.h), and a port of the first with a front-end. */
#ifndef TESTS_HEIRS_H
#define TESTS_HEIRS_H

#include <stdint.h>

#include "primary_rig.h"

extern struct rig rig; /* the first life */
extern struct primary *const p;
extern struct primary heir;
extern struct port *port;
extern int front;

void begin_life(void);
/* Nothing is left open that was not open before. */
void end_life(void);
void make_session(uint32_t nr_vrings);
void end_session(void);
/* The next life has the journal and the directory, and has taken over nothing. lives_forget it. */
void adopt(void);
/* It has taken over all that there was; its port. */
struct port *take_over(void);

#endif
