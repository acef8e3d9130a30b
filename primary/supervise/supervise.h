/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small parent: `holdfastd --supervise`. It holds the primary's descriptors, starts it again
 * when it dies, and runs the switch. It parses nothing but names and knows nothing of vhost.
 */
#ifndef PRIMARY_SUPERVISE_H
#define PRIMARY_SUPERVISE_H

#include "conf.h"

/* Run until told to end, or until the primary ends by itself in good order. The exit status. */
int supervise(const struct conf *conf, char **argv);

#endif
