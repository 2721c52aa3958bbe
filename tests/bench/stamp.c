// SPDX-License-Identifier: Apache-2.0
/*
 * Copies standard input to standard output and puts the real-time clock, in
 * nanoseconds, before each line: the moment at which the line's first bytes
 * could be read. Outside the sensor, so that all sensors are timed alike.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536
#define STAMP 21 /* 19 digits until the year 2286, a blank, a NUL */

int main(void)
{
	static char in[CHUNK], out[CHUNK * (STAMP + 1)];
	int at_line_start = 1;

	for (;;) {
		ssize_t have = read(0, in, sizeof(in));
		char stamp[STAMP + 20];
		struct timespec now;
		size_t filled = 0;
		int digits;

		if (have <= 0)
			return have < 0;
		clock_gettime(CLOCK_REALTIME, &now);
		digits = snprintf(stamp, sizeof(stamp), "%lld%09ld ", (long long)now.tv_sec, now.tv_nsec);
		for (ssize_t i = 0; i < have; i++) {
			if (at_line_start) {
				memcpy(out + filled, stamp, digits);
				filled += digits;
			}
			out[filled++] = in[i];
			at_line_start = in[i] == '\n';
		}
		for (size_t done = 0; done < filled;) {
			ssize_t written = write(1, out + done, filled - done);

			if (written < 0)
				return 1;
			done += written;
		}
	}
}
