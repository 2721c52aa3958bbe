// SPDX-License-Identifier: GPL-2.0-only
/* Two lanes as two sets of per-CPU perf buffers, for kernels before 5.8. */
BPF_PERF_OUTPUT(common_lane);
BPF_PERF_OUTPUT(reserved_lane);

static __always_inline int emit(void *ctx, void *frame, u32 bytes, u32 lane)
{
	if (lane == LANE_RESERVED)
		return reserved_lane.perf_submit(ctx, frame, bytes);
	return common_lane.perf_submit(ctx, frame, bytes);
}
