// SPDX-License-Identifier: Apache-2.0
/*
 * One act that every sensor knows, marked so that its line can be found again:
 *
 *   act MARK    reads /etc/shadow, with MARK as name and in the command line
 *
 * Prints the real-time clock in nanoseconds, read just before the act.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec before;
	int fd;

	if (argc != 2)
		return 2;
	prctl(PR_SET_NAME, argv[1]);
	clock_gettime(CLOCK_REALTIME, &before);
	fd = open("/etc/shadow", O_RDONLY);
	if (fd < 0) {
		perror("/etc/shadow");
		return 1;
	}
	close(fd);
	printf("%lld%09ld\n", (long long)before.tv_sec, before.tv_nsec);
	return 0;
}
