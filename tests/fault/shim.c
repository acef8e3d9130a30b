/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fault shim: between a program and the C library, it lets chosen calls fail (page.h).
 *
 * One source, two ways in. By LD_PRELOAD it stands before programs as they are, and before the
 * other libraries' calls. With -DFAULT_WRAP it is linked into a copy of the program, by ld's
 * --wrap, for builds in which a sanitizer's malloc comes before every library's; then only the
 * program's own calls are seen.
 *
 * What it does not see: what the C library calls by itself (a fopen fails as a whole, not by the
 * open in it), and system calls that a library makes without it (libnuma's).
 *
 * The names of all functions are in functions.txt, for --wrap.
 */
#undef _FILE_OFFSET_BITS /* open is open here, and open64 another one */
#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "page.h"

#define EXPORT __attribute__((visibility("default")))

/* SHIM(f) is what is defined here, REAL(f) what stands behind it. */
#ifdef FAULT_WRAP
#define SHIM(name)		      __wrap_##name
#define REAL(name)		      __real_##name
#define BEHIND(ret, name, parameters) ret __real_##name parameters
#else
#define SHIM(name)		      name
#define REAL(name)		      ((__typeof__(&name))behind(&behind_##name, #name))
#define BEHIND(ret, name, parameters) static void *behind_##name
static void *behind(void **known, const char *name)
{
	void *found = __atomic_load_n(known, __ATOMIC_RELAXED);

	if (!found) {
		found = dlsym(RTLD_NEXT, name);
		__atomic_store_n(known, found, __ATOMIC_RELAXED);
	}
	return found;
}
#endif

#define NEVER 0 /* in place of an error: the function has none to be tried */

static struct fault_page *page;

/* For a program that has the shim in itself, and no environment. */
void fault_shim_use(struct fault_page *own);
void fault_shim_use(struct fault_page *own)
{
	page = own;
}

/* --- whose turn it is --- */

static bool is_armed(uint32_t kind)
{
	return page && __atomic_load_n(&page->armed, __ATOMIC_ACQUIRE) && (page->kinds & kind) &&
	       (!page->pid || page->pid == (uint32_t)getpid()) && page->but != (uint32_t)getpid();
}

/* For people: which call it was. */
static void note(const char *name, void *from)
{
	Dl_info info;

	strncpy(page->name, name, sizeof(page->name) - 1);
	page->from = (uint64_t)(uintptr_t)from;
	if (dladdr(from, &info) && info.dli_fname) {
		const char *slash = strrchr(info.dli_fname, '/');

		page->from -= (uint64_t)(uintptr_t)info.dli_fbase;
		strncpy(page->object, slash ? slash + 1 : info.dli_fname, sizeof(page->object) - 1);
	}
}

/* Count this one; does it fail? */
static bool is_due(const char *name, void *from)
{
	uint32_t n = __atomic_add_fetch(&page->seen, 1, __ATOMIC_ACQ_REL);
	bool due = page->every ? n % page->every == 0
			       : page->nth && n >= page->nth && n - page->nth < page->times;

	if (due && __atomic_fetch_add(&page->hit, 1, __ATOMIC_ACQ_REL) == 0)
		note(name, from);
	return due;
}

static void stay(bool due)
{
	while (due)
		if (page->how == FAULT_HANG)
			(void)poll(NULL, 0, 1000);
}

/* 0, or the error to fail with. */
static int fault(uint32_t kind, int error, bool interruptible, const char *name, void *from)
{
	if (!is_armed(kind))
		return 0;
	if (page->how == FAULT_HANG || page->how == FAULT_SPIN) {
		stay(is_due(name, from));
		return 0;
	}
	if (page->how == FAULT_DIE) {
		if (is_due(name, from))
			(void)raise(SIGKILL);
		return 0;
	}
	if (page->how == FAULT_INTERRUPT)
		error = interruptible ? EINTR : 0;
	else if (page->how != FAULT_ERROR)
		error = 0;
	if (error && page->error)
		error = (int)page->error;
	return error && is_due(name, from) ? error : 0;
}

/* May this one be cut short, and is it? Packets and counters are whole or nothing, and so is what
 * is written in few bytes. */
static bool is_cut(int fd, size_t len, size_t least, const char *name, void *from)
{
	socklen_t room = sizeof(int);
	struct stat st;
	int type = 0;

	if (len < least || !is_armed(FAULT_TRANSFER) || page->how != FAULT_SHORT)
		return false;
	if (syscall(SYS_fstat, fd, &st) < 0)
		return false;
	if (S_ISSOCK(st.st_mode) &&
	    syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &room) < 0)
		return false;
	return (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || type == SOCK_STREAM) &&
	       is_due(name, from);
}

