/* SPDX-License-Identifier: Apache-2.0 */
/* primary/keep/store.h: a holder that reads, one that is slow, one that goes, and none. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "clock.h"
#include "faults.h"
#include "fd.h"
#include "fd_ledger.h"
#include "handon.h"
#include "holder.h"
#include "log.h"
#include "loop.h"
#include "store.h"

#define MANY 3000u

static struct loop *loop;
static struct holder holder;
static struct store *store;
static unsigned int drained;
static int open_before;

static void on_drained(void *context)
{
	(void)context;
	drained++;
}

static void begin(bool with_holder)
{
	hf_log_set_level(HF_LOG_ERROR);
	open_before = fds_open();
	holder.socket = -1;
	unsetenv("NOTIFY_SOCKET");
	if (with_holder)
		holder_open(&holder);
	loop = loop_create();
	REQUIRE(loop && store_open(loop, &store) == 0);
	drained = 0;
	store_on_drained(store, on_drained, NULL);
}

/* No descriptor may be left over. */
static void end(void)
{
	store_close(store);
	loop_destroy(loop);
	holder_close(&holder);
	CHECK_EQ(fds_open(), open_before);
}

static void stop_now(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(loop);
}

static void run(unsigned int ms)
{
	struct loop_timer timer = {.fire = stop_now};

	REQUIRE(loop_timer_set(loop, &timer, ms * NS_PER_MS) == 0);
	CHECK_EQ(loop_run(loop), 0);
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static int new_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	REQUIRE(fd >= 0);
	return fd;
}

/* A file that nobody else keeps open. */
static uint32_t add_new(char kind)
{
	int fd = new_file();
	uint32_t number = store_add(store, kind, fd);

	close(fd);
	return number;
}

static void what_is_added_goes_to_the_holder_by_its_name(void)
{
	struct held held;
	uint32_t number;
	int fd, got;

	begin(true);
	CHECK_EQ(store_keeps(store), STORE_KEEPS);
	fd = new_file();
	number = store_add(store, 'k', fd);
	CHECK_EQ(number, STORE_FIRST_FREE);
	REQUIRE(holder_read(&holder, &held));
	CHECK(strcmp(held.text, "FDSTORE=1\nFDNAME=k3\nFDPOLL=0") == 0);
	CHECK(same_file(held.fd, fd));
	close(held.fd);
	got = store_get(store, number);
	CHECK(got >= 0 && got != fd && same_file(got, fd));
	CHECK(fcntl(got, F_GETFD) & FD_CLOEXEC);
	close(got);
	close(fd);
	CHECK_EQ(store_get(store, number + 1), -ENOENT);
	CHECK_EQ(store_get(store, 0), -ENOENT);
	CHECK_EQ(store_get(store, UINT32_MAX), -ENOENT);
	end();
}

static void one_open_file_has_one_number(void)
{
	int a, b, other;
	uint32_t number;

	begin(true);
	a = eventfd(0, EFD_CLOEXEC);
	b = fcntl(a, F_DUPFD_CLOEXEC, 0);
	other = eventfd(0, EFD_CLOEXEC); /* of the same inode, as all of them */
	number = store_add(store, 'k', a);
	CHECK_EQ(store_add(store, 'c', b), number);
	CHECK(store_add(store, 'k', other) != number);
	CHECK(holder_hears(&holder, "FDSTORE=1\nFDNAME=k3\nFDPOLL=0"));
	CHECK(holder_hears(&holder, "FDSTORE=1\nFDNAME=k4\nFDPOLL=0"));
	close(a);
	close(b);
	close(other);
	end();
}

static void the_last_reference_takes_it_out(void)
{
	struct held held;
	uint32_t number;

	begin(true);
	number = add_new('r');
	store_reference(store, number);
	store_reference(store, number);
	store_release(store, number);
	CHECK(holder_hears(&holder, "FDSTORE=1\nFDNAME=r3\nFDPOLL=0"));
	CHECK(!holder_read(&holder, &held));
	store_release(store, number);
	CHECK(!holder_hears(&holder, "FDSTOREREMOVE=1\nFDNAME=r3"));
	CHECK_EQ(store_get(store, number), -ENOENT);
	/* Nothing is there to be released twice. */
	store_release(store, number);
	store_release(store, 0);
	CHECK(!holder_read(&holder, &held));
	/* A number that a record names is given to nobody else, also when nothing is there. */
	store_reference(store, number);
	CHECK_EQ(add_new('s'), number + 1);
	store_release(store, number);
	end();
}

