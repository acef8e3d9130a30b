/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, as one struct. */
#ifndef VSWITCH_CONF_H
#define VSWITCH_CONF_H

#include <holdfast/types.h>
#include <net/if.h>
#include <stdint.h>

#include "rights.h"
#include "sizes.h"
#include "uplink.h"
#include "worker.h"

#define CONF_MAX_GLOBS 64u

struct conf_uplink {
	enum uplink_kind kind;
	char ifname[IFNAMSIZ];
};

struct conf {
	const char *run_dir; /* NULL: the library's default */
	const char *name;    /* NULL: the program's name */
	enum hf_role role;
	const char *ports[CONF_MAX_GLOBS];
	unsigned nr_ports; /* 0: all */
	struct conf_uplink uplinks[MAX_UPLINKS];
	unsigned nr_uplinks;
	unsigned nr_workers;
	int cores[MAX_WORKERS];
	unsigned nr_cores; /* 0: not pinned; else as many as workers */
	enum worker_mode mode;
	uint32_t ageing;      /* seconds */
	struct rights rights; /* to be left with when the uplinks are open */
	uint32_t stats;	      /* seconds between two tables; 0: none */

	char *globs; /* storage of ports; conf_free() */
};

enum conf_result { CONF_RUN, CONF_HELP, CONF_VERSION, CONF_USAGE };

/* Parse the command line. CONF_USAGE: a line was said. */
enum conf_result conf_parse(struct conf *conf, int argc, char **argv);
void conf_free(struct conf *conf);
void conf_print_help(void);

#endif