#define HERE __builtin_return_address(0)

/* A function with nothing but an error to try. */
#define FUNCTION(ret, name, parameters, arguments, kind, error, interruptible, failed)             \
	BEHIND(ret, name, parameters);                                                             \
	EXPORT ret SHIM(name) parameters;                                                          \
	EXPORT ret SHIM(name) parameters                                                           \
	{                                                                                          \
		int e = fault(kind, error, interruptible, #name, HERE);                            \
                                                                                                   \
		if (e) {                                                                           \
			errno = e;                                                                 \
			return failed;                                                             \
		}                                                                                  \
		return REAL(name) arguments;                                                       \
	}

#define PLAIN(name, parameters, arguments, kind, error)                                            \
	FUNCTION(int, name, parameters, arguments, kind, error, false, -1)
#define WAITS(ret, name, parameters, arguments, kind, error)                                       \
	FUNCTION(ret, name, parameters, arguments, kind, error, true, -1)
#define MAKES(type, name, parameters, arguments, kind, error)                                      \
	FUNCTION(type, name, parameters, arguments, kind, error, false, NULL)
/* It returns its error. */
#define RETURNS(name, parameters, arguments, kind, error)                                          \
	FUNCTION(int, name, parameters, arguments, kind, error, false, e)

/* --- heap --- */

#ifdef FAULT_WRAP
MAKES(void *, malloc, (size_t size), (size), FAULT_HEAP, ENOMEM)
MAKES(void *, calloc, (size_t n, size_t size), (n, size), FAULT_HEAP, ENOMEM)
MAKES(void *, realloc, (void *old, size_t size), (old, size), FAULT_HEAP, ENOMEM)
MAKES(void *, reallocarray, (void *old, size_t n, size_t size), (old, n, size), FAULT_HEAP, ENOMEM)
MAKES(void *, aligned_alloc, (size_t line, size_t size), (line, size), FAULT_HEAP, ENOMEM)
MAKES(char *, strdup, (const char *text), (text), FAULT_HEAP, ENOMEM)
MAKES(char *, realpath, (const char *path, char *room), (path, room), FAULT_HEAP, ENOMEM)
#else
/* By names of their own: dlsym itself allocates. What else allocates does it by these. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t line, size_t size);

#define ALLOCATES(name, parameters, arguments, real)                                               \
	EXPORT void *name parameters;                                                              \
	EXPORT void *name parameters                                                               \
	{                                                                                          \
		int e = fault(FAULT_HEAP, ENOMEM, false, #name, HERE);                             \
                                                                                                   \
		if (!e)                                                                            \
			return real arguments;                                                     \
		errno = e;                                                                         \
		return NULL;                                                                       \
	}
ALLOCATES(malloc, (size_t size), (size), __libc_malloc)
ALLOCATES(calloc, (size_t n, size_t size), (n, size), __libc_calloc)
ALLOCATES(realloc, (void *old, size_t size), (old, size), __libc_realloc)
ALLOCATES(aligned_alloc, (size_t line, size_t size), (line, size), __libc_memalign)
#endif
MAKES(FILE *, open_memstream, (char **text, size_t *len), (text, len), FAULT_HEAP, ENOMEM)

/* --- maps --- */

FUNCTION(void *, mmap, (void *at, size_t len, int access, int flags, int fd, off_t offset),
	 (at, len, access, flags, fd, offset), FAULT_MAP, ENOMEM, false, MAP_FAILED)
FUNCTION(void *, mmap64, (void *at, size_t len, int access, int flags, int fd, off64_t offset),
	 (at, len, access, flags, fd, offset), FAULT_MAP, ENOMEM, false, MAP_FAILED)
PLAIN(madvise, (void *at, size_t len, int advice), (at, len, advice), FAULT_MAP, ENOMEM)
PLAIN(mincore, (void *at, size_t len, unsigned char *pages), (at, len, pages), FAULT_MAP, EAGAIN)

/* --- descriptors --- */

PLAIN(socket, (int domain, int type, int protocol), (domain, type, protocol), FAULT_DESCRIPTOR,
      EMFILE)
WAITS(int, accept4, (int fd, struct sockaddr *from, socklen_t *len, int flags),
      (fd, from, len, flags), FAULT_DESCRIPTOR, EMFILE)
PLAIN(epoll_create1, (int flags), (flags), FAULT_DESCRIPTOR, EMFILE)
PLAIN(eventfd, (unsigned int first, int flags), (first, flags), FAULT_DESCRIPTOR, EMFILE)
PLAIN(signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), FAULT_DESCRIPTOR,
      EMFILE)