static void what_nobody_references_is_dropped(void)
{
	uint32_t kept, other;

	begin(true);
	kept = add_new('a');
	other = add_new('b');
	store_reference(store, kept);
	CHECK_EQ(store_put(store, STORE_DIRECTORY, 'd', holder.socket), 0);
	store_drop_unreferenced(store);
	(void)holder_hears(&holder, "FDSTORE=1\nFDNAME=a3\nFDPOLL=0");
	(void)holder_hears(&holder, "FDSTORE=1\nFDNAME=b4\nFDPOLL=0");
	(void)holder_hears(&holder, "FDSTORE=1\nFDNAME=d1\nFDPOLL=0");
	CHECK(!holder_hears(&holder, "FDSTOREREMOVE=1\nFDNAME=b4"));
	CHECK_EQ(store_get(store, other), -ENOENT);
	CHECK_EQ(store_put(store, STORE_DIRECTORY, 'd', holder.socket), -EEXIST);
	store_forget_all(store);
	(void)holder_hears(&holder, "FDSTOREREMOVE=1\nFDNAME=d1");
	(void)holder_hears(&holder, "FDSTOREREMOVE=1\nFDNAME=a3");
	end();
}

/* Add until the socket takes no more. */
static uint32_t fill(void)
{
	uint32_t n = 0;

	while (!store_pending(store) && n < MANY) {
		REQUIRE(add_new('k') != 0);
		n++;
	}
	REQUIRE(store_pending(store));
	return n;
}

static void a_slow_holder_holds_up_nobody_and_misses_nothing(void)
{
	uint32_t n, heard = 0;
	struct held held;
	char text[64];

	begin(true);
	n = fill();
	for (int i = 0; i < 20; i++, n++)
		REQUIRE(add_new('k') != 0);
	store_reference(store, 5);
	store_release(store, 5);
	store_notify(store, "READY=1");
	run(20);
	CHECK(store_pending(store));
	CHECK_EQ(drained, 0);
	while (store_pending(store) || drained == 0) {
		for (int i = 0; i < 50 && holder_read(&holder, &held); i++, heard++) {
			snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=k%u\nFDPOLL=0", heard + 3);
			CHECK(heard >= n || strcmp(held.text, text) == 0);
			CHECK_EQ(held.fd >= 0, heard < n);
			if (held.fd >= 0)
				close(held.fd);
		}
		run(5);
	}
	CHECK_EQ(drained, 1);
	while (holder_read(&holder, &held)) {
		snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=k%u\nFDPOLL=0", heard + 3);
		if (heard == n)
			snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=k5");
		else if (heard == n + 1)
			snprintf(text, sizeof(text), "READY=1");
		CHECK(strcmp(held.text, text) == 0);
		if (held.fd >= 0)
			close(held.fd);
		heard++;
	}
	CHECK_EQ(heard, n + 2);
	end();
}

static void what_comes_and_goes_while_nobody_reads_leaves_nothing_behind(void)
{
	uint32_t n, heard = 0, number = 0;
	struct held held;
	int before;

	begin(true);
	n = fill();
	before = fds_open();
	for (int i = 0; i < 1000; i++) {
		number = add_new('x');
		REQUIRE(number != 0);
		store_reference(store, number);
		store_release(store, number);
	}
	CHECK_EQ(fds_open(), before);
	/* The order of the rest is kept, and what is behind it follows. */
	number = add_new('y');
	run(5);
	for (int i = 0; i < 2000 && (store_pending(store) || i < 2); i++) {
		while (holder_read(&holder, &held)) {
			char text[64];

			snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%c%u\nFDPOLL=0",
				 heard < n ? 'k' : 'y', heard < n ? heard + 3 : number);
			CHECK(strcmp(held.text, text) == 0);
			if (held.fd >= 0)
				close(held.fd);
			heard++;
		}
		run(2);
	}
	while (holder_read(&holder, &held)) {
		heard++;
		if (held.fd >= 0)
			close(held.fd);
	}
	CHECK_EQ(heard, n + 1);
	end();
}

static void release_one(uint32_t number)
{
	store_reference(store, number);
	store_release(store, number);
}

/* Else a death in between would leave the old descriptor under the new one's name. */
static void a_number_is_free_when_its_removal_has_left(void)
{
	struct held held;
	uint32_t number;

	begin(true);
	fill();
	release_one(5);
	number = add_new('y');
	CHECK(number > 5);
	/* What never left is forgotten at once, and the number with it. */
	release_one(number);
	CHECK_EQ(add_new('y'), number);
	for (int i = 0; i < 2000 && !drained; i++) {
		while (holder_read(&holder, &held))
			hf_fd_close(&held.fd);
		run(2);
	}
	CHECK_EQ(drained, 1);
	CHECK_EQ(add_new('z'), 5);
	end();
}

