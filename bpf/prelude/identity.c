// SPDX-License-Identifier: GPL-2.0-only
/* Who acted: ids, credentials, terminal, namespaces, ancestors, the cgroup's path, the arguments; and the sending. */
static __always_inline void put_ids(struct frame_common *common, void *task)
{
	void *leader = leader_of(task);
	void *parent = leader_of(pointer_at(leader, OFF_task_struct__real_parent));
	void *signal = pointer_at(task, OFF_task_struct__signal);
	void *group = group_of(leader), *pid;
	u64 pid_tgid = bpf_get_current_pid_tgid();
	u32 level;

	common->tgid = pid_tgid >> 32;
	common->tid = pid_tgid;
	common->ppid = u32_at(parent, OFF_task_struct__tgid);
	common->start_ns = u64_at(leader, OFF_task_struct__start_boottime);
	read_kernel_str(common->comm, COMM_BYTES, leader + OFF_task_struct__comm);
	read_kernel_str(common->pcomm, COMM_BYTES, parent + OFF_task_struct__comm);
#ifdef OFF_signal_struct__pids
	pid = pointer_at(leader, OFF_task_struct__thread_pid);
#else
	pid = pointer_at(leader, OFF_task_struct__pids + PID_LINK_PID);
#endif
	common->sid = pid_number(session_of(leader));
	common->pgid = pid_number(group);
	level = BOUND(u32_at(pid, OFF_pid__level), 31); /* MAX_PID_NS_LEVEL is 32 */
	common->ns_tgid = u32_at(pid, OFF_pid__numbers + level * UPID_BYTES);
	if (BOUND(u32_at(group, OFF_pid__level), 31) >= level) /* a group from outside has no number in the process's own namespace */
		common->ns_pgid = u32_at(group, OFF_pid__numbers + level * UPID_BYTES);
	common->pid_ns = u32_at(pointer_at(pid, OFF_pid__numbers + level * UPID_BYTES + UPID_NS), OFF_pid_namespace__ns__inum);
	common->tty_dev = major_minor(pointer_at(signal, OFF_signal_struct__tty));
#ifdef OFF_task_struct__loginuid
	common->loginuid = u32_at(task, OFF_task_struct__loginuid);
#else
	common->loginuid = 0xffffffff;
#endif
}

static __always_inline void put_credentials(struct frame_common *common, void *task)
{
	void *cred = pointer_at(task, OFF_task_struct__cred);
	void *spaces = pointer_at(task, OFF_task_struct__nsproxy);

	common->uid = u32_at(cred, OFF_cred__uid);
	common->gid = u32_at(cred, OFF_cred__gid);
	common->euid = u32_at(cred, OFF_cred__euid);
	common->egid = u32_at(cred, OFF_cred__egid);
	common->cap_permitted = u64_at(cred, OFF_cred__cap_permitted);
	common->cap_effective = u64_at(cred, OFF_cred__cap_effective);
	common->user_ns = u32_at(pointer_at(cred, OFF_cred__user_ns), OFF_user_namespace__ns__inum);
	common->mnt_ns = u32_at(pointer_at(spaces, OFF_nsproxy__mnt_ns), OFF_mnt_namespace__ns__inum);
	common->net_ns = u32_at(pointer_at(spaces, OFF_nsproxy__net_ns), OFF_net__ns__inum);
}

/*
 * What tells one image of a process from the next, here and in /proc: where the arguments lie, which every exec draws anew;
 * which file the image is, by what stat(2) calls it on all but stacked file systems.
 */
static __always_inline void put_image(u64 *arg_start, u64 *inode, u32 *device, const void *leader)
{
	void *mm = pointer_at(leader, OFF_task_struct__mm);
	void *file = pointer_at(mm, OFF_mm_struct__exe_file);

	*arg_start = u64_at(mm, OFF_mm_struct__arg_start);
	*inode = u64_at(pointer_at(file, OFF_file__f_inode), OFF_inode__i_ino);
#ifdef OFF_super_block__s_dev
	/* mnt_sb stands behind mnt_root */
	*device = u32_at(pointer_at(pointer_at(file, OFF_file__f_path__mnt), OFF_vfsmount__mnt_root + 8), OFF_super_block__s_dev);
#else
	*device = 0;
#endif
}

/* Up to eight parents, nearest first; the walk ends at a task that is its own parent (pid 0). */
static __always_inline void put_ancestors(struct scratch *s, void *task)
{
	void *leader = leader_of(task);
	u32 where = tail_at(s), count = 0;

	LOOP
	for (int i = 0; i < MAX_ANCESTORS; i++) {
		void *parent = leader_of(pointer_at(leader, OFF_task_struct__real_parent));
		u32 at, tgid = u32_at(parent, OFF_task_struct__tgid);
		struct ancestor *one;

		if (!tgid)
			break;
		at = tail_at(s) + i * ANCESTOR_BYTES; /* anew each time: on the stack it would lose its bound (kept from 5.11 on) */
		one = (void *)&s->frame.bytes[at];
		one->tgid = tgid;
		one->start_ns = u64_at(parent, OFF_task_struct__start_boottime);
		put_image(&one->arg_start, &one->exe_inode, &one->exe_dev, parent);
		read_kernel(one->comm, COMM_BYTES, parent + OFF_task_struct__comm);
		leader = parent;
		count++;
	}
	s->frame.common.ancestors_count = count;
	s->frame.common.ancestors_at = where;
	s->frame.common.ancestors_bytes = count * ANCESTOR_BYTES;
	s->tail_bytes += count * ANCESTOR_BYTES;
}

