/* SPDX-License-Identifier: Apache-2.0 */
/* --port and --cuse. */
#ifndef PRIMARY_CONF_PORT_H
#define PRIMARY_CONF_PORT_H

struct conf;

/* 0 or -EINVAL. */
int conf_set_port(struct conf *conf, const char *argument);
int conf_set_cuse(struct conf *conf, const char *argument);

#endif