static void a_removal_that_cannot_be_told_now_is_told_later(void)
{
	struct held held;
	uint32_t hit, number;

	begin(true);
	fill();
	hf_log_set_level(0);
	faults_open();
	faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 1);
	release_one(5);
	faults_disarm(&hit);
	faults_close();
	CHECK_EQ(hit, 1);
	for (int i = 0; i < 2000 && !drained; i++) {
		while (holder_read(&holder, &held))
			hf_fd_close(&held.fd);
		run(2);
	}
	CHECK_EQ(drained, 1);
	while (holder_read(&holder, &held))
		hf_fd_close(&held.fd);
	CHECK_EQ(store_at_rest(store), -ENOMEM); /* no upgrade leaves it behind */
	number = add_new('y');
	CHECK(!holder_hears(&holder, "FDSTOREREMOVE=1\nFDNAME=k5"));
	CHECK(holder_read(&holder, &held));
	hf_fd_close(&held.fd);
	CHECK_EQ(store_at_rest(store), 0);
	CHECK_EQ(number, 5); /* free again as well */
	end();
}

/* Its removal, told later, would be that of the new one. */
static void what_is_put_in_the_place_of_another_is_told_behind_its_removal(void)
{
	struct held held = {.fd = -1};
	uint32_t hit;
	int fd = eventfd(0, EFD_CLOEXEC), error;
	bool removed = false, stored = false;

	begin(true);
	CHECK_EQ(store_put(store, STORE_DIRECTORY, 'd', fd), 0);
	fill();
	hf_log_set_level(0);
	faults_open();
	faults_arm(0, FAULT_HEAP, FAULT_ERROR, 1, 2);
	store_release(store, STORE_DIRECTORY);
	error = store_put(store, STORE_DIRECTORY, 'd', fd);
	faults_disarm(&hit);
	faults_close();
	CHECK_EQ(hit, 2);
	CHECK_EQ(error, -ENOMEM);
	CHECK_EQ(store_put(store, STORE_DIRECTORY, 'd', fd), 0);
	for (int i = 0; i < 2000 && !(removed && stored); i++) {
		while (holder_read(&holder, &held)) {
			removed = removed || !strcmp(held.text, "FDSTOREREMOVE=1\nFDNAME=d1");
			stored = removed && !strcmp(held.text, "FDSTORE=1\nFDNAME=d1\nFDPOLL=0");
			hf_fd_close(&held.fd);
		}
		run(2);
	}
	CHECK(removed && stored);
	CHECK_EQ(store_at_rest(store), 0);
	end();
	hf_fd_close(&fd);
}

/* It cannot be told any more, but may well give back what it has. */
static void a_number_that_a_lost_holder_has_is_never_free_again(void)
{
	uint32_t queued, later;

	begin(true);
	hf_log_set_level(0);
	fill();
	queued = add_new('k');
	release_one(5);
	close(holder.socket);
	holder.socket = -1;
	run(20);
	REQUIRE(store_keeps(store) == STORE_LOST);
	release_one(6);
	/* It never had this one. */
	release_one(queued);
	CHECK_EQ(add_new('y'), queued);
	later = add_new('y');
	CHECK_EQ(later, queued + 1);
	release_one(later);
	CHECK_EQ(add_new('y'), later);
	end();
}

static void waiting_for_a_holder_that_does_not_read_ends(void)
{
	struct held held;

	begin(true);
	hf_log_set_level(0);
	fill();
	store_flush(store);
	CHECK(store_pending(store));
	CHECK_EQ(drained, 0);
	/* After a second everybody goes on as if it were there; and it may still come. */
	run(1100);
	CHECK(!store_pending(store));
	CHECK_EQ(drained, 1);
	CHECK_EQ(store_keeps(store), STORE_LATE);
	CHECK(add_new('k') != 0);
	while (store_keeps(store) == STORE_LATE) {
		while (holder_read(&holder, &held))
			hf_fd_close(&held.fd);
		run(5);
	}
	CHECK_EQ(store_keeps(store), STORE_KEEPS);
	CHECK_EQ(drained, 2);
	end();
}

