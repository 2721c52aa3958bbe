// SPDX-License-Identifier: GPL-2.0-only
/*
 * exit - a process that the agent has heard of ended.
 *
 * Event     EXIT; sensor/events/kinds/exit.py lists the fields and their units.
 * Hook      tracepoint sched_process_exit, once per thread; the last one counts.
 * Trust     kernel values only.
 * Kernels   every row of kernels/matrix.yaml.
 * Cost      two look-ups per thread that ends; a short frame for processes that
 *           were in a frame before, nothing for others.
 * Blind to  nothing: a process cannot end without it.
 */
#define SIGNAL_GROUP_EXIT 4 /* include/linux/sched/signal.h */

int on_exit(void *ctx)
{
	u32 tgid = own_tgid();
	u64 thread = bpf_get_current_pid_tgid();
	void *task, *signal;
	struct scratch *s;

	if (some_pending()) /* a thread killed in connect leaves no end of it */
		forget_pending(&thread);
	if (!tracked.lookup(&tgid))
		return 0;
	task = current_task();
	signal = pointer_at(task, OFF_task_struct__signal);
	if (u32_at(signal, OFF_signal_struct__live)) /* other threads still run; do_exit() has taken this one off */
		return 0;
	tracked.delete(&tgid);
	s = scratch_of(FLOW_EXIT);
	if (!s)
		return 0;
	if (s->busy) {
		count_loss(LOSS_SCRATCH_BUSY);
		return 0;
	}
	s->busy = thread | OWNED;
	__builtin_memset(&s->frame, 0, TAILS_AT);
	s->tail_bytes = 0;
	s->frame.common.kind = EVENT_EXIT;
	s->frame.common.lane = LANE_COMMON;
	s->frame.common.flags = FRAME_BOOKKEEPING;
	s->frame.common.ts_ns = bpf_ktime_get_ns();
	put_ids(&s->frame.common, task);
	put_credentials(&s->frame.common, task);
	s->frame.common.cgroup_id = node_id(cgroup_node());
	/* as wait(2) has it: everybody's code, or the leader's when each thread ended by itself (before 5.17; then the last one's is everybody's) */
	if (u32_at(signal, OFF_signal_struct__flags) & SIGNAL_GROUP_EXIT)
		s->frame.exit.fields.exit_code = u32_at(signal, OFF_signal_struct__group_exit_code);
	else
		s->frame.exit.fields.exit_code = u32_at(leader_of(task), OFF_task_struct__exit_code);
	return send(ctx, s);
}
