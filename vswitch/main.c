/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holdfast-vswitch: the reference switch of Holdfast, and the proof that <holdfast/...> suffices
 * to write one.
 *
 * This thread is the control context: it runs the library's dispatch with its callbacks, signals,
 * ageing and statistics. Packets are the workers' business (worker.c).
 *
 * Start: signals, primary, switch with its workers, uplinks. End: workers and uplinks, primary, the
 * rest: what the switch knows lies in memory of its attachment.
 */
#include <errno.h>
#include <holdfast/continuity.h>
#include <holdfast/driver.h>
#include <holdfast/service.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "conf.h"
#include "devices.h"
#include "report.h"
#include "rights.h"
#include "say.h"
#include "switch.h"
#include "unmapper.h"

#define EXIT_FAILED 1
#define EXIT_USAGE  2

struct control {
	struct conf conf;
	struct vswitch *sw;
	struct hf_service *service;
	int signal_fd;
	struct report report;
	int64_t next_stats; /* milliseconds; INT64_MAX: never */
	int64_t next_age;
};

static int64_t milliseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Before any thread starts, so that all of them leave signals to signalfd. */
static int open_signals(void)
{
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGUSR1);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* a reader of the statistics may go */
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* About seven descriptors per queue pair of a port come from the primary. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		say("the limit of open files stays low: %s; raise it with ulimit -n",
		    strerror(errno));
}

static int open_uplinks(struct control *control)
{
	for (unsigned i = 0; i < control->conf.nr_uplinks; i++) {
		const struct conf_uplink *wanted = &control->conf.uplinks[i];
		struct uplink *uplink;
		struct port *port;
		int error = uplink_open(wanted->kind, wanted->ifname, &uplink);

		if (error)
			return error;
		port = vswitch_add_port(control->sw, uplink_ops(uplink), uplink, uplink->ifname);
		if (!port) {
			uplink_free(uplink);
			say("uplink %s: no memory; free some", wanted->ifname);
			return -ENOMEM;
		}
		vswitch_queue_on(control->sw, port, HF_ENQUEUE_QUEUE(0), -1);
		vswitch_queue_on(control->sw, port, HF_DEQUEUE_QUEUE(0), uplink->fd);
	}
	vswitch_commit(control->sw);
	return 0;
}

static const char *connect_remedy(int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "start holdfastd, or name its directory with --run-dir";
	case -EACCES:
	case -EPERM:
		return "run as root or as the user of holdfastd";
	case -EPROTO:
		return "install the same version of both";
	case -EBUSY:
		return "end another switch first";
	default:
		return "see the line above";
	}
}

static int connect_primary(struct control *control)
{
	const struct conf *conf = &control->conf;
	const struct hf_service_config config = {
		.run_dir = conf->run_dir,
		.name = conf->name,
		.role = conf->role,
		.ports = conf->nr_ports ? conf->ports : NULL,
		.nr_ports = conf->nr_ports,
	};
	int error = hf_service_connect(&config, &control->service);

	if (error) {
		say("cannot attach to the primary: %s; %s", strerror(-error),
		    connect_remedy(error));
		return error;
	}
	return 0;
}

/* Nothing has been dispatched before: no callback was missed. */
static int register_callbacks(struct control *control)
{
	int error;

	devices_init();
	error = hf_driver_callback_register(control->service, &devices_callbacks, control->sw);
	if (!error)
		error = hf_peer_state_callback_register(control->service, devices_peer_state,
							control->sw);
	if (!error)
		error = hf_flush_callback_register(control->service, devices_flush, control->sw);
	return error;
}

/* Where a successor finds what we know. Without it we switch all the same, and it starts anew. */
static void *state_memory(struct control *control)
{
	void *memory = NULL;
	int error = hf_service_set_state(control->service, knowledge_bytes(), &memory);

	if (error)
		say("a successor will not know our stations: %s; use the holdfastd that came with "
		    "this switch",
		    strerror(-error));
	return memory;
}

static void print_stats(struct control *control)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (out)
		vswitch_print_stats(control->sw, out);
	if (!out || fclose(out)) {
		say("no memory for statistics; free some");
		free(text);
		return;
	}
	report_put(&control->report, text);
}

