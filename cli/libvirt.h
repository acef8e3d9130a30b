/* SPDX-License-Identifier: Apache-2.0 */
/* libvirt's domain elements for a guest on a port. */
#ifndef CLI_LIBVIRT_H
#define CLI_LIBVIRT_H

#include "guest.h"

/* Text ready to paste. Caller frees. */
char *libvirt_xml(const struct guest *guest);

#endif
