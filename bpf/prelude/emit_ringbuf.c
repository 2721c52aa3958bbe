// SPDX-License-Identifier: GPL-2.0-only
/* Two lanes as two ring buffers (5.8): a flood on the common one cannot take the room of the reserved one. */
BPF_RINGBUF_OUTPUT(common_lane, COMMON_PAGES);
BPF_RINGBUF_OUTPUT(reserved_lane, RESERVED_PAGES);

static __always_inline int emit(void *ctx, void *frame, u32 bytes, u32 lane)
{
	if (lane == LANE_RESERVED)
		return reserved_lane.ringbuf_output(frame, bytes, 0);
	return common_lane.ringbuf_output(frame, bytes, 0);
}
