// SPDX-License-Identifier: GPL-2.0-only
/* Limits of the kernel side, each with its reason. Lengths that a frame shows are in gen_events.h. */
#pragma once

#define NAME_MASK 255	      /* NAME_MAX is 255: no file system of Linux has longer names */
#define BACK_ROOM (2 * PATH_BYTES + 8) /* a path grows from PATH_BYTES down; a bounded access may begin anywhere below */
#define WALK_ROUNDS 4	      /* calls one walk may take: 40 names on old kernels, 128 since 5.3; deeper is cut */
#define ANCESTOR_MASK 7	      /* MAX_ANCESTORS - 1 */
#define PENDING_MAX 4096      /* connects between SYN and the call's end; one per thread */
#define WORKLOADS_MAX 16384   /* cgroups told by the agent; 250 pods have about 1,000 */
#define BUCKETS_MAX 4096      /* two for a workload, one a lane; the longest unused gives its place away, and comes back full */
#define TRACKED_MAX 8192      /* processes whose end the agent wants to hear of; the oldest are forgotten */
#define COMMON_PAGES 256      /* 1 MiB: about 1,000 long frames, one burst */
#define RESERVED_PAGES 128    /* 512 KiB that no common frame can take */
#define NS_PER_S 1000000000ull
