/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are right by themselves, whenever they come. */
#ifndef E2E_LEGAL_H
#define E2E_LEGAL_H

#include <stdint.h>

#define LEGAL_REQUESTS 46u /* those that the specification knows are below */

/* What a request brings along, with values that are legal: its size, at most 64. */
uint32_t legal_payload(uint32_t request, void *payload);

#endif