/* True: it is time to end. */
static bool take_signals(struct control *control)
{
	struct signalfd_siginfo info;

	while (read(control->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGUSR1)
			return true;
		print_stats(control);
	}
	return false;
}

/* Do what is due by the clock; returns the milliseconds until the next. */
static int take_time(struct control *control)
{
	int64_t now = milliseconds(), next;

	if (now >= control->next_stats) {
		print_stats(control);
		control->next_stats = now + control->conf.stats * INT64_C(1000);
	}
	if (now >= control->next_age) {
		vswitch_age(control->sw);
		/* Stations are unknown by age at once; this only frees their room. */
		control->next_age = now + (control->conf.ageing < 60 ? 15 : 60) * INT64_C(1000);
	}
	next = control->next_stats < control->next_age ? control->next_stats : control->next_age;
	return (int)(next - now);
}

static void serve(struct control *control)
{
	struct pollfd fds[] = {
		{.fd = control->signal_fd, .events = POLLIN},
		{.fd = hf_service_fd(control->service), .events = POLLIN},
		{.events = POLLOUT},
	};
	int error, last_error = 0;

	for (;;) {
		int timeout = take_time(control);

		fds[2].fd = report_wants(&control->report);
		if (poll(fds, 3, timeout) < 0)
			continue; /* EINTR: nothing that is blocked in signalfd */
		report_go_on(&control->report);
		if (fds[0].revents && take_signals(control))
			return;
		if (!fds[1].revents)
			continue;
		/* A lasting error is said once: the library goes on trying by itself. */
		error = hf_service_dispatch(control->service);
		vswitch_commit(control->sw);
		if (error && error != last_error)
			say("primary: %s; the switch goes on and tries again", strerror(-error));
		last_error = error;
	}
}

static int give_up_rights(const struct rights *rights)
{
	int error = rights_give_up(rights);

	if (error)
		say("cannot become another user: %s; start it as root, or as that user",
		    strerror(-error));
	return error;
}

static int start_switch(struct control *control)
{
	const struct conf *conf = &control->conf;
	const struct vswitch_config config = {
		.nr_workers = conf->nr_workers,
		.cores = conf->nr_cores ? conf->cores : NULL,
		.mode = conf->mode,
		.ageing = conf->ageing,
		.memory = state_memory(control),
	};
	int error = vswitch_start(&config, &control->sw);

	if (!error)
		error = open_uplinks(control);
	if (!error)
		error = give_up_rights(&control->conf.rights);
	return error ? error : register_callbacks(control);
}

static int run(struct control *control)
{
	const struct conf *conf = &control->conf;
	int error;

	say_never_wait();
	rights_gain_none();
	unmapper_start(&conf->rights);
	raise_file_limit();
	control->signal_fd = open_signals();
	if (control->signal_fd < 0) {
		say("signals: %s; raise the limit of open files", strerror(-control->signal_fd));
		return control->signal_fd;
	}
	error = connect_primary(control);
	if (error)
		return error;
	error = start_switch(control);
	if (!error) {
		control->next_age = milliseconds();
		control->next_stats =
			conf->stats ? milliseconds() + conf->stats * INT64_C(1000) : INT64_MAX;
		serve(control);
		print_stats(control);
	}
	/* The stations lie in memory of the service. */
	if (control->sw)
		vswitch_halt(control->sw);
	hf_service_disconnect(control->service);
	if (control->sw)
		vswitch_stop(control->sw);
	report_end(&control->report); /* nobody waits for us by now */
	return error;
}

int main(int argc, char **argv)
{
	struct control control = {.signal_fd = -1, .report.fd = STDOUT_FILENO};
	int error = 0;

	switch (conf_parse(&control.conf, argc, argv)) {
	case CONF_USAGE:
		return EXIT_USAGE;
	case CONF_HELP:
		conf_print_help();
		break;
	case CONF_VERSION:
		(void)printf("holdfast-vswitch %s\n", hf_version());
		break;
	case CONF_RUN:
		error = run(&control);
		break;
	}
	conf_free(&control.conf);
	return error ? EXIT_FAILED : 0;
}
