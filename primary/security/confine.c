/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HOLDFAST_FILTER in the environment is the list of the filter that is in force, from one program
 * to the next through exec. Each filter is looked at for each call, and there can be some hundreds:
 * an upgrade to the same list adds none.
 *
 * execve stays allowed, since an upgrade is one, and with it what a program does to begin. It is a
 * filter against what the kernel offers beyond that (other families of sockets, namespaces, mounts,
 * ptrace, modules, keys, bpf, io_uring), not one that could hold back every program.
 */
#include "confine.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "calls.h"
#include "log.h"

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

#define TAG "holdfastd"

/*
 * To be loaded (libnuma asks at once what there is) and begin, to have a heap, to print, to end.
 * calls of every program: execve access faccessat2 openat open read pread64 close newfstatat fstat
 * stat lstat statx mmap mprotect munmap mremap brk madvise arch_prctl set_tid_address
 * set_robust_list rseq prlimit64 getrlimit getrandom futex rt_sigaction rt_sigprocmask rt_sigreturn
 * restart_syscall sigaltstack write writev lseek exit exit_group getpid gettid getppid tgkill
 * clock_gettime gettimeofday time sched_getaffinity sched_yield uname sysinfo readlink readlinkat
 * getcwd getdents64 fcntl ioctl getuid geteuid getgid getegid set_mempolicy
 */
#define X(name) #name " "
static const char all_calls[] = CALLS(X);
#undef X

static char in_force[sizeof(all_calls)]; /* "": none of ours */
static char told[sizeof(all_calls)];

const char *confine_calls(void)
{
	return all_calls;
}

bool confine_is_on(void)
{
	return *in_force;
}

void confine_hear(void)
{
	const char *list = getenv("HOLDFAST_FILTER");

	if (list && strlen(list) < sizeof(told))
		strcpy(told, list);
	unsetenv("HOLDFAST_FILTER");
}

int confine_tell(void)
{
	if (!*in_force)
		return 0;
	return setenv("HOLDFAST_FILTER", in_force, 1) < 0 ? -ENOMEM : 0;
}

void confine_untell(void)
{
	unsetenv("HOLDFAST_FILTER");
}

/* --- the judgement --- */

/* Is the word, of `len` bytes, one of the list? */
static bool is_one_of(const char *list, const char *word, size_t len)
{
	for (const char *at = list; (at = strstr(at, word)); at++)
		if ((at == list || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

static int judge_list(char *list, char *reason, size_t size)
{
	char missing[128] = "";
	const char *word;

	while ((word = strsep(&list, " "))) {
		size_t used = strlen(missing);

		if (*word && !is_one_of(all_calls, word, strlen(word)))
			snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "",
				 word);
	}
	if (!*missing)
		return 0;
	snprintf(
		reason, size,
		"it makes system calls that this primary's filter forbids it too (%.80s): end this "
		"one with SIGKILL under a supervisor, which starts the new one",
		missing);
	return -EPERM;
}

int confine_judge(char *said, char *reason, size_t size)
{
	char *line;

	while ((line = strsep(&said, "\n")))
		if (strncmp(line, "calls ", 6) == 0)
			return judge_list(line + 6, reason, size);
	snprintf(
		reason, size,
		"it does not say which system calls it makes, and this primary's filter would stay "
		"on it: end this one with SIGKILL under a supervisor, which starts the new one");
	return -EPERM;
}

/* --- the filter --- */

/* In a build with a sanitizer other code runs in the same process. */
static bool is_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
	return true;
#endif
#endif
	return false;
}

#ifdef HAVE_SECCOMP

/* Local ones only: another family is none that there is. */
static int allow_socket(scmp_filter_ctx filter, int number)
{
	int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), number, 1,
				     SCMP_A0(SCMP_CMP_NE, AF_UNIX));

	return error ? error
		     : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
					SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
}

/* A new namespace of users has all capabilities in it. (CLONE_NEWTIME is part of the signal here.)
 */
static int allow_clone(scmp_filter_ctx filter, int number)
{
	const scmp_datum_t namespaces = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET |
					CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS;

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));
}

static int allow(scmp_filter_ctx filter, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);

	/* Below 0: this processor has no such call. */
	if (number < 0)
		return 0;
	if (strcmp(name, "socket") == 0)
		return allow_socket(filter, number);
	if (strcmp(name, "clone") == 0)
		return allow_clone(filter, number);
	/* Its flags are in memory, where a filter cannot look; the library goes on with clone. */
	if (strcmp(name, "clone3") == 0)
		return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
}

/* calls: seccomp prctl */
static int load(enum confine_mode mode)
{
	scmp_filter_ctx filter =
		seccomp_init(mode == CONFINE_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	char names[sizeof(all_calls)], *rest = names;
	const char *name;
	int error = filter ? 0 : -ENOMEM;

	strcpy(names, all_calls);
	if (!error && mode != CONFINE_LOG)
		error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	while (!error && (name = strsep(&rest, " ")))
		if (*name)
			error = allow(filter, name);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

#else

static int load(enum confine_mode mode)
{
	(void)mode;
	return -ENOSYS;
}

#endif

int confine_begin(enum confine_mode mode)
{
	bool asked = mode != CONFINE_DEFAULT;
	bool same = strcmp(told, all_calls) == 0 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;
	int error;

	if (mode == CONFINE_OFF || (!asked && is_instrumented()))
		return 0;
	error = same ? 0 : load(mode);
	if (!error) {
		strcpy(in_force, all_calls);
		return 0;
	}
	if (error == -ENOSYS && !asked) {
		log_notice(TAG, "system calls are not filtered: this build has no libseccomp "
				"(-Dconfine=enabled)");
		return 0;
	}
	/* What the one before was under is still there: sessions are worth more than a second one.
	 */
	if (*told) {
		log_error(TAG, "no filter of our own on top of the last program's: %s",
			  strerror(-error));
		strcpy(in_force, told);
		return 0;
	}
	log_error(TAG, "cannot filter system calls: %s; %s", strerror(-error),
		  error == -ENOSYS ? "build with -Dconfine=enabled, or --seccomp off"
				   : "free some memory, or --seccomp off");
	return error;
}
