/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdfastd. Starts what the primary consists of in the order of `parts`, runs the loop, stops
 * them in reverse. A part that fails has printed one line with the remedy; those started before
 * it are stopped, and the exit status is 1.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "check.h"
#include "holdfastd.h"
#include "log.h"
#include "loop.h"
#include "privilege.h"
#include "program.h"
#include "store.h"
#include "supervise.h"
#include "upgrade.h"

/* Whoever finds the control socket finds everything else there already. */
static const struct part *const parts[] = {
	&part_limits,	 &part_devices,	 &part_privileges, &part_lock,	   &part_loop,
	&part_store,	 &part_watchdog, &part_upgrade,	   &part_tables,   &part_signals,
	&part_directory, &part_history,	 &part_attach,	   &part_sessions, &part_ports,
	&part_control,	 &part_watch,	 &part_rest,
};

/* Everything but --supervise and --run is the child's. */
static char **child_arguments(int argc, char **argv)
{
	char **child = calloc((size_t)argc + 1, sizeof(char *));
	int n = 0;

	for (int i = 0; child && i < argc; i++) {
		if (strcmp(argv[i], "--run") == 0)
			i++;
		else if (strcmp(argv[i], "--supervise") != 0 && strncmp(argv[i], "--run=", 6) != 0)
			child[n++] = argv[i];
	}
	return child;
}

/* Who is answered may rely on it, and kill us: a life that was not ready counts as a failed start.
 */
static void say_ready(struct holdfastd *d)
{
	store_notify(d->primary.store, "READY=1\nSTATUS=serving");
	store_flush(d->primary.store);
	upgrade_ready(&d->primary);
	log_notice(TAG, "version %s serves %zu ports, sockets in %s", HOLDFAST_VERSION,
		   d->conf.nr_ports, d->conf.run_dir);
}

/* Until told to end; an upgrade that cannot be done is followed by another round. */
static int serve(struct holdfastd *d)
{
	int error = loop_run(d->primary.loop);

	while (!error && upgrade_due(&d->primary)) {
		upgrade_execute(&d->primary);
		error = loop_run(d->primary.loop);
	}
	if (error)
		log_error(TAG, "the event loop failed: %s; restart", strerror(-error));
	return error;
}

int main(int argc, char **argv)
{
	static struct holdfastd d = {.lock = -1, .signals = -1};
	int error = conf_parse(&d.conf, argc, argv);
	size_t i;

	program_begin();
	if (d.conf.asked_abi)
		abi_print();
	if (error)
		return error > 0 ? EXIT_SUCCESS : 2;
	hf_log_never_wait();
	hf_log_set_level((enum hf_log_level)d.conf.log_level);
	error = privilege_check(&d.conf.user);
	if (error)
		return EXIT_FAILURE;
	if (d.conf.supervise)
		return supervise(&d.conf, child_arguments(argc, argv));
	for (i = 0; i < ARRAY_SIZE(parts) && !error; i++)
		error = parts[i]->start(&d);
	/* What could not be taken over stays as it is, for another try or another release. */
	if (error && (d.resumed || holdfastd_is_kept(&d)))
		_exit(EXIT_FAILURE);
	if (!error) {
		say_ready(&d);
		error = serve(&d);
		/* As a crash: in good order, all that is kept would be ended. */
		if (error && holdfastd_is_kept(&d))
			_exit(EXIT_FAILURE);
	}
	while (i-- > 0)
		if (parts[i]->stop)
			parts[i]->stop(&d);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