/* The cgroup's path below its hierarchy's root, names from the kernel's own nodes. */
static __always_inline void put_cgroup_path(struct scratch *s)
{
	void *node = cgroup_node(), *parent;
	u32 done = 0;

	s->used = 0;
	LOOP
	for (int i = 0; i < CGROUP_COMPONENTS; i++) {
		u32 start, bytes;
		long read;

		parent = pointer_at(node, OFF_kernfs_node__parent);
		if (!parent) { /* the root has no name of its own */
			done = 1;
			break;
		}
		/* the name's length is not kept: read it in front of the path, then move it to where it belongs */
		read = read_kernel_str(&s->back[PATH_BYTES + 8], NAME_MASK + 1, pointer_at(node, OFF_kernfs_node__name));
		if (read <= 1 || s->used + read > CGROUP_PATH_BYTES - 1)
			break;
		bytes = read - 1;
		s->used += bytes + 1;
		start = path_start(s);
		s->back[start] = '/';
		read_kernel(&s->back[start + 1], SIZE(bytes, NAME_MASK), &s->back[PATH_BYTES + 8]);
		node = parent;
	}
	walk_end(s);
	if (!done)
		s->frame.common.flags |= FRAME_CGROUP_CUT;
	put_path(s, &s->frame.common.cgroup_path_at, &s->frame.common.cgroup_path_bytes);
}

/* Exactly arg_end - arg_start bytes: what the process shows as its arguments now. */
static __always_inline void put_arguments(struct scratch *s, void *task)
{
	void *mm = pointer_at(task, OFF_task_struct__mm);
	u64 begin = u64_at(mm, OFF_mm_struct__arg_start), end = u64_at(mm, OFF_mm_struct__arg_end);
	u64 bytes = end - begin;
	u32 where = tail_at(s), taken;

	if (!mm || end <= begin)
		return;
	if (bytes > CMDLINE_BYTES) {
		bytes = CMDLINE_BYTES;
		s->frame.common.flags |= FRAME_CMDLINE_CUT;
	}
	taken = SIZE(bytes, CMDLINE_BYTES - 1);
	if (read_user(&s->frame.bytes[where], taken, begin)) {
		s->frame.common.flags |= FRAME_CMDLINE_FAULTED;
		return;
	}
	s->frame.common.cmdline_at = where;
	s->frame.common.cmdline_bytes = taken;
	s->tail_bytes += taken;
}

/* The program's file may have lost its name since the program began. */
static __always_inline int exe_is_deleted(void *task)
{
	void *file = pointer_at(pointer_at(task, OFF_task_struct__mm), OFF_mm_struct__exe_file);

	return is_deleted(pointer_at(file, OFF_file__f_path__dentry));
}

/* STAGE_IDENTITY */
static __always_inline int identity_stage(void *ctx, int raw)
{
	struct scratch *s = own_scratch();
	void *task = current_task();

	if (!s)
		return 0;
	s->tail_bytes = (s->tail_bytes + 7) & ~7u; /* the ancestors are read as words */
	put_ids(&s->frame.common, task);
	put_credentials(&s->frame.common, task);
	put_image(&s->frame.common.arg_start, &s->frame.common.exe_inode, &s->frame.common.exe_dev, leader_of(task));
	put_ancestors(s, task);
	if (exe_is_deleted(task))
		s->frame.common.flags |= FRAME_EXE_DELETED;
	return next(ctx, s, raw, STAGE_EMIT);
}

static __always_inline void become_flood(struct scratch *s)
{
	u32 kind = s->frame.common.kind;

	s->frame.common.kind = EVENT_FLOOD;
	s->frame.common.lane = LANE_RESERVED;
	s->frame.common.flags |= FRAME_BOOKKEEPING;
	s->frame.flood.fields.dropped = s->flood_dropped;
	s->frame.flood.fields.flooded_kind = kind;
	s->frame.flood.fields.flooded_lane = s->flood_lane;
}

static __always_inline int send(void *ctx, struct scratch *s)
{
	u32 bytes = TAILS_AT + BOUND(s->tail_bytes, TAIL_ROOM_BYTES - 1), lane = s->frame.common.lane;
	u32 which = BOUND(s->frame.common.kind * 2 + lane, 15);
	u64 *n;

	s->frame.common.frame_bytes = bytes;
	if (emit(ctx, &s->frame, bytes, lane)) {
		count_loss(lane == LANE_RESERVED ? LOSS_RING_FULL_RESERVED : LOSS_RING_FULL_COMMON);
		return leave(s);
	}
	n = sent.lookup(&which);
	if (n)
		*n += 1;
	return leave(s);
}

/* STAGE_EMIT */
static __always_inline int emit_stage(void *ctx)
{
	struct scratch *s = own_scratch();
	u64 start_ns;
	u32 tgid;

	if (!s)
		return 0;
	put_cgroup_path(s);
	put_arguments(s, current_task());
	if (s->flooded)
		become_flood(s);
	tgid = s->frame.common.tgid;
	start_ns = s->frame.common.start_ns;
	tracked.update(&tgid, &start_ns); /* until 4.18 a value to store lies on the stack, as a key does */
	return send(ctx, s);
}

int stage_walk(void *ctx) { return walk_stage(ctx, 0); }
int stage_admit(void *ctx) { return admit_stage(ctx, 0); }
int stage_identity(void *ctx) { return identity_stage(ctx, 0); }
int stage_emit(void *ctx) { return emit_stage(ctx); }
#ifdef HAVE_RAW_TRACEPOINT
int raw_stage_walk(void *ctx) { return walk_stage(ctx, 1); }
int raw_stage_admit(void *ctx) { return admit_stage(ctx, 1); }
int raw_stage_identity(void *ctx) { return identity_stage(ctx, 1); }
int raw_stage_emit(void *ctx) { return emit_stage(ctx); }
#endif
