/* SPDX-License-Identifier: Apache-2.0 */
/* A port's listener, in and out of the loop. */
#ifndef PRIMARY_PORT_LISTEN_H
#define PRIMARY_PORT_LISTEN_H

#include <stdint.h>

#include "clock.h"

struct port;

#define PORT_BACKOFF_LAST_NS (2 * NS_PER_S)

/* Call the door's retry then. */
void port_arm_retry(struct port *port, uint64_t after_ns);
/* No-op when it does already, or cannot. */
void port_listen_again(struct port *port);
/* Not before so long. Without memory for a timer nobody would ever listen again: then at once. */
void port_listen_later(struct port *port, uint64_t after_ns);
/* Until the retry timer or the end of the session puts it back. */
void port_stop_listening(struct port *port);
/* No new sessions. */
void port_close_listener(struct port *port);

#endif