/* The names of all must fit into one variable: with a holder, or who else would hand them on? */
static void only_so_many_are_kept_as_can_be_named(void)
{
	struct rlimit old, wide;
	struct held held;
	uint32_t n = 0;
	int fd;

	begin(true);
	hf_log_set_level(0);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	wide = old;
	wide.rlim_cur = wide.rlim_max;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &wide) == 0);
	fd = new_file();
	/* Numbers of six digits: as many bytes as it can get. */
	while (n < 30000 && store_put(store, 100000 + n, 'k', fd) == 0) {
		n++;
		while (holder_read(&holder, &held))
			hf_fd_close(&held.fd);
	}
	printf("\n    %u names of seven letters\n    ", n);
	CHECK(n < 17000);
	CHECK_EQ(store_put(store, 5, 'k', fd), wide.rlim_cur < 17000 ? -EMFILE : -ENOSPC);
	close(fd);
	end();
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
}

static void a_holder_that_goes_is_done_without(void)
{
	uint32_t number;
	int fd;

	begin(true);
	number = add_new('k');
	close(holder.socket);
	holder.socket = -1;
	CHECK_EQ(store_keeps(store), STORE_KEEPS);
	CHECK(add_new('k') != 0);
	CHECK_EQ(store_keeps(store), STORE_LOST);
	CHECK(!store_pending(store));
	fd = store_get(store, number);
	CHECK(fd >= 0);
	close(fd);
	store_reference(store, number);
	store_release(store, number);
	store_notify(store, "READY=1");
	store_forget_all(store);
	end();
}

static void one_that_goes_while_much_waits_lets_everybody_go_on(void)
{
	begin(true);
	fill();
	close(holder.socket);
	holder.socket = -1;
	run(20);
	CHECK(!store_pending(store));
	CHECK_EQ(drained, 1);
	CHECK_EQ(store_keeps(store), STORE_LOST);
	end();
}

static void without_one_it_keeps_all_the_same(void)
{
	struct handon *handon;
	uint32_t number;
	int fd;

	begin(false);
	CHECK_EQ(store_keeps(store), STORE_NOBODY);
	number = add_new('k');
	CHECK_EQ(number, STORE_FIRST_FREE);
	CHECK(!store_pending(store));
	fd = store_get(store, number);
	CHECK(fd >= 0);
	close(fd);
	handon = handon_create();
	CHECK_EQ(store_hand_on(store, handon), 0);
	handon_destroy(handon);
	end();
}

static void an_address_that_is_none_is_like_none(void)
{
	static const char *const paths[] = {"", "relative", "@", "/", "/nonexistent/notify", NULL};
	char path[200];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		begin(false);
		store_close(store);
		setenv("NOTIFY_SOCKET", paths[i] ? paths[i] : path, 1);
		REQUIRE(store_open(loop, &store) == 0);
		CHECK_EQ(store_keeps(store), STORE_LOST);
		CHECK(add_new('k') != 0);
		end();
	}
}

/* Each call that makes it: it is done without, or there is no store. */
static void a_holder_that_cannot_be_reached_for_want_of_anything_is_done_without(void)
{
	uint32_t hit = 1, without = 0;

	for (uint32_t nth = 1; hit && nth < 100; nth++) {
		int error;

		begin(true);
		store_close(store);
		faults_open();
		faults_arm(0, FAULT_HEAP | FAULT_DESCRIPTOR | FAULT_FILE, FAULT_ERROR, nth, 1);
		error = store_open(loop, &store);
		(void)faults_disarm(&hit);
		faults_close();
		if (error) {
			CHECK(hit);
			store_close(store);
			REQUIRE(store_open(loop, &store) == 0);
			CHECK_EQ(store_keeps(store), STORE_KEEPS);
		}
		without += store_keeps(store) == STORE_LOST;
		CHECK(add_new('k') != 0);
		end();
	}
	CHECK_EQ(hit, 0);
	CHECK(without > 0);
}

static void without_descriptors_there_is_no_number_and_no_leak(void)
{
	struct rlimit old, tight;
	int fd;

	begin(true);
	fd = new_file();
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	tight = old;
	tight.rlim_cur = (rlim_t)fd + 1;
	hf_log_set_level(0);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
	CHECK_EQ(store_add(store, 'k', fd), 0);
	CHECK_EQ(store_put(store, STORE_JOURNAL, 'j', fd), -EMFILE);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	CHECK_EQ(store_add(store, 'k', fd), STORE_FIRST_FREE);
	close(fd);
	end();
}

/* --- what an earlier life left: at 3 and behind, so in a process of its own --- */

#define ENSURE(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			_exit(__LINE__ & 0xff);                                                    \
	} while (0)

