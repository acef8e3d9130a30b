/* SPDX-License-Identifier: Apache-2.0 */
/* What the asker is told of a refusal. */
#ifndef PRIMARY_CUSE_ERROR_H
#define PRIMARY_CUSE_ERROR_H

#include "refusal.h"

/* -errno. */
int cuse_error(enum refusal reason);

#endif
