// SPDX-License-Identifier: Apache-2.0
/*
 * The acts whose cost is measured, as fast as they go or at a pace.
 *
 *   workloads [-n COUNT] [-p PROCESSES] [-r PER_SECOND] [-w] [-m] NAME [PATH…]
 *
 *   open     openat and close, over each PATH in turn
 *   connect  a socket, a connect to a loopback port that nobody listens on, a close
 *   fork     fork, execve of /bin/true, wait
 *   null     getppid
 *
 * -n is per process; process i is pinned to the i-th CPU that this one may use,
 * so that two sensors meet the same placement. -r is per process. -w opens for
 * writing and creating, -m takes paths that are missing.
 *
 * Prints a line of JSON: nanoseconds per act, by the wall and by the processes'
 * own times. Anything unexpected (a port that answers, a file that is gone) is
 * an error: a workload that does something else measures something else.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLOSED_PORT 9 /* discard: no service of our time */
#define BURST 50      /* acts between two looks at the clock: a look at each would be a tenth of the load */

static long count = 1000, per_second, path_count;
static int open_flags = O_RDONLY, may_be_missing;
static char **paths;

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	_exit(3);
}

/* Wait until act *done* is due; behind its time, it goes at once. */
static void keep_pace(long done, double started_ns)
{
	double ahead_ns;

	if (!per_second || done % BURST)
		return;
	ahead_ns = started_ns + done * 1e9 / per_second - now_ns();
	if (ahead_ns > 0) {
		struct timespec pause = { (time_t)(ahead_ns / 1e9), (long)ahead_ns % 1000000000 };

		nanosleep(&pause, NULL);
	}
}

/* By number, so that no library turns one call into another. */
static void act_open(long i)
{
	const char *path = paths[i % path_count];
	int fd = syscall(SYS_openat, AT_FDCWD, path, open_flags, 0600);

	if (fd >= 0)
		syscall(SYS_close, fd);
	else if (!may_be_missing)
		fail(path);
}

static void act_connect(long i)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(CLOSED_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)i;
	if (fd < 0)
		fail("socket");
	if (connect(fd, (struct sockaddr *)&peer, sizeof(peer)) == 0 || errno != ECONNREFUSED)
		fail("a connect that should be refused");
	close(fd);
}

static void act_fork(long i)
{
	char *arguments[] = { "/bin/true", NULL }, *environment[] = { NULL };
	pid_t child = fork();
	int status;

	(void)i;
	if (child < 0)
		fail("fork");
	if (!child) {
		execve(arguments[0], arguments, environment);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child || status)
		fail("/bin/true");
}

static void act_null(long i)
{
	(void)i;
	syscall(SYS_getppid);
}

static const struct workload {
	const char *name;
	void (*act)(long);
} workloads[] = { { "open", act_open }, { "connect", act_connect }, { "fork", act_fork }, { "null", act_null }, { NULL, NULL } };

static void pin(int place)
{
	cpu_set_t allowed, one;
	int cpu, seen = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	place %= CPU_COUNT(&allowed);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && seen++ == place)
			break;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void work(const struct workload *workload, int place)
{
	double started_ns;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever ends the parent ends the load */
	pin(place);
	started_ns = now_ns();
	for (long i = 0; i < count; i++) {
		keep_pace(i, started_ns);
		workload->act(i);
	}
	_exit(0);
}

static double ns_of(struct timeval time)
{
	return time.tv_sec * 1e9 + time.tv_usec * 1e3;
}

int main(int argc, char **argv)
{
	int option, status, failed = 0, processes = 1;
	const struct workload *workload = workloads;
	struct rusage used;
	double started_ns;

	while ((option = getopt(argc, argv, "n:p:r:wm")) != -1) {
		if (option == 'n')
			count = atol(optarg);
		else if (option == 'p')
			processes = atoi(optarg);
		else if (option == 'r')
			per_second = atol(optarg);
		else if (option == 'w')
			open_flags = O_WRONLY | O_CREAT;
		else if (option == 'm')
			may_be_missing = 1;
		else
			return 2;
	}
	while (optind < argc && workload->name && strcmp(workload->name, argv[optind]))
		workload++;
	paths = argv + optind + 1;
	path_count = argc - optind - 1;
	if (optind >= argc || !workload->name || (workload->act == act_open && path_count < 1) || count < 1 || processes < 1) {
		fputs("usage: workloads [-n COUNT] [-p PROCESSES] [-r PER_SECOND] [-w] [-m] open|connect|fork|null [PATH…]\n", stderr);
		return 2;
	}
	started_ns = now_ns();
	for (int i = 0; i < processes; i++) {
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (!child)
			work(workload, i);
	}
	for (int i = 0; i < processes; i++) {
		wait(&status);
		failed |= status;
	}
	if (failed)
		return 1;
	getrusage(RUSAGE_CHILDREN, &used);
	printf("{\"wall_ns\": %.2f, \"user_ns\": %.2f, \"system_ns\": %.2f}\n", (now_ns() - started_ns) / count,
	       ns_of(used.ru_utime) / count / processes, ns_of(used.ru_stime) / count / processes);
	return 0;
}
