// SPDX-License-Identifier: Apache-2.0
/*
 * act - do what the arguments say, in their order, and tell the truth about it.
 *
 * The live tests compare what the probes saw with what this program prints:
 * lines of "name=value". Each command takes the arguments it needs; what follows
 * is the next command. A call that fails is printed, never fatal: failing may be
 * the act. "batch FILE" does a thousand such lists, each in a child of its own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif

extern char **environ;
static char **next_word;
static volatile int stop;
static unsigned most_seconds; /* an act may take; 0: as long as it likes */

static char *word(void)
{
	if (!*next_word) {
		fprintf(stderr, "act: a word is missing\n");
		exit(64);
	}
	return *next_word++;
}

static long number(void) { return strtol(word(), NULL, 0); }

static void tell(const char *what, long ret)
{
	printf("%s=%ld\n", what, ret < 0 ? (long)-errno : ret);
	fflush(stdout);
}

static int is(const char *command, const char *name) { return !strcmp(command, name); }

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	tell("put", fd < 0 ? -1 : write(fd, text, strlen(text)));
	close(fd);
}

static void tell_file(const char *name, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return;
	printf("inode=%lu\nfile_flags=%d\n", (unsigned long)st.st_ino, fcntl(fd, F_GETFL));
	(void)name;
	fflush(stdout);
}

/* What only the process itself knows; the rest is in /proc while it waits. */
static void truth(void)
{
	static const char *const spaces[] = {"mnt", "pid", "net", "user"};
	char path[64], link[64];
	uid_t uids[3];
	gid_t gids[3];

	getresuid(&uids[0], &uids[1], &uids[2]);
	getresgid(&gids[0], &gids[1], &gids[2]);
	printf("pid=%d\ntid=%ld\nppid=%d\nsid=%d\n", getpid(), syscall(SYS_gettid), getppid(), getsid(0));
	printf("uid=%u\neuid=%u\ngid=%u\negid=%u\n", uids[0], uids[1], gids[0], gids[1]);
	for (unsigned i = 0; i < 4; i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", spaces[i]);
		n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = 0;
		printf("ns_%s=%s\n", spaces[i], link);
	}
	fflush(stdout);
}

static void new_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	grantpt(master);
	unlockpt(master);
	setsid();
	int slave = open(ptsname(master), O_RDWR);

	ioctl(slave, TIOCSCTTY, 0);
	struct stat st;
	fstat(slave, &st);
	printf("tty=%u:%u\n", (unsigned)(st.st_rdev >> 8 & 0xfff), (unsigned)(st.st_rdev & 0xff));
	fflush(stdout);
}

struct hidden {
	pid_t tid;
	const char *path;
	struct open_how *how;
	long after;
};

/* Waits until the other thread hangs in openat2 of a FIFO, its flags read; changes them; and lets it go by opening the other end. */
static void *hide(void *argument)
{
	struct hidden *hidden = argument;
	char path[64], at[16] = "";

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", hidden->tid);
	while (strtol(at, NULL, 10) != SYS_openat2) { /* "running" until it hangs */
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, at, sizeof(at) - 1);

		at[n < 0 ? 0 : n] = 0;
		close(fd);
	}
	if (hidden->after < 0)
		munmap(hidden->how, 4096);
	else
		hidden->how->flags = hidden->after;
	open(hidden->path, O_RDONLY | O_NONBLOCK);
	return NULL;
}

