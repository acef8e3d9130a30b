/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_port.h"

#include <errno.h>
#include <string.h>

#include "conf.h"
#include "conf_value.h"
#include "layout.h"

#define MAX_QUEUE_PAIRS (HF_SHM_MAX_VRINGS / 2)

/* One of the words behind the port's name. */
static int set_port_word(struct conf_port *port, const char *word)
{
	uint64_t number;

	if (strcmp(word, "client") == 0) {
		port->client = true;
		return 0;
	}
	if (strncmp(word, "path=", 5) == 0)
		return conf_text(port->path, sizeof(port->path), word + 5);
	if (strncmp(word, "queues=", 7) == 0 &&
	    conf_number(word + 7, 1, MAX_QUEUE_PAIRS, &number) == 0) {
		port->queue_pairs = (uint32_t)number;
		return 0;
	}
	return -EINVAL;
}

/* One of the words behind a device's name. */
static int set_cuse_word(struct conf_port *port, const char *word)
{
	uint64_t number;

	if (strncmp(word, "device=", 7) == 0)
		return conf_text(port->path, sizeof(port->path), word + 7);
	/* More than one pair is refused with the reason, by the port. */
	if (strncmp(word, "queues=", 7) == 0 &&
	    conf_number(word + 7, 1, MAX_QUEUE_PAIRS, &number) == 0) {
		port->queue_pairs = (uint32_t)number;
		return 0;
	}
	return -EINVAL;
}

/* "NAME,WORD,…" into the next port, which begins as `blank`. */
static int add_port(struct conf *conf, const char *argument, const struct conf_port *blank,
		    int (*set_word)(struct conf_port *port, const char *word))
{
	struct conf_port *port = &conf->ports[conf->nr_ports];
	char text[512], *rest = text, *word;

	if (conf->nr_ports == CONF_MAX_PORTS || conf_text(text, sizeof(text), argument) < 0)
		return -EINVAL;
	*port = *blank;
	word = strsep(&rest, ",");
	if (conf_text(port->name, sizeof(port->name), word) < 0)
		return -EINVAL;
	while ((word = strsep(&rest, ",")))
		if (set_word(port, word) < 0)
			return -EINVAL;
	conf->nr_ports++;
	return 0;
}

int conf_set_port(struct conf *conf, const char *argument)
{
	static const struct conf_port blank = {.queue_pairs = MAX_QUEUE_PAIRS};

	return add_port(conf, argument, &blank, set_port_word);
}

int conf_set_cuse(struct conf *conf, const char *argument)
{
	static const struct conf_port blank = {.queue_pairs = 1, .cuse = true, .device = -1};
	int error = add_port(conf, argument, &blank, set_cuse_word);

	conf->cuse |= !error;
	return error;
}