static void take_over(const char *names, const char *count, bool for_us,
		      void (*judge)(struct store *of_child))
{
	struct store *of_child;
	pid_t pid = fork();
	char number[24];
	int status;

	if (pid == 0) {
		int fds[4];

		for (int i = 0; i < 4; i++)
			fds[i] = fcntl(new_file(), F_DUPFD_CLOEXEC, 20);
		for (int i = 0; i < 4; i++)
			ENSURE(dup2(fds[i], 3 + i) == 3 + i);
		snprintf(number, sizeof(number), "%d", for_us ? getpid() : getpid() + 1);
		setenv("LISTEN_PID", number, 1);
		setenv("LISTEN_FDS", count, 1);
		setenv("LISTEN_FDNAMES", names, 1);
		ENSURE(store_open(NULL, &of_child) == 0);
		judge(of_child);
		_exit(0);
	}
	REQUIRE(pid > 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}

static void judge_all(struct store *of_child)
{
	static const uint32_t numbers[] = {1, 2, 7, 12};

	ENSURE(of_child != NULL);
	ENSURE(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID") && !getenv("LISTEN_FDNAMES"));
	for (int i = 0; i < 4; i++) {
		int fd = store_get(of_child, numbers[i]);

		ENSURE(fd >= 0 && same_file(fd, 3 + i));
		ENSURE(fcntl(3 + i, F_GETFD) & FD_CLOEXEC);
	}
	ENSURE(store_get(of_child, 3) == -ENOENT);
	store_reference(of_child, 7);
	store_drop_unreferenced(of_child);
	ENSURE(store_get(of_child, 12) == -ENOENT);
	ENSURE(store_get(of_child, 7) >= 0);
	store_close(of_child);
}

static void judge_second_only(struct store *of_child)
{
	int fd = of_child ? store_get(of_child, 2) : -1;

	ENSURE(fd >= 0);
	close(fd);
	for (uint32_t i = 0; i < 100; i++)
		ENSURE(i == 2 || store_get(of_child, i) == -ENOENT);
	/* What is nobody's is closed. */
	ENSURE(fcntl(3, F_GETFD) < 0 && fcntl(5, F_GETFD) < 0 && fcntl(6, F_GETFD) < 0);
	store_close(of_child);
}

static void judge_none(struct store *of_child)
{
	ENSURE(of_child != NULL);
	for (uint32_t i = 0; i < 100; i++)
		ENSURE(store_get(of_child, i) == -ENOENT);
	ENSURE(fcntl(3, F_GETFD) >= 0);
	store_close(of_child);
}

static void an_earlier_life_s_descriptors_are_found_by_their_names(void)
{
	unsetenv("NOTIFY_SOCKET");
	take_over("d1:j2:k7:c12", "4", true, judge_all);
}

static void names_that_are_none_are_closed(void)
{
	take_over("unknown:j2:k:r2", "4", true, judge_second_only);
	take_over("k0:j2:k-1:k99999999999999", "4", true, judge_second_only);
	take_over(":j2", "4", true, judge_second_only);
}

static void what_is_meant_for_another_process_is_let_alone(void)
{
	take_over("d1:j2:k7:c12", "4", false, judge_none);
	take_over("d1:j2:k7:c12", "-3", true, judge_none);
	take_over("d1:j2:k7:c12", "many", true, judge_none);
}

static const struct sentence sentences[] = {
	SENTENCE(what_is_added_goes_to_the_holder_by_its_name),
	SENTENCE(one_open_file_has_one_number),
	SENTENCE(the_last_reference_takes_it_out),
	SENTENCE(what_nobody_references_is_dropped),
	SENTENCE(a_slow_holder_holds_up_nobody_and_misses_nothing),
	SENTENCE(what_comes_and_goes_while_nobody_reads_leaves_nothing_behind),
	SENTENCE(a_number_is_free_when_its_removal_has_left),
	SENTENCE(a_removal_that_cannot_be_told_now_is_told_later),
	SENTENCE(what_is_put_in_the_place_of_another_is_told_behind_its_removal),
	SENTENCE(a_number_that_a_lost_holder_has_is_never_free_again),
	SENTENCE(waiting_for_a_holder_that_does_not_read_ends),
	SENTENCE(only_so_many_are_kept_as_can_be_named),
	SENTENCE(a_holder_that_goes_is_done_without),
	SENTENCE(one_that_goes_while_much_waits_lets_everybody_go_on),
	SENTENCE(without_one_it_keeps_all_the_same),
	SENTENCE(an_address_that_is_none_is_like_none),
	SENTENCE(a_holder_that_cannot_be_reached_for_want_of_anything_is_done_without),
	SENTENCE(without_descriptors_there_is_no_number_and_no_leak),
	SENTENCE(an_earlier_life_s_descriptors_are_found_by_their_names),
	SENTENCE(names_that_are_none_are_closed),
	SENTENCE(what_is_meant_for_another_process_is_let_alone),
};
SUITE("store", sentences)