/* The rest of the words in a child; this process ends as the child does. */
static void go_on_in_child(void)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (!child) {
		alarm(most_seconds); /* is not inherited */
		return;
	}
	waitpid(child, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void commands(void);

static void *rest(void *unused)
{
	(void)unused;
	commands();
	exit(0);
}

static void *last_thread(void *unused)
{
	(void)unused;
	/* until the leader is a zombie: its state stands behind its name */
	for (;;) {
		char text[512] = "";
		int fd = open("/proc/self/stat", O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		if (n > 0 && strstr(text, ") Z"))
			break;
		sched_yield();
	}
	commands();
	syscall(SYS_exit, 0);
	return NULL;
}

/* Rewrite the path between two names as fast as it goes. */
static char shared_path[4096];
static char other_name[2][4096];

static void *rewrite(void *unused)
{
	unsigned i = 0;

	(void)unused;
	while (!stop)
		memcpy(shared_path, other_name[i++ & 1], sizeof(shared_path) / 16);
	return NULL;
}

static void race(void)
{
	long rounds = number();
	pthread_t thread;
	struct stat a, b, st;
	long of[2] = {0, 0};

	strcpy(other_name[0], word());
	strcpy(other_name[1], word());
	strcpy(shared_path, other_name[0]);
	stat(other_name[0], &a);
	stat(other_name[1], &b);
	pthread_create(&thread, NULL, rewrite, NULL);
	for (long i = 0; i < rounds; i++) {
		int fd = open(shared_path, O_RDONLY);

		if (fd < 0)
			continue;
		fstat(fd, &st);
		of[st.st_ino == b.st_ino] += 1;
		close(fd);
		usleep(300); /* the buffers are to be emptied in time */
	}
	stop = 1;
	pthread_join(thread, NULL);
	printf("first=%ld\nsecond=%ld\n", of[0], of[1]);
	fflush(stdout);
}

static int memory_file(const char *from)
{
	int fd = syscall(SYS_memfd_create, "from-memory", 0), in = open(from, O_RDONLY);
	char block[65536];
	ssize_t n;

	while ((n = read(in, block, sizeof(block))) > 0)
		if (write(fd, block, n) != n)
			break;
	close(in);
	return fd;
}

static socklen_t address_of(struct sockaddr_storage *to)
{
	char *kind = word();

	memset(to, 0, sizeof(*to));
	if (is(kind, "4")) {
		struct sockaddr_in *in = (void *)to;

		in->sin_family = AF_INET;
		inet_pton(AF_INET, word(), &in->sin_addr);
		in->sin_port = htons(number());
		return sizeof(*in);
	}
	if (is(kind, "6")) {
		struct sockaddr_in6 *in = (void *)to;

		in->sin6_family = AF_INET6;
		inet_pton(AF_INET6, word(), &in->sin6_addr);
		in->sin6_port = htons(number());
		return sizeof(*in);
	}
	struct sockaddr_un *un = (void *)to;
	char *path = word();

	un->sun_family = AF_UNIX;
	if (is(kind, "abstract")) {
		memcpy(un->sun_path + 1, path, strlen(path));
		return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(path);
	}
	strcpy(un->sun_path, path);
	return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}

static void tell_socket(int fd)
{
	struct sockaddr_storage own;
	socklen_t bytes = sizeof(own);
	char text[64] = "";

	printf("fd=%d\n", fd);
	if (!getsockname(fd, (void *)&own, &bytes)) {
		if (own.ss_family == AF_INET) {
			struct sockaddr_in *in = (void *)&own;

			printf("own=%s\nown_port=%d\n", inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)), ntohs(in->sin_port));
		} else if (own.ss_family == AF_INET6) {
			struct sockaddr_in6 *in = (void *)&own;

			printf("own=%s\nown_port=%d\n", inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof(text)), ntohs(in->sin6_port));
		}
	}
	fflush(stdout);
}

static void on_alarm(int unused)
{
	static const char told[] = "ready=alarm\n";

	(void)unused;
	if (write(1, told, sizeof(told) - 1) < 0)
		_exit(70);
}

/* connect KIND(tcp, udp, stream) FLAGS ADDRESS: the address may be put at the end of a page, with nothing behind it */
static void connect_to(int at_the_end)
{
	char *kind = word();
	long flags = number();
	struct sockaddr_storage to;
	socklen_t bytes = address_of(&to);
	void *from = &to;
	int fd, ret;

	fd = socket(to.ss_family, (is(kind, "udp") ? SOCK_DGRAM : SOCK_STREAM) | flags, 0);
	if (at_the_end) {
		char *page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		munmap(page + 4096, 4096);
		from = memcpy(page + 4096 - bytes, &to, bytes);
	}
	ret = connect(fd, from, bytes);
	tell("connect", ret);
	tell_socket(fd);
}

static volatile int next_fd;

static void *close_at_once(void *unused)
{
	(void)unused;
	while (!stop)
		close(next_fd);
	return NULL;
}