PLAIN(timerfd_create, (int clock, int flags), (clock, flags), FAULT_DESCRIPTOR, EMFILE)
PLAIN(memfd_create, (const char *name, unsigned int flags), (name, flags), FAULT_DESCRIPTOR, EMFILE)
PLAIN(pipe2, (int ends[2], int flags), (ends, flags), FAULT_DESCRIPTOR, EMFILE)
PLAIN(pidfd_open, (pid_t pid, unsigned int flags), (pid, flags), FAULT_DESCRIPTOR, EMFILE)
PLAIN(pidfd_getfd, (int pid, int fd, unsigned int flags), (pid, fd, flags), FAULT_DESCRIPTOR,
      EMFILE)
MAKES(FILE *, fopen, (const char *path, const char *mode), (path, mode), FAULT_DESCRIPTOR, EMFILE)
MAKES(FILE *, fopen64, (const char *path, const char *mode), (path, mode), FAULT_DESCRIPTOR, EMFILE)
MAKES(DIR *, opendir, (const char *path), (path), FAULT_DESCRIPTOR, EMFILE)

static mode_t mode_of(int flags, va_list more)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(more, mode_t) : 0;
}

#define OPENS(name, parameters, ...)                                                               \
	BEHIND(int, name, parameters);                                                             \
	EXPORT int SHIM(name) parameters;                                                          \
	EXPORT int SHIM(name) parameters                                                           \
	{                                                                                          \
		int e = fault(FAULT_DESCRIPTOR, EMFILE, true, #name, HERE);                        \
		mode_t mode;                                                                       \
		va_list more;                                                                      \
                                                                                                   \
		va_start(more, flags);                                                             \
		mode = mode_of(flags, more);                                                       \
		va_end(more);                                                                      \
		if (!e)                                                                            \
			return REAL(name)(__VA_ARGS__, flags, mode);                               \
		errno = e;                                                                         \
		return -1;                                                                         \
	}
OPENS(open, (const char *path, int flags, ...), path)
OPENS(open64, (const char *path, int flags, ...), path)
OPENS(openat, (int dir, const char *path, int flags, ...), dir, path)
OPENS(openat64, (int dir, const char *path, int flags, ...), dir, path)

/* --- what a file is asked, or made to be --- */

#define ONE_MORE(name, parameters, last, kind, error, interruptible, ...)                          \
	BEHIND(int, name, parameters);                                                             \
	EXPORT int SHIM(name) parameters;                                                          \
	EXPORT int SHIM(name) parameters                                                           \
	{                                                                                          \
		int e = fault(kind, error, interruptible, #name, HERE);                            \
		va_list more;                                                                      \
		void *argument;                                                                    \
                                                                                                   \
		va_start(more, last);                                                              \
		argument = va_arg(more, void *);                                                   \
		va_end(more);                                                                      \
		if (!e)                                                                            \
			return REAL(name)(__VA_ARGS__, last, argument);                            \
		errno = e;                                                                         \
		return -1;                                                                         \
	}
#define IS_DUP(command) ((command) == F_DUPFD || (command) == F_DUPFD_CLOEXEC)
ONE_MORE(fcntl, (int fd, int command, ...), command,
	 IS_DUP(command) ? FAULT_DESCRIPTOR : FAULT_FILE, IS_DUP(command) ? EMFILE : EINVAL, false,
	 fd)
ONE_MORE(fcntl64, (int fd, int command, ...), command,
	 IS_DUP(command) ? FAULT_DESCRIPTOR : FAULT_FILE, IS_DUP(command) ? EMFILE : EINVAL, false,
	 fd)
ONE_MORE(ioctl, (int fd, unsigned long request, ...), request, FAULT_FILE, ENOMEM, true, fd)

PLAIN(bind, (int fd, const struct sockaddr *at, socklen_t len), (fd, at, len), FAULT_FILE, ENOMEM)
PLAIN(listen, (int fd, int backlog), (fd, backlog), FAULT_FILE, ENOBUFS)
WAITS(int, connect, (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len), FAULT_FILE,
      ENOMEM)
PLAIN(setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
      (fd, level, name, value, len), FAULT_FILE, ENOBUFS)
PLAIN(getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
      (fd, level, name, value, len), FAULT_FILE, ENOBUFS)
PLAIN(getsockname, (int fd, struct sockaddr *name, socklen_t *len), (fd, name, len), FAULT_FILE,
      ENOBUFS)
PLAIN(epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event),
      (epoll, operation, fd, event), FAULT_FILE, operation == EPOLL_CTL_DEL ? NEVER : ENOSPC)
WAITS(int, ftruncate, (int fd, off_t len), (fd, len), FAULT_FILE, ENOSPC)
WAITS(int, ftruncate64, (int fd, off64_t len), (fd, len), FAULT_FILE, ENOSPC)
WAITS(int, fallocate, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len), FAULT_FILE,
      ENOSPC)
