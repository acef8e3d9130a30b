/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attach to a primary, and run the control context.
 *
 * A service is one attachment. Its control context is either the blocking loop
 * hf_driver_session_start(), meant for a thread of its own, or hf_service_fd() in the caller's own
 * loop with hf_service_dispatch() when it is readable. All callbacks run in that thread.
 *
 * A primary that dies and has a successor (docs/continuity.md) is not noticed here: vrings run on,
 * and calls that ask it wait for the successor, within their time; what was asked of a primary that
 * died over it may be lost (-ETIMEDOUT, driver.h). When it goes away for good all devices are
 * destroyed (callbacks run), and the service tries to attach again, forever, with back-off, out of
 * the same dispatch.
 */
#ifndef HOLDFAST_SERVICE_H
#define HOLDFAST_SERVICE_H

#include <holdfast/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hf_service_config {
	const char *run_dir; /* the primary's run directory; NULL: $HOLDFAST_RUN_DIR or
			      * /run/holdfast */
	const char *name;    /* this secondary's name: letters, digits, '.', '_' and '-', at most
			      * HF_NAME_MAX; NULL: the program's name. With "-N" behind it when
			      * $HOLDFAST_INSTANCE is N, 2 or more */
	enum hf_role role;   /* vswitch, standby or observer */
	const char *const *ports; /* globs (fnmatch(3)) of the ports to serve, at most 64 of 1 to
				   * 127 bytes; NULL: all */
	size_t nr_ports;
	int32_t priority; /* among those of one role, the higher is granted first */
	/*
	 * Guest memory is the front-end's file, which it can cut short: a touch of what is gone is
	 * a SIGBUS. The library handles it, in this process, from the first hf_service_connect on:
	 * the guest's vrings break, and nobody else notices. Faults elsewhere go to the handler
	 * that was there before, or end the process as ever. A handler that is installed later has
	 * to pass on what it does not know to the one it found; no thread that runs bursts may
	 * block SIGBUS. True: no handler; then one front-end can end this process, and the next one
	 * that is granted its vrings.
	 *
	 * By it a call to a guest is ended that its front-end makes hang by writers of its own: not
	 * so without it, nor when the handler is a later one, even if that passes on. A thread that
	 * has just left such a call may get EINTR in its next one. What a filter of system calls
	 * has to let through for all this: docs/api.md.
	 */
	bool no_sigbus_handler;
};

/*
 * Attach. A child forked afterwards has no part in it (shared memory is not inherited): become a
 * daemon before. Blocks for the primary's answer, at most 5 s, three times if primaries die over
 * it, and where it fails for a second more, in which a primary that does not read is told. 0;
 * -ENOENT or -ECONNREFUSED: no primary there; -EPROTO: it speaks another major version; -EACCES:
 * this user may not attach, or is kept away for a while; -EEXIST: a secondary of that name is
 * attached; -EBUSY: its table of secondaries is full, or what a rule's may have of it; -EMFILE: it,
 * or this process, has no descriptors left; -EINVAL: name, globs or the run directory's path (79
 * bytes); -EAGAIN, -ETIMEDOUT: it does not answer; else -errno of the kernel's. The reason in words
 * went to the log sink, with its remedy.
 */
HF_API int hf_service_connect(const struct hf_service_config *config, struct hf_service **service);

/*
 * Detach: destroy_device runs for every device, the vrings go back to the primary with exact
 * positions, and the service is freed. Control thread, outside callbacks; no data thread may be in
 * a burst of one of its devices. Blocks for a second at most, for a primary that does not read.
 */
HF_API void hf_service_disconnect(struct hf_service *service);

/* A descriptor that is readable when hf_service_dispatch() has work, at least every 0.5 s. Owned by
 * the service. Dispatching is the heartbeat: who leaves it readable for 2 s (holdfastd
 * --hang-limit), with no burst meanwhile, may lose its vrings to another secondary that serves the
 * port. */
HF_API int hf_service_fd(const struct hf_service *service);

/* Do what is due; runs callbacks. 0 or -errno (the service stays usable). Blocks for nobody, but
 * where a connection ends whose primary does not read: for a second at most. */
HF_API int hf_service_dispatch(struct hf_service *service);

/* Is the primary attached right now? Control thread. */
HF_API bool hf_service_attached(const struct hf_service *service);

/*
 * Take the library's log lines. `priority` is a syslog(3) level (3 error, 4 warning, 5 notice),
 * `tag` names the object, `line` has no newline. NULL gives back the default (standard error).
 * Process-wide; call before threads start.
 */
HF_API void hf_set_log_sink(void (*sink)(void *context, int priority, const char *tag,
					 const char *line),
			    void *context);

/* Version of the library, "MAJOR.MINOR.PATCH". */
HF_API const char *hf_version(void);

#ifdef __cplusplus
}
#endif

#endif