/* COUNT PATH: opens whose descriptor another thread closes as soon as it is there, which may be before the call's end */
static void opens_closed(void)
{
	long count = number(), done = 0;
	char *path = word();
	pthread_t thread;

	next_fd = dup(0);
	close(next_fd);
	stop = 0;
	pthread_create(&thread, NULL, close_at_once, NULL);
	for (long i = 0; i < count; i++) {
		done += open(path, O_RDONLY) >= 0;
		close(next_fd);
	}
	stop = 1;
	pthread_join(thread, NULL);
	tell("opens", done);
}

static struct sockaddr_in full; /* a listener that takes nobody any more */

static void *hang(void *unused)
{
	(void)unused;
	connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&full, sizeof(full));
	return NULL;
}

/* PORT THREADS: each thread hangs in a connect to 127.0.0.1:PORT, whose SYN nobody answers */
static void hanging(void)
{
	pthread_attr_t small;

	full = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(number()), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	long threads = number();
	struct rlimit files = {.rlim_cur = threads + 100, .rlim_max = threads + 100};

	tell("setrlimit", setrlimit(RLIMIT_NOFILE, &files));
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (long at = 0; at < threads; at++) {
		pthread_t thread;

		if (pthread_create(&thread, &small, hang, NULL)) {
			perror("act: thread");
			exit(70);
		}
	}
	pause();
}

/* A network namespace of our own, in which 10.0.0.0/8 is this machine, and so is loopback. */
static void own_network(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING}, address = {.ifr_name = "lo:0"};
	struct sockaddr_in *in = (void *)&address.ifr_addr;
	int fd;

	if (unshare(CLONE_NEWNET))
		exit(66); /* nothing of what follows may leave the machine */
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ioctl(fd, SIOCSIFFLAGS, &lo);
	in->sin_family = AF_INET;
	inet_pton(AF_INET, "10.0.0.1", &in->sin_addr);
	ioctl(fd, SIOCSIFADDR, &address); /* of class A, so with a mask of 8 bits */
	close(fd);
}

/* What was asked for is gone when the call ends: it waits for the other end of a pipe. */
static char *unmapped_soon;

