/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of protobuf messages by name, so that columns need no getter to copy a number. */
#ifndef CLI_REFLECT_H
#define CLI_REFLECT_H

#include <protobuf-c/protobuf-c.h>

#include "cell.h"

/* The field into the cell; null when there is no such field or no cell fits its type. Empty text is
 * null too: in proto3 it means "not there". An enumerator appears by its name in small letters. */
void reflect_field(const ProtobufCMessage *message, const char *field, struct cell *ret);

#endif