WAITS(int, fallocate64, (int fd, int mode, off64_t at, off64_t len), (fd, mode, at, len),
      FAULT_FILE, ENOSPC)
WAITS(int, flock, (int fd, int operation), (fd, operation), FAULT_FILE, ENOLCK)
PLAIN(chmod, (const char *path, mode_t mode), (path, mode), FAULT_FILE, EIO)
PLAIN(chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid), FAULT_FILE, EIO)
PLAIN(fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), FAULT_FILE, EIO)
PLAIN(fchownat, (int dir, const char *path, uid_t uid, gid_t gid, int flags),
      (dir, path, uid, gid, flags), FAULT_FILE, EIO)
PLAIN(unlink, (const char *path), (path), FAULT_FILE, EIO)
PLAIN(mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode), FAULT_FILE, ENOSPC)
PLAIN(fstat, (int fd, struct stat *st), (fd, st), FAULT_FILE, ENOMEM)
PLAIN(fstat64, (int fd, struct stat64 *st), (fd, st), FAULT_FILE, ENOMEM)
PLAIN(stat, (const char *path, struct stat *st), (path, st), FAULT_FILE, ENOMEM)
PLAIN(stat64, (const char *path, struct stat64 *st), (path, st), FAULT_FILE, ENOMEM)
FUNCTION(ssize_t, lgetxattr, (const char *path, const char *name, void *value, size_t size),
	 (path, name, value, size), FAULT_FILE, EIO, false, -1)
PLAIN(lsetxattr, (const char *path, const char *name, const void *value, size_t size, int flags),
      (path, name, value, size, flags), FAULT_FILE, ENOSPC)
PLAIN(lremovexattr, (const char *path, const char *name), (path, name), FAULT_FILE, ENOSPC)
PLAIN(lstat, (const char *path, struct stat *st), (path, st), FAULT_FILE, ENOMEM)
PLAIN(lstat64, (const char *path, struct stat64 *st), (path, st), FAULT_FILE, ENOMEM)
PLAIN(statx,
      (int dir, const char *restrict path, int flags, unsigned int mask, struct statx *restrict st),
      (dir, path, flags, mask, st), FAULT_FILE, ENOMEM)
PLAIN(fstatfs, (int fd, struct statfs *st), (fd, st), FAULT_FILE, EIO)
PLAIN(fstatfs64, (int fd, struct statfs64 *st), (fd, st), FAULT_FILE, EIO)
PLAIN(timerfd_settime, (int fd, int flags, const struct itimerspec *at, struct itimerspec *before),
      (fd, flags, at, before), FAULT_FILE, ENOMEM)

/* --- messages, reads and writes --- */

FUNCTION(ssize_t, readlink, (const char *restrict path, char *restrict room, size_t size),
	 (path, room, size), FAULT_TRANSFER, ENOMEM, false, -1)