static void *unmap_and_open(void *path)
{
	char text[512] = "";

	do { /* until the other thread sleeps in its call, which has read the path by then */
		int fd = open("/proc/self/stat", O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		if (n < 0)
			break;
		sched_yield();
	} while (!strstr(text, ") S"));
	munmap(unmapped_soon, 4096);
	close(open(path, O_WRONLY));
	return NULL;
}

static void open_unmapped(void)
{
	char *path = word();
	pthread_t thread;

	unmapped_soon = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	strcpy(unmapped_soon, path);
	pthread_create(&thread, NULL, unmap_and_open, path);
	tell("open", syscall(SYS_openat, AT_FDCWD, unmapped_soon, O_RDONLY, 0));
	pthread_join(thread, NULL);
}

static void commands(void);

/* FILE: for each act the number of its words and the words, each ended by a NUL; tells the children's process ids. */
static void batch(const char *path)
{
	int file = open(path, O_RDONLY), nothing = open("/dev/null", O_WRONLY);
	char *text, *at, *end;
	struct stat st;

	if (file < 0 || fstat(file, &st) || !(text = malloc(st.st_size)) || read(file, text, st.st_size) != st.st_size)
		exit(65);
	close(file);
	end = text + st.st_size;
	printf("children=");
	for (at = text; at < end;) {
		long count = strtol(at, NULL, 10);
		char **words = calloc(count + 1, sizeof(char *));
		pid_t child;

		at += strlen(at) + 1;
		for (long i = 0; i < count; i++, at += strlen(at) + 1)
			words[i] = at;
		fflush(stdout);
		child = fork();
		if (!child) {
			most_seconds = 10; /* an act that hangs is no act */
			alarm(most_seconds);
			dup2(nothing, 1);
			next_word = words;
			commands();
			exit(0);
		}
		int status = 0;

		waitpid(child, &status, 0);
		printf("%d:%d ", child, WIFEXITED(status) ? 0 : WTERMSIG(status));
		free(words);
	}
	printf("\n");
	fflush(stdout);
}

static void commands(void)
{
	char *command;

	while (*next_word) {
		command = word();
		if (is(command, "comm")) {
			prctl(PR_SET_NAME, word());
		} else if (is(command, "uid")) {
			long r = number(), e = number(), s = number();

			tell("setresuid", syscall(SYS_setresuid, r, e, s));
			prctl(PR_SET_DUMPABLE, 1); /* so that /proc still shows it to itself */
		} else if (is(command, "gid")) {
			long r = number(), e = number(), s = number();

			tell("setresgid", syscall(SYS_setresgid, r, e, s));
		} else if (is(command, "unshare")) {
			tell("unshare", unshare(number()));
		} else if (is(command, "private")) {
			tell("private", mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
		} else if (is(command, "fork")) {
			go_on_in_child();
		} else if (is(command, "thread")) {
			pthread_t thread;

			pthread_create(&thread, NULL, rest, NULL);
			pause();
		} else if (is(command, "leader-exits")) { /* CODE: the other thread goes on alone */
			pthread_t thread;
			long code = number();

			pthread_create(&thread, NULL, last_thread, NULL);
			syscall(SYS_exit, code);
		} else if (is(command, "setsid")) {
			tell("setsid", setsid());
		} else if (is(command, "terminal")) {
			new_terminal();
		} else if (is(command, "chroot")) {
			tell("chroot", chroot(word()));
		} else if (is(command, "cd")) {
			tell("cd", chdir(word()));
		} else if (is(command, "put")) {
			char *path = word();

			put(path, word());
		} else if (is(command, "bind")) {
			char *from = word();

			tell("bind", mount(from, word(), NULL, MS_BIND, NULL));
		} else if (is(command, "truth")) {
			truth();
		} else if (is(command, "wait")) {
			char byte;

			printf("ready=%d\n", getpid());
			fflush(stdout);
			if (read(0, &byte, 1) < 0)
				exit(65);
		} else if (is(command, "open")) {
			char *path = word();
			long flags = number();
			int fd = syscall(SYS_openat, AT_FDCWD, path, flags, (mode_t)number());

			tell("open", fd);
			tell_file(path, fd);
		} else if (is(command, "oldopen")) {
#ifdef SYS_open
			char *path = word();
			long flags = number();
			int fd = syscall(SYS_open, path, flags, (mode_t)number());

			tell("open", fd);
			tell_file(path, fd);
#endif
		} else if (is(command, "creat")) {
#ifdef SYS_creat
			char *path = word();
			int fd = syscall(SYS_creat, path, (mode_t)number());

			tell("open", fd);
			tell_file(path, fd);
#endif
		} else if (is(command, "openat2")) {
			char *path = word();
			struct open_how how = {.flags = number()};
			int fd;

			how.mode = number();
			fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
			tell("open", fd);
			tell_file(path, fd);
		} else if (is(command, "openat2-hidden")) { /* FIFO FLAGS MODE AFTER: while it waits, the flags in memory become AFTER, or go (-1) */
			struct hidden hidden = {.tid = syscall(SYS_gettid), .path = word()};
			struct open_how *how = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
			pthread_t thread;

			how->flags = number();
			how->mode = number();
			hidden.how = how;
			hidden.after = number();
			pthread_create(&thread, NULL, hide, &hidden);
			tell("open", syscall(SYS_openat2, AT_FDCWD, hidden.path, how, sizeof(*how)));
			pthread_join(thread, NULL);
		} else if (is(command, "below")) { /* DIRECTORY PATH FLAGS MODE: openat() with a descriptor */
			char *directory = word(), *path = word();
			int dirfd = open(directory, O_PATH | O_DIRECTORY), fd;
			long flags = number();

			printf("dirfd=%d\n", dirfd);
			fd = syscall(SYS_openat, dirfd, path, flags, (mode_t)number());
			tell("open", fd);
			tell_file(path, fd);
		} else if (is(command, "open-below")) { /* DIRFD PATH FLAGS MODE: a number that need not be a descriptor */
			long dirfd = number();
			char *path = word();
			long flags = number();

			tell("open", syscall(SYS_openat, (int)dirfd, path, flags, (mode_t)number()));
		} else if (is(command, "resolve")) { /* PATH FLAGS RESOLVE: openat2() with bits of RESOLVE_* */
			char *path = word();
			struct open_how how = {.flags = number()};

			how.resolve = number();
			tell("open", syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)));
		} else if (is(command, "open-unmapped")) { /* PIPE */
			open_unmapped();
		} else if (is(command, "limit-files")) { /* COUNT: descriptors that may be open */
			struct rlimit limit = {.rlim_cur = number(), .rlim_max = 4096};

			tell("limit", setrlimit(RLIMIT_NOFILE, &limit));
		} else if (is(command, "tmpfs")) {
			tell("tmpfs", mount("none", word(), "tmpfs", 0, "size=64k"));
		} else if (is(command, "mkdir")) {
			tell("mkdir", mkdir(word(), 0755));
		} else if (is(command, "link")) { /* FILE NAME: a second name */
			char *file = word();

			tell("link", link(file, word()));
		} else if (is(command, "pivot")) { /* DIRECTORY: becomes the root of this mount namespace */
			char *root = word();

			tell("pivot", mount(root, root, NULL, MS_BIND | MS_REC, NULL) || chdir(root) || syscall(SYS_pivot_root, ".", ".") ||
					      umount2(".", MNT_DETACH) ? -1 : chdir("/"));
		} else if (is(command, "open-nowhere")) {
			tell("open", syscall(SYS_openat, AT_FDCWD, (void *)8, O_RDONLY, 0));
		} else if (is(command, "reopen")) { /* FLAGS: the descriptor opened last, anew through /proc */
			char path[64];
			int fd = dup(0);

			close(fd);
			snprintf(path, sizeof(path), "/proc/self/fd/%d", fd - 1);
			fd = open(path, number());
			tell("open", fd);
			tell_file(path, fd);
		} else if (is(command, "unlink")) {
			tell("unlink", unlink(word()));
		} else if (is(command, "memfd")) {
			char path[64];
			int fd = syscall(SYS_memfd_create, word(), 0);

			snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
			fd = open(path, O_RDONLY);
			tell("open", fd);
			tell_file(path, fd);
		} else if (is(command, "pipe")) {
			char path[64];
			int fds[2], fd;

			if (pipe(fds))
				exit(65);
			snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
			fd = open(path, O_RDONLY | O_NONBLOCK);
			tell("open", fd);
			tell_file(path, fd);
		} else if (is(command, "detached")) { /* DIRECTORY NAME: a file on a mount that is attached nowhere */
			int tree = syscall(428 /* open_tree */, AT_FDCWD, word(), 1 /* OPEN_TREE_CLONE */), fd;
			char *name = word();

			tell("open_tree", tree);
			fd = syscall(SYS_openat, tree, name, O_RDONLY, 0);
			tell("open", fd);
			tell_file(name, fd);
		} else if (is(command, "race")) {
			race();
		} else if (is(command, "opens")) { /* COUNT PATH */
			long count = number(), done = 0;
			char *path = word();

			for (long i = 0; i < count; i++) {
				int fd = open(path, O_RDONLY);

				done += fd >= 0;
				close(fd);
			}
			tell("opens", done);
		} else if (is(command, "opens-closed")) {
			opens_closed();
		} else if (is(command, "opens-until")) { /* PATH MICROSECONDS: with that much rest in between, until a byte comes on standard input */
			char *path = word(), byte;
			long done = 0, rest_us = number();

			fcntl(0, F_SETFL, O_NONBLOCK);
			while (read(0, &byte, 1) < 0) {
				int fd = open(path, O_RDONLY);

				done += fd >= 0;
				close(fd);
				usleep(rest_us);
			}
			tell("opens", done);
		} else if (is(command, "exec")) { /* PATH ARGUMENT… */
			char *path = word();

			fflush(stdout);
			execve(path, next_word, environ);
			tell("exec", -1);
			return;
		} else if (is(command, "tryexec")) { /* PATH: expected to fail */
			char *path = word(), *argv[] = {path, NULL};

			execve(path, argv, environ);
			tell("exec", -1);
		} else if (is(command, "tryexec-nowhere")) {
			char *argv[] = {"nowhere", NULL};

			tell("exec", syscall(SYS_execve, (void *)8, argv, environ));
		} else if (is(command, "execfd")) { /* PATH ARGUMENT…: by descriptor */
			int fd = open(word(), O_PATH);

			printf("exec_fd=%d\n", fd);
			fflush(stdout);
			syscall(SYS_execveat, fd, "", next_word, environ, AT_EMPTY_PATH);
			tell("exec", -1);
			return;
		} else if (is(command, "execmem")) { /* PATH ARGUMENT…: a copy in memory */
			int fd = memory_file(word());

			printf("exec_fd=%d\n", fd);
			fflush(stdout);
			syscall(SYS_execveat, fd, "", next_word, environ, AT_EMPTY_PATH);
			tell("exec", -1);
			return;
		} else if (is(command, "exec-unlinked")) { /* PATH ARGUMENT…: by descriptor, its name gone */
			char *path = word();
			int fd = open(path, O_PATH);

			unlink(path);
			fflush(stdout);
			syscall(SYS_execveat, fd, "", next_word, environ, AT_EMPTY_PATH);
			tell("exec", -1);
			return;
		} else if (is(command, "exec-empty")) { /* PATH: no arguments at all */
			char *argv[] = {NULL};

			fflush(stdout);
			execve(word(), argv, environ);
			tell("exec", -1);
			return;
		} else if (is(command, "exec-long")) { /* PATH COUNT: "ignore" and COUNT bytes of "x" */
			char *path = word(), **argv = calloc(16, sizeof(char *));
			long count = number();

			argv[0] = path;
			argv[1] = "ignore";
			argv[2] = calloc(1, count + 1);
			memset(argv[2], 'x', count);
			fflush(stdout);
			execve(path, argv, environ);
			tell("exec", -1);
			return;
		} else if (is(command, "hang")) {
			hanging();
		} else if (is(command, "connect")) {
			connect_to(0);
		} else if (is(command, "connect-nowhere")) {
			tell("connect", syscall(SYS_connect, socket(AF_INET, SOCK_STREAM, 0), (void *)8, 16));
		} else if (is(command, "connect-short")) { /* BYTES ADDRESS: of which the call is told so many bytes */
			struct sockaddr_storage to;
			long bytes = number();

			address_of(&to);
			tell("connect", connect(socket(to.ss_family, SOCK_STREAM, 0), (void *)&to, bytes));
		} else if (is(command, "connect-other")) { /* FAMILY of the address, to a datagram socket */
			struct sockaddr_storage to = {.ss_family = number()};

			tell("connect", connect(socket(AF_INET, SOCK_DGRAM, 0), (void *)&to, 16));
		} else if (is(command, "connect-descriptor")) { /* NUMBER ADDRESS */
			struct sockaddr_storage to;
			long fd = number();

			tell("connect", connect(fd, (void *)&to, address_of(&to)));
		} else if (is(command, "network")) {
			own_network();
		} else if (is(command, "connect-at-page-end")) {
			connect_to(1);
		} else if (is(command, "interrupted")) { /* MILLISECONDS RESTART: the calls that follow meet one signal, and it says `ready` */
			long ms = number();
			struct sigaction action = {.sa_handler = on_alarm, .sa_flags = number() ? SA_RESTART : 0};
			struct itimerval when = {.it_value = {.tv_usec = ms * 1000}};

			sigaction(SIGALRM, &action, NULL);
			setitimer(ITIMER_REAL, &when, NULL);
		} else if (is(command, "fastopen")) {
			struct sockaddr_storage to;
			socklen_t bytes = address_of(&to);
			int fd = socket(to.ss_family, SOCK_STREAM, 0);

			tell("sendto", sendto(fd, "x", 1, MSG_FASTOPEN, (void *)&to, bytes));
			tell_socket(fd);
		} else if (is(command, "listen")) { /* ADDRESS: listens until it ends */
			struct sockaddr_storage to;
			socklen_t bytes = address_of(&to);
			int fd = socket(to.ss_family, SOCK_STREAM, 0), one = 1;

			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
			setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &(int){16}, sizeof(int));
			tell("listen", bind(fd, (void *)&to, bytes) || listen(fd, 16) ? -1 : 0);
		} else if (is(command, "batch")) {
			batch(word());
		} else if (is(command, "kill")) {
			fflush(stdout);
			kill(getpid(), number());
		} else if (is(command, "ignore")) { /* what follows is there to be seen */
			return;
		} else if (is(command, "exit")) {
			fflush(stdout);
			exit(number());
		} else {
			fprintf(stderr, "act: no command %s\n", command);
			exit(64);
		}
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	next_word = argv + 1;
	commands();
	return 0;
}
