/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for the person, on standard error. An error is one line that ends with the remedy. */
#ifndef VSWITCH_SAY_H
#define VSWITCH_SAY_H

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say it and exit with 1: for what leaves no way to keep a promise, such as no memory for the
 * table that takes a queue away from a worker. Never for anything a peer controls. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