FUNCTION(ssize_t, pread, (int fd, void *room, size_t len, off_t at), (fd, room, len, at),
	 FAULT_TRANSFER, EIO, false, -1)
FUNCTION(ssize_t, pread64, (int fd, void *room, size_t len, off64_t at), (fd, room, len, at),
	 FAULT_TRANSFER, EIO, false, -1)
WAITS(ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n), FAULT_TRANSFER, EIO)
WAITS(ssize_t, tee, (int in, int out, size_t len, unsigned int flags), (in, out, len, flags),
      FAULT_TRANSFER, ENOMEM)
WAITS(ssize_t, splice,
      (int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned int flags),
      (in, in_at, out, out_at, len, flags), FAULT_TRANSFER, ENOMEM)
FUNCTION(ssize_t, getrandom, (void *room, size_t len, unsigned int flags), (room, len, flags),
	 FAULT_TRANSFER, EAGAIN, false, -1)
WAITS(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms), FAULT_TRANSFER, ENOMEM)
WAITS(int, epoll_wait, (int epoll, struct epoll_event *events, int room, int ms),
      (epoll, events, room, ms), FAULT_TRANSFER, NEVER)
WAITS(int, epoll_pwait2,
      (int epoll, struct epoll_event *events, int room, const struct timespec *timeout,
       const sigset_t *mask),
      (epoll, events, room, timeout, mask), FAULT_TRANSFER, NEVER)
WAITS(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options),
      (type, id, info, options), FAULT_TRANSFER, NEVER)
WAITS(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), FAULT_TRANSFER,
      NEVER)
WAITS(int, nanosleep, (const struct timespec *time, struct timespec *left), (time, left),
      FAULT_TRANSFER, NEVER)

#define MOVES(name, parameters, least, arguments, short_arguments, error)                          \
	BEHIND(ssize_t, name, parameters);                                                         \
	EXPORT ssize_t SHIM(name) parameters;                                                      \
	EXPORT ssize_t SHIM(name) parameters                                                       \
	{                                                                                          \
		int e = fault(FAULT_TRANSFER, error, true, #name, HERE);                           \
                                                                                                   \
		if (e) {                                                                           \
			errno = e;                                                                 \
			return -1;                                                                 \
		}                                                                                  \
		if (is_cut(fd, len, least, #name, HERE))                                           \
			return REAL(name) short_arguments;                                         \
		return REAL(name) arguments;                                                       \
	}
MOVES(read, (int fd, void *room, size_t len), 2, (fd, room, len), (fd, room, len / 2), EIO)
MOVES(write, (int fd, const void *bytes, size_t len), PIPE_BUF + 1, (fd, bytes, len),
      (fd, bytes, len / 2), EIO)
MOVES(recv, (int fd, void *room, size_t len, int flags), 2, (fd, room, len, flags),
      (fd, room, len / 2, flags), ENOMEM)
MOVES(send, (int fd, const void *bytes, size_t len, int flags), PIPE_BUF + 1,
      (fd, bytes, len, flags), (fd, bytes, len / 2, flags), ENOBUFS)

/* As the kernel does when a message brings descriptors and there is no number for the last one. */
static void lose_last_descriptor(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd;

	c->cmsg_len -= sizeof(fd);
	memcpy(&fd, (char *)c + c->cmsg_len, sizeof(fd));
	(void)close(fd);
	if (c->cmsg_len == CMSG_LEN(0))
		msg->msg_controllen = 0;
	msg->msg_flags |= MSG_CTRUNC;
}

static bool brings_descriptors(struct msghdr *msg)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	return c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	       c->cmsg_len >= CMSG_LEN(sizeof(int));
}

/* The first half of a message's first piece, and nothing else. */
static struct msghdr half_of(const struct msghdr *msg, struct iovec *half)
{
	struct msghdr shorter = *msg;

	*half = msg->msg_iov[0];
	half->iov_len /= 2;
	shorter.msg_iov = half;
	shorter.msg_iovlen = 1;
	return shorter;
}

BEHIND(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags));
EXPORT ssize_t SHIM(recvmsg)(int fd, struct msghdr *msg, int flags);
EXPORT ssize_t SHIM(recvmsg)(int fd, struct msghdr *msg, int flags)
{
	int e = fault(FAULT_TRANSFER, ENOMEM, true, "recvmsg", HERE);
	struct msghdr shorter;
	struct iovec half;
	ssize_t n;

	if (e) {
		errno = e;
		return -1;
	}
	/* A look is as long as what is there. */
	if (msg->msg_iovlen && !(flags & MSG_PEEK) &&
	    is_cut(fd, msg->msg_iov[0].iov_len, 2, "recvmsg", HERE)) {
		shorter = half_of(msg, &half);
		n = REAL(recvmsg)(fd, &shorter, flags);
		msg->msg_controllen = shorter.msg_controllen;
		msg->msg_flags = shorter.msg_flags;
		return n;
	}
	n = REAL(recvmsg)(fd, msg, flags);
	if (n >= 0 && brings_descriptors(msg) &&
	    fault(FAULT_DESCRIPTOR, EMFILE, false, "recvmsg", HERE))
		lose_last_descriptor(msg);
	return n;
}

BEHIND(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags));
EXPORT ssize_t SHIM(sendmsg)(int fd, const struct msghdr *msg, int flags);
EXPORT ssize_t SHIM(sendmsg)(int fd, const struct msghdr *msg, int flags)
{
	int e = fault(FAULT_TRANSFER, ENOBUFS, true, "sendmsg", HERE);
	struct msghdr shorter;
	struct iovec half;

	if (e) {
		errno = e;
		return -1;
	}
	if (msg->msg_iovlen && is_cut(fd, msg->msg_iov[0].iov_len, PIPE_BUF + 1, "sendmsg", HERE)) {
		shorter = half_of(msg, &half);
		msg = &shorter;
	}
	return REAL(sendmsg)(fd, msg, flags);
}

/* --- processes and threads --- */

PLAIN(fork, (void), (), FAULT_PROCESS, EAGAIN)
RETURNS(posix_spawn,
	(pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *actions,
	 const posix_spawnattr_t *restrict attributes, char *const argv[], char *const envp[]),
	(pid, path, actions, attributes, argv, envp), FAULT_PROCESS, EAGAIN)
RETURNS(posix_spawnp,
	(pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,
	 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),
	(pid, file, actions, attributes, argv, envp), FAULT_PROCESS, EAGAIN)
RETURNS(pthread_create,
	(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
	 void *(*run)(void *), void *restrict argument),
	(thread, attributes, run, argument), FAULT_PROCESS, EAGAIN)
PLAIN(pidfd_send_signal, (int pidfd, int number, siginfo_t *info, unsigned int flags),
      (pidfd, number, info, flags), FAULT_PROCESS, ENOMEM)

/* Which of them the system call with this number is; *ret_error 0: none. (kcmp fails always or
 * never.) */
static uint32_t kind_of(long number, int *ret_error)
{
	*ret_error = 0;
	switch (number) {
	case SYS_clone:
		*ret_error = EAGAIN;
		return FAULT_PROCESS;
	case SYS_pidfd_send_signal:
		*ret_error = ENOMEM;
		return FAULT_PROCESS;
	case SYS_pidfd_open:
		*ret_error = EMFILE;
		return FAULT_DESCRIPTOR;
	case SYS_membarrier:
		*ret_error = ENOMEM;
		return FAULT_MAP;
	default:
		return 0;
	}
}

BEHIND(long, syscall, (long number, ...));
EXPORT long SHIM(syscall)(long number, ...);
EXPORT long SHIM(syscall)(long number, ...)
{
	int error, e;
	uint32_t kind = kind_of(number, &error);
	va_list more;
	long a[6];

	va_start(more, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(more, long);
	va_end(more);
	e = fault(kind, error, false, "syscall", HERE);
	if (!e)
		return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	errno = e;
	return -1;
}

/* --- beginning --- */

/* By system calls of its own: nothing here is counted. */
__attribute__((constructor)) static void open_page(void)
{
	const char *path = getenv("FAULT_PAGE");
	long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	long at;

	if (fd < 0)
		return;
	at = syscall(SYS_mmap, NULL, FAULT_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0l);
	syscall(SYS_close, fd);
	if (at > 0)
		page = (void *)(uintptr_t)at;
}
